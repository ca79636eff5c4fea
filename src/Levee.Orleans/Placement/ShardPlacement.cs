using Levee.Orleans.Grains;
using Orleans.Placement;
using Orleans.Runtime.Placement;

namespace Levee.Orleans.Placement;

/// <summary>Places a tier's shard on the silo that its key names.</summary>
[GenerateSerializer, Immutable, SuppressReferenceTracking, Alias("levee.shard-placement")]
internal sealed class ShardPlacement : PlacementStrategy;

/// <summary>Marks a grain that <see cref="ShardPlacement"/> places.</summary>
[AttributeUsage(AttributeTargets.Class)]
internal sealed class ShardPlacementAttribute() : PlacementAttribute(new ShardPlacement());

/// <summary>The director of <see cref="ShardPlacement"/>.</summary>
internal sealed class ShardPlacementDirector : IPlacementDirector
{
    public Task<SiloAddress> OnAddActivation(PlacementStrategy strategy, PlacementTarget target, IPlacementContext context)
    {
        var (_, silo) = TierShardKey.Parse(target.GrainIdentity.Key.ToString()!);
        return context.GetCompatibleSilos(target).Contains(silo) ? Task.FromResult(silo) : throw new SiloUnavailableException($"The shard {target.GrainIdentity.Key} went with its silo.");
    }
}
