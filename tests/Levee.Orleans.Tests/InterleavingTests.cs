using System.Text;
using Levee.Partitions;
using Xunit;

namespace Levee.Orleans.Tests;

/// <summary>A lower tier that hangs holds up who waits for it, and nobody else.</summary>
public sealed class InterleavingTests
{
    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    [Theory]
    [InlineData("client")]
    [InlineData("owner")]
    [InlineData("other")]
    public async Task ALoadThatHangsDoesNotHoldUpHitsOfItsBatchNorOfItsPartition(string through)
    {
        var tiers = new List<HangingTier>();
        await using var rig = await ClusterRig.StartAsync(silos: 2, partitions: 4, configure: options => options.OpenTiers = (_, _, _) =>
        {
            lock (tiers)
            {
                tiers.Add(new HangingTier("slow"));
                return Task.FromResult<ITierChain?>(tiers[^1]);
            }
        });
        await rig.BalancedAsync();
        var partition = rig.PartitionOf("slow");
        var owner = rig.Cluster.Silos.Single(silo => rig.PartitionsOf(silo).Contains(partition));
        var door = through switch { "client" => rig.Client, "owner" => rig.CacheOn(owner), _ => rig.CacheOn(rig.Cluster.Silos.Single(silo => silo != owner)) };
        var near = rig.KeyIn(partition, "near");
        string[] fast = [near, .. Enumerable.Range(0, 4).Select(number => rig.KeyIn(number, "fast"))];
        foreach (var key in fast)
        {
            Assert.True((await door.SetAsync(key, Encoding.UTF8.GetBytes(key), cancellationToken: Cancellation)).IsDone);
        }

        // All at once, so that they go in one batch.
        var together = fast.Select(key => door.GetAsync(key, Cancellation).AsTask()).Prepend(door.GetAsync("slow", Cancellation).AsTask()).ToArray();
        var slow = together[0];
        Assert.Equal(fast, (await Task.WhenAll(together[1..]).WaitAsync(Eventually.Patience, Cancellation)).Select(value => Encoding.UTF8.GetString(value!)));
        await Eventually.HoldsAsync(() => tiers.Sum(tier => tier.Waiting) == 1);
        for (var i = 0; i < 50; i++)
        {
            Assert.Equal(near, Encoding.UTF8.GetString((await door.GetAsync(near, Cancellation).AsTask().WaitAsync(Eventually.Patience, Cancellation))!));
            Assert.True((await door.SetAsync("written meanwhile", new byte[1], cancellationToken: Cancellation).AsTask().WaitAsync(Eventually.Patience, Cancellation)).IsDone);
        }

        Assert.False(slow.IsCompleted);
        foreach (var tier in tiers)
        {
            tier.Release("brought up"u8.ToArray());
        }

        Assert.Equal("brought up", Encoding.UTF8.GetString((await slow.WaitAsync(Eventually.Patience, Cancellation))!));
    }
}
