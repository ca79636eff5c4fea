using Orleans.Concurrency;

namespace Levee.Orleans.Grains;

/// <summary>
/// Where clients outside the cluster come in: a worker on the silo that the client is connected to, which runs what is there and sends on what is not. Its key is the cache's name.
/// </summary>
[Alias("levee.gateway")]
public interface IGatewayGrain : IGrainWithStringKey
{
    /// <summary>How many partitions the cache has, and the longest value, in bytes.</summary>
    [Alias("describe")]
    ValueTask<CacheDescription> Describe();

    /// <summary>Runs a batch of operations on any partitions. What lies elsewhere is waited for briefly; what is pending then is collected.</summary>
    [Alias("execute")]
    [ResponseTimeout("00:00:10")]
    ValueTask<Immutable<byte[]>> Execute(Immutable<byte[]> request);

    /// <summary>What was pending of a batch.</summary>
    [Alias("collect")]
    ValueTask<Immutable<byte[]>> Collect(long batch);

    /// <summary>A piece of a large value that an answer named.</summary>
    [Alias("read-large")]
    [ResponseTimeout("00:00:10")]
    ValueTask<Immutable<byte[]>> ReadLarge(long number, int offset);

    /// <summary>A piece of a large value that a later operation names.</summary>
    [Alias("write-large")]
    [ResponseTimeout("00:00:10")]
    ValueTask WriteLarge(long number, int length, int offset, Immutable<byte[]> piece);
}

/// <summary>What a client must know of a cache.</summary>
/// <param name="Partitions">How many partitions it has.</param>
/// <param name="MaxValueBytes">The longest value, in bytes.</param>
/// <param name="TierCount">How many lower tiers there are on all silos together.</param>
/// <param name="HasPrefetcher">Whether hints are taken.</param>
[GenerateSerializer, Immutable, Alias("levee.cache-description")]
public sealed record CacheDescription([property: Id(0)] int Partitions, [property: Id(1)] int MaxValueBytes, [property: Id(2)] int TierCount, [property: Id(3)] bool HasPrefetcher);
