namespace Levee.Server.Metrics;

/// <summary>
/// Requests by operation and outcome, their durations by operation, and bytes. Owned by one thread, which does nothing but add; any thread may read.
/// A front door has one for each of its loops and joins them in a <see cref="FrontDoorMetrics"/>.
/// </summary>
public sealed class RequestCounters
{
    internal static readonly int Operations = Enum.GetValues<RequestOperation>().Length;
    internal static readonly int Outcomes = Enum.GetValues<RequestOutcome>().Length;

    private readonly long[] requests = new long[Operations * Outcomes];
    private readonly DurationHistogram?[] durations = new DurationHistogram?[Operations];
    private long receivedBytes;
    private long sentBytes;

    /// <summary>Bytes received so far.</summary>
    public long ReceivedBytes => Volatile.Read(ref receivedBytes);

    /// <summary>Bytes sent so far.</summary>
    public long SentBytes => Volatile.Read(ref sentBytes);

    /// <summary>How many requests ended in this way.</summary>
    public long Count(RequestOperation operation, RequestOutcome outcome) => Volatile.Read(ref requests[((int)operation * Outcomes) + (int)outcome]);

    /// <summary>The durations of an operation; null where none was noted.</summary>
    public DurationHistogram? Durations(RequestOperation operation) => Volatile.Read(ref durations[(int)operation]);

    /// <summary>Counts requests.</summary>
    public void Add(RequestOperation operation, RequestOutcome outcome, long count = 1) => requests[((int)operation * Outcomes) + (int)outcome] += count;

    /// <summary>Counts bytes that came in.</summary>
    public void AddReceived(long bytes) => receivedBytes += bytes;

    /// <summary>Counts bytes that went out.</summary>
    public void AddSent(long bytes) => sentBytes += bytes;

    /// <summary>Notes how long a request took, from its last byte in to its answer's first byte out, in ticks of <see cref="System.Diagnostics.Stopwatch"/>.</summary>
    public void NoteDuration(RequestOperation operation, long stopwatchTicks)
    {
        var histogram = durations[(int)operation];
        if (histogram is null)
        {
            histogram = new DurationHistogram();
            Volatile.Write(ref durations[(int)operation], histogram);
        }

        histogram.Note(stopwatchTicks);
    }

    /// <summary>Adds what others have counted.</summary>
    internal void Add(RequestCounters other)
    {
        for (var i = 0; i < requests.Length; i++)
        {
            requests[i] += Volatile.Read(ref other.requests[i]);
        }

        for (var i = 0; i < durations.Length; i++)
        {
            if (Volatile.Read(ref other.durations[i]) is { } theirs)
            {
                (durations[i] ??= new DurationHistogram()).Add(theirs);
            }
        }

        receivedBytes += other.ReceivedBytes;
        sentBytes += other.SentBytes;
    }
}
