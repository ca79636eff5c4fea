namespace Levee.ClientSample;

/// <summary>No cache: everything is a miss.</summary>
internal sealed class NoCache : ICatalogueCache
{
    public string Description => "none";

    public ValueTask<byte[]?> GetAsync(string key, CancellationToken cancellation) => new((byte[]?)null);

    public ValueTask SetAsync(string key, byte[] value, TimeSpan ttl, string? tag, CancellationToken cancellation) => default;

    public ValueTask RemoveAsync(string key, CancellationToken cancellation) => default;

    public ValueTask RemoveByTagAsync(string tag, CancellationToken cancellation) => default;
}
