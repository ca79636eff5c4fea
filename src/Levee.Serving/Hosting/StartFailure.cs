using System.Data.Common;
using Microsoft.Extensions.Logging;

namespace Levee.Serving.Hosting;

/// <summary>Why Orleans did not start, in a sentence: the store is not there, refuses, or lacks its tables. Orleans' own account, stack trace upon stack trace, is printed where debugging is asked for.</summary>
internal static class StartFailure
{
    /// <summary>PostgreSQL's name for a table that is not there.</summary>
    private const string UndefinedTable = "42P01";

    /// <summary>Who logs the exception that ends a start: each of them the same one.</summary>
    private static readonly string[] tellers = ["Microsoft.Extensions.Hosting.Internal.Host", "Orleans.Runtime.MembershipService.MembershipTableManager", "Orleans.Runtime.Silo"];

    /// <summary>The script that makes PostgreSQL ready; it lies beside the program.</summary>
    private static string PostgresScript => Path.Combine(AppContext.BaseDirectory, "sql", "postgres.sql");

    /// <summary>Until the silo has started, those who would tell its failure in stack traces are not heard; afterwards their warnings are.</summary>
    public static void Quiet(ILoggingBuilder logging, LogLevel shown, Func<bool> hasStarted)
    {
        if (shown > LogLevel.Debug)
        {
            var least = shown > LogLevel.Warning ? shown : LogLevel.Warning;
            foreach (var teller in tellers)
            {
                logging.AddFilter(teller, level => level >= least && hasStarted());
            }
        }
    }

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
