using Levee.Learning;
using Levee.Testing;
using Levee.Tests.Eviction;
using Xunit;

namespace Levee.Tests.Learning;

public sealed class PrefetchSimulationTests
{
    private const int Capacity = 1000;

    [Theory]
    [InlineData(0.9)]
    [InlineData(0.0)]
    public void Keys_without_order_are_not_prefetched(double exponent)
    {
        var trace = Zipf(new Random(1), 20_000, exponent).Take(400_000).Select(static rank => Mix((ulong)rank)).ToArray();
        var (bare, on) = Run(trace, areNumbers: false);
        Assert.InRange(on.Prefetches, 0, trace.Length / 1000);
        Assert.InRange(Hits(on), Hits(bare) - (trace.Length / 1000), Hits(bare) + (trace.Length / 1000));
    }

    [Fact]
    public void Numbers_without_order_are_not_prefetched()
    {
        var trace = Zipf(new Random(2), 20_000, 0.9).Take(400_000).Select(static rank => Mix((ulong)rank) >> 32).ToArray();
        var (bare, on) = Run(trace, areNumbers: true);
        Assert.InRange(on.Prefetches, 0, trace.Length / 1000);
        Assert.InRange(Hits(on), Hits(bare) - (trace.Length / 1000), Hits(bare) + (trace.Length / 1000));
    }

    [Theory]
    [ClassData(typeof(EveryPolicy))]
    public void Without_prefetching_each_policy_is_as_it_is_alone(string policy)
    {
        var trace = Zipf(new Random(3), 20_000, 0.9).Take(100_000).Select(static rank => Mix((ulong)rank)).ToArray();
        using var alone = new PolicySimulation(policy, Capacity);
        using var here = new PrefetchSimulation(new() { Capacity = Capacity, Policy = policy, IsOn = false });
        var hits = trace.Count(key => alone.Access(key));
        Feed(here, trace, areNumbers: false);
        Assert.Equal(hits, Hits(here));
    }

    [Theory]
    [InlineData("arc")]
    [InlineData("lru")]
    public void A_loop_larger_than_memory_ends_near_no_misses(string policy)
    {
        var trace = Enumerable.Range(0, 100_000).Select(static i => Mix((ulong)(i % 2500))).ToArray();
        using var simulation = new PrefetchSimulation(new() { Capacity = Capacity, Policy = policy, Source = PrefetchSource.SeenBefore });
        Feed(simulation, trace.AsSpan(0, 50_000), areNumbers: false);
        var missesBefore = simulation.Misses;
        Feed(simulation, trace.AsSpan(50_000), areNumbers: false);
        Assert.InRange(simulation.Misses - missesBefore, 0, 1000);
    }

    [Fact]
    public void Interleaved_scans_of_numbers_are_cut_by_a_third_and_more()
    {
        var random = new Random(4);
        var scans = Enumerable.Range(0, 12).Select(number => (At: (ulong)number << 20, Stride: (ulong)(number % 5) + 1)).ToArray();
        var zipf = Zipf(random, 5000, 0.9).GetEnumerator();
        var trace = new ulong[300_000];
        for (var i = 0; i < trace.Length; i++)
        {
            ref var scan = ref scans[random.Next(scans.Length)];
            zipf.MoveNext();
            trace[i] = random.Next(2) == 0 ? (1UL << 30) + (ulong)zipf.Current : scan.At;
            scan.At = trace[i] == scan.At ? scan.At + scan.Stride : scan.At;
            scan.At = random.Next(500) == 0 ? (ulong)random.Next(1 << 29) : scan.At;
        }

        var (bare, on) = Run(trace, areNumbers: true);
        Assert.True(on.Misses < bare.Misses * 0.7, $"{on.Misses} misses instead of {bare.Misses}");
        Assert.True(on.Loads < bare.Loads * 1.25, $"{on.Loads} loads instead of {bare.Loads}");
    }

    /// <summary>Scans that go on earn the buckets' trust; then scans break off just when the most has been predicted of them, and sequences that came again change behind their first keys.</summary>
    [Fact]
    public void An_adversary_who_earns_trust_and_breaks_it_costs_next_to_no_hits()
    {
        var random = new Random(8);
        var zipf = Zipf(random, 20_000, 0.8).GetEnumerator();
        var trace = new List<(ulong Id, bool IsBetrayal)>();
        var sequence = Enumerable.Range(0, 300).Select(_ => (ulong)random.Next()).ToArray();
        while (trace.Count < 1_000_000)
        {
            var isBetrayal = trace.Count / 20_000 % 2 == 1;
            var start = (ulong)random.NextInt64(1L << 31);
            var length = isBetrayal ? random.Next(3, 9) : 300;
            for (var i = 0; i < length; i++)
            {
                zipf.MoveNext();
                trace.Add((start + (ulong)i, isBetrayal));
                trace.Add((Mix((ulong)zipf.Current) >> 32, isBetrayal));
            }

            for (var i = 0; i < (isBetrayal ? random.Next(3, 9) : sequence.Length); i++)
            {
                trace.Add((sequence[i], isBetrayal));
            }

            sequence = isBetrayal ? [.. sequence.OrderBy(_ => random.Next())] : sequence;
        }

        using var bare = new PrefetchSimulation(new() { Capacity = Capacity, IsOn = false });
        using var on = new PrefetchSimulation(new() { Capacity = Capacity });
        var (bareHits, hits, betrayals, hitsOfAll, bareHitsOfAll) = (0, 0, 0, 0, 0);
        foreach (var (id, isBetrayal) in trace)
        {
            var (bareHit, hit) = (bare.Access(id, isNumber: true) ? 1 : 0, on.Access(id, isNumber: true) ? 1 : 0);
            bareHitsOfAll += bareHit;
            hitsOfAll += hit;
            bareHits += isBetrayal ? bareHit : 0;
            hits += isBetrayal ? hit : 0;
            betrayals += isBetrayal ? 1 : 0;
        }

        Assert.True(hitsOfAll > bareHitsOfAll * 1.1, "No trust was earned.");
        Assert.InRange(bareHits - hits, int.MinValue, betrayals / 1000);
    }

    [Fact]
    public void Loads_that_always_come_too_late_do_no_harm_and_end()
    {
        var trace = Enumerable.Range(0, 200_000).Select(static i => (ulong)((i % 5 * 10_000_000) + (i / 5))).ToArray();
        using var bare = new PrefetchSimulation(new() { Capacity = Capacity, IsOn = false });
        using var on = new PrefetchSimulation(new() { Capacity = Capacity, LoadAccesses = 100_000 });
        Feed(bare, trace, areNumbers: true);
        Feed(on, trace, areNumbers: true);
        Assert.InRange(on.Misses, 0, bare.Misses);
        Assert.InRange(on.Late, 1, 1000);
        Assert.InRange(on.Prefetches, 1, 2000);
    }

    [Fact]
    public void Loads_that_take_long_are_begun_farther_ahead()
    {
        var trace = Enumerable.Range(0, 200_000).Select(static i => (ulong)((i % 5 * 10_000_000) + (i / 5))).ToArray();
        using var on = new PrefetchSimulation(new() { Capacity = 10_000, LoadAccesses = 100 });
        Feed(on, trace, areNumbers: true);
        Assert.Equal(128, on.Statistics!.Lead);
        Assert.InRange(on.Misses, 0, trace.Length / 10);
    }

    [Fact]
    public void What_no_tier_has_is_not_loaded()
    {
        var trace = Enumerable.Range(0, 100_000).Select(static i => (ulong)i).ToArray();
        using var everything = new PrefetchSimulation(new() { Capacity = Capacity });
        using var seen = new PrefetchSimulation(new() { Capacity = Capacity, Source = PrefetchSource.SeenBefore });
        Feed(everything, trace, areNumbers: true);
        Feed(seen, trace, areNumbers: true);
        Assert.InRange(everything.Misses, 0, 2000);
        Assert.Equal((trace.Length, 0L), (seen.Misses, seen.Prefetches));
        Assert.InRange(seen.Statistics!.Wasted, 1, trace.Length / 10); // It was asked for now and then, in vain.
    }

    [Theory]
    [InlineData(true, false)]
    [InlineData(false, false)]
    [InlineData(true, true)]
    public void The_structure_stays_whole_and_all_runs_are_alike(bool knowsResidents, bool hearsHits)
    {
        var options = new PrefetchSimulationOptions { Capacity = 300, LoadAccesses = 7, KnowsResidents = knowsResidents, HearsHits = hearsHits };
        using var simulation = new PrefetchSimulation(options);
        using var again = new PrefetchSimulation(options);
        var trace = Mixed(30_000);
        for (var i = 0; i < trace.Length; i++)
        {
            Assert.Equal(simulation.Access(trace[i], isNumber: true), again.Access(trace[i], isNumber: true));
            if (i % 50 == 0)
            {
                simulation.CheckInvariants();
            }
        }

        Assert.Equal((simulation.Misses, simulation.Prefetches, simulation.Used), (again.Misses, again.Prefetches, again.Used));
        var (a, b) = (simulation.Statistics!, again.Statistics!);
        Assert.Equal(a.Buckets, b.Buckets);
        Assert.Equal(a with { Buckets = [] }, b with { Buckets = [] });
        Assert.True(simulation.Used > 1000, $"{simulation.Used} used");

        // The prefetcher finds out itself what the simulation knows.
        Assert.Equal(simulation.Used, a.Used);
        Assert.Equal(simulation.Prefetches, a.Issued);
        Assert.InRange(a.Used + a.Late + a.Wasted, a.Issued - 100, a.Issued);
    }

    [Fact]
    public void Small_memories_are_left_alone()
    {
        var trace = Enumerable.Range(0, 50_000).Select(static i => (ulong)i).ToArray();
        using var simulation = new PrefetchSimulation(new() { Capacity = Prefetcher.LeastCapacity - 1 });
        Feed(simulation, trace, areNumbers: true);
        Assert.Equal((trace.Length, 0L), (simulation.Misses, simulation.Prefetches));
    }

    /// <summary>Percent of misses that are cut, as measured before; two points less are allowed.</summary>
    [Theory]
    [InlineData("cloudphysics-io.sized.txt.gz", 489, 48.3)]
    [InlineData("cloudphysics-io.sized.txt.gz", 2448, 52.8)]
    [InlineData("cloudphysics-io.sized.txt.gz", 4897, 53.4)]
    public void A_trace_of_a_disk_is_cut_as_measured_before(string file, int capacity, double cut)
    {
        var path = Traces.Find(file);
        Assert.SkipWhen(path is null, $"{file} is neither in LEVEE_TRACES nor in a shared/traces folder beside the repository.");
        using var reader = new StreamReader(new System.IO.Compression.GZipStream(File.OpenRead(path!), System.IO.Compression.CompressionMode.Decompress));
        var trace = new List<ulong>();
        while (reader.ReadLine() is { } line)
        {
            trace.Add(ulong.Parse(line.Split(' ')[0]));
        }

        var (bare, on) = Run([.. trace], areNumbers: true, capacity);
        Assert.InRange(100.0 * (bare.Misses - on.Misses) / bare.Misses, cut - 2, 100);
    }

    private static long Hits(PrefetchSimulation simulation) => simulation.Requests - simulation.Misses;

    private static (PrefetchSimulation Bare, PrefetchSimulation On) Run(ulong[] trace, bool areNumbers, int capacity = Capacity)
    {
        using var bare = new PrefetchSimulation(new() { Capacity = capacity, IsOn = false });
        using var on = new PrefetchSimulation(new() { Capacity = capacity });
        Feed(bare, trace, areNumbers);
        Feed(on, trace, areNumbers);
        on.CheckInvariants();
        Assert.InRange(bare.Misses, 1, trace.Length);
        return (bare, on);
    }

    private static void Feed(PrefetchSimulation simulation, ReadOnlySpan<ulong> trace, bool areNumbers)
    {
        foreach (var id in trace)
        {
            simulation.Access(id, areNumbers);
        }
    }

    /// <summary>Scans, a loop, and what is used often, in turns.</summary>
    private static ulong[] Mixed(int count)
    {
        var random = new Random(12);
        var trace = new List<ulong>();
        var loop = 0L;
        while (trace.Count < count)
        {
            var start = (ulong)random.Next(1 << 30);
            for (var i = random.Next(5, 200); i > 0; i--)
            {
                trace.Add((1UL << 31) | (ulong)random.Next(100));
                trace.Add((1UL << 30) + (ulong)(loop++ % 700 * 7919));
                trace.Add(start += 3);
            }
        }

        return [.. trace];
    }

    private static IEnumerable<int> Zipf(Random random, int keys, double exponent)
    {
        var sums = new double[keys];
        for (var i = 0; i < keys; i++)
        {
            sums[i] = (i == 0 ? 0 : sums[i - 1]) + Math.Pow(i + 1, -exponent);
        }

        while (true)
        {
            var place = Array.BinarySearch(sums, random.NextDouble() * sums[^1]);
            yield return place < 0 ? ~place : place;
        }
    }

    private static ulong Mix(ulong id)
    {
        id = (id ^ (id >> 30)) * 0xBF58476D1CE4E5B9;
        id = (id ^ (id >> 27)) * 0x94D049BB133111EB;
        return id ^ (id >> 31);
    }
}
