using Levee.Partitions;

namespace Levee.Hosting;

/// <summary>A partition's place in a host. All is owned by <see cref="Gate"/>; what only looks ahead reads <see cref="Partition"/> without.</summary>
internal sealed class Slot
{
    public readonly Lock Gate = new();

    /// <summary>The partition, where it answers operations.</summary>
    public Partition? Serving;

    /// <summary>The partition, where it serves or waits to be frozen.</summary>
    public Partition? Partition;

    /// <summary>The epoch of the owner for whom it was opened last; 0: it never was.</summary>
    public long Epoch;

    /// <summary>
    /// The latest epoch that is known here, whoever claimed it. The partition is opened for no earlier one, and an earlier owner is
    /// refused.
    /// </summary>
    public long KnownEpoch;

    /// <summary>How its contents come, or came.</summary>
    public Arrival? Arrival;

    /// <summary>A copy for another host to read.</summary>
    public FrozenCopy? Frozen;

    /// <summary>The highest version of the last partition that left: this silo's tiers hold nothing younger of it.</summary>
    public ulong LeftVersion;

    /// <summary>The freeze under way, and for which epoch.</summary>
    public (long Epoch, Task<FreezeAnswer> Task)? Freezing;

    /// <summary>What the tiers said while no partition was here, for one that is opened again.</summary>
    public List<Action<Partition>>? Told;

    /// <summary>Is completed when the last load has ended; null where nobody waits for it.</summary>
    public TaskCompletionSource? Quiet;

    /// <summary>What a freeze request sees.</summary>
    public SlotView View => new(
        Serving is not null ? SlotPhase.Serving
            : Freezing is not null ? SlotPhase.Freezing
            : Partition is not null ? SlotPhase.Stopped
            : Frozen is not null ? SlotPhase.Frozen
            : SlotPhase.Empty,
        Epoch,
        Serving is null ? Freezing?.Epoch ?? Frozen?.Epoch ?? 0 : 0,
        KnownEpoch);

    /// <summary>Ends the wait where there is nothing left to wait for.</summary>
    public void NoteLoads()
    {
        if (Quiet is not null && Partition is not { LoadCount: > 0 })
        {
            Quiet.TrySetResult();
        }
    }
}
