using System.Text;
using Levee.Operations;
using Levee.Partitions;
using Levee.Tiers.Segments;
using Xunit;

namespace Levee.Tiers.Tests.Segments;

/// <summary>A disk without room for another segment: what the tier took is kept, can be deleted, and is found by the next owner, for whom the disk is full as well.</summary>
public sealed class SegmentFullDiskTests
{
    private bool isFull;

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Of_what_was_acknowledged_only_what_was_deleted_is_gone(bool isCleanStop)
    {
        await using var rig = await StartAsync(Rig());
        isFull = true;
        var written = 0;
        while (Write(rig, $"key-{written}", new string('v', 100)))
        {
            await rig.Tier.CommitAsync();
            Assert.True(++written < 100_000, "a write that could not be kept is refused at last");
        }

        Assert.Equal(1, rig.Tier.Log.NextSequence - rig.Tier.Log.Open!.Sequence);

        Assert.True(written > 200, $"only {written} were acknowledged");
        Assert.Contains("the disk is full", rig.Tier.GetStatistics().Problem, StringComparison.Ordinal);
        for (var i = 0; i < written; i += 2)
        {
            rig.Invalidate($"key-{i}", 2);
        }

        Assert.True(rig.Tier.IsCommitted);
        Assert.True(rig.Tier.Log.State.HasVoids, "tombstones had no room");
        await AssertOnlyOddAsync(rig, written);
        if (isCleanStop)
        {
            await rig.Tier.StopAsync(CancellationToken.None);
        }

        await using var next = await StartAsync(rig.Killed());
        await AssertOnlyOddAsync(next, written);
        isFull = false;
        await Task.Delay(1100, TestContext.Current.CancellationToken); // A spare segment is tried for once a second.
        await next.Tier.StepAsync();
        await next.Tier.StepAsync();
        Assert.True(Write(next, "again", "1"), next.Tier.GetStatistics().Problem + next.Tier.Log.Problem);
        await next.Tier.CommitAsync();
        await using var last = await StartAsync(next.Killed());
        Assert.Equal("1", await last.ReadAsync("again"));
        await AssertOnlyOddAsync(last, written);
        Assert.Equal(0, last.Tier.Log.Counters.GenerationsGivenUp);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task A_start_serves_what_is_there_and_acknowledges_a_delete_when_it_will_last(bool isCleanStop)
    {
        await using var rig = await StartAsync(Rig());
        for (var i = 0; i < 200; i++)
        {
            rig.Demote($"key-{i}", new string('v', 500));
        }

        await rig.Tier.StepAsync();
        if (isCleanStop)
        {
            await rig.Tier.StopAsync(CancellationToken.None);
        }

        isFull = true;
        await using var next = await StartAsync(rig.Killed(), recovers: false);
        Assert.False(Write(next, "new", "1"));
        for (var i = 0; i < 200; i += 2)
        {
            next.Invalidate($"key-{i}", 2);
        }

        next.Invalidate("never there", 2);
        Assert.False(next.Tier.IsCommitted, "nothing on the disk says yet what is void");
        var acknowledged = next.Tier.CommitAsync();
        Assert.False(acknowledged.IsCompleted);
        await next.Tier.StepAsync();
        await acknowledged;
        Assert.True(next.Tier.IsCommitted);
        await AssertOnlyOddAsync(next, 200);
        await using var last = await StartAsync(next.Killed());
        await AssertOnlyOddAsync(last, 200);
        Assert.Equal(0, last.Tier.Log.Counters.GenerationsGivenUp);
    }

    [Fact]
    public async Task Where_what_marks_records_void_is_lost_nothing_of_their_segment_is_believed()
    {
        await using var rig = await MarkedAsync();
        await using var next = rig.Killed();
        foreach (var map in Directory.EnumerateFiles(next.Folder, "*.voids"))
        {
            File.Delete(map);
        }

        await StartAsync(next);
        await AssertNoneDeletedAsync(next);
        Assert.Null(await next.ReadAsync("key-1"));
    }

    [Fact]
    public async Task What_a_damaged_block_speaks_of_is_void()
    {
        await using var rig = await MarkedAsync();
        await using var next = rig.Killed();
        foreach (var path in Directory.EnumerateFiles(next.Folder, "*.voids"))
        {
            var bytes = await File.ReadAllBytesAsync(path, TestContext.Current.CancellationToken);
            for (var block = 64; block < bytes.Length; block += 64)
            {
                bytes.AsSpan(block, 56).Clear(); // As if no record were void; the checksum says that it is not so.
            }

            await File.WriteAllBytesAsync(path, bytes, TestContext.Current.CancellationToken);
        }

        await StartAsync(next);
        await AssertNoneDeletedAsync(next);
    }

    private static async Task AssertNoneDeletedAsync(TierRig rig)
    {
        for (var i = 0; i < 100; i += 2)
        {
            Assert.Null(await rig.ReadAsync($"key-{i}"));
        }
    }

    private static async Task AssertOnlyOddAsync(TierRig rig, int count)
    {
        for (var i = 0; i < count; i++)
        {
            Assert.Equal(i % 2 == 1, await rig.ReadAsync($"key-{i}") is not null);
        }

        rig.Tier.Log.CheckInvariants();
    }

    private static bool Write(TierRig rig, string key, string value) => rig.Tier.TryWriteThrough(
        new TierEntry { Hash = TierRig.HashOf(key), Key = Encoding.UTF8.GetBytes(key), Value = Encoding.UTF8.GetBytes(value), Version = 1, ExpiresAt = Limits.Never });

    private static TierRig Rig() => new() { Codec = Levee.Codec.RecordCodec.Plain };

    /// <summary>Every second of 100 keys is marked void.</summary>
    private async Task<TierRig> MarkedAsync()
    {
        var rig = await StartAsync(Rig());
        isFull = true;
        for (var i = 0; Write(rig, $"key-{i}", new string('v', 200)); i++)
        {
        }

        for (var i = 0; i < 100; i += 2)
        {
            rig.Invalidate($"key-{i}", 2);
        }

        Assert.True(rig.Tier.Log.State.HasVoids);
        return rig;
    }

    private Task<TierRig> StartAsync(TierRig rig, bool recovers = true)
    {
        rig.Failpoint = moment =>
        {
            if (isFull && moment == "create:segment")
            {
                throw new IOException("the disk is full");
            }
        };
        return rig.StartAsync(recovers);
    }
}
