using Medallion.Threading;
using Medallion.Threading.Redis;
using RedLockNet.SERedis;
using RedLockNet.SERedis.Configuration;
using Xunit;
using ZiggyCreatures.Caching.Fusion.Locking.Distributed.Redis;

namespace Levee.Frameworks.Tests;

/// <summary>Libraries for locks. Each takes a lock with SET NX, and releases and extends it with a script.</summary>
public sealed class LockLibrariesTests : IAsyncLifetime
{
    private static readonly TimeSpan Soon = TimeSpan.FromSeconds(2);

    private FrameworkServer server = null!;

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    public async ValueTask InitializeAsync() => server = await FrameworkServer.StartAsync();

    public async ValueTask DisposeAsync()
    {
        Assert.Empty(server.Warnings);
        await server.DisposeAsync();
    }

    [Fact]
    public async Task Redlock_net_works()
    {
        await using var connection = await server.ConnectAsync();
        using var factory = RedLockFactory.Create([new RedLockMultiplexer(connection)]);
        for (var i = 0; i < 3; i++)
        {
            await using var taken = await factory.CreateLockAsync("resource", TimeSpan.FromSeconds(30)).WorksAsync();
            Assert.True(taken.IsAcquired);
            await using var second = await factory.CreateLockAsync("resource", TimeSpan.FromSeconds(30)).WorksAsync();
            Assert.False(second.IsAcquired);
        }

        // It extends by a timer of its own, at half of the expiry.
        await using var held = await factory.CreateLockAsync("short", TimeSpan.FromSeconds(4)).WorksAsync();
        using var timer = new PeriodicTimer(TimeSpan.FromMilliseconds(50));
        while (held.ExtendCount == 0)
        {
            await timer.WaitForNextTickAsync(Cancellation);
        }

        Assert.True(held.IsAcquired);
    }

    [Fact]
    public async Task Distributed_lock_works()
    {
        await using var connection = await server.ConnectAsync();
        var provider = new RedisDistributedSynchronizationProvider(connection.GetDatabase());
        for (var i = 0; i < 3; i++)
        {
            await using var handle = await provider.AcquireLockAsync("resource", Soon, Cancellation).AsTask().WorksAsync();
            Assert.Null(await provider.TryAcquireLockAsync("resource", TimeSpan.Zero, Cancellation).AsTask().WorksAsync());
        }
    }

    [Fact]
    public async Task Fusion_caches_locker_works()
    {
        using var locker = new RedisDistributedLocker(new RedisDistributedLockerOptions { Configuration = server.Configuration });
        for (var i = 0; i < 3; i++)
        {
            var acquiring = locker.AcquireLockAsync("cache", "id", "operation", "key", "lock", Soon, null, Cancellation);
            var handle = await acquiring.AsTask().WorksAsync();
            Assert.NotNull(handle);
            await locker.ReleaseLockAsync("cache", "id", "operation", "key", "lock", handle, null, Cancellation).AsTask().WorksAsync();
        }
    }
}
