using System.Diagnostics;
using Levee.Operations;

namespace Levee.Eviction;

/// <summary>
/// The adaptive replacement cache: Megiddo and Modha, "ARC: A Self-Tuning, Low Overhead Replacement Cache", FAST '03, with weights.
/// Two lists of residents, used once lately and used more often, each followed by a list of ghosts. A ghost's return says that its list was cut too short,
/// and moves the border between the two.
/// <para>
/// Letters. T1 = <see cref="Recent"/>, T2 = <see cref="Frequent"/>, B1 = <see cref="RecentGhosts"/>, B2 = <see cref="FrequentGhosts"/>, c = capacity,
/// p = the target for the weight of T1. |X| is the weight of list X; L1 = T1 + B1, L2 = T2 + B2. w is the weight of the entry that arrives, or 0 where none
/// does; w1 its part that goes to L1 (w of a fresh entry, else 0) and w2 the part that goes to L2 (w of a returning ghost, else 0). LRU and MRU are the ends
/// of a list. With all weights 1 every step is the paper's.
/// </para>
/// <code>
///  Hit(x)      x in T1 or T2: x to MRU of T2.                                                                   case I
///  Arrive(x,w) x in B1: p = min(c, p + max(1, |B2| / |B1|) w);  x leaves B1, for T2.                            case II
///              x in B2: p = max(0, p - max(1, |B1| / |B2|) w);  x leaves B2, for T2.                            case III
///              else: x is for T1.                                                                               case IV
///  Forget      while |T1| + |B1| + w1 > c and B1 is not empty: LRU of B1 is forgotten.                          case IV A
///              while min(c, |L1| + w1) + |L2| + w2 > 2c: LRU of B2 is forgotten (of B1 where B2 is empty).      case IV B
///  Evict       T1 is not empty, and |T1| > p, or x was in B2 and |T1| >= p, or T2 is empty:                     REPLACE
///                  LRU of T1 leaves: without a ghost where B1 is empty and |T1| + w1 > c, else to MRU of B1.
///              else: LRU of T2 to MRU of B2.
///  Admit(x)    x to MRU of T1 or T2, as Arrive said.
///  Resize(x,w) x keeps its place and weighs w; then Evict while |T1| + |T2| > c, then Forget.
/// </code>
/// <para>
/// Where the weights make a difference. The ratios are real numbers, each of B1 and B2 still counting x, with the weight it had; w is what it weighs now.
/// Case IV has either a fresh entry that finds L1 full, or one that finds all of 2c full: min(c, ...) says that what L1 cannot hold will be evicted from T1
/// without a ghost, so B2 need not make room for it. A ghost keeps its weight: it stands for the room that its entry would take. An entry heavier than c
/// cannot be admitted: refusing it is the owner's part. An entry that outgrows its weight is spared as a victim until another arrives or changes, as long
/// as T1 has one to give: it was used a moment ago.
/// </para>
/// <para>
/// Invariants between two operations of the owner: |T1| + |T2| &lt;= c, |L1| &lt;= c, |L1| + |L2| &lt;= 2c, 0 &lt;= p &lt;= c, and all weights at least 1.
/// Evict never breaks a bound that Forget has established, as it moves weight within L1 or within L2.
/// </para>
/// </summary>
internal sealed class ArcPolicy : EvictionPolicy
{
    private readonly NodeList[] lists;
    private double target;
    private Arrival arrival;
    private int resized = NodeTable.None;

    /// <param name="nodes">The nodes to order.</param>
    /// <param name="capacity">What all residents together may weigh.</param>
    /// <param name="side">0 or <see cref="EvictionPolicy.OtherSide"/>.</param>
    public ArcPolicy(NodeTable nodes, long capacity, byte side = 0)
        : base(nodes, capacity, side)
    {
        Recent = new NodeList(nodes, (byte)(side + 1), "T1", isGhost: false);
        Frequent = new NodeList(nodes, (byte)(side + 2), "T2", isGhost: false);
        RecentGhosts = new NodeList(nodes, (byte)(side + 3), "B1", isGhost: true);
        FrequentGhosts = new NodeList(nodes, (byte)(side + 4), "B2", isGhost: true);
        lists = [Recent, Frequent, RecentGhosts, FrequentGhosts];
    }

    private enum Arrival : byte
    {
        None,
        Fresh,
        FromRecentGhosts,
        FromFrequentGhosts,
    }

    /// <inheritdoc/>
    public override string Name => Policies.Arc;

    /// <inheritdoc/>
    public override long ResidentWeight => Recent.Weight + Frequent.Weight;

    /// <inheritdoc/>
    public override long Target => (long)target;

    /// <inheritdoc/>
    public override long LowestCapacity => Math.Max(Math.Max(ResidentWeight, Recent.Weight + RecentGhosts.Weight), (AllWeight + 1) / 2);

    /// <inheritdoc/>
    public override IReadOnlyList<NodeList> NodeLists => lists;

    /// <inheritdoc/>
    public override double ExactTarget => target;

    /// <summary>T1: residents that were used once since they came.</summary>
    internal NodeList Recent { get; }

    /// <summary>T2: residents that were used at least twice, ghost times included.</summary>
    internal NodeList Frequent { get; }

    /// <summary>B1: what left T1 lately.</summary>
    internal NodeList RecentGhosts { get; }

    /// <summary>B2: what left T2 lately.</summary>
    internal NodeList FrequentGhosts { get; }

    private long AllWeight => Recent.Weight + Frequent.Weight + RecentGhosts.Weight + FrequentGhosts.Weight;

    // w1 and w2 of the equations.
    private int WeightForRecent => arrival == Arrival.Fresh ? ArrivingWeight : 0;

    private int WeightForFrequent => ArrivingWeight - WeightForRecent;

    /// <inheritdoc/>
    public override bool IsResident(int node) => (uint)Nodes[node].Home - Recent.Home < 2u;

    /// <inheritdoc/>
    public override void Hit(int node)
    {
        if (Nodes[node].Home == Frequent.Home)
        {
            Frequent.Refresh(node);
        }
        else
        {
            Recent.Remove(node);
            Frequent.Append(node);
        }
    }

    /// <inheritdoc/>
    public override void Arrive(int node, int weight)
    {
        Debug.Assert(weight >= 1 && weight <= Capacity, "The owner refuses what is heavier than the capacity.");
        var home = Nodes[node].Home;
        if (home == RecentGhosts.Home)
        {
            FavorRecent(weight);
            RecentGhosts.Remove(node);
            arrival = Arrival.FromRecentGhosts;
        }
        else if (home == FrequentGhosts.Home)
        {
            FavorFrequent(weight);
            FrequentGhosts.Remove(node);
            arrival = Arrival.FromFrequentGhosts;
        }
        else
        {
            Debug.Assert(home == 0, "Residents do not arrive.");
            arrival = Arrival.Fresh;
        }

        Nodes[node].Weight = weight;
        ArrivingWeight = weight;
        resized = NodeTable.None;
    }

    /// <inheritdoc/>
    public override int Forget()
    {
        var recentSide = Recent.Weight + RecentGhosts.Weight + WeightForRecent;
        if (recentSide > Capacity && RecentGhosts.Count > 0)
        {
            return RecentGhosts.TakeLeastRecent();
        }

        var frequentSide = Frequent.Weight + FrequentGhosts.Weight + WeightForFrequent;
        if (Math.Min(Capacity, recentSide) + frequentSide > 2 * Capacity)
        {
            return FrequentGhosts.Count > 0 ? FrequentGhosts.TakeLeastRecent() : RecentGhosts.TakeLeastRecent();
        }

        return NodeTable.None;
    }

    /// <summary>
    /// Forgets the oldest ghost of the heavier list, B1 where they are equal: it lies deepest below its residents, so it is the least likely to return, and
    /// what evens the lists disturbs the ratio least by which p learns.
    /// </summary>
    /// <returns>The node; <see cref="NodeTable.None"/> where there is no ghost.</returns>
    public override int ForgetAny() =>
        RecentGhosts.Weight >= FrequentGhosts.Weight ? RecentGhosts.TakeLeastRecent() : FrequentGhosts.TakeLeastRecent();

    /// <inheritdoc/>
    public override int Evict()
    {
        if (Recent.Count > 0 && (RecentIsOverTarget() || Frequent.Count == 0 || Frequent.LeastRecent == resized))
        {
            return EvictRecent();
        }

        return Frequent.Count > 0 ? EvictFrequent() : NodeTable.None;
    }

    /// <inheritdoc/>
    public override int NextVictim => Recent.Weight > target || Frequent.Count == 0 ? Recent.LeastRecent : Frequent.LeastRecent;

    /// <inheritdoc/>
    public override void Admit(int node)
    {
        Debug.Assert(arrival != Arrival.None, "Only what has arrived can be admitted.");
        (arrival == Arrival.Fresh ? Recent : Frequent).Append(node);
        EndArrival();
    }

    /// <inheritdoc/>
    public override void Abandon() => EndArrival();

    /// <inheritdoc/>
    public override void Remove(int node)
    {
        ListOf(node).Remove(node);
        StopSparing(node);
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
    [
        Recent.Statistics(unitBytes), Frequent.Statistics(unitBytes), RecentGhosts.Statistics(unitBytes), FrequentGhosts.Statistics(unitBytes),
    ];

    /// <inheritdoc/>
    public override string ListNameOf(int node) => Nodes[node].Home == 0 ? "" : ListOf(node).Statistics(1).Name;

    /// <inheritdoc/>
    public override void SetTarget(double taken) => target = Math.Clamp(taken, 0, Capacity);

    /// <inheritdoc/>
    public override void SetCapacity(long changed)
    {
        base.SetCapacity(changed);
        target = Math.Min(target, changed);
    }

    /// <inheritdoc/>
    public override int ForgetBeyond(long smaller)
    {
        if (Recent.Weight + RecentGhosts.Weight > smaller && RecentGhosts.Count > 0)
        {
            return RecentGhosts.TakeLeastRecent();
        }

        if (AllWeight > 2 * smaller)
        {
            return FrequentGhosts.Count > 0 ? FrequentGhosts.TakeLeastRecent() : RecentGhosts.TakeLeastRecent();
        }

        return NodeTable.None;
    }

    /// <inheritdoc/>
    public override bool HasRoomFor(byte home, int weight) => home switch
    {
        1 => ResidentWeight + weight <= Capacity && Recent.Weight + RecentGhosts.Weight + weight <= Capacity && AllWeight + weight <= 2 * Capacity,
        2 => ResidentWeight + weight <= Capacity && AllWeight + weight <= 2 * Capacity,
        3 => Recent.Weight + RecentGhosts.Weight + weight <= Capacity && AllWeight + weight <= 2 * Capacity,
        4 => AllWeight + weight <= 2 * Capacity,
        _ => false,
    };

    /// <inheritdoc/>
    public override bool IsHot(int node) => Nodes[node].Home == Frequent.Home;

    /// <inheritdoc/>
    public override void Import(int node, bool isHot) => (isHot ? Frequent : Recent).Prepend(node);

    /// <inheritdoc/>
    public override void Acknowledge(int ghost, int weight)
    {
        if (Nodes[ghost].Home == RecentGhosts.Home)
        {
            FavorRecent(weight);
        }
        else
        {
            FavorFrequent(weight);
        }

        Remove(ghost);
    }

    /// <inheritdoc/>
    public override void CheckInvariants()
    {
        Recent.CheckInvariants();
        Frequent.CheckInvariants();
        RecentGhosts.CheckInvariants();
        FrequentGhosts.CheckInvariants();
        var recentSide = Recent.Weight + RecentGhosts.Weight;
        var all = recentSide + Frequent.Weight + FrequentGhosts.Weight;
        Invariant.Holds(ResidentWeight <= Capacity, $"ARC: |T1| + |T2| = {ResidentWeight} exceeds c = {Capacity}");
        Invariant.Holds(recentSide <= Capacity, $"ARC: |T1| + |B1| = {recentSide} exceeds c = {Capacity}");
        Invariant.Holds(all <= 2 * Capacity, $"ARC: all four lists weigh {all}, more than 2c for c = {Capacity}");
        Invariant.Holds(target >= 0 && target <= Capacity, $"ARC: p = {target} is outside 0 to c = {Capacity}");
        Invariant.Holds(ArrivingWeight == 0 || arrival != Arrival.None, $"ARC: a weight of {ArrivingWeight} arrives from nowhere");
    }

    private void FavorRecent(int weight) =>
        target = Math.Min(Capacity, target + (Math.Max(1, (double)FrequentGhosts.Weight / RecentGhosts.Weight) * weight));

    private void FavorFrequent(int weight) =>
        target = Math.Max(0, target - (Math.Max(1, (double)RecentGhosts.Weight / FrequentGhosts.Weight) * weight));

    private bool RecentIsOverTarget() =>
        Recent.Weight > target || (arrival == Arrival.FromFrequentGhosts && Recent.Weight >= target);

    private int EvictRecent()
    {
        var leavesNoGhost = RecentGhosts.Count == 0 && Recent.Weight + WeightForRecent > Capacity;
        var victim = Recent.TakeLeastRecent();
        if (!leavesNoGhost)
        {
            RecentGhosts.Append(victim);
        }

        StopSparing(victim);
        return victim;
    }

    private int EvictFrequent()
    {
        var victim = Frequent.TakeLeastRecent();
        FrequentGhosts.Append(victim);
        StopSparing(victim);
        return victim;
    }

    private void EndArrival()
    {
        arrival = Arrival.None;
        ArrivingWeight = 0;
    }

    private void StopSparing(int node)
    {
        if (resized == node)
        {
            resized = NodeTable.None;
        }
    }

    private NodeList ListOf(int node) => (Nodes[node].Home - Side) switch
    {
        1 => Recent,
        2 => Frequent,
        3 => RecentGhosts,
        4 => FrequentGhosts,
        _ => throw new UnreachableException("The node is on no list of ARC's."),
    };
}
