using Levee.Operations;
using Levee.Segments;

namespace Levee.Tiers.Redis;

/// <content>Sending what waits, and what the answers mean; writes that are acknowledged only when Redis has answered.</content>
public sealed partial class RedisTier
{
    // Writes under way; reads share the rest of the pipeline.
    private const int MaxWritesUnderWay = 4096;

    // So many records are looked up before others get the lock.
    private const int RecordsPerHold = 32;

    // Beyond its capacity by this much, records wait until the oldest have gone.
    private const double MaxOverfill = 1.02;

    private readonly RedisBatch batch = new();
    private readonly List<long> batchTickets = [];
    private readonly List<SentSet> batchSets = [];
    private readonly Queue<SentSet> sentSets = new(MaxWritesUnderWay + RedisBatch.MaxRecords);
    private readonly Queue<long> throughTickets = new();
    private long sentTicket;
    private long answeredTicket;

    // The highest that was ever sent: on a connection that was lost too, whose last records Redis may have.
    private long reachedTicket;
    private long sentTombstone;

    // Every record that waits was taken in at heldSinceMs or later; what came up to markTicket was taken in before markMs.
    private long heldSinceMs;
    private long markTicket;
    private long markMs;

    private async Task PumpAsync(RedisLink connected, CancellationToken cancellation)
    {
        while (connected.IsOpen && !cancellation.IsCancellationRequested)
        {
            if (!TakeBatch(connected) || !SendBatch(connected))
            {
                await work.WaitAsync().ConfigureAwait(false);
            }
        }
    }

    /// <summary>Under the lock: what is to be sent next, tombstones before records. False where there is nothing, or where answers are to be waited for.</summary>
    private bool TakeBatch(RedisLink connected)
    {
        batch.Clear();
        lock (gate)
        {
            if (!ReferenceEquals(link, connected) || connected.FreePlaces < RedisBatch.MaxRecords + (RedisBatch.MaxTombstones / 64))
            {
                return false;
            }

            batch.Names = names;
            while (sentTombstone < tombstones.Next - 1 && batch.TombstoneCount < RedisBatch.MaxTombstones)
            {
                batch.AddTombstone(tombstones.HashOf(++sentTombstone));
            }

            batch.LastTombstone = sentTombstone;
            if (!MayTakeRecords() || !TakeRecords())
            {
                return batch.TombstoneCount + batch.RecordCount > 0;
            }
        }

        // More of them, the lock being free in between. A tombstone that came meanwhile would have to go first.
        while (!batch.IsFull)
        {
            lock (gate)
            {
                if (!ReferenceEquals(link, connected) || !MayTakeRecords() || !TakeRecords())
                {
                    break;
                }
            }
        }

        return true;
    }

    private bool MayTakeRecords() =>
        sentTombstone == tombstones.Next - 1 && sentSets.Count + batch.RecordCount < MaxWritesUnderWay && !breaker.IsOpen && presence.StoredBytes <= context.CapacityBytes * MaxOverfill;

    /// <summary>Takes some records. False where no more wait.</summary>
    private bool TakeRecords()
    {
        var now = NowMs();
        for (var taken = 0; taken < RecordsPerHold && !batch.IsFull; taken++)
        {
            if (!buffer.TryNext(sentTicket, out var ticket, out var record))
            {
                ReleaseSkipped();
                return false;
            }

            sentTicket = ticket;
            reachedTicket = Math.Max(reachedTicket, ticket);
            if (!IsToSend(TierRecord.Hash(record.Record), ticket, out var isReplacing))
            {
                continue;
            }

            var expiresAt = TierRecord.ExpiresAt(record.Record);
            if (expiresAt == Limits.Never || expiresAt > now || isReplacing)
            {
                // One that has expired must take the other's place all the same.
                batch.AddRecord(record, ticket, expiresAt == Limits.Never ? 0 : Math.Max(1, expiresAt - now));
            }
        }

        ReleaseSkipped();
        return true;
    }

    /// <summary>Whether a record is what the index points at, or has been superseded there by one that is not sent yet, with no tombstone in between.</summary>
    private bool IsToSend(ulong hash, long ticket, out bool isReplacing)
    {
        isReplacing = replacing.TryGetValue(hash, out var first) && first <= ticket;
        return presence.TryFind(hash, out var entry) && !IsVoid(entry) && entry.Location.IsInBuffer && !IsCleared(entry) && (isReplacing || IsAt(entry, ticket));
    }

    private bool SendBatch(RedisLink connected)
    {
        if (batch.TombstoneCount > 0)
        {
            batchTickets.Clear();
            var encoded = batch.EncodeTombstones(batchTickets);
            if (!connected.TryWrite(encoded, RedisCommandKind.Unlink, System.Runtime.InteropServices.CollectionsMarshal.AsSpan(batchTickets)))
            {
                connected.End("the server does not take what it is sent");
                return false;
            }

            context.Failpoint?.Invoke("redis:after-unlink");
        }

        if (batch.RecordCount > 0)
        {
            batchTickets.Clear();
            batchSets.Clear();
            var encoded = batch.EncodeRecords(context.Codec, batchTickets, batchSets);
            lock (gate)
            {
                foreach (var set in batchSets)
                {
                    sentSets.Enqueue(set);
                }
            }

            if (!connected.TryWrite(encoded, RedisCommandKind.Set, System.Runtime.InteropServices.CollectionsMarshal.AsSpan(batchTickets)))
            {
                connected.End("the server does not take what it is sent");
                return false;
            }

            Interlocked.Add(ref writeRequests, batchTickets.Count);
            Interlocked.Add(ref writtenBytes, encoded.Length);
            batch.Trim();
            context.Failpoint?.Invoke("redis:after-set");
        }

        return true;
    }

    private static bool IsAt(in IndexEntry entry, long ticket) => !IsVoid(entry) && entry.Location.IsInBuffer && entry.Location.Ticket == (ticket & SegmentLocation.TicketMask);

    private void Answered(LinkReplies replies, ReadOnlySpan<RedisAnswer> answers)
    {
        var worst = RedisErrorKind.None;
        var isOverfull = false;
        var hasWritten = false;
        lock (gate)
        {
            if (!replies.IsCurrent)
            {
                return;
            }

            movedAt = time.GetTimestamp();
            foreach (var answer in answers)
            {
                worst = answer.Error == RedisErrorKind.None ? worst : answer.Error;
                if (answer.Kind == RedisCommandKind.Set)
                {
                    hasWritten |= answer.Error == RedisErrorKind.None;
                    SetAnswered(sentSets.Dequeue(), answer.Error);
                }
                else if (answer.Error == RedisErrorKind.None)
                {
                    UnlinkAnswered(answer.Ticket);
                }
                else
                {
                    // Answers that came after it do not count: what was to be deleted is sent again, in its order.
                    LetGo(answer.Error);
                }

                if (!replies.IsCurrent)
                {
                    return;
                }
            }

            ReleaseSkipped();
            if (worst is RedisErrorKind.Replica or RedisErrorKind.NotReady or RedisErrorKind.Credentials or RedisErrorKind.Cluster)
            {
                LetGo(worst);
            }

            isOverfull = presence.StoredBytes > context.CapacityBytes;
        }

        if (isOverfull)
        {
            maintenance.Raise();
        }

        work.Raise();
        breaker.Report(worst);
        if (hasWritten && worst == RedisErrorKind.None)
        {
            ClearRefusal();
        }
    }

    private void SetAnswered(SentSet set, RedisErrorKind error)
    {
        var isFound = presence.TryFind(set.Hash, out var entry) && IsAt(entry, set.Ticket);
        if (error == RedisErrorKind.None)
        {
            if (isFound)
            {
                replacing.Remove(set.Hash);
                presence.Move(set.Hash, entry.Location, groups.Add(set.Length, entry.Location.Flags, heldSinceMs));
                if (groups.IsExhausted)
                {
                    GiveUpGeneration("its numbers are used up");
                    return;
                }
            }
            else
            {
                groups.Hold(heldSinceMs);
            }
        }
        else if (isFound)
        {
            // Refused, or not known: whatever Redis holds of the hash must not count.
            drops++;
            MakeVoid(set.Hash, ulong.MaxValue);
        }

        while (throughTickets.TryPeek(out var through) && through <= set.Ticket)
        {
            throughTickets.Dequeue();
            EndWriteThrough(through, through < set.Ticket || error == RedisErrorKind.None);
        }

        Release(set.Ticket);
    }

    private void UnlinkAnswered(long upTo)
    {
        deleteRequests++;
        while (tombstones.Answered < upTo)
        {
            var number = tombstones.Answered + 1;
            var hash = tombstones.HashOf(number);
            tombstones.Release(number);
            if (!isListing && presence.TryFind(hash, out var entry) && IsVoid(entry) && entry.Location.Ticket == (number & SegmentLocation.TicketMask))
            {
                presence.Remove(hash);
            }
        }
    }

    private void Release(long ticket)
    {
        answeredTicket = Math.Max(answeredTicket, ticket);
        buffer.Release(answeredTicket);
        if (buffer.Count == 0 || answeredTicket >= markTicket)
        {
            heldSinceMs = buffer.Count == 0 ? NowMs() : markMs;
            markTicket = lastTicket;
            markMs = NowMs();
        }
    }

    // Records that were not worth sending, because they are void or expired by now, are given back when nothing before them is under way.
    private void ReleaseSkipped()
    {
        if (sentSets.Count == 0 && batch.RecordCount == 0 && sentTicket > answeredTicket)
        {
            while (throughTickets.TryPeek(out var through) && through <= sentTicket)
            {
                throughTickets.Dequeue();
                EndWriteThrough(through, isWritten: true);
            }

            Release(sentTicket);
        }
    }

    // Ends the connection because of what Redis said; another one begins behind the last answer. What a replica holds may be another server's by then, so that its name does not count any more.
    private void LetGo(RedisErrorKind error)
    {
        if (error == RedisErrorKind.Replica)
        {
            WriteNote(RedisNote.Parse(note) with { RunId = "-" });
        }

        if (currentReplies is { } replies)
        {
            replies.IsCurrent = false;
        }

        link?.End("Redis refuses what the tier needs");
        link = null;
    }

    private void MarkVoid(ulong hash, long number) =>
        presence.Set(new IndexEntry(hash, SegmentLocation.InBuffer(number, LocationFlags.Void), IndexEntry.NeverExpires), out _);

    // What waits to be written is the index's only content after this.
    private void KeepOnlyBuffered()
    {
        var kept = new List<IndexEntry>();
        for (var after = 0L; buffer.TryNext(after, out var ticket, out var record); after = ticket)
        {
            if (presence.TryFind(TierRecord.Hash(record.Record), out var entry) && IsAt(entry, ticket) && IsLive(entry))
            {
                kept.Add(entry);
            }
        }

        presence.Clear();
        foreach (var entry in kept)
        {
            presence.Set(entry, out _);
        }
    }
}
