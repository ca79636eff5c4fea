using Levee.Learning;

namespace Levee.Hosting;

/// <summary>The prefetcher that a cache has unless somebody brings another.</summary>
public static class CachePrefetcher
{
    /// <summary>One entry in so many bytes: what is assumed until the memory shows how many it holds.</summary>
    private const long AssumedEntryBytes = 64 << 10;

    private const long MostAssumed = 1 << 20;

    /// <summary>Makes one that learns.</summary>
    /// <param name="memoryBytes">The cache's memory budget, on all machines together.</param>
    /// <param name="residents">Tells what is in memory; null: it guesses.</param>
    public static Prefetcher Create(long memoryBytes, IResidents? residents = null) =>
        new(new PrefetcherOptions { Capacity = (int)Math.Clamp(memoryBytes / AssumedEntryBytes, Prefetcher.LeastCapacity, MostAssumed), Residents = residents });

    /// <summary>Starts prefetching for a cache that lies in this process, and attaches it. Whoever starts it ends it, before the cache's tiers end.</summary>
    /// <param name="host">The cache; no front door is open yet.</param>
    /// <param name="origin">Loads what no tier has; null: nobody does.</param>
    /// <param name="time">The clock.</param>
    public static PrefetchRunner Start(LockHost host, OriginLoader? origin, TimeProvider time)
    {
        ArgumentNullException.ThrowIfNull(host);
        var runner = new PrefetchRunner(host, Create(host.Options.MemoryBytes, host), new PrefetchRunnerOptions { Origin = origin }, time, host);
        host.Prefetching = runner;
        return runner;
    }
}
