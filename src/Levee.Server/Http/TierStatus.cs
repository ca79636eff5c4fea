using Levee.Operations;

namespace Levee.Server.Http;

/// <summary>The tiers below a cache's memory.</summary>
/// <param name="Tiers">One each, the warmest first.</param>
internal sealed record TierList(IReadOnlyList<TierStatus> Tiers);

/// <summary>A tier's counters since its start, its sizes now, and what it costs.</summary>
internal sealed record TierStatus
{
    /// <summary>What the tier is: its kind and place, without credentials.</summary>
    public required string Name { get; init; }

    /// <summary>Its kind: "file", "redis", "s3", "azblob".</summary>
    public required string Kind { get; init; }

    /// <summary>"healthy", "recovering" or "degraded".</summary>
    public required string Health { get; init; }

    /// <summary>Why it is not healthy; absent where it is.</summary>
    public string? Problem { get; init; }

    /// <summary>Entries that it holds.</summary>
    public required long Entries { get; init; }

    /// <summary>Entries that it holds and that do not lie in memory.</summary>
    public required long EntriesBelow { get; init; }

    /// <summary>Bytes that it holds, dead records included.</summary>
    public required long HeldBytes { get; init; }

    /// <summary>Bytes that it may hold; absent: no bound.</summary>
    public long? CapacityBytes { get; init; }

    /// <summary>Memory of its index.</summary>
    public required long IndexBytes { get; init; }

    /// <summary>Reads that found the entry.</summary>
    public required long Hits { get; init; }

    /// <summary>Reads that found nothing.</summary>
    public required long Misses { get; init; }

    /// <summary>Reads that the tier did not answer.</summary>
    public required long Failures { get; init; }

    /// <summary>Entries taken down.</summary>
    public required long Demotions { get; init; }

    /// <summary>Entries that were to be taken down and were dropped.</summary>
    public required long Drops { get; init; }

    /// <summary>Entries that stayed when their place was reclaimed, because they had been read.</summary>
    public required long CarriedOver { get; init; }

    /// <summary>Records that were torn, corrupt or not authentic, and were not given out.</summary>
    public required long Damaged { get; init; }

    /// <summary>Requests that write.</summary>
    public required long WriteRequests { get; init; }

    /// <summary>Requests that read.</summary>
    public required long ReadRequests { get; init; }

    /// <summary>Requests that delete.</summary>
    public required long DeleteRequests { get; init; }

    /// <summary>Bytes written.</summary>
    public required long WrittenBytes { get; init; }

    /// <summary>Bytes read.</summary>
    public required long ReadBytes { get; init; }

    /// <summary>Generations that were given up and are not fully deleted yet.</summary>
    public required long GivenUpGenerations { get; init; }

    /// <summary>Mean time of a read request in milliseconds, of late; absent before the first.</summary>
    public double? ReadMs { get; init; }

    /// <summary>What it costs and saves at the present traffic; absent where that is not known.</summary>
    public TierCost? Cost { get; init; }

    /// <summary>A tier's status from its counters.</summary>
    public static TierStatus Of(TierStatistics tier) => new()
    {
        Name = tier.Name,
        Kind = tier.Kind,
        Health = TierHealthText.Of(tier.Health),
        Problem = tier.Problem.Length == 0 ? null : tier.Problem,
        Entries = tier.Entries,
        EntriesBelow = tier.EntriesBelow,
        HeldBytes = tier.HeldBytes,
        CapacityBytes = tier.CapacityBytes == 0 ? null : tier.CapacityBytes,
        IndexBytes = tier.IndexBytes,
        Hits = tier.Hits,
        Misses = tier.Misses,
        Failures = tier.Failures,
        Demotions = tier.Demotions,
        Drops = tier.Drops,
        CarriedOver = tier.CarriedOver,
        Damaged = tier.Damaged,
        WriteRequests = tier.WriteRequests,
        ReadRequests = tier.ReadRequests,
        DeleteRequests = tier.DeleteRequests,
        WrittenBytes = tier.WrittenBytes,
        ReadBytes = tier.ReadBytes,
        GivenUpGenerations = tier.GivenUpGenerations,
        ReadMs = tier.ReadMs == 0 ? null : tier.ReadMs,
        Cost = tier.Cost,
    };
}
