using Levee.Eviction;
using Levee.Memory;

namespace Levee.Partitions;

/// <summary>What was prefetched and not used yet. A ghost of such an entry's key stays on its list, under a node of its own, until the first use shows that the policy cut the list too short.</summary>
internal sealed partial class EntryStore
{
    private readonly PrefetchArea area;

    /// <summary>What was prefetched and not used yet.</summary>
    public PrefetchArea Area => area;

    /// <summary>Whether a resident was prefetched and not used yet.</summary>
    public bool IsPrefetched(int node) => area.Count != 0 && area.Holds(node);

    /// <summary>Writes a record that was prefetched, for a key that has no resident. What came first makes room for it.</summary>
    /// <returns>The node, or <see cref="NodeTable.None"/> where the area is too small for it or no memory could be had.</returns>
    public int AddPrefetched(scoped ref RecordParts parts, uint tag)
    {
        PayBack(MaxPaybackPerCall);
        var sizeClass = SizeClass.Of(parts.Length);
        var weight = Weight(sizeClass, parts.Large);
        if (weight > policy.Capacity / PrefetchArea.CapacityPerArea || area.MaxEntries < 1)
        {
            return NodeTable.None;
        }

        for (var dropped = 0; area.IsOver(policy.Capacity, weight, 1); dropped++)
        {
            if (dropped == MaxEvictionsPerCall || !DropPrefetched())
            {
                return NodeTable.None;
            }
        }

        var node = TryAddNode(tag);
        if (node == NodeTable.None)
        {
            return NodeTable.None;
        }

        policy.Reserved = area.Weight + weight;
        while (policy.IsOver && EvictOne())
        {
            policy.Reserved = area.Weight + weight; // What it evicted may have been of the area.
        }

        var slot = AllocateSlot(sizeClass);
        policy.Reserved = area.Weight;
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
        nodes[node].Weight = weight;
        area.Add(node);
        policy.Reserved = area.Weight;
        Count++;
        PayBack(MaxPaybackPerCall);
        return node;
    }

    /// <summary>A prefetched entry is used for the first time: the policy takes it as a fresh one, and learns of its ghost.</summary>
    public void UsePrefetched(int node)
    {
        area.Used++;
        Settle(node);
    }

    /// <summary>Evicts the prefetched entry that came first.</summary>
    /// <returns>False where there is none.</returns>
    public bool DropPrefetched()
    {
        var node = area.First == pinned && pinned != NodeTable.None ? nodes[pinned].Next : area.First;
        if (node == NodeTable.None)
        {
            return false;
        }

        Evictions++;
        TryLeaveArea(node);
        Announce(node, isUnused: true);
        ReleaseRecord(node);
        Drop(node);
        return true;
    }

    /// <summary>A would-be miss has been seen: some of what waits longest for its use may have had its time.</summary>
    /// <param name="tag">The tag of the key that was missed.</param>
    /// <returns>Whether the key would be resident without the area.</returns>
    public bool NoteMiss(uint tag)
    {
        var isPollution = area.IsPollution(tag);
        if (area.Count > 0)
        {
            area.Tick();
            for (var dropped = 0; dropped < MaxDroppedPerMiss && (area.IsFirstTooOld || area.IsOver(policy.Capacity, 0, 0)) && DropPrefetched(); dropped++)
            {
            }
        }

        return isPollution;
    }

    /// <summary>Several times as many as come in the time of a would-be miss.</summary>
    private const int MaxDroppedPerMiss = 16;

    /// <summary>A prefetched entry has been written over, or is now: what was loaded was of no use, and the policy takes it as a fresh one.</summary>
    private void Overwritten(int node)
    {
        area.Wasted++;
        Settle(node);
    }

    /// <summary>An entry that is rewritten changes its weight, on whatever list it is.</summary>
    private void Resize(int node, int weight)
    {
        if (IsPrefetched(node))
        {
            area.Resize(node, weight);
            policy.Reserved = area.Weight;
        }
        else
        {
            policy.Resize(node, weight);
        }
    }

    private void Settle(int node)
    {
        area.Remove(node);
        policy.Reserved = area.Weight;
        var weight = nodes[node].Weight;
        var ghost = FindGhost(nodes[node].Tag);
        if (ghost != NodeTable.None)
        {
            policy.Acknowledge(ghost, weight);
            Drop(ghost);
        }

        policy.Arrive(node, weight);
        ForgetGhosts();
        while (policy.IsOver && EvictOne())
        {
        }

        policy.Admit(node);
    }

    /// <summary>Takes a node out of the area, unused.</summary>
    /// <returns>False where it is not there.</returns>
    private bool TryLeaveArea(int node)
    {
        if (area.Count == 0 || !area.Holds(node))
        {
            return false;
        }

        area.Wasted++;
        area.Remove(node);
        policy.Reserved = area.Weight;
        return true;
    }

    private void CheckArea()
    {
        area.CheckInvariants();
        Invariant.Holds(policy.Reserved == area.Weight, $"the policy keeps {policy.Reserved} free for {area.Weight} of prefetched entries");
        Invariant.Holds(policy.ResidentWeight + area.Weight <= policy.Capacity, $"residents of {policy.ResidentWeight} and prefetched entries of {area.Weight} exceed {policy.Capacity}");
    }
}
