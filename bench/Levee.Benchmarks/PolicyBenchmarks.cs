using BenchmarkDotNet.Attributes;
using Levee.Eviction;
using Levee.Memory;

namespace Levee.Benchmarks;

/// <summary>A policy's hit through its own type and through the abstraction: the difference is what the abstraction costs (at most 3 ns).</summary>
public class PolicyBenchmarks : IDisposable
{
    private const int Nodes = 1024;

    private readonly PageArena arena = new(1 << 20);
    private readonly ArcPolicy arc;
    private readonly LruPolicy lru;
    private readonly EvictionPolicy[] policies;
    private readonly int[] arcNodes;
    private readonly int[] lruNodes;

    public PolicyBenchmarks()
    {
        var share = new PageShare(arena, 1 << 20);
        var ofArc = new NodeTable(share);
        var ofLru = new NodeTable(share);
        arc = new ArcPolicy(ofArc, Nodes);
        lru = new LruPolicy(ofLru, Nodes);
        policies = [arc, lru];
        arcNodes = Fill(arc, ofArc);
        lruNodes = Fill(lru, ofLru);
    }

    [Benchmark(OperationsPerInvoke = Nodes)]
    public void ArcDirect()
    {
        foreach (var node in arcNodes)
        {
            arc.Hit(node);
        }
    }

    [Benchmark(OperationsPerInvoke = Nodes)]
    public void ArcThroughAbstraction() => HitAll(policies[0], arcNodes);

    [Benchmark(OperationsPerInvoke = Nodes)]
    public void LruDirect()
    {
        foreach (var node in lruNodes)
        {
            lru.Hit(node);
        }
    }

    [Benchmark(OperationsPerInvoke = Nodes)]
    public void LruThroughAbstraction() => HitAll(policies[1], lruNodes);

    public void Dispose()
    {
        arena.Dispose();
        GC.SuppressFinalize(this);
    }

    private static void HitAll(EvictionPolicy policy, int[] nodes)
    {
        foreach (var node in nodes)
        {
            policy.Hit(node);
        }
    }

    private static int[] Fill(EvictionPolicy policy, NodeTable table)
    {
        var nodes = new int[Nodes];
        for (var i = 0; i < Nodes; i++)
        {
            nodes[i] = table.TryAllocate();
            policy.Arrive(nodes[i], 1);
            policy.Admit(nodes[i]);
        }

        new Random(1).Shuffle(nodes);
        return nodes;
    }
}
