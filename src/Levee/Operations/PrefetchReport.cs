namespace Levee.Operations;

/// <summary>A cache's prefetcher at a moment.</summary>
public sealed record PrefetchReport
{
    /// <summary>Whether it learns and predicts.</summary>
    public bool IsLearning { get; init; }

    /// <summary>What made it stop learning, if something in it failed; null: nothing did.</summary>
    public string? Failure { get; init; }

    /// <summary>What it has learnt; null where nobody learns.</summary>
    public PrefetchStatistics? Learnt { get; init; }

    /// <summary>Accesses that were reported to it.</summary>
    public long Reported { get; init; }

    /// <summary>Accesses that it never saw: dropped where they were made, or lost on the way.</summary>
    public long Lost { get; init; }

    /// <summary>Hints that were taken into the queue.</summary>
    public long Hints { get; init; }

    /// <summary>Hints and predictions that found the queue full.</summary>
    public long Dropped { get; init; }

    /// <summary>Predictions that were not loaded, as they had waited too long, or nobody predicts any more.</summary>
    public long Stale { get; init; }

    /// <summary>Hints and predictions that waited already.</summary>
    public long Duplicates { get; init; }

    /// <summary>Loads that were asked for, by hints and predictions.</summary>
    public long Asked { get; init; }

    /// <summary>Entries that were brought up by them.</summary>
    public long Promoted { get; init; }

    /// <summary>Entries that were loaded from the origin, of those.</summary>
    public long FromOrigin { get; init; }

    /// <summary>Loads from the origin that ended with an exception.</summary>
    public long OriginFailures { get; init; }

    /// <summary>Keys that no tier has and that the origin was not asked for, as it had as many loads under way as it may have.</summary>
    public long OriginSkips { get; init; }

    /// <summary>Loads that failed.</summary>
    public long Failed { get; init; }

    /// <summary>Loads under way.</summary>
    public int InFlight { get; init; }

    /// <summary>How many may be under way at once.</summary>
    public int MaxInFlight { get; init; }

    /// <summary>Keys that wait.</summary>
    public int Waiting { get; init; }

    /// <summary>A moving average of what a load took, from asking to its end.</summary>
    public TimeSpan MeanLoad { get; init; }

    /// <summary>The first of the keys that wait.</summary>
    public IReadOnlyList<QueuedKey> Queue { get; init; } = [];
}

/// <summary>A key that waits to be brought up.</summary>
/// <param name="Key">The key; empty where only its hash is known.</param>
/// <param name="Hash">Its routing hash.</param>
/// <param name="Priority">0 to 9 for a hint; -1: it was predicted.</param>
/// <param name="Age">How long it has waited.</param>
public readonly record struct QueuedKey(ReadOnlyMemory<byte> Key, ulong Hash, int Priority, TimeSpan Age);
