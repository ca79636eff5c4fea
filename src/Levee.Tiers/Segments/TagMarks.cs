using Levee.Operations;

namespace Levee.Tiers.Segments;

/// <summary>
/// Tags that were removed while entries that may carry them waited in the buffer. Such an entry must not reach the log behind the record of the removal: that record is forgotten when its own
/// segment goes, which may be earlier. Owned by the tier's lock.
/// </summary>
internal sealed class TagMarks
{
    private const int MaxMarks = 1024;
    private readonly List<Mark> marks = [];
    private long everyTagUpTo;

    public bool IsEmpty => marks.Count == 0 && everyTagUpTo == 0;

    public void Add(int partition, ReadOnlySpan<byte> tag, long ticket)
    {
        if (marks.Count < MaxMarks)
        {
            marks.Add(new Mark(partition, tag.ToArray(), ticket));
            return;
        }

        // Too many to remember one by one: whatever carries a tag and came before is dropped.
        marks.Clear();
        everyTagUpTo = ticket;
    }

    public bool IsRemoved(int partition, long ticket, ReadOnlySpan<byte> packedTags)
    {
        if (packedTags.IsEmpty)
        {
            return false;
        }

        if (ticket <= everyTagUpTo)
        {
            return true;
        }

        foreach (var mark in marks)
        {
            if (mark.Partition == partition && ticket <= mark.Ticket && Contains(packedTags, mark.Tag))
            {
                return true;
            }
        }

        return false;
    }

    /// <summary>Forgets what concerns only records that have left the buffer.</summary>
    public void Forget(long upToTicket)
    {
        if (IsEmpty)
        {
            return;
        }

        marks.RemoveAll(mark => mark.Ticket <= upToTicket);
        everyTagUpTo = everyTagUpTo <= upToTicket ? 0 : everyTagUpTo;
    }

    private static bool Contains(ReadOnlySpan<byte> packed, ReadOnlySpan<byte> tag)
    {
        while (TagList.TryRead(ref packed, out var carried))
        {
            if (carried.SequenceEqual(tag))
            {
                return true;
            }
        }

        return false;
    }

    private sealed record Mark(int Partition, byte[] Tag, long Ticket);
}
