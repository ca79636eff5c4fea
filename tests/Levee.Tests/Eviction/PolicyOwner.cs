using Levee.Eviction;
using Levee.Learning;
using Levee.Memory;
using Xunit;

namespace Levee.Tests.Eviction;

/// <summary>An owner of a policy as a partition is one, reduced to keys: it follows the protocol, and what it can be short of is the test's to say.</summary>
internal sealed class PolicyOwner : IDisposable
{
    private readonly PageArena arena = new(64L << 20);
    private readonly NodeTable nodes;
    private readonly Dictionary<ulong, int> nodeOfKey = [];
    private readonly Dictionary<int, ulong> keyOfNode = [];

    public PolicyOwner(string policy, long capacity, MissCost? cost = null)
    {
        nodes = new NodeTable(new PageShare(arena, 64L << 20));
        Policy = Policies.Create(policy, nodes, capacity, cost: cost);
    }

    public EvictionPolicy Policy { get; }

    public int NodeOf(ulong key) => nodeOfKey[key];

    /// <summary>What was evicted, in order; a key that left without a ghost has an exclamation mark behind it.</summary>
    public List<string> Evicted { get; } = [];

    public List<ulong> Forgotten { get; } = [];

    public ulong[] KeysOf(NodeList list) => Array.ConvertAll(list.ToArray(), node => keyOfNode[node]);

    public int WeightOf(ulong key) => nodes[nodeOfKey[key]].Weight;

    public bool IsResident(ulong key) => nodeOfKey.TryGetValue(key, out var node) && Policy.IsResident(node);

    public bool Access(ulong key, int weight = 1, int extraEvictions = 0)
    {
        if (IsResident(key))
        {
            Policy.Hit(nodeOfKey[key]);
            return true;
        }

        var node = Arrive(key, weight);
        for (var i = 0; i < extraEvictions; i++)
        {
            Evict();
        }

        Policy.Admit(node);
        return false;
    }

    /// <summary>An arrival that is given up before it was admitted.</summary>
    public void Abandon(ulong key, int weight)
    {
        var node = Arrive(key, weight);
        Policy.Abandon();
        Drop(node);
    }

    public void Overwrite(ulong key, int weight)
    {
        var node = nodeOfKey[key];
        Policy.Hit(node);
        Policy.Resize(node, weight);
        while (Policy.IsOver)
        {
            Assert.NotEqual(node, Evict());
        }

        Forget();
    }

    public void Remove(ulong key)
    {
        var node = nodeOfKey[key];
        Policy.Remove(node);
        Drop(node);
    }

    public int Evict()
    {
        var victim = Policy.Evict();
        if (victim != NodeTable.None)
        {
            var leftGhost = nodes[victim].Home != 0;
            Assert.False(Policy.IsResident(victim));
            Evicted.Add(keyOfNode[victim] + (leftGhost ? "" : "!"));
            if (!leftGhost)
            {
                Drop(victim);
            }
        }

        return victim;
    }

    public void ForgetAny()
    {
        var ghost = Policy.ForgetAny();
        if (ghost != NodeTable.None)
        {
            Drop(ghost);
        }
    }

    public bool IsHot(ulong key) => Policy.IsHot(nodeOfKey[key]);

    /// <summary>A node that comes from the same policy elsewhere.</summary>
    public bool TryImport(ulong key, byte place, int weight)
    {
        var node = NewNode(key);
        var taken = Policy.TryImport(node, place, weight);
        Assert.Equal(taken ? Policy.Side + place : 0, nodes[node].Home);
        if (!taken)
        {
            Drop(node);
        }

        return taken;
    }

    /// <summary>A resident that another policy hands over.</summary>
    public void Import(ulong key, int weight, bool isHot)
    {
        var node = NewNode(key);
        nodes[node].Weight = weight;
        nodes[node].Mark = 3;
        Policy.Import(node, isHot);
        Assert.True(Policy.IsResident(node));
    }

    /// <summary>Another capacity, in one go.</summary>
    public void ChangeCapacity(long changed)
    {
        while (Policy.ResidentWeight > changed)
        {
            Evict();
        }

        for (var ghost = Policy.ForgetBeyond(changed); ghost != NodeTable.None; ghost = Policy.ForgetBeyond(changed))
        {
            Forgotten.Add(keyOfNode[ghost]);
            Drop(ghost);
        }

        Assert.InRange(Policy.LowestCapacity, 0, changed);
        Policy.SetCapacity(changed);
    }

    public void CheckInvariants()
    {
        Policy.CheckInvariants();
        Assert.Equal(nodes.Count, (int)Policy.Lists(1).Sum(list => list.Count));
        Assert.Equal(0, Policy.ArrivingWeight);
    }

    public void Dispose() => arena.Dispose();

    private int Arrive(ulong key, int weight)
    {
        if (!nodeOfKey.TryGetValue(key, out var node))
        {
            node = NewNode(key);
        }

        Policy.Arrive(node, weight);
        Assert.Equal(weight, Policy.ArrivingWeight);
        Forget();
        while (Policy.IsOver)
        {
            Evict();
        }

        return node;
    }

    private int NewNode(ulong key)
    {
        var node = nodes.TryAllocate();
        nodes[node].Tag = PolicySimulation.TagOf(key);
        nodeOfKey.Add(key, node);
        keyOfNode.Add(node, key);
        return node;
    }

    private void Forget()
    {
        for (var ghost = Policy.Forget(); ghost != NodeTable.None; ghost = Policy.Forget())
        {
            Forgotten.Add(keyOfNode[ghost]);
            Drop(ghost);
        }
    }

    private void Drop(int node)
    {
        Assert.Equal(0, nodes[node].Home);
        Assert.True(keyOfNode.Remove(node, out var key));
        nodeOfKey.Remove(key);
        nodes.Free(node);
    }
}
