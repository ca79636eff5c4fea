using Orleans.Concurrency;
using Orleans.Services;

namespace Levee.Orleans.Grains;

/// <summary>
/// A silo's side of all that silos say to each other: one grain service a silo, reached by the silo's address, whose calls interleave. Payloads are packed by <see cref="Levee.Clustering"/>, which
/// gives them versions, and are never changed after they were handed over.
/// </summary>
[Alias("levee.port")]
public interface ISiloPort : IGrainService
{
    /// <summary>Runs a batch of operations on the partitions that are here; says of the others that they are not.</summary>
    [Alias("execute")]
    [ResponseTimeout("00:00:10")]
    ValueTask<Immutable<byte[]>> Execute(string cache, Immutable<byte[]> request);

    /// <summary>What was pending of a batch and is answered by now; completes when at least one operation is.</summary>
    [Alias("collect")]
    ValueTask<Immutable<byte[]>> Collect(string cache, long batch);

    /// <summary>A piece of a large value that an answer named.</summary>
    [Alias("read-large")]
    [ResponseTimeout("00:00:10")]
    ValueTask<Immutable<byte[]>> ReadLarge(string cache, long number, int offset);

    /// <summary>A piece of a large value that a later operation names.</summary>
    [Alias("write-large")]
    [ResponseTimeout("00:00:10")]
    ValueTask WriteLarge(string cache, long number, int length, int offset, Immutable<byte[]> piece);

    /// <summary>Stops a partition for the owner of a higher epoch.</summary>
    /// <returns>What it was when it stopped. No claim of a lower epoch opens it here any more.</returns>
    [Alias("freeze")]
    [ResponseTimeout("00:00:10")]
    ValueTask<StoppedPartition> Freeze(string cache, int partition, long epoch);

    /// <summary>A piece of a frozen partition, the hottest first.</summary>
    [Alias("read-chunk")]
    [ResponseTimeout("00:00:10")]
    ValueTask<Immutable<byte[]>> ReadChunk(string cache, int partition, long epoch, long position);

    /// <summary>One entry of a frozen partition; a large value from an offset on.</summary>
    [Alias("read-key")]
    [ResponseTimeout("00:00:10")]
    ValueTask<Immutable<byte[]>> ReadKey(string cache, int partition, long epoch, Immutable<byte[]> key, int offset);

    /// <summary>Says that a frozen partition has arrived where it was to go.</summary>
    [Alias("drop")]
    [ResponseTimeout("00:00:10")]
    ValueTask Drop(string cache, int partition, long epoch);

    /// <summary>Says that a silo is about to stop: nothing is to be placed there any more.</summary>
    [Alias("draining")]
    [ResponseTimeout("00:00:05")]
    ValueTask Draining(SiloAddress silo);

    /// <summary>Says that a cache has another configuration.</summary>
    [Alias("configure")]
    [ResponseTimeout("00:00:05")]
    ValueTask Configure(string cache, CacheConfiguration configuration);
}

/// <summary>A partition that a silo does not serve any more.</summary>
/// <param name="Header">The header of what it has frozen; null where it has nothing of it.</param>
/// <param name="ReachedMs">The highest clock, in Unix milliseconds, that it can have given out in a version.</param>
[GenerateSerializer, Immutable, Alias("levee.stopped-partition")]
public sealed record StoppedPartition([property: Id(0)] byte[]? Header, [property: Id(1)] long ReachedMs);
