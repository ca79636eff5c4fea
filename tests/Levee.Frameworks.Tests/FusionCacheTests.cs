using Microsoft.Extensions.Caching.Distributed;
using Microsoft.Extensions.DependencyInjection;
using Xunit;
using ZiggyCreatures.Caching.Fusion;
using ZiggyCreatures.Caching.Fusion.Backplane;
using ZiggyCreatures.Caching.Fusion.Backplane.StackExchangeRedis;
using ZiggyCreatures.Caching.Fusion.Locking.Distributed;
using ZiggyCreatures.Caching.Fusion.Locking.Distributed.Redis;
using ZiggyCreatures.Caching.Fusion.Serialization.SystemTextJson;

namespace Levee.Frameworks.Tests;

/// <summary>FusionCache with its parts for Redis.</summary>
public sealed class FusionCacheTests : IAsyncLifetime
{
    private FrameworkServer server = null!;

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    public async ValueTask InitializeAsync() => server = await FrameworkServer.StartAsync();

    public ValueTask DisposeAsync() => server.DisposeAsync();

    [Fact]
    public async Task The_second_level_works_tags_included()
    {
        await using var first = Services();
        await using var second = Services();
        var (writer, reader) = (first.GetRequiredService<IFusionCache>(), second.GetRequiredService<IFusionCache>());
        await writer.SetAsync("k", 7, tags: ["t"], token: Cancellation).AsTask().WorksAsync();
        Assert.Equal(7, await reader.GetOrDefaultAsync<int>("k", token: Cancellation).AsTask().WorksAsync());
        await writer.RemoveAsync("k", token: Cancellation).AsTask().WorksAsync();
        await using var third = Services();
        var other = third.GetRequiredService<IFusionCache>();
        Assert.Equal(0, await other.GetOrDefaultAsync<int>("k", token: Cancellation).AsTask().WorksAsync());
    }

    [Fact]
    public async Task The_backplane_is_refused()
    {
        var backplane = new RedisBackplane(new RedisBackplaneOptions { Configuration = server.Configuration });
        var message = BackplaneMessage.CreateForEntrySet("source", "k", TimeProvider.System.GetUtcNow().Ticks);
        var options = new BackplaneSubscriptionOptions("cache", "id", "channel", _ => { }, _ => { }, _ => default, _ => default);
        await backplane.SubscribeAsync(options).AsTask().RefusedAsync("Levee has no pub/sub");
        await backplane.PublishAsync(message, new FusionCacheEntryOptions(), Cancellation).AsTask().RefusedAsync("Levee has no pub/sub");
    }

    private ServiceProvider Services()
    {
        var services = new ServiceCollection();
        services.AddStackExchangeRedisCache(options => options.Configuration = server.Configuration);
        services.AddFusionCache().WithSerializer(new FusionCacheSystemTextJsonSerializer()).WithRegisteredDistributedCache();
        return services.BuildServiceProvider();
    }
}
