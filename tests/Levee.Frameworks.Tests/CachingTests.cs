using Microsoft.AspNetCore.DataProtection;
using Microsoft.AspNetCore.OutputCaching;
using Microsoft.Extensions.Caching.Distributed;
using Microsoft.Extensions.DependencyInjection;
using Xunit;

namespace Levee.Frameworks.Tests;

/// <summary>ASP.NET Core's caches and keys over Redis.</summary>
public sealed class CachingTests : IAsyncLifetime
{
    private static readonly TimeSpan Minute = TimeSpan.FromMinutes(1);

    private FrameworkServer server = null!;

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    public async ValueTask InitializeAsync() => server = await FrameworkServer.StartAsync();

    public ValueTask DisposeAsync() => server.DisposeAsync();

    [Fact]
    public async Task The_distributed_cache_works()
    {
        await using var services =
            new ServiceCollection().AddStackExchangeRedisCache(options => options.Configuration = server.Configuration).BuildServiceProvider();
        var cache = services.GetRequiredService<IDistributedCache>();
        var options = new DistributedCacheEntryOptions { SlidingExpiration = Minute, AbsoluteExpirationRelativeToNow = 5 * Minute };
        await cache.SetAsync("k", [1, 2, 3], options, Cancellation).WorksAsync();
        Assert.Equal([1, 2, 3], await cache.GetAsync("k", Cancellation).WorksAsync());
        await cache.RefreshAsync("k", Cancellation).WorksAsync();
        await cache.RemoveAsync("k", Cancellation).WorksAsync();
        Assert.Null(await cache.GetAsync("k", Cancellation).WorksAsync());
    }

    [Fact]
    public async Task The_output_cache_works_without_tags()
    {
        await using var services = OutputCache();
        var store = services.GetRequiredService<IOutputCacheStore>();
        await store.SetAsync("page", [1, 2, 3], null, Minute, Cancellation).AsTask().WorksAsync();
        Assert.Equal([1, 2, 3], await store.GetAsync("page", Cancellation).AsTask().WorksAsync());
    }

    [Fact]
    public async Task The_output_caches_tags_are_refused_in_the_servers_log_and_when_they_are_evicted()
    {
        await using var services = OutputCache();
        var store = services.GetRequiredService<IOutputCacheStore>();

        // It sends tags without waiting for the reply: the server's log alone can tell.
        await store.SetAsync("page", [1, 2, 3], ["tag"], Minute, Cancellation).AsTask().WorksAsync();
        Assert.Equal([1, 2, 3], await store.GetAsync("page", Cancellation).AsTask().WorksAsync());
        Assert.Contains(
            server.Warnings,
            line => line.StartsWith("ZADD is refused", StringComparison.Ordinal) && line.Contains("give them tags", StringComparison.Ordinal));
        await store.EvictByTagAsync("tag", Cancellation).AsTask().RefusedAsync("Levee has no sorted sets");
    }

    [Fact]
    public async Task Data_protections_keys_are_refused()
    {
        await using var connection = await server.ConnectAsync();
        var services = new ServiceCollection();
        services.AddDataProtection().PersistKeysToStackExchangeRedis(connection, "keys");
        await using var provider = services.BuildServiceProvider();
        var protector = provider.GetRequiredService<IDataProtectionProvider>().CreateProtector("p");
        await Task.Run(() => protector.Protect([1]), Cancellation).RefusedAsync("Levee has no lists");
    }

    private ServiceProvider OutputCache()
    {
        var services = new ServiceCollection().AddLogging();
        return services.AddStackExchangeRedisOutputCache(options => options.Configuration = server.Configuration).BuildServiceProvider();
    }
}
