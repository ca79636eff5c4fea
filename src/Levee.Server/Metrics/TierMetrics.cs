using Levee.Codec;
using Levee.Operations;

namespace Levee.Server.Metrics;

/// <summary>The numbers of all tiers, by cache, by the tier's place in the chain (0 is the warmest) and by its kind. A tier's name is no label: it changes with its configuration.</summary>
public sealed class TierMetrics(CacheMetrics caches) : IMetricSource
{
    private const string RequestsName = "levee_tier_requests_total";
    private const string ReadsName = "levee_tier_reads_total";
    private const string CodecSecondsName = "levee_codec_seconds_total";
    private const string CodecRefusedName = "levee_codec_refused_total";
    private const string DollarsName = "levee_tier_dollars_per_day";

    /// <inheritdoc/>
    public void Collect(MetricWriter writer)
    {
        ArgumentNullException.ThrowIfNull(writer);
        foreach (var (cache, tier, statistics) in caches.LatestTiers)
        {
            (string Name, string Value)[] labels = [("cache", cache), ("tier", $"{tier}"), ("kind", statistics.Kind)];
            CollectState(writer, statistics, labels);
            CollectTraffic(writer, statistics, labels);
            if (statistics.Cost is { } cost)
            {
                CollectCost(writer, cost, labels);
            }

            if (statistics.Codec is { } codec)
            {
                CollectCodec(writer, codec, ("cache", cache));
            }
        }
    }

    private static void CollectState(MetricWriter writer, TierStatistics tier, (string Name, string Value)[] labels)
    {
        foreach (var health in Enum.GetValues<TierHealth>())
        {
            writer.Gauge("levee_tier_health", "1 for the state that a tier is in, 0 for the others.", tier.Health == health ? 1 : 0, [.. labels, ("state", TierHealthText.Of(health))]);
        }

        writer.Gauge("levee_tier_entries", "Entries that a tier holds.", tier.Entries, labels);
        writer.Gauge("levee_tier_entries_below", "Entries that a tier holds and that do not lie in memory.", tier.EntriesBelow, labels);
        writer.Gauge("levee_tier_held_bytes", "Bytes that a tier holds, dead records included.", tier.HeldBytes, labels);
        writer.Gauge("levee_tier_capacity_bytes", "Bytes that a tier may hold; 0: no bound.", tier.CapacityBytes, labels);
        writer.Gauge("levee_tier_index_bytes", "Memory of a tier's index.", tier.IndexBytes, labels);
        writer.Gauge("levee_tier_given_up_generations", "Generations of a tier that were given up and are not fully deleted yet.", tier.GivenUpGenerations, labels);
        writer.Gauge("levee_tier_read_seconds", "Mean time of a tier's read requests, of late; 0: none yet.", tier.ReadMs / 1000, labels);
    }

    private static void CollectTraffic(MetricWriter writer, TierStatistics tier, (string Name, string Value)[] labels)
    {
        writer.Counter(ReadsName, "Reads of entries from a tier, by how they ended.", tier.Hits, [.. labels, ("outcome", "hit")]);
        writer.Counter(ReadsName, "", tier.Misses, [.. labels, ("outcome", "miss")]);
        writer.Counter(ReadsName, "", tier.Failures, [.. labels, ("outcome", "failed")]);
        writer.Counter("levee_tier_demotions_total", "Entries taken down into a tier.", tier.Demotions, labels);
        writer.Counter("levee_tier_drops_total", "Entries that were to be taken down and were dropped: no room for what waits to be written, or not worth it.", tier.Drops, labels);
        writer.Counter("levee_tier_carried_over_total", "Entries that stayed when their place was reclaimed, because they had been read.", tier.CarriedOver, labels);
        writer.Counter("levee_tier_damaged_total", "Records that were torn, corrupt or not authentic, and were not given out.", tier.Damaged, labels);
        writer.Counter(RequestsName, "Requests to a tier's store, by what they do.", tier.ReadRequests, [.. labels, ("operation", "read")]);
        writer.Counter(RequestsName, "", tier.WriteRequests, [.. labels, ("operation", "write")]);
        writer.Counter(RequestsName, "", tier.DeleteRequests, [.. labels, ("operation", "delete")]);
        writer.Counter("levee_tier_written_bytes_total", "Bytes written to a tier's store.", tier.WrittenBytes, labels);
        writer.Counter("levee_tier_read_bytes_total", "Bytes read from a tier's store.", tier.ReadBytes, labels);
    }

    private static void CollectCodec(MetricWriter writer, CodecStatistics codec, (string Name, string Value) cache)
    {
        writer.Counter("levee_codec_encoded_total", "Records that were encoded to leave memory.", codec.Encoded, cache);
        writer.Counter("levee_codec_decoded_total", "Records that were decoded when they came back.", codec.Decoded, cache);
        writer.Counter("levee_codec_compressed_total", "Records that were kept compressed.", codec.CompressionKept, cache);
        writer.Counter("levee_codec_compression_in_bytes_total", "Bytes whose compression was tried.", codec.CompressionInBytes, cache);
        writer.Counter("levee_codec_compression_out_bytes_total", "Bytes that became of them.", codec.CompressionOutBytes, cache);
        writer.Counter(CodecSecondsName, "Time spent on encoding and decoding, by what was done.", codec.CompressionTime.TotalSeconds, cache, ("work", "compress"));
        writer.Counter(CodecSecondsName, "", codec.DecompressionTime.TotalSeconds, cache, ("work", "decompress"));
        writer.Counter(CodecSecondsName, "", codec.EncryptionTime.TotalSeconds, cache, ("work", "encrypt"));
        writer.Counter(CodecSecondsName, "", codec.DecryptionTime.TotalSeconds, cache, ("work", "decrypt"));
        writer.Counter(CodecRefusedName, "Records that could not be decoded and counted as misses, by cause.", codec.RefusedCodec, cache, ("cause", "codec"));
        writer.Counter(CodecRefusedName, "", codec.RefusedUnencrypted, cache, ("cause", "unencrypted"));
        writer.Counter(CodecRefusedName, "", codec.RefusedKey, cache, ("cause", "key"));
        writer.Counter(CodecRefusedName, "", codec.RefusedTag, cache, ("cause", "tag"));
        writer.Counter(CodecRefusedName, "", codec.RefusedBody, cache, ("cause", "body"));
    }

    private static void CollectCost(MetricWriter writer, TierCost cost, (string Name, string Value)[] labels)
    {
        writer.Gauge(DollarsName, "What a tier costs at the present traffic, in US dollars a day, by part.", cost.RequestDollarsPerDay, [.. labels, ("part", "requests")]);
        writer.Gauge(DollarsName, "", cost.StorageDollarsPerDay, [.. labels, ("part", "storage")]);
        writer.Gauge(DollarsName, "", cost.TransferDollarsPerDay, [.. labels, ("part", "transfer")]);
        writer.Gauge("levee_tier_saved_dollars_per_day", "What a tier's hits would have cost at the origin, in US dollars a day.", cost.SavedDollarsPerDay, labels);
        writer.Gauge("levee_tier_saved_seconds_per_day", "How much longer a tier's hits would have taken at the origin, in seconds a day.", cost.SavedSecondsPerDay, labels);
    }
}
