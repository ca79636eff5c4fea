using Levee.Operations;

namespace Levee.Partitions;

/// <summary>What a partition is told at its birth. Checked values: who reads options from outside has checked them.</summary>
public sealed record PartitionOptions
{
    /// <summary>The eviction policy's name: "arc" (default) or "lru".</summary>
    public string Policy { get; init; } = "arc";

    /// <summary>TTL of entries that are written without one, in milliseconds; 0: none.</summary>
    public long DefaultTtlMs { get; init; }

    /// <summary>A random part of up to this many milliseconds is taken off the default TTL.</summary>
    public long DefaultTtlJitterMs { get; init; }

    /// <summary>Longest value in bytes, up to <see cref="Limits.MaxValueBytes"/>.</summary>
    public int MaxValueBytes { get; init; } = Limits.MaxValueBytes;

    /// <summary>Whether a write is taken down before it is acknowledged (durability "through"); where there are lower tiers.</summary>
    public bool WritesThrough { get; init; }

    /// <summary>Seed of the index' secret hash key and of jitter. Random in service; fixed in tests.</summary>
    public ulong Seed { get; init; }
}
