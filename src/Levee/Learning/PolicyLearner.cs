namespace Levee.Learning;

/// <summary>
/// The learning of a host: its miniatures, made anew where the cache's size or its entries' has become another, and the verdict of the cache's decider. Pure; one owner, one call at a time.
/// </summary>
internal sealed class PolicyLearner : IDisposable
{
    /// <summary>What an entry is taken to weigh before any are known, in bytes.</summary>
    private const int GuessedBytes = 256;

    private const int LeastEntriesKnown = 100;

    private readonly ulong host;
    private readonly int partitionShift;
    private readonly int unitBytes;
    private readonly PolicyObjective objective;
    private readonly IReadOnlyList<string> candidates;
    private PolicyMiniatures miniatures;
    private PolicyDecider? decider;
    private PolicyVerdict verdict;
    private long requests;
    private long operationsBefore;
    private long dropped;

    /// <param name="objective">What a hit is worth.</param>
    /// <param name="capacityBytes">What the host's partitions may hold.</param>
    /// <param name="unitBytes">The unit of weights.</param>
    /// <param name="host">The host's number among those of the cache.</param>
    /// <param name="partitionShift">By how much a hash is shifted to be the number of its partition.</param>
    /// <param name="inForce">The policy in force.</param>
    /// <param name="decides">Whether this host decides alone; else it is told.</param>
    public PolicyLearner(PolicyObjective objective, long capacityBytes, int unitBytes, ulong host, int partitionShift, PolicySwitch inForce, bool decides)
    {
        this.objective = objective;
        this.unitBytes = unitBytes;
        this.host = host;
        this.partitionShift = partitionShift;
        var cost = objective.CostOf(unitBytes);
        candidates = PolicyCandidates.For(cost, hasWeights: true);
        if (!candidates.Contains(inForce.Policy))
        {
            inForce = new PolicySwitch(inForce.Number + 1, PolicyCandidates.First, "auto begins with it");
        }

        verdict = new PolicyVerdict(inForce, []);
        decider = decides ? new PolicyDecider(inForce) : null;
        miniatures = new PolicyMiniatures(cost, candidates, Math.Max(1, capacityBytes / unitBytes), capacityBytes / GuessedBytes, inForce.Policy);
    }

    /// <summary>The switch in force.</summary>
    public PolicySwitch InForce => verdict.InForce;

    /// <summary>Which keys partitions sample.</summary>
    public uint SampleBelow => miniatures.SampleBelow;

    /// <summary>What was seen and decided.</summary>
    public PolicyLearning Learning => new()
    {
        Objective = objective.Name,
        Policy = InForce.Policy,
        Switch = InForce.Number,
        Reason = InForce.Reason,
        Candidates = verdict.Candidates,
        WhatIfs = miniatures.WhatIfs,
        Rate = miniatures.Rate,
        Operations = operationsBefore + miniatures.Operations,
        Dropped = dropped,
    };

    /// <summary>Takes what a partition noted.</summary>
    public void Take(int partition, ReadOnlySpan<PolicySample> samples, long now)
    {
        foreach (ref readonly var sample in samples)
        {
            var isClear = sample.Kind == PolicySampleKind.Clear;
            miniatures.Take(isClear && partitionShift < 64 ? sample with { Hash = (ulong)partition << partitionShift } : sample, now, partitionShift);
        }
    }

    /// <summary>Takes the pace and the size of the cache, and decides where this host does.</summary>
    /// <param name="more">Requests since the last call.</param>
    /// <param name="droppedSoFar">Samples that were dropped, in all.</param>
    /// <param name="capacityBytes">What the host's partitions may hold now.</param>
    /// <param name="entries">Entries now.</param>
    /// <param name="entryBytes">What they weigh together.</param>
    public void Observe(long more, long droppedSoFar, long capacityBytes, long entries, long entryBytes)
    {
        requests += more;
        dropped = droppedSoFar;
        Fit(capacityBytes, entries, entryBytes);
        miniatures.Pace(requests);
        if (decider is not null && TakeReport() is { } report)
        {
            decider.Add(report);
            Follow(new PolicyVerdict(decider.InForce, decider.Ratios));
        }
    }

    /// <summary>What was seen since the last report, for a decider elsewhere; null: nothing.</summary>
    public PolicyReport? TakeReport() => miniatures.TakeReport(host, InForce);

    /// <summary>Takes a verdict, unless it is older than what is known.</summary>
    public void Follow(PolicyVerdict told)
    {
        if (told.InForce.Number >= InForce.Number)
        {
            verdict = told;
            miniatures.Switched(InForce.Policy);
        }
    }

    /// <summary>Leaves deciding to another: from now on it is told.</summary>
    public void StopDeciding() => decider = null;

    /// <summary>Checks the miniatures. For tests.</summary>
    public void CheckInvariants() => miniatures.CheckInvariants();

    /// <summary>Gives the memory back.</summary>
    public void Dispose() => miniatures.Dispose();

    private void Fit(long capacityBytes, long entries, long entryBytes)
    {
        var capacity = Math.Max(1, capacityBytes / unitBytes);
        if (entries >= LeastEntriesKnown && entryBytes > 0)
        {
            var fitting = Math.Max(1, (long)((double)capacityBytes / entryBytes * entries));
            var rate = PolicyMiniatures.RateFor(fitting, candidates.Count);
            if (rate >= 2 * miniatures.Rate || rate <= miniatures.Rate / 2)
            {
                operationsBefore += miniatures.Operations;
                requests = 0;
                miniatures.Dispose();
                miniatures = new PolicyMiniatures(objective.CostOf(unitBytes), candidates, capacity, fitting, InForce.Policy);
                return;
            }
        }

        if (Math.Abs(capacity - miniatures.Capacity) > miniatures.Capacity / 100)
        {
            miniatures.SetCapacity(capacity);
        }
    }
}
