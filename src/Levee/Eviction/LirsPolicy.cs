using System.Diagnostics;
using Levee.Operations;

namespace Levee.Eviction;

/// <summary>
/// Low inter-reference recency set: Jiang and Zhang, "LIRS: An Efficient Low Inter-reference Recency Set Replacement Policy", SIGMETRICS '02, with weights.
/// What was used twice within a short time (LIR) holds nearly all of the capacity; the rest (HIR) passes through a small queue, and becomes LIR where its next
/// use comes sooner than the longest pause that a LIR entry takes. So a loop that is larger than the cache keeps a part of itself.
/// <para>
/// Letters. LIR = <see cref="Lir"/>, Q = <see cref="Queue"/>: the resident HIR entries, N = <see cref="Ghosts"/>: the HIR entries that were evicted, c = capacity,
/// Llirs = what LIR may weigh: 99 % of what the capacity leaves beside <see cref="EvictionPolicy.Reserved"/>. w is the weight of the entry that arrives. The paper's stack S has the entries in order of
/// last use, and is pruned so that its bottom is LIR. Here it is no list: each entry carries the time of its last use, and is in S when that is later than the
/// time of the LIR entry used longest ago. Pruning is then a comparison, and costs nothing.
/// </para>
/// <code>
///  Hit(x)      x in LIR: x to MRU of LIR.
///              x in Q and in S: x to MRU of LIR; Demote.
///              x in Q and not in S: x to the end of Q.
///  Arrive(x,w) x in N and in S: x leaves N, for LIR.
///              else: x is for Q; for LIR while |LIR| + |Q| + w &lt;= Llirs.
///  Forget      while all lists weigh more than 3c with w: the oldest of N is forgotten; where it has left S too, a few at a time.
///  Evict       the head of Q leaves: to N where it is in S, else without a ghost. Where Q is empty: LRU of LIR leaves, without a ghost.
///  Admit(x)    x to MRU of LIR, and Demote; or to the end of Q; as Arrive said.
///  Demote      while |LIR| > Llirs: LRU of LIR to the end of Q, a few at a time.
///  Resize(x,w) x keeps its place and weighs w; Demote; then Evict while |LIR| + |Q| > c, then Forget.
/// </code>
/// <para>
/// With all weights 1 every step is the paper's; the bound on N is ours, as the paper leaves it open. Where the weights make a difference: a heavy arrival may empty Q and take from LIR; then LIR
/// is not filled up by what comes next, but by what proves itself. "A few at a time" bounds a call, where one heavy entry stands against many light ones: LIR may be over Llirs for
/// a while, and N may keep what has left S, which counts as fresh when it returns. An entry that outgrows its weight is spared as a victim until another arrives or changes.
/// </para>
/// <para>Invariants between two operations of the owner: |LIR| + |Q| &lt;= c; all three lists weigh at most 3c; times on LIR rise from LRU to MRU, and none is in the future.</para>
/// </summary>
internal sealed class LirsPolicy : EvictionPolicy
{
    /// <summary>The part of the capacity that is for resident HIR entries: one in so many.</summary>
    internal const int QueueShare = 100;

    /// <summary>All lists together weigh at most so many capacities.</summary>
    internal const int BoundOfAll = 3;

    /// <summary>Entries that one call demotes at most, and ghosts out of S that are forgotten per arrival.</summary>
    internal const int Few = 16;

    private readonly NodeList[] lists;
    private ulong clock;
    private ulong lastBottom;
    private bool arrivesAsLir;
    private int staleToForget;
    private int resized = NodeTable.None;

    /// <param name="nodes">The nodes to order, with extras.</param>
    /// <param name="capacity">What all residents together may weigh.</param>
    /// <param name="side">0 or <see cref="EvictionPolicy.OtherSide"/>.</param>
    public LirsPolicy(NodeTable nodes, long capacity, byte side = 0)
        : base(nodes, capacity, side)
    {
        Lir = new NodeList(nodes, (byte)(side + 1), "LIR", isGhost: false);
        Queue = new NodeList(nodes, (byte)(side + 2), "Q", isGhost: false);
        Ghosts = new NodeList(nodes, (byte)(side + 3), "N", isGhost: true);
        lists = [Lir, Queue, Ghosts];
    }

    /// <inheritdoc/>
    public override string Name => Policies.Lirs;

    /// <inheritdoc/>
    public override bool NeedsExtras => true;

    /// <inheritdoc/>
    public override long ResidentWeight => Lir.Weight + Queue.Weight;

    /// <inheritdoc/>
    public override long LowestCapacity => Math.Max(ResidentWeight, (AllWeight + BoundOfAll - 1) / BoundOfAll);

    /// <inheritdoc/>
    public override IReadOnlyList<NodeList> NodeLists => lists;

    /// <summary>LIR: residents whose uses follow each other closely, in order of use.</summary>
    internal NodeList Lir { get; }

    /// <summary>Q: resident HIR entries, the next victim first.</summary>
    internal NodeList Queue { get; }

    /// <summary>N: HIR entries that were evicted while they were in S.</summary>
    internal NodeList Ghosts { get; }

    /// <summary>Llirs: what LIR may weigh.</summary>
    internal long LirLimit => Capacity - Reserved - Math.Max(1, (Capacity - Reserved) / QueueShare);

    private long AllWeight => Lir.Weight + Queue.Weight + Ghosts.Weight;

    /// <inheritdoc/>
    public override bool IsResident(int node) => (uint)Nodes[node].Home - Lir.Home < 2u;

    /// <summary>Whether an entry that is on a list is in the paper's stack S.</summary>
    internal bool IsInStack(int node) => Nodes[node].Home == Lir.Home || LastUse(node) > Bottom;

    /// <inheritdoc/>
    public override void Hit(int node)
    {
        if (Nodes[node].Home == Lir.Home)
        {
            LastUse(node) = ++clock;
            Lir.Refresh(node);
        }
        else if (LastUse(node) > Bottom)
        {
            Queue.Remove(node);
            AppendToLir(node);
        }
        else
        {
            LastUse(node) = ++clock;
            Queue.Refresh(node);
        }
    }

    /// <inheritdoc/>
    public override void Arrive(int node, int weight)
    {
        Debug.Assert(weight >= 1 && weight <= Capacity, "The owner refuses what is heavier than the capacity.");
        arrivesAsLir = ResidentWeight + weight <= LirLimit;
        if (Nodes[node].Home == Ghosts.Home)
        {
            arrivesAsLir |= LastUse(node) > Bottom;
            Ghosts.Remove(node);
        }

        Debug.Assert(Nodes[node].Home == 0, "Residents do not arrive.");
        Nodes[node].Weight = weight;
        ArrivingWeight = weight;
        staleToForget = Few;
        resized = NodeTable.None;
    }

    /// <inheritdoc/>
    public override int Forget()
    {
        var oldest = Ghosts.LeastRecent;
        if (oldest == NodeTable.None)
        {
            return NodeTable.None;
        }

        if (AllWeight + ArrivingWeight > BoundOfAll * Capacity)
        {
            return Ghosts.TakeLeastRecent();
        }

        if (staleToForget > 0 && LastUse(oldest) <= Bottom)
        {
            staleToForget--;
            return Ghosts.TakeLeastRecent();
        }

        return NodeTable.None;
    }

    /// <inheritdoc/>
    public override int ForgetAny() => Ghosts.TakeLeastRecent();

    /// <inheritdoc/>
    public override int Evict()
    {
        var isFromQueue = Queue.Count > 0 && (Queue.LeastRecent != resized || Lir.Count == 0);
        var victim = isFromQueue ? Queue.LeastRecent : Lir.LeastRecent;
        if (victim != NodeTable.None)
        {
            Take(victim);
            if (isFromQueue && LastUse(victim) > Bottom)
            {
                Ghosts.Append(victim);
            }
        }

        return victim;
    }

    /// <inheritdoc/>
    public override int NextVictim => Queue.Count > 0 ? Queue.LeastRecent : Lir.LeastRecent;

    /// <inheritdoc/>
    public override void Admit(int node)
    {
        if (arrivesAsLir)
        {
            AppendToLir(node);
        }
        else
        {
            LastUse(node) = ++clock;
            Queue.Append(node);
        }

        ArrivingWeight = 0;
    }

    /// <inheritdoc/>
    public override void Remove(int node) => Take(node);

    /// <inheritdoc/>
    public override void Resize(int node, int weight)
    {
        Debug.Assert(IsResident(node), "A ghost keeps its weight.");
        Debug.Assert(weight >= 1 && weight <= Capacity, "The owner refuses what is heavier than the capacity.");
        ListOf(node).Reweigh(node, weight);
        resized = node;
        Demote();
    }

    /// <inheritdoc/>
    public override IReadOnlyList<ListStatistics> Lists(int unitBytes) => [Lir.Statistics(unitBytes), Queue.Statistics(unitBytes), Ghosts.Statistics(unitBytes)];

    /// <inheritdoc/>
    public override string ListNameOf(int node) => Nodes[node].Home == 0 ? "" : ListOf(node).Statistics(1).Name;

    /// <inheritdoc/>
    public override int ForgetBeyond(long smaller) => AllWeight > BoundOfAll * smaller ? Ghosts.TakeLeastRecent() : NodeTable.None;

    /// <inheritdoc/>
    public override bool HasRoomFor(byte home, int weight) => home switch
    {
        1 or 2 => ResidentWeight + weight <= Capacity && AllWeight + weight <= BoundOfAll * Capacity,
        3 => AllWeight + weight <= BoundOfAll * Capacity,
        _ => false,
    };

    /// <inheritdoc/>
    public override bool TryImport(int node, byte home, int weight)
    {
        if (!HasRoomFor(home, weight))
        {
            return false;
        }

        Nodes[node].Weight = weight;
        if (home == 3)
        {
            // The times stayed behind: a ghost comes just into S, below what is there.
            LastUse(node) = Bottom + 1;
            clock = Math.Max(clock, Bottom + 1);
            Ghosts.Prepend(node);
        }
        else
        {
            ImportTo(node, isLir: home == 1);
        }

        return true;
    }

    /// <inheritdoc/>
    public override bool IsHot(int node) => Nodes[node].Home == Lir.Home;

    /// <summary>As the base says; LIR below what is there, HIR not in S. As at a start all that comes is LIR while that has room: an empty LIR would fill only with what was evicted and came back.</summary>
    public override void Import(int node, bool isHot) => ImportTo(node, isHot || Lir.Weight + Nodes[node].Weight <= LirLimit);

    private void ImportTo(int node, bool isLir)
    {
        if (isLir)
        {
            PrependToLir(node);
        }
        else
        {
            LastUse(node) = 0;
            Queue.Prepend(node);
        }
    }

    /// <inheritdoc/>
    public override void CheckInvariants()
    {
        Lir.CheckInvariants();
        Queue.CheckInvariants();
        Ghosts.CheckInvariants();
        Invariant.Holds(ResidentWeight <= Capacity, $"LIRS: |LIR| + |Q| = {ResidentWeight} exceeds c = {Capacity}");
        Invariant.Holds(AllWeight <= BoundOfAll * Capacity, $"LIRS: all three lists weigh {AllWeight}, more than {BoundOfAll}c for c = {Capacity}");
        var earlier = 0UL;
        foreach (var node in Lir.ToArray())
        {
            Invariant.Holds(LastUse(node) >= earlier, $"LIRS: node {node} was used at {LastUse(node)}, and stands behind one used at {earlier}");
            earlier = LastUse(node);
        }

        foreach (var list in lists)
        {
            Invariant.Holds(list.ToArray().All(node => LastUse(node) <= clock), $"LIRS: an entry will be used after {clock}");
        }
    }

    // When the LIR entry at the bottom of S was used last; where there is none, the last one that was.
    private ulong Bottom => Lir.LeastRecent is var bottom and not NodeTable.None ? LastUse(bottom) : lastBottom;

    private ref ulong LastUse(int node) => ref Nodes.Extra(node);

    private void PrependToLir(int node)
    {
        LastUse(node) = Bottom; // So that no other entry enters or leaves S by it.
        Lir.Prepend(node);
    }

    private void Take(int node)
    {
        if (node == Lir.LeastRecent)
        {
            lastBottom = LastUse(node);
        }

        ListOf(node).Remove(node);
        if (resized == node)
        {
            resized = NodeTable.None;
        }
    }

    private void AppendToLir(int node)
    {
        LastUse(node) = ++clock;
        Lir.Append(node);
        Demote();
    }

    private void Demote()
    {
        for (var i = 0; i < Few && Lir.Weight > LirLimit && Lir.Count > 1; i++)
        {
            Queue.Append(Lir.TakeLeastRecent());
        }
    }

    private NodeList ListOf(int node) => (Nodes[node].Home - Side) switch
    {
        1 => Lir,
        2 => Queue,
        3 => Ghosts,
        _ => throw new UnreachableException("The node is on no list of LIRS'."),
    };
}
