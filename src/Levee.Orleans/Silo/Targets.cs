using Levee.Clustering;
using Levee.Orleans.Grains;
using Orleans.Concurrency;

namespace Levee.Orleans.Silo;

/// <summary>A silo's port as the target of batches.</summary>
internal sealed class PortTarget(ISiloPort port, string cache, SiloAddress silo) : IBatchTarget
{
    public SiloAddress Silo => silo;

    public string Name { get; } = $"silo {silo}";

    public ValueTask<byte[]> ExecuteAsync(byte[] request) => Delivery.Of(port.Execute(cache, new Immutable<byte[]>(request)));

    public ValueTask<byte[]> CollectAsync(long batch) => Delivery.Of(port.Collect(cache, batch));

    public ValueTask<byte[]> ReadLargeAsync(long number, int offset) => Delivery.Of(port.ReadLarge(cache, number, offset));

    public ValueTask WriteLargeAsync(long number, int length, int offset, byte[] piece) => Delivery.Of(port.WriteLarge(cache, number, length, offset, new Immutable<byte[]>(piece)));
}

/// <summary>A partition's grain as the target of batches: the sure way. What an answer leaves behind is at the port of the silo that gave it.</summary>
internal sealed class PartitionTarget(ICachePartitionGrain grain, string cache, int partition) : IBatchTarget
{
    public string Name { get; } = $"the grain of partition {PartitionKey.Of(cache, partition)}";

    public ValueTask<byte[]> ExecuteAsync(byte[] request) => Delivery.Of(grain.Execute(new Immutable<byte[]>(request)));

    public ValueTask<byte[]> CollectAsync(long batch) => throw new NotSupportedException("What is pending is collected at the silo that answered.");

    public ValueTask<byte[]> ReadLargeAsync(long number, int offset) => throw new NotSupportedException("Large values are read at the silo that answered.");

    public ValueTask WriteLargeAsync(long number, int length, int offset, byte[] piece) => Delivery.Of(grain.WriteLarge(number, length, offset, new Immutable<byte[]>(piece)));
}

/// <summary>A shard of a lower tier as the target of batches.</summary>
internal sealed class ShardTarget(ITierShardGrain grain, string silo) : IBatchTarget
{
    public string Name { get; } = $"the tiers of silo {silo}";

    public ValueTask<byte[]> ExecuteAsync(byte[] request) => Delivery.Of(grain.Execute(new Immutable<byte[]>(request)));

    public ValueTask<byte[]> CollectAsync(long batch) => Delivery.Of(grain.Collect(batch));

    public ValueTask<byte[]> ReadLargeAsync(long number, int offset) => Delivery.Of(grain.ReadLarge(number, offset));

    public ValueTask WriteLargeAsync(long number, int length, int offset, byte[] piece) => throw new NotSupportedException("Nothing is written to a shard from outside.");
}

/// <summary>Tells calls that certainly did not run from those that may have.</summary>
internal static class Delivery
{
    public static ValueTask<byte[]> Of(ValueTask<Immutable<byte[]>> call) => call.IsCompletedSuccessfully ? new(call.Result.Value) : AwaitAsync(call);

    public static async ValueTask Of(ValueTask call)
    {
        try
        {
            await call.ConfigureAwait(false);
        }
        catch (OrleansMessageRejectionException refused)
        {
            throw new BatchNotDeliveredException(refused.Message, refused);
        }
    }

    private static async ValueTask<byte[]> AwaitAsync(ValueTask<Immutable<byte[]>> call)
    {
        try
        {
            return (await call.ConfigureAwait(false)).Value;
        }
        catch (OrleansMessageRejectionException refused)
        {
            throw new BatchNotDeliveredException(refused.Message, refused);
        }
    }
}
