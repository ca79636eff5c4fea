using Levee.Hosting;
using Levee.Orleans;
using Levee.Server.Metrics;

namespace Levee.Serving.Hosting;

/// <summary>What a silo counts beside what every server does: its partitions, what it says to other silos, its lease.</summary>
internal sealed class SiloMetrics(ILeveeSilo silo) : IMetricSource
{
    public void Collect(MetricWriter writer)
    {
        writer.Gauge("levee_serving", "Whether this silo may answer: it is active and its lease is valid.", silo.Obstacle is null ? 1 : 0);
        writer.Counter("levee_lease_lapses_total", "How often this silo's lease ended before it was renewed.", silo.LeaseLapses);
        writer.Counter("levee_background_failures_total", "How often background work of this silo failed; it is begun again.", silo.BackgroundFailures);
        foreach (var host in silo.Hosts)
        {
            writer.Counter(
                "levee_maintenance_failures_total",
                "How often a step of background maintenance (expiry, payback) failed; it is tried again.",
                host.MaintenanceFailures,
                ("cache", host.Name));
            foreach (var group in Enum.GetValues<PartitionState>().GroupJoin(host.Partitions, state => state, partition => partition.State, (state, here) => (State: state, Count: here.Count())))
            {
                writer.Gauge("levee_partitions", "Partitions on this silo, by state.", group.Count, ("cache", host.Name), ("state", group.State.ToString().ToLowerInvariant()));
            }
        }

        foreach (var counts in silo.Counts)
        {
            var cache = ("cache", counts.Cache);
            writer.Counter("levee_cluster_batches_total", "Batches of operations sent to other silos.", counts.Sent.Batches, cache);
            writer.Counter("levee_cluster_sent_operations_total", "Operations sent to other silos.", counts.Sent.Operations, cache);
            writer.Counter("levee_cluster_retries_total", "Operations sent again because their partition was elsewhere or a call failed.", counts.Sent.Retries, cache);
            writer.Counter("levee_cluster_failures_total", "Calls to other silos that failed or timed out.", counts.Sent.Failures, cache);
            writer.Counter("levee_cluster_unavailable_total", "Operations that were given up.", counts.Sent.Unavailable, cache);
            writer.Counter("levee_cluster_sent_bytes_total", "Bytes sent to other silos for operations.", counts.Sent.SentBytes, cache);
            writer.Counter("levee_cluster_received_bytes_total", "Bytes received from other silos for operations.", counts.Sent.ReceivedBytes, cache);
            writer.Gauge("levee_cluster_waiting_operations", "Operations that wait to be sent.", counts.Sent.Waiting, cache);
            writer.Counter("levee_claims_total", "Partitions that this silo became the owner of.", counts.Claims, cache);
            writer.Counter("levee_takeovers_total", "Those of them that came empty, from a silo that was dead.", counts.Takeovers, cache);
            writer.Counter("levee_arrived_entries_total", "Entries that came with partitions from other silos.", counts.ArrivedEntries, cache);
            writer.Counter("levee_lost_entries_total", "Entries of partitions on the move that did not come.", counts.LostEntries, cache);
            writer.Counter("levee_accesses_total", "Would-be misses reported to the cache's prefetcher, dropped ones included.", counts.ReportedAccesses, cache);
            writer.Counter("levee_accesses_dropped_total", "Reports that were dropped for want of room.", counts.DroppedAccesses, cache);
        }
    }
}
