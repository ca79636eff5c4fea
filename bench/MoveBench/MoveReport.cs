using System.Globalization;

namespace Levee.MoveBench;

/// <summary>What a move cost, as a row of a table.</summary>
internal sealed record MoveReport
{
    public const string Head = """
        | move | s | MiB | MiB/s | entries | lost | longest read ms | p99.9 ms | reads/s | lowest hits of 100 ms % | longest slice ms | slices > 1 ms | held from % | held to % | GC pauses ms |
        |---|---|---|---|---|---|---|---|---|---|---|---|---|---|---|
        """;

    public required TimeSpan Time { get; init; }

    public required long Bytes { get; init; }

    public required long Entries { get; init; }

    /// <summary>Entries that are not there, or not as they were.</summary>
    public required long Lost { get; init; }

    /// <summary>Entries that the host says it has lost.</summary>
    public required long Given { get; init; }

    public required TimeSpan LongestSlice { get; init; }

    public required long Slices { get; init; }

    public required Reader Reader { get; init; }

    /// <summary>The highest part of its budget that the host held from which the partitions went; and the other one.</summary>
    public required double HeldFrom { get; init; }

    public required double HeldTo { get; init; }

    public required TimeSpan Paused { get; init; }

    public required string Problems { get; init; }

    public string Row(string name)
    {
        var mebibytes = Bytes / (double)(1 << 20);
        string[] cells =
        [
            name,
            Text(Time.TotalSeconds, "0.00"),
            Text(mebibytes, "0"),
            Text(mebibytes / Time.TotalSeconds, "0"),
            Text(Entries, "0"),
            Lost == Given ? Text(Lost, "0") : $"{Lost}, of which counted {Given}",
            Text(Reader.LongestMs, "0.0"),
            Text(Reader.PercentileMs(0.999), "0.000"),
            Text(Reader.Reads / (Time.TotalSeconds + 1), "0"),
            Text(Reader.LowestHitRatio * 100, "0.00"),
            Text(LongestSlice.TotalMilliseconds, "0.00"),
            Text(Slices, "0"),
            Text(HeldFrom * 100, "0.0"),
            Text(HeldTo * 100, "0.0"),
            Text(Paused.TotalMilliseconds, "0"),
        ];
        return $"| {string.Join(" | ", cells)} |{(Problems.Length > 0 ? $" {Problems}" : "")}";
    }

    private static string Text(double value, string format) => value.ToString(format, CultureInfo.InvariantCulture);
}
