using Levee.Eviction;
using Levee.Learning;
using Xunit;

namespace Levee.Tests.Learning;

/// <summary>Caches in small: what they count, how they follow TTL, weights and removal, what they cost.</summary>
public sealed class PolicyMiniaturesTests
{
    private static readonly string[] Four = ["arc", "s3-fifo", "w-tinylfu", "lirs"];

    [Fact]
    public void A_fill_is_no_use_of_its_own_and_counts_its_weight_once()
    {
        using var small = new PolicyMiniatures(MissCost.Bytes, Four, 1000, 100, "arc");
        small.Take(new PolicySample(1, 0, 0, PolicySampleKind.Read), 0);
        small.Take(new PolicySample(1, long.MaxValue, 10, PolicySampleKind.Store), 0);
        small.Take(new PolicySample(1, long.MaxValue, 10, PolicySampleKind.Read), 0);
        var report = small.TakeReport(1, default)!;
        Assert.Equal((2L, 20.0), (report.Reads, report.Worth));
        Assert.All(report.Hits, hits => Assert.Equal(10, hits.Worth));
        small.CheckInvariants();
    }

    [Fact]
    public void What_has_expired_was_removed_or_was_cleared_is_no_hit()
    {
        using var small = new PolicyMiniatures(MissCost.Objects, Four, 1000, 100, "arc");
        var first = 5UL << 60;
        small.Take(new PolicySample(1, 50, 10, PolicySampleKind.Store), 0);
        small.Take(new PolicySample(2, long.MaxValue, 10, PolicySampleKind.Store), 0);
        small.Take(new PolicySample(first, long.MaxValue, 10, PolicySampleKind.Store), 0);
        small.Take(new PolicySample(4, long.MaxValue, 10, PolicySampleKind.Store), 0);
        small.Take(new PolicySample(2, 0, 0, PolicySampleKind.Remove), 0);
        small.Take(new PolicySample(first, 0, 0, PolicySampleKind.Clear), 0, partitionShift: 60);
        foreach (var key in new ulong[] { 1, 2, first, 4 })
        {
            small.Take(new PolicySample(key, 0, 0, PolicySampleKind.Read), 50);
        }

        Assert.All(small.TakeReport(1, default)!.Hits, hits => Assert.Equal(1, hits.Worth));
        small.CheckInvariants();
    }

    [Theory]
    [InlineData(200)]
    [InlineData(1000)]
    [InlineData(5000)]
    [InlineData(100_000)]
    [InlineData(2_000_000)]
    public void The_work_stays_within_its_bound_in_caches_of_all_sizes(long entries)
    {
        using var small = new PolicyMiniatures(MissCost.Objects, Four, entries, entries, "arc");
        var random = new Random(1);
        var requests = 0L;
        for (; requests < 3_000_000; requests++)
        {
            var hash = Hash((ulong)(Math.Pow(random.NextDouble(), 3) * entries * 5));
            if ((uint)hash < small.SampleBelow)
            {
                small.Take(new PolicySample(hash, long.MaxValue, 1, PolicySampleKind.Read), 0);
            }

            if (requests % 256 == 0)
            {
                small.Pace(requests);
            }
        }

        // A burst that has begun is ended.
        var most = (PolicyMiniatures.MostWork * requests) + PolicyMiniatures.WorkAtStart;
        Assert.InRange(small.Operations, requests / 100, most + (60 * Math.Max(entries, 500) / small.Rate * 5));
        small.CheckInvariants();
    }

    [Fact]
    public void More_memory_is_said_to_have_more_hits()
    {
        using var small = new PolicyMiniatures(MissCost.Objects, Four, 200_000, 200_000, "arc");
        var random = new Random(1);
        for (var i = 0; i < 2_000_000; i++)
        {
            var hash = Hash((ulong)random.Next(800_000));
            if ((uint)hash < small.SampleBelow)
            {
                small.Take(new PolicySample(hash, long.MaxValue, 1, PolicySampleKind.Read), 0);
            }
        }

        var ratios = small.WhatIfs.ToDictionary(size => size.Factor, size => size.HitRatio);
        Assert.Equal([0.25, 0.5, 1, 2, 4, 8], ratios.Keys);
        Assert.InRange(ratios[0.25], 0.02, 0.12);
        Assert.InRange(ratios[1], 0.15, 0.35);
        Assert.InRange(ratios[2], 0.35, 0.65);
        Assert.True(ratios[8] > ratios[2], $"{ratios[8]}");
    }

    [Fact]
    public void What_a_miniature_has_learnt_of_its_target_is_reported()
    {
        using var small = new PolicyMiniatures(MissCost.Objects, ["lirs", "w-tinylfu"], 500, 500, "lirs");
        small.Take(new PolicySample(1, long.MaxValue, 1, PolicySampleKind.Read), 0);
        var hits = small.TakeReport(1, default)!.Hits;
        Assert.Equal(0, hits[0].Target);
        Assert.InRange(hits[1].Target, 0.005, 0.02);
    }

    private static ulong Hash(ulong key)
    {
        key *= 0x9E3779B97F4A7C15;
        key = (key ^ (key >> 30)) * 0xBF58476D1CE4E5B9;
        key = (key ^ (key >> 27)) * 0x94D049BB133111EB;
        return key ^ (key >> 31);
    }
}
