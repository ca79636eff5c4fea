using Levee.Learning;

namespace Levee.Operations;

/// <summary>Counters of a partition, or their sum over several. Counts are since the start; sizes are now.</summary>
public sealed record PartitionStatistics
{
    /// <summary>Entries, expired ones that are not reclaimed yet included.</summary>
    public long Entries { get; init; }

    /// <summary>Entries that lie in a lower tier and in no partition.</summary>
    public long EntriesBelow { get; init; }

    /// <summary>Entries, wherever they lie.</summary>
    public long AllEntries => Entries + EntriesBelow;

    /// <summary>What a tier says of itself, where the statistics are a tier's; null in a sum.</summary>
    public TierStatistics? Tier { get; init; }

    /// <summary>Reads that found an entry.</summary>
    public long Hits { get; init; }

    /// <summary>Reads that found none.</summary>
    public long Misses { get; init; }

    /// <summary>Reads that found nothing in memory and waited for a lower tier, whatever it had; a part of <see cref="Hits"/> and <see cref="Misses"/>.</summary>
    public long Waits { get; init; }

    /// <summary>Writes that were stored.</summary>
    public long Stores { get; init; }

    /// <summary>Entries that left because the caller asked.</summary>
    public long Removals { get; init; }

    /// <summary>Entries that left for want of memory.</summary>
    public long Evictions { get; init; }

    /// <summary>Entries that left because their time was over.</summary>
    public long Expirations { get; init; }

    /// <summary>Entries that left because their tag was invalidated.</summary>
    public long Invalidations { get; init; }

    /// <summary>Writes that were refused, too large or out of memory.</summary>
    public long Refusals { get; init; }

    /// <summary>Loads from lower tiers under way.</summary>
    public long PendingLoads { get; init; }

    /// <summary>What keys, values and metadata take, in bytes, before rounding to slots.</summary>
    public long PayloadBytes { get; init; }

    /// <summary>Memory held: entries, index, ghosts and free slots, in bytes.</summary>
    public long HeldBytes { get; init; }

    /// <summary>Part of <see cref="HeldBytes"/> in nodes and buckets.</summary>
    public long IndexBytes { get; init; }

    /// <summary>Part of <see cref="HeldBytes"/> in large values.</summary>
    public long LargeBytes { get; init; }

    /// <summary>Part of <see cref="HeldBytes"/> in slab pages, free slots included.</summary>
    public long SlabBytes { get; init; }

    /// <summary>What the partition may hold, in bytes.</summary>
    public long CapacityBytes { get; init; }

    /// <summary>The eviction policy's name.</summary>
    public string Policy { get; init; } = "";

    /// <summary>The policy's lists, in its own order, for example T1, T2, B1, B2.</summary>
    public IReadOnlyList<ListStatistics> Lists { get; init; } = [];

    /// <summary>The policy's adaptive target for its recency list, in bytes; 0 where it has none.</summary>
    public long TargetBytes { get; init; }

    /// <summary>Entries that were prefetched and not used yet.</summary>
    public long PrefetchedEntries { get; init; }

    /// <summary>What they take, in bytes; no list of the policy counts it.</summary>
    public long PrefetchedBytes { get; init; }

    /// <summary>Entries that came ahead of a use.</summary>
    public long PrefetchesLanded { get; init; }

    /// <summary>Those of them that were used afterwards.</summary>
    public long PrefetchesUsed { get; init; }

    /// <summary>Those of them that left without having been used: dropped, written over, removed, expired.</summary>
    public long PrefetchesWasted { get; init; }

    /// <summary>Misses of what was evicted for the sake of prefetched entries, as far as is known.</summary>
    public long PollutedMisses { get; init; }

    /// <summary>What the policy "auto" has learnt; null where the policy is another.</summary>
    public PolicyLearning? Learning { get; init; }

    /// <summary>Adds two sets of counters; the lists are added by name.</summary>
    public static PartitionStatistics operator +(PartitionStatistics left, PartitionStatistics right) => new()
    {
        Entries = left.Entries + right.Entries,
        Hits = left.Hits + right.Hits,
        Misses = left.Misses + right.Misses,
        Waits = left.Waits + right.Waits,
        Stores = left.Stores + right.Stores,
        EntriesBelow = left.EntriesBelow + right.EntriesBelow,
        Removals = left.Removals + right.Removals,
        Evictions = left.Evictions + right.Evictions,
        Expirations = left.Expirations + right.Expirations,
        Invalidations = left.Invalidations + right.Invalidations,
        Refusals = left.Refusals + right.Refusals,
        PendingLoads = left.PendingLoads + right.PendingLoads,
        PayloadBytes = left.PayloadBytes + right.PayloadBytes,
        HeldBytes = left.HeldBytes + right.HeldBytes,
        IndexBytes = left.IndexBytes + right.IndexBytes,
        LargeBytes = left.LargeBytes + right.LargeBytes,
        SlabBytes = left.SlabBytes + right.SlabBytes,
        CapacityBytes = left.CapacityBytes + right.CapacityBytes,
        PrefetchedEntries = left.PrefetchedEntries + right.PrefetchedEntries,
        PrefetchedBytes = left.PrefetchedBytes + right.PrefetchedBytes,
        PrefetchesLanded = left.PrefetchesLanded + right.PrefetchesLanded,
        PrefetchesUsed = left.PrefetchesUsed + right.PrefetchesUsed,
        PrefetchesWasted = left.PrefetchesWasted + right.PrefetchesWasted,
        PollutedMisses = left.PollutedMisses + right.PollutedMisses,
        Policy = left.Policy.Length == 0 ? right.Policy : left.Policy,
        TargetBytes = left.TargetBytes + right.TargetBytes,
        Learning = left.Learning is null || left.Learning.Switch < right.Learning?.Switch ? right.Learning : left.Learning,
        Lists = Merge(left.Lists, right.Lists),
    };

    /// <summary>In the middle of a change of policy partitions have different lists.</summary>
    private static IReadOnlyList<ListStatistics> Merge(IReadOnlyList<ListStatistics> left, IReadOnlyList<ListStatistics> right) =>
        left.Count == 0 ? right : right.Count == 0 ? left :
        [
            .. left.Select(list => right.Where(other => other.Name == list.Name).Aggregate(list, static (a, b) => a + b)),
            .. right.Where(list => left.All(other => other.Name != list.Name)),
        ];

    /// <summary>Adds two sets of counters.</summary>
    public static PartitionStatistics Add(PartitionStatistics left, PartitionStatistics right) => left + right;
}

/// <summary>One list of an eviction policy.</summary>
/// <param name="Name">Its name in the policy's paper.</param>
/// <param name="Count">Nodes on it.</param>
/// <param name="Bytes">Their weight in bytes; for ghosts, what their entries weighed.</param>
/// <param name="IsGhost">Whether it remembers evicted entries instead of holding some.</param>
public readonly record struct ListStatistics(string Name, long Count, long Bytes, bool IsGhost)
{
    /// <summary>Adds two lists of the same name.</summary>
    public static ListStatistics operator +(ListStatistics left, ListStatistics right) =>
        left with { Count = left.Count + right.Count, Bytes = left.Bytes + right.Bytes };

    /// <summary>Adds two lists of the same name.</summary>
    public static ListStatistics Add(ListStatistics left, ListStatistics right) => left + right;
}
