using Levee.Telemetry;

namespace Levee.Server.Metrics;

/// <summary>What the HTTP front door counts. Its requests come on any thread; a lock makes them one writer, and costs little beside a request.</summary>
internal sealed class HttpMetrics : IMetricSource
{
    private const string Door = "http";

    private static readonly string[] Operations = FrontDoorFamilies.LabelsOf<RequestOperation>();
    private static readonly string[] Outcomes = FrontDoorFamilies.LabelsOf<RequestOutcome>();

    private readonly Lock gate = new();
    private readonly long[,] requests = new long[Operations.Length, Outcomes.Length];
    private readonly LatencyHistogram?[] durations = new LatencyHistogram?[Operations.Length];
    private long receivedBytes;
    private long sentBytes;
    private long connectionsOpened;
    private long connectionsClosed;

    /// <summary>Counts a request.</summary>
    public void Count(RequestOperation operation, RequestOutcome outcome, TimeSpan duration, long received, long sent)
    {
        lock (gate)
        {
            requests[(int)operation, (int)outcome]++;
            (durations[(int)operation] ??= new LatencyHistogram()).Record(duration);
            receivedBytes += received;
            sentBytes += sent;
        }
    }

    /// <summary>A connection was accepted.</summary>
    public void ConnectionOpened() => Interlocked.Increment(ref connectionsOpened);

    /// <summary>An accepted connection is gone.</summary>
    public void ConnectionClosed() => Interlocked.Increment(ref connectionsClosed);

    public void Collect(MetricWriter writer)
    {
        ArgumentNullException.ThrowIfNull(writer);
        lock (gate)
        {
            for (var operation = 0; operation < Operations.Length; operation++)
            {
                for (var outcome = 0; outcome < Outcomes.Length; outcome++)
                {
                    FrontDoorFamilies.Requests(writer, Door, Operations[operation], Outcomes[outcome], requests[operation, outcome]);
                }

                if (durations[operation] is { } histogram)
                {
                    FrontDoorFamilies.Durations(writer, Door, Operations[operation], histogram);
                }
            }

            FrontDoorFamilies.Bytes(writer, Door, receivedBytes, sentBytes);
        }

        var closed = Volatile.Read(ref connectionsClosed);
        var opened = Volatile.Read(ref connectionsOpened);
        FrontDoorFamilies.Connections(writer, Door, opened - closed, opened);
    }
}
