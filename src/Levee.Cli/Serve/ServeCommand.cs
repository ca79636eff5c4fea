using System.CommandLine;
using Levee.Hosting;
using Levee.Server;
using Levee.Serving;
using Microsoft.Extensions.Logging;

namespace Levee.Cli.Serve;

/// <summary><c>levee serve</c>: one server in this process, until SIGINT or SIGTERM.</summary>
internal static class ServeCommand
{
    /// <summary>The command.</summary>
    public static Command Create()
    {
        var command = new Command("serve", "Runs a server: RESP (redis-cli and Redis clients) and HTTP. Each option is also an environment variable and a key of levee.json.");
        var flags = new OptionFlags(command, ServeOption.All, "levee serve --help");
        command.SetAction(async (parsed, _) =>
        {
            var settings = ServeSettings.Read(flags.Read(parsed), GC.GetGCMemoryInfo().TotalAvailableMemoryBytes);
            return await RunAsync(settings, parsed.InvocationConfiguration.Output, parsed.InvocationConfiguration.Error);
        });
        return command;
    }

    private static async Task<int> RunAsync(ServeSettings settings, TextWriter output, TextWriter error)
    {
        using var signals = new StopSignals();
        using var logs = LoggerFactory.Create(builder => builder.AddConsoleLines(settings.LogLevel));
        await using var hierarchy = await ServedTiers.StartAsync(settings, silo: null, logs, CancellationToken.None);
        FrontDoors.CheckPort(settings.Resp, ServeOption.RespPort);
        FrontDoors.CheckPort(settings.Http, ServeOption.HttpPort);
        var doors = FrontDoors.Options(settings, error, "levee");
        var hosts = new List<LockHost>();
        foreach (var cache in settings.Caches)
        {
            hosts.Add(new LockHost(cache, TimeProvider.System, await hierarchy.OpenAsync(cache, CancellationToken.None)));
        }

        await using var prefetching = new ServedPrefetching(settings, hosts);
        await using var server = new LeveeServer(
            new CacheCatalog(hosts),
            doors with { Pauses = () => FrontDoors.Pauses(hosts) },
            hosts[0].Clock,
            TimeProvider.System,
            logs);
        await server.StartAsync(CancellationToken.None);
        if (!signals.Told.IsCancellationRequested)
        {
            await PrintAsync(output, settings, server);
        }

        var stopped = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        using var told = signals.Told.Register(() => stopped.TrySetResult());
        await stopped.Task;
        using var stop = new CleanStop("levee", settings.StopTimeout, output, TimeProvider.System, signals.Again);
        await server.StopAsync(CancellationToken.None);

        // Prefetching asks the tiers: it ends first. The tiers end before the memory does: large values that wait to be written lie in it.
        await prefetching.DisposeAsync();
        var taken = await Task.WhenAll(hosts.Select(host => host.TakeDownAsync(stop, stop.Deadline)));
        await hierarchy.StopAsync(taken, stop);
        await hierarchy.DisposeAsync();
        foreach (var host in hosts)
        {
            await host.DisposeAsync();
        }

        await output.WriteLineAsync("levee: stopped");
        return ExitCode.Ok;
    }

    private static async Task PrintAsync(TextWriter output, ServeSettings settings, LeveeServer server)
    {
        var others = settings.Caches.Skip(1).Select(cache => $", {cache.Name} {ByteSize.Format(cache.MemoryBytes)}");
        await output.WriteLineAsync($"levee  RESP on {server.RespEndPoint}, HTTP on http://{server.HttpEndPoint}");
        await output.WriteLineAsync($"       memory budget {settings.MemoryBytes >> 20} MiB (default {settings.Caches[0].MemoryBytes >> 20} MiB{string.Concat(others)}), policy {settings.Caches[0].Policy}");
        await output.WriteLineAsync(settings.Tiers.Addresses.Count == 0 ? "       no tiers: what memory evicts is gone" : $"       tiers {string.Join(", ", settings.Tiers.Addresses)}; state in {settings.Tiers.DataDir}, durability {(settings.Tiers.WritesThrough ? "through" : "evict")}, prefetch {(settings.Prefetches ? "on" : "off")}");
        await output.WriteLineAsync($"try    redis-cli -p {server.RespEndPoint.Port} set greeting hello");
        await output.WriteLineAsync($"       curl http://{server.HttpEndPoint}/caches/default/keys/greeting");
        await output.WriteLineAsync($"       levee stats --port {server.RespEndPoint.Port}          (Ctrl-C stops the server)");
    }
}
