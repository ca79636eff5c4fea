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
///  Hit(x)      count x.  x in W or T: x to MRU of its list.  x in P: x to MRU of T; then Demote.
///  Demote      while |T| > t: LRU of T to MRU of P.                                              at most a few at a time
///  Arrive(x,w) count x; Climb; Balance. x is for W.
///  Evict       if |W| + w > max(u, 1), W is not empty and no room is granted: x = LRU of W.
///                  x beats those whose room it takes: x to MRU of P, its weight is granted; and so with the next one, as long as there is nothing to evict.
///                  else: x leaves.
///              else: LRU of P leaves (of T where P is empty, of W where both are); what it weighs is taken from the room granted.
///  beats       V = the first of P and then T, from LRU on, that weigh as much as x together: f(x) > the sum of all f(v), v in V.
///  Admit(x)    x to MRU of W; while |W| > max(u, 1), without x: LRU of W to MRU of P: there was room.
///  Resize(x,w) x keeps its place and weighs w; then Demote, then Evict while all weigh more than c.
///  Climb       after each sample of 10 requests for each resident: u changes as <see cref="HillClimber"/> says, from 0 to u0 + 0.8 (c - u0).
///  Balance     the lists follow u a few entries at a time. u has grown: Demote, then LRU of P to MRU of W. It has shrunk: LRU of W to LRU of P.
/// </code>
/// </summary>
internal sealed class TinyLfuPolicy : EvictionPolicy
{
    private const double WindowPart = 0.01;
    private const double ProtectedPart = 0.8;
    private const int MostMoves = 8;
    private const int MostVictims = 16;

    private readonly NodeList[] lists;
    private readonly FrequencySketch sketch;
    private readonly HillClimber climber = new();
    private double window;
    private long windowWeight;
    private long protectedWeight;
    private long granted;
    private long growth;
    private bool isFull;
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
        var residents = Residents;
        sketch.Serve(residents + 1);
        sketch.Count(Nodes[node].Tag);
        climber.Miss();
        if (!isFull)
        {
            climber.Restart();
        }
        else if (climber.IsReady(residents))
        {
            Climb();
        }

        Balance();
        Nodes[node].Weight = weight;
        ArrivingWeight = weight;
        granted = 0;
        resized = NodeTable.None;
    }

    /// <inheritdoc/>
    public override int Forget() => NodeTable.None;

    /// <inheritdoc/>
    public override int ForgetAny() => NodeTable.None;

    /// <inheritdoc/>
    public override int Evict()
    {
        isFull = true;
        while (granted <= 0 && Window.Weight + ArrivingWeight > windowWeight && Oldest(Window) is var candidate and not NodeTable.None)
        {
            if (!Beats(candidate))
            {
                Window.Remove(candidate);
                lastEvictedFrom = Window;
                return candidate;
            }

            Window.Remove(candidate);
            Probation.Append(candidate);
            granted = Nodes[candidate].Weight;
        }

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

    /// <inheritdoc/>
    public override int NextVictim => lastEvictedFrom.LeastRecent;

    /// <inheritdoc/>
    public override void Admit(int node)
    {
        Debug.Assert(ArrivingWeight > 0, "Only what has arrived can be admitted.");
        while (Window.Count > 0 && Window.Weight + ArrivingWeight > windowWeight)
        {
            Probation.Append(Window.TakeLeastRecent());
        }

        Window.Append(node);
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
        isFull &= changed <= Capacity;
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
        Invariant.Holds(window >= 0 && window <= MostWindowAt(Capacity), $"W-TinyLFU: the window's target {window} is outside 0 to {MostWindowAt(Capacity)}");
    }

    private static double FirstWindowAt(long capacity) => capacity - (long)((1 - WindowPart) * capacity);

    private static double MostWindowAt(long capacity) => FirstWindowAt(capacity) + (long)(ProtectedPart * (capacity - FirstWindowAt(capacity)));

    private void SetWindow(double wanted)
    {
        window = Math.Clamp(wanted, 0, MostWindowAt(Capacity));
        windowWeight = Math.Max(1, (long)window);
        protectedWeight = (long)MostWindowAt(Capacity) - (long)window;
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

    /// <summary>Whether a candidate was used more often lately than all those together whose room it would take.</summary>
    private bool Beats(int candidate)
    {
        var own = sketch.Estimate(Nodes[candidate].Tag);
        var room = (long)Nodes[candidate].Weight;
        var theirs = 0;
        var list = Probation;
        var victim = list.LeastRecent;
        for (var i = 0; i < MostVictims && room > 0; i++)
        {
            if (victim == NodeTable.None)
            {
                if (list == Protected)
                {
                    return true;
                }

                list = Protected;
                victim = list.LeastRecent;
                continue;
            }

            theirs += sketch.Estimate(Nodes[victim].Tag);
            if (theirs >= own)
            {
                return false;
            }

            room -= Nodes[victim].Weight;
            victim = Nodes[victim].Next;
        }

        return true;
    }

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
