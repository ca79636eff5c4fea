using Levee.Learning;
using Levee.Operations;
using Levee.Partitions;

namespace Levee.Hosting;

/// <summary>What a prefetcher is told, and what it sets.</summary>
public sealed partial class LockHost
{
    private readonly Lock prefetching = new();
    private IAccessSink? accesses;
    private bool notesPollution;
    private long maxPrefetched = long.MaxValue;

    /// <summary>The cache's prefetcher as front doors see it; set by whoever starts it, before front doors open.</summary>
    public IPrefetchControl? Prefetching { get; set; }

    /// <inheritdoc/>
    public IAccessSink? Accesses
    {
        get => Volatile.Read(ref accesses);
        set => Volatile.Write(ref accesses, value);
    }

    /// <inheritdoc/>
    public bool NotesPollution
    {
        get => Volatile.Read(ref notesPollution);
        set
        {
            lock (prefetching)
            {
                Volatile.Write(ref notesPollution, value);
                TellPartitions();
            }
        }
    }

    /// <inheritdoc/>
    public long MaxPrefetched
    {
        get => Volatile.Read(ref maxPrefetched);
        set
        {
            ArgumentOutOfRangeException.ThrowIfNegative(value);
            lock (prefetching)
            {
                Volatile.Write(ref maxPrefetched, value);
                TellPartitions();
            }
        }
    }

    /// <summary>Whether the entry of a key lies in memory. It does not wait for a partition that is busy: then it says no, as where only the hash is known.</summary>
    public bool IsResident(ReadOnlySpan<byte> key, ulong hash)
    {
        if (key.IsEmpty)
        {
            return false;
        }

        var slot = slots[PartitionOf(hash)];
        if (!slot.Gate.TryEnter())
        {
            return false;
        }

        try
        {
            return slot.Serving is { } partition && partition.IsResident(key, hash, Clock.Now);
        }
        finally
        {
            slot.Gate.Exit();
        }
    }

    private void TellPartitions()
    {
        foreach (var slot in slots)
        {
            lock (slot.Gate)
            {
                if (slot.Partition is { } partition)
                {
                    Tell(partition);
                }
            }
        }
    }

    private void Tell(Partition partition) =>
        partition.SetPrefetching(NotesPollution, (int)Math.Clamp(MaxPrefetched / slots.Length, 1, int.MaxValue));
}
