using System.Diagnostics;
using Levee.Operations;

namespace Levee.Eviction;

/// <summary>
/// W-TinyLFU: Einziger, Friedman and Manes, "TinyLFU: A Highly Efficient Cache Admission Policy", ACM TOS 2017, with a window that adapts (the same with Eytan,
/// "Adaptive Software Cache Management", Middleware '18), and with weights ("Lightweight Robust Size Aware Cache Management", ACM TOS 2022).
/// All that comes goes through a window in order of use. What leaves it is a candidate for the main space, and is let in only where it was used more often lately
/// than those whose room it would take; a sketch of counters knows how often, also of what is not resident. The main space is a segmented LRU: probation, and
/// protected for what was used again there.
/// <para>
/// Letters. W = <see cref="Window"/>, P = <see cref="Probation"/>, T = <see cref="Protected"/>, c = capacity, u = the window's target, u0 = c - 0.99 c at first,
/// t = max(0, u0 + 0.8 (c - u0) - u) = what T may weigh. |X| is the weight of list X, f(x) the sketch's estimate; w is the weight of the entry that arrives, or 0
/// where none does. LRU and MRU are the ends of a list.
/// </para>
/// <code>
///  Hit(x)      count x.  x in W or T: x to MRU of its list.  x in P: x to MRU of T, then Demote.
///  Demote      while |T| > t: LRU of T to MRU of P.                                                                       at most 64
///  Arrive(x,w) count x, then Climb, then Balance. x is for W.
///  Evict       |W| + w > u, W is not empty, and no room is granted: x = LRU of W is a candidate and leaves W.
///                  x is let in: its weight is granted; LRU of P leaves (of T where P is empty, of W where both are); x to MRU of P.
///                  else:        x leaves.
///              else: LRU of P leaves (of T where P is empty, of W where both are). Room granted is less by its weight.
///  let in      V = the first of P and then T, from LRU on, that weigh as much as x together: f(x) > the sum of f(v) of all v in V.
///              Where V has more than 16, its first 16 and their weight stand for all. Where it has none x is not let in.
///              f(x) >= 6 and one time in 128: x is let in all the same. Popular entries of yesterday must be able to leave.
///  Admit(x)    while |W| + w > u: LRU of W to MRU of P, as there was room; then x to MRU of W. No room is granted any more. at most 64
///  Resize(x,w) x keeps its place and weighs w; then Demote, then Evict while all weigh more than c.
///  Climb       at the end of each sample of 10 requests for each entry that c can hold: u = u + d c within 1 and u0 + 0.8 (c - u0), d from <see cref="HillClimber"/>.
///  Balance     until as much has been moved as u has changed. u has grown: Demote, then LRU of P to MRU of W. It has shrunk: LRU of W to LRU of P.
///                                                                                                               at most 64 for each arrival
/// </code>
/// <para>
/// Where the weights make a difference. Periods are counted in entries; how many c can hold is told from the average weight of those that are there. The arrival is admitted
/// whatever it weighs, be it more than u: it is a candidate when the next one comes. Where the sketch has no memory every candidate is let in, which leaves a segmented LRU. An
/// entry that changes its weight is passed over as a victim until another arrives or changes, as long as there is another.
/// </para>
/// <para>Invariants between two operations of the owner: |W| + |P| + |T| &lt;= c, 1 &lt;= u &lt;= u0 + 0.8 (c - u0), and all weights at least 1.</para>
/// </summary>
internal sealed class TinyLfuPolicy : EvictionPolicy
{
    private const double WindowPart = 0.01;
    private const double ProtectedPart = 0.8;
    private const int MostMoves = 64;
    private const int MostVictims = 16;

    /// <summary>An estimate from which on a candidate that has lost is let in now and then.</summary>
    private const int Warm = 6;

    /// <summary>One in so many.</summary>
    private const uint NowAndThen = 128;

    private readonly NodeList[] lists;
    private readonly FrequencySketch sketch;
    private readonly HillClimber climber = new();
    private double window;
    private long windowWeight;
    private long protectedWeight;
    private long granted;
    private long growth;
    private uint chance = 1;
    private int resized = NodeTable.None;
    private NodeList lastEvictedFrom;

    /// <param name="nodes">The nodes to order.</param>
    /// <param name="capacity">What all residents together may weigh.</param>
    /// <param name="side">0 or <see cref="EvictionPolicy.OtherSide"/>.</param>
    public TinyLfuPolicy(NodeTable nodes, long capacity, byte side = 0)
        : base(nodes, capacity, side)
    {
        Window = new NodeList(nodes, (byte)(side + 1), "window", isGhost: false);
        Probation = new NodeList(nodes, (byte)(side + 2), "probation", isGhost: false);
        Protected = new NodeList(nodes, (byte)(side + 3), "protected", isGhost: false);
        lists = [Window, Probation, Protected];
        lastEvictedFrom = Probation;
        sketch = new FrequencySketch(nodes.Share);
        SetWindow(FirstWindowAt(capacity));
    }

    /// <inheritdoc/>
    public override string Name => Policies.TinyLfu;

    /// <inheritdoc/>
    public override long ResidentWeight => Window.Weight + Probation.Weight + Protected.Weight;

    /// <inheritdoc/>
    public override long LowestCapacity => ResidentWeight;

    /// <inheritdoc/>
    public override IReadOnlyList<NodeList> NodeLists => lists;

    /// <inheritdoc/>
    public override long HeldBytes => sketch.HeldBytes;

    /// <inheritdoc/>
    public override bool NeedsPage => sketch.WouldGrow(Residents + 1);

    /// <inheritdoc/>
    public override long Target => windowWeight;

    /// <inheritdoc/>
    public override double ExactTarget => window;

    /// <summary>W: what came lately.</summary>
    internal NodeList Window { get; }

    /// <summary>P: what was let into the main space, and what had to leave T.</summary>
    internal NodeList Probation { get; }

    /// <summary>T: what was used again in the main space.</summary>
    internal NodeList Protected { get; }

    private int Residents => Window.Count + Probation.Count + Protected.Count;

    /// <inheritdoc/>
    public override bool TryPrepare(int residents) => sketch.TryReserve(residents);

    /// <inheritdoc/>
    public override bool IsResident(int node) => (uint)Nodes[node].Home - Window.Home < 3u;

    /// <inheritdoc/>
    public override void Hit(int node)
    {
        ref var used = ref Nodes[node];
        sketch.Count(used.Tag);
        climber.Hit();
        if (used.Home == Protected.Home)
        {
            Protected.Refresh(node);
        }
        else if (used.Home == Window.Home)
        {
            Window.Refresh(node);
        }
        else
        {
            Probation.Remove(node);
            Protected.Append(node);
            Demote();
        }
    }

    /// <inheritdoc/>
    public override void Arrive(int node, int weight)
    {
        Debug.Assert(weight >= 1 && weight <= Capacity, "The owner refuses what is heavier than the capacity.");
        Debug.Assert(Nodes[node].Home == 0, "Residents do not arrive.");
        var entries = EntriesAtCapacity(weight);
        sketch.Serve(Residents + 1, entries);
        sketch.Count(Nodes[node].Tag);
        climber.Miss();
        if (climber.IsReady(entries))
        {
            Climb();
        }

        Balance();
        Nodes[node].Weight = weight;
        ArrivingWeight = weight;
        resized = NodeTable.None;
    }

    /// <inheritdoc/>
    public override int Forget() => NodeTable.None;

    /// <inheritdoc/>
    public override int ForgetAny() => NodeTable.None;

    /// <inheritdoc/>
    public override int Evict()
    {
        var candidate = granted <= 0 && Window.Weight + ArrivingWeight > windowWeight ? Oldest(Window) : NodeTable.None;
        if (candidate != NodeTable.None)
        {
            Window.Remove(candidate);
            if (!IsLetIn(candidate))
            {
                lastEvictedFrom = Window;
                return candidate;
            }

            granted = Nodes[candidate].Weight;
        }

        var victim = EvictOldest();
        if (candidate != NodeTable.None)
        {
            Probation.Append(candidate);
        }

        return victim;
    }

    /// <inheritdoc/>
    public override int NextVictim => lastEvictedFrom.LeastRecent;

    /// <inheritdoc/>
    public override void Admit(int node)
    {
        Debug.Assert(ArrivingWeight > 0, "Only what has arrived can be admitted.");
        for (var moves = 0; moves < MostMoves && growth >= 0 && Window.Count > 0 && Window.Weight + ArrivingWeight > windowWeight; moves++)
        {
            Probation.Append(Window.TakeLeastRecent());
        }

        Window.Append(node);
        EndArrival();
    }

    /// <inheritdoc/>
    public override void Abandon() => EndArrival();

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
        Debug.Assert(weight >= 1 && weight <= Capacity, "The owner refuses what is heavier than the capacity.");
        ListOf(node).Reweigh(node, weight);
        resized = node;
        granted = 0;
        Demote();
    }

    /// <inheritdoc/>
    public override IReadOnlyList<ListStatistics> Lists(int unitBytes) =>
        [Window.Statistics(unitBytes), Probation.Statistics(unitBytes), Protected.Statistics(unitBytes)];

    /// <inheritdoc/>
    public override string ListNameOf(int node) => Nodes[node].Home == 0 ? "" : ListOf(node).Statistics(1).Name;

    /// <inheritdoc/>
    public override void SetTarget(double taken)
    {
        SetWindow(taken);
        growth = 0;
    }

    /// <inheritdoc/>
    public override void SetCapacity(long changed)
    {
        var part = window / Capacity;
        base.SetCapacity(changed);
        SetWindow(part * changed);
    }

    /// <inheritdoc/>
    public override bool HasRoomFor(byte home, int weight) => home is >= 1 and <= 3 && ResidentWeight + weight <= Capacity;

    /// <inheritdoc/>
    public override bool IsHot(int node) => Nodes[node].Home == Protected.Home;

    /// <summary>Counts as one use, or two of what is hot: to a sketch that knows of nobody whatever is new would seem better than all that are here.</summary>
    public override void Import(int node, bool isHot)
    {
        sketch.Count(Nodes[node].Tag);
        if (isHot)
        {
            sketch.Count(Nodes[node].Tag);
        }

        (isHot && Protected.Weight + Nodes[node].Weight <= protectedWeight ? Protected : Probation).Prepend(node);
    }

    /// <inheritdoc/>
    public override void Release() => sketch.Release();

    /// <inheritdoc/>
    public override void CheckInvariants()
    {
        Window.CheckInvariants();
        Probation.CheckInvariants();
        Protected.CheckInvariants();
        Invariant.Holds(ResidentWeight <= Capacity, $"W-TinyLFU: {ResidentWeight} exceeds c = {Capacity}");
        Invariant.Holds(window >= 1 && window <= MostWindowAt(Capacity), $"W-TinyLFU: the window's target {window} is outside 1 to {MostWindowAt(Capacity)}");
    }

    private static double FirstWindowAt(long capacity) => capacity - (long)((1 - WindowPart) * capacity);

    private static double MostWindowAt(long capacity) => FirstWindowAt(capacity) + (long)(ProtectedPart * (capacity - FirstWindowAt(capacity)));

    private void EndArrival()
    {
        ArrivingWeight = 0;
        granted = 0;
    }

    private void SetWindow(double wanted)
    {
        window = Math.Clamp(wanted, 1, MostWindowAt(Capacity));
        windowWeight = (long)window;
        protectedWeight = (long)MostWindowAt(Capacity) - windowWeight;
    }

    private void Climb()
    {
        var before = windowWeight;
        SetWindow(window + (climber.Step() * Capacity));
        growth = windowWeight - before;
    }

    /// <summary>Takes the lists a few entries of the way towards the window's target.</summary>
    private void Balance()
    {
        for (var moves = 0; moves < MostMoves && growth != 0; moves++)
        {
            Demote();
            var from = growth > 0 ? Probation : Window;
            var moved = from.LeastRecent;
            if (moved == NodeTable.None)
            {
                growth = 0;
                return;
            }

            from.Remove(moved);
            if (growth > 0)
            {
                Window.Append(moved);
                growth = Math.Max(0, growth - Nodes[moved].Weight);
            }
            else
            {
                Probation.Prepend(moved);
                growth = Math.Min(0, growth + Nodes[moved].Weight);
            }
        }
    }

    private void Demote()
    {
        for (var moves = 0; moves < MostMoves && Protected.Weight > protectedWeight && Protected.Count > 0; moves++)
        {
            Probation.Append(Protected.TakeLeastRecent());
        }
    }

    /// <summary>
    /// Whether a candidate, which has left the window, may stay. A warm one that has lost is let in now and then: else a main space full of entries that were popular once could not
    /// change until ageing has worn them down.
    /// </summary>
    private bool IsLetIn(int candidate)
    {
        if (Oldest(Probation) == NodeTable.None && Oldest(Protected) == NodeTable.None)
        {
            return false;
        }

        var uses = sketch.Estimate(Nodes[candidate].Tag);
        return sketch.Capacity == 0 || Beats(uses, Nodes[candidate].Weight) || (uses >= Warm && IsLucky());
    }

    /// <summary>Whether it was used more often lately than all those together whose room it would take. A heavy one would take that of many: those looked at then speak for the others.</summary>
    private bool Beats(int uses, int weight)
    {
        var theirUses = 0;
        var theirWeight = 0L;
        var list = Probation;
        var victim = list.LeastRecent;
        for (var seen = 0; seen < MostVictims && theirWeight < weight; seen++)
        {
            if (victim == NodeTable.None && list == Probation)
            {
                list = Protected;
                victim = list.LeastRecent;
            }

            if (victim == NodeTable.None)
            {
                break;
            }

            theirUses += sketch.Estimate(Nodes[victim].Tag);
            if (theirUses >= uses)
            {
                return false;
            }

            theirWeight += Nodes[victim].Weight;
            victim = Nodes[victim].Next;
        }

        return theirWeight >= weight || (double)theirUses / theirWeight * weight < uses;
    }

    private bool IsLucky()
    {
        chance ^= chance << 13;
        chance ^= chance >> 17;
        chance ^= chance << 5;
        return chance % NowAndThen == 0;
    }

    /// <summary>Takes the least recently used of the main space off its list, or of the window where there is no other.</summary>
    private int EvictOldest()
    {
        var list = Oldest(Probation) != NodeTable.None ? Probation : Oldest(Protected) != NodeTable.None ? Protected : Window;
        var victim = Oldest(list);
        if (victim == NodeTable.None)
        {
            return EvictLast();
        }

        list.Remove(victim);
        lastEvictedFrom = list;
        granted -= Nodes[victim].Weight;
        return victim;
    }

    /// <summary>How many entries the capacity can hold, going by those that are there and the one that comes.</summary>
    private long EntriesAtCapacity(int arriving) => (long)((double)Capacity * (Residents + 1) / (ResidentWeight + arriving));

    /// <summary>The least recently used of a list, the entry that is to be spared passed over.</summary>
    private int Oldest(NodeList list)
    {
        var oldest = list.LeastRecent;
        return oldest == resized && oldest != NodeTable.None ? Nodes[oldest].Next : oldest;
    }

    /// <summary>Nothing is left but the entry that was to be spared, if that.</summary>
    private int EvictLast()
    {
        var last = resized;
        if (last != NodeTable.None)
        {
            Remove(last);
        }

        return last;
    }

    private NodeList ListOf(int node) => (Nodes[node].Home - Side) switch
    {
        1 => Window,
        2 => Probation,
        3 => Protected,
        _ => throw new UnreachableException("The node is on no list of W-TinyLFU's."),
    };
}
