namespace Levee.Learning;

/// <summary>What a cache's policy "auto" has seen, and what it made of it.</summary>
public sealed record PolicyLearning
{
    /// <summary>What a hit is worth: objects, bytes or money.</summary>
    public string Objective { get; init; } = "";

    /// <summary>The policy in force.</summary>
    public string Policy { get; init; } = "";

    /// <summary>The number of the switch that brought it; 0: it is the one that the cache began with.</summary>
    public long Switch { get; init; }

    /// <summary>Why; empty at the start.</summary>
    public string Reason { get; init; } = "";

    /// <summary>The part of the sampled requests' worth that each candidate would have saved lately, from 0 to 1, the best first. To compare with each other: the sample's own ratio may differ from the cache's.</summary>
    public IReadOnlyList<PolicyHits> Candidates { get; init; } = [];

    /// <summary>What the policy in force would save with other amounts of memory, on a sparser sample.</summary>
    public IReadOnlyList<WhatIf> WhatIfs { get; init; } = [];

    /// <summary>Of so many keys one is sampled.</summary>
    public double Rate { get; init; }

    /// <summary>Policy operations in miniatures since the cache began, or since its size changed a lot.</summary>
    public long Operations { get; init; }

    /// <summary>Samples that were dropped because maintenance came too late.</summary>
    public long Dropped { get; init; }
}

/// <summary>What a cache's one decider says to its hosts.</summary>
/// <param name="InForce">The last switch.</param>
/// <param name="Candidates">What each candidate would have saved on all hosts.</param>
public sealed record PolicyVerdict(PolicySwitch InForce, IReadOnlyList<PolicyHits> Candidates);
