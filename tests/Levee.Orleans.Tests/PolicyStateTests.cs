using System.Globalization;
using Levee.Hosting;
using Levee.Operations;
using Levee.Partitions;
using Orleans.TestingHost;
using Xunit;

namespace Levee.Orleans.Tests;

/// <summary>A partition comes with what its policy has learnt.</summary>
public sealed class PolicyStateTests
{
    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    [Fact]
    public async Task ArcsListsGhostsAndTargetComeAlong()
    {
        await using var rig = await ClusterRig.StartAsync(silos: 1, configure: options => options.Caches.Add(new CacheOptions { Partitions = 2, MemoryBytes = CacheOptions.MinMemoryBytes }));
        await rig.BalancedAsync();
        var first = rig.Cluster.Silos[0];
        var random = new Random(1);

        // A window that moves on, and keys that come again and again: all lists fill, and the target moves.
        var cache = rig.CacheOn(first);
        for (var i = 0; i < 60_000; i++)
        {
            var key = i % 2 == 0 ? $"w{(i / 4) + random.Next(4000)}" : $"k{(int)(Math.Pow(random.NextDouble(), 2) * 20_000)}";
            if (await cache.GetAsync(key, Cancellation) is null)
            {
                await cache.SetAsync(key, new byte[900], cancellationToken: Cancellation);
            }
        }

        var before = Enumerable.Range(0, 2).Select(partition => StateOf(rig, first, partition)).ToArray();
        Assert.All(before, state => Assert.DoesNotContain(" 0;", state, StringComparison.Ordinal));
        var second = await rig.Cluster.StartAdditionalSiloAsync();
        await rig.BalancedAsync();
        var moved = Assert.Single(rig.PartitionsOf(second));
        await rig.Levee(second).Hosts[0].Arrived(moved);
        Assert.Equal(before[moved], StateOf(rig, second, moved));
    }

    private static string StateOf(ClusterRig rig, InProcessSiloHandle silo, int partition)
    {
        var statistics = rig.Levee(silo).Hosts[0].Hold(partition, 0, static (held, _) => held.GetStatistics());
        return string.Create(CultureInfo.InvariantCulture, $"{statistics.Policy}; target {statistics.TargetBytes}; {string.Concat(statistics.Lists.Select(list => $"{list.Name} {list.Count};"))}");
    }
}
