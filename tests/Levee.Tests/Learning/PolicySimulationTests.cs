using Levee.Eviction;
using Levee.Learning;
using Levee.Testing;
using Levee.Tests.Eviction;
using Xunit;

namespace Levee.Tests.Learning;

public sealed class PolicySimulationTests
{
    // Megiddo and Modha, FAST '03, table of OLTP: capacity, ARC, LRU, in percent.
    public static TheoryData<int, double, double> PaperTable { get; } = new()
    {
        { 1000, 38.93, 32.83 },
        { 2000, 46.08, 42.47 },
        { 5000, 55.25, 53.65 },
        { 10000, 61.87, 60.70 },
        { 15000, 65.40, 64.63 },
    };

    [Theory]
    [MemberData(nameof(PaperTable))]
    public void OLTP_replays_as_in_the_paper(int capacity, double arcPercent, double lruPercent)
    {
        Assert.SkipUnless(Traces.LongTestsAreOn, Traces.LongTestsAreOff);
        var path = Traces.Find("OLTP.lis.gz");
        Assert.SkipWhen(path is null, "OLTP.lis.gz is neither in LEVEE_TRACES nor in a shared/traces folder beside the repository.");
        var trace = Traces.ReadLis(path!);
        Assert.Equal(914_145, trace.Length);
        Assert.InRange(100 * HitRatio("arc", capacity, trace), arcPercent - 0.1, arcPercent + 0.1);
        Assert.InRange(100 * HitRatio("lru", capacity, trace), lruPercent - 0.1, lruPercent + 0.1);
    }

    [Fact]
    public void A_small_trace_gives_the_hits_of_the_literal_models()
    {
        const int Capacity = 64;
        var trace = MixedTrace(20_000);
        var paper = new PaperArc(Capacity);
        var lru = new LruModel(Capacity);
        var arcHits = trace.Count(key => paper.Request((int)key));
        var lruHits = trace.Count(key => lru.Access(key, 1));
        Assert.Equal(arcHits, Hits("arc", Capacity, trace));
        Assert.Equal(lruHits, Hits("lru", Capacity, trace));
        Assert.True(arcHits > lruHits, "Scans through a skewed working set are what ARC is for.");
        Assert.InRange(lruHits, 1_000, 19_000);
    }

    [Theory]
    [ClassData(typeof(EveryPolicy))]
    public void Sizes_are_weighed_in_bytes_and_the_structure_stays_whole(string policy)
    {
        var random = new Random(7);
        using var simulation = new PolicySimulation(policy, 10_000, CapacityUnit.Bytes, largestBytes: 3_000);
        for (var i = 0; i < 5_000; i++)
        {
            // The size belongs to the key most of the time; sometimes an entry grows, shrinks, or outgrows the cache.
            var key = (ulong)(random.NextDouble() * random.NextDouble() * 200);
            simulation.Access(key, random.Next(50) == 0 ? random.Next(12_000) : (int)(key * 7 % 500));
            simulation.CheckInvariants();
        }

        Assert.Equal(1, simulation.UnitBytes);
        Assert.Equal(5_000, simulation.Requests);
        Assert.InRange(simulation.Hits, 500, 4_500);
    }

    [Fact]
    public void An_entry_larger_than_the_capacity_is_never_stored_and_evicts_nobody()
    {
        using var simulation = new PolicySimulation("arc", 100, CapacityUnit.Bytes);
        simulation.Access(1, 60);
        Assert.False(simulation.Access(2, 101));
        Assert.False(simulation.Access(2, 101));
        Assert.True(simulation.Access(1, 60));
        Assert.True(simulation.Access(1, 101), "The old value answers; the one that replaces it does not fit.");
        Assert.False(simulation.Access(1, 60));
        simulation.CheckInvariants();
    }

    [Fact]
    public void Entries_too_heavy_for_a_node_are_counted_in_larger_units()
    {
        using var simulation = new PolicySimulation("arc", 1L << 30, CapacityUnit.Bytes, largestBytes: 100 << 20);
        Assert.Equal(8, simulation.UnitBytes);
        simulation.Access(1, 100 << 20);
        Assert.Equal((100 << 20) / 8, simulation.Policy.ResidentWeight);
        simulation.Access(2, 9);
        Assert.Equal(((100 << 20) / 8) + 2, simulation.Policy.ResidentWeight);
    }

    [Fact]
    public void Nodes_of_forgotten_ghosts_are_used_again()
    {
        using var simulation = new PolicySimulation("arc", 100);
        for (ulong key = 0; key < 10_000; key++)
        {
            simulation.Access(key);
            simulation.Access(key / 2);
        }

        simulation.CheckInvariants();
        Assert.InRange(simulation.Policy.Lists(1).Sum(list => list.Count), 100, 200);
    }

    [Fact]
    public void Names_that_are_offered_are_the_names_that_work()
    {
        Assert.Equal([.. Policies.Names, "auto"], PolicySimulation.PolicyNames);
        foreach (var name in PolicySimulation.PolicyNames)
        {
            using var simulation = new PolicySimulation(name, 10);
            Assert.Equal(0, simulation.HitRatio);
        }

        Assert.Throws<ArgumentException>(() => new PolicySimulation("belady", 10));
    }

    private static ulong[] MixedTrace(int requests)
    {
        var random = new Random(42);
        var trace = new ulong[requests];
        for (var i = 0; i < trace.Length; i++)
        {
            trace[i] = i / 200 % 3 == 2
                ? (ulong)(1_000 + i)
                : (ulong)(random.NextDouble() * random.NextDouble() * random.NextDouble() * 300);
        }

        return trace;
    }

    private static long Hits(string policy, int capacity, ulong[] trace)
    {
        using var simulation = new PolicySimulation(policy, capacity);
        foreach (var key in trace)
        {
            simulation.Access(key);
        }

        simulation.CheckInvariants();
        return simulation.Hits;
    }

    private static double HitRatio(string policy, int capacity, ulong[] trace) => (double)Hits(policy, capacity, trace) / trace.Length;
}
