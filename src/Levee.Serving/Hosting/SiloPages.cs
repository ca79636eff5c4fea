using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Diagnostics.HealthChecks;

namespace Levee.Serving.Hosting;

/// <summary>What a silo adds to the HTTP front door: its part of the health, and Orleans' dashboard, behind the same password as all else.</summary>
internal static class SiloPages
{
    /// <summary>Where the dashboard is.</summary>
    public const string DashboardPath = "/dashboard";

    /// <summary>Adds the services.</summary>
    /// <param name="services">The HTTP application's.</param>
    /// <param name="drain">Knows whether the silo takes clients.</param>
    public static void AddServices(IServiceCollection services, Drain drain) =>
        services.AddHealthChecks().AddCheck("silo", () => drain.Obstacle is { } obstacle ? HealthCheckResult.Unhealthy(obstacle) : HealthCheckResult.Healthy(), tags: ["ready"]);

    /// <summary>Adds the pages.</summary>
    public static void Map(IEndpointRouteBuilder routes, IServiceProvider silo, ClusterSettings cluster)
    {
        if (cluster.HasDashboard)
        {
            // Made when it is first asked for: it compresses its files when it is made, which takes a second and 60 MB.
            var dashboard = new Lazy<DashboardPages>(() => new DashboardPages(silo));
            routes.Map(DashboardPath + "/{**path}", context => dashboard.Value.InvokeAsync(context)).ExcludeFromDescription();
        }
    }
}
