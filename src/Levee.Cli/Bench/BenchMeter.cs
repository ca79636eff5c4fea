using System.Diagnostics;
using System.Text;
using Levee.Telemetry;

namespace Levee.Cli.Bench;

/// <summary>What one thread of a bench counts. Operations that were due outside the measured window count for nothing.</summary>
internal sealed class BenchMeter
{
    private static readonly double NanosecondsPerTick = 1e9 / Stopwatch.Frequency;

    private long answered;

    /// <summary>The window, in nanoseconds of <see cref="Now"/>.</summary>
    public long From { get; set; } = long.MaxValue;

    public long Until { get; set; } = long.MaxValue;

    public long Reads { get; private set; }

    public long Hits { get; private set; }

    public long Writes { get; private set; }

    public long Errors { get; private set; }

    public long Unanswered { get; private set; }

    public string? FirstError { get; private set; }

    public LatencyHistogram Latencies { get; } = new();

    /// <summary>All replies so far, for the progress line; read by another thread.</summary>
    public long Answered => Volatile.Read(ref answered);

    public static long Now() => (long)(Stopwatch.GetTimestamp() * NanosecondsPerTick);

    public void Record(long due, long now, bool isRead, bool isHit)
    {
        Volatile.Write(ref answered, answered + 1);
        if (due < From || due >= Until)
        {
            return;
        }

        Latencies.Record(now - due);
        if (isRead)
        {
            Reads++;
            Hits += isHit ? 1 : 0;
        }
        else
        {
            Writes++;
        }
    }

    public void Abandon(long due, long now)
    {
        if (due >= From && due < Until)
        {
            Unanswered++;
            Latencies.Record(now - due);
        }
    }

    public void Fail(ReadOnlySpan<byte> line)
    {
        Errors++;
        FirstError ??= Encoding.UTF8.GetString(line[1..]).TrimEnd();
    }
}
