using Levee.Learning;
using Xunit;

namespace Levee.Tests.Learning;

/// <summary>Which policy is in force, for all hosts of a cache.</summary>
public sealed class PolicyDeciderTests
{
    [Fact]
    public void A_policy_that_is_much_better_takes_over_soon_and_one_that_is_little_better_late()
    {
        var decider = new PolicyDecider("arc");
        Assert.Equal(1, Feed(decider, 20, arc: 0.1, lirs: 0.5, upTo: 1));
        Assert.Equal((1, "lirs"), (decider.InForce.Number, decider.InForce.Policy));
        Assert.Contains("lirs would have had 50.0 %, arc 10.0 %", decider.InForce.Reason, StringComparison.Ordinal);

        Assert.Equal(0, Feed(decider, 110, arc: 0.504, lirs: 0.5, upTo: 1));
        Assert.Equal(1, Feed(decider, 40, arc: 0.504, lirs: 0.5, upTo: 1));
        Assert.Equal("arc", decider.InForce.Policy);
    }

    [Fact]
    public void A_lead_that_one_burst_made_is_not_enough_however_large_and_one_that_grows_is()
    {
        var decider = new PolicyDecider("lirs");
        decider.Add(Report(1, 400, decider.InForce, arc: 1, lirs: 0));
        Assert.Equal(0, Feed(decider, 10, arc: 0.3, lirs: 0.3, upTo: 1));
        Assert.Equal("lirs", decider.InForce.Policy);
        Assert.Equal(1, Feed(decider, 20, arc: 0.9, lirs: 0.3, upTo: 1));
    }

    [Fact]
    public void It_goes_back_to_the_safe_policy_after_fewer_looks_than_to_another()
    {
        var toSafe = new PolicyDecider("lirs");
        var away = new PolicyDecider("arc");
        Assert.Equal(1, Feed(toSafe, (int)Math.Ceiling(PolicyDecider.ErrorsOfSafe * PolicyDecider.ErrorsOfSafe), arc: 0.5, lirs: 0.3, upTo: 1));
        Assert.Equal(0, Feed(away, (int)(PolicyDecider.Errors * PolicyDecider.Errors) - 1, arc: 0.3, lirs: 0.5, upTo: 1));
        Assert.Equal(1, Feed(away, 2, arc: 0.3, lirs: 0.5, upTo: 1));
    }

    [Fact]
    public void Chance_hardly_ever_makes_it_switch()
    {
        // Two policies that are the same in the long run: each look one of them is better by up to 20 points. 160 streams of 1,000 looks, 125 periods.
        var random = new Random(7);
        var switches = 0;
        for (var stream = 0; stream < 160; stream++)
        {
            var decider = new PolicyDecider("lirs");
            for (var i = 0; i < 1000; i++)
            {
                switches += decider.Add(Report(1, 63, decider.InForce, arc: 0.4 + (0.2 * random.NextDouble()), lirs: 0.4 + (0.2 * random.NextDouble()))) ? 1 : 0;
            }
        }

        Assert.InRange(switches, 0, 40);
    }

    [Fact]
    public void Two_hosts_that_disagree_get_one_policy_the_one_that_is_better_for_all_together()
    {
        var decider = new PolicyDecider("arc");
        for (var i = 0; i < 50; i++)
        {
            decider.Add(Report(1, 500, decider.InForce, arc: 0.6, lirs: 0.2));
            decider.Add(Report(2, 1500, decider.InForce, arc: 0.2, lirs: 0.5));
        }

        Assert.Equal((1, "lirs"), (decider.InForce.Number, decider.InForce.Policy));
        Assert.Equal((0.5 * 1500 + (0.2 * 500)) / 2000, decider.Ratios[0].Worth, 6);
    }

    [Fact]
    public void A_decider_that_begins_anew_goes_on_from_what_its_hosts_know()
    {
        var decider = new PolicyDecider();
        decider.Add(new PolicyReport(1, 0, 1, 0, [], new PolicySwitch(7, "s3-fifo", "before")));
        Assert.Equal((7, "s3-fifo"), (decider.InForce.Number, decider.InForce.Policy));
        decider.Add(new PolicyReport(2, 0, 1, 0, [], new PolicySwitch(5, "arc", "late")));
        Assert.Equal(7, decider.InForce.Number);
        for (var i = 0; i < 50 && decider.InForce.Number == 7; i++)
        {
            decider.Add(new PolicyReport(1, 500, 500, 500, [new("s3-fifo", 100), new("arc", 300)], decider.InForce));
        }

        Assert.Equal((8, "arc"), (decider.InForce.Number, decider.InForce.Policy));
    }

    [Fact]
    public void Whoever_flips_pays_for_each_switch_before_it_comes()
    {
        // Each time that it has switched the other policy becomes the better one: the worst that there is.
        var decider = new PolicyDecider("arc");
        var switches = 0;
        var regret = 0.0;
        for (var i = 0; i < 4000; i++)
        {
            var arcIsBetter = decider.InForce.Policy != "arc";
            switches += decider.Add(Report(1, 63, decider.InForce, arc: arcIsBetter ? 0.5 : 0.3, lirs: arcIsBetter ? 0.3 : 0.5)) ? 1 : 0;
            regret += 0.2 * 63 / 500;
        }

        Assert.True(switches > 100, $"{switches}");
        Assert.True((switches - 1) * PolicyDecider.Lead <= regret, $"{switches} switches for {regret} lost periods");
    }

    private static PolicyReport Report(ulong host, long reads, PolicySwitch inForce, double arc, double lirs) =>
        new(host, reads, 500, reads, [new("arc", arc * reads), new("lirs", lirs * reads)], inForce);

    private static int Feed(PolicyDecider decider, int reports, double arc, double lirs, int upTo)
    {
        var switches = 0;
        for (var i = 0; i < reports && switches < upTo; i++)
        {
            switches += decider.Add(Report(1, 100, decider.InForce, arc, lirs)) ? 1 : 0;
        }

        return switches;
    }
}
