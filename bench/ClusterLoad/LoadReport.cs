using System.Text.Json;
using System.Text.Json.Serialization;
using Levee.Telemetry;

namespace Levee.ClusterLoad;

/// <summary>Failures of a whole run.</summary>
/// <param name="Failures">Requests without an answer, by cause.</param>
/// <param name="Errors">Error replies by their text.</param>
/// <param name="BrokenConnections">Connections that went away with requests under way.</param>
/// <param name="ClosedConnections">Connections that went away while none was: no failure.</param>
internal sealed record LoadTotals(IReadOnlyDictionary<Failure, long> Failures, IReadOnlyDictionary<string, int> Errors, long BrokenConnections, long ClosedConnections);

/// <summary>What a run has found.</summary>
internal sealed class LoadReport(
    LoadOptions options,
    IReadOnlyList<SecondRow> rows,
    IReadOnlyList<EventReport> events,
    LatencyHistogram latencies,
    ReadChecker checker,
    LoadTotals totals,
    IReadOnlyList<string> watched)
{
    private static readonly JsonSerializerOptions Json = new()
    {
        WriteIndented = true,
        PropertyNamingPolicy = JsonNamingPolicy.SnakeCaseLower,
        DictionaryKeyPolicy = null,
        NumberHandling = JsonNumberHandling.AllowNamedFloatingPointLiterals,
        Converters = { new JsonStringEnumConverter(JsonNamingPolicy.SnakeCaseLower) },
    };

    /// <summary>Whether every read gave what it may.</summary>
    public bool IsSound => checker.Violations == 0;

    /// <summary>The report as JSON.</summary>
    public string ToJson() => JsonSerializer.Serialize(
        new
        {
            Rate = options.Rate,
            All = Means.Of(rows.ToArray()),
            P99Ms = Milliseconds(0.99),
            P999Ms = Milliseconds(0.999),
            MaxMs = latencies.Max.TotalMilliseconds,
            checker.Violations,
            checker.LateReads,
            totals.Failures,
            totals.Errors,
            totals.BrokenConnections,
            totals.ClosedConnections,
            Watched = watched,
            Events = events,
            Seconds = rows,
        },
        Json);

    /// <summary>The report as lines for people.</summary>
    public IEnumerable<string> ToLines()
    {
        var all = Means.Of(rows.ToArray());
        yield return "";
        yield return Line($"{rows.Count} s: {all.AnswersPerSecond:0} ops/s, hit ratio {100 * all.HitRatio:0.00} %, p50 {Milliseconds(0.5):0.00} p99 {Milliseconds(0.99):0.00} p99.9 {Milliseconds(0.999):0.00} max {latencies.Max.TotalMilliseconds:0.00} ms");
        if (rows.Where(row => row.Hits + row.Misses > 0).MinBy(row => row.HitRatio) is { } leastHits && rows.MaxBy(row => row.P99) is { } slowest)
        {
            yield return Line($"worst second: hit ratio {100 * leastHits.HitRatio:0.00} % in second {leastHits.Second}; p99 {slowest.P99:0.00} ms in second {slowest.Second}");
        }

        yield return Line($"failed requests: {totals.Failures.Values.Sum()} ({Text(totals.Failures)}); connections that broke with requests under way: {totals.BrokenConnections}, while idle: {totals.ClosedConnections}");
        foreach (var (text, count) in totals.Errors.OrderByDescending(error => error.Value).Take(10))
        {
            yield return Line($"  {count} x {text}");
        }

        foreach (var line in events.SelectMany(Lines).Concat(watched))
        {
            yield return line;
        }

        yield return Line($"checked reads: {checker.Violations} violations; {checker.LateReads} reads of writes of unknown outcome that took effect late");
        foreach (var violation in checker.Descriptions)
        {
            yield return violation;
        }
    }

    private static IEnumerable<string> Lines(EventReport happened)
    {
        yield return Line($"at {happened.At:0.0} s: {happened.Text}");
        yield return Line($"  hit ratio {100 * happened.Before.HitRatio:0.00} % before, {100 * happened.WorstHitRatio:0.00} % in the worst second, {100 * happened.After.HitRatio:0.00} % in the end; back within a point after {(happened.SecondsToRecover is { } seconds ? Line($"{seconds:0.0} s") : "(not yet)")}");
        yield return Line($"  p50/p99 {happened.Before.P50:0.00}/{happened.Before.P99:0.00} ms before, {happened.After.P50:0.00}/{happened.After.P99:0.00} ms in the end; worst second's p99 {happened.WorstP99:0.00} ms, longest {happened.LongestLatency:0.00} ms");
        yield return Line($"  failed within 15 s: {happened.Failures.Values.Sum()} ({Text(happened.Failures)}); longest silence of a partition {happened.LongestSilence.Longest:0.00} s ({happened.LongestSilence.Partitions} of 0.5 s or more), of its writes {happened.LongestWriteSilence.Longest:0.00} s ({happened.LongestWriteSilence.Partitions})");
    }

    private static string Text<T>(IReadOnlyDictionary<Failure, T> failures) => failures.Count == 0 ? "none" : string.Join(", ", failures.Select(failure => $"{failure.Key} {failure.Value}"));

    private static string Line(FormattableString line) => FormattableString.Invariant(line);

    private double Milliseconds(double quantile) => latencies.QuantileNanoseconds(quantile) / 1e6;
}
