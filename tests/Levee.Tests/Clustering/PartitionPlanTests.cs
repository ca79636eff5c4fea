using System.Diagnostics;
using System.Text;
using Levee.Clustering;
using Levee.Keys;
using Xunit;

namespace Levee.Tests.Clustering;

public sealed class PartitionPlanTests
{
    private static readonly int[] PartitionCounts = [1, 2, 16, 64, 256, 1024];

    /// <summary>Silos of other versions plan the same: these are stored, not computed.</summary>
    [Theory]
    [InlineData("default", 16, "a b c", "acbaabbcccabcbab")]
    [InlineData("default", 16, "a b", "abbaabbaabababab")]
    [InlineData("sessions", 16, "a b c", "aaabbacabbcbcccb")]
    [InlineData("größe", 8, "x y z", "zzzxxyyx")]
    public void Stored_samples_hold(string cache, int partitions, string silos, string expected)
    {
        var plan = PartitionPlan.Of(cache, partitions, silos.Split(' '));
        Assert.Equal(expected, string.Concat(Enumerable.Range(0, partitions).Select(plan.SiloOf)));
    }

    [Fact]
    public void A_large_plan_is_as_it_was_stored()
    {
        var plan = PartitionPlan.Of("default", 1024, Silos(37, 0));
        Assert.Equal(6624278380787220374UL, KeyHash.Of(Encoding.UTF8.GetBytes(string.Join(' ', Enumerable.Range(0, 1024).Select(plan.SiloOf)))));
    }

    [Fact]
    public void A_plan_is_the_literal_one_whatever_the_order_of_the_silos()
    {
        var random = new Random(1);
        foreach (var partitions in PartitionCounts.Take(5))
        {
            for (var n = 1; n <= 20; n++)
            {
                var silos = Silos(n, random.Next());
                var plan = PartitionPlan.Of("cache", partitions, silos);
                Assert.Equal(Literal("cache", partitions, silos), Enumerable.Range(0, partitions).Select(plan.SiloOf));
                random.Shuffle(silos);
                Assert.Empty(PartitionPlan.Moves(plan, PartitionPlan.Of("cache", partitions, silos)));
            }
        }
    }

    [Fact]
    public void No_silo_has_two_partitions_more_than_another()
    {
        foreach (var partitions in PartitionCounts)
        {
            foreach (var n in (int[])[1, 2, 3, 7, 20, 100])
            {
                var silos = Silos(n, n);
                var plan = PartitionPlan.Of("cache", partitions, silos);
                var loads = silos.Select(silo => plan.PartitionsOf(silo).Count).ToList();
                Assert.Equal(partitions, loads.Sum());
                Assert.InRange(loads.Max() - loads.Min(), 0, 1);
                Assert.All(silos, silo => Assert.All(plan.PartitionsOf(silo), partition => Assert.Equal(silo, plan.SiloOf(partition))));
            }
        }
    }

    /// <summary>A silo that comes or goes moves p / n, which none can avoid, and on average no more than the square root of p beyond; the worst case stays within twice that.</summary>
    [Fact]
    public void A_silo_that_comes_or_goes_moves_little_else()
    {
        const int Rounds = 12;
        foreach (var partitions in (int[])[64, 256, 1024])
        {
            for (var n = 2; n <= 20; n += 3)
            {
                var total = 0.0;
                for (var round = 0; round < Rounds; round++)
                {
                    var silos = Silos(n, (n * 100) + round);
                    var with = PartitionPlan.Of("cache", partitions, silos);
                    var gone = silos[round % n];
                    var without = PartitionPlan.Of("cache", partitions, silos.Where(silo => silo != gone));
                    var moves = PartitionPlan.Moves(with, without);
                    Assert.Equal(with.PartitionsOf(gone), moves.Where(move => move.From == gone).Select(move => move.Partition));
                    Assert.DoesNotContain(moves, move => move.To == gone);
                    Assert.Equal(moves.Select(move => (move.Partition, move.To, move.From)), PartitionPlan.Moves(without, with).Select(move => (move.Partition, move.From, move.To)));
                    Assert.InRange(moves.Count, partitions / n, ((double)partitions / n) + (2 * Math.Sqrt(partitions)));
                    total += moves.Count;
                }

                var bound = ((double)partitions / n) + Math.Sqrt(partitions);
                Assert.True(total / Rounds <= bound, $"{partitions} partitions, {n} silos: {total / Rounds} moves on average, allowed {bound}");
                if (partitions / n >= 50)
                {
                    Assert.True(total / Rounds <= 1.5 * partitions / n, $"{partitions} partitions, {n} silos: {total / Rounds} moves on average");
                }
            }
        }
    }

    [Fact]
    public void Two_caches_are_spread_differently()
    {
        var silos = Silos(8, 1);
        var one = PartitionPlan.Of("one", 256, silos);
        var other = PartitionPlan.Of("other", 256, silos);
        Assert.InRange(Enumerable.Range(0, 256).Count(partition => one.SiloOf(partition) == other.SiloOf(partition)), 10, 70);
    }

    [Fact]
    public void A_large_plan_is_made_in_little_time()
    {
        var silos = Silos(100, 1);
        var best = TimeSpan.MaxValue;
        for (var i = 0; i < 10; i++)
        {
            var began = Stopwatch.GetTimestamp();
            PartitionPlan.Of("cache", 1024, silos);
            var took = Stopwatch.GetElapsedTime(began);
            best = took < best ? took : best;
        }

        Assert.True(best < TimeSpan.FromMilliseconds(100), $"{best.TotalMilliseconds} ms");
    }

    [Fact]
    public void What_makes_no_plan_is_refused_by_name()
    {
        Assert.Contains("3 partitions", Assert.Throws<ArgumentException>(() => PartitionPlan.Of("c", 3, ["a"])).Message, StringComparison.Ordinal);
        Assert.Contains("0 partitions", Assert.Throws<ArgumentException>(() => PartitionPlan.Of("c", 0, ["a"])).Message, StringComparison.Ordinal);
        Assert.Contains("2048 partitions", Assert.Throws<ArgumentException>(() => PartitionPlan.Of("c", 2048, ["a"])).Message, StringComparison.Ordinal);
        Assert.Contains("0 silos", Assert.Throws<ArgumentException>(() => PartitionPlan.Of("c", 4, [])).Message, StringComparison.Ordinal);
        Assert.Contains("'a' is named twice", Assert.Throws<ArgumentException>(() => PartitionPlan.Of("c", 4, ["a", "b", "a"])).Message, StringComparison.Ordinal);
        Assert.Throws<ArgumentException>(() => PartitionPlan.Moves(PartitionPlan.Of("c", 4, ["a"]), PartitionPlan.Of("c", 8, ["a"])));
        Assert.Throws<ArgumentException>(() => PartitionPlan.Moves(PartitionPlan.Of("c", 4, ["a"]), PartitionPlan.Of("d", 4, ["a"])));
        Assert.Empty(PartitionPlan.Of("c", 4, ["a"]).PartitionsOf("b"));
    }

    [Fact]
    public void The_largest_plan_tells_its_pairs_apart()
    {
        var plan = PartitionPlan.Of("c", PartitionPlan.MaxPartitions, Silos(PartitionPlan.MaxSilos, 3));
        Assert.Equal(PartitionPlan.MaxPartitions, Enumerable.Range(0, PartitionPlan.MaxPartitions).Select(plan.SiloOf).Distinct().Count());
    }

    private static string[] Silos(int count, int seed) => [.. Enumerable.Range(0, count).Select(i => $"10.0.{seed % 7919}.{i}:11111@{seed}")];

    /// <summary>The definition, slowly.</summary>
    private static string[] Literal(string cache, int partitions, string[] silos)
    {
        var ordered = silos.Order(StringComparer.Ordinal).ToList();
        var pairs = from s in Enumerable.Range(0, silos.Length)
                    from p in Enumerable.Range(0, partitions)
                    let bytes = (byte[])[.. Little(KeyHash.Of(Encoding.UTF8.GetBytes(cache))), .. Little(KeyHash.Of(Encoding.UTF8.GetBytes(ordered[s]))), .. Little((ulong)p).Take(4)]
                    let hash = KeyHash.Of(bytes) & ((1UL << 42) - 1)
                    orderby hash descending, (s * partitions) + p descending
                    select (Silo: ordered[s], Partition: p);
        var owners = new string[partitions];
        foreach (var (silo, partition) in pairs)
        {
            var load = owners.Count(owner => owner == silo);
            var share = partitions / silos.Length;
            var above = ordered.Count(other => owners.Count(owner => owner == other) > share);
            if (owners[partition] is null && (load < share || (load == share && above < partitions % silos.Length)))
            {
                owners[partition] = silo;
            }
        }

        return owners;
    }

    private static byte[] Little(ulong value) => [.. Enumerable.Range(0, 8).Select(i => (byte)(value >> (8 * i)))];
}
