using System.Globalization;
using Levee.Operations;

namespace Levee.Server.Http;

/// <summary>All caches of the server.</summary>
internal sealed record CacheList(IReadOnlyList<CacheStatus> Caches);

/// <summary>A cache's counters since its start and its sizes now.</summary>
internal sealed record CacheStatus
{
    /// <summary>The cache's name.</summary>
    public required string Name { get; init; }

    /// <summary>How many partitions it has.</summary>
    public required int Partitions { get; init; }

    /// <summary>Which partitions and tiers did not answer, and why: the numbers are without them. Absent where all did.</summary>
    public string? Unanswered { get; init; }

    /// <summary>Entries in memory now, expired ones that are not reclaimed yet included.</summary>
    public required long Entries { get; init; }

    /// <summary>Entries that lie in a lower tier and not in memory.</summary>
    public required long EntriesBelow { get; init; }

    /// <summary>How many lower tiers it has.</summary>
    public required int Tiers { get; init; }

    /// <summary>Reads that found an entry.</summary>
    public required long Hits { get; init; }

    /// <summary>Reads that found none.</summary>
    public required long Misses { get; init; }

    /// <summary>Reads that found nothing in memory and waited for a lower tier; they are hits or misses too.</summary>
    public required long Waits { get; init; }

    /// <summary>Hits by all reads, from 0 to 1; absent before the first read.</summary>
    public double? HitRatio { get; init; }

    /// <summary>Writes that were stored.</summary>
    public required long Stores { get; init; }

    /// <summary>Entries that left because a caller asked.</summary>
    public required long Removals { get; init; }

    /// <summary>Entries that left for want of memory.</summary>
    public required long Evictions { get; init; }

    /// <summary>Entries that left because their time was over.</summary>
    public required long Expirations { get; init; }

    /// <summary>Entries that left because their tag was invalidated.</summary>
    public required long Invalidations { get; init; }

    /// <summary>Writes that were refused, too large or out of memory.</summary>
    public required long Refusals { get; init; }

    /// <summary>Loads from lower tiers under way.</summary>
    public required long PendingLoads { get; init; }

    /// <summary>Where the memory is.</summary>
    public required MemoryStatus Memory { get; init; }

    /// <summary>The eviction policy and what it has learnt.</summary>
    public required PolicyStatus Policy { get; init; }

    /// <summary>A cache's status from its counters.</summary>
    public static CacheStatus Of(ICacheHost cache, PartitionStatistics statistics, Unanswered? missing)
    {
        var reads = statistics.Hits + statistics.Misses;
        return new CacheStatus
        {
            Name = cache.Name,
            Partitions = cache.PartitionCount,
            Unanswered = missing?.ToString(),
            Entries = statistics.Entries,
            EntriesBelow = statistics.EntriesBelow,
            Tiers = cache.TierCount,
            Hits = statistics.Hits,
            Misses = statistics.Misses,
            Waits = statistics.Waits,
            HitRatio = reads == 0 ? null : (double)statistics.Hits / reads,
            Stores = statistics.Stores,
            Removals = statistics.Removals,
            Evictions = statistics.Evictions,
            Expirations = statistics.Expirations,
            Invalidations = statistics.Invalidations,
            Refusals = statistics.Refusals,
            PendingLoads = statistics.PendingLoads,
            Memory = new MemoryStatus(
                statistics.CapacityBytes, statistics.HeldBytes, statistics.PayloadBytes, statistics.IndexBytes, statistics.SlabBytes, statistics.LargeBytes, cache.LargeValues.MaxValueBytes),
            Policy = new PolicyStatus(
                statistics.Policy, statistics.TargetBytes, [.. statistics.Lists.Select(list => new PolicyListStatus(list.Name, list.Count, list.Bytes, list.IsGhost))], AutoStatus.Of(statistics)),
        };
    }
}

/// <summary>Where a cache's memory is, in bytes.</summary>
/// <param name="CapacityBytes">What the partitions may hold.</param>
/// <param name="HeldBytes">What they hold: index, slabs and large values.</param>
/// <param name="PayloadBytes">What keys, values and metadata take of it.</param>
/// <param name="IndexBytes">Nodes and buckets, ghosts included.</param>
/// <param name="SlabBytes">Pages of keys and small values, free slots included.</param>
/// <param name="LargeBytes">Large values.</param>
/// <param name="MaxValueBytes">The longest value that is accepted.</param>
internal sealed record MemoryStatus(long CapacityBytes, long HeldBytes, long PayloadBytes, long IndexBytes, long SlabBytes, long LargeBytes, long MaxValueBytes);

/// <summary>The eviction policy.</summary>
/// <param name="Name">For example "arc".</param>
/// <param name="TargetBytes">The adaptive target of its recency list (p in ARC), 0 where it has none.</param>
/// <param name="Lists">Its lists, for example T1, T2, B1 and B2.</param>
/// <param name="Auto">How it came to be chosen; absent where it was configured.</param>
internal sealed record PolicyStatus(string Name, long TargetBytes, IReadOnlyList<PolicyListStatus> Lists, AutoStatus? Auto);

/// <summary>What "auto" saw and why it chose the policy.</summary>
/// <param name="Objective">What a hit is worth: objects, bytes, money.</param>
/// <param name="Switches">How often the policy was changed.</param>
/// <param name="Reason">Why the last time; empty: it is the first.</param>
/// <param name="SampledHitRatios">By policy, what each would have had lately on the sample; to compare with each other.</param>
/// <param name="WhatIf">By how many times the memory, what the policy in force would have had lately.</param>
/// <param name="SampleRate">Of so many keys one is sampled.</param>
internal sealed record AutoStatus(string Objective, long Switches, string Reason, IReadOnlyDictionary<string, double> SampledHitRatios, IReadOnlyDictionary<string, double> WhatIf, double SampleRate)
{
    public static AutoStatus? Of(PartitionStatistics statistics) => statistics.Learning is not { } learning ? null : new AutoStatus(
        learning.Objective,
        learning.Switch,
        learning.Reason,
        learning.Candidates.ToDictionary(candidate => candidate.Policy, candidate => Math.Round(candidate.Worth, 4)),
        learning.WhatIfs.ToDictionary(size => size.Factor.ToString(CultureInfo.InvariantCulture), size => Math.Round(size.HitRatio, 4)),
        learning.Rate);
}

/// <summary>One list of a policy.</summary>
/// <param name="Name">Its name in the policy's paper.</param>
/// <param name="Entries">How many it has.</param>
/// <param name="Bytes">What they weigh; for ghosts, what their entries weighed.</param>
/// <param name="IsGhost">Whether it remembers evicted entries instead of holding some.</param>
internal sealed record PolicyListStatus(string Name, long Entries, long Bytes, bool IsGhost);
