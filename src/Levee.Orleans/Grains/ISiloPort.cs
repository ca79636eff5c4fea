using Levee.Hosting;
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
    /// <returns>What it was when it stopped, or that it cannot be said yet. No claim of a lower epoch opens it here any more.</returns>
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

/// <summary>What a silo can say of a partition that another silo has claimed: <see cref="FreezeAnswer"/> as it travels.</summary>
[GenerateSerializer, Immutable, Alias("levee.stopped-partition")]
public sealed record StoppedPartition
{
    /// <summary>The header of what it has frozen; null where it has nothing of it.</summary>
    [Id(0)]
    public byte[]? Header { get; init; }

    /// <summary>The highest clock, in Unix milliseconds, that it can have given out in a version.</summary>
    [Id(1)]
    public long ReachedMs { get; init; }

    /// <summary>Which answer it is. What this version does not know decides nothing.</summary>
    [Id(2)]
    public FreezeOutcome Outcome { get; init; }

    /// <summary>See <see cref="FreezeAnswer.OpenedEpoch"/>.</summary>
    [Id(3)]
    public long OpenedEpoch { get; init; }

    /// <summary>See <see cref="FreezeAnswer.KnownEpoch"/>.</summary>
    [Id(4)]
    public long KnownEpoch { get; init; }

    /// <summary>See <see cref="FreezeAnswer.CopyEpoch"/>.</summary>
    [Id(5)]
    public long CopyEpoch { get; init; }

    /// <summary>See <see cref="FreezeAnswer.IsCurrent"/>.</summary>
    [Id(6)]
    public bool IsCurrent { get; init; }

    /// <summary>See <see cref="FreezeAnswer.Reason"/>.</summary>
    [Id(7)]
    public string Reason { get; init; } = "";

    internal static StoppedPartition Of(FreezeAnswer answer, long reachedMs) => new()
    {
        Header = answer.Header,
        ReachedMs = reachedMs,
        Outcome = answer.Outcome,
        OpenedEpoch = answer.OpenedEpoch,
        KnownEpoch = answer.KnownEpoch,
        CopyEpoch = answer.CopyEpoch,
        IsCurrent = answer.IsCurrent,
        Reason = answer.Reason,
    };

    internal FreezeAnswer ToAnswer() => new()
    {
        Outcome = Enum.IsDefined(Outcome) ? Outcome : FreezeOutcome.CannotSay,
        OpenedEpoch = OpenedEpoch,
        KnownEpoch = KnownEpoch,
        Header = Header,
        CopyEpoch = CopyEpoch,
        IsCurrent = IsCurrent,
        Reason = Reason,
    };
}
