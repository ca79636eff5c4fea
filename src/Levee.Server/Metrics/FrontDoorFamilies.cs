using Levee.Telemetry;

namespace Levee.Server.Metrics;

/// <summary>The families in which every front door shows itself, told apart by the label <c>front_door</c>.</summary>
internal static class FrontDoorFamilies
{
    private const string DurationName = "levee_request_duration_seconds";
    private const string DurationHelp = "How long requests took inside the server, by front door and operation; over RESP, the turn of the batch that a command came in.";

    public static void Requests(MetricWriter writer, string door, string operation, string outcome, long count)
    {
        if (count > 0)
        {
            writer.Counter("levee_requests_total", "Requests answered, by front door, operation and outcome.", count, ("front_door", door), ("operation", operation), ("outcome", outcome));
        }
    }

    public static void Durations(MetricWriter writer, string door, string operation, LatencyHistogram durations) =>
        writer.Histogram(DurationName, DurationHelp, durations, ("front_door", door), ("operation", operation));

    public static void Durations(MetricWriter writer, string door, string operation, ReadOnlySpan<double> boundsSeconds, ReadOnlySpan<long> counts, double sumSeconds) =>
        writer.Histogram(DurationName, DurationHelp, boundsSeconds, counts, sumSeconds, ("front_door", door), ("operation", operation));

    public static void Bytes(MetricWriter writer, string door, long received, long sent)
    {
        writer.Counter("levee_received_bytes_total", "Bytes received from clients; over HTTP those of bodies.", received, ("front_door", door));
        writer.Counter("levee_sent_bytes_total", "Bytes sent to clients; over HTTP those of bodies.", sent, ("front_door", door));
    }

    public static void Connections(MetricWriter writer, string door, long open, long opened)
    {
        writer.Gauge("levee_connections", "Connections open now.", open, ("front_door", door));
        writer.Counter("levee_connections_opened_total", "Connections accepted.", opened, ("front_door", door));
    }

    /// <summary>The names of an enum as labels: ConditionFailed is condition_failed.</summary>
    public static string[] LabelsOf<T>()
        where T : struct, Enum =>
        [.. Enum.GetNames<T>().Select(name => string.Concat(name.Select((letter, i) =>
            char.IsUpper(letter) ? $"{(i > 0 ? "_" : "")}{char.ToLowerInvariant(letter)}" : $"{letter}")))];
}
