using Levee.Caching;
using Levee.Learning;

namespace Levee.Hosting;

/// <summary>Loads an entry from where the truth is.</summary>
/// <param name="key">The key.</param>
/// <param name="cancellation">Ends the load when the runner stops.</param>
/// <returns>The entry; null where there is none.</returns>
public delegate ValueTask<OriginEntry?> OriginLoader(CacheKey key, CancellationToken cancellation);

/// <summary>What an <see cref="OriginLoader"/> brings.</summary>
/// <param name="Value">The value, up to the cache's longest.</param>
/// <param name="Options">How it is written; its condition and its lease are not read: it is stored only where the key has no entry and
/// nothing was removed since the load
/// began that it may have read.</param>
public readonly record struct OriginEntry(ReadOnlyMemory<byte> Value, EntryOptions Options);

/// <summary>What a <see cref="PrefetchRunner"/> is made of.</summary>
public sealed record PrefetchRunnerOptions
{
    /// <summary>How many keys wait to be loaded at the most, from 1 on.</summary>
    public int QueueCapacity { get; init; } = PrefetchQueue.DefaultCapacity;

    /// <summary>How many loads are under way at the most, from 1 to 65,536.</summary>
    public int MaxConcurrency { get; init; } = 32;

    /// <summary>A prediction that has waited longer is dropped; hints never are. More than zero.</summary>
    public TimeSpan MaxAge { get; init; } = TimeSpan.FromSeconds(1);

    /// <summary>The loop looks for work no more often, so that many accesses share a turn; zero: it rests only where there is none.</summary>
    public TimeSpan Pause { get; init; } = TimeSpan.FromMilliseconds(1);

    /// <summary>How often the prefetcher learns how many entries the memory holds. More than zero.</summary>
    public TimeSpan CapacityPeriod { get; init; } = TimeSpan.FromSeconds(1);

    /// <summary>How many accesses wait to be learnt from at the most, a power of two from 2 to 65,536.</summary>
    public int StreamCapacity { get; init; } = AccessStream.DefaultCapacity;

    /// <summary>Loads what no tier has; null: nobody does.</summary>
    public OriginLoader? Origin { get; init; }

    /// <summary>How many loads of the origin are under way at the most, from 1 on. What would be more is not loaded.</summary>
    public int MaxOriginLoads { get; init; } = 8;
}
