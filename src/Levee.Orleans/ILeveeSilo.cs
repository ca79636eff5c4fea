using Levee.Hosting;
using Levee.Operations;

namespace Levee.Orleans;

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

    /// <summary>How often the lease ended before it was renewed.</summary>
    long LeaseLapses { get; }

    /// <summary>
    /// Gives all partitions of this silo away, while its front doors go on; done by itself when the silo stops, and earlier by whoever wants to close front doors afterwards. Completes when all have arrived elsewhere,
    /// at the latest after <see cref="LeveeSiloOptions.DrainTimeout"/>.
    /// </summary>
    Task DrainAsync(CancellationToken cancellation);
}
