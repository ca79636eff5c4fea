using Levee.Orleans.Grains;
using Levee.Orleans.Silo;
using Orleans.Placement;
using Orleans.Runtime.Placement;

namespace Levee.Orleans.Placement;

/// <summary>Places a partition where <see cref="Clustering.PartitionPlan"/> has it, or where a move asked for.</summary>
[GenerateSerializer, Immutable, SuppressReferenceTracking, Alias("levee.plan-placement")]
internal sealed class PlanPlacement : PlacementStrategy;

/// <summary>Marks a grain that <see cref="PlanPlacement"/> places.</summary>
[AttributeUsage(AttributeTargets.Class)]
internal sealed class PlanPlacementAttribute() : PlacementAttribute(new PlanPlacement());

/// <summary>The plan as a placement director. A silo that is about to stop is not in the plan; where the plan names one that cannot take the grain (a rolling upgrade), any compatible silo does.</summary>
internal sealed class PlanPlacementDirector(LeveeSilo silo) : IPlacementDirector
{
    public Task<SiloAddress> OnAddActivation(PlacementStrategy strategy, PlacementTarget target, IPlacementContext context)
    {
        var compatible = context.GetCompatibleSilos(target);
        if (IPlacementDirector.GetPlacementHint(target.RequestContextData, compatible) is { } hint)
        {
            return Task.FromResult(hint);
        }

        var (cache, partition) = PartitionKey.Parse(target.GrainIdentity.Key.ToString()!);
        var planned = silo.PlannedOwner(cache, partition);
        return Task.FromResult(planned is not null && compatible.Contains(planned) ? planned : compatible[(int)(target.GrainIdentity.GetUniformHashCode() % (uint)compatible.Length)]);
    }
}
