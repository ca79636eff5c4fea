using System.Data.Common;

namespace Levee.Serving.Hosting;

/// <summary>Why Orleans did not start, in a sentence: the store is not there, refuses, or lacks its tables.</summary>
internal static class StartFailure
{
    /// <summary>PostgreSQL's name for a table that is not there.</summary>
    private const string UndefinedTable = "42P01";

    /// <summary>The script that makes PostgreSQL ready; it lies beside the program.</summary>
    private static string PostgresScript => Path.Combine(AppContext.BaseDirectory, "sql", "postgres.sql");

    /// <summary>The sentence, without a full stop.</summary>
    public static string Sentence(Exception failure)
    {
        var causes = new List<Exception>();
        for (var cause = failure; cause is not null; cause = cause.InnerException)
        {
            causes.Add(cause);
        }

        if (causes.OfType<DbException>().Any(cause => cause.SqlState == UndefinedTable))
        {
            return $"PostgreSQL has no tables for it; make them once: psql -v ON_ERROR_STOP=1 -f {PostgresScript} \"host=... dbname=...\"";
        }

        var messages = causes.Where(cause => cause is not AggregateException).Select(cause => cause.Message.Trim().TrimEnd('.')).Distinct().ToList();
        return string.Join(": ", messages.Where(message => !messages.Exists(other => other.Length > message.Length && other.Contains(message, StringComparison.Ordinal))));
    }
}
