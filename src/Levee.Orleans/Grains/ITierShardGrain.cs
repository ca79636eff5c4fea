using Levee.Orleans.Placement;
using Levee.Orleans.Silo;
using Orleans.Concurrency;
using Orleans.Placement;

namespace Levee.Orleans.Grains;

/// <summary>
/// The L3 grain: the address of one shard of a cache's lower tiers, which is what one silo has of them, beside the partitions that it serves. Scans and statistics go by it; what partitions say to their tiers they
/// say in memory. Its key: see <see cref="TierShardKey"/>.
/// </summary>
[Alias("levee.shard")]
public interface ITierShardGrain : IGrainWithStringKey
{
    /// <summary>Runs a batch of scans or statistics on the shard's tiers.</summary>
    [Alias("execute")]
    ValueTask<Immutable<byte[]>> Execute(Immutable<byte[]> request);

    /// <summary>What was pending of a batch.</summary>
    [Alias("collect")]
    ValueTask<Immutable<byte[]>> Collect(long batch);

    /// <summary>A piece of a large value that a scan named.</summary>
    [Alias("read-large")]
    ValueTask<Immutable<byte[]>> ReadLarge(long number, int offset);
}

/// <summary>The keys of tier shard grains.</summary>
public static class TierShardKey
{
    /// <summary>The key of the shard of a cache on a silo.</summary>
    public static string Of(string cache, SiloAddress silo)
    {
        ArgumentNullException.ThrowIfNull(silo);
        return $"{cache}/{silo.ToParsableString()}";
    }

    /// <summary>Reads a key.</summary>
    /// <exception cref="FormatException">It is none.</exception>
    public static (string Cache, SiloAddress Silo) Parse(string key)
    {
        ArgumentNullException.ThrowIfNull(key);
        var slash = key.IndexOf('/', StringComparison.Ordinal);
        return slash > 0 ? (key[..slash], SiloAddress.FromParsableString(key[(slash + 1)..])) : throw new FormatException($"'{key}' is no shard; allowed: a cache's name, '/', a silo's address.");
    }
}

/// <summary>The shell around a silo's tiers.</summary>
[Reentrant, Immovable, ShardPlacement]
internal sealed class TierShardGrain(LeveeSilo silo) : Grain, ITierShardGrain
{
    private SiloCache cache = null!;

    public override Task OnActivateAsync(CancellationToken cancellationToken)
    {
        var (name, owner) = TierShardKey.Parse(this.GetPrimaryKeyString());
        cache = silo.CacheNamed(name);
        return owner.Equals(silo.Address) ? Task.CompletedTask : throw new InvalidOperationException($"The shard {this.GetPrimaryKeyString()} went with its silo; this is {silo.Address}.");
    }

    public ValueTask<Immutable<byte[]>> Execute(Immutable<byte[]> request) => PackedReply.Of(cache.Server.ExecuteAsync(request.Value, TimeSpan.Zero));

    public ValueTask<Immutable<byte[]>> Collect(long batch) => PackedReply.Of(cache.Server.CollectAsync(batch));

    public ValueTask<Immutable<byte[]>> ReadLarge(long number, int offset) => new(new Immutable<byte[]>(cache.Server.ReadLarge(number, offset)));
}
