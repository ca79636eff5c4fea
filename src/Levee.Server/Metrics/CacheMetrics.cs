using System.Globalization;
using Levee.Operations;
using Levee.Server.Http;

namespace Levee.Server.Metrics;

/// <summary>
/// The numbers of all caches. A cache is asked through its host, whose partitions may be elsewhere, so what is shown is the last answer;
/// <see cref="RefreshAsync"/> gets a new one, at once where the partitions are in this process. Where not all partitions answer, the last
/// whole numbers stay: counters do not go back because a part of them is missing.
/// </summary>
public sealed class CacheMetrics(CacheCatalog catalog) : IMetricSource
{
    private volatile IReadOnlyList<(string Cache, PartitionStatistics Statistics)> latest = [];
    private volatile IReadOnlyList<(string Cache, int Tier, TierStatistics Statistics)> latestTiers = [];
    private volatile IReadOnlyList<(string Cache, int Count)> latestUnanswered = [];
    private volatile IReadOnlyList<(string Cache, PrefetchReport Report)> latestPrefetching = [];

    /// <summary>The last counters of each cache.</summary>
    public IReadOnlyList<(string Cache, PartitionStatistics Statistics)> Latest => latest;

    /// <summary>The last that each cache's tiers said of themselves.</summary>
    public IReadOnlyList<(string Cache, int Tier, TierStatistics Statistics)> LatestTiers => latestTiers;

    /// <summary>The last that each cache's prefetcher said of itself.</summary>
    public IReadOnlyList<(string Cache, PrefetchReport Report)> LatestPrefetching => latestPrefetching;

    /// <summary>Asks all caches anew.</summary>
    public async Task RefreshAsync(CancellationToken cancellationToken)
    {
        var caches = new List<(string Cache, PartitionStatistics Statistics)>(catalog.Caches.Count);
        var tiers = new List<(string Cache, int Tier, TierStatistics Statistics)>();
        var unanswered = new List<(string, int)>();
        foreach (var cache in catalog.Caches)
        {
            var statistics = (await cache.StatisticsAsync(cancellationToken).ConfigureAwait(false)).TakePart(out var missing);
            var before = latest.FirstOrDefault(last => last.Cache == cache.Name).Statistics;
            caches.Add((cache.Name, missing is null ? statistics : before ?? statistics));
            unanswered.Add((cache.Name, missing?.Count ?? 0));

            var answered = (await cache.TiersAsync(cancellationToken).ConfigureAwait(false)).TakePart(out _);
            tiers.AddRange(answered.Select(tier => (cache.Name, tier.Number, tier.Statistics)));
            tiers.AddRange(latestTiers.Where(last => last.Cache == cache.Name && answered.TrueForAll(tier => tier.Number != last.Tier)));
        }

        latest = caches;
        latestTiers = tiers;
        latestUnanswered = unanswered;
        await RefreshPrefetchingAsync(cancellationToken).ConfigureAwait(false);
    }

    /// <inheritdoc/>
    public void Collect(MetricWriter writer)
    {
        ArgumentNullException.ThrowIfNull(writer);
        foreach (var (cache, count) in latestUnanswered)
        {
            const string help = "Partitions and tiers that did not answer when last asked for their numbers: what is shown is older.";
            writer.Gauge("levee_unanswered", help, count, ("cache", cache));
        }

        foreach (var (cache, statistics) in latest)
        {
            CollectCounts(writer, cache, statistics);
            CollectMemory(writer, cache, statistics);
            foreach (var list in statistics.Lists)
            {
                writer.Gauge("levee_policy_list_entries", "Entries on a list of the eviction policy; ghosts are remembered, not held.", list.Count, ("cache", cache), ("list", list.Name));
                writer.Gauge("levee_policy_list_bytes", "What a list of the eviction policy weighs; for ghosts, what their entries weighed.", list.Bytes, ("cache", cache), ("list", list.Name));
            }

            writer.Gauge("levee_policy_target_bytes", "The policy's adaptive target for its recency list (ARC's p).", statistics.TargetBytes, ("cache", cache));
            CollectLearning(writer, cache, statistics);
            writer.Gauge("levee_policy_info", "The eviction policy in use.", 1, ("cache", cache), ("policy", statistics.Policy));
        }
    }

    private async Task RefreshPrefetchingAsync(CancellationToken cancellationToken)
    {
        var reports = new List<(string, PrefetchReport)>();
        foreach (var cache in catalog.Caches)
        {
            if (cache.Prefetching is { } prefetching)
            {
                reports.Add((cache.Name, await prefetching.ReportAsync(0, cancellationToken).ConfigureAwait(false)));
            }
        }

        latestPrefetching = reports;
    }

    private static void CollectCounts(MetricWriter writer, string cache, PartitionStatistics statistics)
    {
        writer.Gauge("levee_entries", "Entries in memory, expired ones that are not reclaimed yet included.", statistics.Entries, ("cache", cache));
        writer.Gauge("levee_entries_below", "Entries that lie in a lower tier and not in memory.", statistics.EntriesBelow, ("cache", cache));
        writer.Counter("levee_reads_total", "Reads of entries, by whether one was there.", statistics.Hits, ("cache", cache), ("outcome", "hit"));
        writer.Counter("levee_reads_total", "", statistics.Misses, ("cache", cache), ("outcome", "miss"));
        writer.Counter("levee_read_waits_total", "Reads that found nothing in memory and waited for a lower tier.", statistics.Waits, ("cache", cache));
        writer.Counter("levee_stores_total", "Writes that were stored.", statistics.Stores, ("cache", cache));
        writer.Counter("levee_removals_total", "Entries that left because a caller asked.", statistics.Removals, ("cache", cache));
        writer.Counter("levee_evictions_total", "Entries that left for want of memory.", statistics.Evictions, ("cache", cache));
        writer.Counter("levee_expirations_total", "Entries that left because their time was over.", statistics.Expirations, ("cache", cache));
        writer.Counter("levee_invalidations_total", "Entries that left because their tag was invalidated.", statistics.Invalidations, ("cache", cache));
        writer.Counter("levee_refusals_total", "Writes that were refused, too large or out of memory.", statistics.Refusals, ("cache", cache));
        writer.Gauge("levee_pending_loads", "Loads from lower tiers under way.", statistics.PendingLoads, ("cache", cache));
    }

    private static void CollectLearning(MetricWriter writer, string cache, PartitionStatistics statistics)
    {
        if (statistics.Learning is not { } learning)
        {
            return;
        }

        writer.Counter("levee_policy_switches_total", "Changes of the eviction policy that auto made, and that were configured.", learning.Switch, ("cache", cache));
        writer.Counter("levee_policy_sample_operations_total", "Policy operations that auto spent in miniature caches.", learning.Operations, ("cache", cache));
        writer.Counter("levee_policy_samples_dropped_total", "Samples that auto did not see because there was no room for them.", learning.Dropped, ("cache", cache));
        foreach (var candidate in learning.Candidates)
        {
            writer.Gauge("levee_policy_sampled_hit_ratio", "Hit ratio, by the objective, that each policy would have had lately on auto's sample; to compare with each other.", candidate.Worth, ("cache", cache), ("policy", candidate.Policy));
        }

        foreach (var size in learning.WhatIfs)
        {
            writer.Gauge("levee_policy_what_if_hit_ratio", "Hit ratio, by the objective, that the policy in force would have lately with so many times the memory, on a sparser sample.", size.HitRatio, ("cache", cache), ("memory", size.Factor.ToString(CultureInfo.InvariantCulture)));
        }
    }

    private static void CollectMemory(MetricWriter writer, string cache, PartitionStatistics statistics)
    {
        const string help = "Memory that a cache holds, by use: index (ghosts included), slab (keys and small values, free slots included), large (large values).";
        writer.Gauge("levee_memory_bytes", help, statistics.IndexBytes, ("cache", cache), ("use", "index"));
        writer.Gauge("levee_memory_bytes", help, statistics.SlabBytes, ("cache", cache), ("use", "slab"));
        writer.Gauge("levee_memory_bytes", help, statistics.LargeBytes, ("cache", cache), ("use", "large"));
        writer.Gauge("levee_held_bytes", "Memory that a cache's partitions hold, everything included.", statistics.HeldBytes, ("cache", cache));
        writer.Gauge("levee_payload_bytes", "What keys, values and metadata take, before rounding to slots.", statistics.PayloadBytes, ("cache", cache));
        writer.Gauge("levee_capacity_bytes", "What a cache's partitions may hold.", statistics.CapacityBytes, ("cache", cache));
    }
}
