using System.Diagnostics;
using Levee.Eviction;
using Levee.Memory;

namespace Levee.Learning;

/// <summary>
/// Runs an eviction policy over a stream of keys and counts hits: the very code that a partition runs, without values. Every miss is followed by a store,
/// as in a cache that reads through. Keys are told apart exactly.
/// <para>
/// A node carries a weight of 24 bits. With byte capacities, weights are therefore in units of the least power of two that lets the largest entry fit, and
/// every size is rounded up to whole units; up to 16 MiB the unit is one byte and nothing is rounded.
/// </para>
/// </summary>
public sealed class PolicySimulation : IDisposable
{
    private readonly PageArena arena = new(long.MaxValue);
    private readonly Dictionary<ulong, int> nodeOfKey = [];
    private readonly NodeTable nodes;
    private readonly EvictionPolicy policy;
    private readonly CapacityUnit unit;
    private readonly int unitShift;
    private ulong[] keyOfNode = new ulong[1024];

    /// <param name="policy">One of <see cref="PolicyNames"/>.</param>
    /// <param name="capacity">Entries or bytes, at least 1.</param>
    /// <param name="unit">Which of both the capacity counts.</param>
    /// <param name="largestBytes">The size of the largest entry that will come; only with <see cref="CapacityUnit.Bytes"/>.</param>
    /// <exception cref="ArgumentException">There is no such policy.</exception>
    public PolicySimulation(string policy, long capacity, CapacityUnit unit = CapacityUnit.Entries, int largestBytes = Node.MaxWeight)
        : this(policy, capacity, unit, largestBytes, MissCost.Objects)
    {
    }

    /// <summary>As the other one, for policies that ask what a miss costs.</summary>
    /// <param name="policy">One of <see cref="PolicyNames"/>.</param>
    /// <param name="capacity">Entries or bytes, at least 1.</param>
    /// <param name="unit">Which of both the capacity counts.</param>
    /// <param name="largestBytes">The size of the largest entry that will come; only with <see cref="CapacityUnit.Bytes"/>.</param>
    /// <param name="cost">What a miss costs, by bytes, or by entries where these are counted.</param>
    internal PolicySimulation(string policy, long capacity, CapacityUnit unit, int largestBytes, MissCost cost)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(capacity, 1);
        ArgumentOutOfRangeException.ThrowIfNegative(largestBytes);
        this.unit = unit;
        if (unit == CapacityUnit.Bytes)
        {
            var heaviest = Math.Min(capacity, largestBytes);
            while (heaviest > (long)Node.MaxWeight << unitShift)
            {
                unitShift++;
            }
        }

        nodes = new NodeTable(new PageShare(arena, long.MaxValue));
        this.policy = Policies.Create(policy, nodes, Math.Max(1, capacity >> unitShift), cost: cost with { PerUnit = cost.PerUnit * UnitBytes });
    }

    /// <summary>The policies that can be simulated, the default first.</summary>
    public static IReadOnlyList<string> PolicyNames => Policies.Names;

    /// <summary>How often <see cref="Access"/> was called.</summary>
    public long Requests { get; private set; }

    /// <summary>How often it found its key.</summary>
    public long Hits { get; private set; }

    /// <summary>Part of the requests that were hits, from 0 to 1; 0 before the first.</summary>
    public double HitRatio => Requests == 0 ? 0 : (double)Hits / Requests;

    /// <summary>The bytes by which weights are counted; 1 unless entries are larger than 16 MiB.</summary>
    public int UnitBytes => 1 << unitShift;

    /// <summary>The policy under simulation, for tests.</summary>
    internal EvictionPolicy Policy => policy;

    /// <summary>Reads a key, and stores it where it was missing.</summary>
    /// <param name="key">The key, or its hash.</param>
    /// <param name="weight">The entry's size in bytes; without meaning where the capacity counts entries. Nothing takes less than one byte.</param>
    /// <returns>Whether it was a hit. An entry larger than the capacity is never stored.</returns>
    public bool Access(ulong key, int weight = 1)
    {
        Requests++;
        var units = Units(weight);
        var known = nodeOfKey.TryGetValue(key, out var node);
        if (known && policy.IsResident(node))
        {
            Hits++;
            Use(node, units);
            return true;
        }

        if (!IsTooHeavy(units))
        {
            Store(key, known ? node : NodeTable.None, units);
        }

        return false;
    }

    /// <summary>Gives the memory back.</summary>
    public void Dispose() => arena.Dispose();

    /// <summary>Checks the policy, and that its nodes are those of the keys.</summary>
    internal void CheckInvariants()
    {
        policy.CheckInvariants();
        var listed = 0L;
        foreach (var list in policy.Lists(1))
        {
            listed += list.Count;
        }

        Invariant.Holds(listed == nodeOfKey.Count && listed == nodes.Count, $"{listed} nodes listed, {nodeOfKey.Count} keys, {nodes.Count} nodes in use");
    }

    /// <summary>The keys of some of the policy's nodes, in their order.</summary>
    internal ulong[] KeysOf(NodeList list) => Array.ConvertAll(list.ToArray(), node => keyOfNode[node]);

    private int Units(int weight) =>
        unit == CapacityUnit.Entries ? 1 : (int)(((long)Math.Max(1, weight) + UnitBytes - 1) >> unitShift);

    private bool IsTooHeavy(int units) => units > Math.Min(policy.Capacity, Node.MaxWeight);

    private void Use(int node, int units)
    {
        policy.Hit(node);
        if (nodes[node].Weight == units)
        {
            return;
        }

        if (IsTooHeavy(units))
        {
            policy.Remove(node);
            Drop(node);
            return;
        }

        policy.Resize(node, units);
        EvictOverweight();
        ForgetGhosts();
    }

    private void Store(ulong key, int ghost, int units)
    {
        var node = ghost == NodeTable.None ? Allocate(key) : ghost;
        policy.Arrive(node, units);
        ForgetGhosts();
        EvictOverweight();
        policy.Admit(node);
    }

    private void ForgetGhosts()
    {
        for (var ghost = policy.Forget(); ghost != NodeTable.None; ghost = policy.Forget())
        {
            Drop(ghost);
        }
    }

    private void EvictOverweight()
    {
        while (policy.IsOver)
        {
            var victim = policy.Evict();
            if (nodes[victim].Home == 0)
            {
                Drop(victim);
            }
        }
    }

    /// <summary>What stands for the hash of a key that a partition has: every bit of the key moves every bit of it with even chances (the finalizer of SplitMix64).</summary>
    internal static uint TagOf(ulong key)
    {
        key += 0x9E3779B97F4A7C15;
        key = (key ^ (key >> 30)) * 0xBF58476D1CE4E5B9;
        key = (key ^ (key >> 27)) * 0x94D049BB133111EB;
        return (uint)((key ^ (key >> 31)) >> 32);
    }

    private int Allocate(ulong key)
    {
        var node = nodes.TryAllocate();
        Debug.Assert(node != NodeTable.None, "The arena has no bound.");
        if (node >= keyOfNode.Length)
        {
            Array.Resize(ref keyOfNode, Math.Max(node + 1, keyOfNode.Length * 2));
        }

        nodes[node].Tag = TagOf(key);
        keyOfNode[node] = key;
        nodeOfKey.Add(key, node);
        return node;
    }

    private void Drop(int node)
    {
        nodeOfKey.Remove(keyOfNode[node]);
        nodes.Free(node);
    }
}
