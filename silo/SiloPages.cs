using Levee.Serving;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Diagnostics.HealthChecks;
using Orleans.Dashboard;

namespace Levee.Silo;

/// <summary>What a silo adds to the HTTP front door: its part of the health, and Orleans' dashboard, behind the same password as all else.</summary>
internal static class SiloPages
{
    /// <summary>Where the dashboard is.</summary>
    public const string DashboardPath = "/dashboard";

    /// <summary>Adds the services.</summary>
    /// <param name="services">The HTTP application's.</param>
    /// <param name="silo">The silo's, which is another container.</param>
    /// <param name="drain">Knows whether the silo takes clients.</param>
    /// <param name="cluster">The options.</param>
    public static void AddServices(IServiceCollection services, IServiceProvider silo, Drain drain, ClusterSettings cluster)
    {
        services.AddHealthChecks().AddCheck("silo", () => drain.Obstacle is { } obstacle ? HealthCheckResult.Unhealthy(obstacle) : HealthCheckResult.Healthy(), tags: ["ready"]);
        if (!cluster.HasDashboard)
        {
            return;
        }

        // The dashboard's pages ask for its own services only. They are the silo's, so the same objects are given, which only the silo's container disposes of.
        var dashboard = typeof(ServiceCollectionExtensions).Assembly;
        foreach (var type in silo.GetRequiredService<IServiceCollection>().Select(service => service.ServiceType).Where(type => type.Assembly == dashboard).Distinct())
        {
            services.AddSingleton(type, silo.GetRequiredService(type));
        }
    }

    /// <summary>Adds the pages.</summary>
    public static void Map(IEndpointRouteBuilder routes, ClusterSettings cluster)
    {
        if (cluster.HasDashboard)
        {
            routes.MapOrleansDashboard(DashboardPath).ExcludeFromDescription();
        }
    }
}
