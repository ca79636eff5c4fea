using System.Diagnostics;
using Levee.Eviction;
using Levee.Keys;
using Levee.Memory;
using Levee.Operations;

namespace Levee.Partitions;

/// <summary>
/// What the partition and the tiers below it owe each other. An entry that may have a copy below carries <see cref="EntryRecord.Traits.LowerCopy"/>; a key that is not resident is known to the
/// tiers' index. So before anything is written, removed or given another TTL, it is known whether a copy must be made void, and mostly none must.
/// </summary>
public sealed partial class Partition
{
    private long handedDown;

    /// <summary>Whether an entry that lies in a lower tier is still true: neither expired nor invalidated by its tags nor cleared since it was written.</summary>
    public bool IsTrue(scoped in TierEntry entry, long now)
    {
        Advance(now);
        return IsTrue(entry);
    }

    /// <summary>Where the entry of a key lies as far as the partition knows: for people.</summary>
    public EntryExplanation Explain(ReadOnlySpan<byte> key, long now)
    {
        Advance(now);
        var tag = store.TagOf(key);
        var node = FindLive(key, tag);
        var isLoading = loads.Count > 0 && loads.Current(key, KeyHash.Of(key)) is not null;
        if (node == NodeTable.None)
        {
            var ghost = store.FindGhost(tag);
            return new EntryExplanation { IsLoading = isLoading, IsGhost = ghost != NodeTable.None, List = ghost == NodeTable.None ? "" : store.Policy.ListNameOf(ghost) };
        }

        var view = store.View(node);
        return new EntryExplanation
        {
            IsResident = true,
            IsPrefetched = store.IsPrefetched(node),
            List = store.IsPrefetched(node) ? "prefetched, not used yet" : store.Policy.ListNameOf(node),
            Version = view.Version,
            WrittenAt = view.WrittenAt,
            ExpiresAt = view.ExpiresAt,
            ValueBytes = view.ValueLength,
            MemoryBytes = view.SizeBytes,
            MayLieBelow = EntryRecord.HasLowerCopy(store.Record(node)),
        };
    }

    /// <summary>Evicts entries, coldest first, so that the tiers have them when the process ends: as long as the tiers have room for what waits.</summary>
    /// <param name="maxEntries">How many at most.</param>
    /// <param name="now">The time.</param>
    public TakenDown TakeDown(int maxEntries, long now)
    {
        Advance(now);
        var payload = store.PayloadBytes;
        var handed = handedDown;
        var evicted = 0;
        while (evicted < maxEntries && (lower is null || lower.HasRoom) && store.EvictOne())
        {
            evicted++;
        }

        return new TakenDown(evicted, handedDown - handed, payload - store.PayloadBytes);
    }

    /// <summary>A tier has found a tag removal in its log.</summary>
    public void RecoverTagRemoval(ReadOnlySpan<byte> tag, ulong version)
    {
        lastVersion = Math.Max(lastVersion, version);
        tags.Recover(tag, version);
    }

    /// <summary>A tier has found a clear in its log.</summary>
    public void RecoverClear(ulong version)
    {
        lastVersion = Math.Max(lastVersion, version);
        clearedVersion = Math.Max(clearedVersion, version);
    }

    void IEvictionListener.Evicting(ReadOnlySpan<byte> record, LargeValue? large, bool isUnused)
    {
        Debug.Assert(lower is not null, "Only who has tiers listens.");
        if (IsDead(record))
        {
            ForgetBelow(record);
            return;
        }

        // The copy of an entry whose expiry slides expires too early.
        var parts = RecordParts.Of(record, large);
        if (parts.Version <= voidBelow)
        {
            return; // Below it would count as one of an earlier stay.
        }

        var routingHash = KeyHash.Of(parts.Key);
        LeaveBehind(routingHash); // From here on the tiers have it, or it is lost.
        if (loads.Unnamed(routingHash) is { } load)
        {
            Overtake(load); // It may have looked before, and found nothing, or a copy that expires too early.
        }

        var isKept = EntryRecord.HasLowerCopy(record) && (isUnused ? lower!.KeepUnused(routingHash) : parts.Expiry.SlidingMs == 0 && lower!.Keep(routingHash));
        if (!isKept)
        {
            lower!.Demote(EntryOf(parts, routingHash));
        }

        handedDown++;
    }

    void IEvictionListener.EvictingSoon(ReadOnlySpan<byte> record) => lower!.Approach(KeyHash.Of(EntryRecord.Key(record)));

    private bool IsTrue(scoped in TierEntry entry) =>
        entry.Version > voidBelow && IsTrueAnywhere(entry);

    private bool IsTrueAnywhere(scoped in TierEntry entry) =>
        entry.Version > clearedVersion && entry.ExpiresAt > clock && !tags.Covers(entry.Tags, entry.Version);

    private bool Promote(byte[] key, scoped in TierEntry entry, bool isAhead)
    {
        var parts = RecordParts.Of(entry);
        parts.Key = key;
        lastVersion = Math.Max(lastVersion, entry.Version);
        if (!Fits(ref parts))
        {
            return false;
        }

        var node = Place(NodeTable.None, ref parts, store.TagOf(key), isAhead);
        if (node == NodeTable.None)
        {
            return false;
        }

        EntryRecord.SetLowerCopy(store.Record(node), true);
        lower!.Promoted(KeyHash.Of(key));
        return true;
    }

    private void AnswerFrom(scoped in TierEntry entry, byte[] key, Waiter waiter)
    {
        hits += waiter.Operation.Kind == OperationKind.Get ? 1 : 0;
        waiter.Sink.Answer(waiter.Ticket, new Answer(Outcome.Hit, ViewOf(entry, key)) { Access = waiter.Access });
    }

    /// <summary>Deletes an entry for which there is no place in memory: nothing of it is needed here.</summary>
    /// <returns>Whether it is gone.</returns>
    private bool TryDeleteBelow(scoped in TierEntry entry, byte[] key, Waiter waiter)
    {
        var operation = waiter.Operation;
        var view = ViewOf(entry, key);
        if (!MayDelete(operation, view, waiter.Sink, waiter.Ticket))
        {
            return false;
        }

        Supersede(NodeTable.None, operation.Hash, NextVersion());
        listener?.Changed(operation.Hash);
        removals++;
        waiter.Sink.Answer(waiter.Ticket, new Answer(Outcome.Removed, view));
        return true;
    }

    /// <summary>A look at an entry that is not resident, valid until the next.</summary>
    private EntryView ViewOf(scoped in TierEntry entry, byte[] key)
    {
        var parts = RecordParts.Of(entry);
        parts.Key = key;
        var record = Scratch().AsSpan(0, parts.Length);
        parts.Write(record, NodeTable.None);
        return new EntryView(record, parts.Large);
    }

    /// <summary>Answers a write that found no memory. What has gone through is written all the same: it lies below, and what it replaced may not stay above it.</summary>
    private void AnswerUnplaced(int node, scoped ref RecordParts parts, IAnswerSink sink, long ticket, long sum = 0)
    {
        if (!parts.HasLowerCopy)
        {
            sink.Answer(ticket, Refuse());
            return;
        }

        var record = new byte[parts.Length];
        parts.Write(record, NodeTable.None);
        wroteUnplaced = true;
        stores++;
        sink.Answer(ticket, new Answer(Outcome.Stored, new EntryView(record, parts.Large), sum));
        if (!parts.KeepsLarge)
        {
            parts.Large?.Release();
        }

        if (node != NodeTable.None)
        {
            store.Remove(node);
        }
    }

    /// <summary>Does what must come before an entry is written: makes copies below void, or, where writes go through, takes the entry down.</summary>
    /// <returns>False where the tier cannot take a write that must go through; then nothing changed.</returns>
    private bool TryPrepare(int node, scoped ref RecordParts parts, ulong routingHash, ulong upTo)
    {
        if (lower is null)
        {
            NoteVoid(routingHash);
            return true;
        }

        if (!options.WritesThrough)
        {
            Supersede(node, routingHash, upTo);
            return true;
        }

        if (!lower.TryWriteThrough(EntryOf(parts, routingHash)))
        {
            return false;
        }

        NoteVoid(routingHash);
        parts.HasLowerCopy = true;
        return true;
    }

    /// <summary>Makes copies of a key's entry below void, up to a version, where there may be any.</summary>
    private void Supersede(int node, ulong routingHash, ulong version)
    {
        NoteVoid(routingHash);
        if (lower is null)
        {
            return;
        }

        if (node == NodeTable.None)
        {
            lower.Invalidate(routingHash, version);
            return;
        }

        var record = store.Record(node);
        if (EntryRecord.HasLowerCopy(record))
        {
            lower.Invalidate(routingHash, version);
            EntryRecord.SetLowerCopy(record, false);
        }
    }

    private void ForgetBelow(ReadOnlySpan<byte> record)
    {
        if (EntryRecord.HasLowerCopy(record))
        {
            lower!.Forget(KeyHash.Of(EntryRecord.Key(record)));
        }
    }

    internal static TierEntry EntryOf(scoped in RecordParts parts, ulong routingHash) => new()
    {
        Hash = routingHash,
        Version = parts.Version,
        ExpiresAt = parts.Expiry.At,
        SlidingMs = parts.Expiry.SlidingMs,
        SlidingCap = parts.Expiry.Cap,
        Key = parts.Key,
        Value = parts.Value,
        Large = parts.Large,
        Kind = parts.Kind,
        Flags = parts.Flags,
        ContentType = parts.ContentType,
        Tags = parts.Tags,
    };
}
