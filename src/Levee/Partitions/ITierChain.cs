using Levee.Operations;

namespace Levee.Partitions;

/// <summary>All the tiers below a cache's partitions, warmest first: what a host is given.</summary>
public interface ITierChain : ILowerTiers, IEffectRunner
{
    /// <summary>How many tiers there are.</summary>
    int TierCount { get; }

    /// <summary>Memory of the tiers' indexes, in bytes: a part of the cache's budget that partitions give way to.</summary>
    long IndexBytes { get; }

    /// <summary>Says who holds the partitions. What the tiers have to tell them waits until then.</summary>
    void Attach(IEffectHost host);

    /// <summary>Promises that no partition's clock passes this, in Unix milliseconds, before the next call; durable when it returns.</summary>
    void Reserve(long untilMs);

    /// <summary>Completes when there is room again for what is demoted (<see cref="ILowerTiers.HasRoom"/>), or when the tiers cannot make any now.</summary>
    /// <exception cref="IOException">Nothing that is demoted from here on will be kept.</exception>
    Task DrainAsync(CancellationToken cancellation);

    /// <summary>Visits some of the entries that a tier holds. What stays in the tier from the first call to the last is given at least once.</summary>
    /// <param name="tier">From 0, the warmest.</param>
    /// <param name="position">0 to begin; then what the last call returned.</param>
    /// <param name="visit">Takes each entry; it may borrow during the call.</param>
    /// <returns>Where to go on; 0 at the end.</returns>
    ValueTask<long> ScanAsync(int tier, long position, TierEntryVisitor visit);

    /// <summary>What a tier holds and did.</summary>
    TierStatistics GetStatistics(int tier);

    /// <summary>The tiers that hold an entry, for people.</summary>
    IReadOnlyList<TierPlace> Explain(ulong hash);
}
