using System.Net;
using Orleans.Placement;
using Orleans.Runtime.Placement;

namespace Levee.Serving.Records;

/// <summary>Places a grain on the first silo of localhost clustering, which has the list of members and the records as well.</summary>
[GenerateSerializer, Immutable, SuppressReferenceTracking, Alias("levee.first-silo-placement")]
internal sealed class FirstSiloPlacement : PlacementStrategy;

/// <summary>Marks a grain that <see cref="FirstSiloPlacement"/> places.</summary>
[AttributeUsage(AttributeTargets.Class)]
internal sealed class FirstSiloPlacementAttribute() : PlacementAttribute(new FirstSiloPlacement());

/// <summary>The director of <see cref="FirstSiloPlacement"/>.</summary>
/// <param name="first">Where the first silo is.</param>
internal sealed class FirstSiloPlacementDirector(IPEndPoint first) : IPlacementDirector
{
    public Task<SiloAddress> OnAddActivation(PlacementStrategy strategy, PlacementTarget target, IPlacementContext context) =>
        Task.FromResult(context.GetCompatibleSilos(target).FirstOrDefault(silo => silo.Endpoint.Equals(first))
            ?? throw new SiloUnavailableException($"The first silo, {first}, is gone, and with it the list of members and owners: restart the cluster (docs/cluster.md)."));
}
