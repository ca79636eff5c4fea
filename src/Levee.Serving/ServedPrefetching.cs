using Levee.Hosting;

namespace Levee.Serving;

/// <summary>The prefetchers of a server's caches, one each. They end before the tiers do.</summary>
public sealed class ServedPrefetching : IAsyncDisposable
{
    private readonly List<PrefetchRunner> runners = [];

    /// <param name="settings">Checked options; prefetching starts where it is on and there are lower tiers.</param>
    /// <param name="hosts">The caches; no front door is open yet.</param>
    public ServedPrefetching(ServeSettings settings, IEnumerable<LockHost> hosts)
    {
        ArgumentNullException.ThrowIfNull(settings);
        if (settings.Prefetches)
        {
            runners.AddRange(hosts.Select(host => CachePrefetcher.Start(host, origin: null, TimeProvider.System)));
        }
    }

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        foreach (var runner in runners)
        {
            await runner.DisposeAsync().ConfigureAwait(false);
        }
    }
}
