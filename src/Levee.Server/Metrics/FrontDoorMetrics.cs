namespace Levee.Server.Metrics;

/// <summary>The numbers of one front door: the sum over the counters that its loops own, and its connections.</summary>
public sealed class FrontDoorMetrics : IMetricSource
{
    private readonly Lock gate = new();
    private readonly List<RequestCounters> open = [];
    private readonly RequestCounters closed = new();
    private readonly string[] operations = [.. Enum.GetNames<RequestOperation>().Select(LabelOf)];
    private readonly string[] outcomes = [.. Enum.GetNames<RequestOutcome>().Select(LabelOf)];
    private long connectionsOpened;
    private long connectionsClosed;
    private long connectionsRefused;

    /// <param name="name">The front door's name as a label: "resp", "http".</param>
    public FrontDoorMetrics(string name)
    {
        ArgumentException.ThrowIfNullOrEmpty(name);
        Name = name;
    }

    /// <summary>The front door's name.</summary>
    public string Name { get; }

    /// <summary>Connections that are open.</summary>
    public long Connections => Volatile.Read(ref connectionsOpened) - Volatile.Read(ref connectionsClosed);

    /// <summary>Makes counters for one thread to add to.</summary>
    public RequestCounters Open()
    {
        var counters = new RequestCounters();
        lock (gate)
        {
            open.Add(counters);
        }

        return counters;
    }

    /// <summary>Takes counters back of a thread that will not add to them any more. What they counted stays.</summary>
    public void Close(RequestCounters counters)
    {
        lock (gate)
        {
            if (open.Remove(counters))
            {
                closed.Add(counters);
            }
        }
    }

    /// <summary>A connection was accepted. From any thread.</summary>
    public void ConnectionOpened() => Interlocked.Increment(ref connectionsOpened);

    /// <summary>An accepted connection is gone. From any thread.</summary>
    public void ConnectionClosed() => Interlocked.Increment(ref connectionsClosed);

    /// <summary>A connection was refused for want of room. From any thread.</summary>
    public void ConnectionRefused() => Interlocked.Increment(ref connectionsRefused);

    /// <summary>Everything that was counted so far, in one.</summary>
    public RequestCounters Sum()
    {
        var sum = new RequestCounters();
        lock (gate)
        {
            sum.Add(closed);
            foreach (var counters in open)
            {
                sum.Add(counters);
            }
        }

        return sum;
    }

    /// <inheritdoc/>
    public void Collect(MetricWriter writer)
    {
        ArgumentNullException.ThrowIfNull(writer);
        var sum = Sum();
        for (var operation = 0; operation < RequestCounters.Operations; operation++)
        {
            for (var outcome = 0; outcome < RequestCounters.Outcomes; outcome++)
            {
                var count = sum.Count((RequestOperation)operation, (RequestOutcome)outcome);
                if (count > 0)
                {
                    writer.Counter("levee_requests_total", "Requests answered, by front door, operation and outcome.", count,
                        ("front_door", Name), ("operation", operations[operation]), ("outcome", outcomes[outcome]));
                }
            }

            if (sum.Durations((RequestOperation)operation) is { } durations)
            {
                writer.Histogram("levee_request_duration_seconds", "How long requests took inside the server, by front door and operation.", durations,
                    ("front_door", Name), ("operation", operations[operation]));
            }
        }

        writer.Counter("levee_received_bytes_total", "Bytes received from clients; over HTTP those of bodies.", sum.ReceivedBytes, ("front_door", Name));
        writer.Counter("levee_sent_bytes_total", "Bytes sent to clients; over HTTP those of bodies.", sum.SentBytes, ("front_door", Name));
        writer.Gauge("levee_connections", "Connections open now.", Connections, ("front_door", Name));
        writer.Counter("levee_connections_opened_total", "Connections accepted.", Volatile.Read(ref connectionsOpened), ("front_door", Name));
        writer.Counter("levee_connections_refused_total", "Connections refused for want of room.", Volatile.Read(ref connectionsRefused), ("front_door", Name));
    }

    /// <summary>An enum's name as a label: ConditionFailed is condition_failed.</summary>
    private static string LabelOf(string name) =>
        string.Concat(name.Select((letter, i) => i > 0 && char.IsUpper(letter) ? $"_{char.ToLowerInvariant(letter)}" : $"{char.ToLowerInvariant(letter)}"));
}
