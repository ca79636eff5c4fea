using System.Runtime.InteropServices;
using Levee.Memory;
using Levee.Operations;
using Levee.Partitions;

namespace Levee.Segments;

/// <summary>
/// What waits to be written: a ring of plain records off the managed heap, taken out in the order in which they came. A large value waits by reference.
/// <code>
/// frame    ticket 8 · record's length 4 · number of its large value 4 (0: none) · record, padded to a multiple of 8
/// ticket   the frame's position in the endless stream, in units of 8 bytes; its place in the ring is that modulo the ring's capacity
/// </code>
/// A frame that does not fit before the ring's end begins at its start; what is left over there counts as used until the frame before it is released. At most one such gap lies among the
/// frames, as there are never more bytes in them than the ring has.
/// <para>Invariant: from first to end, frames (and the gap) lie one behind the other. One owner, one call at a time.</para>
/// </summary>
public sealed unsafe class DemotionBuffer : IDisposable
{
    private const int FrameHeaderBytes = 16;
    private const int UnitBytes = 8;

    /// <summary>The longest record with all its parts, and as much again for the gap at the ring's end.</summary>
    private const long MostReserved =
        2 * (FrameHeaderBytes + TierRecord.HeaderBytes + 64 + Limits.MaxKeyBytes + Limits.MaxInlineBytes + Limits.MaxPackedTagsBytes + Limits.MaxContentTypeBytes);

    private readonly long capacity;
    private readonly long largeCapacity;
    private readonly Stack<int> freeNumbers = new();
    private readonly List<LargeValue?> larges = [];
    private byte* ring;

    /// <summary>Positions in the stream: of the oldest frame, of the next one to come, and of a gap with its end.</summary>
    private long first;
    private long end;
    private long gap = -1;
    private long gapEnd;

    /// <param name="capacityBytes">What the ring may take; each record takes 16 bytes more there than its length.</param>
    /// <param name="largeBytes">
    /// What large values that wait may take together before no more are taken. The last one may pass it: a value that is longer than that must find a way as well, and it lies in memory already.
    /// </param>
    public DemotionBuffer(long capacityBytes, long largeBytes)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(capacityBytes, FrameHeaderBytes + TierRecord.HeaderBytes);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(capacityBytes, SegmentLocation.TicketMask * UnitBytes / 2);
        ArgumentOutOfRangeException.ThrowIfNegative(largeBytes);
        capacity = capacityBytes & -UnitBytes;
        largeCapacity = largeBytes;
        ring = (byte*)NativeMemory.Alloc((nuint)capacity);
        first = end = capacity; // So that no ticket is 0.
    }

    /// <summary>Frees the memory where nobody disposed of it; references to large values go with their store.</summary>
    ~DemotionBuffer() => Free();

    /// <summary>Records that wait.</summary>
    public int Count { get; private set; }

    /// <summary>Whether there is room for one more entry, whatever its length.</summary>
    public bool HasRoom => Count == 0 || (HasRoomForLarge && end - first + MostReserved <= capacity);

    private bool HasRoomForLarge => LargeBytes < largeCapacity || LargeBytes == 0;

    /// <summary>What of the ring is in use, in bytes.</summary>
    public long UsedBytes => end - first;

    /// <summary>What large values that wait take, in bytes.</summary>
    public long LargeBytes { get; private set; }

    /// <summary>Takes an entry in: copies it, and takes a reference to a large value.</summary>
    /// <param name="entry">The entry.</param>
    /// <param name="ticket">What it is read by: above 0, and higher than all before it.</param>
    /// <returns>False where there is no room; then nothing has changed.</returns>
    public bool TryAdd(scoped in TierEntry entry, out long ticket)
    {
        ObjectDisposedException.ThrowIf(ring == null, this);
        ticket = 0;
        var large = entry.Large;
        var inline = entry with { Large = null, Value = large is null ? entry.Value : default };
        var length = TierRecord.PlainLength(inline);
        if ((large is not null && !HasRoomForLarge) || !TryReserve(FrameHeaderBytes + TierRecord.Padded(length), out var position))
        {
            return false;
        }

        ticket = position / UnitBytes;
        var frame = FrameAt(position);
        frame->Ticket = ticket;
        frame->Length = length;
        frame->Large = large is null ? 0 : Keep(large);
        TierRecord.Write(inline, RecordOf(frame));
        Count++;
        return true;
    }

    /// <summary>The record of a ticket.</summary>
    /// <param name="ticket">The ticket or its lower 34 bits (<see cref="SegmentLocation.Ticket"/>).</param>
    /// <param name="record">A view that is valid until <see cref="Release"/> passes the ticket.</param>
    /// <returns>False where it has been released.</returns>
    public bool TryRead(long ticket, out BufferedRecord record)
    {
        ObjectDisposedException.ThrowIf(ring == null, this);
        record = default;
        var whole = Whole(ticket);
        var position = whole * UnitBytes;
        if (position < first || position >= end || FrameAt(position)->Ticket != whole)
        {
            return false;
        }

        record = View(FrameAt(position));
        return true;
    }

    /// <summary>The oldest record that came after a ticket.</summary>
    /// <param name="after">A whole ticket that the buffer gave, released or not; 0: the oldest of all.</param>
    /// <param name="ticket">Its ticket.</param>
    /// <param name="record">As in <see cref="TryRead"/>.</param>
    /// <returns>False where none did.</returns>
    public bool TryNext(long after, out long ticket, out BufferedRecord record)
    {
        ObjectDisposedException.ThrowIf(ring == null, this);
        ticket = 0;
        record = default;
        var position = after < first / UnitBytes ? first : after < end / UnitBytes ? Following(after * UnitBytes) : end;
        if (position >= end)
        {
            return false;
        }

        ticket = position / UnitBytes;
        record = View(FrameAt(position));
        return true;
    }

    /// <summary>Gives back what records take, up to a ticket and its own included, and drops the references to their large values.</summary>
    /// <param name="upToTicket">A whole ticket.</param>
    public void Release(long upToTicket)
    {
        ObjectDisposedException.ThrowIf(ring == null, this);
        while (first < end && first / UnitBytes <= upToTicket)
        {
            var large = FrameAt(first)->Large;
            first = Following(first);
            Count--;
            if (large != 0)
            {
                Drop(large);
            }
        }
    }

    /// <summary>Recounts everything and throws where an invariant does not hold. For tests.</summary>
    public void CheckInvariants()
    {
        var count = 0;
        var largeBytes = 0L;
        var numbers = new HashSet<int>();
        var position = first;
        for (; position < end; position = Following(position))
        {
            var frame = FrameAt(position);
            Invariant.Holds(frame->Ticket == position / UnitBytes, "a frame holds the ticket of its place");
            Invariant.Holds((position % capacity) + FrameHeaderBytes + TierRecord.Padded(frame->Length) <= capacity, "a frame lies in one piece");
            if (frame->Large != 0)
            {
                Invariant.Holds(numbers.Add(frame->Large), "a large value belongs to one frame");
                largeBytes += larges[frame->Large - 1]!.Length;
            }

            count++;
        }

        Invariant.Holds(position == end, "the last frame ends where the next will begin");
        Invariant.Holds(end - first <= capacity, "frames take no more than the ring has");
        Invariant.Holds(count == Count, $"the buffer counts its {count} records, not {Count}");
        Invariant.Holds(largeBytes == LargeBytes, "the buffer counts the bytes of its large values");
        Invariant.Holds(numbers.Count == larges.Count(large => large is not null) && numbers.Count + freeNumbers.Count == larges.Count, "no large value is kept without a frame");
    }

    /// <summary>Drops everything that waits.</summary>
    public void Dispose()
    {
        if (ring != null)
        {
            Release(long.MaxValue);
            Free();
        }

        GC.SuppressFinalize(this);
    }

    private Frame* FrameAt(long position) => (Frame*)(ring + (position % capacity));

    private static Span<byte> RecordOf(Frame* frame) => new((byte*)frame + FrameHeaderBytes, frame->Length);

    private BufferedRecord View(Frame* frame) => new(frame->Ticket, RecordOf(frame), frame->Large == 0 ? null : larges[frame->Large - 1]);

    /// <summary>The ticket that has these lower bits, of those that may be alive.</summary>
    private long Whole(long ticket)
    {
        if (ticket is < 0 or > SegmentLocation.TicketMask)
        {
            return ticket;
        }

        var oldest = first / UnitBytes;
        var whole = (oldest & ~SegmentLocation.TicketMask) | ticket;
        return whole >= oldest ? whole : whole + SegmentLocation.TicketMask + 1;
    }

    private long Following(long position)
    {
        var next = position + FrameHeaderBytes + TierRecord.Padded(FrameAt(position)->Length);
        return next == gap ? gapEnd : next;
    }

    private bool TryReserve(int bytes, out long position)
    {
        var left = capacity - (end % capacity);
        position = bytes > left ? end + left : end;
        if (Count == 0 && bytes <= capacity)
        {
            first = end = position; // No frame is before the gap: there is none.
        }

        if (position + bytes - first > capacity)
        {
            return false;
        }

        if (position > end)
        {
            gap = end;
            gapEnd = position;
        }

        end = position + bytes;
        return true;
    }

    private int Keep(LargeValue large)
    {
        large.AddReference();
        LargeBytes += large.Length;
        if (freeNumbers.TryPop(out var number))
        {
            larges[number - 1] = large;
            return number;
        }

        larges.Add(large);
        return larges.Count;
    }

    private void Drop(int number)
    {
        var large = larges[number - 1]!;
        larges[number - 1] = null;
        freeNumbers.Push(number);
        LargeBytes -= large.Length;
        large.Release();
    }

    private void Free()
    {
        NativeMemory.Free(ring);
        ring = null;
    }

    [StructLayout(LayoutKind.Sequential)]
    private struct Frame
    {
        public long Ticket;
        public int Length;
        public int Large;
    }
}
