namespace Levee.Learning;

/// <summary>A change of a cache's eviction policy. Numbers rise, so a late one is known as such.</summary>
/// <param name="Number">1 and up; 0: no change yet.</param>
/// <param name="Policy">The policy in force from then on.</param>
/// <param name="Reason">Why, for people.</param>
/// <param name="Target">The adaptive target that the policy's miniature had learnt, as a part of the capacity: the policy begins with it. 0: with its own.</param>
public readonly record struct PolicySwitch(long Number, string Policy, string Reason, double Target = 0);

/// <summary>What a host's miniatures saw since its last report.</summary>
/// <param name="Host">Whose they are: the same number each time.</param>
/// <param name="Reads">Sampled reads.</param>
/// <param name="ReadsPerPeriod">After so many sampled reads it has had as many requests as it has entries.</param>
/// <param name="Worth">What all requests that they stand for would have cost as misses, in the unit of the objective.</param>
/// <param name="Hits">The part of it that each candidate would have saved.</param>
/// <param name="InForce">The last switch that the host knows of.</param>
public sealed record PolicyReport(ulong Host, long Reads, long ReadsPerPeriod, double Worth, IReadOnlyList<PolicyHits> Hits, PolicySwitch InForce);

/// <summary>What one candidate would have saved.</summary>
/// <param name="Policy">Its name.</param>
/// <param name="Worth">In the unit of the objective, or as a part of all.</param>
/// <param name="Target">The adaptive target that its miniature has learnt, as a part of the capacity.</param>
public readonly record struct PolicyHits(string Policy, double Worth, double Target = 0);

/// <summary>What a cache of another size would save, by the sample.</summary>
/// <param name="Factor">How many times the memory: 0.25 to 8.</param>
/// <param name="HitRatio">The part of the requests' worth that were hits, from 0 to 1, lately.</param>
public readonly record struct WhatIf(double Factor, double HitRatio);
