using Levee.Operations;

namespace Levee.Server.Resp;

/// <summary>The figures of a prefetcher by name, as PREFETCH.STATUS and INFO show them. The names are part of the protocol: more may come, none goes.</summary>
internal static class PrefetchFields
{
    /// <summary>All figures but those of buckets; those of learning only where somebody learns. A value is a string, a long or a double.</summary>
    public static IEnumerable<(string Name, object Value)> Of(PrefetchReport report)
    {
        IEnumerable<(string, object)> fields =
        [
            ("learning", report.IsLearning ? 1L : 0L),
            ("reported", report.Reported),
            ("lost", report.Lost),
            ("hints", report.Hints),
            ("dropped", report.Dropped),
            ("asked", report.Asked),
            ("promoted", report.Promoted),
            ("from_origin", report.FromOrigin),
            ("failed", report.Failed),
            ("in_flight", (long)report.InFlight),
            ("max_in_flight", (long)report.MaxInFlight),
            ("waiting", (long)report.Waiting),
            ("mean_load_ms", report.MeanLoad.TotalMilliseconds),
            ("stale", report.Stale),
            ("duplicates", report.Duplicates),
            ("origin_failures", report.OriginFailures),
            ("origin_skips", report.OriginSkips),
        ];
        return report.Learnt is { } learnt ? fields.Concat(Of(learnt)) : fields;
    }

    /// <summary>The figures of a confidence bucket.</summary>
    public static IEnumerable<(string Name, object Value)> Of(PrefetchBucket bucket) =>
    [
        ("name", bucket.Name),
        ("open", bucket.IsOpen ? 1L : 0L),
        ("issued", bucket.Issued),
        ("used", bucket.Used),
        ("late", bucket.Late),
        ("wasted", bucket.Wasted),
        ("tested", bucket.Tested),
        ("precision", bucket.Precision),
    ];

    private static IEnumerable<(string Name, object Value)> Of(PrefetchStatistics learnt) =>
    [
        ("would_be_misses", learnt.WouldBeMisses),
        ("issued", learnt.Issued),
        ("used", learnt.Used),
        ("late", learnt.Late),
        ("wasted", learnt.Wasted),
        ("failed_predictions", learnt.Failed),
        ("dropped_predictions", learnt.Dropped),
        ("threshold", learnt.Threshold),
        ("look_ahead", (long)learnt.Lead),
        ("area_entries", (long)learnt.Area),
        ("waste_rate", learnt.WasteRate),
        ("pollution", learnt.Pollution),
        ("memory_bytes", learnt.MemoryBytes),
    ];
}
