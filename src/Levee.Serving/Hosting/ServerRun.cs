using Levee.Orleans;
using Levee.Server;
using Levee.Serving.Records;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Orleans.Serialization;

namespace Levee.Serving.Hosting;

/// <summary>The life of a server in this process. It starts tiers, Orleans, front doors; and stops them in the opposite order, also where the start was not over.</summary>
internal sealed partial class ServerRun : IAsyncDisposable
{
    /// <summary>How long Orleans may take to leave the cluster once partitions are handed over.</summary>
    private static readonly TimeSpan LeavePatience = TimeSpan.FromSeconds(15);

    private readonly ServeSettings serve;
    private readonly ClusterSettings cluster;
    private readonly TextWriter error;
    private readonly ClusterCertificate? certificate;
    private readonly Telemetry? telemetry;
    private readonly RecordStore records = new();
    private readonly IHost host;
    private readonly ILoggerFactory logs;
    private ServedTiers? tiers;
    private Drain? drain;
    private LeveeServer? doors;

    private ServerRun(ServeSettings serve, ClusterSettings cluster, IConfigurationManager configuration, TextWriter error)
    {
        (this.serve, this.cluster, this.error) = (serve, cluster, error);
        certificate = cluster.Tls is { } tls ? ClusterCertificate.Load(tls, TimeProvider.System) : null;
        telemetry = Telemetry.Start(configuration, cluster);
        host = SiloHost.Build(new SiloParts(serve, cluster, configuration)
        {
            Certificate = certificate,
            IsTraced = telemetry is not null,
            Records = records,
            OpenTiers = async (cache, cancellation) => await tiers!.OpenAsync(cache, cancellation),
        });
        logs = host.Services.GetRequiredService<ILoggerFactory>();
    }

    /// <summary>Runs a server until SIGINT or SIGTERM, or until Orleans ends it.</summary>
    /// <exception cref="OptionException">An option is wrong.</exception>
    /// <exception cref="StartException">It cannot start.</exception>
    public static async Task RunAsync(ServeSettings serve, ClusterSettings cluster, IConfigurationManager configuration, TextWriter output, TextWriter error)
    {
        using var signals = new StopSignals();
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(signals.Told);
        CheckPorts(serve, cluster);
        await using var run = new ServerRun(serve, cluster, configuration, error);
        try
        {
            await CheckJoinAsync(cluster, run.certificate, stop.Token);
            await run.StartAsync(stop.Token);
            await Banner.WriteAsync(output, serve, cluster, configuration, run.host.Services, run.doors!);
            using var ended = run.host.Services.GetRequiredService<IHostApplicationLifetime>().ApplicationStopping.Register(stop.Cancel);
            await Task.Delay(Timeout.Infinite, stop.Token).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }
        catch (OperationCanceledException) when (stop.IsCancellationRequested)
        {
            // The start was broken off by a signal; what has started stops like any other.
        }

        using var stopping = new CleanStop("levee", serve.StopTimeout, output, TimeProvider.System, signals.Again);
        await run.StopAsync(stopping);
        await output.WriteLineAsync("levee: stopped");
    }

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        if (doors is not null)
        {
            await doors.DisposeAsync();
        }

        // Before the memory that the host has: large values that wait in a tier lie there.
        if (tiers is not null)
        {
            await tiers.DisposeAsync();
        }

        await ((IAsyncDisposable)host).DisposeAsync();

        telemetry?.Dispose();
        certificate?.Dispose();
    }

    private async Task StartAsync(CancellationToken cancellation)
    {
        tiers = await ServedTiers.StartAsync(serve, cluster.LastingName, logs, cancellation);
        OpenRecords();
        await StartOrleansAsync(cancellation);
        var silo = host.Services.GetRequiredService<ILeveeSilo>();
        drain = new Drain(silo);
        doors = new LeveeServer(
            new CacheCatalog(silo.Caches),
            FrontDoors.Options(serve, error, "levee") with
            {
                Pauses = () => FrontDoors.Pauses(silo.Hosts),
                Measured = new CacheCatalog(silo.Hosts),
                Metrics = [new SiloMetrics(silo)],
                HttpServices = services => SiloPages.AddServices(services, drain),
                HttpRoutes = routes => SiloPages.Map(routes, host.Services, cluster),
            },
            silo.Clock,
            TimeProvider.System,
            logs);
        await doors.StartAsync(cancellation);
    }

    /// <summary>The first silo of localhost clustering keeps the records in its data directory, where there is one: that folder is locked by now.</summary>
    private void OpenRecords()
    {
        if (cluster.Join is not null || serve.Tiers.Addresses.Count == 0 || host.Services.GetService<RecordStore>() is null)
        {
            return;
        }

        records.Open(Path.Combine(serve.Tiers.DataDir, cluster.LastingName, "records"));
        var codec = new SerializerCodec(host.Services.GetRequiredService<Serializer>());
        var log = logs.CreateLogger("Levee.Records");
        if (records.Damaged > 0)
        {
            LogDamaged(log, records.Damaged);
        }

        foreach (var cache in serve.Caches)
        {
            if (RecordGeometry.Adapt(records, codec, cache.Name, cache.Partitions, cluster.Name) is { } before)
            {
                LogAdapted(log, cache.Name, before, cache.Partitions);
            }
        }
    }

    [LoggerMessage(EventId = 400, EventName = "RecordsDamaged", Level = LogLevel.Warning, Message = "{Count} records of partitions' owners are damaged: what the tiers hold of these partitions is dropped")]
    private static partial void LogDamaged(ILogger log, int count);

    [LoggerMessage(EventId = 401, EventName = "RecordsAdapted", Level = LogLevel.Information, Message = "Cache {Cache} had {Before} partitions and has {Now} from now on")]
    private static partial void LogAdapted(ILogger log, string cache, int before, int now);

    private async Task StartOrleansAsync(CancellationToken cancellation)
    {
        try
        {
            await host.StartAsync(cancellation);
        }
        catch (Exception failure) when (failure is not OperationCanceledException and not OptionException and not StartException)
        {
            throw new StartException($"the silo did not start: {Redaction.Of(StartFailure.Sentence(failure), cluster.Connection)}", failure);
        }
    }

    private async Task StopAsync(CleanStop stopping)
    {
        if (drain is not null)
        {
            await DrainAsync(drain, stopping);
        }

        if (doors is not null)
        {
            await doors.StopAsync(CancellationToken.None);
        }

        // What is left of memory goes down while nobody writes any more, and before Orleans is told to end, which has a time-out of its own.
        var taken = drain is null ? [] : await host.Services.GetRequiredService<ILeveeSilo>().TakeDownAsync(stopping, stopping.Deadline);
        await LeaveAsync();

        // The tiers end last: what Orleans ends may still write to them.
        if (tiers is not null)
        {
            await tiers.StopAsync(taken, stopping);
        }
    }

    private async Task DrainAsync(Drain drain, CleanStop stopping)
    {
        try
        {
            await drain.RunAsync(stopping.Deadline);
        }
        catch (OperationCanceledException)
        {
            await error.WriteLineAsync($"levee: not all partitions could be handed over: {stopping.WhyEnded}; what memory held of the rest is lost");
        }
        catch (Exception failure)
        {
            // Whatever it was, the silo leaves the cluster all the same: the others take over what it still has.
            await error.WriteLineAsync($"levee: the partitions could not be handed over: {failure.Message}; what memory held of them is lost");
        }
    }

    private async Task LeaveAsync()
    {
        using var patience = new CancellationTokenSource(LeavePatience);
        try
        {
            await host.StopAsync(patience.Token);
        }
        catch (OperationCanceledException)
        {
            await error.WriteLineAsync($"levee: Orleans did not leave the cluster within {LeavePatience.TotalSeconds} s; the others will find out");
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
    private static async Task CheckJoinAsync(ClusterSettings cluster, ClusterCertificate? certificate, CancellationToken cancellation)
    {
        if (cluster.Join is { } first && !await FrontDoors.AnswersAsync(first, cancellation))
        {
            throw new StartException($"nothing answers at {first}: start the first silo without {ClusterOption.Join.Flag}, or name its endpoint");
        }

        if (cluster.Join is { } peer && certificate is not null
            && await ClusterHandshake.ObstacleAsync(peer, certificate, cancellation) is { } obstacle)
        {
            throw new StartException(obstacle);
        }
    }
}
