using System.Diagnostics;

namespace Levee.Server.Metrics;

/// <summary>
/// Counts durations in fixed buckets, as Prometheus wants them: from 50 µs to 10 s in steps of 1, 2.5 and 5. One thread notes, any may read:
/// what a reader sees is at most one note behind itself.
/// </summary>
public sealed class DurationHistogram
{
    private static readonly double[] Bounds =
        [0.00005, 0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10];

    private static readonly long[] BoundsTicks = [.. Bounds.Select(seconds => (long)(seconds * Stopwatch.Frequency))];

    private readonly long[] counts = new long[BucketCount];
    private long sumTicks;

    /// <summary>The buckets' upper bounds, inclusive; the last bucket has none.</summary>
    public static ReadOnlySpan<double> BoundsSeconds => Bounds;

    /// <summary>How many buckets there are.</summary>
    public static int BucketCount => Bounds.Length + 1;

    /// <summary>All durations together.</summary>
    public double SumSeconds => Volatile.Read(ref sumTicks) / (double)Stopwatch.Frequency;

    /// <summary>How many durations fell into a bucket.</summary>
    public long Count(int bucket) => Volatile.Read(ref counts[bucket]);

    /// <summary>Notes a duration.</summary>
    /// <param name="stopwatchTicks">The difference of two <see cref="Stopwatch.GetTimestamp"/>.</param>
    public void Note(long stopwatchTicks)
    {
        var bucket = 0;
        while (bucket < BoundsTicks.Length && stopwatchTicks > BoundsTicks[bucket])
        {
            bucket++;
        }

        counts[bucket]++;
        sumTicks += stopwatchTicks;
    }

    /// <summary>Adds what another has counted.</summary>
    public void Add(DurationHistogram other)
    {
        ArgumentNullException.ThrowIfNull(other);
        for (var i = 0; i < counts.Length; i++)
        {
            counts[i] += other.Count(i);
        }

        sumTicks += Volatile.Read(ref other.sumTicks);
    }
}
