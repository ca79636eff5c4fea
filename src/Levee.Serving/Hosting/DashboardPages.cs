using System.Diagnostics;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using Orleans.Dashboard;

namespace Levee.Serving.Hosting;

/// <summary>Orleans' dashboard as a small application within the HTTP front door. Its services are the silo's, so the same objects are given, which only the silo's container disposes of.</summary>
internal sealed class DashboardPages
{
    private readonly IServiceProvider services;
    private readonly RequestDelegate pages;

    /// <param name="silo">The silo's services.</param>
    public DashboardPages(IServiceProvider silo)
    {
        var own = new ServiceCollection();
        own.AddSingleton(silo.GetRequiredService<ILoggerFactory>());
        own.AddLogging();

        // Routing asks for it; a host would have brought it.
        own.AddSingleton(new DiagnosticListener("Levee.Dashboard"));
        own.AddRouting();
        var dashboard = typeof(ServiceCollectionExtensions).Assembly;
        foreach (var type in silo.GetRequiredService<IServiceCollection>().Select(service => service.ServiceType).Where(type => type.Assembly == dashboard).Distinct())
        {
            own.AddSingleton(type, silo.GetRequiredService(type));
        }

        services = own.BuildServiceProvider();
        var application = new ApplicationBuilder(services);
        application.UseRouting();
        application.UseEndpoints(endpoints => endpoints.MapOrleansDashboard(SiloPages.DashboardPath));
        pages = application.Build();
    }

    /// <summary>Answers a request, with the front door's own choice of an endpoint undone.</summary>
    public async Task InvokeAsync(HttpContext context)
    {
        var outer = context.RequestServices;
        context.SetEndpoint(null);
        context.RequestServices = services;
        try
        {
            await pages(context);
        }
        finally
        {
            context.RequestServices = outer;
        }
    }
}
