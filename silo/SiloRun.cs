using System.Runtime.InteropServices;
using Levee.Orleans;
using Levee.Server;
using Levee.Serving;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;

namespace Levee.Silo;

/// <summary>The life of a silo in this process: tiers, Orleans, front doors; and the other way round.</summary>
internal static class SiloRun
{
    /// <summary>How long Orleans may take to leave the cluster once partitions are handed over.</summary>
    private static readonly TimeSpan LeavePatience = TimeSpan.FromSeconds(15);

    /// <summary>Starts it, and returns when it has stopped.</summary>
    /// <exception cref="OptionException">An option is wrong.</exception>
    /// <exception cref="StartException">It cannot start.</exception>
    public static async Task RunAsync(ServeSettings serve, ClusterSettings cluster, IConfigurationManager configuration, TextWriter output, TextWriter error)
    {
        using var stop = new CancellationTokenSource();
        using var interrupt = PosixSignalRegistration.Create(PosixSignal.SIGINT, Stop);
        using var terminate = PosixSignalRegistration.Create(PosixSignal.SIGTERM, Stop);

        CheckPorts(serve, cluster);
        await CheckJoinAsync(cluster, stop.Token);
        using var certificate = cluster.Tls is { } tls ? ClusterCertificate.Load(tls, TimeProvider.System) : null;
        using var telemetry = Telemetry.Start(configuration, cluster);
        ServedTiers? tiers = null;
        using var host = SiloHost.Build(serve, cluster, configuration, certificate, telemetry is not null, async (cache, cancellation) => await tiers!.OpenAsync(cache, cancellation));
        var logs = host.Services.GetRequiredService<ILoggerFactory>();
        await using var opened = tiers = await ServedTiers.StartAsync(serve, cluster.LastingName, logs, stop.Token);
        await StartAsync(host, stop.Token);

        var silo = host.Services.GetRequiredService<ILeveeSilo>();
        var drain = new Drain(silo);
        await using var server = new LeveeServer(
            new CacheCatalog(silo.Caches),
            FrontDoors.Options(serve, error, "silo") with
            {
                Pauses = () => FrontDoors.Pauses(silo.Hosts),
                Measured = new CacheCatalog(silo.Hosts),
                Metrics = [new SiloMetrics(silo)],
                HttpServices = services => SiloPages.AddServices(services, host.Services, drain, cluster),
                HttpRoutes = routes => SiloPages.Map(routes, cluster),
            },
            silo.Clock,
            TimeProvider.System,
            logs);
        await server.StartAsync(stop.Token);
        await Banner.WriteAsync(output, serve, cluster, configuration, host.Services, server);

        var stopped = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        using var told = stop.Token.Register(() => stopped.TrySetResult());
        using var ended = host.Services.GetRequiredService<IHostApplicationLifetime>().ApplicationStopping.Register(() => stopped.TrySetResult());
        await stopped.Task;

        using var stopping = new CleanStop("silo", serve.StopTimeout, output, TimeProvider.System);
        await DrainAsync(drain, stopping, error);
        await server.StopAsync(CancellationToken.None);
        var taken = await silo.TakeDownAsync(stopping, stopping.Deadline);
        await LeaveAsync(host, error);

        // The tiers end last: what Orleans ends may still write to them.
        await opened.StopAsync(taken, stopping);
        await output.WriteLineAsync("silo: stopped");

        void Stop(PosixSignalContext context)
        {
            context.Cancel = true;
            stop.Cancel();
        }
    }

    private static void CheckPorts(ServeSettings serve, ClusterSettings cluster)
    {
        try
        {
            FrontDoors.CheckPort(new(cluster.Address, cluster.SiloPort), ClusterOption.SiloPort);
            FrontDoors.CheckPort(new(cluster.Address, cluster.GatewayPort), ClusterOption.GatewayPort);
        }
        catch (StartException taken) when (cluster.Join is null && !cluster.IsInKubernetes)
        {
            throw new StartException($"{taken.Message}, or join the silo that runs here with {ClusterOption.Join.Flag}", taken);
        }

        FrontDoors.CheckPort(serve.Resp, ServeOption.RespPort);
        FrontDoors.CheckPort(serve.Http, ServeOption.HttpPort);
    }

    /// <summary>Orleans would try for minutes.</summary>
    private static async Task CheckJoinAsync(ClusterSettings cluster, CancellationToken cancellation)
    {
        if (cluster.Join is { } first && !await FrontDoors.AnswersAsync(first, cancellation))
        {
            throw new StartException($"nothing answers at {first}: start the first silo without {ClusterOption.Join.Flag}, or name its endpoint");
        }
    }

    private static async Task StartAsync(IHost host, CancellationToken cancellation)
    {
        try
        {
            await host.StartAsync(cancellation);
        }
        catch (Exception failure) when (failure is not OperationCanceledException and not OptionException and not StartException)
        {
            // Whatever a provider throws: the store is not there, refuses, or lacks its tables.
            throw new StartException($"the silo did not start: {failure.GetBaseException().Message}", failure);
        }
    }

    private static async Task DrainAsync(Drain drain, CleanStop stopping, TextWriter error)
    {
        try
        {
            await drain.RunAsync(stopping.Deadline);
        }
        catch (OperationCanceledException)
        {
            await error.WriteLineAsync($"silo: not all partitions could be handed over: {stopping.WhyEnded}; what memory held of the rest is lost");
        }
        catch (Exception failure)
        {
            // Whatever it was, the silo leaves the cluster all the same: the others take over what it still has.
            await error.WriteLineAsync($"silo: the partitions could not be handed over: {failure.Message}; what memory held of them is lost");
        }
    }

    private static async Task LeaveAsync(IHost host, TextWriter error)
    {
        using var patience = new CancellationTokenSource(LeavePatience);
        try
        {
            await host.StopAsync(patience.Token);
        }
        catch (OperationCanceledException)
        {
            await error.WriteLineAsync($"silo: Orleans did not leave the cluster within {LeavePatience.TotalSeconds} s; the others will find out");
        }
    }
}
