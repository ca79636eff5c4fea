using System.Net;
using Microsoft.Extensions.DependencyInjection;
using Orleans.Metadata;
using Orleans.Runtime.Placement;
using Orleans.Storage;

namespace Levee.Silo;

/// <summary>
/// Places the grains of Orleans' storage in memory on the first silo, with localhost clustering: it has the list of members as well. Orleans would spread them over the silos, and any that is killed would take a part of
/// the partitions' ownership with it. Records can still be lost: Orleans' directory forgets some grains when a silo is killed, and deactivates them wherever they are, with what they hold in memory.
/// </summary>
[GenerateSerializer, Immutable, SuppressReferenceTracking, Alias("levee.first-silo-placement")]
internal sealed class FirstSiloPlacement : PlacementStrategy
{
    /// <summary>Adds it to a silo.</summary>
    /// <param name="silo">The silo.</param>
    /// <param name="first">Where the first silo is; null: this is it.</param>
    public static void Add(ISiloBuilder silo, IPEndPoint? first)
    {
        silo.Services.AddPlacementDirector<FirstSiloPlacement>(services => new FirstSiloPlacementDirector(first ?? services.GetRequiredService<ILocalSiloDetails>().SiloAddress.Endpoint));
        silo.Services.AddSingleton<IGrainPropertiesProvider, StorageProperties>();
    }

    /// <summary>Says so of the storage's grains, whose class is Orleans' own and cannot be marked.</summary>
    private sealed class StorageProperties : IGrainPropertiesProvider
    {
        public void Populate(Type grainClass, GrainType grainType, Dictionary<string, string> properties)
        {
            if (typeof(IMemoryStorageGrain).IsAssignableFrom(grainClass))
            {
                properties[WellKnownGrainTypeProperties.PlacementStrategy] = nameof(FirstSiloPlacement);
            }
        }
    }
}

/// <summary>The director of <see cref="FirstSiloPlacement"/>.</summary>
internal sealed class FirstSiloPlacementDirector(IPEndPoint first) : IPlacementDirector
{
    public Task<SiloAddress> OnAddActivation(PlacementStrategy strategy, PlacementTarget target, IPlacementContext context) =>
        Task.FromResult(context.GetCompatibleSilos(target).FirstOrDefault(silo => silo.Endpoint.Equals(first))
            ?? throw new SiloUnavailableException($"The first silo, {first}, is gone, and with it the list of members and owners: restart the cluster (docs/cluster.md)."));
}
