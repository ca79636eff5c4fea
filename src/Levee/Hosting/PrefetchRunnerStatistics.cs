using Levee.Learning;

namespace Levee.Hosting;

/// <summary>What a <see cref="PrefetchRunner"/> does and did. Counts are since its start.</summary>
public sealed record PrefetchRunnerStatistics
{
    /// <summary>Whether it is switched on.</summary>
    public required bool IsOn { get; init; }

    /// <summary>Keys that wait to be loaded, hints included.</summary>
    public required int Waiting { get; init; }

    /// <summary>Hints among them.</summary>
    public required int WaitingHints { get; init; }

    /// <summary>Loads under way.</summary>
    public required int Running { get; init; }

    /// <summary>Hints that were given, those that were not taken included.</summary>
    public required long Hints { get; init; }

    /// <summary>Predictions that the prefetcher made.</summary>
    public required long Predictions { get; init; }

    /// <summary>Keys that partitions were asked to bring up.</summary>
    public required long Asked { get; init; }

    /// <summary>How those ended: by <see cref="PrefetchOutcome"/>, which is the place in the list.</summary>
    public required IReadOnlyList<long> Outcomes { get; init; }

    /// <summary>Keys that were not loaded, by <see cref="PrefetchDrop"/>, which is the place in the list.</summary>
    public required IReadOnlyList<long> Drops { get; init; }

    /// <summary>Loads that the origin was asked for.</summary>
    public required long OriginLoads { get; init; }

    /// <summary>Those of them that ended with an exception.</summary>
    public required long OriginFailures { get; init; }

    /// <summary>Keys that no tier has and that the origin was not asked for, as too many loads were under way there.</summary>
    public required long OriginSkips { get; init; }

    /// <summary>Accesses that were reported here, dropped ones included.</summary>
    public required long Accesses { get; init; }

    /// <summary>Those of them that were dropped: too many at once, or a key too long.</summary>
    public required long DroppedAccesses { get; init; }

    /// <summary>Batches from elsewhere that were damaged, or came while too many waited.</summary>
    public required long DroppedBatches { get; init; }

    /// <summary>How long a load takes that brings an entry into memory, smoothed, in microseconds; 0: none has yet.</summary>
    public required double LoadMicroseconds { get; init; }

    /// <summary>What the prefetcher knows; null where there is none.</summary>
    public required PrefetchStatistics? Prefetcher { get; init; }

    /// <summary>What came from each front door.</summary>
    public required IReadOnlyList<AccessCounts> FrontDoors { get; init; }
}
