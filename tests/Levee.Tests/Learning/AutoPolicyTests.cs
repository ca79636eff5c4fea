using Levee.Learning;
using Levee.Testing;
using Xunit;

namespace Levee.Tests.Learning;

/// <summary>"auto" as a whole, on streams whose best policy is known.</summary>
public sealed class AutoPolicyTests
{
    [Fact]
    public void A_loop_that_is_larger_than_the_cache_ends_near_what_LIRS_makes_of_it()
    {
        var keys = Enumerable.Range(0, 400_000).Select(i => (ulong)(i % 3000)).ToArray();
        using var auto = Run("auto", 2000, keys);
        using var arc = Run("arc", 2000, keys);
        Assert.True(arc.HitRatio < 0.05 && auto.HitRatio > 0.6, $"{arc.HitRatio} {auto.HitRatio}");
        auto.CheckInvariants();
    }

    [Fact]
    public void When_the_regime_changes_so_does_the_policy_and_neither_part_is_lost()
    {
        ulong[] loop = [.. Enumerable.Range(0, 300_000).Select(i => (ulong)(i % 3000))];
        ulong[] twice = [.. Enumerable.Range(0, 600_000).Select(i => (ulong)(10_000 + (i / 2) + (i % 2 == 0 ? 700 : 0)))]; // Each key comes twice, 700 keys apart: LIRS has let go of it by then.
        ulong[] keys = [.. loop, .. twice, .. loop];
        using var auto = Run("auto", 2000, keys);
        var best = new[] { "arc", "s3-fifo", "w-tinylfu", "lirs" }.Max(policy => HitRatio(policy, 2000, keys));
        Assert.True(auto.HitRatio > best + 0.05, $"{auto.HitRatio}, the best alone {best}");
        Assert.InRange(auto.Switches.Count, 2, 6);
        Assert.Equal(auto.Switches.OrderBy(change => change.AtRequest), auto.Switches);
        auto.CheckInvariants();
    }

    [Fact]
    public void An_adversary_that_flips_between_a_loop_and_recency_costs_little()
    {
        var random = new Random(5);
        var keys = new List<ulong>();
        for (var turn = 0; turn < 60; turn++)
        {
            keys.AddRange(Enumerable.Range(0, 12_000).Select(i => turn % 2 == 0 ? (ulong)(i % 3000) : (ulong)(1_000_000 + (turn * 2000) + (i / 6) + random.Next(1500))));
        }

        ulong[] all = [.. keys];
        using var auto = Run("auto", 2000, all);
        var arc = HitRatio("arc", 2000, all);
        Assert.True(auto.HitRatio > arc - 0.01, $"auto {auto.HitRatio}, arc {arc}, {auto.Switches.Count} switches");
    }

    [Fact]
    public void The_same_stream_gives_the_same_switches()
    {
        var random = new Random(5);
        ulong[] keys = [.. Enumerable.Range(0, 300_000).Select(i => i / 50_000 % 2 == 0 ? (ulong)(i % 3000) : (ulong)(random.NextDouble() * random.NextDouble() * 20_000))];
        using var one = Run("auto", 2000, keys);
        using var two = Run("auto", 2000, keys);
        Assert.Equal(one.Hits, two.Hits);
        Assert.Equal(one.Switches, two.Switches);
        Assert.Equal(one.ExtraOperations, two.ExtraOperations);
    }

    [Theory]
    [InlineData("lirs-ps.txt.gz", 617)]
    [InlineData("web07.txt.gz", 1024)]
    public void Real_traces_end_near_the_best_candidate(string file, int capacity)
    {
        var path = Traces.Find(file);
        Assert.SkipWhen(path is null, $"{file} is not here");
        var keys = ReadKeys(path!);
        var best = new[] { "arc", "s3-fifo", "w-tinylfu", "lirs" }.Max(policy => HitRatio(policy, capacity, keys));
        Assert.InRange(HitRatio("auto", capacity, keys), best - 0.03, 1);
    }

    [Fact]
    public void With_sizes_and_objects_as_the_objective_small_entries_are_kept()
    {
        var random = new Random(9);
        var requests = Enumerable.Range(0, 400_000).Select(_ => (ulong)(random.NextDouble() * random.NextDouble() * 30_000)).Select(key => (Key: key, Bytes: key % 4 == 0 ? 20_000 : 200)).ToArray();
        using var auto = new PolicySimulation("auto", 4 << 20, CapacityUnit.Bytes, 20_000, 5000, PolicyObjective.Objects);
        using var arc = new PolicySimulation("arc", 4 << 20, CapacityUnit.Bytes, 20_000);
        foreach (var (key, bytes) in requests)
        {
            auto.Access(key, bytes);
            arc.Access(key, bytes);
        }

        Assert.True(auto.HitRatio > arc.HitRatio + 0.05, $"{auto.HitRatio} {arc.HitRatio}");
        Assert.Equal("gdsf", auto.Switches[^1].Policy);
        auto.CheckInvariants();
    }

    private static double HitRatio(string policy, long capacity, ulong[] keys)
    {
        using var simulation = Run(policy, capacity, keys);
        return simulation.HitRatio;
    }

    private static PolicySimulation Run(string policy, long capacity, ulong[] keys)
    {
        var simulation = new PolicySimulation(policy, capacity);
        foreach (var key in keys)
        {
            simulation.Access(key);
        }

        return simulation;
    }

    private static ulong[] ReadKeys(string path)
    {
        using var reader = new StreamReader(new System.IO.Compression.GZipStream(File.OpenRead(path), System.IO.Compression.CompressionMode.Decompress));
        var numbers = new Dictionary<string, ulong>(StringComparer.Ordinal);
        List<ulong> keys = [];
        while (reader.ReadLine() is { } line)
        {
            if (!numbers.TryGetValue(line, out var number))
            {
                numbers.Add(line, number = (ulong)numbers.Count);
            }

            keys.Add(number);
        }

        return [.. keys];
    }
}
