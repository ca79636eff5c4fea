using System.Net;
using Levee.Hosting;
using Levee.Server.Http;
using Levee.Server.Metrics;
using Levee.Server.Resp;
using Levee.Server.Transport;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Routing;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;

namespace Levee.Server;

/// <summary>What a server is told; checked values.</summary>
public sealed record ServerOptions
{
    /// <summary>Where RESP listens.</summary>
    public IPEndPoint Resp { get; init; } = new(IPAddress.Loopback, 7379);

    /// <summary>Where HTTP listens.</summary>
    public IPEndPoint Http { get; init; } = new(IPAddress.Loopback, 7380);

    /// <summary>Names by which HTTP clients may call the server beside localhost and its addresses; "*": any.</summary>
    public IReadOnlyList<string> HttpHosts { get; init; } = [];

    /// <summary>The memory budget of all caches, in bytes, as INFO tells it.</summary>
    public long MemoryBytes { get; init; }

    /// <summary>The RESP front door's options.</summary>
    public RespOptions RespOptions { get; init; } = new();

    /// <summary>The RESP transport's limits.</summary>
    public TransportLimits Limits { get; init; } = new();

    /// <summary>I/O threads of the RESP listener; 0: <see cref="Transports.DefaultLoops"/>.</summary>
    public int IoThreads { get; init; }

    /// <summary>Reads how often background work held a partition for more than a millisecond, for the metrics; null: not counted.</summary>
    public Func<IEnumerable<PauseCount>>? Pauses { get; init; }

    /// <summary>What else <c>/metrics</c> shows.</summary>
    public IReadOnlyList<IMetricSource> Metrics { get; init; } = [];

    /// <summary>What <c>/metrics</c> counts; null: the caches that the front doors serve. In a cluster: what of them is in this process, so that the numbers of all servers can be added up.</summary>
    public CacheCatalog? Measured { get; init; }

    /// <summary>Adds a host's own services to the HTTP application: health checks, what <see cref="HttpRoutes"/> needs; null: none.</summary>
    public Action<IServiceCollection>? HttpServices { get; init; }

    /// <summary>Adds a host's own pages to the HTTP application, behind the same password; null: none.</summary>
    public Action<IEndpointRouteBuilder>? HttpRoutes { get; init; }

    /// <summary>Whether RESP uses the portable transport where the system has a better one.</summary>
    public bool UsesPortableTransport { get; init; }
}

/// <summary>The front doors together: RESP and HTTP over the same caches.</summary>
public sealed class LeveeServer : IAsyncDisposable
{
    private readonly StagingArea staging;
    private readonly RespServer resp;
    private readonly ITransport transport;
    private readonly WebApplication http;

    /// <param name="catalog">The caches.</param>
    /// <param name="options">Checked options.</param>
    /// <param name="clock">The time that TTLs are counted in.</param>
    /// <param name="time">The clock of limits and time-outs.</param>
    /// <param name="logs">Where logs go.</param>
    public LeveeServer(CacheCatalog catalog, ServerOptions options, MillisecondClock clock, TimeProvider time, ILoggerFactory logs)
    {
        ArgumentNullException.ThrowIfNull(options);
        ArgumentNullException.ThrowIfNull(logs);
        var door = new PasswordDoor(options.RespOptions.Credentials, time, logs.CreateLogger("Levee.Passwords"));
        staging = StagingArea.For(options.MemoryBytes, time);
        resp = new RespServer(catalog, options.RespOptions, clock, logs.CreateLogger("Levee.Resp"))
        {
            MemoryBytes = options.MemoryBytes,
            Door = door,
            Staging = staging,
        };
        var limits = options.Limits with { Staging = staging };
        transport = Transports.Create(options.Resp, resp.Accept, limits, options.IoThreads, time, logs.CreateLogger("Levee.Transport"), options.UsesPortableTransport, catalog.TakeTurn);
        HttpEndPoint = options.Http;
        http = HttpApplication.Create(catalog, options, time, logs, door, staging);
        var metrics = http.Services.GetRequiredService<MetricRegistry>();
        metrics.Add(new RespMetrics(resp));
        if (options.Pauses is { } pauses)
        {
            metrics.Add(new PauseMetrics(pauses));
        }

        foreach (var source in options.Metrics)
        {
            metrics.Add(source);
        }
    }

    /// <summary>Where RESP listens; known after <see cref="StartAsync"/> also when port 0 was asked for.</summary>
    public IPEndPoint RespEndPoint => transport.EndPoint;

    /// <summary>What unfinished requests and unread replies of all connections take.</summary>
    public StagingArea Staging => staging;

    /// <summary>Where HTTP listens.</summary>
    public IPEndPoint HttpEndPoint { get; private set; }

    /// <summary>Binds and listens.</summary>
    public async Task StartAsync(CancellationToken cancellation)
    {
        transport.Start();
        resp.EndPoint = transport.EndPoint;
        await http.StartAsync(cancellation).ConfigureAwait(false);
        HttpEndPoint = HttpApplication.EndPointOf(http);
        http.Services.GetRequiredService<ReadinessState>().SetReady();
    }

    /// <summary>Stops accepting, lets output drain, closes everything.</summary>
    public async Task StopAsync(CancellationToken cancellation)
    {
        http.Services.GetRequiredService<ReadinessState>().SetNotReady("stopping");
        await http.StopAsync(cancellation).ConfigureAwait(false);
        await transport.StopAsync(cancellation).ConfigureAwait(false);
    }

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        await transport.DisposeAsync().ConfigureAwait(false);
        await http.DisposeAsync().ConfigureAwait(false);
        resp.Dispose();
        staging.Dispose();
    }
}
