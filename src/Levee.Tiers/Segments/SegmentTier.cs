using Levee.Operations;
using Levee.Partitions;
using Levee.Segments;
using Levee.Tiers.Stores;

namespace Levee.Tiers.Segments;

/// <summary>
/// A tier that keeps entries in a log of segments: the open one in a mapped file on this machine, sealed ones in a store of objects. docs/decisions/0008 says how it keeps the promise. This is its face; what is behind
/// the tier's lock is in <see cref="SegmentLog"/>, and what happens beside the partitions in <see cref="SegmentLoops"/>.
/// </summary>
public sealed class SegmentTier : ITier
{
    private const int MaxAttempts = 200;
    private const int MaxRecoveryAttempts = 3000;
    private static readonly TimeSpan AttemptPace = TimeSpan.FromMilliseconds(10);

    private readonly ISegmentStore store;
    private readonly TierContext context;
    private readonly SegmentTierOptions options;
    private SegmentLog log = null!;
    private SegmentReader reader = null!;
    private SegmentWriter writer = null!;
    private SegmentFlusher flusher = null!;
    private SegmentScanner scanner = null!;
    private SegmentReclaim reclaim = null!;
    private SegmentDeletions deletions = null!;
    private SegmentSweep sweep = null!;
    private SegmentLoops loops = null!;
    private ITier? below;
    private int partitionCount;
    private bool isStarted;

    /// <param name="store">Where sealed segments lie; the tier disposes of it.</param>
    /// <param name="context">What every tier is told.</param>
    /// <param name="options">How it packs and keeps.</param>
    /// <exception cref="TierException">The options or the capacity cannot be.</exception>
    public SegmentTier(ISegmentStore store, TierContext context, SegmentTierOptions? options = null)
    {
        ArgumentNullException.ThrowIfNull(store);
        ArgumentNullException.ThrowIfNull(context);
        this.store = store;
        this.context = context;
        this.options = (options ?? new SegmentTierOptions()).Resolve(context.CapacityBytes);
    }

    /// <inheritdoc/>
    public string Name => $"{Kind} {store.Location}";

    /// <inheritdoc/>
    public string Kind => store.Kind;

    /// <inheritdoc/>
    public ITier? Below
    {
        get => below;
        set
        {
            below = value;
            if (isStarted)
            {
                reclaim.Below = value;
            }
        }
    }

    /// <inheritdoc/>
    public long FloorMs => log.FloorMs;

    /// <inheritdoc/>
    public long HoldsFromMs
    {
        get
        {
            lock (log.Gate)
            {
                return log.HoldsFromMs;
            }
        }
    }

    /// <inheritdoc/>
    public bool IsCommitted => log.IsCommitted;

    /// <inheritdoc/>
    public bool HasRoom
    {
        get
        {
            lock (log.Gate)
            {
                return log.HasRoom;
            }
        }
    }

    /// <summary>The log, for tests of its invariants.</summary>
    internal SegmentLog Log => log;

    /// <inheritdoc/>
    public Task StartAsync(ITierHost host, CancellationToken cancellation)
    {
        ArgumentNullException.ThrowIfNull(host);
        cancellation.ThrowIfCancellationRequested();
        var state = TierState.OpenOrCreate(context.StateFolder, context.Fsync, out var finding);
        try
        {
            Build(host, state);
            Open(host, state, finding);
        }
        catch (Exception failure) when (failure is IOException or UnauthorizedAccessException)
        {
            state.Dispose();
            throw new TierException($"The tier cannot use its folder {context.StateFolder}: {failure.Message} Give it a folder that it may write to.", failure);
        }
        catch
        {
            state.Dispose();
            throw;
        }

        return Task.CompletedTask;
    }

    /// <inheritdoc/>
    public void Approach(ulong hash)
    {
        if (log.HoldsAnything)
        {
            log.Index.Approach(hash);
        }
    }

    /// <inheritdoc/>
    public bool MayHold(ulong hash)
    {
        if (!log.HoldsAnything)
        {
            return false;
        }

        lock (log.Gate)
        {
            return log.IsRecovering || (log.TryFind(hash, out var entry) && (entry.Location.Flags & LocationFlags.Void) == 0);
        }
    }

    /// <inheritdoc/>
    public void Demote(scoped in TierEntry entry)
    {
        bool isFilling;
        lock (log.Gate)
        {
            if (log.TryWrite(entry, out isFilling))
            {
                log.Counters.Demotions++;
            }
            else if (log.TryBuffer(entry, isThrough: false, out _))
            {
                log.Counters.Demotions++;
            }
            else
            {
                log.Counters.Drops++;
            }

            isFilling |= log.IsFilling;
        }

        if (isFilling)
        {
            loops.WakeWriter();
        }
    }

    /// <inheritdoc/>
    public bool Keep(ulong hash)
    {
        lock (log.Gate)
        {
            if (!log.TryFind(hash, out var entry) || (entry.Location.Flags & LocationFlags.Void) != 0)
            {
                return false;
            }

            if (!entry.Location.IsInBuffer && log.Table.Find(entry.Location.Sequence) is null or { IsRetired: true })
            {
                return false;
            }

            return log.Turn(entry, entry.Location.With((entry.Location.Flags | LocationFlags.Referenced) & ~LocationFlags.Promoted));
        }
    }

    /// <inheritdoc/>
    public void Promoted(ulong hash)
    {
        lock (log.Gate)
        {
            if (log.TryFind(hash, out var entry) && (entry.Location.Flags & LocationFlags.Void) == 0)
            {
                log.Turn(entry, entry.Location.With(entry.Location.Flags | LocationFlags.Promoted));
            }
        }
    }

    /// <inheritdoc/>
    public bool TryWriteThrough(scoped in TierEntry entry)
    {
        bool hasRotated;
        lock (log.Gate)
        {
            if (log.Problem.Length > 0)
            {
                return false;
            }

            if (!log.TryWrite(entry, out hasRotated))
            {
                if (!log.TryPrepareNext() || !log.TryBuffer(entry, isThrough: true, out _))
                {
                    return false;
                }
            }
        }

        if (hasRotated)
        {
            loops.WakeWriter();
        }

        return true;
    }

    /// <inheritdoc/>
    public void Invalidate(ulong hash, ulong version)
    {
        if (!log.HoldsAnything)
        {
            return;
        }

        lock (log.Gate)
        {
            if (log.TryFind(hash, out var entry))
            {
                if ((entry.Location.Flags & LocationFlags.Void) == 0)
                {
                    log.Bury(entry, version);
                }
            }
            else if (log.IsRecovering)
            {
                log.VoidMention(hash, version, null);
                if (log.IsRecovering)
                {
                    log.Put(new IndexEntry(hash, default(SegmentLocation).With(LocationFlags.Void), IndexEntry.NeverExpires));
                }
            }
        }
    }

    /// <inheritdoc/>
    public void Forget(ulong hash)
    {
        lock (log.Gate)
        {
            if (log.TryFind(hash, out var entry) && (entry.Location.Flags & LocationFlags.Void) == 0)
            {
                log.Drop(entry);
            }
        }
    }

    /// <inheritdoc/>
    public bool RemoveByTag(int partition, ReadOnlySpan<byte> tag, ulong version)
    {
        if (!log.HoldsAnything)
        {
            return true;
        }

        Span<byte> record = stackalloc byte[TierRecord.HeaderBytes + byte.MaxValue];
        record = record[..(TierRecord.HeaderBytes + tag.Length)];
        TierRecord.WriteControl(record, TierRecordType.TagRemoval, (ulong)PartitionMark.Of(partition, partitionCount), version, tag);
        lock (log.Gate)
        {
            if (!log.TryAppendControl(record, out _))
            {
                return false;
            }

            if (log.Buffer.Count > 0)
            {
                log.Tags.Add(partition, tag, log.LastTicket);
            }
        }

        return true;
    }

    /// <inheritdoc/>
    public bool Clear(int partition, ulong version)
    {
        if (!log.HoldsAnything)
        {
            return true;
        }

        Span<byte> record = stackalloc byte[TierRecord.HeaderBytes];
        TierRecord.WriteControl(record, TierRecordType.Clear, (ulong)PartitionMark.Of(partition, partitionCount), version, default);
        lock (log.Gate)
        {
            if (!log.TryAppendControl(record, out var location))
            {
                return false;
            }

            log.Clears.Set(partition, location, log.LastTicket);
        }

        sweep.Hurry();
        return true;
    }

    /// <inheritdoc/>
    public ValueTask CommitAsync() => log.IsCommitted ? ValueTask.CompletedTask : new ValueTask(CommitPendingAsync());

    /// <inheritdoc/>
    public ValueTask<TierRead> ReadAsync(ulong hash, ReadOnlyMemory<byte>? key, CancellationToken cancellation) => reader.ReadAsync(hash, key, cancellation);

    /// <inheritdoc/>
    public async Task DrainAsync(CancellationToken cancellation)
    {
        CheckFolder();
        long target;
        lock (log.Gate)
        {
            target = log.LastTicket;
        }

        try
        {
            await TryDrainAsync(target, cancellation).ConfigureAwait(false);
        }
        catch (IOException failure)
        {
            TierLog.Failed(context.Logger, "Making room for what is taken down", failure.Message);
        }
    }

    /// <inheritdoc/>
    public void Reserve(long untilMs) => log.Reserve(untilMs);

    /// <inheritdoc/>
    public ValueTask<long> ScanAsync(long position, TierEntryVisitor visit, CancellationToken cancellation) => scanner.ScanAsync(position, visit, cancellation);

    /// <inheritdoc/>
    public TierPlace? Explain(ulong hash)
    {
        lock (log.Gate)
        {
            if (!log.TryFind(hash, out var entry))
            {
                return log.IsRecovering ? new TierPlace(Name, "not known yet: recovering", 0, 0, false) : null;
            }

            var location = entry.Location;
            if ((location.Flags & LocationFlags.Void) != 0)
            {
                return null;
            }

            var isPromoted = (location.Flags & LocationFlags.Promoted) != 0;
            if (location.IsInBuffer)
            {
                return new TierPlace(Name, "waiting to be written", log.Buffer.TryRead(location.Ticket, out var waiting) ? waiting.PlainLength : 0, 0, isPromoted);
            }

            var info = log.Table.Find(location.Sequence);
            var home = info?.Home switch
            {
                SegmentHome.Open => "open segment",
                SegmentHome.Staged => "segment on its way to the store",
                _ => "segment",
            };
            return new TierPlace(Name, $"{home} {location.Sequence}, offset {location.Offset}", location.LengthAtMost, info?.OpenedAtMs ?? 0, isPromoted);
        }
    }

    /// <inheritdoc/>
    public TierStatistics GetStatistics()
    {
        var counters = log.Counters;
        lock (log.Gate)
        {
            var problem = log.Problem.Length > 0 ? log.Problem
                : loops.StoreProblem.Length > 0 ? loops.StoreProblem
                : log.MayTakeEntries ? "" : $"{log.Table.StagedCount} sealed segments wait for the store, and nothing more is taken down";
            return new TierStatistics
            {
                Health = problem.Length > 0 ? TierHealth.Degraded : log.IsRecovering ? TierHealth.Recovering : TierHealth.Healthy,
                Problem = problem,
                Entries = log.Entries,
                EntriesBelow = log.EntriesBelow,
                HeldBytes = log.Table.HeldBytes,
                CapacityBytes = context.CapacityBytes,
                IndexBytes = log.Index.HeldBytes,
                Hits = counters.Hits,
                Misses = counters.Misses,
                Failures = counters.Failures,
                Demotions = counters.Demotions,
                Drops = counters.Drops,
                CarriedOver = counters.CarriedOver,
                Damaged = counters.Damaged,
                WriteRequests = counters.Writes,
                ReadRequests = counters.Reads,
                DeleteRequests = counters.Deletes,
                WrittenBytes = counters.WrittenBytes,
                ReadBytes = counters.ReadBytes,
                GivenUpGenerations = log.State.GivenUp.Count,
                ReadMs = counters.ReadMs,
            };
        }
    }

    /// <inheritdoc/>
    public async Task StopAsync(CancellationToken cancellation)
    {
        await loops.StopAsync().ConfigureAwait(false);
        CheckFolder();
        try
        {
            await WriteAndSealRestAsync(cancellation).ConfigureAwait(false);
        }
        catch (OperationCanceledException)
        {
            // The time is over: whoever set it says so. What the store has not taken stays in the folder.
        }
        catch (Exception failure) when (failure is IOException or UnauthorizedAccessException)
        {
            // What the store has not taken stays in the folder, and the next start hands it over.
            TierLog.Failed(context.Logger, "Handing the last segments to the store", failure.Message);
        }

        lock (log.Gate)
        {
            log.DropWaiting();
        }

        FlushLocal();
        log.State.MarkClean();
    }

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        if (isStarted)
        {
            isStarted = false;
            await loops.StopAsync().ConfigureAwait(false);
            loops.Dispose();
            writer.Dispose();
            flusher.Dispose();
            log.Dispose();
        }

        await store.DisposeAsync().ConfigureAwait(false);
    }

    /// <summary>Does everything once that the loops do. For tests, which own the time.</summary>
    internal ValueTask StepAsync() => loops.StepAsync(CancellationToken.None);

    private void Build(ITierHost host, TierState state)
    {
        partitionCount = host.PartitionCount;
        log = new SegmentLog(context, options, state, host.CacheName, host.PartitionCount);
        reader = new SegmentReader(log, store, context.Codec);
        writer = new SegmentWriter(log, context);
        flusher = new SegmentFlusher(log);
        scanner = new SegmentScanner(log, store, reader);
        deletions = new SegmentDeletions(log, store, host.CacheName);
        reclaim = new SegmentReclaim(log, store, reader, host, deletions, context) { Below = below };
        sweep = new SegmentSweep(log);
        loops = new SegmentLoops(log, writer, new SegmentSealer(log, store, context), reclaim, deletions, sweep, context);
    }

    private void Open(ITierHost host, TierState state, StateFinding finding)
    {
        var generation = state.Generation;
        var recovery = new SegmentRecovery(log, store, host, deletions, context);
        var newest = recovery.Adopt(generation, state.OpenSequence, state.GivenUp);
        if (recovery.IsStateOld)
        {
            TierLog.GivenUp(context.Logger, "the folder holds segments that the state does not know, so the state is an old copy");
            recovery.Discard();
            state.BeginGeneration();
            generation = state.Generation;
            newest = 0;
        }
        else if (newest > state.OpenSequence)
        {
            // The owner before died between beginning a segment and noting it. If this one did too, the state would be two behind, as an old copy is.
            state.SetOpenSequence(newest);
        }

        var floor = SegmentNote.Read(generation, state.Note);
        deletions.SearchesStore = options.OwnsStore && (recovery.IsStateOld || finding.Outcome != StateOutcome.Continued);
        lock (log.Gate)
        {
            log.Start(generation, Math.Max(newest + 1, floor), floor, recovering: newest >= floor);

            // Without one, on a full disk, what is there is served and can be deleted; nothing is taken in until there is room.
            log.TryRotate(0, mayCreate: true);
        }

        if (finding.Outcome == StateOutcome.Unvouched)
        {
            TierLog.GivenUp(context.Logger, finding.Reason);
        }

        isStarted = true;
        loops.Start(log.IsRecovering ? recovery : null);
    }

    /// <summary>Files that were removed can still be written, and are gone when the process ends.</summary>
    private void CheckFolder()
    {
        if (!log.State.IsInPlace)
        {
            throw new IOException($"the folder {context.StateFolder} is gone, and with it what the tier held");
        }
    }

    private async Task CommitPendingAsync()
    {
        for (var attempts = 0; log.HasUnlogged; attempts++)
        {
            if (attempts == MaxRecoveryAttempts)
            {
                throw new IOException($"What was deleted could not be noted on the disk: {log.Problem}; it is when the tier has recovered, or has room again.");
            }

            await Task.Delay(AttemptPace, CancellationToken.None).ConfigureAwait(false);
        }

        var hasFailed = log.HasThroughFailed;
        if (!hasFailed && !await TryDrainAsync(log.ThroughTicket, CancellationToken.None).ConfigureAwait(false))
        {
            hasFailed = true;
            lock (log.Gate)
            {
                log.FailThroughs();
            }
        }

        if (hasFailed)
        {
            throw new IOException($"What was written could not be taken down: {(log.Problem.Length > 0 ? log.Problem : "the tier is full, or too many sealed segments wait for the store")}.");
        }

        if (context.Fsync)
        {
            await flusher.FlushAsync(CancellationToken.None).ConfigureAwait(false);
        }
    }

    /// <summary>Writes what waits, up to a ticket. Where the log is at its capacity makes room; where segments are on their way to a store that answers, waits for them.</summary>
    /// <returns>False where it could not be written.</returns>
    /// <exception cref="IOException">The store did not answer.</exception>
    private async ValueTask<bool> TryDrainAsync(long target, CancellationToken cancellation)
    {
        var logged = log.LoggedTicket;
        for (var attempts = 0; log.LoggedTicket < target && !await writer.DrainAsync(target, cancellation).ConfigureAwait(false); attempts++)
        {
            if (log.LoggedTicket > logged)
            {
                (logged, attempts) = (log.LoggedTicket, 0);
            }

            if (attempts == MaxAttempts || log.Problem.Length > 0 || loops.StoreProblem.Length > 0)
            {
                return false;
            }

            if (!await loops.ReclaimAsync(cancellation).ConfigureAwait(false))
            {
                loops.WakeSealer();
                await Task.Delay(AttemptPace, cancellation).ConfigureAwait(false);
            }
        }

        return true;
    }

    /// <summary>What the loops would do, once they have ended: the last that was taken down is the hottest.</summary>
    private async ValueTask WriteAndSealRestAsync(CancellationToken cancellation)
    {
        var sealer = new SegmentSealer(log, store, context);
        for (var attempts = 0; attempts < MaxAttempts && !await writer.DrainAsync(long.MaxValue, cancellation).ConfigureAwait(false); attempts++)
        {
            var hasSealed = await SealAllAsync(sealer, cancellation).ConfigureAwait(false);
            if (!await loops.ReclaimAsync(cancellation).ConfigureAwait(false) && !hasSealed)
            {
                break;
            }
        }

        lock (log.Gate)
        {
            if (log.Open is { FirstEntryMs: > 0 })
            {
                log.TryRotate(0, mayCreate: true);
            }
        }

        await SealAllAsync(sealer, cancellation).ConfigureAwait(false);
    }

    private static async ValueTask<bool> SealAllAsync(SegmentSealer sealer, CancellationToken cancellation)
    {
        var hasSealed = false;
        while (await sealer.SealNextAsync(cancellation).ConfigureAwait(false))
        {
            hasSealed = true;
        }

        return hasSealed;
    }

    private void FlushLocal()
    {
        OpenSegment[] left;
        lock (log.Gate)
        {
            left = [.. log.Table.All.Where(static info => info.Local is not null).Select(static info => info.Local!.Lease())];
        }

        foreach (var segment in left)
        {
            segment.Flush();
            segment.Release();
        }
    }
}
