using Levee.Codec;

namespace Levee.Operations;

/// <summary>How a tier is.</summary>
public enum TierHealth
{
    /// <summary>It does all that is asked.</summary>
    Healthy,

    /// <summary>It is still finding out what it holds.</summary>
    Recovering,

    /// <summary>Its breaker is open, or it had to stop writing: the cache goes on without it.</summary>
    Degraded,
}

/// <summary>What a tier holds now and has done since the start.</summary>
public sealed record TierStatistics
{
    /// <summary>What the tier is, for people: its kind and place, never its credentials.</summary>
    public string Name { get; init; } = "";

    /// <summary>Its kind: "file", "redis", "s3", "azblob".</summary>
    public string Kind { get; init; } = "";

    /// <summary>How it is.</summary>
    public TierHealth Health { get; init; }

    /// <summary>Why it is not healthy; empty where it is.</summary>
    public string Problem { get; init; } = "";

    /// <summary>Entries that it holds.</summary>
    public long Entries { get; init; }

    /// <summary>Entries that it holds and that lie in no partition: what SCAN and DBSIZE add.</summary>
    public long EntriesBelow { get; init; }

    /// <summary>Bytes that it holds, dead records included.</summary>
    public long HeldBytes { get; init; }

    /// <summary>Bytes that it may hold; 0: no bound of ours.</summary>
    public long CapacityBytes { get; init; }

    /// <summary>Memory of its index.</summary>
    public long IndexBytes { get; init; }

    /// <summary>Reads that found the entry.</summary>
    public long Hits { get; init; }

    /// <summary>Reads that found nothing.</summary>
    public long Misses { get; init; }

    /// <summary>Reads that the tier did not answer.</summary>
    public long Failures { get; init; }

    /// <summary>Entries taken down.</summary>
    public long Demotions { get; init; }

    /// <summary>Entries that were to be taken down and were dropped: there was no room for what waits to be written, or it was not worth it.</summary>
    public long Drops { get; init; }

    /// <summary>Entries that were read since they came and so stayed when their place was reclaimed.</summary>
    public long CarriedOver { get; init; }

    /// <summary>Records that were torn or corrupt, failed their checksum or their authentication tag. They were not given out.</summary>
    public long Damaged { get; init; }

    /// <summary>Requests that write (PUT, SET, file writes).</summary>
    public long WriteRequests { get; init; }

    /// <summary>Requests that read.</summary>
    public long ReadRequests { get; init; }

    /// <summary>Requests that delete.</summary>
    public long DeleteRequests { get; init; }

    /// <summary>Bytes written.</summary>
    public long WrittenBytes { get; init; }

    /// <summary>Bytes read.</summary>
    public long ReadBytes { get; init; }

    /// <summary>Generations that were given up and are not fully deleted yet.</summary>
    public long GivenUpGenerations { get; init; }

    /// <summary>Mean time of a read request, in milliseconds, exponentially weighted; 0: none yet.</summary>
    public double ReadMs { get; init; }

    /// <summary>What the tier costs and saves at the present traffic; null where that is not known yet.</summary>
    public TierCost? Cost { get; init; }

    /// <summary>What compression and encryption did for all tiers of the cache; told by the warmest alone, and null where there is neither.</summary>
    public CodecStatistics? Codec { get; init; }
}

/// <summary>A tier in money and time, at the traffic of a period. Dollars are US dollars.</summary>
/// <param name="RequestDollarsPerDay">What its requests cost.</param>
/// <param name="StorageDollarsPerDay">What it costs to hold what it holds.</param>
/// <param name="TransferDollarsPerDay">What reading from it costs in transfer.</param>
/// <param name="SavedDollarsPerDay">What its hits would have cost at the origin.</param>
/// <param name="SavedSecondsPerDay">How much longer its hits would have taken at the origin.</param>
/// <param name="PeriodSeconds">The period that this was measured over.</param>
/// <param name="PriceSource">Where the prices come from, and of when they are.</param>
public sealed record TierCost(
    double RequestDollarsPerDay,
    double StorageDollarsPerDay,
    double TransferDollarsPerDay,
    double SavedDollarsPerDay,
    double SavedSecondsPerDay,
    double PeriodSeconds,
    string PriceSource)
{
    /// <summary>All that it costs.</summary>
    public double DollarsPerDay => RequestDollarsPerDay + StorageDollarsPerDay + TransferDollarsPerDay;

    /// <summary>What it saves beyond what it costs.</summary>
    public double NetDollarsPerDay => SavedDollarsPerDay - DollarsPerDay;
}

/// <summary>Where a tier holds an entry, for people.</summary>
/// <param name="Tier">The tier's name.</param>
/// <param name="Where">For example "segment 17, offset 4096", "open segment", "waiting to be written", "redis key ...".</param>
/// <param name="StoredBytes">What the record takes there; 0: not known.</param>
/// <param name="Since">Since when the tier has held it, Unix milliseconds, as far as is known; 0: not known.</param>
/// <param name="IsPromoted">Whether a copy lies in memory above.</param>
public sealed record TierPlace(string Tier, string Where, long StoredBytes, long Since, bool IsPromoted);

/// <summary>Where the entry of a key lies, and why, for people.</summary>
public sealed record EntryExplanation
{
    /// <summary>Whether it lies in memory.</summary>
    public bool IsResident { get; init; }

    /// <summary>The partition that the key belongs to.</summary>
    public int Partition { get; init; }

    /// <summary>The eviction policy's list that the entry, or its ghost, is on; empty where it is on none.</summary>
    public string List { get; init; } = "";

    /// <summary>Whether it was brought up ahead of a use and has not been used yet.</summary>
    public bool IsPrefetched { get; init; }

    /// <summary>Whether the policy remembers the key as one that was evicted lately: its next read from a tier brings it back at once.</summary>
    public bool IsGhost { get; init; }

    /// <summary>The version, where it is resident; else 0.</summary>
    public ulong Version { get; init; }

    /// <summary>When it was written, Unix milliseconds, where it is resident; else 0.</summary>
    public long WrittenAt { get; init; }

    /// <summary>When it expires, Unix milliseconds, where it is resident; <see cref="Limits.Never"/>: not at all.</summary>
    public long ExpiresAt { get; init; }

    /// <summary>The value's length in bytes, where it is resident.</summary>
    public int ValueBytes { get; init; }

    /// <summary>What it takes of the memory budget, in bytes, where it is resident.</summary>
    public int MemoryBytes { get; init; }

    /// <summary>Whether a lower tier may hold the same version.</summary>
    public bool MayLieBelow { get; init; }

    /// <summary>Whether it is being loaded from a tier.</summary>
    public bool IsLoading { get; init; }

    /// <summary>The tiers that hold it, warmest first.</summary>
    public IReadOnlyList<TierPlace> Places { get; init; } = [];
}
