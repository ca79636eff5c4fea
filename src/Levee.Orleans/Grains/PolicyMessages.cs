using System.Collections.Immutable;
using Levee.Learning;

namespace Levee.Orleans.Grains;

/// <summary>A <see cref="PolicyReport"/> on its way to the cache's decider.</summary>
[GenerateSerializer, Immutable, Alias("levee.policy-seen")]
public sealed record PolicySeen
{
    /// <summary>Whose it is.</summary>
    [Id(0)]
    public ulong Host { get; init; }

    /// <summary>Sampled reads; 0: the silo only asks what is in force.</summary>
    [Id(1)]
    public long Reads { get; init; }

    /// <summary>Sampled reads in a period.</summary>
    [Id(2)]
    public long ReadsPerPeriod { get; init; }

    /// <summary>What the requests were worth.</summary>
    [Id(3)]
    public double Worth { get; init; }

    /// <summary>The candidates.</summary>
    [Id(4)]
    public ImmutableArray<string> Policies { get; init; } = [];

    /// <summary>What each would have saved of it.</summary>
    [Id(5)]
    public ImmutableArray<double> Saved { get; init; } = [];

    /// <summary>The number of the last switch that the silo knows of.</summary>
    [Id(6)]
    public long Switch { get; init; }

    /// <summary>The policy that it brought.</summary>
    [Id(7)]
    public string Policy { get; init; } = "";

    /// <summary>Why.</summary>
    [Id(8)]
    public string Reason { get; init; } = "";

    /// <summary>The adaptive target of that policy at its start, as a part of the capacity.</summary>
    [Id(9)]
    public double Target { get; init; }

    /// <summary>The adaptive target of each candidate.</summary>
    [Id(10)]
    public ImmutableArray<double> Targets { get; init; } = [];

    internal static PolicySeen Of(PolicyReport? report, PolicySwitch known) => new()
    {
        Host = report?.Host ?? 0,
        Reads = report?.Reads ?? 0,
        ReadsPerPeriod = report?.ReadsPerPeriod ?? 0,
        Worth = report?.Worth ?? 0,
        Policies = [.. report?.Hits.Select(static hits => hits.Policy) ?? []],
        Saved = [.. report?.Hits.Select(static hits => hits.Worth) ?? []],
        Switch = known.Number,
        Policy = known.Policy,
        Reason = known.Reason,
        Target = known.Target,
        Targets = [.. report?.Hits.Select(static hits => hits.Target) ?? []],
    };

    internal PolicyReport ToReport() =>
        new(Host, Reads, ReadsPerPeriod, Worth, [.. Policies.Select((policy, i) => new PolicyHits(policy, Saved[i], Targets[i]))], new PolicySwitch(Switch, Policy, Reason, Target));
}

/// <summary>A <see cref="PolicyVerdict"/> on its way to a silo.</summary>
[GenerateSerializer, Immutable, Alias("levee.policy-answer")]
public sealed record PolicyAnswer
{
    /// <summary>The number of the switch in force.</summary>
    [Id(0)]
    public long Switch { get; init; }

    /// <summary>The policy in force.</summary>
    [Id(1)]
    public string Policy { get; init; } = "";

    /// <summary>Why.</summary>
    [Id(2)]
    public string Reason { get; init; } = "";

    /// <summary>The candidates, the best first.</summary>
    [Id(3)]
    public ImmutableArray<string> Policies { get; init; } = [];

    /// <summary>The part of the requests' worth that each would have saved lately, on all silos.</summary>
    [Id(4)]
    public ImmutableArray<double> Ratios { get; init; } = [];

    /// <summary>The adaptive target of the policy in force at its start, as a part of the capacity.</summary>
    [Id(5)]
    public double Target { get; init; }

    internal static PolicyAnswer Of(PolicyDecider decider) => new()
    {
        Switch = decider.InForce.Number,
        Policy = decider.InForce.Policy,
        Reason = decider.InForce.Reason,
        Target = decider.InForce.Target,
        Policies = [.. decider.Ratios.Select(static ratio => ratio.Policy)],
        Ratios = [.. decider.Ratios.Select(static ratio => ratio.Worth)],
    };

    internal PolicyVerdict ToVerdict() => new(new PolicySwitch(Switch, Policy, Reason, Target), [.. Policies.Zip(Ratios, static (policy, ratio) => new PolicyHits(policy, ratio))]);
}
