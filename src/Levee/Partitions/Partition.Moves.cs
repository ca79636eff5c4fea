using Levee.Eviction;
using Levee.Learning;
using Levee.Operations;

namespace Levee.Partitions;

/// <summary>
/// Coming and going. A partition that arrives is usable at once: the frozen copy that its earlier owner keeps lies below it like a tier that may hold every key, until its contents have been
/// imported. What is written, removed or evicted here meanwhile is remembered by hash and never taken from there again; tag removals and clears cover what still comes, by version.
/// </summary>
public sealed partial class Partition
{
    private ArrivingKeys? arriving;
    private string arrivingFrom = "";

    /// <summary>How the arrival ended, or that there is none or it is not over.</summary>
    internal ArrivalEnd Arrival { get; private set; }

    /// <summary>Whether contents are still to come.</summary>
    internal bool IsArriving => arriving is not null;

    /// <summary>Whether the policy's capacity has yet to follow the share.</summary>
    internal bool IsResizing => store.IsResizing;

    /// <summary>Loads under way.</summary>
    internal int LoadCount => loads.Count;

    /// <summary>Loads under way that ask the frozen copy.</summary>
    internal int SourceLoadCount => loads.CountFromSource;

    /// <summary>Entries here.</summary>
    internal int EntryCount => store.Count;

    /// <summary>Memory held, in bytes, that of cleared contents included.</summary>
    internal long HeldBytes => share.HeldBytes;

    /// <summary>What may be held, in bytes.</summary>
    internal long CapacityBytes => share.CapacityBytes;

    /// <summary>The highest version that was given out.</summary>
    internal ulong LastVersion => lastVersion;

    /// <summary>The memory, for an export.</summary>
    internal EntryStore Store => store;

    /// <summary>Takes in one entry of what is to come. It takes its place at the cold end of the list that it was on, or of its kind where the policies differ; nothing is evicted for it.</summary>
    /// <param name="item">The entry; the partition takes over the caller's reference to a large value where it is stored.</param>
    /// <param name="now">Unix milliseconds.</param>
    internal ImportOutcome Import(scoped in MoveItem item, long now)
    {
        Advance(now);
        if (arriving is null || arriving.IsVoid(item.Entry.Hash) || !IsTrueAnywhere(item.Entry))
        {
            return ImportOutcome.Void;
        }

        var tag = store.TagOf(item.Entry.Key);
        if (store.Find(item.Entry.Key, tag) != NodeTable.None)
        {
            return ImportOutcome.Present;
        }

        var parts = RecordParts.Of(item.Entry);
        var node = store.TryImport(ref parts, tag, item.Home, arrivingFrom);
        if (node == NodeTable.None)
        {
            return ImportOutcome.NoRoom;
        }

        // Whoever waits for the key has it now; what the load brings is not needed any more.
        if (loads.Current(item.Entry.Key, item.Entry.Hash) is { } load)
        {
            loads.End(load.Ticket);
            var key = load.Key;
            Answer(load, PrefetchOutcome.Resident);
            foreach (var waiter in load.Waiters)
            {
                LastAccess = waiter.Access;
                ExecuteResolved(waiter.Operation, tag, FindLive(key, tag), waiter.Sink, waiter.Ticket);
            }
        }

        return ImportOutcome.Stored;
    }

    /// <summary>Takes in one ghost of what is to come.</summary>
    internal bool ImportGhost(uint tag, byte home, int weight) => arriving is not null && store.TryImportGhost(tag, home, weight, arrivingFrom);

    /// <summary>Whether there is room for a large value within the share. It is charged when it is taken in.</summary>
    internal bool HasRoomForLarge(int length) => share.HeldBytes + length <= share.CapacityBytes;

    /// <summary>Ends the arrival: what has not come does not come any more.</summary>
    internal void EndArrival(ArrivalEnd end)
    {
        if (arriving is not null)
        {
            arriving = null;
            Arrival = end;
        }
    }

    /// <summary>Ends all loads: who waits is told that what lower tiers hold is not known. Their results are not taken any more.</summary>
    internal void AbandonLoads()
    {
        foreach (var load in loads.EndAll())
        {
            Answer(load, PrefetchOutcome.Failed);
            foreach (var waiter in load.Waiters)
            {
                var isRead = waiter.Operation.Kind is OperationKind.Get or OperationKind.Peek;
                waiter.Sink.Answer(waiter.Ticket, new Answer(isRead ? Outcome.Miss : Outcome.Unavailable) { Access = waiter.Access });
            }
        }
    }

    /// <summary>The header of a partition that nobody uses any more.</summary>
    internal PartitionHeader Header(long epoch) => new()
    {
        Epoch = epoch,
        HashKeys = hashKeys,
        Chance = random,
        LastVersion = Math.Max(lastVersion, voidBelow),
        ClockMs = clock,
        ClearedVersion = clearedVersion,
        Target = store.Policy.ExactTarget,
        PayloadBytes = store.PayloadBytes,
        Policy = store.Policy.Name,
        // What was prefetched and not used yet goes along as an entry of no list.
        Lists = [.. store.Policy.NodeLists.Select(static list => new HeaderList((byte)(list.Home % EvictionPolicy.OtherSide), list.IsGhost, list.Count, list.Weight)), new HeaderList(0, false, store.Area.Count, store.Area.Weight)],
        Tags = [.. tags.All],
    };

    /// <summary>Whether a record is expired or invalidated.</summary>
    internal bool IsGone(ReadOnlySpan<byte> record) => IsDead(record);

    /// <summary>Lets go of everything, in slices: after the last use.</summary>
    /// <returns>Whether there is more to let go.</returns>
    internal bool ReleaseSome()
    {
        if (retired.Count > 0)
        {
            ReleaseRetired();
            return true;
        }

        return store.ReleaseSome(RetiredPagesPerCall);
    }

    /// <summary>Drops its references to large values, as nobody uses it any more.</summary>
    internal void LetGo()
    {
        store.LetGo();
        foreach (var old in retired)
        {
            old.LetGo();
        }
    }

    private void Adopt(PartitionHeader header, int mostVoided)
    {
        clock = Math.Max(clock, header.ClockMs);
        lastVersion = Math.Max(lastVersion, header.LastVersion);
        clearedVersion = header.ClearedVersion;
        random = header.Chance == 0 ? 1 : header.Chance;
        Span<byte> name = stackalloc byte[Limits.MaxTagBytes];
        foreach (var (tag, version) in header.Tags)
        {
            System.Text.Encoding.Latin1.GetBytes(tag, name);
            tags.Recover(name[..tag.Length], version);
        }

        if (header.Policy == store.Policy.Name)
        {
            store.Policy.SetTarget(header.Target);
        }

        arriving = new ArrivingKeys(mostVoided);
        arrivingFrom = header.Policy;
        Arrival = ArrivalEnd.None;
    }

    /// <summary>Says that nothing with this hash is to be taken from the frozen copy any more. Where that cannot be remembered nothing at all is taken from there: losing is allowed.</summary>
    private void LeaveBehind(ulong routingHash)
    {
        if (arriving is not null && !arriving.TryVoid(routingHash))
        {
            EndArrival(ArrivalEnd.Overflowed);
        }
    }

    /// <summary>Places what the frozen copy was asked for: as it lay there, or where there is no room for that, as a new entry.</summary>
    private bool Settle(byte[] key, scoped in LoadResult result)
    {
        var parts = RecordParts.Of(result.Entry);
        parts.Key = key;
        var tag = store.TagOf(key);
        return Fits(ref parts) && (store.TryImport(ref parts, tag, result.Home, arrivingFrom) != NodeTable.None || Place(NodeTable.None, ref parts, tag) != NodeTable.None);
    }
}

/// <summary>What became of an entry that was to be imported.</summary>
internal enum ImportOutcome
{
    /// <summary>It lies in the partition.</summary>
    Stored,

    /// <summary>The key had come already.</summary>
    Present,

    /// <summary>It is not true any more: written over, removed, expired, invalidated or cleared.</summary>
    Void,

    /// <summary>There is no room for it.</summary>
    NoRoom,
}

/// <summary>How an arrival ended.</summary>
internal enum ArrivalEnd
{
    /// <summary>It has not, or there was none.</summary>
    None,

    /// <summary>All has come that there was room for.</summary>
    Complete,

    /// <summary>The partition was cleared: nothing that was to come is true any more.</summary>
    Cleared,

    /// <summary>More keys were written than can be remembered.</summary>
    Overflowed,

    /// <summary>The frozen copy does not answer any more.</summary>
    Lost,
}
