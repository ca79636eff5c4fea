namespace Levee.Operations;

/// <summary>What a prefetcher knows and did. Counts are since its start.</summary>
public sealed record PrefetchStatistics
{
    /// <summary>The confidence buckets, in the order of <see cref="Learning.Prediction.Bucket"/>.</summary>
    public required IReadOnlyList<PrefetchBucket> Buckets { get; init; }

    /// <summary>Accesses that found nothing in memory, or only what a prefetch had brought there.</summary>
    public required long WouldBeMisses { get; init; }

    /// <summary>Predictions that were taken and led to a load, or may have.</summary>
    public required long Issued { get; init; }

    /// <summary>First uses of what a prefetch had brought into memory.</summary>
    public required long Used { get; init; }

    /// <summary>Misses that joined a load which a prefetch had begun.</summary>
    public required long Late { get; init; }

    /// <summary>Loads whose entry was not used before it left the prefetch area.</summary>
    public required long Wasted { get; init; }

    /// <summary>Loads that failed.</summary>
    public required long Failed { get; init; }

    /// <summary>Predictions that nobody took in time, or that were given up before they were begun.</summary>
    public required long Dropped { get; init; }

    /// <summary>The precision, from 0 to 1, from which a closed bucket opens.</summary>
    public required double Threshold { get; init; }

    /// <summary>How many steps ahead predictions reach at the most.</summary>
    public required int Lead { get; init; }

    /// <summary>How many entries that were prefetched and not used yet may lie in memory.</summary>
    public required int Area { get; init; }

    /// <summary>The waste per would-be miss, smoothed.</summary>
    public required double WasteRate { get; init; }

    /// <summary>Misses of the latest period that prefetched entries caused, smoothed.</summary>
    public required double Pollution { get; init; }

    /// <summary>Memory that it holds, in bytes.</summary>
    public required long MemoryBytes { get; init; }
}

/// <summary>What became of the predictions of one kind and one degree of confidence.</summary>
/// <param name="Name">What it is, for people: the kind of predictor, the confidence, and how far ahead.</param>
/// <param name="IsOpen">Whether its predictions are loaded; else they are only tested.</param>
/// <param name="Issued">Predictions that were handed out.</param>
/// <param name="Used">Those of them that were used in time.</param>
/// <param name="Late">Those that were asked for before they had come.</param>
/// <param name="Wasted">Those that were not used.</param>
/// <param name="Tested">Predictions that were only tested.</param>
/// <param name="Precision">The part that is used in time, from 0 to 1, of late ones issued and tested.</param>
public readonly record struct PrefetchBucket(string Name, bool IsOpen, long Issued, long Used, long Late, long Wasted, long Tested, double Precision);
