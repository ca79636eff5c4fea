using System.Diagnostics;
using Levee.Eviction;
using Levee.Memory;

namespace Levee.Learning;

/// <summary>
/// An eviction policy with keys and without values: the very code that a partition runs. Its capacity is in the unit of its weights. Keys are told apart exactly.
/// Ghosts and residents are nodes; entries may expire, which shows when they are read or when <see cref="Reclaim"/> passes by. One owner, one call at a time.
/// </summary>
internal sealed class SimulatedCache : IDisposable
{
    /// <summary>An entry that does not expire.</summary>
    public const long Never = long.MaxValue;

    private readonly Dictionary<ulong, int> nodeOfKey = [];
    private readonly NodeTable nodes;
    private readonly MissCost cost;
    private ulong[] keyOfNode = new ulong[1024];
    private long[] expiryOfNode = new long[1024];
    private int reclaimed;

    /// <param name="arena">Where nodes come from; it has no bound.</param>
    /// <param name="policy">The policy's name.</param>
    /// <param name="capacity">What all residents together may weigh, at least 1.</param>
    /// <param name="cost">What a miss costs, for policies that ask.</param>
    public SimulatedCache(PageArena arena, string policy, long capacity, MissCost cost)
    {
        this.cost = cost;
        nodes = new NodeTable(new PageShare(arena, long.MaxValue));
        Policy = Policies.Create(policy, nodes, capacity, cost: cost);
    }

    /// <summary>The policy; in the middle of a switch a <see cref="PolicyHandOver"/>.</summary>
    public EvictionPolicy Policy { get; private set; }

    /// <summary>Uses and arrivals so far: what the policy's work is counted by.</summary>
    public long Operations { get; private set; }

    /// <summary>Whether residents are still to be handed over.</summary>
    public bool IsSwitching => Policy is PolicyHandOver;

    /// <summary>Reads an entry; one that is not there is stored, where it is known what it weighs.</summary>
    /// <param name="key">The key.</param>
    /// <param name="tag">High bits of its hash.</param>
    /// <param name="weight">What it weighs; 0: not known, the entry is as it was.</param>
    /// <param name="expiresAt">When it expires, where its weight is known.</param>
    /// <param name="now">The time.</param>
    /// <returns>Whether it was there.</returns>
    public bool Read(ulong key, uint tag, int weight, long expiresAt, long now)
    {
        Operations++;
        if (TryFind(key, now, out var node))
        {
            Policy.Hit(node);
            if (weight > 0)
            {
                Change(node, weight, expiresAt);
            }

            return true;
        }

        if (weight > 0)
        {
            Store(key, tag, node, weight, expiresAt);
        }

        return false;
    }

    /// <summary>Stores an entry whose read has just been counted: where it is there, nothing was used again.</summary>
    public void Fill(ulong key, uint tag, int weight, long expiresAt, long now)
    {
        if (TryFind(key, now, out var node))
        {
            Change(node, weight, expiresAt);
            return;
        }

        Operations++;
        Store(key, tag, node, weight, expiresAt);
    }

    /// <summary>What an entry weighs; 0 where it is not there.</summary>
    public int WeightOf(ulong key, long now) => TryFind(key, now, out var node) ? nodes[node].Weight : 0;

    /// <summary>An entry leaves.</summary>
    public void Remove(ulong key)
    {
        if (nodeOfKey.TryGetValue(key, out var node) && Policy.IsResident(node))
        {
            Policy.Remove(node);
            Drop(node);
        }
    }

    /// <summary>All entries leave whose keys have the same high bits.</summary>
    /// <param name="prefix">The bits.</param>
    /// <param name="shift">How many bits are below them; 64: all entries leave.</param>
    public void Clear(ulong prefix, int shift)
    {
        foreach (var (key, node) in nodeOfKey.Where(known => shift == 64 || known.Key >> shift == prefix).ToArray())
        {
            Policy.Remove(node);
            Drop(node);
        }
    }

    /// <summary>Looks at some nodes, the next ones each time, and lets go of what has expired.</summary>
    public void Reclaim(int looks, long now)
    {
        for (; looks > 0 && nodes.Capacity > 0; looks--)
        {
            reclaimed = (reclaimed + 1) % nodes.Capacity;
            if (nodes[reclaimed].Home != 0 && expiryOfNode.Length > reclaimed && expiryOfNode[reclaimed] <= now && Policy.IsResident(reclaimed))
            {
                Policy.Remove(reclaimed);
                Drop(reclaimed);
            }
        }
    }

    /// <summary>Changes the capacity, at once.</summary>
    public void SetCapacity(long capacity)
    {
        while (Policy.ResidentWeight > capacity)
        {
            EvictOne();
        }

        for (var ghost = Policy.ForgetBeyond(capacity); ghost != NodeTable.None; ghost = Policy.ForgetBeyond(capacity))
        {
            Drop(ghost);
        }

        Policy.SetCapacity(Math.Max(capacity, Policy.LowestCapacity));
    }

    /// <summary>Begins to hand over to another policy; a hand-over that is under way is ended first.</summary>
    /// <param name="name">The policy's name.</param>
    /// <param name="target">Its adaptive target, as a part of the capacity; 0: its own.</param>
    public void Switch(string name, double target = 0)
    {
        while (IsSwitching)
        {
            ContinueSwitch(int.MaxValue);
        }

        var successor = Policies.Create(name, nodes, Policy.Capacity, (byte)(Policy.Side ^ EvictionPolicy.OtherSide), cost);
        successor.TryPrepare(nodeOfKey.Count);
        if (target > 0)
        {
            successor.SetTarget(target * successor.Capacity);
        }

        Policy = new PolicyHandOver(nodes, Policy, successor);
    }

    /// <summary>One slice of a hand-over.</summary>
    public void ContinueSwitch(int maxNodes)
    {
        if (Policy is not PolicyHandOver handOver)
        {
            return;
        }

        for (; maxNodes > 0 && handOver.TakeGhost() is var ghost and not NodeTable.None; maxNodes--)
        {
            Drop(ghost);
        }

        handOver.Step(maxNodes);
        ForgetGhosts();
        if (handOver.IsDone)
        {
            Policy = handOver.Successor;
            handOver.Predecessor.Release();
            if (!Policy.NeedsExtras)
            {
                nodes.Shorten();
            }
        }
    }

    /// <summary>Gives the memory back.</summary>
    public void Dispose()
    {
        Policy.Release();
        nodes.Release();
        nodeOfKey.Clear();
    }

    /// <summary>The keys of some of the policy's nodes, in their order.</summary>
    public ulong[] KeysOf(NodeList list) => Array.ConvertAll(list.ToArray(), node => keyOfNode[node]);

    /// <summary>Checks the policy, and that its nodes are those of the keys.</summary>
    public void CheckInvariants()
    {
        Policy.CheckInvariants();
        var listed = 0L;
        foreach (var list in Policy.Lists(1))
        {
            listed += list.Count;
        }

        Invariant.Holds(listed == nodeOfKey.Count && listed == nodes.Count, $"{listed} nodes listed, {nodeOfKey.Count} keys, {nodes.Count} nodes in use");
    }

    /// <summary>Finds what is resident and has not expired; what has leaves.</summary>
    /// <param name="key">The key.</param>
    /// <param name="now">The time.</param>
    /// <param name="node">The resident, or else the key's ghost, or <see cref="NodeTable.None"/>.</param>
    private bool TryFind(ulong key, long now, out int node)
    {
        if (!nodeOfKey.TryGetValue(key, out node))
        {
            node = NodeTable.None;
            return false;
        }

        if (!Policy.IsResident(node))
        {
            return false;
        }

        if (expiryOfNode[node] > now)
        {
            return true;
        }

        Policy.Remove(node);
        Drop(node);
        node = NodeTable.None;
        return false;
    }

    private bool IsTooHeavy(int weight) => weight > Math.Min(Policy.Capacity, Node.MaxWeight);

    private void Change(int node, int weight, long expiresAt)
    {
        expiryOfNode[node] = expiresAt;
        if (nodes[node].Weight == weight)
        {
            return;
        }

        if (IsTooHeavy(weight))
        {
            Policy.Remove(node);
            Drop(node);
            return;
        }

        Policy.Resize(node, weight);
        EvictOverweight();
        ForgetGhosts();
    }

    private void Store(ulong key, uint tag, int ghost, int weight, long expiresAt)
    {
        if (IsTooHeavy(weight))
        {
            return;
        }

        var node = ghost == NodeTable.None ? Allocate(key, tag) : ghost;
        expiryOfNode[node] = expiresAt;
        Policy.Arrive(node, weight);
        ForgetGhosts();
        EvictOverweight();
        Policy.Admit(node);
    }

    private void ForgetGhosts()
    {
        for (var ghost = Policy.Forget(); ghost != NodeTable.None; ghost = Policy.Forget())
        {
            Drop(ghost);
        }
    }

    private void EvictOverweight()
    {
        while (Policy.IsOver)
        {
            EvictOne();
        }
    }

    private void EvictOne()
    {
        var victim = Policy.Evict();
        if (nodes[victim].Home == 0)
        {
            Drop(victim);
        }
    }

    private int Allocate(ulong key, uint tag)
    {
        var node = nodes.TryAllocate();
        Debug.Assert(node != NodeTable.None, "The arena has no bound.");
        if (node >= keyOfNode.Length)
        {
            Array.Resize(ref keyOfNode, Math.Max(node + 1, keyOfNode.Length * 2));
            Array.Resize(ref expiryOfNode, keyOfNode.Length);
        }

        nodes[node].Tag = tag;
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
