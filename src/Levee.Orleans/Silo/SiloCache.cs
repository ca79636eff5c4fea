using System.Numerics;
using Levee.Caching;
using Levee.Clustering;
using Levee.Hosting;
using Levee.Learning;
using Levee.Memory;
using Levee.Operations;
using Levee.Orleans.Grains;
using Levee.Partitions;

namespace Levee.Orleans.Silo;

/// <summary>
/// A cache as the front doors of one silo see it. What is here is answered here, under the partition's lock; the rest goes in batches to where it is.
/// </summary>
internal sealed class SiloCache : ICacheHost, IBatchExecutor, IAsyncDisposable
{
    private static readonly TimeSpan ConfigurationPeriod = TimeSpan.FromSeconds(5);
    private static readonly TimeSpan PolicyPeriod = TimeSpan.FromSeconds(1);

    private readonly LeveeSilo silo;
    private readonly IGrainFactory grains;
    private readonly BatchRouter router;
    private readonly CacheOptions started;
    private readonly int shift;
    private readonly TimeProvider time;
    private PrefetchRunner? prefetcher;
    private CacheConfiguration configuration = new();

    public SiloCache(LeveeSilo silo, CacheOptions options, LeveeSiloOptions siloOptions, ITierChain? tiers, SiloClock clock, IGrainFactory grains, SiloPortClient ports, TimeProvider time)
    {
        this.silo = silo;
        this.grains = grains;
        started = options;
        Feeds = new SiloFeeds(options.Name, silo.Log, siloOptions, grains, time);
        Local = new LockHost(options, time, tiers, opens: false, listener: Feeds, moves: MovesOf(siloOptions))
        {
            NotesPollution = siloOptions.CreatePrefetcher is not null,
            MaintenanceFailed = failure => silo.Log.MaintenanceFailed(options.Name, failure),
        };
        Local.TakePolicyReport(); // From here on the cache's grain decides.
        Prefetching = siloOptions.CreatePrefetcher is null ? null : new RemotePrefetching(grains.GetGrain<IPrefetchGrain>(options.Name), siloOptions.CallTimeout, failure => silo.Log.FeedDropped(options.Name, "hints", failure));
        this.time = time;
        shift = 64 - BitOperations.Log2((uint)Local.PartitionCount);
        Routes = new SiloRoutes(silo, options.Name, Local.PartitionCount, grains, ports);
        router = new BatchRouter(Local.PartitionCount, Routes, LargeValues, new BatchRouterOptions { CallTimeout = siloOptions.CallTimeout, NotHereTimeout = siloOptions.CallTimeout * 2 }, time);
        Server = new BatchServer(this, LargeValues, time, silo.Address.ToParsableString());
        Gateway = new BatchServer(new HostExecutor(this), LargeValues, time, silo.Address.ToParsableString());
        Claims = new PartitionClaims(silo, this, siloOptions, clock, ports, time);
        Face = new HostedCache(this, time);
        Balancer = new PartitionBalancer(silo, this, siloOptions, grains);
    }

    /// <summary>What is here.</summary>
    public LockHost Local { get; }

    /// <summary>Runs batches of others on what is here.</summary>
    public BatchServer Server { get; }

    /// <summary>Runs batches of clients on all that this silo can reach.</summary>
    public BatchServer Gateway { get; }

    /// <summary>What others learn from this silo.</summary>
    public SiloFeeds Feeds { get; }

    public SiloRoutes Routes { get; }

    public PartitionClaims Claims { get; }

    public PartitionBalancer Balancer { get; }

    /// <inheritdoc/>
    public string Name => Local.Name;

    /// <inheritdoc/>
    public int PartitionCount => Local.PartitionCount;

    /// <summary>The tiers of all silos that serve, one silo after the other.</summary>
    public int TierCount => Local.TierCount * Math.Max(1, silo.View.Serving.Count);

    /// <summary>The cache's one prefetcher, wherever it runs; null where nothing is prefetched.</summary>
    public IPrefetchControl? Prefetching { get; }

    /// <summary>What this silo had to do with others.</summary>
    public ClusterCounts Counts => new(Name, router.Statistics, Claims.Count, Claims.Takeovers, Claims.ArrivedEntries, Claims.LostEntries, Feeds.Accesses?.Reported ?? 0, Feeds.Accesses?.Dropped ?? 0);

    /// <inheritdoc/>
    public LargeValueStore LargeValues => Local.LargeValues;

    /// <summary>The cache as code in this silo uses it.</summary>
    public ILeveeCache Face { get; }

    /// <summary>All that is answered here, and all that other silos answered, waits for the tiers of where it was executed; other silos have waited before they answered.</summary>
    public bool IsCommitted => Local.IsCommitted;

    /// <inheritdoc/>
    public void Submit(in Operation operation, IAnswerSink sink, long ticket)
    {
        var partition = PartitionOf(operation);
        var access = AccessKind.Hit;
        if (!router.IsIdle(partition) || !TrySubmit(operation, sink, ticket, out access))
        {
            router.Submit(partition, operation, Feeds.Watch(operation, sink), ticket);
        }
        else if (access != AccessKind.Hit)
        {
            Feeds.Accesses?.Report(operation.Key, operation.Hash, access);
        }
    }

    /// <summary>Executes an operation on a partition that is here. While the lease of a dead owner is waited out, nothing is known of the entries, so a read is a miss.</summary>
    public bool TrySubmit(in Operation operation, IAnswerSink sink, long ticket) => TrySubmit(operation, sink, ticket, out _);

    /// <inheritdoc/>
    public int SubmitGets(ReadOnlySpan<byte> input, Span<KeyHint> keys, IBatchSink sink, long ticket)
    {
        var submitted = router.IsIdle(PartitionOf(keys[0].Hash)) ? Local.TrySubmitGets(input, keys, sink, ticket) : 0;
        if (submitted == 0)
        {
            Submit(keys[0].ToGet(input), sink, ticket);
            return 1;
        }

        if (Feeds.Accesses is { } accesses)
        {
            foreach (ref readonly var key in keys[..submitted])
            {
                if (key.Access != AccessKind.Hit)
                {
                    accesses.Report(input.Slice(key.Start, key.Length), key.Hash, key.Access);
                }
            }
        }

        return submitted;
    }

    /// <inheritdoc/>
    public int TrySubmitGets(ReadOnlySpan<byte> input, Span<KeyHint> keys, IBatchSink sink, long ticket)
    {
        var submitted = Local.TrySubmitGets(input, keys, sink, ticket);
        return submitted == 0 && TrySubmit(keys[0].ToGet(input), sink, ticket) ? 1 : submitted;
    }

    private bool TrySubmit(in Operation operation, IAnswerSink sink, long ticket, out AccessKind access)
    {
        if (PartitionOf(operation) >= PartitionCount)
        {
            // Tiers are numbered through all silos; which silo it is the router has found out already.
            access = AccessKind.Hit;
            var tiers = Math.Max(1, Local.TierCount);
            return Local.TrySubmit(operation with { Partition = PartitionCount + ((operation.Partition - PartitionCount) % tiers) }, sink, ticket);
        }

        if (Local.TrySubmit(operation, sink, ticket, out access))
        {
            return true;
        }

        if (operation.Kind is not (OperationKind.Get or OperationKind.Peek) || !Claims.IsWaiting(PartitionOf(operation)) || silo.Obstacle is not null)
        {
            return false;
        }

        access = operation.Kind == OperationKind.Get ? AccessKind.Miss : AccessKind.Hit;
        sink.Answer(ticket, new Answer(Outcome.Miss) { Access = access });
        return true;
    }

    /// <inheritdoc/>
    public void Approach(ReadOnlySpan<byte> input, Span<KeyHint> keys) => Local.Approach(input, keys);

    /// <inheritdoc/>
    public ValueTask CommitAsync() => Local.CommitAsync();

    /// <inheritdoc/>
    public void Flush(IAnswerSink sink) => router.Flush();

    /// <inheritdoc/>
    public string? DescribeFailure(int partition) =>
        (partition < PartitionCount ? Claims.ObstacleOf(partition) : null) ?? router.LastFailure(partition);

    /// <summary>Runs the cache's one prefetcher here, until it is ended or this silo stops. The metrics of this silo show it.</summary>
    public async ValueTask<PrefetchRunner> StartPrefetchingAsync(IPrefetcher? learner)
    {
        await EndPrefetchingAsync(Volatile.Read(ref prefetcher));
        var guarded = learner is null ? null : new GuardedPrefetcher(learner, failure => silo.Log.PrefetcherFailed(Name, failure));
        var runner = new PrefetchRunner(this, guarded, new PrefetchRunnerOptions(), time);
        Volatile.Write(ref prefetcher, runner);
        Local.Prefetching = runner;
        return runner;
    }

    /// <summary>Ends a prefetcher that was started here.</summary>
    public async ValueTask EndPrefetchingAsync(PrefetchRunner? runner)
    {
        if (runner is null)
        {
            return;
        }

        if (Interlocked.CompareExchange(ref prefetcher, null, runner) == runner)
        {
            Local.Prefetching = null;
        }

        await runner.DisposeAsync();
    }

    /// <summary>Takes the configuration that is newer than the one in force.</summary>
    public void Configure(CacheConfiguration next)
    {
        lock (router)
        {
            if (next.Version > configuration.Version)
            {
                Local.Configure(next.ApplyTo(started));
                Feeds.HasSubscribers = next.HasSubscribers;
                configuration = next;
            }
        }
    }

    /// <summary>Joins the cache: takes its configuration.</summary>
    /// <exception cref="InvalidOperationException">This silo was started with another number of partitions than the cache has.</exception>
    public async Task JoinAsync()
    {
        var known = await grains.GetGrain<ICacheGrain>(Name).Join(PartitionCount);
        if (known.Partitions != PartitionCount)
        {
            throw new InvalidOperationException($"Cache '{Name}' has {known.Partitions} partitions in this cluster, and this silo was started with {PartitionCount}: all silos need the same number, and it cannot be changed.");
        }

        Configure(known);
    }

    /// <summary>Reads the configuration again and again until it is cancelled, as nobody may have been able to tell this silo of a change.</summary>
    public async Task FollowConfigurationAsync(CancellationToken cancellation)
    {
        while (!cancellation.IsCancellationRequested)
        {
            await Task.Delay(ConfigurationPeriod, cancellation).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            try
            {
                // A silo that stops has nobody left to ask.
                if (silo.View.Serving.ContainsValue(silo.Address))
                {
                    Configure(await grains.GetGrain<ICacheGrain>(Name).Read().AsTask().WaitAsync(cancellation));
                }
            }
            catch (Exception failure) when (!cancellation.IsCancellationRequested)
            {
                silo.Log.ConfigurationFailed(Name, "read", failure);
            }
        }
    }

    /// <summary>Reports to the cache's one decider what this silo's miniatures saw, and takes its verdict, until it is cancelled. Where it does not answer the policy stays.</summary>
    public async Task LearnPolicyAsync(CancellationToken cancellation)
    {
        while (!cancellation.IsCancellationRequested)
        {
            await Task.Delay(PolicyPeriod, cancellation).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            if (Local.Options.Policy != CacheOptions.AutoPolicy || !silo.View.Serving.ContainsValue(silo.Address))
            {
                continue;
            }

            try
            {
                var seen = PolicySeen.Of(Local.TakePolicyReport(), Local.PolicyInForce);
                var answer = await grains.GetGrain<ICacheGrain>(Name).Learn(seen).AsTask().WaitAsync(cancellation);
                Local.SetPolicy(answer.ToVerdict());
            }
            catch (Exception failure) when (!cancellation.IsCancellationRequested)
            {
                silo.Log.FeedDropped(Name, "what the policy learnt", failure);
            }
            catch (OperationCanceledException)
            {
                return;
            }
        }
    }

    /// <summary>Writes what memory holds down to the tiers, so that a restart on the same data is warm.</summary>
    public async Task<TakeDownReport> TakeDownAsync(IProgress<TakeDownReport>? progress, CancellationToken cancellation)
    {
        await EndPrefetchingAsync(Volatile.Read(ref prefetcher));
        await router.DisposeAsync();
        return await Local.TakeDownAsync(progress, cancellation);
    }

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        await EndPrefetchingAsync(Volatile.Read(ref prefetcher));
        await router.DisposeAsync();
        await Gateway.DisposeAsync();
        await Server.DisposeAsync();
        await Local.DisposeAsync();
    }

    /// <summary>Who is patient with calls is patient with what is under way in a partition that moves.</summary>
    private static MoveOptions MovesOf(LeveeSiloOptions options)
    {
        var moves = new MoveOptions();
        return options.CallTimeout * 2 > moves.FreezeWait ? moves with { FreezeWait = options.CallTimeout * 2 } : moves;
    }

    private int PartitionOf(in Operation operation) => operation.Kind switch
    {
        OperationKind.Scan or OperationKind.RemoveByTag or OperationKind.Clear or OperationKind.Statistics => operation.Partition,
        _ => PartitionOf(operation.Hash),
    };

    private int PartitionOf(ulong hash) => PartitionCount == 1 ? 0 : (int)(hash >> shift);
}
