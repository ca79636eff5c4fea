using Levee.Hosting;
using Levee.Learning;
using Levee.Partitions;

namespace Levee.Orleans;

/// <summary>Opens the tiers of a cache on this silo.</summary>
/// <param name="cache">The cache's options on this silo.</param>
/// <param name="services">The silo's services.</param>
/// <param name="cancellation">Ends the attempt.</param>
/// <returns>The tiers, ready to be called; null where there are none. Who opened them stops them, after the silo has stopped.</returns>
public delegate Task<ITierChain?> TierOpener(CacheOptions cache, IServiceProvider services, CancellationToken cancellation);

/// <summary>What a silo is told of Levee.</summary>
public sealed class LeveeSiloOptions
{
    /// <summary>The caches, the default one first. Every silo of a cluster names the same caches with the same numbers of partitions; the memory is each silo's own.</summary>
    public IList<CacheOptions> Caches { get; } = [];

    /// <summary>Opens the tiers of each cache; null: no tiers.</summary>
    public TierOpener? OpenTiers { get; set; }

    /// <summary>
    /// The silo's lasting name: the same when it restarts on the same data, and nobody else's. A silo that finds itself, by this name, as the last owner of a partition goes on with what its tiers have of it.
    /// Whoever sets it vouches that no other process uses the data (a folder that is locked). Empty: what the tiers have is not trusted after a restart.
    /// </summary>
    public string NodeName { get; set; } = "";

    /// <summary>
    /// How long a silo may serve without having seen its own row in the membership table, 200 ms to 1 minute. Who takes over from a dead silo waits this long: longer outages of the table are survived,
    /// and partitions of a killed silo answer later.
    /// </summary>
    public TimeSpan Lease { get; set; } = TimeSpan.FromSeconds(1);

    /// <summary>How long a call to another silo may take before it is given up: then a read is tried once more and is a miss, and a write whose outcome is not known fails. 10 ms to 1 minute.</summary>
    public TimeSpan CallTimeout { get; set; } = TimeSpan.FromSeconds(1);

    /// <summary>How many partitions a silo gives away at once, 1 to 64.</summary>
    public int ConcurrentMoves { get; set; } = 4;

    /// <summary>How long a stopping silo may take to give its partitions away; what is left then is lost.</summary>
    public TimeSpan StopTimeout { get; set; } = TimeSpan.FromMinutes(5);

    /// <summary>The name of an Orleans stream provider to which the accesses of each cache are published as well, for others to subscribe; empty: none.</summary>
    public string AccessStreamProvider { get; set; } = "";

    /// <summary>
    /// Makes what learns from a cache's accesses, by the cache's name, on the silo that runs the cache's one prefetcher; <see cref="CachePrefetcher.Create"/> makes Levee's own. Where it gives null, hints are followed and nothing is
    /// foreseen. Null: nothing is prefetched, and hints are not taken. All silos have it, or none.
    /// </summary>
    public Func<string, IPrefetcher?>? CreatePrefetcher { get; set; }

    /// <summary>How often silos tell the prefetcher what was asked for.</summary>
    public static TimeSpan AccessFeedPeriod { get; } = TimeSpan.FromMilliseconds(20);

    /// <summary>Checks all values.</summary>
    /// <exception cref="ArgumentException">A value is out of range; the message names it, its value and what is allowed.</exception>
    public void Validate()
    {
        Check(Caches.Count > 0, nameof(Caches), "empty", "at least one");
        Check(Caches.Select(cache => cache.Name).Distinct(StringComparer.Ordinal).Count() == Caches.Count, nameof(Caches), string.Join(", ", Caches.Select(cache => cache.Name)), "each name once");
        foreach (var cache in Caches)
        {
            cache.Validate();
        }

        Check(Lease >= TimeSpan.FromMilliseconds(200) && Lease <= TimeSpan.FromMinutes(1), nameof(Lease), Lease, "200 ms to 1 minute");
        Check(CallTimeout >= TimeSpan.FromMilliseconds(10) && CallTimeout <= TimeSpan.FromMinutes(1), nameof(CallTimeout), CallTimeout, "10 ms to 1 minute");
        Check(ConcurrentMoves is >= 1 and <= 64, nameof(ConcurrentMoves), ConcurrentMoves, "1 to 64");
        Check(StopTimeout >= TimeSpan.Zero, nameof(StopTimeout), StopTimeout, "zero or more");
    }

    private static void Check(bool holds, string option, object value, string allowed)
    {
        if (!holds)
        {
            throw new ArgumentException($"{option} is '{value}'; allowed: {allowed}.", option);
        }
    }
}
