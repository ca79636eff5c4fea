using Levee.Telemetry;

namespace Levee.ClusterLoad;

/// <summary>What was answered in one second of the run; times in milliseconds.</summary>
internal sealed record SecondRow(int Second, long Answers, long Hits, long Misses, long Failures, double P50, double P99, double Max)
{
    /// <summary>Hits of all reads; not a number where nothing was read.</summary>
    public double HitRatio => (double)Hits / (Hits + Misses);
}

/// <summary>A time in which a partition gave no answer, or acknowledged no write; in seconds since the run began.</summary>
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

    // Shorter silences are the load's own: a partition is not asked all the time.
    private const double LeastSilence = 0.1;

    private readonly Lock gate = new();
    private readonly List<SecondRow> rows = [];
    private readonly List<Silence> silences = [];
    private readonly List<FailedRequest> failures = [];
    private readonly long[] lastAnswer;
    private readonly long[] lastWrite;
    private readonly LatencyHistogram current = new();
    private readonly LatencyHistogram all = new();
    private long answers;
    private long hits;
    private long misses;
    private long failed;

    public SecondLog(int partitions)
    {
        lastAnswer = new long[partitions];
        lastWrite = new long[partitions];
    }

    /// <summary>All latencies of seconds that are over; read it when the run is.</summary>
    public LatencyHistogram Latencies => all;

    public void Answer(int partition, RequestKind kind, bool isHit, long due, long now)
    {
        lock (gate)
        {
            Turn(now);
            answers++;
            hits += kind == RequestKind.Get && isHit ? 1 : 0;
            misses += kind == RequestKind.Get && !isHit ? 1 : 0;
            current.Record(now - due);
            Hear(lastAnswer, partition, isOfWrites: false, now);
            if (kind != RequestKind.Get)
            {
                Hear(lastWrite, partition, isOfWrites: true, now);
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
            for (var partition = 0; partition < lastAnswer.Length; partition++)
            {
                Hear(lastAnswer, partition, isOfWrites: false, now);
                Hear(lastWrite, partition, isOfWrites: true, now);
            }

            return (rows, silences, failures);
        }
    }

    private void Hear(long[] last, int partition, bool isOfWrites, long now)
    {
        var silence = new Silence(partition, isOfWrites, last[partition] * SecondsPerNanosecond, now * SecondsPerNanosecond);
        last[partition] = now;
        if (silence.Length >= LeastSilence)
        {
            silences.Add(silence);
        }
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
