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

    /// <summary>The epoch of the owner for whom it was opened.</summary>
    public long Epoch;

    /// <summary>How its contents come, or came.</summary>
    public Arrival? Arrival;

    /// <summary>A copy for another host to read.</summary>
    public FrozenCopy? Frozen;

    /// <summary>The highest version of the last partition that left: this silo's tiers hold nothing younger of it.</summary>
    public ulong LeftVersion;

    /// <summary>The freeze under way, and for which epoch.</summary>
    public (long Epoch, Task<byte[]?> Task)? Freezing;

    /// <summary>What the tiers said while no partition was here, for one that is opened again.</summary>
    public List<Action<Partition>>? Told;

    /// <summary>Is completed when the last load has ended; null where nobody waits for it.</summary>
    public TaskCompletionSource? Quiet;

    /// <summary>Ends the wait where there is nothing left to wait for.</summary>
    public void NoteLoads()
    {
        if (Quiet is not null && Partition is not { LoadCount: > 0 })
        {
            Quiet.TrySetResult();
        }
    }
}
