using System.Numerics;
using Levee.Clustering;
using Levee.Memory;
using Levee.Operations;
using Levee.Orleans.Grains;
using Levee.Orleans.Silo;

namespace Levee.Orleans.Client;

/// <summary>A cluster's cache as a client outside sees it: everything goes in batches through the cluster's gateways.</summary>
internal sealed class ClientHost : ICacheHost, IBatchRoutes, IAsyncDisposable
{
    private readonly GatewayTarget[] gateways;
    private readonly PageArena arena;
    private readonly BatchRouter router;
    private readonly int shift;

    private ClientHost(string name, CacheDescription description, IGrainFactory grains, LeveeClientOptions options, TimeProvider time)
    {
        Name = name;
        PartitionCount = description.Partitions;
        TierCount = description.TierCount;
        shift = 64 - BitOperations.Log2((uint)PartitionCount);
        Prefetching = description.HasPrefetcher ? new RemotePrefetching(grains.GetGrain<IPrefetchGrain>(name), options.CallTimeout) : null;
        arena = new PageArena(options.StagingBytes);
        LargeValues = new LargeValueStore(arena, description.MaxValueBytes);
        gateways = [.. Enumerable.Range(0, options.Gateways).Select(number => new GatewayTarget(grains.GetGrain<IGatewayGrain>(GatewayKey.Of(name, number)), name))];
        router = new BatchRouter(PartitionCount, this, LargeValues, new BatchRouterOptions { CallTimeout = options.CallTimeout, NotHereTimeout = options.CallTimeout * 2 }, time);
    }

    /// <summary>Asks the cluster what the cache is like.</summary>
    public static async Task<ClientHost> ConnectAsync(string name, IGrainFactory grains, LeveeClientOptions options, TimeProvider time) =>
        new(name, await grains.GetGrain<IGatewayGrain>(GatewayKey.Of(name, 0)).Describe(), grains, options, time);

    /// <inheritdoc/>
    public string Name { get; }

    /// <inheritdoc/>
    public int PartitionCount { get; }

    /// <inheritdoc/>
    public int TierCount { get; }

    /// <inheritdoc/>
    public LargeValueStore LargeValues { get; }

    /// <inheritdoc/>
    public IPrefetchControl? Prefetching { get; }

    /// <inheritdoc/>
    public void Submit(in Operation operation, IAnswerSink sink, long ticket) => router.Submit(PartitionOf(operation), operation, sink, ticket);

    /// <inheritdoc/>
    public void Flush(IAnswerSink sink) => router.Flush();

    /// <inheritdoc/>
    public string? DescribeFailure(int partition) => router.LastFailure(partition);

    /// <inheritdoc/>
    public IBatchTarget TargetOf(int partition) => gateways[partition % gateways.Length];

    /// <inheritdoc/>
    public IBatchTarget FallbackOf(int partition) => TargetOf(partition);

    /// <summary>Gateways know better.</summary>
    public void Moved(int partition, string owner)
    {
    }

    /// <summary>A gateway's key leads to the same silo as long as the connection lasts.</summary>
    public IBatchTarget KeeperOf(IBatchTarget asked, string owner) => asked;

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        await router.DisposeAsync();
        arena.Dispose();
    }

    private int PartitionOf(in Operation operation) => operation.Kind switch
    {
        OperationKind.Scan or OperationKind.RemoveByTag or OperationKind.Clear or OperationKind.Statistics => operation.Partition,
        _ => PartitionCount == 1 ? 0 : (int)(operation.Hash >> shift),
    };
}
