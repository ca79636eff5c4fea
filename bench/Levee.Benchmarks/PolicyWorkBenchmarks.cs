using BenchmarkDotNet.Attributes;
using Levee.Eviction;
using Levee.Memory;

namespace Levee.Benchmarks;

/// <summary>What the policies cost beside each other: a hit of a skewed working set, and a miss with all that follows, of a full cache. Nodes fit the processor's caches, so this is the policies' own work.</summary>
public class PolicyWorkBenchmarks : IDisposable
{
    private const int Entries = 8192;
    private const int Operations = 8192;

    private PageArena arena = null!;
    private NodeTable nodes = null!;
    private EvictionPolicy policy = null!;
    private int[] residents = null!;
    private uint next;

    [ParamsSource(nameof(Names))]
    public string Policy { get; set; } = "";

    public static IEnumerable<string> Names => Policies.Names;

    [GlobalSetup]
    public void Fill()
    {
        arena = new PageArena(64 << 20);
        nodes = new NodeTable(new PageShare(arena, 64 << 20));
        policy = Policies.Create(Policy, nodes, Entries);
        for (var i = 0; i < 3 * Entries; i++)
        {
            Miss();
        }

        int[] all = [.. policy.NodeLists.Where(list => !list.IsGhost).SelectMany(list => list.ToArray())];
        var random = new Random(1);
        residents = [.. Enumerable.Range(0, Operations).Select(_ => all[(int)(random.NextDouble() * random.NextDouble() * all.Length)])];
    }

    [GlobalCleanup]
    public void Dispose()
    {
        arena.Dispose();
        GC.SuppressFinalize(this);
    }

    [Benchmark(OperationsPerInvoke = Operations)]
    public void Hits()
    {
        foreach (var node in residents)
        {
            policy.Hit(node);
        }
    }

    [Benchmark(OperationsPerInvoke = Operations)]
    public void Misses()
    {
        for (var i = 0; i < Operations; i++)
        {
            Miss();
        }
    }

    private void Miss()
    {
        var node = nodes.TryAllocate();
        nodes[node].Tag = next++ * 0x9E3779B1;
        policy.Arrive(node, 1);
        for (var ghost = policy.Forget(); ghost != NodeTable.None; ghost = policy.Forget())
        {
            nodes.Free(ghost);
        }

        while (policy.IsOver)
        {
            var victim = policy.Evict();
            if (nodes[victim].Home == 0)
            {
                nodes.Free(victim);
            }
        }

        policy.Admit(node);
    }
}
