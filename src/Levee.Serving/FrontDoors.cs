using System.Net;
using System.Net.Sockets;
using Levee.Hosting;
using Levee.Partitions;
using Levee.Server;
using Levee.Server.Metrics;
using Levee.Server.Resp;
using Levee.Server.Transport;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Console;

namespace Levee.Serving;

/// <summary>The front doors as the options ask for them.</summary>
public static class FrontDoors
{
    private static readonly string[] Chatty = ["Orleans", "Microsoft", "Polly", "System"];
    private static readonly string[] NoisyAtStart = ["Orleans.Runtime.Silo", "Orleans.Runtime.Watchdog"];
    private static readonly TimeSpan ConnectPatience = TimeSpan.FromSeconds(5);

    /// <summary>What the front doors are told.</summary>
    /// <param name="settings">Checked options.</param>
    /// <param name="error">Where it is said that the limit on open files leaves fewer connections than were asked for.</param>
    /// <param name="program">The program's name, for that line.</param>
    public static ServerOptions Options(ServeSettings settings, TextWriter error, string program)
    {
        ArgumentNullException.ThrowIfNull(settings);
        ArgumentNullException.ThrowIfNull(error);
        foreach (var warning in settings.Warnings)
        {
            error.WriteLine($"{program}: {warning}");
        }

        var connections = OpenFiles.MostConnections(settings.MaxConnections);
        if (connections < settings.MaxConnections)
        {
            error.WriteLine($"{program}: at most {connections} RESP connections instead of {settings.MaxConnections}: the limit on open files (ulimit -n) leaves no more");
        }

        return new ServerOptions
        {
            Resp = settings.Resp,
            Http = settings.Http,
            HttpHosts = settings.HttpHosts,
            MemoryBytes = settings.MemoryBytes,
            RespOptions = new RespOptions { Credentials = new Credentials(settings.User, settings.Password) },
            Limits = new TransportLimits { MaxConnections = connections, IdleTimeout = settings.IdleTimeout },
            IoThreads = settings.IoThreads,
            UsesPortableTransport = settings.UsesPortableTransport,
        };
    }

    /// <summary>How often background work held a partition of these hosts for more than a millisecond, for the metrics.</summary>
    public static IEnumerable<PauseCount> Pauses(IEnumerable<LockHost> hosts) =>
        from host in hosts
        from work in Enum.GetValues<MaintenanceWork>()
        where work != MaintenanceWork.None
        select new PauseCount(host.Name, work.ToString().ToLowerInvariant(), host.Pauses.Count(work));

    /// <summary>
    /// Logs as lines on standard error. What Levee itself runs on (Orleans, ASP.NET, retries) is heard from a warning on, unless <paramref name="level"/> asks for debugging;
    /// and of a healthy start two warnings are left out: server GC is advised, which docs/decisions/0005 decides against, and a watchdog that looks at a time which it has not set yet.
    /// </summary>
    public static ILoggingBuilder AddConsoleLines(this ILoggingBuilder builder, LogLevel level)
    {
        builder.SetMinimumLevel(level).AddSimpleConsole(console =>
        {
            console.SingleLine = true;
            console.TimestampFormat = "yyyy-MM-dd HH:mm:ss ";
        });
        builder.Services.Configure<ConsoleLoggerOptions>(console => console.LogToStandardErrorThreshold = LogLevel.Trace);
        if (level > LogLevel.Debug)
        {
            var quiet = level > LogLevel.Warning ? level : LogLevel.Warning;
            foreach (var category in Chatty)
            {
                builder.AddFilter(category, quiet);
            }

            foreach (var category in NoisyAtStart)
            {
                builder.AddFilter(category, LogLevel.Error > level ? LogLevel.Error : level);
            }
        }

        return builder;
    }

    /// <summary>Refuses a taken port before anything listens.</summary>
    /// <exception cref="StartException">The address cannot be bound; the message names the option that chooses another.</exception>
    public static void CheckPort(IPEndPoint endPoint, ServeOption option)
    {
        ArgumentNullException.ThrowIfNull(endPoint);
        ArgumentNullException.ThrowIfNull(option);
        if (TryBind(endPoint) is { } failure)
        {
            throw new StartException(failure.SocketErrorCode switch
            {
                SocketError.AddressAlreadyInUse => $"port {endPoint.Port} on {endPoint.Address} is taken; choose another with {option.Flag} or {option.Variable}",
                SocketError.AddressNotAvailable => $"{endPoint.Address} is no address of this machine; choose another with {AddressOption(option).Flag} or {AddressOption(option).Variable}",
                _ => $"port {endPoint.Port} on {endPoint.Address} cannot be bound ({failure.Message}); choose another with {option.Flag} or {option.Variable}",
            });
        }
    }

    /// <summary>Whether nothing listens at an address of this machine, so that a server may.</summary>
    public static bool IsFree(IPEndPoint endPoint)
    {
        ArgumentNullException.ThrowIfNull(endPoint);
        return TryBind(endPoint) is null;
    }

    /// <summary>Whether something listens at an address.</summary>
    /// <param name="endPoint">The address.</param>
    /// <param name="cancellation">Gives up.</param>
    public static async Task<bool> AnswersAsync(IPEndPoint endPoint, CancellationToken cancellation)
    {
        ArgumentNullException.ThrowIfNull(endPoint);
        using var probe = new Socket(endPoint.AddressFamily, SocketType.Stream, ProtocolType.Tcp);
        using var patience = CancellationTokenSource.CreateLinkedTokenSource(cancellation);
        patience.CancelAfter(ConnectPatience);
        try
        {
            await probe.ConnectAsync(endPoint, patience.Token).ConfigureAwait(false);
            return true;
        }
        catch (SocketException)
        {
            return false;
        }
        catch (OperationCanceledException) when (!cancellation.IsCancellationRequested)
        {
            return false;
        }
    }

    /// <summary>The option that chooses the address of a port.</summary>
    private static ServeOption AddressOption(ServeOption port) => port == ServeOption.RespPort || port == ServeOption.HttpPort ? ServeOption.Bind : ClusterOption.Advertise;

    /// <summary>Listens for a moment; null where that went well.</summary>
    private static SocketException? TryBind(IPEndPoint endPoint)
    {
        using var probe = new Socket(endPoint.AddressFamily, SocketType.Stream, ProtocolType.Tcp);
        try
        {
            // Without ReuseAddress: a socket that has it, as Orleans' have, would share the port with another that has it.
            probe.Bind(endPoint);
            probe.Listen(1);
            return null;
        }
        catch (SocketException failure)
        {
            return failure;
        }
    }
}
