using Levee.Eviction;
using Levee.Keys;
using Levee.Learning;
using Levee.Operations;

namespace Levee.Partitions;

/// <summary>
/// Loads from lower tiers: who waits for them, and what becomes of what they bring. A load that was begun ahead of a use (<see cref="OperationKind.Prefetch"/>) ends in the prefetch area, unless somebody has come
/// to wait for it. Where only a hash was known, the record says whose it is; until then whoever asks for a key with that hash gives the load its key, and whoever writes one ends it.
/// </summary>
public sealed partial class Partition
{
    private static readonly ulong EmptyKeyHash = KeyHash.Of([]);

    private bool wroteUnplaced;

    /// <summary>Sets whether misses are told apart that prefetched entries have caused, and how many of those there may be at once.</summary>
    internal void SetPrefetching(bool notesPollution, int maxEntries)
    {
        store.Area.NotesEvictions = notesPollution;
        store.Area.MaxEntries = maxEntries;
    }

    /// <summary>Whether the entry of a key is here, without counting as a use.</summary>
    internal bool IsResident(ReadOnlySpan<byte> key, ulong routingHash, long now)
    {
        Advance(now);
        return !(key.IsEmpty && routingHash != EmptyKeyHash) && FindLive(key, store.TagOf(key)) != NodeTable.None;
    }

    /// <summary>Brings back the result of a <see cref="EffectKind.Load"/>: stores it unless the load was detached, then answers all who waited, in order.</summary>
    /// <returns>Whether an entry was stored; false also where no load has this ticket.</returns>
    public bool Complete(long ticket, scoped in LoadResult result, long now)
    {
        ArgumentOutOfRangeException.ThrowIfGreaterThan(result.Entry.Value.Length, Limits.MaxInlineBytes, nameof(result));
        Advance(now);
        if (result.Outcome == LoadOutcome.Dropped && loads.Find(ticket) is { Waiters.Count: > 0 } wanted)
        {
            effects.Add(new Effect(EffectKind.Load, ticket, wanted.Key, wanted.Hash));
            return false;
        }

        var load = loads.End(ticket);
        if (load is null)
        {
            return false;
        }

        var isOfKey = IsOfKey(load, result);
        var isFound = isOfKey && IsAlive(load, result);
        if (result.Outcome == LoadOutcome.Found && isOfKey && !result.IsFromSource && !load.IsDetached && !IsTrue(result.Entry))
        {
            lower!.Forget(load.Hash);
        }

        // A load by hash alone may bring what has been here all the time.
        var isResident = isFound && load.IsByHash && !load.IsDetached && FindLive(load.Key, store.TagOf(load.Key)) != NodeTable.None;
        var isPromoted = isFound && !isResident && !load.IsDetached && IsWorthPromoting(load, result) && (result.IsFromSource ? Settle(load.Key, result) : Promote(load.Key, result.Entry, load.IsAhead));
        // What a get had brought up has been used once by then, not twice: the policy has seen it arrive.
        var isFirstUse = isPromoted && !result.IsFromSource;
        wroteUnplaced = false;
        foreach (var waiter in load.Waiters)
        {
            LastAccess = waiter.Access;
            var isRead = waiter.Operation.Kind is OperationKind.Get or OperationKind.Peek;
            if (isRead && isFound && !isPromoted && !isResident)
            {
                SampleUnplaced(waiter.Operation.Kind, load.Hash);
                AnswerFrom(result.Entry, load.Key, waiter);
            }
            else if (isRead && (load.IsDetached || IsUnknown(load, result)))
            {
                misses += waiter.Operation.Kind == OperationKind.Get ? 1 : 0;
                SampleUnplaced(waiter.Operation.Kind, load.Hash);
                waiter.Sink.Answer(waiter.Ticket, new Answer(Outcome.Miss) { Access = waiter.Access });
            }
            else if (IsUnknown(load, result))
            {
                waiter.Sink.Answer(waiter.Ticket, new Answer(Outcome.Unavailable));
            }
            else if (isFound && !isPromoted && !isResident && waiter.Operation.Kind == OperationKind.Delete)
            {
                isFound = !TryDeleteBelow(result.Entry, load.Key, waiter);
            }
            else if (isFound && !isPromoted && !isResident)
            {
                waiter.Sink.Answer(waiter.Ticket, Refuse());
            }
            else
            {
                var tag = store.TagOf(load.Key);
                var node = FindLive(load.Key, tag);
                if (wroteUnplaced && node == NodeTable.None && NeedsEntry(waiter.Operation))
                {
                    // One that waited before it has written to the tier what memory had no room for: so it asks again.
                    (loads.Current(load.Key, load.Hash) ?? BeginLoad(waiter.Operation)).Join(waiter.Operation, waiter.Sink, waiter.Ticket, waiter.Access);
                    continue;
                }

                ExecuteResolved(waiter.Operation, tag, node, waiter.Sink, waiter.Ticket, isFirstUse && waiter.Operation.Kind == OperationKind.Get);
                isFirstUse = false;
            }
        }

        Answer(load, result.Outcome switch
        {
            _ when isPromoted => PrefetchOutcome.Promoted,
            _ when isResident || load.IsDetached => PrefetchOutcome.Resident,
            LoadOutcome.Dropped => PrefetchOutcome.Dropped,
            LoadOutcome.Failed => PrefetchOutcome.Failed,
            _ when isFound => PrefetchOutcome.Failed, // There was no room for it.
            _ => PrefetchOutcome.Absent,
        });
        if (load.IsDetached && isFound && load.Waiters.Count > 0)
        {
            listener?.Changed(load.Hash); // They were shown what a write had replaced, after that was told.
        }

        return isPromoted;
    }

    /// <summary>Whether an operation must know the entry that a lower tier may hold.</summary>
    private static bool NeedsEntry(scoped in Operation operation) =>
        operation.Kind != OperationKind.Set || operation.Condition != Condition.None || operation.KeepTtl || operation.ReturnsPrevious;

    private static void Answer(PendingLoad load, PrefetchOutcome outcome) => load.Asker?.Answer(load.AskerTicket, new Answer(Outcome.Done, (long)outcome));

    /// <summary>Queues an operation on a key that is not resident and that must know what the lower tiers hold; starts the load where none is under way.</summary>
    private bool MustWait(scoped in Operation operation, uint tag, IAnswerSink sink, long ticket)
    {
        var load = loads.Current(operation.Key, operation.Hash);
        var needsEntry = NeedsEntry(operation);
        if (load is null)
        {
            if (!needsEntry || !MayLieElsewhere(operation.Hash))
            {
                return false;
            }

            load = BeginLoad(operation);
        }
        else if (!needsEntry && !load.HasWriter)
        {
            Overtake(load);
            return false;
        }

        if (operation.Kind != OperationKind.Peek && !operation.IsAhead)
        {
            NoteMiss(tag, load.IsBegunAhead);
            waits += operation.Kind == OperationKind.Get ? 1 : 0;
        }

        load.Join(operation, sink, ticket, LastAccess);
        if (load.IsBehindOthers)
        {
            load.IsBehindOthers = false;
            effects.Add(new Effect(EffectKind.RaiseLoad, load.Ticket, load.Key, load.Hash));
        }

        return true;
    }

    /// <summary>A write that need not know the entry overtakes the load of it.</summary>
    private void Overtake(PendingLoad load)
    {
        loads.Detach(load, Math.Max(lastVersion, ((ulong)clock << 16) - 1)); // All versions before the write's.
        if (!load.IsVoid)
        {
            effects.Add(new Effect(EffectKind.CancelLoad, load.Ticket, load.Key, load.Hash));
        }
    }

    /// <summary>
    /// An operation on a key whose hash is being loaded without its key. Who must know the entry gives the load this key. A write ends the load: what it brings may be what is written over now, and be taken for
    /// true after the written entry has been evicted.
    /// </summary>
    private void MeetUnnamed(scoped in Operation operation, int node)
    {
        if (loads.Unnamed(operation.Hash) is not { } load)
        {
            return;
        }

        if (node == NodeTable.None && NeedsEntry(operation))
        {
            if (MayLieElsewhere(operation.Hash))
            {
                loads.Name(load, operation.Key);
            }
            else if (operation.Kind > OperationKind.Peek)
            {
                Overtake(load);
            }
        }
        else if (operation.Kind > OperationKind.Peek)
        {
            Overtake(load);
        }
    }

    /// <summary>An operation found nothing in memory that it could have used.</summary>
    private void NoteMiss(uint tag, bool isLate)
    {
        var isPollution = store.NoteMiss(tag);
        LastAccess = isLate ? AccessKind.Late : isPollution ? AccessKind.PollutedMiss : AccessKind.Miss;
    }

    /// <summary>Acts on an operation that comes ahead of a use.</summary>
    private void ExecuteAhead(scoped in Operation operation, IAnswerSink sink, long ticket)
    {
        if (operation.Kind == OperationKind.Prefetch)
        {
            Prefetch(operation, sink, ticket);
            return;
        }

        sink.Answer(ticket, new Answer(Outcome.Done, (long)leases.Grant(operation.Hash, NextVersion(), clock)));
    }

    /// <summary>Whether what a load from outside has brought may be stored: nothing has made it void since the load began. Its lease
    /// ends.</summary>
    private bool MayFill(scoped in Operation operation) =>
        leases.TryUse(operation.Hash, operation.Lease, clock) && !tags.Covers(operation.Tags, operation.Lease);

    /// <summary>The entry of a key is void: no fill of it that is under way is stored, and nothing of it is taken from the frozen
    /// copy.</summary>
    private void NoteVoid(ulong routingHash)
    {
        leases.Void(routingHash);
        LeaveBehind(routingHash);
    }

    /// <summary>Starts a load, or marks the one that is under way, so that the entry is stored when it comes. Nobody waits.</summary>
    private void Prefetch(scoped in Operation operation, IAnswerSink sink, long ticket)
    {
        var isByHash = operation.Key.IsEmpty && operation.Hash != EmptyKeyHash;
        if (!isByHash && FindLive(operation.Key, store.TagOf(operation.Key)) != NodeTable.None)
        {
            sink.Answer(ticket, new Answer(Outcome.Done, (long)PrefetchOutcome.Resident));
        }
        else if (loads.HasHash(operation.Hash))
        {
            if (!isByHash && loads.Current(operation.Key, operation.Hash) is { } load)
            {
                load.IsPrefetch = true;
            }

            sink.Answer(ticket, new Answer(Outcome.Done, (long)PrefetchOutcome.Resident));
        }
        else if (isByHash && arriving is not null)
        {
            // The frozen copy knows entries by key alone, and may have a newer one than the tiers.
            sink.Answer(ticket, new Answer(Outcome.Done, (long)PrefetchOutcome.Dropped));
        }
        else if (!MayLieElsewhere(operation.Hash))
        {
            sink.Answer(ticket, new Answer(Outcome.Done, (long)PrefetchOutcome.Absent));
        }
        else
        {
            BeginLoad(operation, isByHash, sink, ticket);
        }
    }

    /// <summary>Whether an entry that is not in memory may lie in the frozen copy that this partition is arriving from, or in a lower tier.</summary>
    private bool MayLieElsewhere(ulong hash) => IsInSource(hash) || (lower is not null && lower.MayHold(hash));

    private bool IsInSource(ulong hash) => arriving is not null && !arriving.IsVoid(hash);

    private PendingLoad BeginLoad(scoped in Operation operation, bool isByHash = false, IAnswerSink? asker = null, long askerTicket = 0)
    {
        var isFromSource = IsInSource(operation.Hash);
        var isAhead = asker is not null;
        var load = loads.Begin(operation.Key, operation.Hash, isFromSource ? 0 : Math.Min(lower!.HoldsFromMs, clock), isFromSource, isByHash, asker, askerTicket);
        load.IsPrefetch = isAhead;
        load.IsBehindOthers = isAhead && !isFromSource;
        effects.Add(new Effect(isFromSource ? EffectKind.LoadFromSource : EffectKind.Load, load.Ticket, load.Key, load.Hash) { IsPrefetch = isAhead, IsByHash = isByHash });
        return load;
    }

    /// <summary>Whether what a load brought is of the key that it is for; a load that is for none yet takes the record's.</summary>
    private static bool IsOfKey(PendingLoad load, scoped in LoadResult result)
    {
        if (!load.IsByHash || result.Outcome != LoadOutcome.Found)
        {
            return true;
        }

        if (load.IsNamed)
        {
            return result.Entry.Key.SequenceEqual(load.Key);
        }

        if (KeyHash.Of(result.Entry.Key) != load.Hash)
        {
            return false;
        }

        load.Name(result.Entry.Key.ToArray());
        return true;
    }

    /// <summary>Whether a load brought an entry that is still true.</summary>
    private bool IsAlive(PendingLoad load, scoped in LoadResult result) =>
        result.Outcome == LoadOutcome.Found && !load.IsVoid && result.Entry.Version <= load.NewestShown && (result.IsFromSource ? IsTrueAnywhere(result.Entry) : IsTrue(result.Entry));

    /// <summary>Whether a load left it open if there is an entry.</summary>
    private static bool IsUnknown(PendingLoad load, scoped in LoadResult result) => result.Outcome is LoadOutcome.Failed or LoadOutcome.Dropped && !load.IsVoid;

    /// <summary>An operation that may change the entry needs it here, and so does one that moves its expiry. Else it must have been asked for, and be worth it.</summary>
    private bool IsWorthPromoting(PendingLoad load, scoped in LoadResult result) =>
        load.HasWriter || load.IsPrefetch || (load.HasGet && (result.IsWanted || result.Entry.SlidingMs > 0 || store.Welcomes(store.TagOf(load.Key))));
}
