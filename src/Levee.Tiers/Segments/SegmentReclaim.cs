using System.Buffers;
using Levee.Partitions;
using Levee.Segments;
using Levee.Tiers.Stores;

namespace Levee.Tiers.Segments;

/// <summary>
/// Makes room by giving segments up: mostly the oldest; one in the middle where little of it lives and much of the oldest does (cleaning). What was read since it came is carried over to the open segment, other
/// entries go to the tier below, each while its partition is held and only if it is still true. Then a Retired record says that the segment holds nothing any more, the index forgets it, and the object is deleted.
/// One at a time.
/// </summary>
internal sealed class SegmentReclaim(SegmentLog log, ISegmentStore store, SegmentReader reader, ITierHost host, SegmentDeletions deletions, TierContext context)
{
    private const int EntriesPerHold = 128;
    private const int MaxAttempts = 3;
    private const int MaxGapBytes = 64 * 1024;
    private const int MaxRunBytes = 1 << 20;
    private int attempts;
    private bool hasNoRoom;

    private enum Fate
    {
        Carried,
        Below,
    }

    /// <summary>Where entries go that are not worth carrying over; null: nowhere.</summary>
    public ITier? Below { get; set; }

    /// <summary>Gives up one segment if room is needed.</summary>
    /// <returns>False where there was nothing to do.</returns>
    /// <exception cref="IOException">The store did not answer.</exception>
    public async ValueTask<bool> ReclaimNextAsync(CancellationToken cancellation)
    {
        SegmentInfo? victim;
        bool isOldest;
        int epoch;
        lock (log.Gate)
        {
            epoch = log.Epoch;
            log.MayOverfill = false;
            victim = !log.IsRecovering && NeedsRoom() ? Choose() : null;
            isOldest = victim == log.Table.Oldest;
            if (victim is not null && IsHeldUp(log.IsShadowed(victim.Sequence)))
            {
                return true;
            }
        }

        if (victim is null)
        {
            return false;
        }

        Fail(isOldest, "begin");
        var content = await ReadFooterAsync(victim, cancellation).ConfigureAwait(false);
        if (content is not null)
        {
            await KeepWhatIsWorthAsync(victim, content, epoch, isOldest, cancellation).ConfigureAwait(false);
        }
        else if (!isOldest)
        {
            victim.IsUnreadable = true;
            return true;
        }

        if (!TryRetire(victim, content, isOldest, epoch))
        {
            // Where the log has no room to say that the segment is gone, it stays.
            return !hasNoRoom;
        }

        Fail(isOldest, "after-retired");
        Forget(victim, content, epoch);
        Fail(isOldest, "after-forget");
        Remove(victim, isOldest);
        await deletions.RunAsync(cancellation).ConfigureAwait(false);
        Fail(isOldest, "after-delete");
        return true;
    }

    private void Fail(bool isOldest, string moment) => context.Failpoint?.Invoke($"{(isOldest ? "reclaim" : "clean")}:{moment}");

    /// <summary>While a write that goes through waits, the segment that holds its key's old value stays, and the write is let past the capacity.</summary>
    private bool IsHeldUp(bool isShadowed)
    {
        log.MayOverfill |= isShadowed;
        return isShadowed;
    }

    private bool NeedsRoom() =>
        log.Table.HeldBytes + (2L * log.Options.SegmentBytes) > context.CapacityBytes || log.Index.Count >= log.MaxEntries - (log.MaxEntries / 50);

    private SegmentInfo? Choose()
    {
        var oldest = log.Table.Oldest;
        if (oldest is null || oldest.Home == SegmentHome.Open)
        {
            return null;
        }

        // Cleaning logs tombstones: not while there is hardly room for them.
        if (log.Spare is null || oldest.LiveBytes <= oldest.RecordsEnd * log.Options.CleanWhenOldestAbove)
        {
            return oldest;
        }

        SegmentInfo? emptiest = null;
        foreach (var info in log.Table.All)
        {
            if (SegmentRules.IsWorthCleaning(info, log.Options.CleanBelow) && (emptiest is null || info.LiveBytes < emptiest.LiveBytes))
            {
                emptiest = info;
            }
        }

        return emptiest ?? oldest;
    }

    private async ValueTask<FooterContent?> ReadFooterAsync(SegmentInfo victim, CancellationToken cancellation)
    {
        try
        {
            var content = await SegmentFooterSource.ReadAsync(log, store, victim, cancellation).ConfigureAwait(false);
            attempts = 0;
            return content;
        }
        catch (IOException) when (++attempts >= MaxAttempts)
        {
            attempts = 0;
            return null;
        }
    }

    private async ValueTask KeepWhatIsWorthAsync(SegmentInfo victim, FooterContent content, int epoch, bool isOldest, CancellationToken cancellation)
    {
        var worth = Select(victim, content, epoch);
        for (var first = 0; first < worth.Count;)
        {
            var end = worth[first].End;
            var last = first + 1;
            while (last < worth.Count && worth[last].Offset - end <= MaxGapBytes && worth[last].End - worth[first].Offset <= MaxRunBytes)
            {
                end = worth[last++].End;
            }

            await KeepRunAsync(victim, worth, first, last, epoch, cancellation).ConfigureAwait(false);
            first = last;
            Fail(isOldest, "carrying");
        }
    }

    private List<Worth> Select(SegmentInfo victim, FooterContent content, int epoch)
    {
        var worth = new List<Worth>();
        var footer = content.Footer;
        var carried = 0L;
        for (var place = 0; place < footer.Count;)
        {
            lock (log.Gate)
            {
                for (var count = 0; epoch == log.Epoch && place < footer.Count && count < EntriesPerHold; count++, place++)
                {
                    var mention = footer[place];
                    if (mention.Type != TierRecordType.Entry || !IsAt(mention.Hash, victim.Sequence, mention.Offset, out var entry))
                    {
                        continue;
                    }

                    var fate = (entry.Location.Flags & LocationFlags.Referenced) != 0 ? Fate.Carried : Fate.Below;
                    if ((entry.Location.Flags & LocationFlags.Promoted) != 0 || (fate == Fate.Below && Below is null))
                    {
                        continue;
                    }

                    carried += fate == Fate.Carried ? mention.Length : 0;
                    if (fate == Fate.Carried && carried > victim.RecordsEnd * log.Options.MaxCarryOver)
                    {
                        continue;
                    }

                    worth.Add(new Worth(mention.Hash, mention.Offset, mention.Length, fate));
                }

                if (epoch != log.Epoch)
                {
                    return [];
                }
            }
        }

        return worth;
    }

    private async ValueTask KeepRunAsync(SegmentInfo victim, List<Worth> worth, int first, int last, int epoch, CancellationToken cancellation)
    {
        var start = worth[first].Offset;
        var length = worth[last - 1].End - start;
        var bytes = ArrayPool<byte>.Shared.Rent(length);
        try
        {
            if (await ReadRunAsync(victim, start, bytes.AsMemory(0, length), cancellation).ConfigureAwait(false) < length)
            {
                return;
            }

            for (var i = first; i < last; i++)
            {
                if (worth[i].Fate == Fate.Below)
                {
                    await TierRoom.MakeAsync(Below, cancellation).ConfigureAwait(false);
                }

                Keep(victim, worth[i], bytes.AsMemory(worth[i].Offset - start, worth[i].Length), epoch);
            }
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(bytes);
        }
    }

    private async ValueTask<int> ReadRunAsync(SegmentInfo victim, int start, Memory<byte> bytes, CancellationToken cancellation)
    {
        OpenSegment? local;
        lock (log.Gate)
        {
            local = victim.Local?.Lease();
        }

        if (local is null)
        {
            var count = await store.ReadAsync(victim.Name, start, bytes, cancellation).ConfigureAwait(false);
            log.Counters.Read(count, log.Counters.ReadMs);
            return count;
        }

        try
        {
            local.Read(start, bytes.Length).CopyTo(bytes.Span);
            return bytes.Length;
        }
        finally
        {
            local.Release();
        }
    }

    private void Keep(SegmentInfo victim, Worth worth, ReadOnlyMemory<byte> record, int epoch)
    {
        using var plain = reader.Decode(record.Span);
        if (plain is null || !TierRecord.TryRead(plain.Span, out var entry))
        {
            lock (log.Gate)
            {
                log.Counters.Damaged++;
            }

            return;
        }

        if (worth.Fate == Fate.Carried)
        {
            host.IfTrue(entry, (This: this, victim.Sequence, worth, record, epoch), static state => state.This.Carry(state.Sequence, state.worth, state.record.Span, state.epoch));
        }
        else if (Below is { } below)
        {
            MoveBelow(below, entry, victim.Sequence, worth, epoch);
        }
    }

    private bool Carry(long sequence, Worth worth, ReadOnlySpan<byte> record, int epoch)
    {
        lock (log.Gate)
        {
            if (epoch != log.Epoch || !IsAt(worth.Hash, sequence, worth.Offset, out var entry) || !log.TryAppend(record, mayCreate: false, isVital: false, out var location))
            {
                return false;
            }

            log.Counters.CarriedOver++;
            return log.Turn(entry, location.With(entry.Location.Flags & ~LocationFlags.Referenced));
        }
    }

    /// <summary>The entry stays in this tier's index until its segment is retired: a write of its key must void both copies.</summary>
    private void MoveBelow(ITier below, scoped in TierEntry entry, long sequence, Worth worth, int epoch)
    {
        var copy = new RentedRecord(TierRecord.PlainLength(entry));
        TierRecord.Write(entry, copy.Span);
        using (copy)
        {
            host.IfTrue(entry, (This: this, below, sequence, worth, copy, epoch), static state => state.This.Demote(state.below, state.sequence, state.worth, state.copy, state.epoch));
        }
    }

    private bool Demote(ITier below, long sequence, Worth worth, RentedRecord record, int epoch)
    {
        lock (log.Gate)
        {
            if (epoch != log.Epoch || !IsAt(worth.Hash, sequence, worth.Offset, out _))
            {
                return false;
            }
        }

        if (!TierRecord.TryRead(record.Span, out var entry))
        {
            return false;
        }

        // It may lie there already, from before it was brought up.
        if (!below.Keep(worth.Hash))
        {
            below.Demote(entry);
        }

        log.Counters.MovedBelow++;
        return true;
    }

    private bool TryRetire(SegmentInfo victim, FooterContent? content, bool isOldest, int epoch)
    {
        hasNoRoom = false;
        if (!isOldest && !TryCarryVoids(victim, content!, epoch))
        {
            return false;
        }

        Fail(isOldest, "before-retired");
        lock (log.Gate)
        {
            if (epoch != log.Epoch || IsHeldUp(log.IsShadowed(victim.Sequence)))
            {
                return false;
            }

            Span<byte> record = stackalloc byte[TierRecord.HeaderBytes];
            TierRecord.WriteControl(record, TierRecordType.Retired, (ulong)victim.Sequence, 0, default);
            if ((content is not null && !TryCarryRetired(content, isOldest ? victim.Sequence + 1 : log.FloorSequence)) || !log.TryAppendControl(record, out _))
            {
                hasNoRoom = true;
                return false;
            }

            victim.IsRetired = true;
            if (isOldest)
            {
                log.RaiseFloor(victim.Sequence + 1);
            }

            return true;
        }
    }

    /// <summary>
    /// Older segments may hold what this one voids: its tombstones, and every entry of it that superseded another. Whatever hash it mentions and the index does not find further on in the log gets a tombstone.
    /// </summary>
    private bool TryCarryVoids(SegmentInfo victim, FooterContent content, int epoch)
    {
        var done = new HashSet<ulong>();
        var footer = content.Footer;
        for (var place = 0; place < footer.Count;)
        {
            lock (log.Gate)
            {
                for (var count = 0; place < footer.Count && count < EntriesPerHold; count++, place++)
                {
                    var hash = footer[place].Hash;
                    var isFurtherOn = log.TryFind(hash, out var entry) && !entry.Location.IsInBuffer && entry.Location.Sequence != victim.Sequence
                        && (entry.Location.Flags & LocationFlags.Void) == 0;
                    if (IsHeldUp(log.IsShadowing(hash)))
                    {
                        return false; // Not now: what this segment says of it is still true.
                    }

                    if (epoch != log.Epoch || (!isFurtherOn && done.Add(hash) && !TryCarryVoid(hash)))
                    {
                        return false;
                    }
                }
            }
        }

        var controls = footer.ControlRecords;
        while (controls.MoveNext())
        {
            if (TierRecord.Type(controls.Record) is TierRecordType.TagRemoval or TierRecordType.Clear && !TryCarryControl(controls.Record, epoch))
            {
                return false;
            }
        }

        return true;
    }

    /// <summary>Cleaning is no reason to use the room that is kept.</summary>
    private bool TryCarryVoid(ulong hash)
    {
        Span<byte> record = stackalloc byte[TierRecord.HeaderBytes];
        TierRecord.WriteControl(record, TierRecordType.Tombstone, hash, ulong.MaxValue, default);
        hasNoRoom = !log.TryAppend(record, mayCreate: true, isVital: false, out _);
        return !hasNoRoom;
    }

    private bool TryCarryControl(ReadOnlySpan<byte> record, int epoch)
    {
        // Behind entries that came after it, a clear holds by its version alone; its body says so.
        var body = TierRecord.Type(record) == TierRecordType.Clear ? SegmentRules.ByVersionOnly : TierRecord.Body(record);
        Span<byte> copy = stackalloc byte[TierRecord.HeaderBytes + Operations.Limits.MaxTagBytes];
        copy = copy[..(TierRecord.HeaderBytes + body.Length)];
        TierRecord.WriteControl(copy, TierRecord.Type(record), TierRecord.Hash(record), TierRecord.Version(record), body);
        lock (log.Gate)
        {
            hasNoRoom = epoch == log.Epoch && !log.TryAppend(copy, mayCreate: true, isVital: false, out _);
            return epoch == log.Epoch && !hasNoRoom;
        }
    }

    private bool TryCarryRetired(FooterContent content, long floor)
    {
        var controls = content.Footer.ControlRecords;
        while (controls.MoveNext())
        {
            if (TierRecord.Type(controls.Record) == TierRecordType.Retired && (long)TierRecord.Hash(controls.Record) >= floor && !log.TryAppendControl(controls.Record, out _))
            {
                return false;
            }
        }

        return true;
    }

    private void Forget(SegmentInfo victim, FooterContent? content, int epoch)
    {
        if (content is null)
        {
            SegmentSweep.Forget(log, victim.Sequence, epoch);
            return;
        }

        var footer = content.Footer;
        for (var place = 0; place < footer.Count;)
        {
            lock (log.Gate)
            {
                for (var count = 0; epoch == log.Epoch && place < footer.Count && count < EntriesPerHold; count++, place++)
                {
                    if (log.TryFind(footer[place].Hash, out var entry) && entry.Location.Sequence == victim.Sequence)
                    {
                        log.Drop(entry);
                    }
                }

                if (epoch != log.Epoch)
                {
                    return;
                }
            }
        }
    }

    private void Remove(SegmentInfo victim, bool isOldest)
    {
        lock (log.Gate)
        {
            if (!log.Table.Remove(victim))
            {
                return;
            }

            log.Counters.Reclaimed += isOldest ? 1 : 0;
            log.Counters.Cleaned += isOldest ? 0 : 1;
            if (victim.Local is { } local)
            {
                log.Discarded.Add(local);
            }

            log.DiscardVoids(victim);
        }

        if (victim.Home == SegmentHome.Stored)
        {
            deletions.Add(victim.Name);
        }
    }

    private bool IsAt(ulong hash, long sequence, int offset, out IndexEntry entry) =>
        log.TryFind(hash, out entry) && !entry.Location.IsInBuffer && entry.Location.Sequence == sequence && entry.Location.Offset == offset
        && (entry.Location.Flags & LocationFlags.Void) == 0;

    private readonly record struct Worth(ulong Hash, int Offset, int Length, Fate Fate)
    {
        public int End => Offset + Length;
    }
}
