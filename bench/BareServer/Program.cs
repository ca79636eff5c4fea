using System.CommandLine;
using System.Runtime.InteropServices;
using Levee.Hosting;
using Levee.Server;
using Levee.Serving;
using Microsoft.Extensions.Logging;

// The silo's front doors over the bare engine, without Orleans: what bench/one-silo.sh measures a silo against. Takes the options of 'levee serve', without those of the cluster.
var command = new Command("bare", "The front doors over the bare engine.");
var flags = new OptionFlags(command, ServeOption.All, "bare --help");
var settings = ServeSettings.Read(flags.Read(command.Parse(args)), GC.GetGCMemoryInfo().TotalAvailableMemoryBytes).WithPartitions();
using var logs = LoggerFactory.Create(builder => builder.AddConsoleLines(settings.LogLevel));
await using var tiers = await ServedTiers.StartAsync(settings, silo: null, logs, CancellationToken.None);
var hosts = new List<LockHost>();
foreach (var cache in settings.Caches)
{
    hosts.Add(new LockHost(cache, TimeProvider.System, await tiers.OpenAsync(cache, CancellationToken.None)));
}

var prefetchers = settings.Prefetches ? hosts.Select(host => CachePrefetcher.Start(host, origin: null, TimeProvider.System)).ToList() : [];
await using (var doors = new LeveeServer(new CacheCatalog(hosts), FrontDoors.Options(settings, Console.Error, "bare"), hosts[0].Clock, TimeProvider.System, logs))
{
    await doors.StartAsync(CancellationToken.None);
    Console.WriteLine($"RESP on {doors.RespEndPoint}, HTTP on http://{doors.HttpEndPoint}");
    var stop = new TaskCompletionSource();
    using var terminate = PosixSignalRegistration.Create(PosixSignal.SIGTERM, context =>
    {
        context.Cancel = true;
        stop.TrySetResult();
    });
    await stop.Task;
    await doors.StopAsync(CancellationToken.None);
}

foreach (var prefetcher in prefetchers)
{
    await prefetcher.DisposeAsync();
}

using (var stopping = new CleanStop("bare", settings.StopTimeout, Console.Error, TimeProvider.System))
{
    await tiers.StopAsync(await Task.WhenAll(hosts.Select(host => host.TakeDownAsync(stopping, stopping.Deadline))), stopping);
}

await tiers.DisposeAsync();
foreach (var host in hosts)
{
    await host.DisposeAsync();
}
