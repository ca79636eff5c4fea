using System.Diagnostics;
using System.Numerics;
using Levee.Operations;

namespace Levee.Eviction;

/// <summary>
/// Greedy-dual-size-frequency: Cherkasova, "Improving WWW Proxies Performance with Greedy-Dual-Size-Frequency Caching Policy", HP Labs, 1998. The entry leaves that saves the least per unit of room:
/// small ones, often used ones, those that are dear to miss stay. It is kept as CAMP keeps greedy-dual-size: Ghandeharizadeh, Irani, Lam and Yap, "CAMP: A Cost Adaptive Multi-queue
/// Eviction Policy for Key-Value Stores", EuroSys '14: what an entry saves is rounded to one of few classes, each class is a list in order of use, and so in order of H.
/// <para>
/// Letters. f = uses of an entry since it came, at most 16; w = its weight; cost(w) = what its miss costs (<see cref="MissCost"/>); r = f * cost(w) / w, rounded down to the ratio of its class;
/// L = the age of the cache; H = the priority of an entry. Ours is that a first use counts for a quarter only, f = 1/4: most entries are never used again, and those that are soon make up for it.
/// </para>
/// <code>
///  Hit(x)      f = the count of its uses; H = L + r; x to MRU of its class.
///  Arrive(x,w) f = 1/4.
///  Evict       the x with the least H of all LRU leaves, the lowest class first where they are equal; L = H(x). There are no ghosts.
///  Admit(x)    H = L + r; x to MRU of its class.
///  Resize(x,w) H = L + r; x to MRU of its class; then Evict while all weigh more than c.
/// </code>
/// <para>
/// The classes stand at equal factors from the least ratio that there can be (the heaviest weight, used once) to the greatest (weight 1, used 16 times): at powers of two where misses cost the same, closer where cost grows
/// with weight. The logarithms of f and of cost(w) / w are rounded to 64ths of an octave; the second is kept with the entry, so that a hit adds two whole numbers. H and L are counted in 256ths of the least ratio, in 48 bits that may overflow: only differences to L matter, and they are less than half of that.
/// An entry that outgrows its weight is spared as a victim until another arrives or changes; L is its H then, if that is the least.
/// </para>
/// <code>
///  Extra       H 48 · uses 5 · value 11: log2(cost(w) / w) above that of the heaviest weight, in 64ths
/// </code>
/// <para>Invariants: all lists together weigh at most the capacity; L &lt;= H &lt;= L + r of each entry; H rises from LRU to MRU of a class; each entry is in the class of its ratio.</para>
/// </summary>
internal sealed class GdsfPolicy : EvictionPolicy
{
    /// <summary>Uses are counted up to this.</summary>
    internal const int MaxFrequency = 16;

    private const int Heaviest = Node.MaxWeight + 1;

    private const int ValueBits = 11;

    private const int FrequencyBits = 5;

    private const int PriorityShift = ValueBits + FrequencyBits;

    private const ulong PriorityMask = ulong.MaxValue >> PriorityShift;

    private const double UnitsOfLeast = 256;

    private const int StepsPerOctave = 64;

    // log2(4 f) in steps, by uses; a first use counts for a quarter.
    private static readonly int[] Worths = [.. Enumerable.Range(0, MaxFrequency + 1).Select(static uses => uses < 2 ? 0 : Steps(4 * uses))];

    private readonly NodeList[] classes = new NodeList[MaxLists];
    private readonly ulong[] ratios = new ulong[MaxLists];
    private readonly MissCost cost;
    private readonly byte[] classOf;
    private uint filled;
    private ulong age;
    private long residentWeight;
    private int resized = NodeTable.None;

    /// <param name="nodes">The nodes to order, with extras.</param>
    /// <param name="capacity">What all residents together may weigh.</param>
    /// <param name="side">0 or <see cref="EvictionPolicy.OtherSide"/>.</param>
    /// <param name="cost">What a miss costs.</param>
    public GdsfPolicy(NodeTable nodes, long capacity, byte side, MissCost cost)
        : base(nodes, capacity, side)
    {
        this.cost = cost;
        var most = ValueFor(1) + Worths[MaxFrequency];
        classOf = [.. Enumerable.Range(0, most + 1).Select(steps => (byte)(steps * (MaxLists - 1) / most))];
        for (var i = 0; i < MaxLists; i++)
        {
            classes[i] = new NodeList(nodes, (byte)(side + 1 + i), $"C{i}", isGhost: false);
            ratios[i] = (ulong)Math.Round(UnitsOfLeast * Math.Pow(2, (double)i * most / (MaxLists - 1) / StepsPerOctave));
        }
    }

    /// <inheritdoc/>
    public override string Name => Policies.Gdsf;

    /// <inheritdoc/>
    public override bool NeedsExtras => true;

    /// <inheritdoc/>
    public override long ResidentWeight => residentWeight;

    /// <inheritdoc/>
    public override long LowestCapacity => residentWeight;

    /// <inheritdoc/>
    public override IReadOnlyList<NodeList> NodeLists => classes;

    /// <inheritdoc/>
    public override bool IsResident(int node) => (uint)Nodes[node].Home - Side - 1u < MaxLists;

    /// <inheritdoc/>
    public override void Hit(int node) => Place(node, Math.Min(MaxFrequency, FrequencyOf(node) + 1), ValueOf(node));

    /// <inheritdoc/>
    public override void Arrive(int node, int weight)
    {
        Debug.Assert(weight >= 1 && weight <= Capacity, "The owner refuses what is heavier than the capacity.");
        Debug.Assert(Nodes[node].Home == 0, "Residents do not arrive.");
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
        var least = Least(NodeTable.None);
        if (least == NodeTable.None)
        {
            return NodeTable.None;
        }

        age = PriorityOf(least);
        var victim = least == resized && Least(resized) is var other and not NodeTable.None ? other : least;
        Remove(victim);
        return victim;
    }

    /// <inheritdoc/>
    public override int NextVictim => Least(NodeTable.None);

    /// <inheritdoc/>
    public override void Admit(int node)
    {
        var value = ValueFor(Nodes[node].Weight);
        Append(node, 1, value, ClassFor(1, value));
        ArrivingWeight = 0;
    }

    /// <inheritdoc/>
    public override void Remove(int node)
    {
        Take(node);
        if (resized == node)
        {
            resized = NodeTable.None;
        }
    }

    /// <inheritdoc/>
    public override void Resize(int node, int weight)
    {
        Debug.Assert(IsResident(node), "There are no ghosts.");
        Debug.Assert(weight >= 1 && weight <= Capacity, "The owner refuses what is heavier than the capacity.");
        residentWeight += weight - Nodes[node].Weight;
        classes[ClassOf(node)].Reweigh(node, weight);
        Place(node, FrequencyOf(node), ValueFor(weight));
        resized = node;
    }

    /// <inheritdoc/>
    public override IReadOnlyList<ListStatistics> Lists(int unitBytes) => Array.ConvertAll(classes, list => list.Statistics(unitBytes));

    /// <inheritdoc/>
    public override string ListNameOf(int node) => Nodes[node].Home == 0 ? "" : classes[ClassOf(node)].Statistics(1).Name;

    /// <inheritdoc/>
    public override bool HasRoomFor(byte home, int weight) => home is > 0 and <= MaxLists && residentWeight + weight <= Capacity;

    /// <summary>As the base says; how often the node was used is told from its class, the least that leads there.</summary>
    public override bool TryImport(int node, byte home, int weight)
    {
        if (!HasRoomFor(home, weight))
        {
            return false;
        }

        Nodes[node].Weight = weight;
        var frequency = 1;
        while (frequency < MaxFrequency && ClassFor(frequency, ValueFor(weight)) < home - 1)
        {
            frequency++;
        }

        Prepend(node, frequency);
        return true;
    }

    /// <inheritdoc/>
    public override bool IsHot(int node) => FrequencyOf(node) > 1;

    /// <inheritdoc/>
    public override void Import(int node, bool isHot) => Prepend(node, isHot ? 2 : 1);

    /// <inheritdoc/>
    public override void CheckInvariants()
    {
        var weight = 0L;
        for (var i = 0; i < MaxLists; i++)
        {
            classes[i].CheckInvariants();
            weight += classes[i].Weight;
            Invariant.Holds((filled >> i & 1) == (classes[i].Count > 0 ? 1u : 0u), $"GDSF: class {i} has {classes[i].Count} entries and is noted otherwise");
            var earlier = 0UL;
            foreach (var node in classes[i].ToArray())
            {
                var ahead = Ahead(node);
                Invariant.Holds(ahead >= earlier && ahead <= ratios[i], $"GDSF: H of node {node} is L + {ahead}, behind L + {earlier}, in a class of {ratios[i]}");
                Invariant.Holds(ClassFor(FrequencyOf(node), ValueFor(Nodes[node].Weight)) == i, $"GDSF: node {node} with f = {FrequencyOf(node)} and w = {Nodes[node].Weight} is in class {i}");
                earlier = ahead;
            }
        }

        Invariant.Holds(weight == residentWeight, $"GDSF: the classes weigh {weight}, noted is {residentWeight}");
        Invariant.Holds(residentWeight <= Capacity, $"GDSF: {residentWeight} exceeds the capacity {Capacity}");
    }

    /// <summary>The class, from 0, of an entry that was used some times and has some value.</summary>
    internal int ClassFor(int frequency, int value) => classOf[Worths[frequency] + value];

    /// <summary>log2(cost(w) / w) above that of the heaviest weight, in 64ths.</summary>
    internal int ValueFor(int weight) => Steps(cost.Of(weight) / weight * Heaviest / cost.Of(Heaviest));

    /// <summary>How far H is above L, in 256ths of the least ratio.</summary>
    internal ulong Ahead(int node) => (PriorityOf(node) - age) & PriorityMask;

    /// <summary>f of a resident.</summary>
    internal int FrequencyOf(int node) => (int)(Nodes.Extra(node) >> ValueBits) & ((1 << FrequencyBits) - 1);

    private static int Steps(double factor) => (int)Math.Round(StepsPerOctave * Math.Log2(factor));

    private int ValueOf(int node) => (int)Nodes.Extra(node) & ((1 << ValueBits) - 1);

    private ulong PriorityOf(int node) => Nodes.Extra(node) >> PriorityShift;

    private int ClassOf(int node) => Nodes[node].Home - Side - 1;

    // To MRU of the class that uses and value say, which is mostly the one that the node is in.
    private void Place(int node, int frequency, int value)
    {
        var to = ClassFor(frequency, value);
        if (to != ClassOf(node))
        {
            Take(node);
            Append(node, frequency, value, to);
            return;
        }

        classes[to].Refresh(node);
        Note(node, age + ratios[to], frequency, value);
    }

    private void Append(int node, int frequency, int value, int to)
    {
        Note(node, age + ratios[to], frequency, value);
        classes[to].Append(node);
        Count(node, to);
    }

    private void Prepend(int node, int frequency)
    {
        var value = ValueFor(Nodes[node].Weight);
        var to = ClassFor(frequency, value);
        var above = classes[to].LeastRecent;
        Note(node, above == NodeTable.None ? age + ratios[to] : PriorityOf(above), frequency, value);
        classes[to].Prepend(node);
        Count(node, to);
    }

    private void Note(int node, ulong priority, int frequency, int value) => Nodes.Extra(node) = (priority << PriorityShift) | ((uint)frequency << ValueBits) | (uint)value;

    private void Count(int node, int to)
    {
        filled |= 1u << to;
        residentWeight += Nodes[node].Weight;
    }

    private void Take(int node)
    {
        var from = ClassOf(node);
        classes[from].Remove(node);
        residentWeight -= Nodes[node].Weight;
        if (classes[from].Count == 0)
        {
            filled &= ~(1u << from);
        }
    }

    // The node with the least H among the LRU of all classes; where one is spared, the next of its class takes its place.
    private int Least(int spared)
    {
        var least = NodeTable.None;
        var leastAhead = ulong.MaxValue;
        for (var left = filled; left != 0; left &= left - 1)
        {
            var head = classes[BitOperations.TrailingZeroCount(left)].LeastRecent;
            if (head == spared && (head = Nodes[head].Next) == NodeTable.None)
            {
                continue;
            }

            var ahead = Ahead(head);
            if (ahead < leastAhead)
            {
                least = head;
                leastAhead = ahead;
            }
        }

        return least;
    }
}
