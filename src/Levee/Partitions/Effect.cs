using Levee.Memory;

namespace Levee.Partitions;

/// <summary>What a partition asks its host to do. Numbers are part of the wire between partitions and tiers: append only.</summary>
public enum EffectKind : byte
{
    /// <summary>Look the key up in the lower tiers and bring the result to <see cref="Partition.Complete"/>.</summary>
    Load = 1,

    /// <summary>Nobody waits for the load with this ticket any more than before, and its result will not be stored: it may be stopped. It must be completed all the same.</summary>
    CancelLoad = 2,

    /// <summary>Ask the frozen copy that the partition is arriving from for the key and bring the result to <see cref="Partition.Complete"/>. The host's own; no tier is given it.</summary>
    LoadFromSource = 3,

    /// <summary>Somebody has come to wait for the load with this ticket, which began ahead of any use: it gives way to no other any more.</summary>
    RaiseLoad = 4,
}

/// <summary>Work that a partition hands to its host, to be done outside it.</summary>
/// <param name="Kind">What to do.</param>
/// <param name="Ticket">Names the work when it comes back.</param>
/// <param name="Key">The key it is about, empty where <see cref="IsByHash"/>; the effect owns these bytes.</param>
/// <param name="Hash">The key's routing hash.</param>
public readonly record struct Effect(EffectKind Kind, long Ticket, ReadOnlyMemory<byte> Key, ulong Hash)
{
    /// <summary>Whether nobody waits for a load yet: it may give way to others, and must not hold up the thread that brings it. It is not put off for long, as somebody may come to wait for it.</summary>
    public bool IsPrefetch { get; init; }

    /// <summary>Whether a load is for whatever entry has the hash, as its key is not known.</summary>
    public bool IsByHash { get; init; }
}

/// <summary>How a load ended.</summary>
public enum LoadOutcome : byte
{
    /// <summary>No lower tier has the key.</summary>
    NotFound = 0,

    /// <summary>The entry was found.</summary>
    Found = 1,

    /// <summary>A tier that may have the key did not answer.</summary>
    Failed = 2,

    /// <summary>A load that began ahead of any use was given up before a tier was asked. Where somebody has come to wait for it meanwhile it is asked for again.</summary>
    Dropped = 3,
}

/// <summary>What a load brings back. The spans are the caller's and are valid during the call that passes it.</summary>
public readonly ref struct LoadResult
{
    /// <summary>How the load ended.</summary>
    public LoadOutcome Outcome { get; init; }

    /// <summary>The entry that was found. The partition takes over the caller's reference to a large value that it stores, and only then.</summary>
    public TierEntry Entry { get; init; }

    /// <summary>Whether the entry is worth a place in memory at once: it was read before in its tier, or is dear to fetch again. Else it is promoted where it needs nobody's place, or was evicted lately.</summary>
    public bool IsWanted { get; init; }

    /// <summary>Whether the frozen copy brought it, and not a tier.</summary>
    internal bool IsFromSource { get; init; }

    /// <summary>The policy's list that the entry was on there; 0: none.</summary>
    internal byte Home { get; init; }
}

/// <summary>
/// Carries out what partitions ask for, outside them. In one process it runs beside the lock host; in the cluster beside the grain.
/// </summary>
public interface IEffectRunner
{
    /// <summary>
    /// Takes an effect of a partition. Returns at once; the result comes back through <paramref name="host"/>, from any thread, in any order, exactly once for each load.
    /// </summary>
    void Run(IEffectHost host, int partition, Effect effect);
}

/// <summary>Where results of effects go.</summary>
public interface IEffectHost
{
    /// <summary>Brings a load's result to the partition that asked for it.</summary>
    /// <returns>Whether the entry was stored: promoted.</returns>
    bool Complete(int partition, long ticket, scoped in LoadResult result);

    /// <summary>Where values above <see cref="Operations.Limits.MaxInlineBytes"/> are put together.</summary>
    LargeValueStore LargeValues { get; }

    /// <summary>The partition that a routing hash belongs to.</summary>
    int PartitionOf(ulong hash);

    /// <summary>Holds the partition of an entry that lies in a tier and, if the entry is still true there, acts while it is held; the action must not block.</summary>
    /// <returns>What the action returned; false where the entry was not true any more.</returns>
    bool HoldIfTrue<TState>(scoped in TierEntry entry, TState state, Func<TState, bool> action);

    /// <summary>Acts while a partition is held; the action may call the partition and what lies below it, and must not block.</summary>
    TResult Hold<TState, TResult>(int partition, TState state, Func<Partition, TState, TResult> action);
}
