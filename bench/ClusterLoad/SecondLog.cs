using Levee.Telemetry;

namespace Levee.ClusterLoad;

/// <summary>What was answered in one second of the run; times in milliseconds.</summary>
internal sealed record SecondRow(int Second, long Answers, long Hits, long Misses, long Failures, double P50, double P99, double Max)
{
    /// <summary>Hits of all reads; not a number where nothing was read.</summary>
    public double HitRatio => (double)Hits / (Hits + Misses);
}

/// <summary>A time in which a partition that was asked gave no answer, or acknowledged no write: from when the first request was due since its last answer; in seconds since the run began.</summary>
internal readonly record struct Silence(int Partition, bool IsOfWrites, double From, double Until)
{
    public double Length => Until - From;
}

/// <summary>A request that failed: when, in seconds since the run began, and why.</summary>
internal readonly record struct FailedRequest(double At, Failure Cause);

/// <summary>Collects answers by the second and by partition. Thread-safe. Times are nanoseconds since the run began.</summary>
internal sealed class SecondLog
{
    private const double SecondsPerNanosecond = 1e-9;

    private const double LeastSilence = 0.1;
    private const long Nothing = -1;

    private readonly Lock gate = new();
    private readonly List<SecondRow> rows = [];
    private readonly List<Silence> silences = [];
    private readonly List<FailedRequest> failures = [];

    // When the first request was due that a partition has had since its last answer.
    private readonly long[] asked;
    private readonly long[] askedToWrite;
    private readonly LatencyHistogram current = new();
    private readonly LatencyHistogram all = new();
    private long answers;
    private long hits;
    private long misses;
    private long failed;

    public SecondLog(int partitions)
    {
        asked = new long[partitions];
        askedToWrite = new long[partitions];
        Array.Fill(asked, Nothing);
        Array.Fill(askedToWrite, Nothing);
    }

    /// <summary>All latencies of seconds that are over; read it when the run is.</summary>
    public LatencyHistogram Latencies => all;

    public void Ask(int partition, RequestKind kind, long due)
    {
        lock (gate)
        {
            asked[partition] = asked[partition] == Nothing ? due : asked[partition];
            if (kind != RequestKind.Get)
            {
                askedToWrite[partition] = askedToWrite[partition] == Nothing ? due : askedToWrite[partition];
            }
        }
    }

    public void Answer(int partition, RequestKind kind, bool isHit, long due, long now)
    {
        lock (gate)
        {
            Turn(now);
            answers++;
            hits += kind == RequestKind.Get && isHit ? 1 : 0;
            misses += kind == RequestKind.Get && !isHit ? 1 : 0;
            current.Record(now - due);
            Hear(asked, partition, isOfWrites: false, now);
            if (kind != RequestKind.Get)
            {
                Hear(askedToWrite, partition, isOfWrites: true, now);
            }
        }
    }

    public void Fail(Failure cause, long now)
    {
        lock (gate)
        {
            Turn(now);
            failed++;
            failures.Add(new FailedRequest(now * SecondsPerNanosecond, cause));
        }
    }

    /// <summary>The seconds that are over by now, from one on.</summary>
    public IReadOnlyList<SecondRow> RowsFrom(int first, long now)
    {
        lock (gate)
        {
            Turn(now);
            return rows[first..];
        }
    }

    /// <summary>Everything so far; partitions that are silent now count as silent until now.</summary>
    public (IReadOnlyList<SecondRow> Rows, IReadOnlyList<Silence> Silences, IReadOnlyList<FailedRequest> Failures) End(long now)
    {
        lock (gate)
        {
            Turn(now);
            for (var partition = 0; partition < asked.Length; partition++)
            {
                Hear(asked, partition, isOfWrites: false, now);
                Hear(askedToWrite, partition, isOfWrites: true, now);
            }

            return (rows, silences, failures);
        }
    }

    private void Hear(long[] since, int partition, bool isOfWrites, long now)
    {
        var silence = new Silence(partition, isOfWrites, since[partition] * SecondsPerNanosecond, now * SecondsPerNanosecond);
        if (since[partition] != Nothing && silence.Length >= LeastSilence)
        {
            silences.Add(silence);
        }

        since[partition] = Nothing;
    }

    private void Turn(long now)
    {
        while (now * SecondsPerNanosecond >= rows.Count + 1)
        {
            rows.Add(new SecondRow(rows.Count, answers, hits, misses, failed, Milliseconds(0.5), Milliseconds(0.99), current.Max.TotalMilliseconds));
            all.Add(current);
            current.Clear();
            answers = hits = misses = failed = 0;
        }
    }

    private double Milliseconds(double quantile) => current.QuantileNanoseconds(quantile) / 1e6;
}
