using System.Collections.Concurrent;
using Levee.Hosting;
using Levee.Orleans.Grains;
using Levee.Partitions;
using Orleans.Runtime;
using Orleans.Runtime.Placement;
using Xunit;

namespace Levee.Orleans.Tests;

/// <summary>Partitions move with what they hold.</summary>
public sealed class MoveTests
{
    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    [Fact]
    public async Task ASiloThatJoinsGetsItsShareWithTheEntries()
    {
        await using var rig = await ClusterRig.StartAsync(silos: 2);
        await rig.BalancedAsync();
        await FillAsync(rig, 2000);
        var third = await rig.Cluster.StartAdditionalSiloAsync();
        await rig.BalancedAsync();
        Assert.InRange(rig.PartitionsOf(third).Length, 5, 6);
        await AllAreThereAsync(rig, 2000);
    }

    [Fact]
    public async Task ASiloThatStopsGivesItsEntriesAway()
    {
        await using var rig = await ClusterRig.StartAsync(silos: 3);
        await rig.BalancedAsync();
        await FillAsync(rig, 2000);
        await rig.Cluster.StopSiloAsync(rig.Cluster.Silos[2], Cancellation);
        await rig.BalancedAsync();
        await AllAreThereAsync(rig, 2000);
    }

    [Fact]
    public async Task VersionsRiseAcrossMoves()
    {
        await using var rig = await ClusterRig.StartAsync(silos: 2, partitions: 2);
        await rig.BalancedAsync();
        await rig.Client.SetAsync("k", new byte[1], cancellationToken: Cancellation);
        var before = (await rig.Client.GetEntryAsync("k", Cancellation))!.Version;
        for (var i = 0; i < 6; i++)
        {
            await MoveAsync(rig, i % 2);
            var moved = await rig.Client.GetEntryAsync("k", Cancellation);
            Assert.Equal(before, moved!.Version);
            await rig.Client.SetAsync("k", new byte[1], cancellationToken: Cancellation);
            var next = (await rig.Client.GetEntryAsync("k", Cancellation))!.Version;
            Assert.True(next > before, $"version {next} after {before}");
            before = next;
        }
    }

    [Fact]
    public async Task WhatWaitsForATierIsAnsweredWhenItsPartitionHasMovedMeanwhile()
    {
        var tiers = new ConcurrentBag<HangingTier>();
        await using var rig = await ClusterRig.StartAsync(silos: 3, partitions: 4, configure: options => options.OpenTiers = (_, _, _) =>
        {
            var tier = new HangingTier("slow");
            tiers.Add(tier);
            return Task.FromResult<ITierChain?>(tier);
        });
        await rig.BalancedAsync();
        var partition = rig.PartitionOf("slow");
        var silos = rig.Cluster.Silos.OrderBy(silo => rig.PartitionsOf(silo).Contains(partition)).ToArray();

        // Not where the plan has it: the door is sent on, and waits at the grain.
        await rig.MoveAsync(partition, silos[0]);
        var removed = rig.CacheOn(silos[1]).RemoveAsync("slow", Cancellation).AsTask();
        await Eventually.HoldsAsync(() => tiers.Any(tier => tier.Waiting == 1));
        var moving = rig.MoveAsync(partition, silos.First(silo => !rig.PartitionsOf(silo).Contains(partition)));
        await Eventually.HoldsAsync(() => silos.Any(silo => rig.Levee(silo).Hosts[0].Partitions.Any(here => here.Number == partition && here.State == PartitionState.Freezing)));

        // What moves asks the tiers of the silo that it left.
        await Eventually.HoldsAsync(() =>
        {
            foreach (var tier in tiers)
            {
                tier.Release([1]);
            }

            return removed.IsCompleted && moving.IsCompleted;
        });
        Assert.True(await removed);
        await moving;
    }

    [Fact]
    public async Task AKilledSiloLosesItsPartitionsAndNothingElse()
    {
        await using var rig = await ClusterRig.StartAsync(silos: 3, configure: options => options.Lease = TimeSpan.FromSeconds(1));
        await rig.BalancedAsync();
        await FillAsync(rig, 2000);
        var victim = rig.Cluster.Silos[2];
        var lost = rig.PartitionsOf(victim);
        await rig.Cluster.KillSiloAsync(victim, Cancellation);
        await rig.BalancedAsync();
        var host = rig.Levee(rig.Cluster.Silos[0]).Hosts[0];
        for (var i = 0; i < 2000; i++)
        {
            var isLost = lost.Contains(host.PartitionOf(Keys.KeyHash.Of(System.Text.Encoding.UTF8.GetBytes($"key:{i}"))));
            var value = await rig.Client.GetAsync($"key:{i}", Cancellation);
            Assert.Equal(isLost ? null : BitConverter.GetBytes(i), value);
        }
    }

    private static async Task FillAsync(ClusterRig rig, int count)
    {
        for (var i = 0; i < count; i++)
        {
            Assert.True((await rig.Client.SetAsync($"key:{i}", BitConverter.GetBytes(i), cancellationToken: Cancellation)).IsDone);
        }
    }

    private static async Task AllAreThereAsync(ClusterRig rig, int count)
    {
        for (var i = 0; i < count; i++)
        {
            Assert.Equal(BitConverter.GetBytes(i), await rig.Client.GetAsync($"key:{i}", Cancellation));
        }
    }

    /// <summary>Moves every partition to one silo; the balancer moves half of them back afterwards.</summary>
    private static async Task MoveAsync(ClusterRig rig, int to)
    {
        var target = rig.Cluster.Silos[to];
        for (var partition = 0; partition < 2; partition++)
        {
            var grain = rig.Cluster.Client.GetGrain<ICachePartitionGrain>(PartitionKey.Of("default", partition));
            await grain.MoveTo(target.SiloAddress);
            RequestContext.Set(IPlacementDirector.PlacementHintKey, target.SiloAddress);
            await grain.Ensure();
            RequestContext.Clear();
        }
    }
}
