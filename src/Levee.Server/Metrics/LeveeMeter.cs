using System.Diagnostics.Metrics;

namespace Levee.Server.Metrics;

/// <summary>
/// The caches' counters for OpenTelemetry: meter "Levee", with the names and attributes that .NET's own caches use. All instruments are observed,
/// so that nothing is spent where nobody listens.
/// </summary>
public sealed class LeveeMeter : IDisposable
{
    /// <summary>The meter's name.</summary>
    public const string Name = "Levee";

    private readonly Meter meter;
    private readonly CacheMetrics caches;

    /// <param name="factory">Makes the meter.</param>
    /// <param name="caches">Where the numbers come from.</param>
    public LeveeMeter(IMeterFactory factory, CacheMetrics caches)
    {
        ArgumentNullException.ThrowIfNull(factory);
        this.caches = caches;
        meter = factory.Create(Name);
        meter.CreateObservableCounter("levee.cache.requests", ObserveRequests, "{request}", "Reads of entries, by whether one was there.");
        meter.CreateObservableCounter("levee.cache.evictions", () => Observe(s => s.Evictions), "{entry}", "Entries that left for want of memory.");
        meter.CreateObservableCounter("levee.cache.expirations", () => Observe(s => s.Expirations), "{entry}", "Entries that left because their time was over.");
        meter.CreateObservableUpDownCounter("levee.cache.entries", () => Observe(s => s.Entries), "{entry}", "Entries.");
        meter.CreateObservableUpDownCounter("levee.cache.size", () => Observe(s => s.HeldBytes), "By", "Memory that the cache holds.");
    }

    /// <inheritdoc/>
    public void Dispose() => meter.Dispose();

    private IEnumerable<Measurement<long>> ObserveRequests()
    {
        foreach (var (cache, statistics) in Refreshed())
        {
            yield return new(statistics.Hits, new("cache.name", cache), new("cache.request.type", "hit"));
            yield return new(statistics.Misses, new("cache.name", cache), new("cache.request.type", "miss"));
        }
    }

    private IEnumerable<Measurement<long>> Observe(Func<Operations.PartitionStatistics, long> read) =>
        Refreshed().Select(cache => new Measurement<long>(read(cache.Statistics), new KeyValuePair<string, object?>("cache.name", cache.Cache)));

    /// <summary>A listener does not wait: partitions in this process have answered when the call returns, others answer for the next time.</summary>
    private IReadOnlyList<(string Cache, Operations.PartitionStatistics Statistics)> Refreshed()
    {
        _ = caches.RefreshAsync(CancellationToken.None);
        return caches.Latest;
    }
}
