using Levee.Codec;
using Levee.Operations;

namespace Levee.Testing;

/// <summary>What tiers say of themselves: every figure of the first is another number, so that a test sees when two are mixed up.</summary>
public static class SampleTiers
{
    public static TierCost Cost { get; } = new(0.5, 0.25, 0.125, 2, 3600.5, 86_400, "S3 Standard, us-east-1, 2026-01");

    public static TierStatistics Files { get; } = new()
    {
        Name = "file:./data",
        Kind = "file",
        Entries = 101,
        EntriesBelow = 102,
        HeldBytes = 103,
        CapacityBytes = 104,
        IndexBytes = 105,
        Hits = 106,
        Misses = 107,
        Failures = 108,
        Demotions = 109,
        Drops = 110,
        CarriedOver = 111,
        Damaged = 112,
        WriteRequests = 113,
        ReadRequests = 114,
        DeleteRequests = 115,
        WrittenBytes = 116,
        ReadBytes = 117,
        GivenUpGenerations = 118,
        ReadMs = 1.5,
        Cost = Cost,
        Codec = new CodecStatistics { Encoded = 119, Decoded = 120, CompressionKept = 121, CompressionInBytes = 122, CompressionOutBytes = 123, RefusedTag = 124, EncryptionTime = TimeSpan.FromSeconds(125) },
    };

    public static TierStatistics Bucket { get; } = new() { Name = "s3://bucket/prefix", Kind = "s3", Health = TierHealth.Degraded, Problem = "the endpoint refuses connections" };
}
