using Levee.Caching;
using Levee.Hosting;
using Levee.Testing;
using Xunit;

namespace Levee.Tests.Caching;

/// <summary>The library's cache.</summary>
public sealed class LeveeCacheAsyncTests : LeveeCacheBattery
{
    private readonly LeveeCache cache;

    public LeveeCacheAsyncTests() => cache = new LeveeCache(Options, Time);

    protected override ILeveeCache Cache => cache;

    public override ValueTask DisposeAsync() => cache.DisposeAsync();

    [Fact]
    public async Task Every_call_completes_at_once()
    {
        Assert.True(IsDone(Cache.SetAsync("k", Bytes(100_000), cancellationToken: Cancellation)));
        Assert.True(IsDone(Cache.AppendAsync("k", Bytes(100_000), Cancellation)));
        Assert.True(IsDone(Cache.GetAsync("k", Cancellation)));
        Assert.True(IsDone(Cache.ClearAsync(Cancellation)));
        await cache.DisposeAsync();
        await Assert.ThrowsAsync<ObjectDisposedException>(async () => await Cache.GetAsync("k", Cancellation));

        static bool IsDone<T>(ValueTask<T> call) => call.IsCompletedSuccessfully;
    }
}

/// <summary>Any host in this process.</summary>
public sealed class HostedCacheOverLockHostTests : LeveeCacheBattery
{
    private readonly LockHost host;

    public HostedCacheOverLockHostTests()
    {
        host = new LockHost(Options, Time, seed: 1);
        Cache = new HostedCache(host, Time);
    }

    protected override ILeveeCache Cache { get; }

    public override ValueTask DisposeAsync() => host.DisposeAsync();
}

/// <summary>Partitions on other machines: nothing is answered before a flush, then from another thread, in any order.</summary>
public sealed class HostedCacheOverDeferringHostTests : LeveeCacheBattery
{
    private readonly LockHost inner;

    public HostedCacheOverDeferringHostTests()
    {
        inner = new LockHost(Options, Time, seed: 1);
        Cache = new HostedCache(new SelfDeliveringHost(new DeferringHost(inner)), Time);
    }

    protected override ILeveeCache Cache { get; }

    public override ValueTask DisposeAsync() => inner.DisposeAsync();
}
