using System.Diagnostics;
using Levee.Operations;

namespace Levee.Eviction;

/// <summary>
/// Two policies on one table of nodes while one takes the residents of the other over, a few at a time. It stands in for both: budgets hold at each moment and no entry leaves because of it.
/// <para>
/// The predecessor gives, hottest first, from each of its lists in proportion to what is left on it; the successor takes each at the cold end of its kind, so the order stays. What is used meanwhile is handed over with
/// that use. Arrivals are the successor's. Victims are the predecessor's, from its cold end, until it has none left; they leave no ghosts, as those it has are forgotten too: nobody would learn from them.
/// </para>
/// <para>Invariant: the residents of both weigh at most the capacity, which is that of each.</para>
/// </summary>
internal sealed class PolicyHandOver : EvictionPolicy
{
    private readonly NodeList[] sources;
    private readonly double[] weightsAtStart;
    private readonly NodeList[] lists;

    /// <param name="nodes">The nodes that both order.</param>
    /// <param name="predecessor">Who gives.</param>
    /// <param name="successor">Who takes: on the other side, with the same capacity.</param>
    public PolicyHandOver(NodeTable nodes, EvictionPolicy predecessor, EvictionPolicy successor)
        : base(nodes, predecessor.Capacity, successor.Side)
    {
        Debug.Assert(predecessor.Side != successor.Side && predecessor.Capacity == successor.Capacity, "The two stand side by side.");
        Predecessor = predecessor;
        Successor = successor;
        Reserved = predecessor.Reserved;
        sources = [.. predecessor.NodeLists.Where(static list => !list.IsGhost)];
        weightsAtStart = Array.ConvertAll(sources, static list => Math.Max(1.0, list.Weight));
        lists = [.. successor.NodeLists, .. predecessor.NodeLists];
    }

    /// <summary>Who gives.</summary>
    public EvictionPolicy Predecessor { get; }

    /// <summary>Who takes.</summary>
    public EvictionPolicy Successor { get; }

    /// <summary>Whether the predecessor has nothing left, ghosts included.</summary>
    public bool IsDone
    {
        get
        {
            foreach (var list in Predecessor.NodeLists)
            {
                if (list.Count > 0)
                {
                    return false;
                }
            }

            return true;
        }
    }

    /// <summary>The successor's: it is in force for all that comes.</summary>
    public override string Name => Successor.Name;

    /// <inheritdoc/>
    public override long Reserved
    {
        get => base.Reserved;
        set
        {
            base.Reserved = value;
            Predecessor.Reserved = value;
            Successor.Reserved = value;
        }
    }

    /// <inheritdoc/>
    public override bool NeedsExtras => Predecessor.NeedsExtras || Successor.NeedsExtras;

    /// <inheritdoc/>
    public override long HeldBytes => Predecessor.HeldBytes + Successor.HeldBytes;

    /// <inheritdoc/>
    public override long ResidentWeight => Predecessor.ResidentWeight + Successor.ResidentWeight;

    /// <inheritdoc/>
    public override long LowestCapacity => Math.Max(ResidentWeight, Math.Max(Predecessor.LowestCapacity, Successor.LowestCapacity));

    /// <summary>The successor's, then the predecessor's.</summary>
    public override IReadOnlyList<NodeList> NodeLists => lists;

    /// <inheritdoc/>
    public override long Target => Successor.Target;

    /// <inheritdoc/>
    public override double ExactTarget => Successor.ExactTarget;

    private bool HasToGive => Predecessor.ResidentWeight > 0;

    /// <inheritdoc/>
    public override int NextVictim => HasToGive ? Predecessor.NextVictim : Successor.NextVictim;

    /// <summary>Hands residents over, the hottest of what is left first. The owner forgets afterwards.</summary>
    /// <param name="maxNodes">How many at the most.</param>
    /// <returns>How many were.</returns>
    public int Step(int maxNodes)
    {
        var given = 0;
        for (; given < maxNodes && HasToGive; given++)
        {
            Give(FullestSource().MostRecent);
        }

        return given;
    }

    /// <summary>Takes a ghost of the predecessor off its list.</summary>
    /// <returns>The node, which its owner drops; <see cref="NodeTable.None"/> where there is none left.</returns>
    public int TakeGhost() => Predecessor.ForgetAny();

    /// <inheritdoc/>
    public override bool IsResident(int node) => OwnerOf(node).IsResident(node);

    /// <summary>The successor's place; 0 for what is still the predecessor's: elsewhere, too, it is taken in by its kind alone.</summary>
    public override byte PlaceOf(int node) => OwnerOf(node) == Successor ? Successor.PlaceOf(node) : (byte)0;

    /// <inheritdoc/>
    public override void Hit(int node)
    {
        if (IsGiven(node))
        {
            Give(node);
        }

        Successor.Hit(node);
    }

    /// <inheritdoc/>
    public override void Arrive(int node, int weight)
    {
        if (IsGiven(node))
        {
            Predecessor.Remove(node);
        }

        Successor.Arrive(node, weight);
        ArrivingWeight = weight;
    }

    /// <inheritdoc/>
    public override int Forget() => Successor.Forget();

    /// <inheritdoc/>
    public override int ForgetAny() => Predecessor.ForgetAny() is var ghost and not NodeTable.None ? ghost : Successor.ForgetAny();

    /// <inheritdoc/>
    public override int Evict()
    {
        if (!HasToGive)
        {
            return Successor.Evict();
        }

        var victim = Predecessor.Evict();
        if (Nodes[victim].Home != 0)
        {
            Predecessor.Remove(victim);
        }

        return victim;
    }

    /// <inheritdoc/>
    public override void Admit(int node)
    {
        Successor.Admit(node);
        ArrivingWeight = 0;
    }

    /// <inheritdoc/>
    public override void Abandon()
    {
        Successor.Abandon();
        ArrivingWeight = 0;
    }

    /// <inheritdoc/>
    public override void Remove(int node) => OwnerOf(node).Remove(node);

    /// <inheritdoc/>
    public override void Resize(int node, int weight)
    {
        if (IsGiven(node))
        {
            Give(node); // The one that is spared as a victim must not be among those that leave first.
        }

        Successor.Resize(node, weight);
    }

    /// <inheritdoc/>
    public override IReadOnlyList<ListStatistics> Lists(int unitBytes) =>
        [.. Successor.Lists(unitBytes), .. Predecessor.Lists(unitBytes).Select(list => list with { Name = $"{Predecessor.Name} {list.Name}" })];

    /// <inheritdoc/>
    public override string ListNameOf(int node) => OwnerOf(node).ListNameOf(node);

    /// <inheritdoc/>
    public override void SetTarget(double taken) => Successor.SetTarget(taken);

    /// <inheritdoc/>
    public override void SetCapacity(long changed)
    {
        base.SetCapacity(changed);
        Predecessor.SetCapacity(changed);
        Successor.SetCapacity(changed);
    }

    /// <inheritdoc/>
    public override int ForgetBeyond(long smaller) =>
        Predecessor.ForgetBeyond(smaller) is var ghost and not NodeTable.None ? ghost : Successor.ForgetBeyond(smaller);

    /// <summary>Nothing comes to its own place in the middle of a hand-over; <see cref="Import"/> takes it.</summary>
    public override bool HasRoomFor(byte home, int weight) => false;

    /// <inheritdoc/>
    public override bool IsHot(int node) => OwnerOf(node).IsHot(node);

    /// <inheritdoc/>
    public override void Import(int node, bool isHot) => Successor.Import(node, isHot);

    /// <inheritdoc/>
    public override void Acknowledge(int ghost, int weight)
    {
        if (IsGiven(ghost))
        {
            Predecessor.Remove(ghost);
        }
        else
        {
            Successor.Acknowledge(ghost, weight);
        }
    }

    /// <inheritdoc/>
    public override void Release()
    {
        Predecessor.Release();
        Successor.Release();
    }

    /// <inheritdoc/>
    public override void CheckInvariants()
    {
        Predecessor.CheckInvariants();
        Successor.CheckInvariants();
        Invariant.Holds(ResidentWeight <= Capacity, $"hand-over: the residents of both weigh {ResidentWeight}, more than c = {Capacity}");
        Invariant.Holds(Predecessor.Capacity == Capacity && Successor.Capacity == Capacity, "hand-over: both have the whole capacity");
        Invariant.Holds(Predecessor.Reserved == Reserved && Successor.Reserved == Reserved, "hand-over: what is reserved is reserved for both");
    }

    private bool IsGiven(int node) => Nodes[node].Home != 0 && (Nodes[node].Home & OtherSide) == Predecessor.Side;

    private EvictionPolicy OwnerOf(int node) => IsGiven(node) ? Predecessor : Successor;

    private void Give(int node)
    {
        var isHot = Predecessor.IsHot(node);
        Predecessor.Remove(node);
        Successor.Import(node, isHot);
    }

    private NodeList FullestSource()
    {
        var fullest = 0;
        for (var i = 1; i < sources.Length; i++)
        {
            if (sources[i].Weight * weightsAtStart[fullest] > sources[fullest].Weight * weightsAtStart[i])
            {
                fullest = i;
            }
        }

        return sources[fullest];
    }
}
