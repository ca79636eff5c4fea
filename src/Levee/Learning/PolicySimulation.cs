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
/// <para>"auto" begins with LIRS, runs miniatures of its candidates beside it and hands over to another where that is better, as a host does.</para>
/// </summary>
public sealed class PolicySimulation : IDisposable
{
    /// <summary>The policy that chooses itself.</summary>
    public const string Auto = "auto";

    /// <summary>With which policy "auto" begins.</summary>
    public const string FirstOfAuto = PolicyCandidates.First;

    private const int RequestsPerReport = 64;
    private const int NodesPerRequest = 64;

    private readonly PageArena arena = new(long.MaxValue);
    private readonly SimulatedCache cache;
    private readonly PolicyMiniatures? miniatures;
    private readonly PolicyDecider? decider;
    private readonly List<SimulatedSwitch> switches = [];
    private readonly CapacityUnit unit;
    private readonly int unitShift;

    /// <param name="policy">One of <see cref="PolicyNames"/>.</param>
    /// <param name="capacity">Entries or bytes, at least 1.</param>
    /// <param name="unit">Which of both the capacity counts.</param>
    /// <param name="largestBytes">The size of the largest entry that will come; only with <see cref="CapacityUnit.Bytes"/>.</param>
    /// <param name="meanBytes">The size of the average entry, about; only with <see cref="CapacityUnit.Bytes"/> and "auto", which counts in entries.</param>
    /// <param name="objective">What a hit is worth; null: each the same.</param>
    /// <exception cref="ArgumentException">There is no such policy.</exception>
    public PolicySimulation(string policy, long capacity, CapacityUnit unit = CapacityUnit.Entries, int largestBytes = Node.MaxWeight, int meanBytes = 1, PolicyObjective? objective = null)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(capacity, 1);
        ArgumentOutOfRangeException.ThrowIfNegative(largestBytes);
        ArgumentOutOfRangeException.ThrowIfLessThan(meanBytes, 1);
        this.unit = unit;
        if (unit == CapacityUnit.Bytes)
        {
            var heaviest = Math.Min(capacity, largestBytes);
            while (heaviest > (long)Node.MaxWeight << unitShift)
            {
                unitShift++;
            }
        }

        var units = Math.Max(1, capacity >> unitShift);
        var cost = (objective ?? PolicyObjective.Objects).CostOf(UnitBytes);
        cache = new SimulatedCache(arena, policy == Auto ? PolicyCandidates.First : policy, units, cost);
        if (policy == Auto)
        {
            decider = new PolicyDecider(PolicyCandidates.First);
            miniatures = new PolicyMiniatures(cost, PolicyCandidates.For(cost, hasWeights: unit == CapacityUnit.Bytes), units, unit == CapacityUnit.Bytes ? capacity / meanBytes : capacity, PolicyCandidates.First);
        }
    }

    /// <summary>As the other one.</summary>
    /// <param name="policy">One of <see cref="PolicyNames"/>.</param>
    /// <param name="capacity">Entries or bytes, at least 1.</param>
    /// <param name="unit">Which of both the capacity counts.</param>
    /// <param name="largestBytes">The size of the largest entry that will come; only with <see cref="CapacityUnit.Bytes"/>.</param>
    /// <param name="cost">What a miss costs, by bytes, or by entries where these are counted.</param>
    internal PolicySimulation(string policy, long capacity, CapacityUnit unit, int largestBytes, MissCost cost)
        : this(policy, capacity, unit, largestBytes, 1, new PolicyObjective("", cost.Fixed, cost.PerUnit))
    {
    }

    /// <summary>The policies that can be simulated, the default first.</summary>
    public static IReadOnlyList<string> PolicyNames { get; } = [.. Policies.Names, Auto];

    /// <summary>How often <see cref="Access"/> was called.</summary>
    public long Requests { get; private set; }

    /// <summary>How often it found its key.</summary>
    public long Hits { get; private set; }

    /// <summary>Part of the requests that were hits, from 0 to 1; 0 before the first.</summary>
    public double HitRatio => Requests == 0 ? 0 : (double)Hits / Requests;

    /// <summary>Bytes of the entries that were found.</summary>
    public long HitBytes { get; private set; }

    /// <summary>Bytes of all entries that were asked for.</summary>
    public long RequestedBytes { get; private set; }

    /// <summary>The bytes by which weights are counted; 1 unless entries are larger than 16 MiB.</summary>
    public int UnitBytes => 1 << unitShift;

    /// <summary>What "auto" chose, and when; empty for other policies.</summary>
    public IReadOnlyList<SimulatedSwitch> Switches => switches;

    /// <summary>Policy operations in the miniatures of "auto": uses and arrivals, each counted for each miniature.</summary>
    public long ExtraOperations => miniatures?.Operations ?? 0;

    /// <summary>What "auto" says that other sizes would have saved lately; empty for other policies.</summary>
    public IReadOnlyList<WhatIf> WhatIfs => miniatures?.WhatIfs ?? [];

    /// <summary>The policy under simulation, for tests.</summary>
    internal EvictionPolicy Policy => cache.Policy;

    /// <summary>Reads a key, and stores it where it was missing.</summary>
    /// <param name="key">The key, or its hash.</param>
    /// <param name="weight">The entry's size in bytes; without meaning where the capacity counts entries. Nothing takes less than one byte.</param>
    /// <returns>Whether it was a hit. An entry larger than the capacity is never stored.</returns>
    public bool Access(ulong key, int weight = 1)
    {
        Requests++;
        RequestedBytes += weight;
        var units = Units(weight);
        var hash = HashOf(key);
        if (miniatures is not null)
        {
            Learn(hash, units);
        }

        var isHit = cache.Read(key, (uint)(hash >> 32), units, SimulatedCache.Never, 0);
        if (isHit)
        {
            Hits++;
            HitBytes += weight;
        }

        return isHit;
    }

    /// <summary>Gives the memory back.</summary>
    public void Dispose()
    {
        miniatures?.Dispose();
        arena.Dispose();
    }

    /// <summary>Checks the policy, and that its nodes are those of the keys.</summary>
    internal void CheckInvariants()
    {
        cache.CheckInvariants();
        miniatures?.CheckInvariants();
    }

    /// <summary>The keys of some of the policy's nodes, in their order.</summary>
    internal ulong[] KeysOf(NodeList list) => cache.KeysOf(list);

    /// <summary>What stands for the hash of a key that a partition has: every bit of the key moves every bit of it with even chances (the finalizer of SplitMix64).</summary>
    internal static uint TagOf(ulong key) => (uint)(HashOf(key) >> 32);

    internal static ulong HashOf(ulong key)
    {
        key += 0x9E3779B97F4A7C15;
        key = (key ^ (key >> 30)) * 0xBF58476D1CE4E5B9;
        key = (key ^ (key >> 27)) * 0x94D049BB133111EB;
        return key ^ (key >> 31);
    }

    private int Units(int weight) =>
        unit == CapacityUnit.Entries ? 1 : (int)(((long)Math.Max(1, weight) + UnitBytes - 1) >> unitShift);

    /// <summary>What a host does in maintenance, here every so many requests.</summary>
    private void Learn(ulong hash, int units)
    {
        if ((uint)hash < miniatures!.SampleBelow)
        {
            miniatures.Take(new PolicySample(hash, SimulatedCache.Never, units, PolicySampleKind.Read), 0);
        }

        if (cache.IsSwitching)
        {
            cache.ContinueSwitch(NodesPerRequest);
        }

        if (Requests % RequestsPerReport != 0)
        {
            return;
        }

        miniatures.Pace(Requests);
        if (miniatures.TakeReport(0, decider!.InForce) is { } report && decider.Add(report))
        {
            switches.Add(new SimulatedSwitch(Requests, decider.InForce.Policy, decider.InForce.Reason));
            miniatures.Switched(decider.InForce.Policy);
            cache.Switch(decider.InForce.Policy, decider.InForce.Target);
        }
    }
}

/// <summary>A change of policy in a simulation.</summary>
/// <param name="AtRequest">After how many requests.</param>
/// <param name="Policy">To which policy.</param>
/// <param name="Reason">Why.</param>
public readonly record struct SimulatedSwitch(long AtRequest, string Policy, string Reason);
