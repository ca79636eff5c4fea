using System.Diagnostics;
using Levee.Partitions;
using Levee.Segments;

namespace Levee.Tiers.Segments;

/// <summary>
/// What the tier's lock owns: the index, the buffer, the table of segments and the open one, and the rules that keep them true to each other. Every member without a remark of its own needs <see cref="Gate"/>.
/// <para>
/// The invariants. (1) What the index points at is the last that the tier was told of the hash, or void. (2) The newest mention of a hash in the log, up to the open segment's committed length, never says more than the
/// index: an entry that leaves the index while its record stays in the log leaves a tombstone behind it, unless the record or a record after it says itself that it is dead. (3) For an entry that is only in
/// the buffer the log's newest mention is a tombstone, or there is none; so dropping it from the index is enough. Not so for those written through over an entry of the log, which are noted as shadowing it. (4) While recovering, (3) is not known: whatever leaves the index stays in it as void.
/// </para>
/// </summary>
internal sealed class SegmentLog : IDisposable
{
    private const long HoldsFromMarginMs = 60_000;

    /// <summary>Longer than it takes from a write to its commit.</summary>
    private static readonly TimeSpan ThroughFailure = TimeSpan.FromSeconds(1);

    /// <summary>One part in so many of the open segment is kept for control records, while no further segment is ready.</summary>
    private const int KeptPart = 16;

    private readonly TierContext context;
    private readonly string cacheName;
    private readonly bool writesPlain;

    /// <summary>
    /// Hashes that are written through and wait, while the log's newest mention of them still is an acknowledged entry, which stays true until the new one is in the log; and the place of that
    /// mention, null where it is not known.
    /// </summary>
    private readonly Dictionary<ulong, SegmentLocation?> shadowing = [];

    /// <summary>
    /// Hashes whose mentions are void, which no tombstone says for want of room, and which recovery has not come across yet: it marks their records when it does. Until then, or until it has ended, nothing is committed.
    /// </summary>
    private readonly HashSet<ulong> unlogged = [];

    /// <summary>Tickets of writes that go through and wait.</summary>
    private readonly Queue<long> throughs = [];

    private long voids;
    private long promoted;
    private long bufferSinceMs;
    private volatile bool holdsAnything;
    private long appendedBytes;
    private long loggedTicket;
    private long throughTicket;
    private long flushedBytes;
    private volatile bool hasUnlogged;
    private long throughFailedAt = long.MinValue;

    public SegmentLog(TierContext context, SegmentTierOptions options, TierState state, string cacheName, int partitionCount)
    {
        (this.context, Options, State, this.cacheName) = (context, options, state, cacheName);
        writesPlain = context.Codec == Levee.Codec.RecordCodec.Plain;
        FloorMs = state.ReservedMs;
        ReservedMs = state.ReservedMs;
        Clears = new ClearMarks(partitionCount);
        Buffer = new DemotionBuffer(options.BufferBytes, options.LargeBytes);
        MaxEntries = Math.Max(1024, context.MaxIndexBytes / 32);
    }

    public Lock Gate { get; } = new();

    public SegmentTierOptions Options { get; }

    public SegmentIndex Index { get; } = new();

    public DemotionBuffer Buffer { get; }

    public SegmentTable Table { get; } = new();

    public ClearMarks Clears { get; }

    /// <summary>Has a lock of its own.</summary>
    public TierState State { get; }

    /// <summary>Tags that were removed while what may carry them waited.</summary>
    public TagMarks Tags { get; } = new();

    public OpenSegment? Open { get; private set; }

    /// <summary>An empty segment that the next one is made of.</summary>
    public OpenSegment? Spare { get; set; }

    public long NextSequence { get; set; } = 1;

    /// <summary>Rises when a generation is given up: whoever worked on the old one stops.</summary>
    public int Epoch { get; private set; }

    public Guid Generation { get; private set; }

    public bool IsRecovering { get; private set; }

    /// <summary>Everything below this number is retired, whatever the store brings back.</summary>
    public long FloorSequence { get; private set; } = 1;

    public long MaxEntries { get; }

    public long FloorMs { get; }

    public long ReservedMs { get; private set; }

    /// <summary>Why nothing can be written, for people; empty where all is well.</summary>
    public string Problem { get; set; } = "";

    /// <summary>Local files and segments of generations that were given up, to be deleted.</summary>
    public List<OpenSegment> Discarded { get; } = [];

    /// <summary>Maps of segments that are gone, to be deleted.</summary>
    public List<VoidMap> DiscardedVoids { get; } = [];

    public SegmentCounters Counters { get; } = new();

    /// <summary>The highest ticket of a write that must be in the log before it is acknowledged.</summary>
    public long ThroughTicket
    {
        get => Volatile.Read(ref throughTicket);
        set => Volatile.Write(ref throughTicket, value);
    }

    /// <summary>Everything up to this ticket is in the log or void. Needs no lock to be read.</summary>
    public long LoggedTicket
    {
        get => Volatile.Read(ref loggedTicket);
        private set => Volatile.Write(ref loggedTicket, value);
    }

    /// <summary>Whether the index may hold anything at all. Needs no lock.</summary>
    public bool HoldsAnything => holdsAnything;

    public long Entries => Index.Count - voids;

    public long EntriesBelow => Index.Count - voids - promoted;

    /// <summary>Whether all that must be is in the log, and flushed where that is asked. Needs no lock.</summary>
    public bool IsCommitted => LoggedTicket >= ThroughTicket && IsFlushed && !HasUnlogged && !HasThroughFailed;

    /// <summary>Whether a write that goes through could not be taken a moment ago. That is told to everybody who commits, as nobody knows whose it was. Needs no lock.</summary>
    public bool HasThroughFailed => Volatile.Read(ref throughFailedAt) is var at and not long.MinValue && context.Time.GetElapsedTime(at) < ThroughFailure;

    /// <summary>Whether something is void and nothing on the disk says so yet. Needs no lock.</summary>
    public bool HasUnlogged => hasUnlogged;

    /// <summary>Whether what was appended is flushed too. Needs no lock.</summary>
    public bool IsFlushed => !context.Fsync || Volatile.Read(ref flushedBytes) >= Volatile.Read(ref appendedBytes);

    /// <summary>How much of what was appended is on the disk. Needs no lock.</summary>
    public long FlushedBytes => Volatile.Read(ref flushedBytes);

    /// <summary>How much has been appended. Needs no lock.</summary>
    public long AppendedBytes => Volatile.Read(ref appendedBytes);

    /// <summary>
    /// The clock by which the tier lets entries expire and dates its segments: never above what a partition of this or the next owner can have, so that what expired here is expired there. Needs no lock.
    /// </summary>
    public long NowMs
    {
        get
        {
            var now = context.Time.GetUtcNow().ToUnixTimeMilliseconds();
            return Math.Max(FloorMs, ReservedMs > FloorMs ? Math.Min(now, ReservedMs) : now);
        }
    }

    public bool MayTakeEntries => Table.StagedCount < Options.MaxStaged;

    /// <summary>
    /// Whether the next segment may begin although the capacity is reached: the one that is to be given up holds what a write that goes through is about to supersede, and that write may itself wait for room.
    /// </summary>
    public bool MayOverfill { get; set; }

    public long HoldsFromMs
    {
        get
        {
            if (IsRecovering)
            {
                return 0;
            }

            if (Index.Count - voids == 0)
            {
                return long.MaxValue;
            }

            var from = Buffer.Count > 0 ? bufferSinceMs : long.MaxValue;
            return Math.Min(from, Table.Oldest?.OpenedAtMs ?? long.MaxValue) - HoldsFromMarginMs;
        }
    }

    public void Start(Guid generation, long nextSequence, long floorSequence, bool recovering)
    {
        (Generation, NextSequence, FloorSequence, IsRecovering) = (generation, nextSequence, floorSequence, recovering);
        Changed();
    }

    public void EndRecovery()
    {
        IsRecovering = false;
        ForgetUnlogged();
        Changed();
    }

    public void Reserve(long untilMs)
    {
        State.Reserve(untilMs);
        lock (Gate)
        {
            ReservedMs = Math.Max(ReservedMs, untilMs);
        }
    }

    // What the index says.

    public bool TryFind(ulong hash, out IndexEntry entry) => Index.TryFind(hash, out entry);

    public void Put(in IndexEntry entry)
    {
        if (Index.Set(entry, out var replaced))
        {
            Count(replaced.Location, -1);
        }

        Count(entry.Location, 1);
        holdsAnything = true;
    }

    /// <summary>Turns the index from a place to another, or to other flags at the same place.</summary>
    public bool Turn(in IndexEntry entry, SegmentLocation to)
    {
        if (!Index.TryUpdate(entry.Hash, entry.Location, to))
        {
            return false;
        }

        Count(entry.Location, -1);
        Count(to, 1);
        return true;
    }

    /// <summary>Lets an entry go whose record is dead by what the log says already, or is only in the buffer. While recovering it stays as void: older segments may still mention the hash.</summary>
    public void Drop(in IndexEntry entry)
    {
        if (shadowing.Count > 0 && entry.Location.IsInBuffer && shadowing.Remove(entry.Hash, out var shadowed))
        {
            var epoch = Epoch;
            VoidMention(entry.Hash, ulong.MaxValue, shadowed);
            if (epoch != Epoch)
            {
                return;
            }
        }

        if (IsRecovering)
        {
            Turn(entry, entry.Location.With(LocationFlags.Void));
        }
        else if (Index.Remove(entry.Hash, out var removed))
        {
            Count(removed.Location, -1);
            Changed();
        }
    }

    /// <summary>Takes an entry out of the counts that a visitor of the index removes.</summary>
    public void Removed(in IndexEntry entry) => Count(entry.Location, -1);

    /// <summary>Says that entries were removed by a visitor.</summary>
    public void Changed() => holdsAnything = IsRecovering || Index.Count > 0;

    // What the log says.

    /// <summary>Lets an entry go and leaves a tombstone for its record.</summary>
    public void Bury(in IndexEntry entry, ulong version)
    {
        if (!entry.Location.IsInBuffer || IsRecovering)
        {
            var epoch = Epoch;
            VoidMention(entry.Hash, version, entry.Location.IsInBuffer ? null : entry.Location);
            if (epoch != Epoch)
            {
                return;
            }
        }

        Drop(entry);
    }

    /// <summary>
    /// Says on the disk that older mentions of a hash are void: by a tombstone; where the log has no room for one, by a mark on the newest mention, for which room was reserved when that was written. Where a log that is being
    /// recovered has neither, recovery marks it when it comes across it, and nothing is committed meanwhile. Only where there is no such room, since an earlier version wrote the mention, is the generation given up, which says
    /// the same of all hashes.
    /// </summary>
    /// <param name="hash">The hash.</param>
    /// <param name="version">Up to which version.</param>
    /// <param name="newest">Where its newest mention is; null: not known.</param>
    public void VoidMention(ulong hash, ulong version, SegmentLocation? newest)
    {
        Span<byte> record = stackalloc byte[TierRecord.HeaderBytes];
        TierRecord.WriteControl(record, TierRecordType.Tombstone, hash, version, default);
        if (TryAppend(record, mayCreate: Problem.Length == 0, isVital: false, out _) || (newest is { } place && TryMark(place.Sequence, (int)place.Offset)))
        {
            return;
        }

        if (newest is null && IsRecovering)
        {
            unlogged.Add(hash);
            hasUnlogged = true;
        }
        else if (!TryAppend(record, mayCreate: true, isVital: true, out _))
        {
            GiveUp(Problem.Length > 0 ? Problem : $"no open segment could be had in {context.StateFolder}");
        }
    }

    /// <summary>Recovery has come across the newest mention of a hash that the index knows already: where it is void, and nothing says so yet, it is marked.</summary>
    public void Recovered(ulong hash, long sequence, int offset, bool isEntry)
    {
        if (!hasUnlogged || !unlogged.Remove(hash))
        {
            return;
        }

        hasUnlogged = unlogged.Count > 0;
        if (isEntry)
        {
            VoidMention(hash, ulong.MaxValue, SegmentLocation.InSegment(sequence, offset, TierRecord.HeaderBytes));
        }
    }

    /// <summary>Logs a record that must be there before its effect is acknowledged, and for which some room is kept.</summary>
    /// <returns>False where that is used up and the disk has no more: nothing was logged.</returns>
    public bool TryAppendControl(ReadOnlySpan<byte> record, out SegmentLocation location) => TryAppend(record, mayCreate: true, isVital: true, out location);

    /// <summary>Whether an entry, or what may be said elsewhere, has room in the open segment: while no further segment is ready, a part of it is kept for control records.</summary>
    public bool HasRoomFor(int recordLength) => Open is not null && Open.HasRoomFor(recordLength + (Spare is null ? Options.SegmentBytes / KeptPart : 0));

    /// <summary>Appends a record to the open segment, or to the next one.</summary>
    /// <param name="record">Sound.</param>
    /// <param name="mayCreate">Whether a file may be created on the spot where no spare one is ready.</param>
    /// <param name="isVital">Whether it may use the room that is kept.</param>
    /// <param name="location">Where it lies.</param>
    public bool TryAppend(ReadOnlySpan<byte> record, bool mayCreate, bool isVital, out SegmentLocation location)
    {
        location = default;
        if (!HasRoomFor(record.Length) && !TryRotate(record.Length, mayCreate) && (!isVital || Open is null || !Open.HasRoomFor(record.Length)))
        {
            return false;
        }

        location = Appended(Open!, Open!.Append(record), TierRecord.Type(record));
        return true;
    }

    /// <summary>Appends the record for which the open segment was made; it is there already.</summary>
    public SegmentLocation AppendPrewritten() => Appended(Open!, Open!.AppendPrewritten(), TierRecordType.Entry);

    /// <summary>Begins the next segment; the one that was open waits for the store from then on.</summary>
    /// <param name="recordLength">The record that must fit.</param>
    /// <param name="mayCreate">Whether a file may be created on the spot.</param>
    /// <param name="own">A segment that was made for the record; null: a spare one.</param>
    public bool TryRotate(int recordLength, bool mayCreate, OpenSegment? own = null)
    {
        if (Table.StagedCount >= 2 * Options.MaxStaged || NextSequence >= SegmentLocation.MaxSequence)
        {
            Problem = $"{Table.StagedCount} sealed segments wait for the store";
            return false;
        }

        var next = own ?? Spare;
        if (next is null || !next.HasRoomFor(recordLength))
        {
            next = mayCreate ? TryCreate(Math.Max(Options.SegmentBytes, OpenSegment.LengthFor(recordLength))) : null;
        }

        if (next is null)
        {
            return false;
        }

        Spare = next == Spare ? null : Spare;
        context.Failpoint?.Invoke("rotate:before-stage");
        if (Open is not null)
        {
            Table.Move(Table.Find(Open.Sequence)!, SegmentHome.Staged, Open.RecordsEnd);
        }

        var sequence = NextSequence++;
        next.Activate(Generation, sequence, Buffer.Count > 0 ? Math.Min(bufferSinceMs, NowMs) : NowMs);
        context.Failpoint?.Invoke("rotate:after-header");
        State.SetOpenSequence(sequence);
        context.Failpoint?.Invoke("rotate:after-state");
        Open = next;
        Table.Add(new SegmentInfo(sequence, SegmentInfo.NameOf(cacheName, Generation, sequence), next.OpenedAtMs)
        {
            Home = SegmentHome.Open,
            Local = next,
            Voids = next.Voids,
            Length = next.Length,
            RecordsEnd = next.RecordsEnd,
        });
        return true;
    }

    /// <summary>Creates an empty segment, or says in <see cref="Problem"/> why not. Needs no lock.</summary>
    public OpenSegment? TryCreate(int length)
    {
        try
        {
            context.Failpoint?.Invoke("create:segment");
            var created = OpenSegment.Create(Path.Combine(context.StateFolder, $"{Guid.NewGuid():N}.seg"), length);
            Problem = "";
            return created;
        }
        catch (Exception failure) when (failure is IOException or UnauthorizedAccessException)
        {
            Problem = $"no segment of {length} bytes could be created in {context.StateFolder}: {failure.Message}";
            return null;
        }
    }

    /// <summary>Takes a segment that an earlier owner left on this machine.</summary>
    /// <param name="left">The segment.</param>
    /// <param name="voids">Where its records can be marked void.</param>
    public SegmentInfo AddStaged(OpenSegment left, VoidMap? voids)
    {
        var info = new SegmentInfo(left.Sequence, SegmentInfo.NameOf(cacheName, Generation, left.Sequence), left.OpenedAtMs)
        {
            Home = SegmentHome.Staged,
            Local = left,
            Voids = voids,
            Length = left.RecordsEnd,
            RecordsEnd = left.RecordsEnd,
            Records = left.Records,
        };
        Table.Add(info);
        return info;
    }

    public SegmentInfo AddStored(string name, long sequence, long openedAtMs, long length, long recordsEnd, int records, VoidMap? voids)
    {
        var info = new SegmentInfo(sequence, name, openedAtMs) { Voids = voids, Home = SegmentHome.Stored, Length = length, RecordsEnd = recordsEnd, Records = records };
        Table.Add(info);
        return info;
    }

    /// <summary>Says that nothing below a number holds any more, for this owner and the next.</summary>
    public void RaiseFloor(long sequence)
    {
        if (sequence > FloorSequence)
        {
            FloorSequence = sequence;
            State.SetNote(SegmentNote.Write(Generation, sequence));
        }
    }

    /// <summary>
    /// Begins a new generation, empty: what was in the old one can no longer be vouched for. The state's file is there already, so this works on a full disk too.
    /// </summary>
    public void GiveUp(string reason)
    {
        Problem = reason;
        if (Open is null && Table.Count == 0 && !IsRecovering && Generation == State.Generation && State.OpenSequence == 0)
        {
            return; // Nothing was ever logged in this one.
        }

        Epoch++;
        var waiting = Waiting();
        shadowing.Clear();
        Index.Clear();
        Clears.Reset();
        (voids, promoted) = (0, 0);
        foreach (var info in Table.All)
        {
            if (info.Local is { } local)
            {
                Discarded.Add(local);
            }

            DiscardVoids(info);
        }

        Table.Clear();
        Open = null;
        NextSequence = 1;
        FloorSequence = 1;
        State.BeginGeneration();
        Generation = State.Generation;
        IsRecovering = false;
        ForgetUnlogged();
        waiting.ForEach(entry => Put(entry));
        Counters.GenerationsGivenUp++;
        Changed();
        TierLog.GivenUp(context.Logger, reason);
    }

    // What waits to be written.

    /// <summary>
    /// Writes an entry straight into the open segment, where it needs neither encoding nor a copy that waits. Without I/O: where a segment would have to be created or room to be made, it is not done.
    /// </summary>
    /// <param name="entry">The entry.</param>
    /// <param name="hasRotated">Whether the open segment was full and the spare one was begun.</param>
    /// <returns>False where it must wait in the buffer.</returns>
    public bool TryWrite(scoped in TierEntry entry, out bool hasRotated)
    {
        hasRotated = false;
        if (entry.Large is not null || !writesPlain || Open is null || !MayTakeEntries)
        {
            return false;
        }

        var found = Index.TryFind(entry.Hash, out _);
        if (!found && Index.Count >= MaxEntries)
        {
            return false;
        }

        var length = TierRecord.PlainLength(entry);
        if (!HasRoomFor(length))
        {
            hasRotated = Spare is not null && Table.HeldBytes + Options.SegmentBytes <= context.CapacityBytes && TryRotate(length, mayCreate: false);
            if (!hasRotated)
            {
                return false;
            }
        }

        var location = Appended(Open, Open.AppendEntry(entry, length), TierRecordType.Entry);
        Supersedes(entry.Hash);
        Put(new IndexEntry(entry.Hash, location.With(entry.Tags.IsEmpty ? LocationFlags.None : LocationFlags.Tagged), IndexEntry.Seconds(entry.ExpiresAt)));
        return true;
    }

    /// <summary>Copies an entry into the buffer and points the index at it.</summary>
    /// <param name="entry">The entry.</param>
    /// <param name="isThrough">Whether what the log says of the hash stays true until the entry is in the log.</param>
    /// <param name="ticket">Its ticket.</param>
    public bool TryBuffer(scoped in TierEntry entry, bool isThrough, out long ticket)
    {
        var found = Index.TryFind(entry.Hash, out var old);
        if (!MayTakeEntries || (!found && Index.Count >= MaxEntries) || !Buffer.TryAdd(entry, out ticket))
        {
            ticket = 0;
            return false;
        }

        LastTicket = ticket;
        if (isThrough)
        {
            throughs.Enqueue(ticket);
            ThroughTicket = ticket;
        }

        if (Buffer.Count == 1)
        {
            bufferSinceMs = NowMs;
        }

        // Of what the log says nothing may remain: if this entry is voided before it is written, it only leaves the index.
        if (found ? !old.Location.IsInBuffer && (old.Location.Flags & LocationFlags.Void) == 0 : IsRecovering)
        {
            if (isThrough)
            {
                shadowing[entry.Hash] = found ? old.Location : null;
            }
            else
            {
                VoidMention(entry.Hash, entry.Version, found ? old.Location : null);
            }
        }

        var flags = entry.Tags.IsEmpty ? LocationFlags.None : LocationFlags.Tagged;
        Put(new IndexEntry(entry.Hash, SegmentLocation.InBuffer(ticket, flags), IndexEntry.Seconds(entry.ExpiresAt)));
        return true;
    }

    /// <summary>Whether the next entry is taken, whatever its length.</summary>
    public bool HasRoom => MayTakeEntries && Problem.Length == 0 && Index.Count < MaxEntries && Buffer.HasRoom;

    /// <summary>What waits when the tier ends is lost. Those that are written through have not been acknowledged.</summary>
    public void DropWaiting() => Counters.Drops += Waiting().Count;

    /// <summary>Whether so much waits to be written that the writer is to begin.</summary>
    public bool IsFilling => Buffer.UsedBytes > Options.BufferBytes / 8 || Buffer.LargeBytes > Options.LargeBytes / 8;

    /// <summary>The highest ticket that was given.</summary>
    public long LastTicket { get; private set; }

    /// <summary>Whether the next segment is there, or can be had at once: on a full disk a write that goes through is refused before anything has changed.</summary>
    public bool TryPrepareNext() => (Spare ??= TryCreate(Options.SegmentBytes)) is not null;

    /// <summary>
    /// Gives up the writes that go through and wait, as the log has no room for them; nobody was told that they are there. What they were to replace is void too: memory has the new value already.
    /// </summary>
    public void FailThroughs()
    {
        Volatile.Write(ref throughFailedAt, context.Time.GetTimestamp());
        ThroughTicket = Math.Min(ThroughTicket, LoggedTicket);
        while (throughs.TryDequeue(out var ticket))
        {
            if (Buffer.TryRead(ticket, out var record) && Index.TryFind(TierRecord.Hash(record.Record), out var entry) && entry.Location.SamePlace(SegmentLocation.InBuffer(ticket)))
            {
                Drop(entry);
            }
        }
    }

    /// <summary>Whether a segment holds an acknowledged entry that a write under way is about to supersede: it must not go before that is in the log.</summary>
    public bool IsShadowed(long sequence) => shadowing.Count > 0 && shadowing.Values.Any(shadowed => shadowed is not { } place || place.Sequence == sequence);

    /// <summary>Whether a hash is written through and waits while the log's newest mention of it is true.</summary>
    public bool IsShadowing(ulong hash) => shadowing.Count > 0 && shadowing.ContainsKey(hash);

    /// <summary>Says that a record of a hash is in the log: it supersedes what was there.</summary>
    public void Supersedes(ulong hash)
    {
        if (shadowing.Count > 0)
        {
            shadowing.Remove(hash);
        }
    }

    /// <summary>Says that everything up to a ticket has left the buffer, and that what is still there came after an instant.</summary>
    public void Written(long upToTicket, long sinceMs)
    {
        Buffer.Release(upToTicket);
        LoggedTicket = Math.Max(LoggedTicket, upToTicket);
        Tags.Forget(upToTicket);
        while (throughs.TryPeek(out var through) && through <= upToTicket)
        {
            throughs.Dequeue();
        }

        bufferSinceMs = Math.Max(bufferSinceMs, sinceMs);
    }

    // What is on the disk.

    public void Flushed(long upToBytes) => Volatile.Write(ref flushedBytes, Math.Max(flushedBytes, upToBytes));

    /// <summary>Compares what is kept beside the index with the index itself. For tests.</summary>
    public void CheckInvariants()
    {
        Index.CheckInvariants();
        var visitor = new Recount();
        for (var table = 0; table < Index.TableCount; table++)
        {
            Index.Visit(table, ref visitor);
        }

        if (visitor.Voids != voids || visitor.Promoted != promoted || visitor.LiveBytes != Table.All.Sum(info => info.LiveBytes))
        {
            throw new UnreachableException($"The index holds {visitor}; counted were {voids} voids, {promoted} promoted, {Table.All.Sum(info => info.LiveBytes)} bytes.");
        }
    }

    public void Dispose()
    {
        Index.Dispose();
        Buffer.Dispose();
        State.Dispose();
        Spare?.Release();
        Spare?.Voids?.Close();
        foreach (var info in Table.All)
        {
            info.Local?.Release();
            info.Voids?.Close();
        }

        Discarded.ForEach(static segment => segment.Release());
    }

    /// <summary>Says that the map of a segment is not needed any more.</summary>
    public void DiscardVoids(SegmentInfo info)
    {
        if (info.Voids is { } voids)
        {
            DiscardedVoids.Add(voids);
        }
    }

    private bool TryMark(long sequence, int offset)
    {
        if (Table.Find(sequence)?.Voids is not { } voids)
        {
            return false;
        }

        if (!State.HasVoids)
        {
            State.SetHasVoids();
        }

        return voids.TrySet(offset, context.Fsync);
    }

    private void ForgetUnlogged()
    {
        unlogged.Clear();
        hasUnlogged = false;
    }

    private SegmentLocation Appended(OpenSegment open, int offset, TierRecordType type)
    {
        var info = Table.Find(open.Sequence)!;
        info.RecordsEnd = open.RecordsEnd;
        info.Records = open.Records;
        if (type == TierRecordType.Entry && open.FirstEntryMs == 0)
        {
            open.FirstEntryMs = NowMs;
        }

        var length = open.RecordsEnd - offset;
        Volatile.Write(ref appendedBytes, appendedBytes + length);
        return SegmentLocation.InSegment(open.Sequence, offset, length);
    }

    /// <summary>What the buffer holds, which is true in any generation.</summary>
    private List<IndexEntry> Waiting()
    {
        var waiting = new List<IndexEntry>();
        for (var ticket = LoggedTicket; Buffer.TryNext(ticket, out ticket, out var record);)
        {
            if (Index.TryFind(TierRecord.Hash(record.Record), out var entry) && entry.Location.SamePlace(SegmentLocation.InBuffer(ticket))
                && (entry.Location.Flags & LocationFlags.Void) == 0 && !Clears.IsCleared(entry.Hash, ticket))
            {
                waiting.Add(entry);
            }
        }

        return waiting;
    }

    private void Count(SegmentLocation location, int by)
    {
        if ((location.Flags & LocationFlags.Void) != 0)
        {
            voids += by;
            return;
        }

        if ((location.Flags & LocationFlags.Promoted) != 0)
        {
            promoted += by;
        }

        if (!location.IsInBuffer && Table.Find(location.Sequence) is { } info)
        {
            info.LiveBytes += by * location.LengthAtMost;
        }
    }

    private record struct Recount : IIndexVisitor
    {
        public long Voids { get; private set; }

        public long Promoted { get; private set; }

        public long LiveBytes { get; private set; }

        public IndexAction Visit(ref IndexEntry entry)
        {
            var flags = entry.Location.Flags;
            if ((flags & LocationFlags.Void) != 0)
            {
                Voids++;
                return IndexAction.Keep;
            }

            Promoted += (flags & LocationFlags.Promoted) != 0 ? 1 : 0;
            LiveBytes += entry.Location.IsInBuffer ? 0 : entry.Location.LengthAtMost;
            return IndexAction.Keep;
        }
    }
}
