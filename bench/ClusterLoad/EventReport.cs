namespace Levee.ClusterLoad;

/// <summary>Something that somebody did to the servers; in seconds since the run began.</summary>
internal readonly record struct ServerEvent(double At, string Text);

/// <summary>Means over some seconds.</summary>
internal sealed record Means(double HitRatio, double AnswersPerSecond, double P50, double P99, double Max)
{
    public static Means Of(IReadOnlyCollection<SecondRow> rows)
    {
        var read = rows.Sum(row => row.Hits + row.Misses);
        return rows.Count == 0
            ? new Means(0, 0, 0, 0, 0)
            : new Means(read == 0 ? 0 : (double)rows.Sum(row => row.Hits) / read, rows.Average(row => row.Answers), rows.Average(row => row.P50), rows.Average(row => row.P99), rows.Max(row => row.Max));
    }
}

/// <summary>What an event did to the clients.</summary>
/// <param name="At">When, in seconds since the run began.</param>
/// <param name="Text">What it was.</param>
/// <param name="Before">Means of the 5 seconds before.</param>
/// <param name="After">Means of the last 5 seconds before the next event.</param>
/// <param name="WorstHitRatio">Of the seconds until the next event.</param>
/// <param name="WorstP99">Of the seconds until the next event, in ms.</param>
/// <param name="LongestLatency">Until the next event, in ms.</param>
/// <param name="SecondsToRecover">Until the hit ratio is within a point of what it was, counted to the end of the first second from which on it stays there; null: it did not recover before the next event.</param>
/// <param name="Failures">Requests that failed in the 15 seconds after, by cause; none where nothing failed.</param>
/// <param name="LongestSilence">The longest time without any answer of one partition, in seconds, and how many partitions were silent for half a second or more.</param>
/// <param name="LongestWriteSilence">The same for acknowledged writes.</param>
internal sealed record EventReport(
    double At,
    string Text,
    Means Before,
    Means After,
    double WorstHitRatio,
    double WorstP99,
    double LongestLatency,
    double? SecondsToRecover,
    IReadOnlyDictionary<Failure, int> Failures,
    PartitionSilence LongestSilence,
    PartitionSilence LongestWriteSilence)
{
    private const double FailureSeconds = 15;
    private const int MeanSeconds = 5;
    private const double Near = 0.01;

    /// <summary>Reports on each event.</summary>
    public static IReadOnlyList<EventReport> Of(IReadOnlyList<ServerEvent> events, IReadOnlyList<SecondRow> rows, IReadOnlyList<Silence> silences, IReadOnlyList<FailedRequest> failures) =>
        [.. events.Select((happened, i) => Of(happened, i + 1 < events.Count ? events[i + 1].At : rows.Count, rows, silences, failures))];

    private static EventReport Of(ServerEvent happened, double until, IReadOnlyList<SecondRow> rows, IReadOnlyList<Silence> silences, IReadOnlyList<FailedRequest> failures)
    {
        // The second in which it happened belongs to what came after.
        var second = (int)happened.At;
        var before = Means.Of([.. rows.Where(row => row.Second < second && row.Second >= second - MeanSeconds)]);
        SecondRow[] after = [.. rows.Where(row => row.Second >= second && row.Second + 1 <= Math.Max(until, second + 1))];
        var within = silences.Where(silence => silence.Until > happened.At && silence.From < until).ToArray();
        return new EventReport(
            happened.At,
            happened.Text,
            before,
            Means.Of(after[Math.Max(0, after.Length - MeanSeconds)..]),
            after.Where(row => row.Hits + row.Misses > 0).Select(row => row.HitRatio).DefaultIfEmpty(0).Min(),
            after.Select(row => row.P99).DefaultIfEmpty(0).Max(),
            after.Select(row => row.Max).DefaultIfEmpty(0).Max(),
            Recovery(happened.At, before.HitRatio, after),
            failures.Where(failed => failed.At >= happened.At && failed.At < Math.Min(until, happened.At + FailureSeconds)).CountBy(failed => failed.Cause).ToDictionary(),
            PartitionSilence.Of(within.Where(silence => !silence.IsOfWrites)),
            PartitionSilence.Of(within.Where(silence => silence.IsOfWrites)));
    }

    private static double? Recovery(double at, double before, SecondRow[] after)
    {
        var last = Array.FindLastIndex(after, row => row.Hits + row.Misses == 0 || row.HitRatio < before - Near);
        return last < 0 ? 0 : last == after.Length - 1 ? null : after[last].Second + 1 - at;
    }
}

/// <summary>The longest silence of one partition, in seconds, and how many partitions were silent for half a second or more.</summary>
internal readonly record struct PartitionSilence(double Longest, int Partitions)
{
    public static PartitionSilence Of(IEnumerable<Silence> silences)
    {
        Silence[] all = [.. silences];
        return new(all.Select(silence => silence.Length).DefaultIfEmpty(0).Max(), all.Where(silence => silence.Length >= 0.5).Select(silence => silence.Partition).Distinct().Count());
    }
}
