using StackExchange.Redis;
using Xunit;

namespace Levee.Frameworks.Tests;

/// <summary>StackExchange.Redis itself, which most libraries here stand on.</summary>
public sealed class StackExchangeRedisTests : IAsyncLifetime
{
    private FrameworkServer server = null!;
    private ConnectionMultiplexer connection = null!;
    private IDatabase database = null!;

    public async ValueTask InitializeAsync()
    {
        server = await FrameworkServer.StartAsync();
        connection = await server.ConnectAsync();
        database = connection.GetDatabase();
    }

    public async ValueTask DisposeAsync()
    {
        await connection.DisposeAsync();
        await server.DisposeAsync();
    }

    [Fact]
    public async Task Strings_counters_and_hashes_work()
    {
        Assert.True(await database.StringSetAsync("a", "1", TimeSpan.FromMinutes(1)).WorksAsync());
        Assert.Equal(2, await database.StringIncrementAsync("a").WorksAsync());
        await database.HashSetAsync("h", [new HashEntry("f", "v"), new HashEntry("g", "w")]).WorksAsync();
        Assert.Equal("v", await database.HashGetAsync("h", "f").WorksAsync());
        Assert.Equal(2, await database.KeyDeleteAsync(["a", "h"]).WorksAsync());
    }

    [Fact]
    public async Task Locks_are_taken_extended_and_released()
    {
        Assert.True(await database.LockTakeAsync("lock", "me", TimeSpan.FromMinutes(1)).WorksAsync());
        Assert.False(await database.LockTakeAsync("lock", "you", TimeSpan.FromMinutes(1)).WorksAsync());
        Assert.False(await database.LockExtendAsync("lock", "you", TimeSpan.FromMinutes(9)).WorksAsync());
        Assert.True(await database.LockExtendAsync("lock", "me", TimeSpan.FromMinutes(9)).WorksAsync());
        Assert.InRange((await database.KeyTimeToLiveAsync("lock").WorksAsync())!.Value, TimeSpan.FromMinutes(8), TimeSpan.FromMinutes(9));
        Assert.False(await database.LockReleaseAsync("lock", "you").WorksAsync());
        Assert.Equal("me", await database.LockQueryAsync("lock").WorksAsync());
        Assert.True(database.LockRelease("lock", "me"));
        Assert.True(await database.LockTakeAsync("lock", "you", TimeSpan.FromMinutes(1)).WorksAsync());
    }

    [Fact]
    public async Task Conditions_on_values_and_digests_work()
    {
        await database.StringSetAsync("k", "a").WorksAsync();
        Assert.False(await database.StringSetAsync("k", "b", default, ValueCondition.Equal("x")).WorksAsync());
        Assert.True(await database.StringSetAsync("k", "b", default, ValueCondition.Equal("a")).WorksAsync());
        var digest = await database.StringDigestAsync("k").WorksAsync();
        Assert.Equal(ValueCondition.CalculateDigest("b"u8), digest);
        Assert.True(await database.StringDeleteAsync("k", digest!.Value).WorksAsync());
        Assert.False(await database.KeyExistsAsync("k").WorksAsync());
    }

    [Fact]
    public async Task A_transaction_is_refused_and_changes_nothing()
    {
        var transaction = database.CreateTransaction();
        var set = transaction.StringSetAsync("a", "1");
        await transaction.ExecuteAsync().RefusedAsync("nothing was run. Use a pipeline without MULTI");
        await set.RefusedAsync("transactions are not supported");
        Assert.False(await database.KeyExistsAsync("a").WorksAsync());

        transaction = database.CreateTransaction();
        transaction.AddCondition(Condition.KeyNotExists("a"));
        set = transaction.StringSetAsync("a", "1");
        await transaction.ExecuteAsync().RefusedAsync("transactions are not supported");
        await set.RefusedAsync("transactions are not supported");
        Assert.False(await database.KeyExistsAsync("a").WorksAsync());
        Assert.Contains(server.Warnings, line => line.StartsWith("MULTI is refused", StringComparison.Ordinal));
    }

    [Fact]
    public async Task Scripts_are_refused()
    {
        await database.ScriptEvaluateAsync("return 1").RefusedAsync("To release a lock: DELEX key IFEQ token");
        var script = LuaScript.Prepare("return redis.call('get', @key)");
        await database.ScriptEvaluateAsync(script, new { key = (RedisKey)"a" }).RefusedAsync("Levee runs no scripts");
        await script.LoadAsync(connection.GetServer(server.EndPoint)).RefusedAsync("Levee runs no scripts");
    }

    [Fact]
    public async Task Messages_are_refused()
    {
        var subscriber = connection.GetSubscriber();
        await subscriber.PublishAsync(RedisChannel.Literal("c"), "m").RefusedAsync("Levee has no pub/sub");
        await subscriber.SubscribeAsync(RedisChannel.Literal("c")).RefusedAsync("Levee has no pub/sub");
        Assert.True(await database.StringSetAsync("a", "1").WorksAsync());
    }
}
