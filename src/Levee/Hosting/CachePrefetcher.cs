using Levee.Learning;

namespace Levee.Hosting;

/// <summary>The prefetcher that a cache has unless somebody brings another.</summary>
public static class CachePrefetcher
{
    /// <summary>One entry in so many bytes: what is assumed until the memory shows how many it holds.</summary>
    private const long AssumedEntryBytes = 64 << 10;

    private const long MostAssumed = 1 << 20;

    /// <summary>From an access until the runner's loop, which has loads to ask for, has learnt it and asked: some wake-ups of a thread.</summary>
    private static readonly TimeSpan TurnTime = TimeSpan.FromMicroseconds(100);

    /// <summary>The runner's pause as it comes to be where the machine is busy and timers are coarse.</summary>
    private static readonly TimeSpan LongestPause = TimeSpan.FromMilliseconds(10);

    /// <summary>Makes one that learns, for a <see cref="PrefetchRunner"/>.</summary>
    /// <param name="memoryBytes">The cache's memory budget, on all machines together.</param>
    /// <param name="residents">Tells what is in memory; null: it guesses.</param>
    /// <param name="feedPeriod">How often other machines report their accesses; zero: they are this process' own.</param>
    public static Prefetcher Create(long memoryBytes, IResidents? residents = null, TimeSpan feedPeriod = default) => new(new PrefetcherOptions
    {
        Capacity = (int)Math.Clamp(memoryBytes / AssumedEntryBytes, Prefetcher.LeastCapacity, MostAssumed),
        Residents = residents,
        Gathering = Microseconds(feedPeriod + LongestPause),
        Reaction = Microseconds(feedPeriod + TurnTime),
    });

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

    private static long Microseconds(TimeSpan time) => (long)time.TotalMicroseconds;
}
