using Levee.Operations;

namespace Levee.Server.Metrics;

/// <summary>The numbers of all prefetchers, by cache, and of what each has learnt by confidence bucket.</summary>
public sealed class PrefetchMetrics(CacheMetrics caches) : IMetricSource
{
    /// <inheritdoc/>
    public void Collect(MetricWriter writer)
    {
        ArgumentNullException.ThrowIfNull(writer);
        foreach (var (cache, report) in caches.LatestPrefetching)
        {
            Collect(writer, report, ("cache", cache));
            if (report.Learnt is { } learnt)
            {
                Collect(writer, learnt, ("cache", cache));
                foreach (var bucket in learnt.Buckets)
                {
                    Collect(writer, bucket, ("cache", cache), ("bucket", bucket.Name));
                }
            }
        }
    }

    private static void Collect(MetricWriter writer, PrefetchReport report, (string Name, string Value) cache)
    {
        writer.Gauge("levee_prefetch_learning", "1 where the cache's prefetcher learns and predicts, 0 where it follows hints only.", report.IsLearning ? 1 : 0, cache);
        writer.Counter("levee_prefetch_reported_total", "Accesses that were reported to the prefetcher.", report.Reported, cache);
        writer.Counter("levee_prefetch_lost_total", "Accesses that the prefetcher never saw: dropped where they were made, or lost on the way.", report.Lost, cache);
        writer.Counter("levee_prefetch_hints_total", "Hints that were taken into the queue.", report.Hints, cache);
        writer.Counter("levee_prefetch_dropped_total", "Hints and predictions that found the queue full.", report.Dropped, cache);
        writer.Counter("levee_prefetch_stale_total", "Predictions that waited too long to be loaded.", report.Stale, cache);
        writer.Counter("levee_prefetch_duplicates_total", "Hints and predictions that waited already.", report.Duplicates, cache);
        writer.Counter("levee_prefetch_asked_total", "Loads that were asked for, by hints and predictions.", report.Asked, cache);
        writer.Counter("levee_prefetch_promoted_total", "Entries that were brought up.", report.Promoted, cache);
        writer.Counter("levee_prefetch_origin_loads_total", "Entries of those that were loaded from the origin.", report.FromOrigin, cache);
        writer.Counter("levee_prefetch_origin_failures_total", "Loads from the origin that failed.", report.OriginFailures, cache);
        writer.Counter("levee_prefetch_origin_skips_total", "Loads that the origin was spared, because it had enough to do.", report.OriginSkips, cache);
        writer.Counter("levee_prefetch_failed_total", "Loads that failed.", report.Failed, cache);
        writer.Gauge("levee_prefetch_in_flight", "Loads under way.", report.InFlight, cache);
        writer.Gauge("levee_prefetch_max_in_flight", "Loads that may be under way at once.", report.MaxInFlight, cache);
        writer.Gauge("levee_prefetch_waiting", "Keys that wait to be brought up.", report.Waiting, cache);
        writer.Gauge("levee_prefetch_load_seconds", "Mean time of a load, of late; 0: none yet.", report.MeanLoad.TotalSeconds, cache);
    }

    private static void Collect(MetricWriter writer, PrefetchStatistics learnt, (string Name, string Value) cache)
    {
        writer.Counter("levee_prefetch_would_be_misses_total", "Accesses that found nothing in memory, or only what a prefetch had brought there.", learnt.WouldBeMisses, cache);
        writer.Counter("levee_prefetch_issued_total", "Predictions that were followed.", learnt.Issued, cache);
        writer.Counter("levee_prefetch_used_total", "First uses of what a prefetch had brought up.", learnt.Used, cache);
        writer.Counter("levee_prefetch_late_total", "Misses that joined a load which a prefetch had begun.", learnt.Late, cache);
        writer.Counter("levee_prefetch_wasted_total", "Loads whose entry was not used before it left the prefetch area.", learnt.Wasted, cache);
        writer.Gauge("levee_prefetch_threshold", "The precision, 0 to 1, from which a closed bucket opens.", learnt.Threshold, cache);
        writer.Gauge("levee_prefetch_look_ahead", "Steps that predictions reach ahead at the most.", learnt.Lead, cache);
        writer.Gauge("levee_prefetch_area_entries", "Entries that were prefetched and not used yet and may lie in memory.", learnt.Area, cache);
        writer.Gauge("levee_prefetch_waste_rate", "Waste per would-be miss, smoothed.", learnt.WasteRate, cache);
        writer.Gauge("levee_prefetch_pollution", "Misses that prefetched entries caused in the latest period, smoothed.", learnt.Pollution, cache);
        writer.Gauge("levee_prefetch_memory_bytes", "Memory of the prefetcher.", learnt.MemoryBytes, cache);
    }

    private static void Collect(MetricWriter writer, PrefetchBucket bucket, params (string Name, string Value)[] labels)
    {
        writer.Gauge("levee_prefetch_bucket_open", "1 where the bucket's predictions are followed, 0 where they are only tested.", bucket.IsOpen ? 1 : 0, labels);
        writer.Gauge("levee_prefetch_bucket_precision", "The part of a bucket's predictions, 0 to 1, that is used in time, of late.", bucket.Precision, labels);
        writer.Counter("levee_prefetch_bucket_issued_total", "Predictions of a bucket that were followed.", bucket.Issued, labels);
        writer.Counter("levee_prefetch_bucket_used_total", "Those of them that were used in time.", bucket.Used, labels);
        writer.Counter("levee_prefetch_bucket_late_total", "Those of them that were asked for before they had come.", bucket.Late, labels);
        writer.Counter("levee_prefetch_bucket_wasted_total", "Those of them that were not used.", bucket.Wasted, labels);
        writer.Counter("levee_prefetch_bucket_tested_total", "Predictions of a bucket that were only tested.", bucket.Tested, labels);
    }
}
