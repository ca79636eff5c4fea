using System.Collections.Concurrent;
using System.Text;
using Levee.Hosting;
using Levee.Keys;
using Levee.Learning;
using Levee.Operations;
using Levee.Orleans.Silo;
using Levee.Partitions;
using Levee.Testing;
using Xunit;

namespace Levee.Orleans.Tests;

/// <summary>Prefetching in a cluster: one prefetcher per cache, hints from everywhere, loads wherever the partition is.</summary>
public sealed class PrefetchTests
{
    private const int Items = 30_000;

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    [Fact]
    public async Task HintsOfClientsAndSilosAreBroughtUpOnTheOwner()
    {
        var tiers = new ConcurrentBag<HangingTier>();
        await using var rig = await ClusterRig.StartAsync(silos: 2, configure: options =>
        {
            options.CreatePrefetcher = static _ => null;
            options.OpenTiers = (_, _, _) =>
            {
                var tier = new HangingTier("wanted");
                tiers.Add(tier);
                return Task.FromResult<ITierChain?>(tier);
            };
        });
        await rig.BalancedAsync();
        Assert.Equal(2, await rig.Client.PrefetchAsync(["wanted", "nowhere"], 9, Cancellation));
        await Eventually.HoldsAsync(() => tiers.Sum(tier => tier.Waiting) == 1);
        foreach (var tier in tiers)
        {
            tier.Release("there"u8.ToArray());
        }

        var prefetching = rig.Levee(rig.Cluster.Silos[1]).Caches[0].Prefetching!;
        PrefetchReport report;
        do
        {
            report = await prefetching.ReportAsync(10, Cancellation);
        }
        while (report.Promoted == 0 || report.InFlight > 0);

        Assert.Equal((2L, 2L, 1L, 0L, false), (report.Hints, report.Asked, report.Promoted, report.Failed, report.IsLearning));
        Assert.Equal("there", Encoding.UTF8.GetString((await rig.CacheOn(rig.Cluster.Silos[0]).GetAsync("wanted", Cancellation))!));
        Assert.Equal(0, tiers.Sum(tier => tier.Waiting));
        Assert.Equal(1, await rig.CacheOn(rig.Cluster.Silos[1]).PrefetchAsync(["wanted"], cancellationToken: Cancellation));
        while ((await prefetching.ReportAsync(0, Cancellation)).Asked < 3)
        {
        }

        Assert.Single(rig.Cluster.Silos, silo => rig.Levee(silo).Hosts[0].Prefetching is not null);
    }

    [Fact]
    public async Task WithoutAPrefetcherHintsCostNothing()
    {
        await using var rig = await ClusterRig.StartAsync(silos: 1);
        await rig.BalancedAsync();
        Assert.Null(rig.Levee(rig.Cluster.Silos[0]).Caches[0].Prefetching);
        Assert.Equal(0, await rig.Client.PrefetchAsync(["wanted"], cancellationToken: Cancellation));
        Assert.Equal(0, await rig.CacheOn(rig.Cluster.Silos[0]).PrefetchAsync(["wanted"], cancellationToken: Cancellation));
    }

    [Fact]
    public async Task AScanThroughSeveralSilosIsForeseen()
    {
        await using var rig = await ClusterRig.StartAsync(silos: 2, configure: options =>
        {
            options.CreatePrefetcher = static _ => CachePrefetcher.Create(256L << 20, feedPeriod: LeveeSiloOptions.AccessFeedPeriod);
            options.OpenTiers = static (_, _, _) => Task.FromResult<ITierChain?>(new NumberedTier(Items));
        });
        await rig.BalancedAsync();
        var doors = rig.Cluster.Silos.Select(rig.CacheOn).ToArray();
        var prefetching = rig.Levee(rig.Cluster.Silos[0]).Caches[0].Prefetching!;
        PrefetchReport? report = null;
        for (var read = 0; read < Items / 3 && report?.Learnt is not { Used: > 0 };)
        {
            for (var i = 0; i < 40; i++, read++)
            {
                Assert.Equal($"item:{3 * read}", Encoding.UTF8.GetString((await doors[read % 2].GetAsync($"item:{3 * read}", Cancellation))!));
            }

            // A reader that takes its time: the silos have told what was read, and what was foreseen has come.
            do
            {
                report = await prefetching.ReportAsync(0, Cancellation);
            }
            while (report.Reported < read - 40 || report.Waiting + report.InFlight > 0);
        }

        Assert.True(report?.Learnt is { Used: > 0, Issued: > 0 } && report.Promoted > 0, $"{report}, {report?.Learnt}");
    }

    [Fact]
    public void AReportTravelsWhole()
    {
        var travelled = RemotePrefetching.Unpack(RemotePrefetching.Pack(FakePrefetching.Sample));
        Assert.Equal(Text(FakePrefetching.Sample), Text(travelled));
        Assert.Equal(FakePrefetching.Sample.Learnt!.Buckets, travelled.Learnt!.Buckets);
        Assert.Equal("user:42"u8.ToArray(), travelled.Queue[0].Key.ToArray());
        Assert.Equal(FakePrefetching.Sample.Queue.Select(queued => (queued.Hash, queued.Priority, queued.Age)), travelled.Queue.Select(queued => (queued.Hash, queued.Priority, queued.Age)));
        Assert.Null(RemotePrefetching.Unpack(RemotePrefetching.Pack(new PrefetchReport())).Learnt);

        static string Text(PrefetchReport report) => $"{report with { Queue = [], Learnt = null }} {report.Learnt! with { Buckets = [] }}".Replace("System.Collections.Generic.List`1[Levee.Learning.QueuedKey]", "", StringComparison.Ordinal);
    }

    [Fact]
    public void HintsTravelInTheirOrderAndDamageIsNoticed()
    {
        var batch = new HintBatch();
        Assert.Null(batch.Take());
        Assert.True(batch.TryAdd("a"u8, 1, 9));
        Assert.True(batch.TryAdd([], ulong.MaxValue, 0));
        var packed = batch.Take()!;
        Assert.Null(batch.Take());
        var hints = HintBatch.Open(packed);
        var read = new List<(string, ulong, int)>();
        while (HintBatch.TryRead(ref hints, out var key, out var hash, out var priority))
        {
            read.Add((Encoding.UTF8.GetString(key), hash, priority));
        }

        Assert.Equal([("a", 1, 9), ("", ulong.MaxValue, 0)], read);
        Assert.Throws<FormatException>(() => HintBatch.Open([]));
        Assert.Throws<FormatException>(() => HintBatch.Open([2, 0]));
        Assert.Throws<FormatException>(() =>
        {
            var cut = HintBatch.Open(packed[..^1]);
            while (HintBatch.TryRead(ref cut, out _, out _, out _))
            {
            }
        });
        var longest = new byte[Limits.MaxKeyBytes];
        var taken = Enumerable.Range(0, 100).Count(i => batch.TryAdd(longest, KeyHash.Of(longest), 1));
        Assert.InRange(taken, 7, 8);
    }
}
