using System.Globalization;
using Levee.Eviction;

namespace Levee.Learning;

/// <summary>
/// One per cache: sums what the miniatures of all its hosts report and says which policy is in force. It changes that only where another candidate has been better by <see cref="Margin"/> of the requests' worth over
/// the last decisions or so (<see cref="Decay"/>), and not again within <see cref="Cooldown"/> decisions. Candidates are compared with each other on the same sample, never with the live cache: a sample's absolute hit ratio
/// hangs on the few hot keys that are in it.
/// <para>Pure: no clock, no chance. One owner, one call at a time.</para>
/// </summary>
public sealed class PolicyDecider
{
    /// <summary>What each decision leaves of what was seen before it.</summary>
    public const double Decay = 0.9;

    /// <summary>By how much of the requests' worth another policy must be better.</summary>
    public const double Margin = 0.01;

    /// <summary>Decisions after a switch that change nothing.</summary>
    public const int Cooldown = 4;

    static double E(string n, double d) => double.TryParse(Environment.GetEnvironmentVariable(n), CultureInfo.InvariantCulture, out var v) ? v : d;
    static readonly double XDecay = E("XDECAY", .9), XMargin = E("XMARGIN", .01), XCaution = E("XCAUTION", 0.7), XLooks = E("XLOOKS", 8), XCool = E("XCOOL", 4);
    private readonly Dictionary<string, double> hits = new(StringComparer.Ordinal);
    private readonly Dictionary<ulong, double> progress = [];
    private double worth;
    private double reads;
    private int cooling;

    /// <param name="policy">The policy that is in force at the start.</param>
    public PolicyDecider(string policy = Policies.Arc) => InForce = new PolicySwitch(0, policy, "");

    /// <summary>The last switch.</summary>
    public PolicySwitch InForce { get; private set; }

    /// <summary>How many decisions were taken, those that changed nothing included.</summary>
    public long Decisions { get; private set; }

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
            cooling = Cooldown;
        }

        foreach (var (policy, saved) in report.Hits)
        {
            hits[policy] = hits.GetValueOrDefault(policy) + saved;
        }

        worth += report.Worth;
        reads += report.Reads;
        progress[report.Host] = progress.GetValueOrDefault(report.Host) + ((double)report.Reads / Math.Max(1, report.ReadsPerDecision));
        return progress.Values.Sum() * XLooks >= progress.Count && Decide();
    }

    private bool Decide()
    {
        Decisions++;
        progress.Clear();
        var changed = cooling == 0 && TryChoose();
        cooling = changed ? (int)(XCool*XLooks) : Math.Max(0, cooling - 1);
        foreach (var policy in hits.Keys.ToArray())
        {
            hits[policy] *= Math.Pow(XDecay, 1/XLooks);
        }

        worth *= Math.Pow(XDecay, 1/XLooks);
        reads *= Math.Pow(XDecay, 1/XLooks);
        return changed;
    }

    private bool TryChoose()
    {
        if (worth <= 0 || !hits.TryGetValue(InForce.Policy, out var present))
        {
            return false;
        }

        var best = hits.MaxBy(known => (known.Value, known.Key == InForce.Policy));
        if (best.Value - present < Math.Max(XMargin, XCaution / Math.Sqrt(reads)) * worth)
        {
            return false;
        }

        var reason = string.Create(CultureInfo.InvariantCulture, $"{best.Key} would have had {100 * best.Value / worth:F1} %, {InForce.Policy} {100 * present / worth:F1} %, of the last {reads:F0} sampled reads");
        InForce = new PolicySwitch(InForce.Number + 1, best.Key, reason);
        return true;
    }
}
