using System.Diagnostics;
using Levee.Operations;

namespace Levee.Eviction;

/// <summary>
/// S3-FIFO: Yang, Zhang, Qiu, Yue and Vinayak, "FIFO Queues are All You Need for Cache Eviction", SOSP '23, with weights.
/// Three queues in order of arrival. A small one, through which all pass; a main one, for what was used while it was in the small one or came back soon after it
/// had left; a queue of ghosts of what left the small one. A hit moves nothing: it only counts, so it is the cheapest of all policies' hits.
/// <para>
/// Letters. S = <see cref="Small"/>, M = <see cref="Main"/>, G = <see cref="Ghosts"/>, c = capacity, s = c / 10 = what S is meant to weigh, c - s = what M is meant
/// to weigh and what G may. |X| is the weight of queue X. f(x) is <see cref="Node.Mark"/>: how often x was used, at most 3. With all weights 1 every step is the
/// paper's.
/// </para>
/// <code>
///  Hit(x)      f(x) = min(3, f(x) + 1).
///  Arrive(x,w) x in G: x leaves G, for M (for S where it is the head and |G| > c - s: it should have gone). Else x is for S. f(x) = 0.
///  Forget      while |G| > c - s: the head of G is forgotten.
///  Evict       until one has left:
///                |S| >= s or M is empty:  x = the head of S. f(x) >= 2: x to the tail of M, f(x) = 0.     it has proved its worth
///                                                            else: x to the tail of G.                    it leaves
///                else:                    x = the head of M. f(x) >= 1: x to the tail of M, f(x) = f(x) - 1.
///                                                            else: x leaves, without a ghost.
///  Admit(x)    x to the tail of S or M, as Arrive said.
///  Resize(x,w) x keeps its place and weighs w; then Evict while |S| + |M| > c, then Forget.
/// </code>
/// <para>
/// Every turn of the loop in Evict that evicts nothing is paid for by a hit before, so Evict is O(1) amortised. One call takes at most <see cref="MostTurns"/>
/// turns: then the next one leaves, whatever its count. An entry that changes its weight is passed over as a victim until another arrives or changes, as long
/// as there is another.
/// </para>
/// <para>
/// Invariants between two operations of the owner: |S| + |M| &lt;= c; |G| &lt;= c - s but for those ghosts that came since the last Forget; f is 0 in G; all
/// weights at least 1.
/// </para>
/// </summary>
internal sealed class S3FifoPolicy : EvictionPolicy
{
    /// <summary>Most entries that one eviction looks at: bounds the time of one call where everything has been used.</summary>
    public const int MostTurns = 1024;

    /// <summary>Uses in S, beside the arrival, that let an entry pass into M.</summary>
    private const int Worth = 2;

    private const int MostUses = 3;

    private readonly NodeList[] lists;
    private bool arrivesInMain;
    private long freshGhosts;
    private int resized = NodeTable.None;

    /// <param name="nodes">The nodes to order.</param>
    /// <param name="capacity">What all residents together may weigh.</param>
    /// <param name="side">0 or <see cref="EvictionPolicy.OtherSide"/>.</param>
    public S3FifoPolicy(NodeTable nodes, long capacity, byte side = 0)
        : base(nodes, capacity, side)
    {
        Small = new NodeList(nodes, (byte)(side + 1), "S", isGhost: false);
        Main = new NodeList(nodes, (byte)(side + 2), "M", isGhost: false);
        Ghosts = new NodeList(nodes, (byte)(side + 3), "G", isGhost: true);
        lists = [Small, Main, Ghosts];
    }

    /// <inheritdoc/>
    public override string Name => Policies.S3Fifo;

    /// <inheritdoc/>
    public override long ResidentWeight => Small.Weight + Main.Weight;

    /// <inheritdoc/>
    public override long LowestCapacity => Math.Max(ResidentWeight, LeastCapacityFor(Ghosts.Weight));

    /// <inheritdoc/>
    public override IReadOnlyList<NodeList> NodeLists => lists;

    /// <summary>S: what came lately.</summary>
    internal NodeList Small { get; }

    /// <summary>M: what was used more than once, or came back.</summary>
    internal NodeList Main { get; }

    /// <summary>G: what left S lately.</summary>
    internal NodeList Ghosts { get; }

    /// <inheritdoc/>
    public override bool IsResident(int node) => (uint)Nodes[node].Home - Small.Home < 2u;

    /// <inheritdoc/>
    public override void Hit(int node)
    {
        ref var used = ref Nodes[node];
        var uses = used.Mark;
        if (uses < MostUses)
        {
            used.Mark = uses + 1;
        }
    }

    /// <inheritdoc/>
    public override void Arrive(int node, int weight)
    {
        Debug.Assert(weight >= 1 && weight <= Capacity, "The owner refuses what is heavier than the capacity.");
        arrivesInMain = false;
        if (Nodes[node].Home == Ghosts.Home)
        {
            arrivesInMain = node != Ghosts.LeastRecent || Ghosts.Weight <= GhostWeightAt(Capacity);
            Ghosts.Remove(node);
        }

        Debug.Assert(Nodes[node].Home == 0, "Residents do not arrive.");
        Nodes[node].Weight = weight;
        Nodes[node].Mark = 0;
        ArrivingWeight = weight;
        resized = NodeTable.None;
    }

    /// <inheritdoc/>
    public override int Forget()
    {
        if (Ghosts.Weight > GhostWeightAt(Capacity))
        {
            return Ghosts.TakeLeastRecent();
        }

        freshGhosts = 0;
        return NodeTable.None;
    }

    /// <inheritdoc/>
    public override int ForgetAny() => Ghosts.TakeLeastRecent();

    /// <inheritdoc/>
    public override int Evict()
    {
        for (var turn = 1; ; turn++)
        {
            var small = Head(Small);
            var main = Head(Main);
            if (small != NodeTable.None && (Small.Weight >= SmallWeightAt(Capacity) || main == NodeTable.None))
            {
                if (Nodes[small].Mark < Worth || turn > MostTurns)
                {
                    return EvictSmall(small);
                }

                Small.Remove(small);
                Nodes[small].Mark = 0;
                Main.Append(small);
            }
            else if (main != NodeTable.None)
            {
                var uses = Nodes[main].Mark;
                if (uses == 0 || turn > MostTurns)
                {
                    Main.Remove(main);
                    return main;
                }

                Nodes[main].Mark = uses - 1;
                Main.Refresh(main);
            }
            else
            {
                return EvictLast();
            }
        }
    }

    /// <inheritdoc/>
    public override int NextVictim =>
        Small.Count > 0 && (Small.Weight >= SmallWeightAt(Capacity) || Main.Count == 0) ? Small.LeastRecent : Main.LeastRecent;

    /// <inheritdoc/>
    public override void Admit(int node)
    {
        Debug.Assert(ArrivingWeight > 0, "Only what has arrived can be admitted.");
        (arrivesInMain ? Main : Small).Append(node);
        ArrivingWeight = 0;
    }

    /// <inheritdoc/>
    public override void Remove(int node)
    {
        ListOf(node).Remove(node);
        if (resized == node)
        {
            resized = NodeTable.None;
        }
    }

    /// <inheritdoc/>
    public override void Resize(int node, int weight)
    {
        Debug.Assert(IsResident(node), "A ghost keeps its weight.");
        Debug.Assert(weight >= 1 && weight <= Capacity, "The owner refuses what is heavier than the capacity.");
        ListOf(node).Reweigh(node, weight);
        resized = node;
    }

    /// <inheritdoc/>
    public override IReadOnlyList<ListStatistics> Lists(int unitBytes) =>
        [Small.Statistics(unitBytes), Main.Statistics(unitBytes), Ghosts.Statistics(unitBytes)];

    /// <inheritdoc/>
    public override string ListNameOf(int node) => Nodes[node].Home == 0 ? "" : ListOf(node).Statistics(1).Name;

    /// <inheritdoc/>
    public override int ForgetBeyond(long smaller) => Ghosts.Weight > GhostWeightAt(smaller) ? Ghosts.TakeLeastRecent() : NodeTable.None;

    /// <inheritdoc/>
    public override bool HasRoomFor(byte home, int weight) => home switch
    {
        1 or 2 => ResidentWeight + weight <= Capacity,
        3 => Ghosts.Weight + weight <= GhostWeightAt(Capacity),
        _ => false,
    };

    /// <inheritdoc/>
    public override bool IsHot(int node) => Nodes[node].Home == Main.Home || Nodes[node].Mark >= Worth;

    /// <inheritdoc/>
    public override void Import(int node, bool isHot)
    {
        Nodes[node].Mark = 0;
        (isHot ? Main : Small).Prepend(node);
    }

    /// <inheritdoc/>
    public override void CheckInvariants()
    {
        Small.CheckInvariants();
        Main.CheckInvariants();
        Ghosts.CheckInvariants();
        Invariant.Holds(ResidentWeight <= Capacity, $"S3-FIFO: |S| + |M| = {ResidentWeight} exceeds c = {Capacity}");
        Invariant.Holds(
            Ghosts.Weight - freshGhosts <= GhostWeightAt(Capacity), $"S3-FIFO: |G| = {Ghosts.Weight}, {freshGhosts} of it fresh, exceeds {GhostWeightAt(Capacity)}");
        for (var ghost = Ghosts.LeastRecent; ghost != NodeTable.None; ghost = Nodes[ghost].Next)
        {
            Invariant.Holds(Nodes[ghost].Mark == 0, $"S3-FIFO: the ghost {ghost} has a count");
        }
    }

    // s of the equations.
    private static long SmallWeightAt(long capacity) => capacity / 10;

    private static long GhostWeightAt(long capacity) => capacity - SmallWeightAt(capacity);

    /// <summary>The least capacity at which ghosts may weigh so much: the least c with c - c / 10 >= weight.</summary>
    private static long LeastCapacityFor(long ghostWeight) => ghostWeight + ((ghostWeight - 1) / 9);

    /// <summary>The head of a queue, the entry that is to be spared passed over.</summary>
    private int Head(NodeList list)
    {
        var head = list.LeastRecent;
        return head != NodeTable.None && head == resized ? Nodes[head].Next : head;
    }

    private int EvictSmall(int victim)
    {
        Small.Remove(victim);
        Nodes[victim].Mark = 0;
        Ghosts.Append(victim);
        freshGhosts += Nodes[victim].Weight;
        return victim;
    }

    /// <summary>Nothing is left but the entry that was to be spared, if that.</summary>
    private int EvictLast()
    {
        resized = NodeTable.None;
        if (Small.Count > 0)
        {
            return EvictSmall(Small.LeastRecent);
        }

        return Main.TakeLeastRecent();
    }

    private NodeList ListOf(int node) => (Nodes[node].Home - Side) switch
    {
        1 => Small,
        2 => Main,
        3 => Ghosts,
        _ => throw new UnreachableException("The node is on no list of S3-FIFO's."),
    };
}
