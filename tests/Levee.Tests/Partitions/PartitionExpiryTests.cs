using System.Text;
using Levee.Operations;
using Levee.Testing;
using Xunit;

namespace Levee.Tests.Partitions;

public sealed class PartitionExpiryTests
{
    [Fact]
    public void An_entry_lives_up_to_its_instant_and_a_clock_that_goes_back_revives_nothing()
    {
        using var bed = new TestBed();
        var due = bed.Now + 1000;
        bed.Set("k", "v"u8, due);
        bed.Set("j", "v"u8, due);
        bed.Now = due - 1;
        Assert.Equal(Outcome.Hit, bed.Get("k").Outcome);
        bed.Now = due;
        Assert.Equal(Outcome.Miss, bed.Get("k").Outcome);
        bed.Now = due - 1;
        Assert.Equal(Outcome.Miss, bed.Get("j").Outcome);
    }

    [Fact]
    public void A_sliding_entry_moves_with_each_use_and_never_beyond_its_cap()
    {
        using var bed = new TestBed();
        var start = bed.Now;
        bed.Set("capped", "v"u8, start + 2500, slidingMs: 1000);
        bed.Set("free", "v"u8, slidingMs: 1000);
        for (var i = 1; i <= 3; i++)
        {
            bed.Now = start + (i * 800);
            Assert.Equal(Math.Min(bed.Now + 1000, start + 2500), bed.Get("capped").Entry!.ExpiresAt);
            Assert.Equal(bed.Now + 1000, bed.Get("free").Entry!.ExpiresAt);
            Assert.Equal(bed.Now + 1000, bed.Peek("free").Entry!.ExpiresAt);
        }

        bed.Now = start + 2500;
        Assert.Equal(Outcome.Miss, bed.Get("capped").Outcome);
        Assert.Equal(Outcome.Hit, bed.Get("free").Outcome);
    }

    [Fact]
    public void A_sliding_ttl_that_never_ends_is_no_ttl()
    {
        using var bed = new TestBed();
        bed.Set("k", "v"u8, slidingMs: long.MaxValue);
        Assert.Equal(Limits.Never, bed.Get("k").Entry!.ExpiresAt);
        Assert.Equal("v", Encoding.ASCII.GetString(bed.Get("k").Entry!.Value));
    }

    [Fact]
    public void Jitter_takes_off_up_to_what_was_said_and_spreads()
    {
        using var bed = new TestBed();
        var early = Enumerable.Range(0, 1000).Select(i => bed.Now + 10_000 - bed.Set($"{i}", "v"u8, bed.Now + 10_000, jitterMs: 100).Entry!.ExpiresAt).ToList();
        Assert.Equal((0, 100), (early.Min(), early.Max()));
        Assert.InRange(early.Distinct().Count(), 90, 101);
    }

    [Fact]
    public void What_expires_together_is_reclaimed_in_one_pass_of_small_slices()
    {
        using var bed = new TestBed(8 << 20);
        for (var i = 0; i < 30_000; i++)
        {
            bed.Set($"key:{i}", new byte[20], i % 3 == 0 ? 0 : bed.Now + 5000);
        }

        bed.MaintainAll();
        bed.Now += 5000;
        var slices = bed.MaintainAll();
        var statistics = bed.Partition.GetStatistics();
        Assert.Equal((10_000, 20_000), (statistics.Entries, statistics.Expirations));
        Assert.True(slices >= 20, $"only {slices} slices");
        bed.Partition.CheckInvariants();
    }

    [Fact]
    public void A_tag_sweep_takes_all_while_compaction_moves_records_and_removals_go_on()
    {
        using var bed = new TestBed(2 << 20);
        var random = new Random(1);
        for (var round = 0; round < 20; round++)
        {
            for (var i = 0; i < 3000; i++)
            {
                bed.Set($"key:{random.Next(8000)}", new byte[random.Next(300)], tags: [$"tag{i % 3}"]);
            }

            bed.Do(TestBed.On("tag0", OperationKind.RemoveByTag));
            bed.Partition.Maintain(bed.Now);
            for (var i = 0; i < 300; i++)
            {
                bed.Set($"new:{random.Next(2000)}", new byte[random.Next(2000)], tags: [$"tag{1 + (i % 2)}"]);
            }

            bed.Do(TestBed.On("tag1", OperationKind.RemoveByTag));
            bed.MaintainAll();
            var left = bed.Partition.GetStatistics().Entries;
            bed.Do(new Operation { Kind = OperationKind.Scan, Count = 1024 });
            Assert.All(bed.Sink.Answers[..^1], item => Assert.Equal(Encoding.Latin1.GetString(TestBed.Pack("tag2")), item.Entry!.Tags));
            Assert.InRange(left, 100, 8000);
            bed.Partition.CheckInvariants();
        }

        Assert.True(bed.Partition.GetStatistics().Invalidations > 5000);
    }
}
