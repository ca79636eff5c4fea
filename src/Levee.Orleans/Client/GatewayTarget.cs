using Levee.Clustering;
using Levee.Orleans.Grains;
using Levee.Orleans.Silo;
using Orleans.Concurrency;

namespace Levee.Orleans.Client;

/// <summary>A gateway of the cluster as the target of batches.</summary>
internal sealed class GatewayTarget(IGatewayGrain grain, string cache) : IBatchTarget
{
    public string Name { get; } = $"the cluster's gateway to cache '{cache}'";

    public ValueTask<byte[]> ExecuteAsync(byte[] request) => Delivery.Of(grain.Execute(new Immutable<byte[]>(request)));

    public ValueTask<byte[]> CollectAsync(long batch) => Delivery.Of(grain.Collect(batch));

    public ValueTask<byte[]> ReadLargeAsync(long number, int offset) => Delivery.Of(grain.ReadLarge(number, offset));

    public ValueTask WriteLargeAsync(long number, int length, int offset, byte[] piece) => Delivery.Of(grain.WriteLarge(number, length, offset, new Immutable<byte[]>(piece)));
}
