using System.Diagnostics;
using System.Runtime.CompilerServices;
using Levee.Eviction;
using Levee.Keys;
using Levee.Memory;
using Levee.Operations;

namespace Levee.Partitions;

/// <summary>
/// The memory of a partition: nodes, index, slab, large values and the eviction policy that orders them, under one share of the arena.
/// It finds, places, moves and evicts records; it knows nothing of conditions, clocks or waiters, which are the <see cref="Partition"/>'s.
/// <para>
/// Memory is found in this order: a free slot of the class; a page within the share; a page won by moving the records of a sparse one within their class; an
/// eviction, and again from the start. Victims free slots of their own classes on many pages. Where more than an eighth of the slab is free and still of no use,
/// as it comes to be in a small partition with records of many sizes, memory is taken before anything is evicted in order: a free slot of a larger class, or
/// the sparsest page, whose records move where there is room and are evicted, whatever the policy says, where there is none.
/// One call evicts at most <see cref="MaxEvictionsPerCall"/> entries and those of one page. If that did not do, because large values have overdrawn the share, the page
/// comes from the arena's reserve and the share pays back on its later calls.
/// </para>
/// What was prefetched and not used yet is resident too, on a list of its own beside the policy's (<see cref="PrefetchArea"/>).
/// Invariants: every resident is in the index and has a slot whose record names it; every ghost is in the index without a slot.
/// One owner, one call at a time.
/// </summary>
internal sealed partial class EntryStore
{
    /// <summary>Weights are counted in these, so that they fit a node: a weight of 24 bits reaches 128 MiB.</summary>
    public const int WeightUnitBytes = 8;

    /// <summary>Bounds the time of one call: about 0.2 ms of evictions.</summary>
    private const int MaxEvictionsPerCall = 1024;

    private const int MaxPaybackPerCall = 64;

    /// <summary>A page with no more than this in use is emptied rather than evicting on.</summary>
    private const int SparseBytes = PageArena.PageBytes / 2;

    private readonly PageShare share;
    private readonly IndexHash hash;
    private readonly NodeTable nodes;
    private readonly EntryIndex index;
    private readonly Slab slab;
    private readonly LargeTable larges;
    private EvictionPolicy policy;
    private readonly IEvictionListener? listener;
    private int pinned = NodeTable.None;

    /// <param name="share">The memory.</param>
    /// <param name="policyName">The eviction policy's name.</param>
    /// <param name="hash">The index' secret hash.</param>
    /// <param name="listener">Who is told of entries before they are evicted; null: nobody.</param>
    /// <param name="cost">What a miss costs, for policies that ask; null: each the same.</param>
    public EntryStore(PageShare share, string policyName, IndexHash hash, IEvictionListener? listener = null, MissCost? cost = null)
    {
        this.listener = listener;
        this.share = share;
        this.hash = hash;
        nodes = new NodeTable(share);
        index = new EntryIndex(share, nodes);
        slab = new Slab(share);
        larges = new LargeTable(share);
        policy = Policies.Create(policyName, nodes, share.CapacityBytes / WeightUnitBytes, cost: cost);
        area = new PrefetchArea(nodes);
    }

    /// <summary>Entries that are resident.</summary>
    public int Count { get; private set; }

    /// <summary>Bytes of keys, values and metadata, before rounding to slots.</summary>
    public long PayloadBytes { get; private set; }

    /// <summary>Entries evicted since the start.</summary>
    public long Evictions { get; private set; }

    /// <summary>Whether free slots take so much of the slab that it is better to use them than to evict for others.</summary>
    private bool IsFragmented => slab.UsedBytes < slab.HeldBytes / 8 * 7;

    /// <summary>Whether the share has a page left.</summary>
    private bool HasPage => share.HeldBytes + PageArena.PageBytes <= share.CapacityBytes;

    /// <summary>Whether large values have taken the share over its capacity.</summary>
    public bool IsOverdrawn => share.Overdraft > 0;

    /// <summary>Whether the policy's capacity is not yet what the share's is.</summary>
    public bool IsResizing => policy.Capacity != Math.Max(1, share.CapacityBytes / WeightUnitBytes) || area.IsOver(policy.Capacity, 0, 0);

    public NodeTable Nodes => nodes;

    public Slab Slab => slab;

    public EvictionPolicy Policy => policy;

    public long IndexBytes => nodes.HeldBytes + index.HeldBytes + policy.HeldBytes + area.HeldBytes;

    /// <summary>The tag under which a key is indexed.</summary>
    public uint TagOf(ReadOnlySpan<byte> key) => (uint)(hash.Of(key) >> 32);

    /// <summary>First step towards a lookup: fetches the bucket.</summary>
    public void ApproachBucket(uint tag) => index.ApproachBucket(tag);

    /// <summary>Second step: fetches the first node of the bucket.</summary>
    public unsafe int ApproachNode(uint tag)
    {
        var node = index.PeekFirst(tag);
        if (node != NodeTable.None)
        {
            Prefetch.Line(nodes.Peek(node));
        }

        return node;
    }

    /// <summary>
    /// Third step: where the node has the tag, fetches the record, and the nodes beside it on its list, which a hit takes it from between; else the next node of the chain.
    /// </summary>
    /// <returns>The node with which to take this step again; <see cref="NodeTable.None"/> at the end of the way.</returns>
    public unsafe int ApproachRecord(uint tag, int node)
    {
        var place = nodes.Peek(node);
        if (place == null)
        {
            return NodeTable.None;
        }

        if (place->Tag != tag)
        {
            Prefetch.Line(nodes.Peek(place->Chain));
            return place->Chain;
        }

        slab.Approach(place->Slot);
        Prefetch.Line(nodes.Peek(place->Prev));
        Prefetch.Line(nodes.Peek(place->Next));
        return NodeTable.None;
    }

    /// <summary>Finds the resident entry of a key.</summary>
    /// <returns>Its node, or <see cref="NodeTable.None"/>.</returns>
    public int Find(ReadOnlySpan<byte> key, uint tag)
    {
        for (var node = index.First(tag); node != NodeTable.None;)
        {
            ref var candidate = ref nodes[node];
            if (candidate.Tag == tag && candidate.Slot != Slab.None && EntryRecord.Key(slab.Record(candidate.Slot)).SequenceEqual(key))
            {
                return node;
            }

            node = candidate.Chain;
        }

        return NodeTable.None;
    }

    /// <summary>Whether a node is resident; ghosts and free nodes are not.</summary>
    public bool IsResident(int node) => nodes[node].Slot != Slab.None;

    /// <summary>The record of a resident.</summary>
    public Span<byte> Record(int node) => slab.Record(nodes[node].Slot);

    /// <summary>A look at a resident.</summary>
    public EntryView View(int node)
    {
        var record = Record(node);
        return new EntryView(record, Large(record));
    }

    /// <summary>The large value of a record, or null where its value is inline.</summary>
    public LargeValue? Large(ReadOnlySpan<byte> record) =>
        (EntryRecord.TraitsOf(record) & EntryRecord.Traits.Large) != 0 ? larges[EntryRecord.LargeNumber(record)] : null;

    /// <summary>Whether an entry can come without another having to go, or is remembered as one that went too early.</summary>
    public bool Welcomes(uint tag) => HasPage || FindGhost(tag) != NodeTable.None;

    /// <summary>A resident has been used.</summary>
    /// <returns>Whether it had been prefetched and this is its first use.</returns>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public bool Hit(int node)
    {
        if (area.Count != 0 && area.Holds(node))
        {
            UsePrefetched(node);
            return true;
        }

        policy.Hit(node);
        return false;
    }

    /// <summary>Writes a record for a key that has no resident; its ghost, if any, becomes resident.</summary>
    /// <returns>The node, or <see cref="NodeTable.None"/> where no memory could be had.</returns>
    public int Add(scoped ref RecordParts parts, uint tag)
    {
        PayBack(MaxPaybackPerCall);
        if (policy.NeedsPage && !HasPage)
        {
            TryEmptyPage(PageArena.PageBytes);
        }

        var node = FindGhost(tag);
        if (node == NodeTable.None && (node = TryAddNode(tag)) == NodeTable.None)
        {
            return NodeTable.None;
        }

        if (parts.Large is not null)
        {
            parts.LargeNumber = larges.Add(parts.Large);
        }

        var length = parts.Length;
        var sizeClass = SizeClass.Of(length);
        policy.Arrive(node, Weight(sizeClass, parts.Large));
        ForgetGhosts();
        while (policy.IsOver && EvictOne())
        {
        }

        var slot = AllocateSlot(sizeClass);
        if (slot == Slab.None)
        {
            policy.Abandon();
            index.Remove(node);
            nodes.Free(node);
            if (parts.Large is not null)
            {
                larges.Detach(parts.LargeNumber);
            }

            return NodeTable.None;
        }

        Place(node, slot, ref parts);
        PayBack(MaxPaybackPerCall);
        policy.Admit(node);
        Count++;
        return node;
    }

    /// <summary>Overwrites the record of a resident; counts as its use. The parts must not borrow the record itself.</summary>
    /// <returns>False where no memory could be had; then nothing changed.</returns>
    public bool TryReplace(int node, scoped ref RecordParts parts)
    {
        if (!IsOverdrawn && TryOverwrite(node, ref parts))
        {
            return true;
        }

        var isPrefetched = IsPrefetched(node);
        if (!isPrefetched)
        {
            policy.Hit(node);
            policy.Resize(node, nodes[node].Weight); // The policy spares what was resized last, so the entry is its own victim only when it is the last one left.
        }

        pinned = node;
        PayBack(MaxPaybackPerCall);
        var replaced = TryReplacePinned(node, ref parts);
        PayBack(MaxPaybackPerCall);
        pinned = NodeTable.None;
        if (isPrefetched && replaced)
        {
            Overwritten(node);
        }

        return replaced;
    }

    /// <summary>Writes over a record where the new one takes the same slot, and so the same weight: the common overwrite, which moves no memory.</summary>
    private bool TryOverwrite(int node, scoped ref RecordParts parts)
    {
        var slot = nodes[node].Slot;
        var record = slab.Record(slot);
        if (parts.Large is not null || (EntryRecord.TraitsOf(record) & EntryRecord.Traits.Large) != 0)
        {
            return false;
        }

        // By length, not by slot: a record may lie in a slot of a larger class.
        var before = EntryRecord.Length(record);
        var length = parts.Length;
        if (SizeClass.Of(before) != SizeClass.Of(length))
        {
            return false;
        }

        if (IsPrefetched(node))
        {
            Overwritten(node);
        }
        else
        {
            policy.Hit(node);
        }

        PayloadBytes += length - before;
        parts.Write(record, node);
        if (parts.Expiry.At != Limits.Never)
        {
            slab.NoteExpiry(slot, parts.Expiry.At);
        }

        return true;
    }

    /// <summary>Takes one slice of the way towards the capacity that the share has now: at once where that is more. The policy's bounds hold after each slice.</summary>
    public void Resize(int maxSteps)
    {
        var wanted = Math.Max(1, share.CapacityBytes / WeightUnitBytes);
        while (maxSteps > 0 && area.IsOver(wanted, 0, 0) && DropPrefetched())
        {
            maxSteps--;
        }

        while (maxSteps > 0 && policy.ResidentWeight + policy.Reserved > wanted && EvictOne())
        {
            maxSteps--;
        }

        while (maxSteps-- > 0 && policy.ResidentWeight + policy.Reserved <= wanted && policy.ForgetBeyond(wanted) is var ghost and not NodeTable.None)
        {
            Drop(ghost);
        }

        policy.SetCapacity(Math.Max(wanted, Math.Max(policy.LowestCapacity, policy.ResidentWeight + policy.Reserved)));
    }

    /// <summary>Takes a resident out: removed, expired or invalidated.</summary>
    public void Remove(int node)
    {
        if (!TryLeaveArea(node))
        {
            policy.Remove(node);
        }

        ReleaseRecord(node);
        index.Remove(node);
        nodes.Free(node);
    }

    /// <summary>Compacts and evicts until large values no longer overdraw the share, up to a number of entries.</summary>
    public void PayBack(int maxEvictions)
    {
        while (share.Overdraft > 0 && maxEvictions-- > 0)
        {
            if (!TryCompact() && !EvictOne())
            {
                return;
            }
        }
    }

    /// <summary>Wins a page by moving the records of a sparse one elsewhere.</summary>
    /// <returns>False where no page can be won.</returns>
    public bool TryCompact()
    {
        var page = slab.SparsePage();
        if (page == 0)
        {
            return false;
        }

        slab.Isolate(page);
        var mover = new Mover(this);
        slab.Visit(page, ref mover);
        return true;
    }

    /// <summary>Drops its references to large values, where nobody uses the store any more: their last readers give the memory back.</summary>
    public void LetGo()
    {
        while (larges.ReleaseSome(int.MaxValue))
        {
        }
    }

    /// <summary>Gives back memory in slices, after the store has been replaced by an empty one.</summary>
    /// <returns>Whether there is more to give back.</returns>
    public bool ReleaseSome(int pages)
    {
        if (larges.ReleaseSome(pages) || slab.Release(pages))
        {
            return true;
        }

        index.Release();
        area.Release();
        policy.Release();
        successor?.Release();
        nodes.Release();
        return false;
    }

    /// <summary>Recounts everything and throws where an invariant does not hold. For tests.</summary>
    public void CheckInvariants()
    {
        policy.CheckInvariants();
        CheckArea();
        index.CheckInvariants();
        slab.CheckInvariants();
        var residents = 0;
        long payload = 0;
        long large = 0;
        for (var node = 0; node < nodes.Capacity; node++)
        {
            if (!IsResident(node))
            {
                continue;
            }

            residents++;
            var record = Record(node);
            Invariant.Holds(EntryRecord.NodeOf(record) == node, "a record names its node");
            Invariant.Holds(policy.IsResident(node) || area.Holds(node), "a node with a slot is resident in the policy or in the prefetch area");
            Invariant.Holds(Find(EntryRecord.Key(record), nodes[node].Tag) == node, "a resident is found by its key");
            Invariant.Holds(nodes[node].Weight == Weight(SizeClass.Of(EntryRecord.Length(record)), Large(record)), "a node weighs what its record takes");
            payload += Payload(record);
            large += Large(record)?.ChargedBytes ?? 0;
        }

        Invariant.Holds(residents == Count, "residents are counted");
        Invariant.Holds(payload == PayloadBytes, "payload is counted");
        Invariant.Holds(large <= share.LargeBytesHeld, "large values are charged");
        Invariant.Holds(index.Count == nodes.Count, "every node in use is in the index");
    }

    private static int Weight(int sizeClass, LargeValue? large)
    {
        var bytes = SizeClass.Bytes(sizeClass) + EntryRecord.IndexBytesPerEntry + (large?.ChargedBytes ?? 0);
        return (int)((bytes + WeightUnitBytes - 1) / WeightUnitBytes);
    }

    private static long Payload(ReadOnlySpan<byte> record) =>
        EntryRecord.Length(record) + ((EntryRecord.TraitsOf(record) & EntryRecord.Traits.Large) != 0 ? EntryRecord.ValueLength(record) : 0);

    public int FindGhost(uint tag)
    {
        for (var node = index.First(tag); node != NodeTable.None; node = nodes[node].Chain)
        {
            if (nodes[node].Tag == tag && nodes[node].Slot == Slab.None)
            {
                return node;
            }
        }

        return NodeTable.None;
    }

    private int TryAddNode(uint tag)
    {
        int node;
        var evictions = 0;
        while ((node = nodes.TryAllocate()) == NodeTable.None)
        {
            if (!TryMakeRoom(ref evictions) && !ForgetAnyGhost())
            {
                return NodeTable.None;
            }
        }

        while (index.IsCrowded && !index.TryGrow())
        {
            if (!TryMakeRoom(ref evictions))
            {
                break;
            }
        }

        while (!index.TryInsert(node, tag))
        {
            if (!TryMakeRoom(ref evictions))
            {
                nodes.Free(node);
                return NodeTable.None;
            }
        }

        return node;
    }

    /// <summary>A node in the index, from what the share has left.</summary>
    private int TryAddNodeAsIs(uint tag)
    {
        var node = nodes.TryAllocate();
        if (node != NodeTable.None && !index.TryInsert(node, tag))
        {
            nodes.Free(node);
            return NodeTable.None;
        }

        return node;
    }

    private bool TryReplacePinned(int node, scoped ref RecordParts parts)
    {
        var addsLarge = parts.Large is not null && !parts.KeepsLarge;
        if (addsLarge)
        {
            parts.LargeNumber = larges.Add(parts.Large!);
        }

        var sizeClass = SizeClass.Of(parts.Length);
        var slot = nodes[node].Slot;
        if (slab.ClassOf(slot) != sizeClass && (slot = slab.TryAllocate(sizeClass)) == Slab.None)
        {
            // A slot that is a little too long will do before anything is evicted for a better one.
            slot = IsRoomy(nodes[node].Slot, sizeClass) ? nodes[node].Slot : AllocateSlot(sizeClass);
        }

        if (slot == Slab.None)
        {
            if (addsLarge)
            {
                larges.Detach(parts.LargeNumber);
            }

            return false;
        }

        Forsake(node, parts.KeepsLarge, freesSlot: slot != nodes[node].Slot);
        Place(node, slot, ref parts);
        Resize(node, Weight(sizeClass, parts.Large));
        while (policy.IsOver && EvictOne())
        {
        }

        ForgetGhosts();
        return true;
    }

    private bool IsRoomy(uint slot, int sizeClass)
    {
        var slotBytes = SizeClass.Bytes(slab.ClassOf(slot));
        var bytes = SizeClass.Bytes(sizeClass);
        return slotBytes >= bytes && slotBytes <= 2 * bytes;
    }

    private uint AllocateSlot(int sizeClass)
    {
        uint slot;
        var evictions = 0;
        while ((slot = slab.TryAllocate(sizeClass)) == Slab.None)
        {
            if (IsFragmented && (slot = slab.TryAllocateAbove(sizeClass)) != Slab.None)
            {
                return slot;
            }

            if (!TryMakeRoom(ref evictions))
            {
                return slab.TryAllocate(sizeClass, overdraws: true);
            }
        }

        return slot;
    }

    private bool TryMakeRoom(ref int evictions)
    {
        if (TryCompact())
        {
            return true;
        }

        if (IsFragmented && share.Overdraft == 0 && TryEmptyPage(SparseBytes))
        {
            return true;
        }

        return evictions++ < MaxEvictionsPerCall ? EvictOne() : evictions == MaxEvictionsPerCall + 1 && TryEmptyPage(PageArena.PageBytes);
    }

    /// <summary>Wins a page by moving or evicting all that lies on the sparsest one.</summary>
    private bool TryEmptyPage(int mostUsedBytes)
    {
        var page = slab.SparsestPage(mostUsedBytes, except: pinned == NodeTable.None ? 0 : Slab.PageOf(nodes[pinned].Slot));
        if (page == 0)
        {
            return false;
        }

        slab.Isolate(page);
        var mover = new Mover(this);
        slab.Visit(page, ref mover);
        return true;
    }

    /// <summary>Evicts the policy's next victim.</summary>
    /// <returns>False where there is none.</returns>
    public bool EvictOne()
    {
        if (pinned != NodeTable.None && Count - area.Count == 1 && !area.Holds(pinned))
        {
            return DropPrefetched(); // Of the policy's only the entry that is being rewritten is left.
        }

        var victim = policy.Evict();
        if (victim == NodeTable.None)
        {
            return DropPrefetched();
        }

        FetchNextVictims();
        Debug.Assert(victim != pinned, "The policy spares the entry that is being rewritten.");
        Evictions++;
        area.NoteEviction(nodes[victim].Tag);
        Announce(victim, isUnused: false);
        ReleaseRecord(victim);
        if (nodes[victim].Home == 0)
        {
            Drop(victim);
        }

        return true;
    }

    /// <summary>
    /// What is evicted has not been touched for long: each eviction fetches the node of the third one after it, the record of the second, and has what the listener will need for the first
    /// fetched. By the time of its own eviction it all has come from memory.
    /// </summary>
    private unsafe void FetchNextVictims()
    {
        var first = policy.NextVictim;
        if (first == NodeTable.None)
        {
            return;
        }

        listener?.EvictingSoon(Record(first));
        var second = nodes[first].Next;
        if (second != NodeTable.None)
        {
            slab.Approach(nodes[second].Slot);
            Prefetch.Line(nodes.Peek(nodes[second].Next));
        }
    }

    /// <summary>Evicts an entry for the sake of its page, without a ghost; its slot is the caller's to free.</summary>
    private void EvictIsolated(int node)
    {
        Evictions++;
        var isUnused = TryLeaveArea(node);
        Announce(node, isUnused);
        if (!isUnused)
        {
            area.NoteEviction(nodes[node].Tag);
            policy.Remove(node);
        }

        Forsake(node, keepsLarge: false, freesSlot: false);
        Count--;
        Drop(node);
    }

    private void Announce(int node, bool isUnused)
    {
        if (listener is not null)
        {
            var record = Record(node);
            listener.Evicting(record, Large(record), isUnused);
        }
    }

    private void ForgetGhosts()
    {
        int ghost;
        while ((ghost = policy.Forget()) != NodeTable.None)
        {
            Drop(ghost);
        }
    }

    private bool ForgetAnyGhost()
    {
        var ghost = policy.ForgetAny();
        if (ghost == NodeTable.None)
        {
            return false;
        }

        Drop(ghost);
        return true;
    }

    private void Drop(int node)
    {
        index.Remove(node);
        nodes.Free(node);
    }

    private void Place(int node, uint slot, scoped ref RecordParts parts)
    {
        var record = slab.Record(slot);
        parts.Write(record, node);
        nodes[node].Slot = slot;
        PayloadBytes += Payload(record);
        if (parts.Expiry.At != Limits.Never)
        {
            slab.NoteExpiry(slot, parts.Expiry.At);
        }
    }

    /// <summary>Lets go of what a resident's record holds before the record is written anew.</summary>
    private void Forsake(int node, bool keepsLarge, bool freesSlot)
    {
        var slot = nodes[node].Slot;
        var record = slab.Record(slot);
        PayloadBytes -= Payload(record);
        if (!keepsLarge && (EntryRecord.TraitsOf(record) & EntryRecord.Traits.Large) != 0)
        {
            larges.Release(EntryRecord.LargeNumber(record));
        }

        if (freesSlot)
        {
            slab.Free(slot);
        }
    }

    private void ReleaseRecord(int node)
    {
        Forsake(node, keepsLarge: false, freesSlot: true);
        nodes[node].Slot = Slab.None;
        Count--;
    }

    /// <summary>Moves the records of an isolated page to other pages; evicts those for which there is no slot.</summary>
    private readonly struct Mover(EntryStore store) : ISlotVisitor
    {
        public void Visit(uint slot)
        {
            var slab = store.slab;
            var record = slab.Record(slot);
            var node = EntryRecord.NodeOf(record);
            var target = slab.TryTakeFree(slab.ClassOf(slot));
            if (target == Slab.None)
            {
                store.EvictIsolated(node);
            }
            else
            {
                record.CopyTo(slab.Record(target));
                store.nodes[node].Slot = target;
                slab.NoteExpiry(target, EntryRecord.ExpiresAt(record));
            }

            slab.FreeIsolated(slot);
        }
    }
}

/// <summary>Is told of entries before they are evicted, while their record still lies.</summary>
internal interface IEvictionListener
{
    /// <param name="record">The record.</param>
    /// <param name="large">Its large value, or null.</param>
    /// <param name="isUnused">Whether it was prefetched and never used.</param>
    void Evicting(ReadOnlySpan<byte> record, LargeValue? large, bool isUnused);

    /// <summary>The record will mostly be the next one to be evicted.</summary>
    void EvictingSoon(ReadOnlySpan<byte> record);
}
