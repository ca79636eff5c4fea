using System.Text.Json;
using System.Text.Json.Serialization.Metadata;

namespace Levee.ClientSample;

/// <summary>
/// Cache-aside, the pattern to copy: ask the cache, on a miss ask the origin and keep what it said, on a change write the origin first and then remove what has become wrong. Whatever the trouble with the cache is, the
/// catalogue answers from its origin, and counts it.
/// </summary>
public sealed partial class Catalogue(Origin origin, ICatalogueCache cache, Measurements measurements, TimeProvider time, ILogger<Catalogue> log)
{
    /// <summary>How old an answer may be where an invalidation got lost (see README.md).</summary>
    private static readonly TimeSpan Ttl = TimeSpan.FromMinutes(5);

    /// <summary>The product with an id; null where there is none.</summary>
    /// <param name="id">Its id.</param>
    /// <param name="isCached">False: past the cache, to compare.</param>
    /// <param name="cancellation">Ends the wait.</param>
    public Task<Product?> FindAsync(int id, bool isCached, CancellationToken cancellation) =>
        ReadAsync(KeyOf(id), tag: null, isCached, CatalogueJson.Default.Product, () => origin.FindAsync(id, cancellation), cancellation);

    /// <summary>A page of a category. All pages of a category carry its tag: a change removes them together, however many there are.</summary>
    public Task<Product[]?> ListAsync(string category, int page, bool isCached, CancellationToken cancellation) =>
        ReadAsync($"category:{category}:{page}", TagOf(category), isCached, CatalogueJson.Default.ProductArray, async () => await origin.ListAsync(category, page, cancellation), cancellation);

    /// <summary>Changes a product. When this returns, the cache does not have what was before, unless it could not be reached.</summary>
    /// <returns>What it is now; null where there is none.</returns>
    public async Task<Product?> UpdateAsync(int id, ProductUpdate update, CancellationToken cancellation)
    {
        // The origin first: were it the other way round, a reader in between would put the old product back.
        var product = await origin.UpdateAsync(id, update, cancellation);
        if (product is not null)
        {
            await TryAsync(() => cache.RemoveAsync(KeyOf(id), CancellationToken.None), cancellation);
            await TryAsync(() => cache.RemoveByTagAsync(TagOf(product.Category), CancellationToken.None), cancellation);
        }

        return product;
    }

    private static string KeyOf(int id) => $"product:{id}";

    private static string TagOf(string category) => $"category:{category}";

    private async Task<T?> ReadAsync<T>(string key, string? tag, bool isCached, JsonTypeInfo<T> json, Func<Task<T?>> load, CancellationToken cancellation)
        where T : class
    {
        var began = time.GetTimestamp();
        var column = isCached ? measurements.WithCache : measurements.WithoutCache;
        byte[]? kept = null;
        if (isCached)
        {
            await TryAsync(async () => kept = await cache.GetAsync(key, cancellation), cancellation);
        }

        var value = kept is null ? await load() : JsonSerializer.Deserialize(kept, json);
        if (isCached && kept is null && value is not null)
        {
            await TryAsync(() => cache.SetAsync(key, JsonSerializer.SerializeToUtf8Bytes(value, json), Ttl, tag, cancellation), cancellation);
        }

        column.Record(time.GetElapsedTime(began), isHit: kept is not null);
        return value;
    }

    /// <summary>Runs a call to the cache. Its failure, a time-out included, is counted and no more; that the caller has gone is no failure of the cache.</summary>
    private async ValueTask TryAsync(Func<ValueTask> call, CancellationToken cancellation)
    {
        try
        {
            await call();
        }
        catch (Exception failure) when (!cancellation.IsCancellationRequested)
        {
            // Once a second at most: a cache that is away is no reason to fill the log.
            if (measurements.CacheFailed(failure.Message))
            {
                CacheFailed(log, failure.Message);
            }
        }
    }

    [LoggerMessage(1, LogLevel.Warning, "The cache failed, the origin answers: {Reason}")]
    private static partial void CacheFailed(ILogger log, string reason);
}
