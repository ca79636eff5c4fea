using System.Diagnostics;
using System.Runtime.CompilerServices;
using Levee.Operations;

namespace Levee.Eviction;

/// <summary>
/// A doubly linked list in order of use, threaded through <see cref="Node.Prev"/> and <see cref="Node.Next"/>; it knows how many nodes it has and what
/// they weigh together. A node is on one list at most, and <see cref="Node.Home"/> says which.
/// </summary>
internal sealed class NodeList
{
    private readonly NodeTable nodes;
    private readonly string name;
    private readonly bool isGhost;

    /// <param name="nodes">Where the nodes live.</param>
    /// <param name="home">The list's number, not 0, that its nodes carry in <see cref="Node.Home"/>.</param>
    /// <param name="name">The list's name in its policy's paper.</param>
    /// <param name="isGhost">Whether its nodes are ghosts.</param>
    public NodeList(NodeTable nodes, byte home, string name, bool isGhost)
    {
        ArgumentNullException.ThrowIfNull(nodes);
        ArgumentOutOfRangeException.ThrowIfZero(home);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(home, 63);
        this.nodes = nodes;
        this.name = name;
        this.isGhost = isGhost;
        Home = home;
    }

    /// <summary>The list's number.</summary>
    public byte Home { get; }

    /// <summary>Whether its nodes are ghosts.</summary>
    public bool IsGhost => isGhost;

    /// <summary>Nodes on the list.</summary>
    public int Count { get; private set; }

    /// <summary>What they weigh together.</summary>
    public long Weight { get; private set; }

    /// <summary>The node that was used longest ago; <see cref="NodeTable.None"/> where the list is empty.</summary>
    public int LeastRecent { get; private set; } = NodeTable.None;

    /// <summary>The node that was used last; <see cref="NodeTable.None"/> where the list is empty.</summary>
    public int MostRecent { get; private set; } = NodeTable.None;

    /// <summary>Puts a node that is on no list at the most recent end.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public void Append(int node)
    {
        ref var appended = ref nodes[node];
        Debug.Assert(appended.Home == 0, "A node is on one list at most.");
        appended.Home = Home;
        Weight += appended.Weight;
        Count++;
        LinkLast(node, ref appended);
    }

    /// <summary>Puts a node that is on no list at the least recent end.</summary>
    public void Prepend(int node)
    {
        ref var prepended = ref nodes[node];
        Debug.Assert(prepended.Home == 0, "A node is on one list at most.");
        prepended.Home = Home;
        Weight += prepended.Weight;
        Count++;
        prepended.Prev = NodeTable.None;
        prepended.Next = LeastRecent;
        if (LeastRecent == NodeTable.None)
        {
            MostRecent = node;
        }
        else
        {
            nodes[LeastRecent].Prev = node;
        }

        LeastRecent = node;
    }

    /// <summary>Takes a node off the list; its weight stays.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public void Remove(int node)
    {
        ref var removed = ref nodes[node];
        Debug.Assert(removed.Home == Home, "The node is on another list.");
        removed.Home = 0;
        Weight -= removed.Weight;
        Count--;
        Unlink(ref removed);
        removed.Prev = removed.Next = NodeTable.None;
    }

    /// <summary>Takes the node off the list that was used longest ago.</summary>
    /// <returns><see cref="NodeTable.None"/> where the list is empty.</returns>
    public int TakeLeastRecent()
    {
        var node = LeastRecent;
        if (node != NodeTable.None)
        {
            Remove(node);
        }

        return node;
    }

    /// <summary>Moves a node of the list to the most recent end.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public void Refresh(int node)
    {
        if (node == MostRecent)
        {
            return;
        }

        ref var refreshed = ref nodes[node];
        Debug.Assert(refreshed.Home == Home, "The node is on another list.");
        Unlink(ref refreshed);
        LinkLast(node, ref refreshed);
    }

    /// <summary>Gives a node of the list another weight.</summary>
    public void Reweigh(int node, int weight)
    {
        ref var reweighed = ref nodes[node];
        Debug.Assert(reweighed.Home == Home, "The node is on another list.");
        Weight += weight - reweighed.Weight;
        reweighed.Weight = weight;
    }

    /// <summary>The list in numbers.</summary>
    public ListStatistics Statistics(int unitBytes) => new(name, Count, Weight * unitBytes, isGhost);

    /// <summary>The nodes, the least recent first. For tests and for handing residents over: O(n).</summary>
    public int[] ToArray()
    {
        var order = new int[Count];
        var node = LeastRecent;
        for (var i = 0; i < order.Length; i++)
        {
            order[i] = node;
            node = nodes[node].Next;
        }

        return order;
    }

    /// <summary>Walks the list and throws where links, homes, count or weight disagree.</summary>
    public void CheckInvariants()
    {
        var count = 0;
        var weight = 0L;
        var previous = NodeTable.None;
        for (var node = LeastRecent; node != NodeTable.None; node = nodes[node].Next)
        {
            Invariant.Holds(nodes[node].Home == Home, $"{name}: node {node} has home {nodes[node].Home} instead of {Home}");
            Invariant.Holds(nodes[node].Prev == previous, $"{name}: node {node} links back to {nodes[node].Prev} instead of {previous}");
            Invariant.Holds(nodes[node].Weight > 0, $"{name}: node {node} weighs nothing");
            Invariant.Holds(++count <= Count, $"{name}: more than the {Count} nodes that it counts, or a cycle");
            weight += nodes[node].Weight;
            previous = node;
        }

        Invariant.Holds(previous == MostRecent, $"{name}: ends with {previous} instead of {MostRecent}");
        Invariant.Holds(count == Count, $"{name}: has {count} nodes and counts {Count}");
        Invariant.Holds(weight == Weight, $"{name}: weighs {weight} and says {Weight}");
    }

    private void LinkLast(int node, ref Node linked)
    {
        linked.Prev = MostRecent;
        linked.Next = NodeTable.None;
        if (MostRecent == NodeTable.None)
        {
            LeastRecent = node;
        }
        else
        {
            nodes[MostRecent].Next = node;
        }

        MostRecent = node;
    }

    private void Unlink(ref Node unlinked)
    {
        if (unlinked.Prev == NodeTable.None)
        {
            LeastRecent = unlinked.Next;
        }
        else
        {
            nodes[unlinked.Prev].Next = unlinked.Next;
        }

        if (unlinked.Next == NodeTable.None)
        {
            MostRecent = unlinked.Prev;
        }
        else
        {
            nodes[unlinked.Next].Prev = unlinked.Prev;
        }
    }
}
