using Levee.Caching;

namespace Levee.ClientSample;

/// <summary>
/// The cache of a cluster, through the Orleans client. It is asked for at each call: while the client has not connected yet, asking is an error, and the catalogue reads its origin.
/// </summary>
internal sealed class ClusterCache(IServiceProvider services, string gateways) : ICatalogueCache
{
    public string Description => $"cluster at {gateways}";

    private ILeveeCache Cache => services.GetRequiredService<ILeveeCache>();

    public ValueTask<byte[]?> GetAsync(string key, CancellationToken cancellation) => Cache.GetAsync(key, cancellation);

    public async ValueTask SetAsync(string key, byte[] value, TimeSpan ttl, string? tag, CancellationToken cancellation) =>
        await Cache.SetAsync(key, value, new EntryOptions { Ttl = ttl, Jitter = ttl / 10, Tags = tag is null ? [] : [tag] }, cancellation);

    public async ValueTask RemoveAsync(string key, CancellationToken cancellation) => await Cache.RemoveAsync(key, cancellation);

    public ValueTask RemoveByTagAsync(string tag, CancellationToken cancellation) => Cache.RemoveByTagAsync(tag, cancellation);
}
