using Levee.Operations;
using Levee.Server.Resp;

namespace Levee.Server.Metrics;

/// <summary>What the RESP front door counts, summed over its threads.</summary>
public sealed class RespMetrics(RespServer server) : IMetricSource
{
    private const string Door = "resp";

    private static readonly string[] Operations = FrontDoorFamilies.LabelsOf<OperationKind>();
    private static readonly string[] Outcomes = FrontDoorFamilies.LabelsOf<Outcome>();
    private static readonly double[] BoundsSeconds = [.. RespCounters.BucketBoundsUs.Select(microseconds => microseconds / 1e6)];

    /// <inheritdoc/>
    public void Collect(MetricWriter writer)
    {
        ArgumentNullException.ThrowIfNull(writer);
        var threads = server.Counters;
        for (var operation = 0; operation < Operations.Length; operation++)
        {
            for (var outcome = 0; outcome < Outcomes.Length; outcome++)
            {
                var count = threads.Sum(thread => thread.Requests((OperationKind)operation, (Outcome)outcome));
                FrontDoorFamilies.Requests(writer, Door, Operations[operation], Outcomes[outcome], count);
            }
        }

        var buckets = new long[BoundsSeconds.Length + 1];
        foreach (var thread in threads)
        {
            for (var i = 0; i < buckets.Length; i++)
            {
                buckets[i] += thread.Buckets[i];
            }
        }

        FrontDoorFamilies.Durations(writer, Door, "any", BoundsSeconds, buckets, threads.Sum(thread => thread.LatencySumSeconds));
        FrontDoorFamilies.Bytes(writer, Door, threads.Sum(thread => thread.BytesIn), threads.Sum(thread => thread.BytesOut));
        FrontDoorFamilies.Connections(writer, Door, server.ConnectionCount, server.TotalConnections);
        writer.Counter("levee_resp_commands_total", "Commands taken over RESP, those that ask no cache included.", server.TotalCommands);
        writer.Counter("levee_resp_turns_total", "Turns of RESP connections.", threads.Sum(thread => thread.Turns));
        writer.Counter("levee_resp_long_turns_total", "Turns of RESP connections that held their loop for more than a millisecond.", threads.Sum(thread => thread.LongTurns));
    }
}
