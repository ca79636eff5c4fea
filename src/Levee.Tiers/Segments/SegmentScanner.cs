using Levee.Partitions;
using System.Buffers;
using Levee.Segments;
using Levee.Tiers.Stores;

namespace Levee.Tiers.Segments;

/// <summary>
/// Visits what the index points at: first what waits in the buffer, then the segments from the oldest to the open one. Records only move that way (written, carried over), so none that stays is missed.
/// A position is a ticket with the buffer's bit, or a sequence number and an offset.
/// </summary>
internal sealed class SegmentScanner(SegmentLog log, ISegmentStore store, SegmentReader reader)
{
    private const long BufferBit = 1L << 62;
    private const int OffsetBits = 24;
    private const int ChunkBytes = 128 * 1024;
    private const int BufferedPerCall = 64;

    public async ValueTask<long> ScanAsync(long position, TierEntryVisitor visit, CancellationToken cancellation)
    {
        if (position == 0 || (position & BufferBit) != 0)
        {
            var last = ScanBuffer(position & ~BufferBit, visit);
            return last == 0 ? 1L << OffsetBits : BufferBit | last;
        }

        var sequence = position >> OffsetBits;
        var offset = Math.Max(SegmentFormat.HeaderBytes, (position & ((1L << OffsetBits) - 1)) * TierRecord.Alignment);
        SegmentInfo? info;
        OpenSegment? local;
        long end;
        lock (log.Gate)
        {
            info = log.Table.AtOrAfter(sequence);
            local = info?.Local?.Lease();
            end = info?.RecordsEnd ?? 0;
        }

        if (info is null)
        {
            return 0;
        }

        offset = info.Sequence == sequence ? offset : SegmentFormat.HeaderBytes;
        try
        {
            offset = await ScanSegmentAsync(info, local, offset, end, visit, cancellation).ConfigureAwait(false);
        }
        finally
        {
            local?.Release();
        }

        return offset >= end ? (info.Sequence + 1) << OffsetBits : (info.Sequence << OffsetBits) | (offset / TierRecord.Alignment);
    }

    private long ScanBuffer(long after, TierEntryVisitor visit)
    {
        var copies = new List<RentedRecord>();
        var ticket = after;
        var isEnd = false;
        lock (log.Gate)
        {
            for (var count = 0; count < BufferedPerCall; count++)
            {
                if (!log.Buffer.TryNext(ticket, out var next, out var record))
                {
                    isEnd = true;
                    break;
                }

                ticket = next;
                if (log.TryFind(TierRecord.Hash(record.Record), out var entry) && entry.Location.SamePlace(SegmentLocation.InBuffer(next))
                    && (entry.Location.Flags & LocationFlags.Void) == 0)
                {
                    var copy = new RentedRecord(record.PlainLength);
                    record.CopyTo(copy.Span);
                    copies.Add(copy);
                }
            }
        }

        foreach (var copy in copies)
        {
            using (copy)
            {
                Visit(copy, visit);
            }
        }

        return isEnd ? 0 : ticket;
    }

    private async ValueTask<long> ScanSegmentAsync(SegmentInfo info, OpenSegment? local, long offset, long end, TierEntryVisitor visit, CancellationToken cancellation)
    {
        if (offset >= end)
        {
            return end;
        }

        for (var wanted = (int)Math.Min(ChunkBytes, end - offset); ;)
        {
            var bytes = ArrayPool<byte>.Shared.Rent(wanted);
            try
            {
                var count = await ReadAsync(info, local, offset, bytes.AsMemory(0, wanted), cancellation).ConfigureAwait(false);
                var next = VisitChunk(info, bytes.AsSpan(0, Math.Max(count, 0)), offset, visit, out var needed);
                if (next > offset)
                {
                    return next;
                }

                if (needed <= wanted || needed > end - offset)
                {
                    // Gone, or damaged: what follows cannot be found from here.
                    return end;
                }

                wanted = needed;
            }
            finally
            {
                ArrayPool<byte>.Shared.Return(bytes);
            }
        }
    }

    private long VisitChunk(SegmentInfo info, ReadOnlySpan<byte> bytes, long offset, TierEntryVisitor visit, out int needed)
    {
        needed = 0;
        while (bytes.Length >= TierRecord.HeaderBytes)
        {
            needed = TierRecord.Length(bytes);
            var padded = TierRecord.Padded(needed);
            if (needed < TierRecord.HeaderBytes || padded > bytes.Length)
            {
                break;
            }

            VisitRecord(info, bytes[..needed], offset, visit);
            bytes = bytes[padded..];
            offset += padded;
        }

        return offset;
    }

    private void VisitRecord(SegmentInfo info, ReadOnlySpan<byte> encoded, long offset, TierEntryVisitor visit)
    {
        lock (log.Gate)
        {
            if (!log.TryFind(TierRecord.Hash(encoded), out var entry) || entry.Location.IsInBuffer || entry.Location.Sequence != info.Sequence || entry.Location.Offset != offset
                || (entry.Location.Flags & LocationFlags.Void) != 0 || log.Table.Find(info.Sequence) != info)
            {
                return;
            }
        }

        using var plain = reader.Decode(encoded);
        if (plain is not null)
        {
            Visit(plain, visit);
        }
    }

    private static void Visit(RentedRecord plain, TierEntryVisitor visit)
    {
        if (TierRecord.TryRead(plain.Span, out var entry))
        {
            visit(entry);
        }
    }

    private async ValueTask<int> ReadAsync(SegmentInfo info, OpenSegment? local, long offset, Memory<byte> bytes, CancellationToken cancellation)
    {
        if (local is null)
        {
            var count = await store.ReadAsync(info.Name, offset, bytes, cancellation).ConfigureAwait(false);
            log.Counters.Read(count, log.Counters.ReadMs);
            return count;
        }

        var there = local.Read(offset, bytes.Length);
        there.CopyTo(bytes.Span);
        return there.Length;
    }
}
