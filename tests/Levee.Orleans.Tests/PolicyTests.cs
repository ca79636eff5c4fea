using Levee.Hosting;
using Levee.Orleans.Grains;
using Xunit;

namespace Levee.Orleans.Tests;

/// <summary>One eviction policy for all silos of a cluster.</summary>
public sealed class PolicyTests
{
    [Fact]
    public async Task TwoSilosAndALateOneEndWithTheSamePolicy()
    {
        await using var rig = await ClusterRig.StartAsync(silos: 2, configure: options => options.Caches.Add(new CacheOptions { Partitions = 4, MemoryBytes = 128L << 20, Policy = "auto" }));
        await rig.BalancedAsync();
        var grain = rig.Cluster.Client.GetGrain<ICacheGrain>("default");

        // Two hosts that disagree: by all that both saw S3-FIFO is the better one.
        var answer = new PolicyAnswer();
        for (var i = 0; i < 100 && answer.Switch == 0; i++)
        {
            await grain.Learn(Seen(1, lirs: 600, s3: 500));
            answer = await grain.Learn(Seen(2, lirs: 100, s3: 700));
        }

        Assert.Equal((1L, "s3-fifo"), (answer.Switch, answer.Policy));
        await rig.Cluster.StartAdditionalSiloAsync();
        await Eventually.HoldsAsync(() => rig.Cluster.Silos.All(silo => rig.Levee(silo).Hosts[0].PolicyInForce is { Number: 1, Policy: "s3-fifo" }));
        Assert.Equal(3, rig.Cluster.Silos.Count);
    }

    private static PolicySeen Seen(ulong host, double lirs, double s3) =>
        new() { Host = host, Reads = 1000, ReadsPerPeriod = 1000, Worth = 1000, Policies = ["lirs", "s3-fifo"], Saved = [lirs, s3], Targets = [0, 0], Policy = "lirs" };
}
