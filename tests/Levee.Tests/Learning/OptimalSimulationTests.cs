using Levee.Learning;
using Levee.Testing;
using Xunit;

namespace Levee.Tests.Learning;

public sealed class OptimalSimulationTests
{
    [Fact]
    public void A_loop_one_larger_than_the_cache_misses_once_a_round()
    {
        var trace = Enumerable.Range(0, 40).Select(i => (ulong)(i % 4)).ToArray();
        Assert.Equal(27, Hits(new OptimalSimulation(trace), 3));
        Assert.Equal(36, Hits(new OptimalSimulation(trace), 4));
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    public void No_choice_of_what_to_keep_has_more_hits(int seed)
    {
        var random = new Random(seed);
        for (var run = 0; run < 40; run++)
        {
            var trace = new ulong[12];
            for (var i = 0; i < trace.Length; i++)
            {
                trace[i] = (ulong)random.Next(5);
            }

            var optimal = new OptimalSimulation(trace);
            for (var capacity = 1; capacity <= 4; capacity++)
            {
                Assert.Equal(BestOfAllChoices(trace, 0, [], capacity), Hits(optimal, capacity));
            }
        }
    }

    [Fact]
    public void It_bounds_every_policy_on_a_trace_of_many_words()
    {
        var random = new Random(5);
        var trace = new ulong[300_000];
        for (var i = 0; i < trace.Length; i++)
        {
            trace[i] = (ulong)(random.NextDouble() * random.NextDouble() * 10_000);
        }

        var optimal = new OptimalSimulation(trace);
        Assert.Equal(trace.Length, optimal.Requests);
        Assert.Equal(trace.Length - trace.Distinct().Count(), Hits(optimal, 10_000));
        foreach (var policy in PolicySimulation.PolicyNames)
        {
            using var simulation = new PolicySimulation(policy, 1_000);
            foreach (var key in trace)
            {
                simulation.Access(key);
            }

            Assert.InRange(simulation.Hits, 1_000, Hits(optimal, 1_000));
        }
    }

    [Fact]
    public void An_empty_trace_has_no_hits() => Assert.Equal(0, Hits(new OptimalSimulation([]), 1));

    [Fact]
    public void A_capacity_in_bytes_is_refused_with_the_reason()
    {
        var refusal = Assert.Throws<ArgumentException>(() => new OptimalSimulation([1, 2], CapacityUnit.Bytes));
        Assert.Contains("entries", refusal.Message);
        Assert.Contains("NP-hard", refusal.Message);
    }

    [Fact]
    public void A_cancelled_run_ends() =>
        Assert.Throws<OperationCanceledException>(() => new OptimalSimulation([1, 1]).Hits(1, new CancellationToken(canceled: true)));

    [Fact]
    public void OLTP_has_the_bound_that_an_independent_simulation_found()
    {
        Assert.SkipUnless(Traces.LongTestsAreOn, Traces.LongTestsAreOff);
        var path = Traces.Find("OLTP.lis.gz");
        Assert.SkipWhen(path is null, "OLTP.lis.gz is neither in LEVEE_TRACES nor in a shared/traces folder beside the repository.");
        var optimal = new OptimalSimulation(Traces.ReadLis(path!));
        Assert.Equal(0.53619, (double)Hits(optimal, 1000) / optimal.Requests, 1e-5);
        Assert.Equal(0.75138, (double)Hits(optimal, 15000) / optimal.Requests, 1e-5);
    }

    private static long Hits(OptimalSimulation optimal, long capacity) => optimal.Hits(capacity, TestContext.Current.CancellationToken);

    /// <summary>Tries every way to drop or not to take an entry: the definition, exponential.</summary>
    private static int BestOfAllChoices(ulong[] trace, int at, ulong[] kept, int capacity)
    {
        if (at == trace.Length)
        {
            return 0;
        }

        var key = trace[at];
        if (kept.Contains(key))
        {
            return 1 + BestOfAllChoices(trace, at + 1, kept, capacity);
        }

        var best = BestOfAllChoices(trace, at + 1, kept, capacity);
        if (kept.Length < capacity)
        {
            return Math.Max(best, BestOfAllChoices(trace, at + 1, [.. kept, key], capacity));
        }

        foreach (var victim in kept)
        {
            best = Math.Max(best, BestOfAllChoices(trace, at + 1, [.. kept.Where(k => k != victim), key], capacity));
        }

        return best;
    }
}
