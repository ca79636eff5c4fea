using Levee.Caching;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Options;

namespace Levee.Orleans.Client;

/// <summary>The caches of a cluster for one client: connects when the Orleans client has.</summary>
internal sealed class LeveeClient(IServiceProvider services, IOptions<LeveeClientOptions> options, TimeProvider time) : ILifecycleParticipant<IClusterClientLifecycle>, IAsyncDisposable
{
    private readonly Dictionary<string, (ClientHost Host, ILeveeCache Cache)> caches = new(StringComparer.Ordinal);

    /// <summary>The cache with a name; the default one where there is none.</summary>
    /// <exception cref="InvalidOperationException">The client has not started, or does not use such a cache; the message says which it uses.</exception>
    public ILeveeCache CacheNamed(string? name)
    {
        if (caches.Count == 0)
        {
            throw new InvalidOperationException("The Levee client has not connected yet: it does when the application's Orleans client starts (UseOrleansClient).");
        }

        return caches.TryGetValue(name ?? options.Value.Caches[0], out var known)
            ? known.Cache
            : throw new InvalidOperationException($"This client does not use a cache '{name}'; it uses {string.Join(", ", options.Value.Caches)} ({nameof(LeveeClientOptions)}.{nameof(LeveeClientOptions.Caches)}).");
    }

    public void Participate(IClusterClientLifecycle lifecycle) => lifecycle.Subscribe("Levee client", ServiceLifecycleStage.Active, ConnectAsync);

    public async ValueTask DisposeAsync()
    {
        // The container knows it as several services, and disposes each.
        var hosts = caches.Values.Select(cache => cache.Host).ToList();
        caches.Clear();
        foreach (var host in hosts)
        {
            await host.DisposeAsync();
        }
    }

    private async Task ConnectAsync(CancellationToken cancellation)
    {
        options.Value.Validate();
        foreach (var name in options.Value.Caches)
        {
            var host = await ClientHost.ConnectAsync(name, services.GetRequiredService<IGrainFactory>(), options.Value, time).WaitAsync(cancellation);
            caches.Add(name, (host, new HostedCache(host, time)));
        }
    }
}
