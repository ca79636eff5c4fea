using Levee.Caching;
using Levee.Hosting;
using Levee.Orleans.Grains;
using Xunit;

namespace Levee.Orleans.Tests;

/// <summary>What is configured at run time.</summary>
public sealed class ConfigurationTests
{
    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    [Fact]
    public async Task AChangeReachesAllSilosAndOutlivesThemAll()
    {
        SharedGrainStorage storage;
        await using (var rig = await ClusterRig.StartAsync(silos: 2))
        {
            storage = rig.Storage;
            await rig.BalancedAsync();
            var grain = rig.Cluster.Client.GetGrain<ICacheGrain>("default");
            var changed = await grain.Configure(new CacheConfiguration { MemoryBytes = 400L << 20, DefaultTtl = TimeSpan.FromHours(1), MaxValueBytes = 1000 });
            Assert.Equal((400L << 20, TimeSpan.FromHours(1), 1000), (changed.MemoryBytes, changed.DefaultTtl, changed.MaxValueBytes));
            AssertInForce(rig, 400L << 20);
            await grain.Configure(new CacheConfiguration { MemoryBytes = 300L << 20 });
            AssertInForce(rig, 300L << 20);
            var late = await rig.Cluster.StartAdditionalSiloAsync();
            AssertInForce(rig, 300L << 20);
            Assert.Equal(3, rig.Cluster.Silos.Count);
            await rig.CacheOn(late).SetAsync("k", new byte[1000], cancellationToken: Cancellation);
            Assert.InRange((await rig.Client.GetEntryAsync("k", Cancellation))!.ExpiresAt!.Value - TimeProvider.System.GetUtcNow(), TimeSpan.FromMinutes(59), TimeSpan.FromMinutes(61));
            Assert.Equal(Operations.Outcome.TooLarge, (await rig.CacheOn(late).SetAsync("k", new byte[1001], cancellationToken: Cancellation)).Outcome);
        }

        await using var again = await ClusterRig.StartAsync(silos: 2, storage: storage);
        AssertInForce(again, 300L << 20);
    }

    [Fact]
    public async Task AWrongValueIsRefusedWithWhatIsAllowed()
    {
        await using var rig = await ClusterRig.StartAsync(silos: 1);
        var grain = rig.Cluster.Client.GetGrain<ICacheGrain>("default");
        var before = await grain.Read();
        await RefusesAsync(new CacheConfiguration { MemoryBytes = 1 }, "MemoryBytes", "16mb");
        await RefusesAsync(new CacheConfiguration { DefaultTtl = TimeSpan.FromSeconds(-1) }, "DefaultTtl", "zero (none) or more");
        await RefusesAsync(new CacheConfiguration { DefaultTtlJitter = TimeSpan.FromSeconds(1) }, "DefaultTtlJitter", "from zero to the default TTL");
        await RefusesAsync(new CacheConfiguration { MaxValueBytes = int.MaxValue }, "MaxValueBytes", "from 1 to");
        Assert.Equal(before, await grain.Read());

        async Task RefusesAsync(CacheConfiguration change, string name, string allowed)
        {
            var refusal = await Assert.ThrowsAsync<ArgumentException>(async () => await grain.Configure(change));
            Assert.Contains(name, refusal.Message, StringComparison.Ordinal);
            Assert.Contains(allowed, refusal.Message, StringComparison.Ordinal);
        }
    }

    [Fact]
    public async Task AChangeThatCannotBeKeptIsNotInForce()
    {
        await using var rig = await ClusterRig.StartAsync(silos: 1);
        var grain = rig.Cluster.Client.GetGrain<ICacheGrain>("default");
        var before = await grain.Read();
        rig.Storage.BeforeWrite = name => throw new IOException($"{name} cannot be written");
        await Assert.ThrowsAnyAsync<Exception>(async () => await grain.Configure(new CacheConfiguration { MaxValueBytes = 1000 }));
        rig.Storage.BeforeWrite = null;
        Assert.Equal(before, await grain.Read());
        Assert.NotEqual(1000, rig.Levee(rig.Cluster.Silos[0]).Hosts[0].Options.MaxValueBytes);
    }

    private static void AssertInForce(ClusterRig rig, long memoryBytes) => Assert.All(rig.Cluster.Silos, silo =>
        Assert.Equal((memoryBytes, TimeSpan.FromHours(1), 1000), (rig.Levee(silo).Hosts[0].Options.MemoryBytes, rig.Levee(silo).Hosts[0].Options.DefaultTtl, rig.Levee(silo).Hosts[0].Options.MaxValueBytes)));
}
