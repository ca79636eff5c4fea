using Levee.Segments;

namespace Levee.Tiers.Redis;

/// <summary>
/// Groups of records that came to Redis one after the other: what a segment is to a segment tier, as far as giving up the oldest goes. They have numbers and virtual offsets, so that every
/// record's place is its own. Owned by the tier's lock.
/// </summary>
internal sealed class RedisGroups
{
    private const int MinGroupBytes = 64 * 1024;
    private const int GroupsPerCapacity = 64;

    private readonly long groupBytes;
    private readonly Queue<Group> older = new();
    private long reclaimedThrough;

    public RedisGroups(long capacityBytes)
    {
        groupBytes = Math.Clamp(capacityBytes / GroupsPerCapacity, MinGroupBytes, SegmentLocation.OffsetLimit / 2);
        Current = new Group { Sequence = 1, HoldsFromMs = long.MaxValue };
    }

    /// <summary>The group that grows.</summary>
    public Group Current { get; private set; }

    /// <summary>Whether numbers are used up, and a new generation must begin.</summary>
    public bool IsExhausted => Current.Sequence >= SegmentLocation.MaxSequence;

    /// <summary>Gives a record its place.</summary>
    public SegmentLocation Add(int length, LocationFlags flags, long heldSinceMs)
    {
        if (Current.Bytes >= groupBytes)
        {
            Open(heldSinceMs);
        }

        var location = SegmentLocation.InSegment(Current.Sequence, Current.Offset, length, flags);
        Current.Offset += TierRecord.Alignment;
        Current.Bytes += length + RedisPresence.EntryOverheadBytes;
        Current.HoldsFromMs = Math.Min(Current.HoldsFromMs, heldSinceMs);
        return location;
    }

    /// <summary>Says that Redis has, or may have, records that have no place: others are going to replace them, or tombstones to delete them.</summary>
    public void Hold(long heldSinceMs) => Current.HoldsFromMs = Math.Min(Current.HoldsFromMs, heldSinceMs);

    /// <summary>Begins the next group.</summary>
    public void Open(long heldSinceMs)
    {
        older.Enqueue(Current);
        Current = new Group { Sequence = Current.Sequence + 1, HoldsFromMs = heldSinceMs };
    }

    /// <summary>Takes the oldest groups that make up at least so many bytes, to be reclaimed.</summary>
    /// <returns>The number up to which they go; 0: there is none.</returns>
    public long BeginReclaim(long bytes, long heldSinceMs)
    {
        if (Current.Bytes > 0)
        {
            Open(heldSinceMs);
        }

        foreach (var group in older)
        {
            if (group.Sequence <= reclaimedThrough)
            {
                continue;
            }

            reclaimedThrough = group.Sequence;
            bytes -= group.Bytes;
            if (bytes <= 0)
            {
                break;
            }
        }

        return older.Count == 0 || older.Peek().Sequence > reclaimedThrough ? 0 : reclaimedThrough;
    }

    /// <summary>
    /// Says that nothing in the groups up to a number is live any more: they are gone when a tombstone has been answered, and a record of the buffer, for what waits there may be going to
    /// replace one of theirs.
    /// </summary>
    public void EndReclaim(long through, long lastTombstone, long lastTicket)
    {
        foreach (var group in older)
        {
            if (group.Sequence <= through)
            {
                group.GoneWithTombstone = lastTombstone;
                group.GoneWithTicket = lastTicket;
            }
        }
    }

    /// <summary>Whether a record lies in a group that is being given up.</summary>
    public bool IsBeingReclaimed(SegmentLocation location) => !location.IsInBuffer && location.Sequence <= reclaimedThrough;

    /// <summary>A clock before which no record in Redis was taken in.</summary>
    public long HoldsFrom(long answeredTombstone, long answeredTicket)
    {
        while (older.TryPeek(out var oldest) && oldest.GoneWithTombstone <= answeredTombstone && oldest.GoneWithTicket <= answeredTicket)
        {
            older.Dequeue();
        }

        var from = Current.HoldsFromMs;
        foreach (var group in older)
        {
            from = Math.Min(from, group.HoldsFromMs);
        }

        return from;
    }

    /// <summary>Since when a group's records have been held, about.</summary>
    public long Since(long sequence)
    {
        foreach (var group in older)
        {
            if (group.Sequence == sequence)
            {
                return group.HoldsFromMs;
            }
        }

        return sequence == Current.Sequence ? Current.HoldsFromMs : 0;
    }

    /// <summary>Forgets all groups; numbers go on.</summary>
    public void Clear()
    {
        older.Clear();
        reclaimedThrough = Current.Sequence;
        Current = new Group { Sequence = Current.Sequence + 1, HoldsFromMs = long.MaxValue };
    }

    /// <summary>A group.</summary>
    internal sealed class Group
    {
        /// <summary>Its number.</summary>
        public long Sequence { get; init; }

        /// <summary>No record in it was taken in before.</summary>
        public long HoldsFromMs { get; set; }

        /// <summary>The next record's place.</summary>
        public long Offset { get; set; }

        /// <summary>What its records took when they came.</summary>
        public long Bytes { get; set; }

        /// <summary>The tombstone with whose answer nothing of it is left in Redis; <see cref="long.MaxValue"/>: it has not been given up.</summary>
        public long GoneWithTombstone { get; set; } = long.MaxValue;

        /// <summary>The last record that was in the buffer when it had been given up: it, or one before it, may replace one of the group's.</summary>
        public long GoneWithTicket { get; set; } = long.MaxValue;
    }
}
