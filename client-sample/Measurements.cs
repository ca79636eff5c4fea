using System.Numerics;

namespace Levee.ClientSample;

/// <summary>What the catalogue measured since it started, or since <see cref="Reset"/>: reads with the cache, and past it.</summary>
public sealed class Measurements(Origin origin, ICatalogueCache cache, TimeProvider time)
{
    private static readonly TimeSpan ReportPause = TimeSpan.FromSeconds(1);

    private long began = time.GetTimestamp();
    private long readsBefore;
    private long cacheErrors;
    private long reported;
    private string? lastError;

    /// <summary>Reads that asked the cache first.</summary>
    public Column WithCache { get; } = new(time);

    /// <summary>Reads that went to the origin at once.</summary>
    public Column WithoutCache { get; } = new(time);

    /// <summary>Counts a failure of the cache.</summary>
    /// <returns>Whether it is to be logged.</returns>
    public bool CacheFailed(string reason)
    {
        Interlocked.Increment(ref cacheErrors);
        lastError = reason;
        var before = Interlocked.Read(ref reported);
        return (before == 0 || time.GetElapsedTime(before) >= ReportPause) && Interlocked.CompareExchange(ref reported, time.GetTimestamp(), before) == before;
    }

    /// <summary>Everything from zero.</summary>
    public void Reset()
    {
        began = time.GetTimestamp();
        readsBefore = origin.Reads;
        Interlocked.Exchange(ref cacheErrors, 0);
        lastError = null;
        WithCache.Reset();
        WithoutCache.Reset();
    }

    /// <summary>What there is to show.</summary>
    public Report Report()
    {
        var from = began;
        return new Report(cache.Description, origin.Reads - readsBefore, Interlocked.Read(ref cacheErrors), lastError, WithCache.Summarize(from), WithoutCache.Summarize(from));
    }
}

/// <summary>The answer of <c>GET /stats</c>.</summary>
/// <param name="Cache">Which cache is used.</param>
/// <param name="OriginReads">Reads that the origin had to answer.</param>
/// <param name="CacheErrors">Calls to the cache that failed; the catalogue answered all the same.</param>
/// <param name="LastError">What the last of them said.</param>
/// <param name="WithCache">Reads that asked the cache first.</param>
/// <param name="WithoutCache">Reads that did not.</param>
public sealed record Report(string Cache, long OriginReads, long CacheErrors, string? LastError, Summary WithCache, Summary WithoutCache);

/// <summary>A column of the report.</summary>
/// <param name="Requests">How many.</param>
/// <param name="PerSecond">How many in a second, up to the last one.</param>
/// <param name="HitRatio">0 to 1: the part that the cache answered.</param>
/// <param name="P50Ms">Half took no longer, in milliseconds, as the catalogue sees it; exact to an eighth.</param>
/// <param name="P99Ms">99 of 100 took no longer.</param>
public sealed record Summary(long Requests, double PerSecond, double HitRatio, double P50Ms, double P99Ms);

/// <summary>Counts requests and how long they took. Safe for threads.</summary>
public sealed class Column(TimeProvider time)
{
    // A bucket for each eighth of a power of two, in microseconds: bounded memory, and an error of at most an eighth.
    private const int Steps = 8;
    private readonly long[] buckets = new long[32 * Steps];
    private long hits;
    private long last;

    /// <summary>Counts a request.</summary>
    public void Record(TimeSpan duration, bool isHit)
    {
        Interlocked.Increment(ref buckets[BucketOf((uint)Math.Clamp(duration.TotalMicroseconds, Steps, int.MaxValue))]);
        if (isHit)
        {
            Interlocked.Increment(ref hits);
        }

        Volatile.Write(ref last, time.GetTimestamp());
    }

    /// <summary>Everything from zero.</summary>
    public void Reset()
    {
        Array.Clear(buckets);
        Interlocked.Exchange(ref hits, 0);
    }

    /// <summary>The column's numbers, counted from a timestamp on.</summary>
    public Summary Summarize(long began)
    {
        var seconds = time.GetElapsedTime(began, Math.Max(began, Volatile.Read(ref last))).TotalSeconds;
        var counts = (long[])buckets.Clone();
        var total = counts.Sum();
        return new Summary(total, total / Math.Max(seconds, 0.001), total == 0 ? 0 : Math.Min(1, (double)Interlocked.Read(ref hits) / total), Quantile(counts, total, 0.5), Quantile(counts, total, 0.99));
    }

    private static double Quantile(long[] counts, long total, double part)
    {
        var left = (long)Math.Ceiling(total * part);
        for (var bucket = 0; bucket < counts.Length && total > 0; bucket++)
        {
            if ((left -= counts[bucket]) <= 0)
            {
                return UpperMicroseconds(bucket) / 1000.0;
            }
        }

        return 0;
    }

    private static int BucketOf(uint microseconds)
    {
        var power = BitOperations.Log2(microseconds);
        return (power * Steps) + (int)((microseconds >> (power - 3)) & (Steps - 1));
    }

    private static long UpperMicroseconds(int bucket)
    {
        var power = bucket / Steps;
        return (1L << power) + ((long)((bucket % Steps) + 1) << (power - 3));
    }
}
