using System.Numerics;
using System.Runtime.CompilerServices;

namespace Levee.Telemetry;

/// <summary>
/// Counts durations in buckets whose width grows with the value, so that every quantile is known to within 1/64 of itself, from nanoseconds to hours, in a fixed 21 kB
/// (the idea of Tene's HdrHistogram).
/// </summary>
/// <remarks>
/// <para>Layout: values below 128 have a bucket each. From there each doubling [2^k, 2^(k+1)) is cut into 64 equal buckets, so a bucket is at most 1/64 of its lowest value wide. A quantile is
/// reported as its bucket's highest value, hence never below the true one, and at most 1/64 above.</para>
/// <para>One thread records. Another may read meanwhile and then sees a recent state in which the count may run ahead of the buckets or behind; merge into a fresh histogram to report.</para>
/// </remarks>
public sealed class LatencyHistogram
{
    /// <summary>The longest duration told apart, in nanoseconds (about 19 hours); longer ones count as this.</summary>
    public const long MaxNanoseconds = (1L << 46) - 1;

    private const int StepBits = 6;
    private const int Steps = 1 << StepBits;
    private const int BucketCount = (46 - StepBits + 1) * Steps;

    private readonly long[] buckets = new long[BucketCount];
    private long max;
    private double sum;

    /// <summary>How many durations were recorded.</summary>
    public long Count { get; private set; }

    /// <summary>The longest duration recorded, exactly; zero when there is none.</summary>
    public TimeSpan Max => ToTimeSpan(max);

    /// <summary>The mean, from exact values; zero when there is none.</summary>
    public TimeSpan Mean => Count == 0 ? TimeSpan.Zero : ToTimeSpan((long)(sum / Count));

    /// <summary>The sum of all durations, in seconds.</summary>
    public double SumSeconds => sum / 1e9;

    /// <summary>Counts a duration; below zero counts as zero.</summary>
    /// <param name="nanoseconds">The duration.</param>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public void Record(long nanoseconds)
    {
        var value = Math.Clamp(nanoseconds, 0, MaxNanoseconds);
        buckets[BucketOf(value)]++;
        Count++;
        sum += value;
        if (value > max)
        {
            max = value;
        }
    }

    /// <summary>Counts a duration.</summary>
    /// <param name="duration">The duration.</param>
    public void Record(TimeSpan duration) => Record(duration.Ticks > MaxNanoseconds / 100 ? MaxNanoseconds : duration.Ticks * 100);

    /// <summary>Adds all that another histogram has counted.</summary>
    /// <param name="other">The other; it is left as it is.</param>
    public void Add(LatencyHistogram other)
    {
        ArgumentNullException.ThrowIfNull(other);
        for (var bucket = 0; bucket < BucketCount; bucket++)
        {
            buckets[bucket] += other.buckets[bucket];
        }

        Count += other.Count;
        sum += other.sum;
        max = Math.Max(max, other.max);
    }

    /// <summary>The duration that a share of all durations does not exceed, in nanoseconds; 0 when there is none.</summary>
    /// <param name="quantile">From 0 to 1: 0.99 is the 99th percentile, 1 the maximum.</param>
    public long QuantileNanoseconds(double quantile)
    {
        if (quantile is not (>= 0 and <= 1))
        {
            throw new ArgumentOutOfRangeException(nameof(quantile), quantile, "A quantile lies between 0 and 1.");
        }

        var rank = Math.Max(1, (long)Math.Ceiling(quantile * Count));
        long below = 0;
        for (var bucket = 0; bucket < BucketCount; bucket++)
        {
            below += buckets[bucket];
            if (below >= rank)
            {
                return Math.Min(HighestOf(bucket), max);
            }
        }

        return max;
    }

    /// <summary>The duration that a share of all durations does not exceed.</summary>
    /// <param name="quantile">From 0 to 1.</param>
    public TimeSpan Quantile(double quantile) => ToTimeSpan(QuantileNanoseconds(quantile));

    /// <summary>How many durations lie at or below a bound, to within the bucket that the bound falls into, which counts as a whole.</summary>
    /// <param name="nanoseconds">The bound.</param>
    public long CountAtMost(long nanoseconds)
    {
        if (nanoseconds < 0)
        {
            return 0;
        }

        var last = BucketOf(Math.Min(nanoseconds, MaxNanoseconds));
        long count = 0;
        for (var bucket = 0; bucket <= last; bucket++)
        {
            count += buckets[bucket];
        }

        return count;
    }

    /// <summary>Forgets everything.</summary>
    public void Clear()
    {
        Array.Clear(buckets);
        Count = 0;
        sum = 0;
        max = 0;
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static int BucketOf(long value)
    {
        // Filling the low bits gives values below 64 the shift of those below 128, which is 0.
        var shift = BitOperations.Log2((ulong)value | (2 * Steps - 1)) - StepBits;
        return (shift << StepBits) + (int)(value >> shift);
    }

    private static long HighestOf(int bucket)
    {
        var shift = Math.Max((bucket >> StepBits) - 1, 0);
        var lowest = (long)(bucket - (shift << StepBits)) << shift;
        return lowest + (1L << shift) - 1;
    }

    private static TimeSpan ToTimeSpan(long nanoseconds) => TimeSpan.FromTicks(nanoseconds / 100);
}
