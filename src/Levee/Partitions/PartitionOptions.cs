using Levee.Operations;

namespace Levee.Partitions;

/// <summary>What a partition is told at its birth. Checked values: who reads options from outside has checked them.</summary>
public sealed record PartitionOptions
{
    /// <summary>The eviction policy's name: "arc" (default), "lru", "s3-fifo", "w-tinylfu", "lirs" or "gdsf".</summary>
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

    /// <summary>The highest clock, in Unix milliseconds, that an earlier owner can have given out in a version; the partition's starts above it. 0: there was none.</summary>
    internal long FloorMs { get; init; }

    /// <summary>Tickets of loads are above this: no other partition that its host knows, now or before, gives out the same.</summary>
    internal long TicketsAbove { get; init; }

    /// <summary>Nothing with this version or a lower one is to be believed of the lower tiers: it is from an earlier stay.</summary>
    internal ulong VoidBelow { get; init; }

    /// <summary>What the partition is to become, entry by entry, as its earlier owner put it; null: it begins empty.</summary>
    internal PartitionHeader? Arriving { get; init; }

    /// <summary>How many keys can be remembered that are not to come any more.</summary>
    internal int MaxVoided { get; init; } = 1 << 20;
}
