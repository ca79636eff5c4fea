using Levee.Eviction;
using Levee.Memory;

namespace Levee.Learning;

/// <summary>
/// A cache in small, once for each policy that it might have: of every <see cref="Rate"/> keys one is in the sample, chosen by hash, and each candidate runs on the sample with that part of the capacity
/// (Waldspurger, Saemundsson, Ahmad and Park, "Cache Modeling and Optimization using Miniature Simulations", ATC '17). So one stream says what each would have saved. A sparser sample of the sample runs the policy in force
/// with a quarter to eight times the memory.
/// <para>
/// How sparse: about <see cref="LeastEntries"/> entries make a candidate's choice reliable, and more than <see cref="MostEntries"/> are not worth their memory; in between the rate is what the bound on work asks for. Where
/// even so the work is above <see cref="MostWork"/>, in small caches, it is done in bursts: <see cref="Pace"/> stops the sampling and begins it again, and what comes just after that is not judged by, as the
/// miniatures are still as they were.
/// </para>
/// Pure: no clock, no chance. One owner, one call at a time.
/// </summary>
internal sealed class PolicyMiniatures : IDisposable
{
    /// <summary>Policy operations in miniatures, for each request of the cache.</summary>
    public const double MostWork = 0.075;

    /// <summary>Policy operations that a cache may spend beyond that once: a small cache has to begin with something.</summary>
    public const long WorkAtStart = 50_000;

    private const int LeastEntries = 128;
    private const int MostEntries = 4096;
    private const int MostRate = 64;
    private const int WhatIfRate = 8;

    /// <summary>Fewer say nothing, in caches that are so small that a few fills are fewer.</summary>
    private const long LeastReads = 500;

    /// <summary>A burst is as long as it takes to fill a cache a few times.</summary>
    private const int FillsPerBurst = 24;

    private const int FillsToWarmUp = 3;
    private const int MostAwaited = 1024;
    private const int LooksPerSample = 2;

    private static readonly double[] Factors = [0.25, 0.5, 1, 2, 4, 8];

    private readonly PageArena arena = new(long.MaxValue);
    private readonly MissCost cost;
    private readonly string[] candidates;
    private readonly SimulatedCache[] caches;
    private readonly SimulatedCache[] sizes = new SimulatedCache[Factors.Length];
    private readonly double[] hits;
    private readonly double[] sizeHits = new double[Factors.Length];
    private readonly Dictionary<ulong, bool> awaited = [];
    private readonly Queue<ulong> awaitedOrder = [];
    private readonly long entries;
    private readonly uint allBelow;
    private readonly uint sizesBelow;
    private string inForce;
    private double worth;
    private double sizeWorth;
    private long reads;
    private long toWarmUp;
    private long burstOperations;
    private bool isPaused;

    /// <param name="cost">What a miss costs.</param>
    /// <param name="candidates">The policies to compare.</param>
    /// <param name="capacity">The cache's capacity, in units of weight.</param>
    /// <param name="entries">How many entries it holds, or will hold, about.</param>
    /// <param name="inForce">The policy in force.</param>
    public PolicyMiniatures(MissCost cost, IReadOnlyList<string> candidates, long capacity, long entries, string inForce)
    {
        this.cost = cost;
        this.candidates = [.. candidates];
        this.inForce = inForce;
        this.entries = Math.Max(1, entries);
        Rate = RateFor(entries, candidates.Count);
        allBelow = BelowAt(Rate);
        sizesBelow = BelowAt(Rate * WhatIfRate);
        caches = [.. candidates.Select(name => new SimulatedCache(arena, name, CapacityAt(capacity, 1), cost))];
        hits = new double[caches.Length];
        toWarmUp = 0;
        MakeSizes(capacity);
        Capacity = capacity;
    }

    /// <summary>Of so many keys one is in the sample.</summary>
    public double Rate { get; }

    /// <summary>The capacity that the miniatures stand for.</summary>
    public long Capacity { get; private set; }

    /// <summary>A key is in the sample where the low half of its hash is below this; 0: none is, for now.</summary>
    public uint SampleBelow => isPaused ? 0 : allBelow;

    /// <summary>Policy operations so far.</summary>
    public long Operations => caches.Sum(static cache => cache.Operations) + sizes.Sum(static cache => cache.Operations) + retiredOperations;

    /// <summary>Sampled reads in a period: in the time of as many requests as there are entries.</summary>
    public long ReadsPerPeriod => Math.Max((long)(entries / Rate), 1);

    /// <summary>What other sizes would save, lately; empty while nothing is known.</summary>
    public IReadOnlyList<WhatIf> WhatIfs => sizeWorth <= 0 ? [] : [.. Factors.Select((factor, i) => new WhatIf(factor, sizeHits[i] / sizeWorth))];

    private long retiredOperations;

    /// <summary>One in how many keys is sampled in a cache of so many entries.</summary>
    public static double RateFor(long entries, int candidates) =>
        Math.Max(Math.Clamp((double)entries / LeastEntries, 1, Math.Max(MostRate, Math.Ceiling((candidates + ((double)Factors.Length / WhatIfRate)) / MostWork))), (double)entries / MostEntries);

    /// <summary>Takes what happened to a key of the sample.</summary>
    /// <param name="sample">The event.</param>
    /// <param name="now">The time, in the unit of <see cref="PolicySample.ExpiresAt"/>.</param>
    /// <param name="partitionShift">By how much a hash is shifted to be the number of its partition.</param>
    public void Take(in PolicySample sample, long now, int partitionShift = 64)
    {
        switch (sample.Kind)
        {
            case PolicySampleKind.Read:
                Read(sample, now);
                break;
            case PolicySampleKind.Store:
                Store(sample, now);
                break;
            case PolicySampleKind.Remove:
                ForAll(sample.Hash, static (cache, hash) => cache.Remove(hash), sample.Hash);
                break;
            default:
                ForAll(0, static (cache, at) => cache.Clear(at.Prefix, at.partitionShift), (Prefix: partitionShift == 64 ? 0 : sample.Hash >> partitionShift, partitionShift));
                break;
        }

        foreach (var cache in caches)
        {
            cache.Reclaim(LooksPerSample, now);
        }
    }

    /// <summary>Sets the sampling going or stops it, so that the work stays within its bound.</summary>
    /// <param name="requests">How many requests the cache has had since the miniatures were made.</param>
    public void Pace(long requests)
    {
        var owed = Operations - (MostWork * requests);
        if (!isPaused && owed > WorkAtStart && Operations - burstOperations >= OperationsPerBurst)
        {
            isPaused = true;
        }
        else if (isPaused && owed + OperationsPerBurst <= WorkAtStart)
        {
            isPaused = false;
            burstOperations = Operations;
            toWarmUp = (long)(FillsToWarmUp * entries / Rate);
        }
    }

    /// <summary>What was seen since the last report; null: nothing.</summary>
    public PolicyReport? TakeReport(ulong host, PolicySwitch known)
    {
        if (reads == 0)
        {
            return null;
        }

        var report = new PolicyReport(host, reads, ReadsPerPeriod, worth * Rate, [.. candidates.Select((name, i) => new PolicyHits(name, hits[i] * Rate, caches[i].Policy.ExactTarget / caches[i].Policy.Capacity))], known);
        reads = 0;
        worth = 0;
        Array.Clear(hits);
        return report;
    }

    /// <summary>Another policy is in force: what other sizes would save is asked anew.</summary>
    public void Switched(string policy)
    {
        if (policy != inForce)
        {
            inForce = policy;
            MakeSizes(Capacity);
        }
    }

    /// <summary>The cache has another capacity.</summary>
    public void SetCapacity(long capacity)
    {
        Capacity = capacity;
        foreach (var cache in caches)
        {
            cache.SetCapacity(CapacityAt(capacity, 1));
        }

        for (var i = 0; i < sizes.Length; i++)
        {
            sizes[i].SetCapacity(CapacityAt(capacity, Factors[i] / WhatIfRate));
        }
    }

    /// <summary>Checks all miniatures. For tests.</summary>
    public void CheckInvariants()
    {
        foreach (var cache in caches.Concat(sizes))
        {
            cache.CheckInvariants();
        }
    }

    /// <summary>Gives the memory back.</summary>
    public void Dispose() => arena.Dispose();

    private long OperationsPerBurst => (long)(FillsPerBurst * Math.Max(entries, LeastReads) / Rate * (caches.Length + 1));

    private static uint BelowAt(double rate) => (uint)Math.Min(uint.MaxValue, (uint.MaxValue + 1.0) / rate);

    private static uint TagOf(ulong hash) => (uint)(hash >> 32);

    private long CapacityAt(long capacity, double factor) => Math.Max(1, (long)Math.Round(capacity * factor / Rate));

    private void MakeSizes(long capacity)
    {
        for (var i = 0; i < sizes.Length; i++)
        {
            retiredOperations += sizes[i]?.Operations ?? 0;
            sizes[i]?.Dispose();
            sizes[i] = new SimulatedCache(arena, inForce, CapacityAt(capacity, Factors[i] / WhatIfRate), cost);
        }

        Array.Clear(sizeHits);
        sizeWorth = 0;
    }

    private void ForAll<T>(ulong hash, Action<SimulatedCache, T> action, T argument)
    {
        foreach (var cache in caches)
        {
            action(cache, argument);
        }

        if ((uint)hash < sizesBelow)
        {
            foreach (var cache in sizes)
            {
                action(cache, argument);
            }
        }
    }

    private void Read(in PolicySample sample, long now)
    {
        var isJudged = toWarmUp == 0;
        toWarmUp -= isJudged ? 0 : 1;
        reads += isJudged ? 1 : 0;
        var weight = sample.Weight;
        for (var i = 0; i < caches.Length; i++)
        {
            // Where the cache found nothing, a candidate that has the entry knows what it weighs.
            var own = sample.Weight > 0 || cost.PerUnit == 0 ? sample.Weight : caches[i].WeightOf(sample.Hash, now);
            weight = Math.Max(weight, own);
            if (caches[i].Read(sample.Hash, TagOf(sample.Hash), sample.Weight, sample.ExpiresAt, now) && isJudged)
            {
                hits[i] += cost.Of(own);
            }
        }

        worth += isJudged ? cost.Of(weight) : 0;
        ReadSizes(sample, weight, now);
        if (sample.Weight == 0)
        {
            Await(sample.Hash, isJudged && weight == 0);
        }
    }

    private void ReadSizes(in PolicySample sample, int weight, long now)
    {
        if ((uint)sample.Hash >= sizesBelow)
        {
            return;
        }

        // What was seen lately counts: half of it is forgotten over a few periods.
        var decay = 1 - (1.0 / (4 * Math.Max(ReadsPerPeriod, LeastReads)));
        var value = cost.Of(weight);
        sizeWorth = (sizeWorth * decay) + value;
        for (var i = 0; i < sizes.Length; i++)
        {
            var isHit = sizes[i].Read(sample.Hash, TagOf(sample.Hash), sample.Weight, sample.ExpiresAt, now);
            sizeHits[i] = (sizeHits[i] * decay) + (isHit ? value : 0);
        }
    }

    /// <summary>A store that follows a read that found nothing is its second half, and no use of its own.</summary>
    private void Store(in PolicySample sample, long now)
    {
        var isFill = awaited.Remove(sample.Hash, out var weighs);
        if (weighs)
        {
            worth += cost.PerUnit * sample.Weight;
        }

        foreach (var cache in caches)
        {
            Store(cache, sample, isFill, now);
        }

        if ((uint)sample.Hash < sizesBelow)
        {
            foreach (var cache in sizes)
            {
                Store(cache, sample, isFill, now);
            }
        }
    }

    private static void Store(SimulatedCache cache, in PolicySample sample, bool isFill, long now)
    {
        if (isFill)
        {
            cache.Fill(sample.Hash, TagOf(sample.Hash), sample.Weight, sample.ExpiresAt, now);
        }
        else
        {
            cache.Read(sample.Hash, TagOf(sample.Hash), sample.Weight, sample.ExpiresAt, now);
        }
    }

    /// <summary>Remembers reads whose entry may come, a bounded number of them.</summary>
    private void Await(ulong hash, bool weighs)
    {
        if (!awaited.TryAdd(hash, weighs))
        {
            return;
        }

        awaitedOrder.Enqueue(hash);
        while (awaitedOrder.Count > MostAwaited)
        {
            awaited.Remove(awaitedOrder.Dequeue());
        }
    }
}
