using System.Globalization;

namespace Levee.Learning;

/// <summary>
/// One per cache: sums what the miniatures of all its hosts report and says which policy is in force. It looks <see cref="LooksPerPeriod"/> times in a period, the time in which all hosts have had as many requests as they
/// have entries. It changes the policy only where another candidate has been better lately by <see cref="Margin"/> of the requests' worth, and by more where little has been seen (<see cref="Caution"/>); and not again
/// for <see cref="Cooldown"/> periods. Candidates are compared with each other on the same sample, never with the live cache: a sample's absolute hit ratio hangs on the few hot keys that are in it.
/// <para>Pure: no clock, no chance. One owner, one call at a time.</para>
/// </summary>
public sealed class PolicyDecider
{
    /// <summary>What a period leaves of what was seen before it.</summary>
    public const double Decay = 0.9;

    /// <summary>By how much of the requests' worth another policy must be better.</summary>
    public const double Margin = 0.01;

    /// <summary>Divided by the root of the number of reads, it is the margin where that is more: about three standard errors where the candidates differ on one read in twenty.</summary>
    public const double Caution = 0.7;

    /// <summary>Periods after a switch in which nothing is changed.</summary>
    public const int Cooldown = 4;

    private const int LooksPerPeriod = 8;

    private static readonly double DecayPerLook = Math.Pow(Decay, 1.0 / LooksPerPeriod);

    private readonly Dictionary<string, double> hits = new(StringComparer.Ordinal);
    private readonly Dictionary<ulong, double> progress = [];
    private double worth;
    private double reads;
    private int cooling;

    /// <param name="policy">The policy that is in force at the start.</param>
    public PolicyDecider(string policy = PolicyCandidates.First) => InForce = new PolicySwitch(0, policy, "");

    /// <param name="inForce">The last switch of those before it.</param>
    public PolicyDecider(PolicySwitch inForce) => InForce = inForce;

    /// <summary>The last switch.</summary>
    public PolicySwitch InForce { get; private set; }

    /// <summary>How often it looked.</summary>
    public long Looks { get; private set; }

    /// <summary>The part of the requests' worth that each candidate would have saved lately, from 0 to 1.</summary>
    public IReadOnlyList<PolicyHits> Ratios => [.. hits.Select(known => new PolicyHits(known.Key, worth > 0 ? known.Value / worth : 0)).OrderByDescending(known => known.Worth)];

    /// <summary>Takes a report, and decides where enough has been seen.</summary>
    /// <returns>Whether there is a new switch.</returns>
    public bool Add(PolicyReport report)
    {
        ArgumentNullException.ThrowIfNull(report);
        if (report.InForce.Number > InForce.Number)
        {
            InForce = report.InForce; // A decider before this one got further.
            cooling = Cooldown * LooksPerPeriod;
        }

        foreach (var (policy, saved) in report.Hits)
        {
            hits[policy] = hits.GetValueOrDefault(policy) + saved;
        }

        worth += report.Worth;
        reads += report.Reads;
        if (report.Reads == 0)
        {
            return false; // It asks what is in force.
        }

        progress[report.Host] = progress.GetValueOrDefault(report.Host) + ((double)report.Reads / Math.Max(1, report.ReadsPerPeriod));
        return progress.Values.Sum() * LooksPerPeriod >= progress.Count && Look();
    }

    private bool Look()
    {
        Looks++;
        progress.Clear();
        var changed = cooling == 0 && TryChoose();
        cooling = changed ? Cooldown * LooksPerPeriod : Math.Max(0, cooling - 1);
        foreach (var policy in hits.Keys.ToArray())
        {
            hits[policy] *= DecayPerLook;
        }

        worth *= DecayPerLook;
        reads *= DecayPerLook;
        return changed;
    }

    private bool TryChoose()
    {
        if (worth <= 0 || !hits.TryGetValue(InForce.Policy, out var present))
        {
            return false;
        }

        var best = hits.MaxBy(known => (known.Value, known.Key == InForce.Policy));
        if (best.Value - present < Math.Max(Margin, Caution / Math.Sqrt(reads)) * worth)
        {
            return false;
        }

        var reason = string.Create(CultureInfo.InvariantCulture, $"{best.Key} would have had {100 * best.Value / worth:F1} %, {InForce.Policy} {100 * present / worth:F1} %, of the last {reads:F0} sampled reads");
        InForce = new PolicySwitch(InForce.Number + 1, best.Key, reason);
        return true;
    }
}
