using System.Diagnostics;
using Levee.Eviction;
using Levee.Memory;
using Levee.Operations;

namespace Levee.Learning;

/// <summary>What a simulated prefetch can load.</summary>
public enum PrefetchSource
{
    /// <summary>Whatever is predicted: an origin that has all keys.</summary>
    Everything,

    /// <summary>What was accessed before: tiers below that keep all that memory evicts.</summary>
    SeenBefore,
}

/// <summary>How a <see cref="PrefetchSimulation"/> runs.</summary>
public sealed record PrefetchSimulationOptions
{
    /// <summary>The eviction policy, one of <see cref="PolicySimulation.PolicyNames"/>.</summary>
    public string Policy { get; init; } = Policies.Arc;

    /// <summary>Entries in memory, at least 1.</summary>
    public required int Capacity { get; init; }

    /// <summary>How many accesses a load takes.</summary>
    public int LoadAccesses { get; init; } = 4;

    /// <summary>What can be loaded.</summary>
    public PrefetchSource Source { get; init; }

    /// <summary>Whether anything is predicted.</summary>
    public bool IsOn { get; init; } = true;

    /// <summary>Whether the prefetcher's log takes half of its memory.</summary>
    public bool HalfLog { get; init; }

    /// <summary>Whether the prefetcher can ask what is in memory; else it guesses.</summary>
    public bool KnowsResidents { get; init; } = true;

    /// <summary>Whether it hears of plain hits too. Front doors do not report them.</summary>
    public bool HearsHits { get; init; }
}

/// <summary>
/// Runs an eviction policy with a prefetcher and a prefetch area over a stream of keys: the policy and the predictor are the very code that a cache runs. Every miss is followed by a store; a predicted key is in the area, which is
/// a part of the capacity, from as many accesses later on as a load takes. Keys are told apart by their ids; entries weigh the same.
/// <para>
/// The area is a queue: what is used first leaves it for the policy, as a fresh entry; what is not used in time is dropped, and so is the oldest where the area is full.
/// </para>
/// </summary>
public sealed class PrefetchSimulation : IDisposable
{
    private readonly PrefetchSimulationOptions options;
    private readonly PageArena arena = new(long.MaxValue);
    private readonly Dictionary<ulong, int> nodeOfId = [];
    private readonly Dictionary<ulong, LinkedListNode<(ulong Id, long Misses)>> area = [];
    private readonly LinkedList<(ulong Id, long Misses)> areaOrder = [];
    private readonly Dictionary<ulong, long> loading = [];
    private readonly Queue<(ulong Id, long Began)> loads = [];
    private readonly HashSet<ulong> seen = [];
    private readonly NodeTable nodes;
    private readonly EvictionPolicy policy;
    private readonly PrefetchEngine? engine;
    private readonly int timeToLive;
    private ulong[] idOfNode = new ulong[1024];
    private long[] evictionOfNode = new long[1024];
    private long evictions;
    private long wouldBeMisses;

    /// <param name="options">How it runs.</param>
    public PrefetchSimulation(PrefetchSimulationOptions options)
    {
        ArgumentNullException.ThrowIfNull(options);
        ArgumentOutOfRangeException.ThrowIfLessThan(options.Capacity, 1);
        ArgumentOutOfRangeException.ThrowIfNegative(options.LoadAccesses);
        this.options = options;
        nodes = new NodeTable(new PageShare(arena, long.MaxValue));
        policy = Policies.Create(options.Policy, nodes, options.Capacity);
        timeToLive = PrefetchControl.TimeToLiveOf(PrefetchControl.MostAreaOf(options.Capacity));
        if (options.IsOn)
        {
            engine = new PrefetchEngine(options.Capacity, options.HalfLog, options.KnowsResidents ? new Residents(this) : null);
        }
    }

    /// <summary>How often <see cref="Access"/> was called.</summary>
    public long Requests { get; private set; }

    /// <summary>How many requests found nothing in memory, those whose load was under way included.</summary>
    public long Misses { get; private set; }

    /// <summary>How many of the misses joined a load that a prefetch had begun.</summary>
    public long Late { get; private set; }

    /// <summary>Loads that prefetching began.</summary>
    public long Prefetches { get; private set; }

    /// <summary>How many of them were used before they left the area.</summary>
    public long Used { get; private set; }

    /// <summary>All loads, for misses and ahead of them.</summary>
    public long Loads => Misses - Late + Prefetches;

    /// <summary>What the prefetcher knows and did; null where it is off.</summary>
    public PrefetchStatistics? Statistics => engine?.Statistics;

    /// <summary>Reads a key, and stores it where it was missing.</summary>
    /// <param name="id">The key's id: the number itself where it is below 2^32, else a hash.</param>
    /// <param name="isNumber">Whether it is a number, which can be a member of a progression.</param>
    /// <returns>Whether it was a hit.</returns>
    public bool Access(ulong id, bool isNumber)
    {
        Land();
        DropOld();
        var kind = Serve(id);
        if (options.Source == PrefetchSource.SeenBefore)
        {
            seen.Add(id);
        }

        if (kind != AccessKind.Hit)
        {
            wouldBeMisses++;
        }

        if (kind != AccessKind.Hit || options.HearsHits)
        {
            engine?.Access(id, isNumber, kind, Requests);
            Issue();
        }

        Requests++;
        return kind is AccessKind.Hit or AccessKind.PrefetchHit;
    }

    /// <summary>Gives the memory back.</summary>
    public void Dispose() => arena.Dispose();

    /// <summary>Checks the policy, that its nodes are those of the keys, and the bounds of capacity and area.</summary>
    internal void CheckInvariants()
    {
        policy.CheckInvariants();
        Invariant.Holds(policy.Reserved == area.Count && area.Count == areaOrder.Count, $"{policy.Reserved} reserved for {area.Count} of {areaOrder.Count} entries");
        Invariant.Holds(!policy.IsOver, $"{policy.ResidentWeight} residents and {policy.Reserved} prefetched exceed {policy.Capacity}");
        Invariant.Holds(nodes.Count == nodeOfId.Count, $"{nodes.Count} nodes of {nodeOfId.Count} keys");
        Invariant.Holds(!area.Keys.Any(IsInPolicy), "a key is resident twice");
    }

    private AccessKind Serve(ulong id)
    {
        if (area.TryGetValue(id, out var prefetched))
        {
            UseFirst(id, prefetched);
            return AccessKind.PrefetchHit;
        }

        var isKnown = nodeOfId.TryGetValue(id, out var node);
        if (isKnown && policy.IsResident(node))
        {
            policy.Hit(node);
            return AccessKind.Hit;
        }

        Misses++;
        var isPolluted = isKnown && evictions - evictionOfNode[node] <= area.Count && area.Count > 0;
        Store(isKnown ? node : Allocate(id));
        if (loading.Remove(id))
        {
            Late++;
            return AccessKind.Late;
        }

        return isPolluted ? AccessKind.PollutedMiss : AccessKind.Miss;
    }

    private void UseFirst(ulong id, LinkedListNode<(ulong Id, long Misses)> prefetched)
    {
        Used++;
        Leave(prefetched);
        if (nodeOfId.TryGetValue(id, out var ghost))
        {
            policy.Acknowledge(ghost, 1);
            Drop(ghost);
        }

        Store(Allocate(id));
    }

    private void Leave(LinkedListNode<(ulong Id, long Misses)> prefetched)
    {
        area.Remove(prefetched.Value.Id);
        areaOrder.Remove(prefetched);
        policy.Reserved--;
    }

    private void DropOld()
    {
        while (areaOrder.First is { } oldest && wouldBeMisses - oldest.Value.Misses > timeToLive)
        {
            Leave(oldest);
        }
    }

    /// <summary>What was loaded long enough is in the area from this access on.</summary>
    private void Land()
    {
        while (loads.TryPeek(out var load) && load.Began + options.LoadAccesses <= Requests)
        {
            loads.Dequeue();
            engine!.Ended(load.Id, PrefetchOutcome.Promoted, options.LoadAccesses);
            if (!loading.TryGetValue(load.Id, out var began) || began != load.Began)
            {
                continue; // A miss has joined it.
            }

            loading.Remove(load.Id);
            Debug.Assert(!IsInPolicy(load.Id), "A miss would have ended the load.");
            while (area.Count > 0 && area.Count >= engine.Area)
            {
                Leave(areaOrder.First!);
            }

            area.Add(load.Id, areaOrder.AddLast((load.Id, wouldBeMisses)));
            policy.Reserved++;
            EvictOverweight();
        }
    }

    private void Issue()
    {
        while (engine is not null && engine.TryTake(out var id, out _))
        {
            if (IsResident(id) || loading.ContainsKey(id))
            {
                engine.Ended(id, PrefetchOutcome.Resident, 0);
            }
            else if (options.Source == PrefetchSource.SeenBefore && !seen.Contains(id))
            {
                engine.Ended(id, PrefetchOutcome.Absent, 0);
            }
            else
            {
                Prefetches++;
                loading.Add(id, Requests);
                loads.Enqueue((id, Requests));
            }
        }
    }

    private bool IsResident(ulong id) => area.ContainsKey(id) || IsInPolicy(id);

    private bool IsInPolicy(ulong id) => nodeOfId.TryGetValue(id, out var node) && policy.IsResident(node);

    private void Store(int node)
    {
        policy.Arrive(node, 1);
        for (var ghost = policy.Forget(); ghost != NodeTable.None; ghost = policy.Forget())
        {
            Drop(ghost);
        }

        EvictOverweight();
        policy.Admit(node);
    }

    private void EvictOverweight()
    {
        while (policy.IsOver && policy.Evict() is var victim && victim != NodeTable.None)
        {
            evictionOfNode[victim] = ++evictions;
            if (nodes[victim].Home == 0)
            {
                Drop(victim);
            }
        }
    }

    private int Allocate(ulong id)
    {
        var node = nodes.TryAllocate();
        Debug.Assert(node != NodeTable.None, "The arena has no bound.");
        if (node >= idOfNode.Length)
        {
            Array.Resize(ref idOfNode, Math.Max(node + 1, idOfNode.Length * 2));
            Array.Resize(ref evictionOfNode, idOfNode.Length);
        }

        nodes[node].Tag = (uint)(PolicySimulation.HashOf(id) >> 32); // Policies with a sketch tell keys apart by it.
        idOfNode[node] = id;
        nodeOfId.Add(id, node);
        return node;
    }

    private void Drop(int node)
    {
        nodeOfId.Remove(idOfNode[node]);
        nodes.Free(node);
    }

    private sealed class Residents(PrefetchSimulation simulation) : IResidentIds
    {
        public bool IsResident(ulong id) => simulation.IsResident(id);
    }
}
