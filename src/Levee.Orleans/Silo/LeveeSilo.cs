using Levee.Caching;
using Levee.Hosting;
using Levee.Operations;
using Levee.Orleans.Grains;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;
using Orleans.Storage;

namespace Levee.Orleans.Silo;

/// <summary>
/// Levee on one silo: its caches, what it knows of the other silos, its lease and its clock. Starts before the silo becomes active, begins to balance when it is, and gives its partitions away before it stops.
/// </summary>
internal sealed class LeveeSilo : ILeveeSilo, ILifecycleParticipant<ISiloLifecycle>, IAsyncDisposable
{
    /// <summary>The grain storage that keeps ownership, clocks and configurations.</summary>
    public const string StorageName = "levee";

    /// <summary>How far the counter that hosts compare the lease with may lag behind.</summary>
    private static readonly TimeSpan TickMargin = TimeSpan.FromMilliseconds(20);

    private readonly IServiceProvider services;
    private readonly LeveeSiloOptions options;
    private readonly IGrainFactory grains;
    private readonly SiloPortClient ports;
    private readonly TimeProvider time;
    private readonly Dictionary<string, SiloCache> caches = new(StringComparer.Ordinal);
    private readonly SiloLoops withdrawing;
    private readonly SiloLoops stopping;
    private readonly SiloLease lease;
    private readonly SiloClock clock;
    private Task? draining;
    private volatile bool isActive;
    private bool isDisposed;

    public LeveeSilo(IServiceProvider services, IOptions<LeveeSiloOptions> options, ILocalSiloDetails details, IGrainFactory grains, SiloPortClient ports, ILoggerFactory logs)
    {
        this.services = services;
        this.options = options.Value;
        this.grains = grains;
        this.ports = ports;
        this.options.Validate();
        if (services.GetKeyedService<IGrainStorage>(StorageName) is null)
        {
            throw new InvalidOperationException($"Levee keeps who owns a partition in the grain storage named '{StorageName}', and there is none: add one, for example siloBuilder.AddMemoryGrainStorage(\"{StorageName}\") for one machine.");
        }

        time = services.GetService<TimeProvider>() ?? TimeProvider.System;
        Address = details.SiloAddress;
        Log = new SiloLog(logs.CreateLogger("Levee.Orleans"));
        View = new ClusterView(services.GetRequiredService<IClusterMembershipService>(), time);
        withdrawing = new SiloLoops(time, Log);
        stopping = new SiloLoops(time, Log);
        lease = new SiloLease(services.GetRequiredService<IMembershipTable>(), Address, this.options.Lease, time, Log);
        clock = new SiloClock(services, Address, ReachedMs, LimitClocks, time, Log);
    }

    /// <summary>This silo.</summary>
    public SiloAddress Address { get; }

    /// <summary>The other silos.</summary>
    public ClusterView View { get; }

    public SiloLog Log { get; }

    /// <inheritdoc/>
    public IReadOnlyList<ICacheHost> Caches => [.. options.Caches.Select(cache => caches[cache.Name])];

    /// <inheritdoc/>
    public IReadOnlyList<LockHost> Hosts => [.. options.Caches.Select(cache => caches[cache.Name].Local)];

    /// <inheritdoc/>
    public MillisecondClock Clock => caches[options.Caches[0].Name].Local.Clock;

    /// <inheritdoc/>
    public string? Obstacle =>
        withdrawing.IsOver ? "the silo is stopping"
        : !isActive ? "the silo is not active yet"
        : lease.IsLost ? "the membership table says that this silo is dead"
        : lease.IsValid ? null
        : "the silo's lease has ended: it has not seen the membership table lately";

    /// <inheritdoc/>
    public IReadOnlyList<ClusterCounts> Counts => [.. options.Caches.Select(cache => caches[cache.Name].Counts)];

    /// <inheritdoc/>
    public long LeaseLapses => lease.Lapses;

    /// <inheritdoc/>
    public long BackgroundFailures => withdrawing.Failures + stopping.Failures;

    /// <summary>
    /// Cancelled when the silo has given its partitions away: from then on it claims nothing, and uses neither grains nor their storage,
    /// which may be on this silo and end before Levee does.
    /// </summary>
    public CancellationToken Withdrawn => withdrawing.Token;

    /// <summary>The cache with a name.</summary>
    /// <exception cref="ArgumentException">There is none; the message says which there are.</exception>
    public SiloCache CacheNamed(string name) =>
        caches.TryGetValue(name, out var cache) ? cache : throw new ArgumentException($"This silo has no cache '{name}'; it has {string.Join(", ", options.Caches.Select(known => known.Name))}. All silos of a cluster name the same caches.", nameof(name));

    /// <summary>The cache as code in this silo uses it: with a name, or the default one.</summary>
    /// <exception cref="InvalidOperationException">The silo has not started.</exception>
    public ILeveeCache FaceOf(string? name) =>
        caches.Count > 0 ? CacheNamed(name ?? options.Caches[0].Name).Face : throw new InvalidOperationException("The silo's caches are not open yet: they are once the silo has started.");

    /// <summary>The silo that a partition is to be on; null where nobody serves yet.</summary>
    public SiloAddress? PlannedOwner(string cache, int partition) => caches.TryGetValue(cache, out var known) ? known.Routes.Planned(partition) : null;

    /// <inheritdoc/>
    public void Participate(ISiloLifecycle lifecycle)
    {
        lifecycle.Subscribe("Levee caches", ServiceLifecycleStage.ApplicationServices, StartAsync, StopAsync);
        lifecycle.Subscribe("Levee partitions", ServiceLifecycleStage.Active, BalanceAsync, WithdrawAsync);
    }

    /// <inheritdoc/>
    public Task DrainAsync(CancellationToken cancellation)
    {
        lock (caches)
        {
            return draining ??= GiveAwayAsync(cancellation);
        }
    }

    /// <inheritdoc/>
    public async Task<IReadOnlyList<TakeDownReport>> TakeDownAsync(IProgress<TakeDownReport>? progress, CancellationToken cancellation)
    {
        await EndLoopsAsync();
        return await Task.WhenAll(options.Caches.Where(cache => caches.ContainsKey(cache.Name)).Select(cache => caches[cache.Name].TakeDownAsync(progress, cancellation)));
    }

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        // The container knows it as several services, and disposes each.
        if (Interlocked.Exchange(ref isDisposed, true))
        {
            return;
        }

        await EndLoopsAsync();
        foreach (var cache in caches.Values)
        {
            await cache.DisposeAsync();
        }

        withdrawing.Dispose();
        stopping.Dispose();
        lease.Dispose();
        clock.Dispose();
    }

    private async Task StartAsync(CancellationToken cancellation)
    {
        View.Refresh();
        foreach (var cacheOptions in options.Caches)
        {
            var tiers = options.OpenTiers is null ? null : await options.OpenTiers(cacheOptions, services, cancellation);
            caches.Add(cacheOptions.Name, new SiloCache(this, cacheOptions, options, tiers, clock, grains, ports, time));
        }

        stopping.Begin("following the membership", View.FollowAsync);
        stopping.Begin("renewing the lease", cancelled => lease.RenewAsync(ExtendLeases, cancelled));
        withdrawing.Begin("reserving the clock", clock.RenewAsync);
    }

    private async Task BalanceAsync(CancellationToken cancellation)
    {
        View.Refresh();
        foreach (var cache in caches.Values)
        {
            await cache.JoinAsync();
            withdrawing.Begin($"balancing '{cache.Name}'", cache.Balancer.RunAsync);
            withdrawing.Begin($"following the configuration of '{cache.Name}'", cache.FollowConfigurationAsync);
            withdrawing.Begin($"learning the policy of '{cache.Name}'", cache.LearnPolicyAsync);
            withdrawing.Begin($"reporting accesses to '{cache.Name}'", cache.Feeds.ReportAccessesAsync);
            withdrawing.Begin($"publishing invalidations of '{cache.Name}'", cache.Feeds.PublishInvalidationsAsync);
        }

        isActive = true;
    }

    /// <summary>Tells the others that nothing is to come here any more, and gives away what is here, unless others have it already. Front doors go on meanwhile.</summary>
    private async Task GiveAwayAsync(CancellationToken cancellation)
    {
        if (lease.IsLost)
        {
            return;
        }

        using var patience = CancellationTokenSource.CreateLinkedTokenSource(cancellation, lease.Lost);
        patience.CancelAfter(options.StopTimeout);
        View.Drains(Address);
        var others = View.Serving.Values;
        Log.Draining(caches.Values.Sum(cache => cache.Local.Partitions.Count), others.Count());
        await Task.WhenAll(others.Select(TellAsync)).WaitAsync(patience.Token).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        if (others.Any())
        {
            await Task.WhenAll(caches.Values.Select(cache => cache.Balancer.DrainAsync(patience.Token)));
        }

        var left = caches.Values.Sum(cache => cache.Local.Partitions.Count);
        if (left > 0 && others.Any())
        {
            Log.NotDrained(left);
        }

        async Task TellAsync(SiloAddress other)
        {
            try
            {
                await ports.To(other).Draining(Address);
            }
            catch (Exception failure)
            {
                Log.NotTold(other.ToString(), failure);
            }
        }
    }

    /// <summary>
    /// The first step of a stop, while all grains still answer: gives the partitions away, and ends all that uses grains and their storage.
    /// </summary>
    private async Task WithdrawAsync(CancellationToken cancellation)
    {
        try
        {
            await DrainAsync(cancellation);
        }
        finally
        {
            await withdrawing.EndAsync();
        }
    }

    private async Task StopAsync(CancellationToken cancellation)
    {
        foreach (var report in await TakeDownAsync(null, cancellation))
        {
            if (report.Lost > 0)
            {
                Log.NotTakenDown(report.Cache, report.Lost, report.Entries, report.Problem);
            }
        }
    }

    private async Task EndLoopsAsync()
    {
        await withdrawing.EndAsync();
        await stopping.EndAsync();
    }

    private void ExtendLeases(TimeSpan left)
    {
        foreach (var cache in caches.Values)
        {
            cache.Local.LeaseUntil = cache.Local.Clock.Monotonic + (long)(left - TickMargin).TotalMilliseconds;
        }
    }

    private long ReachedMs() => caches.Values.Max(cache => cache.Local.ReachedMs);

    private void LimitClocks(long untilMs)
    {
        foreach (var cache in caches.Values)
        {
            cache.Local.Clock.Limit(untilMs);
        }
    }
}
