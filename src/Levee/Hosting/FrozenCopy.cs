using Levee.Keys;
using Levee.Memory;
using Levee.Partitions;

namespace Levee.Hosting;

/// <summary>A partition that serves nobody any more but the host that takes it over. Owned by its slot's gate.</summary>
internal sealed class FrozenCopy(Partition partition, long epoch, byte[] header, bool isCurrent)
{
    private byte[]? keptKey;
    private LargeValue? kept;

    /// <summary>The partition.</summary>
    public Partition Partition { get; } = partition;

    /// <summary>The epoch of the owner for whom it was frozen.</summary>
    public long Epoch { get; } = epoch;

    /// <summary>Whether it served under a valid lease until it was frozen.</summary>
    public bool IsCurrent { get; } = isCurrent;

    /// <summary>Its header.</summary>
    public byte[] Header { get; } = header;

    /// <summary>Reads it out.</summary>
    public PartitionExport Export { get; } = new(partition);

    /// <summary>When it was read last, in monotonic milliseconds.</summary>
    public long ReadAtMs { get; set; }

    /// <summary>The rest of a large value that a tier has given for a key, so that it need not be asked for each piece.</summary>
    public byte[]? ReadKept(ReadOnlySpan<byte> key, int offset) =>
        offset > 0 && kept is not null && key.SequenceEqual(keptKey) ? MoveKey.Write(0, new TierEntry { Large = kept }, offset) : null;

    /// <summary>Keeps a large value, whose reference it takes over.</summary>
    public void Keep(ReadOnlySpan<byte> key, LargeValue large)
    {
        kept?.Release();
        kept = large;
        keptKey = key.ToArray();
    }

    /// <summary>Lets go of what is kept.</summary>
    public void Forget()
    {
        kept?.Release();
        kept = null;
    }
}

/// <summary>A load from this host's tiers for a key of a frozen copy.</summary>
internal sealed class FrozenLoad(LockHost host, Slot slot, FrozenCopy frozen, byte[] key, int offset) : IEffectHost
{
    private readonly TaskCompletionSource<byte[]> answer = new(TaskCreationOptions.RunContinuationsAsynchronously);

    /// <summary>What is to be said about the key.</summary>
    public Task<byte[]> Answer => answer.Task;

    /// <inheritdoc/>
    public LargeValueStore LargeValues => host.LargeValues;

    /// <summary>Begins it.</summary>
    public void Run(ITierChain tiers, int partition) => tiers.Run(this, partition, new Effect(EffectKind.Load, 1, key, KeyHash.Of(key)));

    /// <inheritdoc/>
    public bool Complete(int partition, long ticket, scoped in LoadResult result)
    {
        if (result.Outcome != LoadOutcome.Found)
        {
            answer.TrySetResult(MoveKey.Write(result.Outcome));
            return false;
        }

        byte[] message;
        var isKept = false;
        lock (slot.Gate)
        {
            if (slot.Frozen != frozen || !frozen.Partition.IsTrue(result.Entry, host.Clock.Now))
            {
                message = MoveKey.Write(LoadOutcome.NotFound);
            }
            else
            {
                message = MoveKey.Write(0, result.Entry, offset);
                if (result.Entry.Large is { } large)
                {
                    frozen.Keep(key, large);
                    isKept = true;
                }
            }
        }

        answer.TrySetResult(message);
        return isKept;
    }

    /// <inheritdoc/>
    public int PartitionOf(ulong hash) => host.PartitionOf(hash);

    /// <inheritdoc/>
    public bool HoldIfTrue<TState>(scoped in TierEntry entry, TState state, Func<TState, bool> action) => host.HoldIfTrue(entry, state, action);

    /// <inheritdoc/>
    public TResult Hold<TState, TResult>(int partition, TState state, Func<Partition, TState, TResult> action) => host.Hold(partition, state, action);
}
