using System.Text;
using Levee.Operations;
using Levee.Partitions;
using Levee.Tiers.Segments;
using Xunit;

namespace Levee.Tiers.Tests.Segments;

/// <summary>Writes that go through over an acknowledged entry: until they are committed, what a killed process leaves is the old value or the new one.</summary>
public sealed class SegmentThroughTests
{
    [Fact]
    public async Task Killed_before_the_commit_the_old_value_is_there_and_after_it_the_new_one()
    {
        await using var rig = await new TierRig().StartAsync();
        await OldAsync(rig);
        Write(rig, "a", "2", 2);
        Assert.Equal("2", await rig.ReadAsync("a"));
        await AssertLeftAsync(rig, "a", "1");
        await rig.Tier.CommitAsync();
        await AssertLeftAsync(rig, "a", "2");
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task While_recovering_too(bool isDeleted)
    {
        await using var rig = await new TierRig().StartAsync();
        await OldAsync(rig);
        var moments = 0;
        await using var next = rig.Killed();
        await next.StartAsync(recovers: false);
        Write(next, "a", "2", 2);
        if (isDeleted)
        {
            next.Invalidate("a", 2);
        }

        await AssertLeftAsync(next, "a", isDeleted ? null : "1");
        var left = new List<TierRig>();
        next.Failpoint = moment =>
        {
            if (moment.StartsWith("recover:", StringComparison.Ordinal))
            {
                moments++;
                left.Add(next.Killed());
            }
        };
        await next.Tier.StepAsync();
        Assert.True(moments >= 3, $"{moments} moments of recovery");
        await AssertLeftAsync(left, "a", isDeleted ? [null] : ["1", "2"]);
        Assert.Equal(isDeleted ? null : "2", await next.ReadAsync("a"));
        await AssertLeftAsync(next, "a", isDeleted ? null : "2");
        next.Tier.Log.CheckInvariants();
    }

    [Theory]
    [InlineData("begin")]
    [InlineData("carrying")]
    [InlineData("before-retired")]
    [InlineData("after-retired")]
    [InlineData("after-forget")]
    [InlineData("after-delete")]
    public async Task While_the_segment_of_the_old_value_is_reclaimed_it_is_never_a_miss(string moment)
    {
        await using var rig = await new TierRig { CapacityBytes = 320 << 10 }.StartAsync();
        await OldAsync(rig);
        Assert.Equal("1", await rig.ReadAsync("a"));
        var isWritten = false;
        var left = new List<TierRig>();
        rig.Failpoint = at =>
        {
            if (at == "reclaim:" + moment && !isWritten)
            {
                isWritten = true;
                Assert.True(rig.Tier.MayHold(TierRig.HashOf("a")), "it is carried over");
                Write(rig, "a", "2", 2);
            }

            if (isWritten)
            {
                left.Add(rig.Killed());
            }
        };
        for (var round = 0; !isWritten && round < 20; round++)
        {
            await FillAsync(rig, $"r{round}");
        }

        Assert.True(isWritten, "the generator reached the moment");
        rig.Failpoint = null;
        await AssertLeftAsync(left, "a", ["1", "2"]);
        await rig.Tier.CommitAsync();
        Assert.Equal("2", await rig.ReadAsync("a"));
        await AssertLeftAsync(rig, "a", "2");
        rig.Tier.Log.CheckInvariants();
    }

    [Theory]
    [InlineData("begin")]
    [InlineData("carrying")]
    [InlineData("before-retired")]
    [InlineData("after-retired")]
    [InlineData("after-delete")]
    public async Task While_it_is_cleaned_neither(string moment)
    {
        await using var rig = new TierRig
        {
            CapacityBytes = 320 << 10,
            Options = new SegmentTierOptions { SegmentBytes = 64 << 10, BufferBytes = 256 << 10, RunsLoops = false, CleanBelow = 0.4, CleanWhenOldestAbove = 0.1 },
        };
        await rig.StartAsync();
        await FillAsync(rig, "old");
        rig.Demote("a", "1");
        await FillAsync(rig, "middle");
        for (var i = 0; i < 50; i++)
        {
            rig.Invalidate($"middle-{i}");
        }

        Assert.Equal("1", await rig.ReadAsync("a"));
        var isWritten = false;
        var left = new List<TierRig>();
        rig.Failpoint = at =>
        {
            if (at == "clean:" + moment && !isWritten)
            {
                isWritten = true;
                Assert.True(rig.Tier.MayHold(TierRig.HashOf("a")), "it is carried over");
                Write(rig, "a", "2", 2);
            }

            if (isWritten)
            {
                left.Add(rig.Killed());
            }
        };
        for (var round = 0; !isWritten && round < 5; round++)
        {
            await FillAsync(rig, $"new{round}");
        }

        Assert.True(isWritten, "the generator reached the moment");
        rig.Failpoint = null;
        await AssertLeftAsync(left, "a", ["1", "2"]);
        await rig.Tier.CommitAsync();
        await AssertLeftAsync(rig, "a", "2");
        rig.Tier.Log.CheckInvariants();
    }

    [Fact]
    public async Task A_log_at_its_capacity_takes_the_writes_for_which_its_oldest_segment_is_kept()
    {
        await using var rig = await new TierRig { CapacityBytes = 256 << 10 }.StartAsync();
        await OldAsync(rig);
        Assert.Equal(0, rig.Tier.Log.Counters.Reclaimed);
        for (var i = 0; i < 235; i++)
        {
            Write(rig, $"written-{i}", new string('w', 900), 2);
        }

        Write(rig, "a", "2", 2);
        await rig.Tier.CommitAsync();
        Assert.True(rig.Tier.IsCommitted);
        Assert.Equal("2", await rig.ReadAsync("a"));
        await AssertLeftAsync(rig, "a", "2");
        await rig.Tier.StepAsync();
        Assert.InRange(rig.Tier.GetStatistics().HeldBytes, 0, 256 << 10);
        rig.Tier.Log.CheckInvariants();
    }

    [Fact]
    public async Task Deleted_before_it_is_written_nothing_older_comes_back()
    {
        await using var rig = await new TierRig().StartAsync();
        await OldAsync(rig);
        Write(rig, "a", "2", 2);
        rig.Invalidate("a", 2);
        Assert.Null(await rig.ReadAsync("a"));
        await AssertLeftAsync(rig, "a", null);
        await rig.Tier.CommitAsync();
        await AssertLeftAsync(rig, "a", null);
    }

    [Theory]
    [InlineData("expired")]
    [InlineData("removed by tag")]
    [InlineData("cleared")]
    public async Task Dead_before_it_is_written_nothing_older_comes_back(string death)
    {
        await using var rig = await new TierRig().StartAsync();
        await OldAsync(rig);
        var key = "a"u8.ToArray();
        var expiresAt = death == "expired" ? rig.Time.Milliseconds + 1500 : Limits.Never;
        Assert.True(rig.Tier.TryWriteThrough(new TierEntry { Hash = TierRig.HashOf("a"), Key = key, Value = "2"u8, Version = 2, ExpiresAt = expiresAt, Tags = Levee.Testing.TestBed.Pack("red") }));
        switch (death)
        {
            case "expired":
                rig.Time.Advance(5000);
                break;
            case "cleared":
                rig.Tier.Clear(TestHost.PartitionOf(TierRig.HashOf("a")), 3);
                break;
            default:
                rig.Tier.RemoveByTag(TestHost.PartitionOf(TierRig.HashOf("a")), "red"u8, 3);
                break;
        }

        await rig.Tier.CommitAsync();
        Assert.Null(await rig.ReadAsync("a"));
        await AssertLeftAsync(rig, "a", null);
        rig.Tier.Log.CheckInvariants();
    }

    [Fact]
    public async Task What_a_clean_stop_takes_down_last_is_there_though_the_log_was_full()
    {
        await using var rig = await new TierRig { CapacityBytes = 256 << 10 }.StartAsync();
        await FillAsync(rig, "a");
        await FillAsync(rig, "b");
        for (var i = 0; i < 150; i++)
        {
            rig.Demote($"hot-{i}", new string('h', 900));
        }

        await rig.Tier.StopAsync(CancellationToken.None);
        await using var next = await RoomyAsync(rig.Killed());
        for (var i = 50; i < 150; i++)
        {
            Assert.NotNull(await next.ReadAsync($"hot-{i}"));
        }
    }

    /// <summary>Key "a" with value "1" lies in segment 1, which is sealed.</summary>
    private static async Task OldAsync(TierRig rig)
    {
        rig.Demote("a", "1");
        await FillAsync(rig, "first");
    }

    private static async Task FillAsync(TierRig rig, string name)
    {
        for (var i = 0; i < 50; i++)
        {
            rig.Demote($"{name}-{i}", new string('f', 900));
        }

        await rig.Tier.StepAsync();
        rig.Time.Advance(61_000);
        await rig.Tier.StepAsync();
    }

    private static void Write(TierRig rig, string key, string value, ulong version) =>
        Assert.True(rig.Tier.TryWriteThrough(new TierEntry { Hash = TierRig.HashOf(key), Key = Encoding.UTF8.GetBytes(key), Value = Encoding.UTF8.GetBytes(value), Version = version, ExpiresAt = Limits.Never }));

    /// <summary>The next owner, with so much room that it gives nothing up by itself.</summary>
    private static Task<TierRig> RoomyAsync(TierRig killed) => new TierRig(killed.Store, killed.Folder, killed.Time) { Options = killed.Options, Host = killed.Host }.StartAsync();

    private static Task AssertLeftAsync(TierRig rig, string key, string? expected) => AssertLeftAsync([rig.Killed()], key, [expected]);

    private static async Task AssertLeftAsync(List<TierRig> left, string key, string?[] allowed)
    {
        Assert.NotEmpty(left);
        foreach (var killed in left)
        {
            await using var next = await RoomyAsync(killed);
            Assert.Contains(await next.ReadAsync(key), allowed);
            next.Tier.Log.CheckInvariants();
        }
    }
}
