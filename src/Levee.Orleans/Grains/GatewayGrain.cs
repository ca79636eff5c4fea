using Levee.Orleans.Silo;
using Orleans.Concurrency;

namespace Levee.Orleans.Grains;

/// <summary>The shell around a silo's cache for clients outside.</summary>
[StatelessWorker, Reentrant]
internal sealed class GatewayGrain(LeveeSilo silo) : Grain, IGatewayGrain
{
    /// <summary>How long a batch waits for what lies elsewhere before it is answered without that.</summary>
    private static readonly TimeSpan Linger = TimeSpan.FromMilliseconds(5);

    private SiloCache cache = null!;

    public override Task OnActivateAsync(CancellationToken cancellationToken)
    {
        cache = silo.CacheNamed(GatewayKey.CacheOf(this.GetPrimaryKeyString()));
        return Task.CompletedTask;
    }

    public ValueTask<CacheDescription> Describe() => new(new CacheDescription(cache.PartitionCount, cache.LargeValues.MaxValueBytes, cache.TierCount, cache.Prefetching is not null));

    public ValueTask<Immutable<byte[]>> Execute(Immutable<byte[]> request) => PackedReply.Of(cache.Gateway.ExecuteAsync(request.Value, Linger));

    public ValueTask<Immutable<byte[]>> Collect(long batch) => PackedReply.Of(cache.Gateway.CollectAsync(batch));

    public ValueTask<Immutable<byte[]>> ReadLarge(long number, int offset) => new(new Immutable<byte[]>(cache.Gateway.ReadLarge(number, offset)));

    public ValueTask WriteLarge(long number, int length, int offset, Immutable<byte[]> piece)
    {
        cache.Gateway.WriteLarge(number, length, offset, piece.Value);
        return ValueTask.CompletedTask;
    }
}

/// <summary>The keys of gateway grains: a cache's name, '#', a number. A client sends all calls on one key through one gateway, so several keys use several gateways.</summary>
internal static class GatewayKey
{
    public static string Of(string cache, int number) => $"{cache}#{number}";

    public static string CacheOf(string key) => key[..key.LastIndexOf('#')];
}
