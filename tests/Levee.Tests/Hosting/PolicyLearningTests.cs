using Levee.Hosting;
using Levee.Learning;
using Levee.Operations;
using Levee.Partitions;
using Levee.Testing;
using Xunit;

namespace Levee.Tests.Hosting;

/// <summary>A host whose policy is "auto", or is changed while it runs.</summary>
public sealed class PolicyLearningTests
{
    private static readonly CacheOptions Auto = new() { MemoryBytes = 4L << 20, Partitions = 2, Policy = "auto", IsTiny = true };

    [Fact]
    public async Task A_scan_resistant_workload_is_seen_decided_and_shown()
    {
        var time = new ManualTime();
        await using var host = new LockHost(Auto with { Policy = "lru" }, time, maintains: false);
        host.Configure(Auto);
        Assert.Equal("lirs", host.PolicyInForce.Policy);

        // A loop of twice the memory: with LRU there is no hit at all.
        for (var round = 0; round < 12; round++)
        {
            for (var i = 0; i < 20_000; i++)
            {
                ReadThrough(host, $"key:{i}");
                if (i % 500 == 0)
                {
                    host.MaintainOnce();
                }
            }
        }

        var settled = 0;
        while (host.MaintainOnce() && settled < 10_000)
        {
            settled++;
        }

        host.CheckInvariants();
        var shown = Statistics(host);
        Assert.NotNull(shown.Learning);
        Assert.NotEqual("lru", host.PolicyInForce.Policy);
        Assert.Equal(host.PolicyInForce.Policy, shown.Policy);
        Assert.Equal((host.PolicyInForce.Number, host.PolicyInForce.Reason), (shown.Learning.Switch, shown.Learning.Reason));
        Assert.NotEmpty(shown.Learning.Candidates);
        Assert.Equal(0, Statistics(host).Refusals);
    }

    [Fact]
    public async Task The_policy_can_be_configured_while_it_runs_and_nothing_is_lost()
    {
        await using var host = new LockHost(Auto with { Policy = "arc" }, new ManualTime(), maintains: false);
        for (var i = 0; i < 500; i++)
        {
            Set(host, $"key:{i}", 100);
        }

        foreach (var policy in new[] { "lirs", "w-tinylfu", "gdsf", "s3-fifo", "lru", "auto", "arc" })
        {
            host.Configure(host.Options with { Policy = policy });
            while (host.MaintainOnce())
            {
            }

            host.CheckInvariants();
            var statistics = Statistics(host);
            Assert.Equal(policy == "auto" ? "lirs" : policy, statistics.Policy);
            Assert.Equal(500, statistics.Entries);
            Assert.Equal(policy == "auto", host.PolicyLearning is not null);
        }
    }

    [Fact]
    public async Task A_told_host_follows_verdicts_in_order_and_reports_what_it_saw()
    {
        await using var host = new LockHost(Auto, new ManualTime(), maintains: false);
        Assert.Null(host.TakePolicyReport());
        for (var i = 0; i < 30_000; i++)
        {
            ReadThrough(host, $"key:{i % 9000}");
            if (i % 200 == 0)
            {
                host.MaintainOnce();
            }
        }

        var report = host.TakePolicyReport();
        Assert.NotNull(report);
        Assert.Equal(0, host.PolicyInForce.Number);
        host.SetPolicy(new PolicyVerdict(new PolicySwitch(4, "s3-fifo", "told"), report.Hits));
        host.SetPolicy(new PolicyVerdict(new PolicySwitch(3, "arc", "late"), []));
        while (host.MaintainOnce())
        {
        }

        Assert.Equal("s3-fifo", Statistics(host).Policy);
        Assert.Equal(4, host.PolicyInForce.Number);
        host.CheckInvariants();
    }

    /// <summary>Over tiers nothing is written again: what a read brings up is all that models can hold.</summary>
    [Fact]
    public async Task Reads_that_a_tier_answers_are_learnt_from_as_they_weigh()
    {
        var tier = new FakeTier();
        for (var i = 0; i < 9000; i++)
        {
            tier.Put($"key:{i}", new string('v', 200));
        }

        await using var host = new LockHost(Auto, new ManualTime(), tier, seed: 1, maintains: false);
        Assert.Null(host.TakePolicyReport());
        for (var i = 0; i < 60_000; i++)
        {
            host.Submit(TestBed.On($"key:{i % 9000}", OperationKind.Get), new CopyingSink(), 1);
            while (tier.Pending.Count > 0)
            {
                tier.Complete();
            }

            if (i % 200 == 0)
            {
                host.MaintainOnce();
            }
        }

        var report = host.TakePolicyReport();
        Assert.NotNull(report);
        Assert.All(report.Hits, static candidate => Assert.True(candidate.Worth > 0.3 * 40_000, $"{candidate.Policy} would have saved {candidate.Worth}"));
        Assert.InRange(Statistics(host).Waits, 9000, 40_000);
    }

    [Fact]
    public void A_partition_s_samples_are_bounded_and_what_is_dropped_is_counted()
    {
        using var bed = new TestBed();
        bed.Partition.SampleBelow(uint.MaxValue);
        for (var i = 0; i < Partition.MostSamples + 5; i++)
        {
            bed.Get($"key:{i}");
        }

        var into = new PolicySample[Partition.MostSamples];
        Assert.Equal(Partition.MostSamples, bed.Partition.TakeSamples(into));
        Assert.Equal(5, bed.Partition.SamplesDropped);
        Assert.Equal(0, bed.Partition.TakeSamples(into));
        bed.Set("a", "1"u8, expiresAt: bed.Now + 1000);
        bed.Get("a");
        bed.Delete("a");
        Assert.Equal(3, bed.Partition.TakeSamples(into));
        Assert.Equal([PolicySampleKind.Store, PolicySampleKind.Read, PolicySampleKind.Remove], into[..3].Select(sample => sample.Kind));
        Assert.Equal(bed.Now + 1000, into[0].ExpiresAt);
        Assert.True(into[0].Weight > 0 && into[0].Weight == into[1].Weight);
        bed.Set("b", "1"u8);
        bed.Do(new Operation { Kind = OperationKind.Clear });
        Assert.Equal(1, bed.Partition.TakeSamples(into));
        Assert.Equal(PolicySampleKind.Clear, into[0].Kind);
        bed.Partition.SampleBelow(0);
        bed.Get("b");
        Assert.Equal(0, bed.Partition.TakeSamples(into));
    }

    private static void ReadThrough(LockHost host, string key)
    {
        var sink = new CopyingSink();
        host.Submit(TestBed.On(key, OperationKind.Get), sink, 1);
        if (sink.Last.Outcome != Outcome.Hit)
        {
            Set(host, key, 200);
        }
    }

    private static void Set(LockHost host, string key, int length)
    {
        var operation = TestBed.On(key, OperationKind.Set);
        operation.Value = new byte[length];
        host.Submit(operation, new CopyingSink(), 1);
    }

    private static PartitionStatistics Statistics(LockHost host)
    {
        var sum = new PartitionStatistics();
        for (var i = 0; i < host.PartitionCount; i++)
        {
            var sink = new CopyingSink();
            host.Submit(new Operation { Kind = OperationKind.Statistics, Partition = i }, sink, 1);
            sum += sink.Last.Statistics!;
        }

        return sum;
    }
}
