using System.Globalization;
using Levee.Eviction;

namespace Levee.Learning;

/// <summary>
/// One per cache: sums what the miniatures of all its hosts report and says which policy is in force. Candidates are compared with each other on the same sample, never with the live cache: a sample's absolute hit ratio
/// hangs on the few hot keys that are in it.
/// <para>
/// A switch costs hits: ghosts and counts are lost, and what was kept for one policy's reasons is not what the other would have kept. So a candidate must have made up for that in what it would have saved more than the policy
/// in force (Page, "Continuous inspection schemes", Biometrika 1954): its lead g grows with each look by how much better it was, never falls below 0, and must reach <see cref="Lead"/>. A period is the time in which a host has
/// as many requests as it has entries.
/// </para>
/// <para>
/// And it must not be chance: the lead must be <see cref="Errors"/> times its standard error, which is what its looks themselves say, the root of the sum of the squares of their differences. A lead that a few bursts made,
/// or one that comes and goes, does not pass, however large; one that grows with each look does after as many looks as the square of that number. <see cref="Safe"/>, the policy that nobody should be worse than for long, needs fewer.
/// </para>
/// <para>Pure: no clock, no chance. One owner, one call at a time.</para>
/// </summary>
public sealed class PolicyDecider
{
    /// <summary>The lead without which no candidate takes over: parts of the requests' worth, times periods.</summary>
    public const double Lead = 0.1;

    /// <summary>The standard errors that the lead must be worth.</summary>
    public const double Errors = 4;

    /// <summary>As <see cref="Errors"/>, of the lead of <see cref="Safe"/>: one chance in two thousand, were the looks independent.</summary>
    public const double ErrorsOfSafe = 3.3;

    /// <summary>The policy to which it goes back most easily.</summary>
    public const string Safe = Policies.Arc;

    /// <summary>What a period leaves of the ratios that are shown.</summary>
    public const double Decay = 0.9;

    private const int LooksPerPeriod = 8;

    private readonly Dictionary<string, Candidate> candidates = new(StringComparer.Ordinal);
    private readonly Dictionary<ulong, Host> hosts = [];
    private double worth;
    private double recentWorth;
    private double recentReads;

    /// <param name="policy">The policy that is in force at the start.</param>
    public PolicyDecider(string policy = PolicyCandidates.First) => InForce = new PolicySwitch(0, policy, "");

    /// <param name="inForce">The last switch of those before it.</param>
    public PolicyDecider(PolicySwitch inForce) => InForce = inForce;

    /// <summary>The last switch.</summary>
    public PolicySwitch InForce { get; private set; }

    /// <summary>How often it looked.</summary>
    public long Looks { get; private set; }

    /// <summary>The part of the requests' worth that each candidate would have saved lately, from 0 to 1, the best first.</summary>
    public IReadOnlyList<PolicyHits> Ratios => [.. candidates.Select(known => new PolicyHits(known.Key, Ratio(known.Value), known.Value.Target)).OrderByDescending(known => known.Worth)];

    /// <summary>Takes a report, and looks where enough has been seen.</summary>
    /// <returns>Whether there is a new switch.</returns>
    public bool Add(PolicyReport report)
    {
        ArgumentNullException.ThrowIfNull(report);
        if (report.InForce.Number > InForce.Number)
        {
            Take(report.InForce); // A decider before this one got further.
        }

        if (report.Reads == 0)
        {
            return false; // It asks what is in force.
        }

        foreach (var (policy, saved, target) in report.Hits)
        {
            if (!candidates.TryGetValue(policy, out var candidate))
            {
                candidates.Add(policy, candidate = new Candidate());
            }

            candidate.Saved += saved;
            candidate.Recent += saved;
            candidate.Target = target;
        }

        worth += report.Worth;
        recentWorth += report.Worth;
        recentReads += report.Reads;
        if (!hosts.TryGetValue(report.Host, out var host))
        {
            hosts.Add(report.Host, host = new Host());
        }

        host.Periods += (double)report.Reads / Math.Max(1, report.ReadsPerPeriod);
        host.SilentLooks = 0;
        return HasSeenEnough() && Look();
    }

    /// <summary>A look is at what all hosts have seen; it waits for one that is slow, but not for ever.</summary>
    private bool HasSeenEnough()
    {
        var periods = hosts.Values.Sum(static host => host.Periods);
        return periods >= hosts.Count || (periods * LooksPerPeriod >= hosts.Count && hosts.Values.All(static host => host.Periods > 0));
    }

    private double Ratio(Candidate candidate) => recentWorth > 0 ? candidate.Recent / recentWorth : 0;

    private bool Look()
    {
        Looks++;
        var periods = hosts.Values.Sum(static host => host.Periods) / hosts.Count;
        var changed = worth > 0 && candidates.TryGetValue(InForce.Policy, out var present) && TryChoose(present, periods);
        var kept = Math.Pow(Decay, periods);
        foreach (var candidate in candidates.Values)
        {
            candidate.Saved = 0;
            candidate.Recent *= kept;
        }

        foreach (var (number, host) in hosts)
        {
            host.SilentLooks += host.Periods > 0 ? 0 : 1;
            host.Periods = 0;
            if (host.SilentLooks > LooksPerPeriod)
            {
                hosts.Remove(number);
            }
        }

        worth = 0;
        recentWorth *= kept;
        recentReads *= kept;
        return changed;
    }

    private bool TryChoose(Candidate present, double periods)
    {
        foreach (var candidate in candidates.Values)
        {
            candidate.See(periods * (candidate.Saved - present.Saved) / worth);
        }

        var (policy, best) = candidates.MaxBy(static known => known.Value.StrengthFor(known.Key));
        if (best.StrengthFor(policy) < 1)
        {
            return false;
        }

        var reason = string.Create(CultureInfo.InvariantCulture, $"{policy} would have had {100 * Ratio(best):F1} %, {InForce.Policy} {100 * Ratio(present):F1} %, of the last {recentReads:F0} sampled reads; ahead by {100 * best.Ahead:F1} % of a period's reads since it took the lead, {best.AheadByErrors:F1} standard errors");
        Take(new PolicySwitch(InForce.Number + 1, policy, reason, best.Target));
        return true;
    }

    private void Take(PolicySwitch next)
    {
        InForce = next;
        foreach (var candidate in candidates.Values)
        {
            candidate.BeginAnew();
        }
    }

    private sealed class Host
    {
        /// <summary>Of which it has seen the requests since the last look.</summary>
        public double Periods { get; set; }

        /// <summary>Looks without it.</summary>
        public int SilentLooks { get; set; }
    }

    private sealed class Candidate
    {
        private double lead;

        /// <summary>The sum of the squares of what made it.</summary>
        private double variance;

        /// <summary>What it would have saved more since it was last not ahead, in periods' worth of hits.</summary>
        public double Ahead => lead;

        /// <summary>In how many standard errors.</summary>
        public double AheadByErrors => variance > 0 ? lead / Math.Sqrt(variance) : 0;

        /// <summary>What it would have saved since the last look.</summary>
        public double Saved { get; set; }

        /// <summary>What it would have saved lately.</summary>
        public double Recent { get; set; }

        /// <summary>Its miniature's adaptive target, as a part of the capacity.</summary>
        public double Target { get; set; }

        /// <summary>A look: by how much it was better than the policy in force.</summary>
        public void See(double better)
        {
            lead += better;
            variance += better * better;
            if (lead <= 0)
            {
                BeginAnew();
            }
        }

        /// <summary>Of what it needs to take over, the part that it has.</summary>
        public double StrengthFor(string policy) =>
            lead > 0 ? Math.Min(lead / Lead, lead / Math.Sqrt(variance) / (policy == Safe ? ErrorsOfSafe : Errors)) : 0;

        /// <summary>Forgets its lead.</summary>
        public void BeginAnew() => (lead, variance) = (0, 0);
    }
}
