namespace Levee.ClientSample;

/// <summary>What the catalogue needs of a cache, wherever it runs. Each call may throw; <see cref="Catalogue"/> survives it.</summary>
public interface ICatalogueCache
{
    /// <summary>What it is, for people.</summary>
    string Description { get; }

    /// <summary>The bytes of a key; null on a miss.</summary>
    ValueTask<byte[]?> GetAsync(string key, CancellationToken cancellation);

    /// <summary>Keeps bytes for a while; <paramref name="tag"/> groups what becomes invalid together.</summary>
    ValueTask SetAsync(string key, byte[] value, TimeSpan ttl, string? tag, CancellationToken cancellation);

    /// <summary>Removes a key.</summary>
    ValueTask RemoveAsync(string key, CancellationToken cancellation);

    /// <summary>Invalidates all that carries a tag.</summary>
    ValueTask RemoveByTagAsync(string tag, CancellationToken cancellation);
}
