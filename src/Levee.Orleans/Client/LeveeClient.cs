using Levee.Caching;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Options;

namespace Levee.Orleans.Client;

/// <summary>The caches of a cluster for one client: connects when the application starts, after the Orleans client.</summary>
internal sealed class LeveeClient(IClusterClient cluster, IOptions<LeveeClientOptions> options, TimeProvider time) : IHostedService, IAsyncDisposable
{
    private readonly Dictionary<string, (ClientHost Host, ILeveeCache Cache)> caches = new(StringComparer.Ordinal);

    /// <summary>The cache with a name; the default one where there is none.</summary>
    /// <exception cref="InvalidOperationException">The client has not started, or does not use such a cache; the message says which it uses.</exception>
    public ILeveeCache CacheNamed(string? name)
    {
        if (caches.Count == 0)
        {
            throw new InvalidOperationException("The Levee client has not connected yet: it does when the application starts.");
        }

        return caches.TryGetValue(name ?? options.Value.Caches[0], out var known)
            ? known.Cache
            : throw new InvalidOperationException($"This client does not use a cache '{name}'; it uses {string.Join(", ", options.Value.Caches)} ({nameof(LeveeClientOptions)}.{nameof(LeveeClientOptions.Caches)}).");
    }

    public async Task StartAsync(CancellationToken cancellationToken)
    {
        options.Value.Validate();
        foreach (var name in options.Value.Caches)
        {
            var host = await ClientHost.ConnectAsync(name, cluster, options.Value, time).WaitAsync(cancellationToken);
            caches.Add(name, (host, new HostedCache(host)));
        }
    }

    public Task StopAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    public async ValueTask DisposeAsync()
    {
        foreach (var (host, _) in caches.Values)
        {
            await host.DisposeAsync();
        }

        caches.Clear();
    }
}
