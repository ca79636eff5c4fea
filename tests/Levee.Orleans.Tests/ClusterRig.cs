using Levee.Caching;
using Levee.Hosting;
using Levee.Operations;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using Orleans.Runtime.Hosting;
using Orleans.TestingHost;

namespace Levee.Orleans.Tests;

/// <summary>A cluster of silos in this process, with shared storage and Orleans' own grain directory, and a client.</summary>
internal sealed class ClusterRig : IAsyncDisposable
{
    private ClusterRig(InProcessTestCluster cluster, SharedGrainStorage storage)
    {
        Cluster = cluster;
        Storage = storage;
    }

    public InProcessTestCluster Cluster { get; }

    public SharedGrainStorage Storage { get; }

    /// <summary>The cluster's cache as its client sees it.</summary>
    public ILeveeCache Client => Cluster.Client.ServiceProvider.GetRequiredService<ILeveeCache>();

    public static async Task<ClusterRig> StartAsync(short silos, int partitions = 16, Action<LeveeSiloOptions>? configure = null)
    {
        var storage = new SharedGrainStorage();
        var builder = new InProcessTestClusterBuilder(silos);
        builder.Options.ConfigureFileLogging = false;
        builder.ConfigureSilo((_, silo) =>
        {
            if (Environment.GetEnvironmentVariable("LEVEE_TEST_LOG") is { Length: > 0 })
            {
                silo.Services.AddLogging(logs => logs.AddSimpleConsole(console =>
                {
                    console.SingleLine = true;
                    console.TimestampFormat = "mm:ss.fff ";
                }).SetMinimumLevel(LogLevel.Warning).AddFilter("Levee", LogLevel.Debug));
            }

            silo.Services.AddGrainStorage("levee", (_, _) => storage);
            silo.AddLevee(options =>
            {
                options.Caches.Add(new CacheOptions { Partitions = partitions, MemoryBytes = Math.Max(CacheOptions.MinMemoryBytes, partitions * (8L << 20) * 2) });
                configure?.Invoke(options);
            });
        });
        builder.ConfigureClientHost(host => host.Services.AddLeveeClient());
        var cluster = builder.Build();
        await cluster.DeployAsync();
        return new ClusterRig(cluster, storage);
    }

    public ILeveeSilo Levee(InProcessSiloHandle silo) => silo.ServiceProvider.GetRequiredService<ILeveeSilo>();

    /// <summary>The cache as code in a silo sees it.</summary>
    public ILeveeCache CacheOn(InProcessSiloHandle silo) => silo.ServiceProvider.GetRequiredService<ILeveeCache>();

    /// <summary>The partitions that are open on a silo.</summary>
    public int[] PartitionsOf(InProcessSiloHandle silo) => [.. Levee(silo).Hosts[0].Partitions.Where(partition => Levee(silo).Hosts[0].IsOpen(partition.Number)).Select(partition => partition.Number).Order()];

    /// <summary>Waits until all partitions are open, each on one silo, and no silo has more than one more than another.</summary>
    public async Task BalancedAsync()
    {
        var partitions = Levee(Cluster.Silos[0]).Hosts[0].PartitionCount;
        await Eventually.HoldsAsync(() =>
        {
            var open = Cluster.Silos.Select(PartitionsOf).ToArray();
            return open.Sum(mine => mine.Length) == partitions && open.Max(mine => mine.Length) - open.Min(mine => mine.Length) <= 1
                && Cluster.Silos.All(silo => Levee(silo).Hosts[0].Partitions.All(partition => partition.State == PartitionState.Open));
        });
    }

    public async ValueTask DisposeAsync() => await Cluster.DisposeAsync();
}

/// <summary>Waits for what other threads bring about.</summary>
internal static class Eventually
{
    public static async Task HoldsAsync(Func<bool> condition, TimeSpan? patience = null)
    {
        using var timeout = new CancellationTokenSource(patience ?? TimeSpan.FromSeconds(60));
        while (!condition())
        {
            await Task.Delay(10, timeout.Token);
        }
    }
}
