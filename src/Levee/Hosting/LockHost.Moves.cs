using System.Diagnostics;
using Levee.Keys;
using Levee.Memory;
using Levee.Operations;
using Levee.Partitions;

namespace Levee.Hosting;

/// <summary>
/// Partitions that come and go. An owner opens one for its epoch: empty, as it was left, or from a header and a source, which it then serves while the contents are pulled. The next owner has it
/// frozen: no operation is executed from then on, and the copy answers chunks and keys until it is dropped. All calls name the epoch, and one of an older owner does nothing.
/// </summary>
public sealed partial class LockHost
{
    /// <summary>Tickets of one partition's loads are below the next one's.</summary>
    private const int TicketBits = 40;

    private readonly SemaphoreSlim pulls;
    private readonly Lock opening = new();
    private long incarnations;

    /// <summary>How partitions are moved.</summary>
    public MoveOptions Moves { get; }

    /// <summary>The partitions that are here, frozen copies included.</summary>
    public IReadOnlyList<OpenPartition> Partitions
    {
        get
        {
            var all = new List<OpenPartition>();
            for (var i = 0; i < slots.Length; i++)
            {
                var slot = slots[i];
                lock (slot.Gate)
                {
                    if (slot.Partition is { } here)
                    {
                        var state = slot.Serving is null ? PartitionState.Freezing : here.IsArriving ? PartitionState.Arriving : PartitionState.Open;
                        all.Add(new OpenPartition(i, slot.Epoch, state, here.EntryCount, here.HeldBytes));
                    }

                    if (slot.Frozen is { } frozen)
                    {
                        all.Add(new OpenPartition(i, frozen.Epoch, PartitionState.Frozen, frozen.Partition.EntryCount, frozen.Partition.HeldBytes));
                    }
                }
            }

            return all;
        }
    }

    /// <summary>The highest clock, in Unix milliseconds, that a partition which is or was here has given out in a version.</summary>
    public long ReachedMs
    {
        get
        {
            var reached = 0L;
            foreach (var slot in slots)
            {
                lock (slot.Gate)
                {
                    reached = Math.Max(reached, Math.Max(slot.Partition?.LastVersionMs ?? 0, (long)(slot.LeftVersion >> 16)));
                }
            }

            return reached;
        }
    }

    /// <summary>The highest clock, in Unix milliseconds, that a frozen partition has given out in a version.</summary>
    /// <exception cref="FormatException">The header is none, or damaged.</exception>
    public static long ReachedMsOf(byte[] header)
    {
        ArgumentNullException.ThrowIfNull(header);
        return (long)(PartitionHeader.Read(header).LastVersion >> 16);
    }

    /// <summary>How partitions arrived here, or still do; the last arrival of each.</summary>
    public IReadOnlyList<ArrivalReport> Arrivals => [.. slots.Select(static slot => Volatile.Read(ref slot.Arrival)).OfType<Arrival>().Select(static arrival => arrival.Report)];

    internal TimeProvider Time => time;

    /// <summary>Whether a partition is here and has not been frozen, whatever the lease.</summary>
    public bool IsHere(int partition) => Volatile.Read(ref slots[partition].Serving) is not null;

    /// <summary>Whether a partition is here and serves.</summary>
    public bool IsOpen(int partition) => Volatile.Read(ref slots[partition].Serving) is not null && !IsLeaseOver;

    /// <summary>Opens a partition empty. What this silo's tiers hold of it is void.</summary>
    /// <param name="partition">Its number.</param>
    /// <param name="epoch">The owner's epoch, above that of any owner before.</param>
    /// <param name="floorMs">The highest clock, in Unix milliseconds, that an earlier owner can have given out in a version; 0: there was none.</param>
    /// <exception cref="InvalidOperationException">It is here already.</exception>
    /// <exception cref="IOException">The tiers could not note the clock; nothing changed.</exception>
    public void Open(int partition, long epoch, long floorMs) => Open(partition, epoch, floorMs, isCleared: true, null, null);

    /// <summary>Opens a partition empty, with what this silo's tiers hold of it still its own: this silo was its last owner and stopped cleanly. Where it is here still, it goes on for the new epoch.</summary>
    /// <param name="partition">Its number.</param>
    /// <param name="epoch">The owner's epoch, above that of any owner before.</param>
    /// <exception cref="InvalidOperationException">It is here for a later epoch, or is being frozen.</exception>
    /// <exception cref="IOException">The tiers could not note the clock; nothing changed.</exception>
    public void Reopen(int partition, long epoch)
    {
        var slot = slots[partition];
        lock (slot.Gate)
        {
            if (slot.Serving is not null && slot.Epoch <= epoch)
            {
                slot.Epoch = epoch;
                return;
            }
        }

        Open(partition, epoch, 0, isCleared: false, null, null);
    }

    /// <summary>
    /// Opens a partition with the contents that a frozen copy has. It serves when this returns: what has not come yet is asked for key by key while the rest is pulled, the hottest first, as
    /// there is memory for it. <see cref="Arrived"/> completes when that is over.
    /// </summary>
    /// <param name="partition">Its number.</param>
    /// <param name="epoch">The owner's epoch, for which the copy was frozen.</param>
    /// <param name="header">What <see cref="FreezeAsync"/> of the other host returned.</param>
    /// <param name="source">The frozen copy.</param>
    /// <exception cref="FormatException">The header is none, or damaged.</exception>
    /// <exception cref="InvalidOperationException">It is here already.</exception>
    /// <exception cref="IOException">The tiers could not note the clock; nothing changed.</exception>
    public void Open(int partition, long epoch, byte[] header, IPartitionSource source)
    {
        ArgumentNullException.ThrowIfNull(header);
        ArgumentNullException.ThrowIfNull(source);
        Open(partition, epoch, 0, isCleared: true, PartitionHeader.Read(header), source);
    }

    /// <summary>Completes when all contents of a partition have come, or what was lost was counted; with null where nothing was to come.</summary>
    public Task<ArrivalReport?> Arrived(int partition) => Volatile.Read(ref slots[partition].Arrival)?.Over ?? Task.FromResult<ArrivalReport?>(null);

    /// <summary>
    /// Freezes a partition for its next owner: from the call on it executes nothing, loads under way are waited for (<see cref="MoveOptions.FreezeWait"/>; then who waits is told that it is not
    /// known), then its contents do not change any more.
    /// </summary>
    /// <param name="partition">Its number.</param>
    /// <param name="epoch">The next owner's epoch.</param>
    /// <param name="cancellation">Ends the wait for loads; the partition is frozen all the same.</param>
    /// <returns>The header, the same where it is frozen for this epoch already; null where it is not here, or not of an older epoch, or the lease is over.</returns>
    public Task<byte[]?> FreezeAsync(int partition, long epoch, CancellationToken cancellation = default)
    {
        var slot = slots[partition];
        lock (slot.Gate)
        {
            if (slot.Frozen is { } frozen && frozen.Epoch == epoch)
            {
                frozen.ReadAtMs = Clock.Monotonic;
                return Task.FromResult<byte[]?>(frozen.Header);
            }

            if (slot.Freezing is { } under)
            {
                return under.Epoch == epoch ? under.Task : Task.FromResult<byte[]?>(null);
            }

            if (slot.Serving is null || slot.Epoch >= epoch || IsLeaseOver)
            {
                return Task.FromResult<byte[]?>(null);
            }

            slot.Serving = null;
            var task = Task.Run(() => FreezeHeldAsync(partition, epoch, cancellation), CancellationToken.None);
            slot.Freezing = (epoch, task);
            return task;
        }
    }

    /// <summary>A chunk of a frozen copy, for <see cref="IPartitionSource.ReadChunkAsync"/>: below 64 KiB, the same each time.</summary>
    /// <exception cref="InvalidOperationException">There is no copy for this epoch.</exception>
    /// <exception cref="ArgumentOutOfRangeException">The position is further ahead than is asked.</exception>
    public byte[] ReadChunk(int partition, long epoch, long position)
    {
        var slot = slots[partition];
        lock (slot.Gate)
        {
            return FrozenOf(slot, partition, epoch).Export.ReadChunk(position);
        }
    }

    /// <summary>What a frozen copy holds of a key, in memory or in this silo's tiers, for <see cref="IPartitionSource.ReadKeyAsync"/>: below 64 KiB.</summary>
    /// <param name="partition">The partition's number.</param>
    /// <param name="epoch">The epoch for which it was frozen.</param>
    /// <param name="key">A key of the partition.</param>
    /// <param name="offset">0 for the entry; else where in its large value to go on.</param>
    /// <exception cref="InvalidOperationException">There is no copy for this epoch.</exception>
    public ValueTask<byte[]> ReadKeyAsync(int partition, long epoch, byte[] key, int offset = 0)
    {
        ArgumentNullException.ThrowIfNull(key);
        ArgumentOutOfRangeException.ThrowIfNegative(offset);
        var hash = KeyHash.Of(key);
        if (key.Length > Limits.MaxKeyBytes || PartitionOf(hash) != partition)
        {
            throw new ArgumentException($"A key of {key.Length} bytes that is not of partition {partition} was asked for.", nameof(key));
        }

        var slot = slots[partition];
        FrozenLoad load;
        lock (slot.Gate)
        {
            var frozen = FrozenOf(slot, partition, epoch);
            if ((frozen.Export.ReadKey(key, offset) ?? frozen.ReadKept(key, offset)) is { } answer)
            {
                return ValueTask.FromResult(answer);
            }

            // Where the partition is here again the tiers are its own.
            if (tiers is null || slot.Partition is not null || !tiers.MayHold(hash))
            {
                return ValueTask.FromResult(MoveKey.Write(LoadOutcome.NotFound));
            }

            load = new FrozenLoad(this, slot, frozen, key, offset);
        }

        load.Run(tiers, partition);
        return new ValueTask<byte[]>(load.Answer);
    }

    /// <summary>Drops a frozen copy: its memory comes back in slices, what this silo's tiers hold of it is void. Nothing where there is none for this epoch.</summary>
    public void Drop(int partition, long epoch)
    {
        var slot = slots[partition];
        FrozenCopy? frozen;
        lock (slot.Gate)
        {
            frozen = slot.Frozen;
            if (frozen?.Epoch != epoch)
            {
                return;
            }

            slot.Frozen = null;
            frozen.Forget();
            if (slot.Partition is null)
            {
                tiers?.Clear(partition, slot.LeftVersion);
            }
        }

        Release(frozen.Partition);
    }

    internal void RunEffects(int partition, Effect[]? taken)
    {
        if (taken is not null)
        {
            Run(partition, taken);
        }
    }

    internal void Hurry() => HurryMaintenance();

    private static FrozenCopy Touched(FrozenCopy frozen, long nowMs)
    {
        frozen.ReadAtMs = nowMs;
        return frozen;
    }

    private FrozenCopy FrozenOf(Slot slot, int partition, long epoch) => slot.Frozen is { } frozen && frozen.Epoch == epoch
        ? Touched(frozen, Clock.Monotonic)
        : throw new InvalidOperationException($"There is no frozen copy of partition {partition} for epoch {epoch} here.");

    private void Open(int number, long epoch, long floorMs, bool isCleared, PartitionHeader? header, IPartitionSource? source)
    {
        lock (opening)
        {
            var slot = slots[number];
            ulong leftVersion;
            lock (slot.Gate)
            {
                if (slot.Partition is not null)
                {
                    throw new InvalidOperationException($"Partition {number} is here already, for epoch {slot.Epoch}.");
                }

                leftVersion = slot.LeftVersion;
            }

            floorMs = Math.Max(floorMs, (long)(leftVersion >> 16));
            reservation.Reach(Math.Max(floorMs + 1, Math.Max(header?.ClockMs ?? 0, (long)((header?.LastVersion ?? 0) >> 16))));
            reservation.Renew();
            DropOlder(slot, epoch);

            // What left in this process left for good; of an earlier process only what is opened again is believed.
            var voidBelow = Math.Max(leftVersion, isCleared && tiers is { FloorMs: > 0 and var tierFloor } ? ((ulong)tierFloor << 16) | ushort.MaxValue : 0);
            var partition = NewPartition(number, ShareOut(1), floorMs, voidBelow, header);
            Arrival? arrival = null;
            lock (slot.Gate)
            {
                if (voidBelow > 0)
                {
                    tiers?.Clear(number, voidBelow);
                    slot.Told = null;
                }

                if (source is not null)
                {
                    arrival = new Arrival(this, slot, partition, number, epoch, header!, source);
                }

                if (slot.Arrival is { Over.IsCompleted: true } ended)
                {
                    ended.Dispose();
                }

                slot.Arrival = arrival;
                Place(slot, partition, epoch);
            }

            arrival?.Begin(pulls);
        }
    }

    /// <summary>A copy that was frozen for an owner before this one has no reader any more.</summary>
    private void DropOlder(Slot slot, long epoch)
    {
        FrozenCopy? old;
        lock (slot.Gate)
        {
            old = slot.Frozen;
            if (old is null || old.Epoch >= epoch)
            {
                return;
            }

            slot.Frozen = null;
            old.Forget();
        }

        Release(old.Partition);
    }

    private static void Place(Slot slot, Partition partition, long epoch)
    {
        slot.Told?.ForEach(tell => tell(partition));
        slot.Told = null;
        slot.Epoch = epoch;
        slot.Partition = partition;
        slot.Serving = partition;
    }

    private Partition NewPartition(int number, long shareBytes, long floorMs, ulong voidBelow, PartitionHeader? header)
    {
        var current = Options;
        var partition = new Partition(new PageShare(arena, shareBytes), new PartitionOptions
        {
            Policy = PolicyInForce.Policy,
            Cost = current.PolicyObjective.CostOf(EntryStore.WeightUnitBytes),
            DefaultTtlMs = (long)current.DefaultTtl.TotalMilliseconds,
            DefaultTtlJitterMs = (long)current.DefaultTtlJitter.TotalMilliseconds,
            MaxValueBytes = current.EffectiveMaxValueBytes,
            WritesThrough = current.WritesThrough,
            Seed = secret + ((ulong)number * 0x9E3779B97F4A7C15),
            FloorMs = floorMs,
            TicketsAbove = incarnations++ << TicketBits,
            VoidBelow = voidBelow,
            Arriving = header,
            MaxVoided = Moves.MaxVoided,
        }, tiers, number, listener);
        Tell(partition);
        return partition;
    }

    private async Task<byte[]?> FreezeHeldAsync(int number, long epoch, CancellationToken cancellation)
    {
        var slot = slots[number];
        if (slot.Arrival is { } arrival)
        {
            await WaitBrieflyAsync(arrival.Over, cancellation).ConfigureAwait(false);
            arrival.GiveUp("the partition was frozen before all of it had come");
            await WaitBrieflyAsync(arrival.Over, CancellationToken.None).ConfigureAwait(false);
        }

        Task quiet;
        lock (slot.Gate)
        {
            slot.Quiet = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
            slot.NoteLoads();
            quiet = slot.Quiet.Task;
        }

        await WaitBrieflyAsync(quiet, cancellation).ConfigureAwait(false);
        byte[] header;
        lock (slot.Gate)
        {
            var partition = slot.Partition!;
            partition.EndArrival(ArrivalEnd.Lost);
            partition.AbandonLoads();
            slot.Quiet = null;
            slot.Freezing = null;
            slot.Partition = null;
            header = partition.Header(slot.Epoch).Write();
            reservation.Reach(partition.LastVersionMs);
            slot.LeftVersion = Math.Max(slot.LeftVersion, partition.LastVersion);
            slot.Frozen = new FrozenCopy(partition, epoch, header) { ReadAtMs = Clock.Monotonic };
        }

        ShareOut(0);
        return header;
    }

    private async Task WaitBrieflyAsync(Task awaited, CancellationToken cancellation)
    {
        try
        {
            await awaited.WaitAsync(Moves.FreezeWait, time, cancellation).ConfigureAwait(false);
        }
        catch (Exception ended) when (ended is TimeoutException or OperationCanceledException)
        {
            // It was waited long enough; what has not come does not come.
        }
    }

    private void Release(Partition partition)
    {
        lock (sharing)
        {
            leaving.Add(partition);
        }

        ShareOut(0);
        HurryMaintenance();
    }

    /// <summary>What partitions that come and go leave to be done: copies that nobody reads, memory that is given back, shares that follow.</summary>
    private bool MaintainMoves()
    {
        FollowTaken();
        var idleMs = Moves.FrozenIdle.TotalMilliseconds;
        for (var i = 0; i < slots.Length; i++)
        {
            if (slots[i].Frozen is { } frozen && Clock.Monotonic - frozen.ReadAtMs >= idleMs)
            {
                Drop(i, frozen.Epoch);
            }
        }

        var began = Stopwatch.GetTimestamp();
        var worked = ReleaseLeaving();
        if (worked)
        {
            Pauses.Note(MaintenanceWork.Clear, Stopwatch.GetElapsedTime(began));
        }

        return worked;
    }

    private async Task EndArrivalsAsync()
    {
        foreach (var arrival in slots.Select(static slot => slot.Arrival).OfType<Arrival>())
        {
            arrival.GiveUp("the host was closed");
            await arrival.Over.ConfigureAwait(false);
            arrival.Dispose();
        }
    }
}
