using Levee.Memory;
using Levee.Segments;

namespace Levee.Tiers.Segments;

/// <summary>
/// Writes what waits in the buffer to the log: takes some records under the tier's lock, encodes them without it, and appends under the lock those that the index still points at.
/// One drain at a time.
/// </summary>
internal sealed class SegmentWriter(SegmentLog log, TierContext context) : IDisposable
{
    private const int BatchRecords = 256;
    private const int BatchBytes = 64 * 1024;
    private const int AppendsPerHold = 64;

    private readonly SemaphoreSlim turn = new(1, 1);
    private readonly List<Pending> batch = new(BatchRecords);
    private byte[] plain = new byte[2 * BatchBytes];
    private byte[] encoded = new byte[2 * BatchBytes];
    private int plainLength;
    private long batchEnd;
    private long sinceMs;

    /// <summary>Writes until nothing waits any more, or nothing can be written.</summary>
    /// <param name="upToTicket">What must be written at least; what came later may be left.</param>
    /// <param name="cancellation">Ends the wait for another drain.</param>
    /// <returns>False where something could not be written; it still waits.</returns>
    public async ValueTask<bool> DrainAsync(long upToTicket, CancellationToken cancellation)
    {
        await turn.WaitAsync(cancellation).ConfigureAwait(false);
        try
        {
            while (log.LoggedTicket < upToTicket && Gather())
            {
                Encode();
                if (!Append())
                {
                    return false;
                }
            }

            return true;
        }
        finally
        {
            turn.Release();
        }
    }

    public void Dispose() => turn.Dispose();

    private bool Gather()
    {
        batch.Clear();
        plainLength = 0;
        lock (log.Gate)
        {
            sinceMs = log.NowMs;
            batchEnd = log.LoggedTicket;
            while (batch.Count < BatchRecords && plainLength < BatchBytes && log.Buffer.TryNext(batchEnd, out var ticket, out var record))
            {
                var hash = TierRecord.Hash(record.Record);
                if (Points(hash, ticket))
                {
                    var length = record.PlainLength;
                    if (batch.Count > 0 && plainLength + length > plain.Length)
                    {
                        sinceMs = 0;
                        break;
                    }

                    Grow(ref plain, plainLength + length);
                    record.Record.CopyTo(plain.AsSpan(plainLength));
                    record.Large?.AddReference();
                    batch.Add(new Pending { Hash = hash, Ticket = ticket, PlainOffset = plainLength, PlainLength = length, Large = record.Large });
                    plainLength += length;
                }

                batchEnd = ticket;
            }

            sinceMs = log.Buffer.TryNext(batchEnd, out _, out _) ? 0 : sinceMs;
            if (batch.Count == 0)
            {
                log.Written(batchEnd, sinceMs);
                return false;
            }
        }

        return true;
    }

    private void Encode()
    {
        var end = 0;
        for (var i = 0; i < batch.Count; i++)
        {
            var item = batch[i];
            var record = plain.AsSpan(item.PlainOffset, item.PlainLength);
            if (item.Large is { } large)
            {
                LargeRecord.Complete(record, large);
                large.Release();
                item.Large = null;
            }

            Grow(ref encoded, end + context.Codec.MaxEncodedLength(item.PlainLength));
            item.Offset = end;
            item.Length = context.Codec.Encode(record, encoded.AsSpan(end));
            end += item.Length;
            batch[i] = item;
        }
    }

    private bool Append()
    {
        for (var next = 0; next < batch.Count;)
        {
            var (done, blocked) = AppendSome(next);
            next = done;
            if (blocked && !TryMakeRoom(batch[next]))
            {
                lock (log.Gate)
                {
                    log.Written(next == 0 ? log.LoggedTicket : batch[next - 1].Ticket, 0);
                }

                return false;
            }
        }

        lock (log.Gate)
        {
            log.Written(batchEnd, sinceMs);
        }

        // What one long record made them grow to is not kept.
        if (plain.Length > 1 << 20)
        {
            plain = new byte[2 * BatchBytes];
            encoded = new byte[2 * BatchBytes];
        }

        return true;
    }

    private (int Done, bool IsBlocked) AppendSome(int next)
    {
        lock (log.Gate)
        {
            for (var count = 0; next < batch.Count && count < AppendsPerHold; next++, count++)
            {
                var item = batch[next];
                if (!log.TryFind(item.Hash, out var entry) || !Points(entry, item.Ticket))
                {
                    continue;
                }

                if (IsTagRemoved(entry, item))
                {
                    log.Drop(entry);
                    continue;
                }

                var record = encoded.AsSpan(item.Offset, item.Length);
                if (!log.MayTakeEntries || !log.HasRoomFor(record.Length))
                {
                    return (next, true);
                }

                log.TryAppend(record, mayCreate: false, isVital: false, out var location);
                log.Turn(entry, location.With(entry.Location.Flags));
                log.Supersedes(item.Hash);
            }

            return (next, false);
        }
    }

    /// <summary>Begins the next segment, from a spare one or from a file that is created here, outside the lock.</summary>
    private bool TryMakeRoom(in Pending item)
    {
        var record = encoded.AsSpan(item.Offset, item.Length);
        var length = Math.Max(log.Options.SegmentBytes, record.Length > log.Options.SegmentBytes / 2 ? OpenSegment.LengthFor(record.Length) : 0);
        var isLong = length > log.Options.SegmentBytes;
        int epoch;
        lock (log.Gate)
        {
            epoch = log.Epoch;
            if (!log.MayTakeEntries || (log.Table.HeldBytes + length > context.CapacityBytes && !log.MayOverfill))
            {
                return false;
            }

            log.MayOverfill = false;

            if (!isLong && log.Spare is not null)
            {
                return log.TryRotate(record.Length, mayCreate: false);
            }
        }

        if (log.TryCreate(length) is not { } created)
        {
            return false;
        }

        if (isLong)
        {
            created.Prewrite(record);
        }

        lock (log.Gate)
        {
            if (epoch == log.Epoch && log.TryRotate(record.Length, mayCreate: false, created))
            {
                // At once: whatever else is appended first would lie where it was written.
                if (isLong && log.TryFind(item.Hash, out var entry) && Points(entry, item.Ticket) && !IsTagRemoved(entry, item))
                {
                    log.Turn(entry, log.AppendPrewritten().With(entry.Location.Flags));
                    log.Supersedes(item.Hash);
                }

                return true;
            }

            log.Discarded.Add(created);
            return false;
        }
    }

    private bool Points(ulong hash, long ticket) => log.TryFind(hash, out var entry) && Points(entry, ticket);

    private bool Points(in IndexEntry entry, long ticket)
    {
        if (!entry.Location.SamePlace(SegmentLocation.InBuffer(ticket)) || (entry.Location.Flags & LocationFlags.Void) != 0)
        {
            return false;
        }

        if (!log.Clears.IsCleared(entry.Hash, ticket) && !entry.IsExpired(log.NowMs))
        {
            return true;
        }

        // It must not reach the log behind the clear that voids it.
        log.Drop(entry);
        return false;
    }

    private bool IsTagRemoved(in IndexEntry entry, in Pending item) =>
        (entry.Location.Flags & LocationFlags.Tagged) != 0 && !log.Tags.IsEmpty
        && TierRecord.TryRead(plain.AsSpan(item.PlainOffset, item.PlainLength), out var waiting)
        && log.Tags.IsRemoved(log.Clears.PartitionOf(item.Hash), item.Ticket, waiting.Tags);

    private static void Grow(ref byte[] bytes, int length)
    {
        if (bytes.Length < length)
        {
            Array.Resize(ref bytes, Math.Max(length, (int)Math.Min(2L * bytes.Length, Array.MaxLength)));
        }
    }

    private struct Pending
    {
        public ulong Hash;
        public long Ticket;
        public int PlainOffset;
        public int PlainLength;
        public int Offset;
        public int Length;
        public LargeValue? Large;
    }
}
