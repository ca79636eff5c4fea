using Levee.Clustering;
using Levee.Hosting;
using Levee.Operations;

namespace Levee.Orleans;

/// <summary>What a silo's front doors have had to do with other silos, for one cache, since its start.</summary>
/// <param name="Cache">The cache's name.</param>
/// <param name="Sent">What was sent to other silos.</param>
/// <param name="Claims">Partitions that were claimed.</param>
/// <param name="Takeovers">Those of them that came from a silo that was dead: empty.</param>
/// <param name="ArrivedEntries">Entries that came with partitions from other silos.</param>
/// <param name="LostEntries">Entries that did not come, for want of memory or because their silo was gone.</param>
/// <param name="ReportedAccesses">Accesses reported to the prefetcher.</param>
/// <param name="DroppedAccesses">Those of them that were dropped.</param>
public readonly record struct ClusterCounts(string Cache, RouterStatistics Sent, long Claims, long Takeovers, long ArrivedEntries, long LostEntries, long ReportedAccesses, long DroppedAccesses);

/// <summary>Levee on this silo, for what runs beside it: front doors, metrics, health. Usable once the silo has started.</summary>
public interface ILeveeSilo
{
    /// <summary>The caches, the default one first: each reaches all its partitions, wherever in the cluster they are.</summary>
    IReadOnlyList<ICacheHost> Caches { get; }

    /// <summary>What of the caches is on this silo, in the same order.</summary>
    IReadOnlyList<LockHost> Hosts { get; }

    /// <summary>The clock that TTLs are counted in.</summary>
    MillisecondClock Clock { get; }

    /// <summary>Why this silo may not answer now; null: it may.</summary>
    string? Obstacle { get; }

    /// <summary>What this silo said to others and took over from them, for each cache, in the same order.</summary>
    IReadOnlyList<ClusterCounts> Counts { get; }

    /// <summary>How often the lease ended before it was renewed.</summary>
    long LeaseLapses { get; }

    /// <summary>How often background work of this silo failed. It was begun again each time.</summary>
    long BackgroundFailures { get; }

    /// <summary>
    /// Gives all partitions of this silo away, while its front doors go on; done by itself when the silo stops, and earlier by whoever wants to close front doors afterwards. Completes when all have arrived elsewhere,
    /// at the latest after <see cref="LeveeSiloOptions.StopTimeout"/>.
    /// </summary>
    Task DrainAsync(CancellationToken cancellation);

    /// <summary>
    /// Takes what memory still holds down to the tiers, of all caches at once; done by itself when the silo stops, and earlier by whoever wants to say how it went. Front doors have been closed: from here on the silo's
    /// partitions answer nothing. Done once: a second call gives the result of the first.
    /// </summary>
    /// <param name="progress">Is told every few seconds how far each cache is.</param>
    /// <param name="cancellation">Ends it: what is in memory then is left, and counted.</param>
    /// <returns>What went down and what did not, for each cache, in the order of <see cref="Hosts"/>.</returns>
    Task<IReadOnlyList<TakeDownReport>> TakeDownAsync(IProgress<TakeDownReport>? progress, CancellationToken cancellation);
}
