using Levee.Eviction;
using Levee.Memory;

namespace Levee.Partitions;

/// <summary>Entries change their policy: within the store, in slices, from one to the next; and between stores, where an entry may come from another policy than the one that is here.</summary>
internal sealed partial class EntryStore
{
    /// <summary>In a place of a list: the entry is used again and again.</summary>
    private const byte HotPlace = 0x80;

    /// <summary>Moving a page's records takes as long as so many evictions.</summary>
    private const int NodesPerCompaction = 64;

    private (string Name, MissCost? Cost, double Target)? awaited;
    private EvictionPolicy? successor;

    /// <summary>Whether entries are still to be handed over.</summary>
    public bool IsSwitching => awaited is not null || policy is PolicyHandOver;

    /// <summary>The policy that is in force, or will be when the hand-over has ended.</summary>
    public string PolicyName => awaited?.Name ?? policy.Name;

    /// <summary>Begins to hand over to another policy; <see cref="ContinueSwitch"/> goes on with it.</summary>
    /// <param name="name">The policy.</param>
    /// <param name="cost">What a miss costs, for policies that ask.</param>
    /// <param name="target">The adaptive target that it begins with, as a part of the capacity; 0: its own.</param>
    /// <returns>False where that is under way already, or where it is the policy in force; then nothing was done.</returns>
    public bool TryBeginSwitch(string name, MissCost? cost = null, double target = 0)
    {
        if (IsSwitching || policy.Name == name)
        {
            return false;
        }

        awaited = (name, cost, target);
        return true;
    }

    /// <summary>One slice of the hand-over: room for what the next policy must know of a node, then the ghosts of the last one, then its residents. Nothing is evicted but for that room.</summary>
    /// <param name="maxNodes">How many nodes are touched at the most.</param>
    /// <returns>False where nothing could be done.</returns>
    public bool ContinueSwitch(int maxNodes)
    {
        while (!TryBeginHandOver())
        {
            if (maxNodes <= 0)
            {
                return true;
            }

            maxNodes -= NodesPerCompaction;
            if (!TryCompact() && !EvictSome(NodesPerCompaction))
            {
                return false;
            }
        }

        if (policy is not PolicyHandOver handOver)
        {
            return false;
        }

        for (; maxNodes > 0 && handOver.TakeGhost() is var ghost and not NodeTable.None; maxNodes--)
        {
            Drop(ghost);
        }

        if (maxNodes > 0)
        {
            handOver.Step(maxNodes);
            ForgetGhosts();
        }

        if (handOver.IsDone)
        {
            policy = handOver.Successor;
            handOver.Predecessor.Release();
            if (!policy.NeedsExtras)
            {
                nodes.Shorten();
            }
        }

        return true;
    }

    /// <summary>Where an entry or a ghost stands in the policy, for a store elsewhere: the place of its list, where there is one, and whether it is hot. What was prefetched and not used yet stands nowhere, and is cold.</summary>
    public byte PlaceOf(int node) =>
        IsPrefetched(node) ? (byte)0 : (byte)(policy.PlaceOf(node) | (policy.IsResident(node) && policy.IsHot(node) ? HotPlace : 0));

    /// <summary>Writes a record that comes from elsewhere: from the same policy at the cold end of the list that it was on there, from another at the cold end of its kind. Evicts nothing for it.</summary>
    /// <param name="parts">The record.</param>
    /// <param name="tag">The tag of its key.</param>
    /// <param name="place">What <see cref="PlaceOf"/> said of it.</param>
    /// <param name="from">The name of the policy there.</param>
    /// <returns>The node, or <see cref="NodeTable.None"/> where there is no room; then nothing changed.</returns>
    public int TryImport(scoped ref RecordParts parts, uint tag, byte place, string from)
    {
        var sizeClass = SizeClass.Of(parts.Length);
        var weight = Weight(sizeClass, parts.Large);
        var home = (byte)(place & ~HotPlace);
        var isPlaced = IsPlace(home, from, isGhost: false);
        var hasRoom = policy.ResidentWeight + policy.Reserved + weight <= policy.Capacity && (!isPlaced || policy.HasRoomFor(home, weight));
        if (!hasRoom || share.HeldBytes + (parts.Large?.ChargedBytes ?? 0) > share.CapacityBytes)
        {
            return NodeTable.None;
        }

        var node = TryAddNodeAsIs(tag);
        if (node == NodeTable.None)
        {
            return NodeTable.None;
        }

        var slot = slab.TryAllocate(sizeClass);
        if (slot == Slab.None)
        {
            Drop(node);
            return NodeTable.None;
        }

        if (parts.Large is not null)
        {
            parts.LargeNumber = larges.Add(parts.Large);
        }

        Place(node, slot, ref parts);
        Count++;
        if (isPlaced)
        {
            policy.TryImport(node, home, weight);
        }
        else
        {
            nodes[node].Weight = weight;
            policy.Import(node, (place & HotPlace) != 0);
            ForgetGhosts();
        }

        return node;
    }

    /// <summary>Takes in a ghost from the same policy elsewhere, at the cold end of its list, where there is room. Ghosts of another policy say nothing here.</summary>
    public bool TryImportGhost(uint tag, byte place, int weight, string from)
    {
        if (!IsPlace(place, from, isGhost: true) || !policy.HasRoomFor(place, weight))
        {
            return false;
        }

        var node = TryAddNodeAsIs(tag);
        return node != NodeTable.None && policy.TryImport(node, place, weight);
    }

    private bool IsPlace(byte home, string from, bool isGhost) =>
        policy is not PolicyHandOver && policy.Name == from && home - 1u < (uint)policy.NodeLists.Count && policy.NodeLists[home - 1].IsGhost == isGhost;

    /// <summary>Has the next policy stand beside the one in force, where it has been asked for one.</summary>
    /// <returns>False where there is no memory for what it needs.</returns>
    private bool TryBeginHandOver()
    {
        if (awaited is not var (name, cost, target))
        {
            return true;
        }

        successor ??= Policies.TryCreate(name, nodes, policy.Capacity, (byte)(policy.Side ^ EvictionPolicy.OtherSide), cost);
        if (successor is null || !successor.TryPrepare(Count))
        {
            return false;
        }

        successor.SetCapacity(policy.Capacity);
        if (target > 0)
        {
            successor.SetTarget(target * successor.Capacity);
        }

        policy = new PolicyHandOver(nodes, policy, successor);
        awaited = null;
        successor = null;
        return true;
    }

    private bool EvictSome(int count)
    {
        var evicted = 0;
        while (evicted < count && EvictOne())
        {
            evicted++;
        }

        return evicted > 0;
    }
}
