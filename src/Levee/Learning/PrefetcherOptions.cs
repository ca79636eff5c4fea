namespace Levee.Learning;

/// <summary>What a <see cref="Prefetcher"/> is made for.</summary>
public sealed record PrefetcherOptions
{
    /// <summary>How many entries the memory of the whole cache holds, at least 1. Below <see cref="Prefetcher.LeastCapacity"/> nothing is predicted.</summary>
    public required int Capacity { get; init; }

    /// <summary>Whether the log of misses takes half of its memory, 15 instead of 29 bytes per entry. It then sees half as far back.</summary>
    public bool HalfLog { get; init; }

    /// <summary>Tells what is in memory, so that it is not predicted; null: guessed from the log of misses.</summary>
    public IResidents? Residents { get; init; }
}
