using System.Collections.Frozen;
using System.Diagnostics.CodeAnalysis;
using Levee.Operations;

namespace Levee.Server;

/// <summary>The caches of a server by name, in the order in which they were configured. Fixed for the server's life.</summary>
public sealed class CacheCatalog
{
    private readonly ICacheHost[] hosts;
    private readonly FrozenDictionary<string, ICacheHost> byName;

    /// <param name="caches">The caches, the default one first; at least one, and no name twice.</param>
    public CacheCatalog(IReadOnlyList<ICacheHost> caches)
    {
        ArgumentNullException.ThrowIfNull(caches);
        if (caches.Count == 0)
        {
            throw new ArgumentException("A server has at least one cache.", nameof(caches));
        }

        var twice = caches.GroupBy(cache => cache.Name, StringComparer.Ordinal).FirstOrDefault(group => group.Count() > 1);
        if (twice is not null)
        {
            throw new ArgumentException($"Two caches are named '{twice.Key}'.", nameof(caches));
        }

        hosts = [.. caches];
        byName = caches.ToFrozenDictionary(cache => cache.Name, StringComparer.Ordinal);
    }

    /// <summary>All caches, the default one first.</summary>
    public IReadOnlyList<ICacheHost> Caches => hosts;

    /// <summary>The cache that a front door uses where none is named.</summary>
    public ICacheHost Default => Caches[0];

    /// <summary>Whether all answers that any cache has given may be acknowledged.</summary>
    public bool IsCommitted
    {
        get
        {
            foreach (var cache in hosts)
            {
                if (!cache.IsCommitted)
                {
                    return false;
                }
            }

            return true;
        }
    }

    /// <summary>Completes when all answers that were given before the call may be acknowledged.</summary>
    /// <exception cref="IOException">They must not be.</exception>
    public async Task CommitAsync()
    {
        foreach (var cache in hosts)
        {
            await cache.CommitAsync().ConfigureAwait(false);
        }
    }

    /// <summary>Lets each cache's prefetcher do a little of its work on the caller's thread, as <see cref="IPrefetchControl.TakeTurn"/> says.</summary>
    /// <returns>Whether any has more to do.</returns>
    public bool TakeTurn()
    {
        var hasMore = false;
        foreach (var cache in hosts)
        {
            hasMore |= cache.Prefetching?.TakeTurn() ?? false;
        }

        return hasMore;
    }

    /// <summary>Finds a cache by its exact name.</summary>
    public bool TryGet(string name, [NotNullWhen(true)] out ICacheHost? cache) => byName.TryGetValue(name, out cache);
}
