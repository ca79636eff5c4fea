using System.Net;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Hosting.Server;
using Microsoft.AspNetCore.Hosting.Server.Features;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.DependencyInjection.Extensions;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;

namespace Levee.Server.Http;

/// <summary>The HTTP front door as an application of its own, for servers that are not web applications otherwise.</summary>
public static class HttpApplication
{
    /// <summary>
    /// Builds it with a password door and a staging area of its own; its caller starts, stops and disposes it. It reads no configuration, takes no signals and logs through <paramref name="logs"/>.
    /// </summary>
    public static WebApplication Create(CacheCatalog catalog, ServerOptions options, TimeProvider time, ILoggerFactory logs)
    {
        ArgumentNullException.ThrowIfNull(options);
        ArgumentNullException.ThrowIfNull(logs);
        var door = new PasswordDoor(options.RespOptions.Credentials, time, logs.CreateLogger("Levee.Passwords"));
        return Create(catalog, options, time, logs, door, StagingArea.For(options.MemoryBytes, time));
    }

    /// <summary>Builds it behind a password door, and over a staging area, that it shares with other front doors.</summary>
    public static WebApplication Create(CacheCatalog catalog, ServerOptions options, TimeProvider time, ILoggerFactory logs, PasswordDoor door, StagingArea staging)
    {
        ArgumentNullException.ThrowIfNull(options);
        ArgumentNullException.ThrowIfNull(door);
        var builder = WebApplication.CreateEmptyBuilder(new WebApplicationOptions());
        builder.Services.AddSingleton(time);
        builder.Services.AddSingleton(staging);
        builder.Services.Replace(ServiceDescriptor.Singleton(logs));
        builder.Services.Replace(ServiceDescriptor.Singleton<IHostLifetime, CallersLifetime>());
        builder.Services.AddRouting();
        builder.Services.AddLeveeHttp(catalog, options.Measured);
        options.HttpServices?.Invoke(builder.Services);
        builder.WebHost.UseKestrelCore().ConfigureKestrel(kestrel => kestrel.UseLeveeHttp().Listen(options.Http));
        var application = builder.Build();
        application.UseLeveeHttp();
        var guard = new WebGuard(options.Http.Address, options.HttpHosts);
        application.Use(next => context => guard.InvokeAsync(context, next));
        if (door.AreRequired)
        {
            application.Use(next => context => BasicAuthentication.InvokeAsync(context, next, door));
        }

        application.Use(next => context => QueryCheck.InvokeAsync(context, next));
        application.MapLeveeHttp();
        options.HttpRoutes?.Invoke(application);
        return application;
    }

    /// <summary>Where a started application listens, also when port 0 was asked for.</summary>
    public static IPEndPoint EndPointOf(WebApplication application)
    {
        ArgumentNullException.ThrowIfNull(application);
        var address = new Uri(application.Services.GetRequiredService<IServer>().Features.Get<IServerAddressesFeature>()!.Addresses.First());
        return new IPEndPoint(IPAddress.Parse(address.Host.Trim('[', ']')), address.Port);
    }

    /// <summary>Begins and ends when the caller says so, not on signals.</summary>
    private sealed class CallersLifetime : IHostLifetime
    {
        public Task WaitForStartAsync(CancellationToken cancellationToken) => Task.CompletedTask;

        public Task StopAsync(CancellationToken cancellationToken) => Task.CompletedTask;
    }
}
