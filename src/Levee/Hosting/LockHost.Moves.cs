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

    /// <summary>Whether a partition was ever opened here for an owner.</summary>
    public bool WasHere(int partition) => Volatile.Read(ref slots[partition].Epoch) > 0;

    /// <summary>Whether a partition is here and serves.</summary>
    public bool IsOpen(int partition) => Volatile.Read(ref slots[partition].Serving) is not null && !IsLeaseOver;

    /// <summary>Opens a partition empty. What this silo's tiers hold of it is void.</summary>
    /// <param name="partition">Its number.</param>
    /// <param name="epoch">The owner's epoch, above that of any owner before.</param>
    /// <param name="floorMs">The highest clock, in Unix milliseconds, that an earlier owner can have given out in a version; 0: there was none.</param>
    /// <exception cref="InvalidOperationException">It is here already, or a later epoch is known here.</exception>
    /// <exception cref="IOException">The tiers could not note the clock; nothing changed.</exception>
    public void Open(int partition, long epoch, long floorMs) => Open(partition, epoch, floorMs, isCleared: true, null, null);

    /// <summary>Opens a partition empty, with what this silo's tiers hold of it still its own: this silo was its last owner and stopped cleanly. Where it is here still, it goes on for the new epoch.</summary>
    /// <param name="partition">Its number.</param>
    /// <param name="epoch">The owner's epoch, above that of any owner before.</param>
    /// <exception cref="InvalidOperationException">It is being frozen, or a later epoch is known here.</exception>
    /// <exception cref="IOException">The tiers could not note the clock; nothing changed.</exception>
    public void Reopen(int partition, long epoch)
    {
        var slot = slots[partition];
        lock (slot.Gate)
        {
            if (slot.Serving is not null && slot.KnownEpoch <= epoch)
            {
                slot.Epoch = epoch;
                slot.KnownEpoch = epoch;
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
    /// <param name="epoch">The owner's epoch, not below that for which the copy was frozen.</param>
    /// <param name="copy">What <see cref="FreezeAsync"/> of the other host answered: <see cref="FreezeOutcome.Frozen"/>.</param>
    /// <param name="source">The frozen copy.</param>
    /// <exception cref="ArgumentException">The answer is another.</exception>
    /// <exception cref="FormatException">The header is none, or damaged.</exception>
    /// <exception cref="InvalidOperationException">It is here already, or a later epoch is known here.</exception>
    /// <exception cref="IOException">The tiers could not note the clock; nothing changed.</exception>
    public void Open(int partition, long epoch, FreezeAnswer copy, IPartitionSource source)
    {
        ArgumentNullException.ThrowIfNull(copy);
        ArgumentNullException.ThrowIfNull(source);
        if (copy.Header is not { } header)
        {
            throw new ArgumentException($"A partition cannot be opened from the answer {copy.Outcome}; allowed: {FreezeOutcome.Frozen}.", nameof(copy));
        }

        Open(partition, epoch, 0, isCleared: true, PartitionHeader.Read(header), source, copy.CopyEpoch);
    }

    /// <summary>Completes when all contents of a partition have come, or what was lost was counted; with null where nothing was to come.</summary>
    public Task<ArrivalReport?> Arrived(int partition) => Volatile.Read(ref slots[partition].Arrival)?.Over ?? Task.FromResult<ArrivalReport?>(null);

    /// <summary>
    /// Freezes a partition for its next owner: from the call on it executes nothing, whatever the lease; loads under way are waited for
    /// (<see cref="MoveOptions.FreezeWait"/>; then who waits is told that
    /// it is not known), then its contents do not change any more. No owner of an earlier epoch opens it here any more. May be asked again,
    /// and answers the same.
    /// </summary>
    /// <param name="partition">Its number.</param>
    /// <param name="epoch">The next owner's epoch.</param>
    /// <param name="cancellation">Ends the wait for loads; the partition is frozen all the same.</param>
    public Task<FreezeAnswer> FreezeAsync(int partition, long epoch, CancellationToken cancellation = default)
    {
        var slot = slots[partition];
        lock (slot.Gate)
        {
            var step = FreezeRule.Of(slot.View, epoch);
            slot.KnownEpoch = Math.Max(slot.KnownEpoch, epoch);
            switch (step)
            {
                case FreezeStep.Freeze:
                    var isCurrent = slot.Serving is not null && !IsLeaseOver;
                    slot.Serving = null;
                    var task = Task.Run(() => FreezeHeldAsync(partition, epoch, isCurrent, cancellation), CancellationToken.None);
                    slot.Freezing = (epoch, task);
                    return task;
                case FreezeStep.Join:
                    return slot.Freezing!.Value.Task;
                case FreezeStep.Give:
                    return Task.FromResult(AnswerOf(slot, Touched(slot.Frozen!, Clock.Monotonic), epoch));
                case FreezeStep.Defer:
                    var other = slot.Freezing!.Value.Epoch;
                    return Task.FromResult(AnswerOf(slot, FreezeOutcome.CannotSay, $"it is being frozen for epoch {other}"));
                case FreezeStep.Deny:
                    return Task.FromResult(AnswerOf(slot, FreezeOutcome.NotHere));
                default:
                    return Task.FromResult(AnswerOf(slot, FreezeOutcome.Refused));
            }
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

    private static FreezeAnswer AnswerOf(Slot slot, FreezeOutcome outcome, string reason = "") =>
        new() { Outcome = outcome, OpenedEpoch = slot.Epoch, KnownEpoch = slot.KnownEpoch, Reason = reason };

    private static FreezeAnswer AnswerOf(Slot slot, FrozenCopy frozen, long epoch) => AnswerOf(slot, FreezeOutcome.Frozen) with
    {
        Header = frozen.Header,
        CopyEpoch = frozen.Epoch,
        IsCurrent = frozen.IsCurrent && frozen.Epoch == epoch,
    };

    private static FrozenCopy Touched(FrozenCopy frozen, long nowMs)
    {
        frozen.ReadAtMs = nowMs;
        return frozen;
    }

    private FrozenCopy FrozenOf(Slot slot, int partition, long epoch) => slot.Frozen is { } frozen && frozen.Epoch == epoch
        ? Touched(frozen, Clock.Monotonic)
        : throw new InvalidOperationException($"There is no frozen copy of partition {partition} for epoch {epoch} here.");

    private void Open(
        int number,
        long epoch,
        long floorMs,
        bool isCleared,
        PartitionHeader? header,
        IPartitionSource? source,
        long copyEpoch = long.MaxValue)
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

                ThrowWhereOver(slot, number, epoch);
                leftVersion = slot.LeftVersion;
            }

            floorMs = Math.Max(floorMs, (long)(leftVersion >> 16));
            reservation.Reach(Math.Max(floorMs + 1, Math.Max(header?.ClockMs ?? 0, (long)((header?.LastVersion ?? 0) >> 16))));
            reservation.Renew();
            DropOlder(slot, Math.Min(epoch, copyEpoch));

            // What left in this process left for good; of an earlier process only what is opened again is believed.
            var voidBelow = Math.Max(leftVersion, isCleared && tiers is { FloorMs: > 0 and var tierFloor } ? ((ulong)tierFloor << 16) | ushort.MaxValue : 0);
            var partition = NewPartition(number, ShareOut(1), floorMs, voidBelow, header);
            Arrival? arrival = null;
            try
            {
                lock (slot.Gate)
                {
                    ThrowWhereOver(slot, number, epoch);
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
            }
            catch
            {
                Release(partition);
                throw;
            }

            arrival?.Begin(pulls);
        }
    }

    /// <summary>Who has been overtaken by a later owner opens nothing.</summary>
    private static void ThrowWhereOver(Slot slot, int number, long epoch)
    {
        if (slot.KnownEpoch > epoch)
        {
            throw new InvalidOperationException(
                $"Partition {number} has been claimed for epoch {slot.KnownEpoch} meanwhile, so it is not opened for epoch {epoch}.");
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
        slot.KnownEpoch = epoch;
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

    /// <summary>Freezes what does not serve any more. Where that fails it still serves nobody, and the next request begins anew.</summary>
    private async Task<FreezeAnswer> FreezeHeldAsync(int number, long epoch, bool isCurrent, CancellationToken cancellation)
    {
        var slot = slots[number];
        try
        {
            await QuietAsync(slot, cancellation).ConfigureAwait(false);
            FrozenCopy? older;
            FreezeAnswer answer;
            lock (slot.Gate)
            {
                var partition = slot.Partition ?? throw new ObjectDisposedException(nameof(LockHost));
                partition.EndArrival(ArrivalEnd.Lost);
                partition.AbandonLoads();
                var header = partition.Header(slot.Epoch).Write();
                reservation.Reach(partition.LastVersionMs);
                slot.Quiet = null;
                slot.Freezing = null;
                slot.Partition = null;
                slot.LeftVersion = Math.Max(slot.LeftVersion, partition.LastVersion);
                older = slot.Frozen;
                older?.Forget();
                slot.Frozen = new FrozenCopy(partition, epoch, header, isCurrent) { ReadAtMs = Clock.Monotonic };
                answer = AnswerOf(slot, slot.Frozen, epoch);
            }

            if (older is not null)
            {
                Release(older.Partition);
            }

            ShareOut(0);
            return answer;
        }
        catch (Exception failure) // Whatever it was, the owner that asks gets an answer.
        {
            lock (slot.Gate)
            {
                slot.Quiet = null;
                slot.Freezing = null;
                return AnswerOf(slot, FreezeOutcome.CannotSay, $"the freeze failed: {failure.Message}");
            }
        }
    }

    /// <summary>Waits for an arrival under way and for loads under way.</summary>
    private async Task QuietAsync(Slot slot, CancellationToken cancellation)
    {
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
