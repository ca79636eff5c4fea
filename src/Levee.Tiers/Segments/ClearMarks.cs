using System.Numerics;
using Levee.Segments;

namespace Levee.Tiers.Segments;

/// <summary>
/// Since where in the log a partition is cleared: what lies before its mark is void, whatever the index still says. The index is swept in the background. Owned by the tier's lock.
/// </summary>
internal sealed class ClearMarks(int partitionCount)
{
    private readonly Mark[] marks = new Mark[partitionCount];
    private readonly int shift = 64 - BitOperations.Log2((uint)partitionCount);
    private bool any;

    public int PartitionOf(ulong hash) => shift == 64 ? 0 : (int)(hash >> shift);

    /// <summary>Says that a clear lies at a place of the log, and that what waits up to a ticket came before it.</summary>
    public void Set(int partition, SegmentLocation at, long ticket)
    {
        if ((uint)partition >= (uint)marks.Length)
        {
            return;
        }

        ref var mark = ref marks[partition];
        any = true;
        mark.Ticket = Math.Max(mark.Ticket, ticket);
        if (IsBefore(mark.Sequence, mark.Offset, at))
        {
            mark.Sequence = at.Sequence;
            mark.Offset = at.Offset;
        }
    }

    public bool IsCleared(ulong hash, SegmentLocation location)
    {
        if (!any || location.IsInBuffer)
        {
            return false;
        }

        ref readonly var mark = ref marks[PartitionOf(hash)];
        return !IsBefore(mark.Sequence, mark.Offset, location) && mark.Sequence != 0;
    }

    /// <summary>The same for what waits to be written.</summary>
    public bool IsCleared(ulong hash, long ticket) => any && ticket <= marks[PartitionOf(hash)].Ticket;

    public void Reset()
    {
        any = false;
        Array.Clear(marks);
    }

    private static bool IsBefore(long sequence, long offset, SegmentLocation location) =>
        sequence < location.Sequence || (sequence == location.Sequence && offset < location.Offset);

    private struct Mark
    {
        public long Sequence;
        public long Offset;
        public long Ticket;
    }
}
