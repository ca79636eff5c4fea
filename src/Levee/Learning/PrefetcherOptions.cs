namespace Levee.Learning;

/// <summary>What a <see cref="Prefetcher"/> is made for.</summary>
public sealed record PrefetcherOptions
{
    /// <summary>How many entries the memory of the whole cache holds, at least 1. Below <see cref="Prefetcher.LeastCapacity"/> nothing is predicted.</summary>
    public required int Capacity { get; init; }

    /// <summary>Whether the log of misses takes half of its memory, 15 instead of 29 bytes per entry. It then sees half as far back.</summary>
    public bool HalfLog { get; init; }

    /// <summary>How long accesses gather, at the most, that are not observed promptly, in the unit of the time that is told; they count as made evenly over that time.</summary>
    public long Gathering { get; init; }

    /// <summary>How long it takes from such an access until what it predicts can be asked for, while nothing else waits; in the unit of the time that is told. It counts as a part of each load.</summary>
    public long Reaction { get; init; }

    /// <summary>Tells what is in memory, so that it is not predicted; null: guessed from the log of misses.</summary>
    public IResidents? Residents { get; init; }
}
