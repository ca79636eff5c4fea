using System.Diagnostics;
using Levee.Operations;

namespace Levee.Eviction;

/// <summary>
/// Least recently used: one list in order of use, whose least recent end leaves. No ghosts, nothing to learn. It is the yardstick, and the best choice where
/// recency is all there is.
/// <para>Invariant: the list weighs at most the capacity.</para>
/// </summary>
internal sealed class LruPolicy : EvictionPolicy
{
    private readonly NodeList residents;
    private readonly NodeList[] lists;

    /// <param name="nodes">The nodes to order.</param>
    /// <param name="capacity">What all residents together may weigh.</param>
    /// <param name="side">0 or <see cref="EvictionPolicy.OtherSide"/>.</param>
    public LruPolicy(NodeTable nodes, long capacity, byte side = 0)
        : base(nodes, capacity, side)
    {
        residents = new NodeList(nodes, (byte)(side + 1), "LRU", isGhost: false);
        lists = [residents];
    }

    /// <inheritdoc/>
    public override string Name => Policies.Lru;

    /// <inheritdoc/>
    public override long ResidentWeight => residents.Weight;

    /// <inheritdoc/>
    public override long LowestCapacity => residents.Weight;

    /// <inheritdoc/>
    public override IReadOnlyList<NodeList> NodeLists => lists;

    /// <inheritdoc/>
    public override bool HasRoomFor(byte home, int weight) => home == 1 && residents.Weight + weight <= Capacity;

    /// <summary>The residents in order of use.</summary>
    internal NodeList Residents => residents;

    /// <inheritdoc/>
    public override bool IsResident(int node) => Nodes[node].Home == residents.Home;

    /// <inheritdoc/>
    public override void Hit(int node) => residents.Refresh(node);

    /// <inheritdoc/>
    public override void Arrive(int node, int weight)
    {
        Debug.Assert(weight >= 1 && weight <= Capacity, "The owner refuses what is heavier than the capacity.");
        Nodes[node].Weight = weight;
        ArrivingWeight = weight;
    }

    /// <inheritdoc/>
    public override int Forget() => NodeTable.None;

    /// <inheritdoc/>
    public override int ForgetAny() => NodeTable.None;

    /// <inheritdoc/>
    public override int Evict() => residents.TakeLeastRecent();

    /// <inheritdoc/>
    public override int NextVictim => residents.LeastRecent;

    /// <inheritdoc/>
    public override void Admit(int node)
    {
        residents.Append(node);
        ArrivingWeight = 0;
    }

    /// <inheritdoc/>
    public override void Remove(int node) => residents.Remove(node);

    /// <inheritdoc/>
    public override void Resize(int node, int weight)
    {
        Debug.Assert(weight >= 1 && weight <= Capacity, "The owner refuses what is heavier than the capacity.");
        residents.Reweigh(node, weight);
    }

    /// <inheritdoc/>
    public override IReadOnlyList<ListStatistics> Lists(int unitBytes) => [residents.Statistics(unitBytes)];

    /// <inheritdoc/>
    public override string ListNameOf(int node) => Nodes[node].Home == 0 ? "" : residents.Statistics(1).Name;

    /// <summary>The order says it all.</summary>
    public override bool IsHot(int node) => true;

    /// <inheritdoc/>
    public override void Import(int node, bool isHot) => residents.Prepend(node);

    /// <inheritdoc/>
    public override void CheckInvariants()
    {
        residents.CheckInvariants();
        Invariant.Holds(ResidentWeight <= Capacity, $"LRU: {ResidentWeight} exceeds the capacity {Capacity}");
    }
}
