using System.Collections.Concurrent;
using Levee.Caching;
using Levee.Hosting;
using Levee.Operations;
using Levee.Orleans.Grains;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.DependencyInjection.Extensions;
using Microsoft.Extensions.Logging;
using Orleans;
using Orleans.Runtime;
using Orleans.Configuration;
using Orleans.Hosting;
using Orleans.Runtime.Hosting;
using Orleans.Runtime.Placement;
using Orleans.TestingHost;

namespace Levee.Orleans.Tests;

/// <summary>A cluster of silos in this process, with shared storage and Orleans' own grain directory, and a client.</summary>
internal sealed class ClusterRig : IAsyncDisposable
{
    private readonly ConcurrentDictionary<string, IsolatedMembership> memberships;

    private ClusterRig(InProcessTestCluster cluster, SharedGrainStorage storage, ConcurrentDictionary<string, IsolatedMembership> memberships)
    {
        Cluster = cluster;
        this.memberships = memberships;
        Storage = storage;
    }

    public InProcessTestCluster Cluster { get; }

    public SharedGrainStorage Storage { get; }

    /// <summary>The cluster's cache as its client sees it.</summary>
    public ILeveeCache Client => Cluster.Client.ServiceProvider.GetRequiredService<ILeveeCache>();

    /// <summary>Short times, for tests in which silos die.</summary>
    public static void Failing(LeveeSiloOptions options)
    {
        options.Lease = TimeSpan.FromSeconds(1);
        options.CallTimeout = TimeSpan.FromSeconds(1);
    }

    /// <summary>Starts a cluster.</summary>
    /// <param name="silos">How many silos begin.</param>
    /// <param name="partitions">How many partitions the cache has, unless <paramref name="configure"/> names caches.</param>
    /// <param name="configure">Changes a silo's options.</param>
    /// <param name="silo">Changes a silo.</param>
    /// <param name="client">Changes the client.</param>
    /// <param name="time">Wall clock of silos and client; null: the system's.</param>
    /// <param name="storage">What an earlier cluster kept; null: nothing.</param>
    public static async Task<ClusterRig> StartAsync(
        short silos,
        int partitions = 16,
        Action<LeveeSiloOptions>? configure = null,
        Action<ISiloBuilder>? silo = null,
        Action<LeveeClientOptions>? client = null,
        SharedGrainStorage? storage = null,
        TimeProvider? time = null)
    {
        var memberships = new ConcurrentDictionary<string, IsolatedMembership>(StringComparer.Ordinal);
        storage ??= new SharedGrainStorage();
        var builder = new InProcessTestClusterBuilder(silos);
        builder.Options.ConfigureFileLogging = false;
        builder.ConfigureSiloHost((specific, host) => host.ConfigureContainer(new DefaultServiceProviderFactory(), services =>
        {
            var table = services.Last(service => service.ServiceType == typeof(IMembershipTable));
            services.Replace(ServiceDescriptor.Singleton<IMembershipTable>(memberships.GetOrAdd(specific.SiloName, _ => new IsolatedMembership((IMembershipTable)table.ImplementationInstance!))));

            // Orleans' own ends the process, which is the tests' too.
            services.Replace(ServiceDescriptor.Singleton<IFatalErrorHandler, DeadSiloLives>());
        }));
        builder.ConfigureSilo((_, builder) =>
        {
            if (Environment.GetEnvironmentVariable("LEVEE_TEST_LOG") is { Length: > 0 })
            {
                builder.Services.AddLogging(logs => logs.AddSimpleConsole(console =>
                {
                    console.SingleLine = true;
                    console.TimestampFormat = "mm:ss.fff ";
                }).SetMinimumLevel(LogLevel.Warning).AddFilter("Levee", LogLevel.Debug));
            }

            builder.Services.AddGrainStorage("levee", (_, _) => storage);
            builder.AddLevee(options =>
            {
                // A busy machine is no failure; tests of failures say what they want.
                options.Lease = TimeSpan.FromSeconds(30);
                options.CallTimeout = TimeSpan.FromSeconds(20);
                configure?.Invoke(options);
                if (options.Caches.Count == 0)
                {
                    options.Caches.Add(new CacheOptions { Partitions = partitions, MemoryBytes = Math.Max(CacheOptions.MinMemoryBytes, partitions * (8L << 20) * 2) });
                }
            });
            builder.Configure<ClusterMembershipOptions>(options => options.ProbeTimeout = TimeSpan.FromSeconds(5));
            silo?.Invoke(builder);
            builder.Services.AddSingleton(time ?? TimeProvider.System);
        });
        builder.ConfigureClientHost(host => host.Services.AddSingleton(time ?? TimeProvider.System).AddLeveeClient(options =>
        {
            options.CallTimeout = TimeSpan.FromSeconds(20);
            client?.Invoke(options);
        }));
        var cluster = builder.Build();
        await cluster.DeployAsync();
        return new ClusterRig(cluster, storage, memberships);
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

    /// <summary>The silo's way to the membership table.</summary>
    public IsolatedMembership MembershipOf(InProcessSiloHandle silo) => memberships[silo.Name];

    /// <summary>The partition of a key.</summary>
    public int PartitionOf(string key) => Levee(Cluster.Silos[0]).Hosts[0].PartitionOf(Keys.KeyHash.Of(System.Text.Encoding.UTF8.GetBytes(key)));

    /// <summary>A key of a partition that begins with a text.</summary>
    public string KeyIn(int partition, string prefix) => Enumerable.Range(0, int.MaxValue).Select(i => $"{prefix}{i}").First(key => PartitionOf(key) == partition);

    /// <summary>The grain of a partition.</summary>
    public ICachePartitionGrain Grain(int partition) => Cluster.Client.GetGrain<ICachePartitionGrain>(PartitionKey.Of(Levee(Cluster.Silos[0]).Hosts[0].Name, partition));

    /// <summary>Moves a partition to a silo; the balancer may move it back afterwards.</summary>
    public async Task MoveAsync(int partition, InProcessSiloHandle target)
    {
        RequestContext.Set(IPlacementDirector.PlacementHintKey, target.SiloAddress);
        try
        {
            while (!await TryMoveAsync(Grain(partition), target.SiloAddress))
            {
                Xunit.TestContext.Current.CancellationToken.ThrowIfCancellationRequested();
            }
        }
        finally
        {
            RequestContext.Remove(IPlacementDirector.PlacementHintKey);
        }
    }

    /// <summary>The second call may come before the deactivation, and a grain that others move too may be missed.</summary>
    private static async Task<bool> TryMoveAsync(ICachePartitionGrain grain, SiloAddress target)
    {
        try
        {
            await grain.MoveTo(target);
            return target.Equals(await grain.Ensure());
        }
        catch (OrleansMessageRejectionException)
        {
            return false;
        }
    }

    /// <summary>A test that has failed with a silo cut off must end all the same.</summary>
    public async ValueTask DisposeAsync()
    {
        foreach (var membership in memberships.Values)
        {
            membership.Restore();
        }

        await Cluster.DisposeAsync();
    }
}

/// <summary>A silo that learns that it was declared dead goes on, as for a moment it does anyway: what it does then is what tests look at.</summary>
internal sealed class DeadSiloLives : IFatalErrorHandler
{
    public bool IsUnexpected(Exception exception) => true;

    public void OnFatalException(object? sender = null, string? context = null, Exception? exception = null)
    {
    }
}

/// <summary>Waits for what other threads bring about.</summary>
internal static class Eventually
{
    /// <summary>
    /// How long anything may take before a test is given up: no test says how fast something is, and the machine may be busy with twenty
    /// others.
    /// </summary>
    public static readonly TimeSpan Patience = TimeSpan.FromMinutes(3);

    public static async Task HoldsAsync(Func<bool> condition)
    {
        using var timeout = new CancellationTokenSource(Patience);
        while (!condition())
        {
            await Task.Delay(10, timeout.Token);
        }
    }
}
