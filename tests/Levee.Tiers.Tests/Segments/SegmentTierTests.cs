using System.Globalization;
using System.Text;
using Levee.Memory;
using Levee.Operations;
using Levee.Partitions;
using Levee.Testing;
using Levee.Tiers.Segments;
using Levee.Tiers.Stores;
using Xunit;

namespace Levee.Tiers.Tests.Segments;

public sealed class SegmentTierTests
{
    [Fact]
    public async Task An_entry_is_found_in_the_buffer_in_the_open_segment_and_in_the_store()
    {
        await using var rig = await new TierRig().StartAsync();
        rig.Demote("a", "1");
        Assert.Equal("1", await rig.ReadAsync("a"));
        Assert.Equal("waiting to be written", rig.Tier.Explain(TierRig.HashOf("a"))!.Where);
        await rig.Tier.StepAsync();
        Assert.StartsWith("open segment", rig.Tier.Explain(TierRig.HashOf("a"))!.Where, StringComparison.Ordinal);
        Assert.Equal("1", await rig.ReadAsync("a"));
        rig.Time.Advance(61_000);
        await rig.Tier.StepAsync();
        Assert.Equal(1, rig.Store.Writes);
        Assert.StartsWith("segment 1", rig.Tier.Explain(TierRig.HashOf("a"))!.Where, StringComparison.Ordinal);
        var readsBefore = rig.Store.Reads;
        Assert.Equal("1", await rig.ReadAsync("a"));
        Assert.Equal(readsBefore + 1, rig.Store.Reads);
        Assert.True(rig.Store.LongestRead <= 64 * 1024);
        Assert.Null(await rig.ReadAsync("b"));
    }

    [Fact]
    public async Task What_is_stopped_cleanly_is_found_again()
    {
        await using var rig = await new TierRig().StartAsync();
        for (var i = 0; i < 1000; i++)
        {
            rig.Demote($"key-{i}", $"value-{i}");
        }

        await rig.Tier.StopAsync(CancellationToken.None);
        await using var next = await rig.Killed().StartAsync();
        for (var i = 0; i < 1000; i++)
        {
            Assert.Equal($"value-{i}", await next.ReadAsync($"key-{i}"));
        }

        Assert.Equal(1000, next.Tier.GetStatistics().Entries);
    }

    [Fact]
    public async Task While_it_recovers_every_hash_may_be_held_and_a_write_wins()
    {
        await using var rig = await new TierRig().StartAsync();
        rig.Demote("a", "1");
        rig.Demote("b", "1");
        await rig.Tier.StepAsync();
        await using var next = await rig.Killed().StartAsync(recovers: false);
        Assert.True(next.Tier.MayHold(TierRig.HashOf("never seen")));
        Assert.Null(await next.ReadAsync("a"));
        next.Invalidate("a");
        next.Demote("a", "2", 2);
        next.Invalidate("a", 2);
        await next.Tier.StepAsync();
        Assert.False(next.Tier.MayHold(TierRig.HashOf("never seen")));
        Assert.Null(await next.ReadAsync("a"));
        Assert.Equal("1", await next.ReadAsync("b"));
    }

    [Fact]
    public async Task A_million_demotions_of_200_bytes_cost_at_most_100_writes()
    {
        await using var rig = new TierRig
        {
            CapacityBytes = 1L << 30,
            Options = new SegmentTierOptions { RunsLoops = false, MaxStaged = 64 },
        };
        await rig.StartAsync();
        var value = new string('v', 200);
        for (var i = 0; i < 1_000_000; i++)
        {
            rig.Demote(string.Create(CultureInfo.InvariantCulture, $"key-{i}"), value);
            if (i % 20_000 == 0)
            {
                await rig.Tier.StepAsync();
            }
        }

        await rig.Tier.StopAsync(CancellationToken.None);
        Assert.Equal(0, rig.Tier.GetStatistics().Drops);
        Assert.InRange(rig.Store.Writes, 1, 100);
        Assert.Equal(value, await rig.ReadAsync("key-77"));
    }

    [Fact]
    public async Task Ten_demotions_a_second_for_an_hour_cost_at_most_150_writes()
    {
        await using var rig = new TierRig { Options = new SegmentTierOptions { RunsLoops = false } };
        await rig.StartAsync();
        for (var i = 0; i < 36_000; i++)
        {
            rig.Demote(string.Create(CultureInfo.InvariantCulture, $"key-{i}"), "value");
            rig.Time.Advance(100);
            if (i % 10 == 0)
            {
                await rig.Tier.StepAsync();
            }
        }

        Assert.InRange(rig.Store.Writes, 50, 150);
    }

    [Fact]
    public async Task Large_values_that_wait_wake_the_writer_though_the_buffer_has_only_their_references()
    {
        await using var rig = await new TierRig { Options = new SegmentTierOptions { LargeBytes = 1 << 20, RunsLoops = false } }.StartAsync();
        using var arena = new PageArena(8 << 20);
        var large = new LargeValueStore(arena, 1 << 20).TryCreate(new byte[100_000])!;
        rig.Tier.Demote(new TierEntry { Hash = TierRig.HashOf("a"), Key = "a"u8, Large = large, Version = 1, ExpiresAt = Limits.Never });
        Assert.False(rig.Tier.Log.IsFilling);
        rig.Tier.Demote(new TierEntry { Hash = TierRig.HashOf("b"), Key = "b"u8, Large = large, Version = 1, ExpiresAt = Limits.Never });
        Assert.True(rig.Tier.Log.IsFilling);
        await rig.Tier.StepAsync();
        Assert.False(rig.Tier.Log.IsFilling);
        large.Release();
    }

    [Fact]
    public async Task The_capacity_is_kept_and_what_was_read_stays()
    {
        await using var rig = new TierRig { CapacityBytes = 1 << 20 };
        await rig.StartAsync();
        rig.Demote("hot", "hot");
        var value = new string('v', 500);
        for (var i = 0; i < 20_000; i++)
        {
            rig.Demote($"key-{i}", value);
            if (i % 50 == 0)
            {
                Assert.Equal("hot", await rig.ReadAsync("hot"));
                await rig.Tier.StepAsync();
                Assert.InRange(rig.Tier.GetStatistics().HeldBytes, 0, 1 << 20);
                Assert.InRange(rig.Store.StoredBytes, 0, 1 << 20);
            }
        }

        var statistics = rig.Tier.GetStatistics();
        Assert.True(statistics.CarriedOver > 5);
        Assert.Equal(0, statistics.Drops);
        Assert.InRange(statistics.Entries, 500, 2000);
        rig.Tier.Log.CheckInvariants();
    }

    [Fact]
    public async Task A_store_that_fails_costs_demotions_and_nothing_that_was_taken()
    {
        await using var rig = await new TierRig { Options = new SegmentTierOptions { SegmentBytes = 64 << 10, BufferBytes = 128 << 10, RunsLoops = false, MaxStaged = 2 } }.StartAsync();
        rig.Store.IsBroken = true;
        var value = new string('v', 1000);
        for (var i = 0; i < 2000; i++)
        {
            rig.Demote($"key-{i}", value);
            if (i % 20 == 0)
            {
                await Assert.ThrowsAnyAsync<IOException>(StepAsync);
            }
        }

        Assert.True(rig.Tier.GetStatistics().Drops > 1000);
        Assert.Equal(TierHealth.Degraded, rig.Tier.GetStatistics().Health);
        for (var i = 0; rig.Tier.RemoveByTag(0, "tag"u8, (ulong)i); i++)
        {
            Assert.True(i < 6000, "the log is full at last");
        }

        rig.Invalidate("key-2");
        Assert.Equal(0, rig.Tier.Log.Counters.GenerationsGivenUp);
        Assert.Equal(value, await rig.ReadAsync("key-1"));
        Assert.Null(await rig.ReadAsync("key-2"));
        rig.Store.IsBroken = false;
        await rig.Tier.StepAsync();
        rig.Demote("again", "1");
        Assert.Equal("1", await rig.ReadAsync("again"));
        await rig.Tier.StepAsync();
        await using var next = await rig.Killed().StartAsync();
        Assert.Equal("1", await next.ReadAsync("again"));
        Assert.Equal(value, await next.ReadAsync("key-1"));
        Assert.Null(await next.ReadAsync("key-2"));

        async Task StepAsync()
        {
            await rig.Tier.StepAsync();
            throw new IOException();
        }
    }

    [Fact]
    public async Task A_write_through_is_committed_when_it_is_in_the_log()
    {
        await using var rig = await new TierRig { Fsync = true }.StartAsync();
        var key = "a"u8.ToArray();
        Assert.True(rig.Tier.TryWriteThrough(new TierEntry { Hash = TierRig.HashOf("a"), Key = key, Value = "1"u8, Version = 1, ExpiresAt = Limits.Never }));
        Assert.False(rig.Tier.IsCommitted);
        await rig.Tier.CommitAsync();
        Assert.True(rig.Tier.IsCommitted);
        await using var next = await rig.Killed().StartAsync();
        Assert.Equal("1", await next.ReadAsync("a"));
    }

    [Fact]
    public async Task A_scan_visits_everything_once_it_stays()
    {
        await using var rig = await new TierRig().StartAsync();
        for (var i = 0; i < 3000; i++)
        {
            rig.Demote($"key-{i}", new string('v', i % 700));
            if (i % 100 == 0)
            {
                await rig.Tier.StepAsync();
            }
        }

        rig.Demote("long", new string('v', 5000));
        rig.Invalidate("key-7");
        var seen = new HashSet<string>();
        var position = 0L;
        do
        {
            position = await rig.Tier.ScanAsync(position, (scoped in TierEntry entry) => seen.Add(Encoding.UTF8.GetString(entry.Key)), CancellationToken.None);
            await rig.Tier.StepAsync();
        }
        while (position != 0);

        Assert.Equal(3000, seen.Count);
        Assert.DoesNotContain("key-7", seen);
    }

    [Fact]
    public async Task A_value_longer_than_a_segment_gets_one_of_its_own()
    {
        await using var rig = await new TierRig { Options = new SegmentTierOptions { SegmentBytes = 64 << 10, BufferBytes = 1 << 20, RunsLoops = false } }.StartAsync();
        var value = new string('x', 300_000);
        rig.Demote("before", "1");
        rig.Demote("long", value);
        rig.Demote("after", "1");
        await rig.Tier.StepAsync();
        Assert.Equal(value, await rig.ReadAsync("long"));
        await using var next = await rig.Killed().StartAsync();
        Assert.Equal(value, await next.ReadAsync("long"));
        Assert.Equal("1", await next.ReadAsync("before"));
        Assert.Equal("1", await next.ReadAsync("after"));
    }

    [Fact]
    public async Task Calls_of_a_held_partition_allocate_nothing_but_the_footers_blocks()
    {
        await using var rig = await new TierRig { Options = new SegmentTierOptions { SegmentBytes = 4 << 20, BufferBytes = 4 << 20, RunsLoops = false } }.StartAsync();
        var hashes = Enumerable.Range(0, 2000).Select(i => TierRig.HashOf($"key-{i}")).ToArray();
        var value = new byte[200];
        Act();
        await rig.Tier.StepAsync();
        Act();
        await rig.Tier.StepAsync();
        var before = GC.GetAllocatedBytesForCurrentThread();
        Act();
        
        // What a footer grows by, in blocks of 2,048 records, and nothing else.
        Assert.InRange(GC.GetAllocatedBytesForCurrentThread() - before, 0, 3 * 50_000);

        void Act()
        {
            foreach (var hash in hashes)
            {
                rig.Tier.MayHold(hash);
                rig.Tier.Demote(new TierEntry { Hash = hash, Key = "key"u8, Value = value, Version = 1, ExpiresAt = Limits.Never });
                rig.Tier.Promoted(hash);
                rig.Tier.Keep(hash);
                if (hash % 2 == 0)
                {
                    rig.Tier.Invalidate(hash, 1);
                }
            }
        }
    }

    [Fact]
    public async Task The_files_store_keeps_segments_as_files_and_the_loops_work_by_themselves()
    {
        // On a file system with a page cache of its own kind (tmpfs) reads without waiting are not offered.
        var folder = Directory.CreateTempSubdirectory("levee-store-").FullName;
        var state = TierRig.NewFolder();
        for (var run = 0; run < 3; run++)
        {
            await using var tier = new SegmentTier(
                new FileSegmentStore(folder),
                new TierContext { StateFolder = state, CapacityBytes = 64 << 20, Logger = Microsoft.Extensions.Logging.Abstractions.NullLogger.Instance });
            await tier.StartAsync(new TestHost(), CancellationToken.None);
            while (tier.GetStatistics().Health != TierHealth.Healthy)
            {
                await Task.Delay(10, TestContext.Current.CancellationToken);
            }

            Assert.Equal(run * 20_000, tier.GetStatistics().Entries);
            for (var i = run * 20_000; i < (run + 1) * 20_000; i++)
            {
                var key = Encoding.UTF8.GetBytes($"key-{i}");
                tier.Demote(new TierEntry { Hash = Levee.Keys.KeyHash.Of(key), Key = key, Value = new byte[100], Version = 1, ExpiresAt = Limits.Never });
            }

            await tier.StopAsync(CancellationToken.None);
            for (var i = 0; i < (run + 1) * 20_000; i += 97)
            {
                var key = Encoding.UTF8.GetBytes($"key-{i}");
                var reading = tier.ReadAsync(Levee.Keys.KeyHash.Of(key), key, CancellationToken.None);
                Assert.True(reading.IsCompletedSuccessfully);
                using var read = await reading;
                Assert.Equal(TierReadOutcome.Found, read.Outcome);
            }
        }

        Directory.Delete(folder, recursive: true);
        Directory.Delete(state, recursive: true);
    }
}
