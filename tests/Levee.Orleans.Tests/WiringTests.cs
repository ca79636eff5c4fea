using Levee.Caching;
using Levee.Orleans.Grains;
using Levee.Partitions;
using Xunit;

namespace Levee.Orleans.Tests;

/// <summary>One cache over several silos, from all its doors.</summary>
public sealed class WiringTests
{
    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    [Fact]
    public async Task WhatIsWrittenThroughOneDoorIsReadThroughAllOthers()
    {
        await using var rig = await ClusterRig.StartAsync(silos: 2);
        await rig.BalancedAsync();
        var doors = rig.Cluster.Silos.Select(rig.CacheOn).Append(rig.Client).ToArray();
        for (var i = 0; i < 200; i++)
        {
            Assert.True((await doors[i % 3].SetAsync($"key:{i}", BitConverter.GetBytes(i), cancellationToken: Cancellation)).IsDone);
        }

        for (var i = 0; i < 200; i++)
        {
            foreach (var door in doors)
            {
                Assert.Equal(BitConverter.GetBytes(i), await door.GetAsync($"key:{i}", Cancellation));
            }
        }
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    public async Task PartitionsSpreadEvenly(short silos)
    {
        await using var rig = await ClusterRig.StartAsync(silos);
        await rig.BalancedAsync();
        var counts = rig.Cluster.Silos.Select(silo => rig.PartitionsOf(silo).Length).ToArray();
        Assert.Equal(16, counts.Sum());
        Assert.InRange(counts.Max() - counts.Min(), 0, 1);
    }

    [Fact]
    public async Task ALargeValueGoesThroughTheClientAndComesBack()
    {
        await using var rig = await ClusterRig.StartAsync(silos: 2);
        await rig.BalancedAsync();
        var value = new byte[700_000];
        new Random(1).NextBytes(value);
        for (var i = 0; i < 8; i++)
        {
            Assert.True((await rig.Client.SetAsync($"large:{i}", value, cancellationToken: Cancellation)).IsDone);
            Assert.Equal(value, await rig.Client.GetAsync($"large:{i}", Cancellation));
            Assert.Equal(value, await rig.CacheOn(rig.Cluster.Silos[i % 2]).GetAsync($"large:{i}", Cancellation));
        }
    }

    [Fact]
    public async Task TagsScansAndClearsReachAllSilos()
    {
        await using var rig = await ClusterRig.StartAsync(silos: 2);
        await rig.BalancedAsync();
        for (var i = 0; i < 100; i++)
        {
            await rig.Client.SetAsync($"tagged:{i}", new byte[10], new EntryOptions { Tags = [i % 2 == 0 ? "even" : "odd"] }, Cancellation);
        }

        var seen = 0;
        await foreach (var _ in rig.Client.ScanAsync("tagged:", Cancellation))
        {
            seen++;
        }

        Assert.Equal(100, seen);
        await rig.Client.RemoveByTagAsync("even", Cancellation);
        for (var i = 0; i < 100; i++)
        {
            Assert.Equal(i % 2 == 1, await rig.Client.ExistsAsync($"tagged:{i}", Cancellation));
        }

        await rig.Client.ClearAsync(Cancellation);
        Assert.False(await rig.Client.ExistsAsync("tagged:1", Cancellation));
    }

    /// <summary>As when a whole cluster stops: the last silo has said that it goes, and somebody asks for what lies below.</summary>
    [Fact]
    public async Task WhereNoSiloServesAnyMoreTheTiersOfThisOneAreAsked()
    {
        await using var rig = await ClusterRig.StartAsync(silos: 1, configure: options => options.OpenTiers = (_, _, _) => Task.FromResult<ITierChain?>(new NumberedTier(0)));
        await rig.BalancedAsync();
        await rig.Levee(rig.Cluster.Silos[0]).DrainAsync(Cancellation);
        var cache = rig.CacheOn(rig.Cluster.Silos[0]);
        await cache.GetStatisticsAsync(Cancellation).AsTask().WaitAsync(Eventually.Patience, Cancellation);
        await foreach (var key in cache.ScanAsync("", Cancellation))
        {
            Assert.Fail($"{key} was never written");
        }
    }

    [Fact]
    public async Task AWrongCacheIsNamedInTheError()
    {
        await using var rig = await ClusterRig.StartAsync(silos: 1);
        var grain = rig.Cluster.Client.GetGrain<IGatewayGrain>("nowhere#0");
        var failure = await Assert.ThrowsAnyAsync<Exception>(async () => await grain.Describe());
        Assert.Contains("nowhere", failure.ToString(), StringComparison.Ordinal);
        Assert.Contains("default", failure.ToString(), StringComparison.Ordinal);
    }
}
