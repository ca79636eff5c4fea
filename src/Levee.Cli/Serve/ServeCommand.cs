using System.CommandLine;
using System.Net;
using System.Net.Sockets;
using System.Runtime.InteropServices;
using Levee.Hosting;
using Levee.Partitions;
using Levee.Server;
using Levee.Server.Metrics;
using Levee.Server.Resp;
using Levee.Server.Transport;
using Levee.Tiers;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.Logging;

namespace Levee.Cli.Serve;

/// <summary><c>levee serve</c>: one server in this process, until SIGINT or SIGTERM.</summary>
internal static class ServeCommand
{
    private const string ConfigFile = "levee.json";

    /// <summary>The command.</summary>
    public static Command Create()
    {
        var flags = ServeOption.All.ToDictionary(
            option => option,
            option => new Option<string[]>(option.Flag)
            {
                Arity = option.IsList ? ArgumentArity.OneOrMore : ArgumentArity.ExactlyOne,
                CustomParser = static result => [.. result.Tokens.Select(static token => token.Value)],
                Description = $"{option.Description}. Allowed: {option.Allowed}.{(option.Default.Length == 0 ? "" : $" Default: {option.Default}.")} [{option.Variable}]",
                HelpName = option.Value,
            });
        var config = new Option<FileInfo>("--config") { Description = $"file of options; default: {ConfigFile} in this folder, where there is one", HelpName = "file" };
        var command = new Command("serve", "Runs a server: RESP (redis-cli and Redis clients) and HTTP. Each option is also an environment variable and a key of levee.json.") { config };
        foreach (var flag in flags.Values)
        {
            command.Add(flag);
        }

        command.SetAction(async (parsed, cancellation) =>
        {
            var file = ReadFile(parsed.GetValue(config));
            var unknown = ServeOption.UnknownVariables(Environment.GetEnvironmentVariables().Keys.Cast<string>()).FirstOrDefault();
            if (unknown is not null)
            {
                throw new CommandException($"environment variable {unknown} is no option; 'levee serve --help' lists them", ExitCode.Usage);
            }

            var settings = ServeSettings.Read(
                option => parsed.GetValue(flags[option]) is { Length: > 0 } given ? (string.Join(' ', given), option.Flag)
                    : Environment.GetEnvironmentVariable(option.Variable) is { } variable ? (variable, option.Variable)
                    : file?[option.Name] is { } key ? (key, $"key \"{option.Name}\" of {ConfigFile}")
                    : null,
                GC.GetGCMemoryInfo().TotalAvailableMemoryBytes);
            return await RunAsync(settings, parsed.InvocationConfiguration.Output, parsed.InvocationConfiguration.Error, cancellation);
        });
        return command;
    }

    private static IConfigurationRoot? ReadFile(FileInfo? named)
    {
        var path = named?.FullName ?? Path.GetFullPath(ConfigFile);
        if (!File.Exists(path))
        {
            return named is null ? null : throw new CommandException($"--config names {named}, which does not exist", ExitCode.Usage);
        }

        IConfigurationRoot file;
        try
        {
            file = new ConfigurationBuilder().AddJsonFile(path).Build();
        }
        catch (InvalidDataException wrong)
        {
            throw new CommandException($"{path} cannot be read: {wrong.InnerException?.Message ?? wrong.Message}", ExitCode.Usage);
        }

        foreach (var key in file.GetChildren().Select(child => child.Key))
        {
            if (!ServeOption.All.Any(option => option.Name == key))
            {
                throw new CommandException($"{path} has the key \"{key}\", which is no option; 'levee serve --help' lists them", ExitCode.Usage);
            }
        }

        return file;
    }

    private static async Task<int> RunAsync(ServeSettings settings, TextWriter output, TextWriter error, CancellationToken cancellation)
    {
        using var dataDir = settings.Tiers.Addresses.Count > 0 ? Locked(settings.Tiers.DataDir) : null;
        using var logs = LoggerFactory.Create(builder => builder.SetMinimumLevel(settings.LogLevel).AddSimpleConsole(console =>
        {
            console.SingleLine = true;
            console.TimestampFormat = "yyyy-MM-dd HH:mm:ss ";
        }));
        CheckPort(settings.Resp, ServeOption.RespPort);
        CheckPort(settings.Http, ServeOption.HttpPort);

        var connections = OpenFiles.MostConnections(settings.MaxConnections);
        if (connections < settings.MaxConnections)
        {
            await error.WriteLineAsync($"levee: at most {connections} RESP connections instead of {settings.MaxConnections}: the limit on open files (ulimit -n) leaves no more");
        }

        await using var hierarchy = await OpenAsync(settings, logs, cancellation);
        var hosts = settings.Caches.Select((options, i) => new LockHost(options, TimeProvider.System, hierarchy.ChainOf(i))).ToArray();
        await using var server = new LeveeServer(
            new CacheCatalog(hosts),
            new ServerOptions
            {
                Resp = settings.Resp,
                Http = settings.Http,
                MemoryBytes = settings.MemoryBytes,
                RespOptions = new RespOptions { Credentials = new Credentials(settings.User, settings.Password) },
                Limits = new TransportLimits { MaxConnections = connections, IdleTimeout = settings.IdleTimeout },
                IoThreads = settings.IoThreads,
                UsesPortableTransport = settings.UsesPortableTransport,
                Pauses = () => hosts.SelectMany(host => Enum.GetValues<MaintenanceWork>()
                    .Where(work => work != MaintenanceWork.None)
                    .Select(work => new PauseCount(host.Name, work.ToString().ToLowerInvariant(), host.Pauses.Count(work)))),
            },
            hosts[0].Clock,
            TimeProvider.System,
            logs);
        await server.StartAsync(cancellation);
        await PrintAsync(output, settings, server);

        // The command line cancels on the same signals, so this method may be at its end when a handler runs: what it sets must not have been disposed.
        var stop = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        using var cancelled = cancellation.Register(() => stop.TrySetResult());
        using var interrupt = PosixSignalRegistration.Create(PosixSignal.SIGINT, Stop);
        using var terminate = PosixSignalRegistration.Create(PosixSignal.SIGTERM, Stop);
        await stop.Task;
        await server.StopAsync(CancellationToken.None);

        // The tiers end before the memory does: large values that wait to be written lie in it.
        await hierarchy.StopAsync(hosts, output);
        await hierarchy.DisposeAsync();
        foreach (var host in hosts)
        {
            await host.DisposeAsync();
        }

        await output.WriteLineAsync("levee: stopped");
        return ExitCode.Ok;

        void Stop(PosixSignalContext context)
        {
            context.Cancel = true;
            stop.TrySetResult();
        }
    }

    private static IDisposable Locked(string folder)
    {
        try
        {
            return FolderLock.Take(folder);
        }
        catch (TierException failure)
        {
            throw new CommandException($"{ServeOption.DataDir.Flag}: {failure.Message}");
        }
    }

    private static async Task<ServedTiers> OpenAsync(ServeSettings settings, ILoggerFactory logs, CancellationToken cancellation)
    {
        try
        {
            return await ServedTiers.OpenAsync(settings, logs, cancellation);
        }
        catch (TierException failure)
        {
            throw new CommandException(failure.Message);
        }
    }

    private static async Task PrintAsync(TextWriter output, ServeSettings settings, LeveeServer server)
    {
        var others = settings.Caches.Skip(1).Select(cache => $", {cache.Name} {ByteSize.Format(cache.MemoryBytes)}");
        await output.WriteLineAsync($"levee  RESP on {server.RespEndPoint}, HTTP on http://{server.HttpEndPoint}");
        await output.WriteLineAsync($"       memory budget {settings.MemoryBytes >> 20} MiB (default {settings.Caches[0].MemoryBytes >> 20} MiB{string.Concat(others)}), policy {settings.Caches[0].Policy}");
        await output.WriteLineAsync(settings.Tiers.Addresses.Count == 0 ? "       no tiers: what memory evicts is gone" : $"       tiers {string.Join(", ", settings.Tiers.Addresses)}; state in {settings.Tiers.DataDir}, durability {(settings.Tiers.WritesThrough ? "through" : "evict")}");
        await output.WriteLineAsync($"try    redis-cli -p {server.RespEndPoint.Port} set greeting hello");
        await output.WriteLineAsync($"       curl http://{server.HttpEndPoint}/caches/default/keys/greeting");
        await output.WriteLineAsync($"       levee stats --port {server.RespEndPoint.Port}          (Ctrl-C stops the server)");
    }

    /// <summary>Refuses a taken port before anything listens.</summary>
    private static void CheckPort(IPEndPoint endPoint, ServeOption option)
    {
        using var probe = new Socket(endPoint.AddressFamily, SocketType.Stream, ProtocolType.Tcp);
        try
        {
            probe.SetSocketOption(SocketOptionLevel.Socket, SocketOptionName.ReuseAddress, true);
            probe.Bind(endPoint);
            probe.Listen(1);
        }
        catch (SocketException failure)
        {
            var why = failure.SocketErrorCode == SocketError.AddressAlreadyInUse ? "is taken" : $"cannot be bound ({failure.Message})";
            throw new CommandException($"port {endPoint.Port} on {endPoint.Address} {why}; choose another with {option.Flag} or {option.Variable}");
        }
    }
}
