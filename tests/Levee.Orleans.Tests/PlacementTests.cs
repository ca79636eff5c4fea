using Levee.Clustering;
using Levee.Orleans.Grains;
using Levee.Orleans.Placement;
using Levee.Orleans.Silo;
using Microsoft.Extensions.DependencyInjection;
using Orleans.Metadata;
using Orleans.Runtime;
using Orleans.Runtime.Placement;
using Xunit;

namespace Levee.Orleans.Tests;

/// <summary>Partitions lie where the plan has them, and no others move.</summary>
public sealed class PlacementTests
{
    [Fact]
    public async Task OnlyWhatThePlanMovesIsMovedWhenASiloJoins()
    {
        await using var rig = await ClusterRig.StartAsync(silos: 3, partitions: 32);
        await Eventually.HoldsAsync(() => Lying(rig).Select(partition => partition.Silo).SequenceEqual(Planned(rig)));
        var before = Lying(rig);
        await rig.Cluster.StartAdditionalSiloAsync();
        var planned = Planned(rig);
        await Eventually.HoldsAsync(() => Lying(rig).Select(partition => partition.Silo).SequenceEqual(planned));
        var after = Lying(rig);
        var moved = 0;
        for (var i = 0; i < 32; i++)
        {
            moved += before[i].Silo == after[i].Silo ? 0 : 1;
            Assert.Equal(before[i].Silo == after[i].Silo, before[i].Epoch == after[i].Epoch);
        }

        Assert.InRange(moved, 8, 16);
    }

    [Fact]
    public async Task ASiloThatCannotTakeAPartitionIsNotGivenIt()
    {
        await using var rig = await ClusterRig.StartAsync(silos: 2);
        await rig.BalancedAsync();
        var silo = rig.Cluster.Silos[0].ServiceProvider.GetRequiredService<LeveeSilo>();
        var other = rig.Cluster.Silos[1].SiloAddress;
        var director = new PlanPlacementDirector(silo);
        var planned = Enumerable.Range(0, 16).First(partition => other.Equals(silo.PlannedOwner("default", partition)));
        var target = new PlacementTarget(rig.Grain(planned).GetGrainId(), [], GrainInterfaceType.Create("levee.partition"), 0);
        Assert.Equal(other, await director.OnAddActivation(new PlanPlacement(), target, new Compatible([silo.Address, other])));
        Assert.Equal(silo.Address, await director.OnAddActivation(new PlanPlacement(), target, new Compatible([silo.Address])));
        var hinted = new PlacementTarget(target.GrainIdentity, new() { [IPlacementDirector.PlacementHintKey] = silo.Address }, target.InterfaceType, 0);
        Assert.Equal(silo.Address, await director.OnAddActivation(new PlanPlacement(), hinted, new Compatible([silo.Address, other])));
        Assert.Equal(other, await director.OnAddActivation(new PlanPlacement(), hinted, new Compatible([other])));
    }

    private static List<(string Silo, long Epoch)> Lying(ClusterRig rig)
    {
        var lying = new (string Silo, long Epoch)[rig.Levee(rig.Cluster.Silos[0]).Hosts[0].PartitionCount];
        foreach (var silo in rig.Cluster.Silos)
        {
            foreach (var partition in rig.Levee(silo).Hosts[0].Partitions.Where(partition => rig.Levee(silo).Hosts[0].IsOpen(partition.Number)))
            {
                lying[partition.Number] = (silo.Name, partition.Epoch);
            }
        }

        return [.. lying];
    }

    private static List<string> Planned(ClusterRig rig)
    {
        var count = rig.Levee(rig.Cluster.Silos[0]).Hosts[0].PartitionCount;
        var plan = PartitionPlan.Of("default", count, rig.Cluster.Silos.Select(silo => silo.Name));
        return [.. Enumerable.Range(0, count).Select(plan.SiloOf)];
    }

    private sealed class Compatible(SiloAddress[] silos) : IPlacementContext
    {
        public SiloAddress LocalSilo => silos[0];

        public SiloStatus LocalSiloStatus => SiloStatus.Active;

        public SiloAddress[] GetCompatibleSilos(PlacementTarget target) => silos;

        public IReadOnlyDictionary<ushort, SiloAddress[]> GetCompatibleSilosWithVersions(PlacementTarget target) => new Dictionary<ushort, SiloAddress[]> { [0] = silos };
    }
}
