using Levee.Caching;
using Levee.Hosting;
using Levee.Orleans.Grains;
using Levee.Orleans.Placement;
using Levee.Orleans.Silo;
using Microsoft.Extensions.DependencyInjection;
using Orleans.Configuration;
namespace Levee.Orleans;

/// <summary>Adds Levee to an Orleans silo.</summary>
public static class LeveeSiloBuilderExtensions
{
    /// <summary>
    /// Adds Levee's caches to a silo, and <see cref="ILeveeCache"/> for grains and services in it (the default cache as the service itself, each under its name as a keyed service).
    /// The silo needs a grain storage named "levee"; all silos of a cluster name the same caches.
    /// Membership is tuned for a cache (see docs/cluster.md); what the application configures afterwards wins.
    /// </summary>
    public static ISiloBuilder AddLevee(this ISiloBuilder builder, Action<LeveeSiloOptions>? configure = null)
    {
        ArgumentNullException.ThrowIfNull(builder);
        var services = builder.Services;
        services.Configure<LeveeSiloOptions>(options =>
        {
            configure?.Invoke(options);
            if (options.Caches.Count == 0)
            {
                options.Caches.Add(new CacheOptions());
            }
        });
        services.Configure<ClusterMembershipOptions>(MembershipDefaults.Apply);
        services.AddGrainService<SiloPort>();
        services.AddSingleton<SiloPortClient>();
        services.AddSingleton<LeveeSilo>();
        services.AddSingleton<ILeveeSilo>(provider => provider.GetRequiredService<LeveeSilo>());
        services.AddSingleton<ILifecycleParticipant<ISiloLifecycle>>(provider => provider.GetRequiredService<LeveeSilo>());
        services.AddPlacementDirector<PlanPlacement, PlanPlacementDirector>();
        services.AddPlacementDirector<ShardPlacement, ShardPlacementDirector>();
        services.AddTransient(provider => provider.GetRequiredService<LeveeSilo>().FaceOf(null));
        services.AddKeyedTransient<ILeveeCache>(KeyedService.AnyKey, (provider, key) => provider.GetRequiredService<LeveeSilo>().FaceOf((string)key!));
        return builder;
    }
}

/// <summary>
/// How fast a silo that is gone is noticed. Orleans' own defaults (5 s, 3 probes, 2 votes) leave the partitions of a killed silo unanswered for 15 s and those of a hung one for 64 s; these 1 and 5 s with the lease.
/// They do not declare busy silos dead: a silo that sends anything is not suspected for four probe times times the limit.
/// </summary>
internal static class MembershipDefaults
{
    public static void Apply(ClusterMembershipOptions options)
    {
        options.ProbeTimeout = TimeSpan.FromMilliseconds(500);
        options.NumMissedProbesLimit = 2;
        options.NumVotesForDeathDeclaration = 1;
        options.TableRefreshTimeout = TimeSpan.FromSeconds(5);
        options.IAmAliveTablePublishTimeout = TimeSpan.FromSeconds(5);
    }
}
