namespace Levee.Tiers;

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
}
