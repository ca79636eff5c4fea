using Levee.Testing;
using Levee.Tiers.Segments;
using Xunit;

namespace Levee.Tiers.Tests.Segments;

/// <summary>The index has its bound, and what was given up is deleted.</summary>
public sealed class SegmentGenerationTests
{
    private static readonly SegmentTierOptions Small = new() { SegmentBytes = 64 << 10, BufferBytes = 256 << 10, RunsLoops = false, MaxStaged = 2 };

    [Fact]
    public async Task The_index_never_passes_its_bound_and_the_newest_stay()
    {
        await using var rig = await new TierRig { MaxIndexBytes = 64 << 10 }.StartAsync();
        for (var i = 0; i < 20_000; i++)
        {
            rig.Demote($"key-{i}", "some value of a few bytes");
            Assert.True(rig.Tier.Log.Index.Count <= 2048, $"{rig.Tier.Log.Index.Count} entries are in the index");
            if (i % 20 == 19)
            {
                await rig.Tier.StepAsync();
            }
        }

        Assert.Equal(0, rig.Tier.GetStatistics().Drops);
        Assert.InRange(rig.Tier.GetStatistics().Entries, 500, 2048);
        Assert.NotNull(await rig.ReadAsync("key-19900"));
        Assert.Null(await rig.ReadAsync("key-1"));
        rig.Tier.Log.CheckInvariants();
    }

    [Fact]
    public async Task A_generation_that_was_given_up_is_deleted_also_by_the_next_owner()
    {
        await using var rig = await new TierRig { Options = Small }.StartAsync();
        var old = await FillAsync(rig);
        rig.Store.IsBroken = true;
        lock (rig.Tier.Log.Gate)
        {
            rig.Tier.Log.GiveUp("the test says so");
        }

        await Assert.ThrowsAnyAsync<IOException>(() => StepAsync(rig));
        Assert.Equal(1, rig.Tier.GetStatistics().GivenUpGenerations);
        await using var next = rig.Killed();
        await next.StartAsync();
        await next.Tier.StepAsync();
        Assert.DoesNotContain(next.Store.Objects.Keys, old.Contains);
        Assert.Equal(0, next.Tier.GetStatistics().GivenUpGenerations);

        rig.Store.IsBroken = false;
        await rig.Tier.StepAsync();
        Assert.DoesNotContain(rig.Store.Objects.Keys, old.Contains);
        Assert.Equal(0, rig.Tier.GetStatistics().GivenUpGenerations);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task A_generation_that_nobody_knows_is_deleted_where_the_store_is_owned(bool ownsStore)
    {
        await using var rig = await new TierRig { Options = Small }.StartAsync();
        var old = await FillAsync(rig);
        var store = rig.Store.Copy();
        store.Objects["other/0123456789abcdef0123456789abcdef/00000001.seg"] = [1];
        store.Objects["test/readme.txt"] = [1];
        await using var next = new TierRig(store) { Options = Small with { OwnsStore = ownsStore } };
        await next.StartAsync();
        await next.Tier.StepAsync();
        Assert.Null(await next.ReadAsync("key-1"));
        Assert.Equal(ownsStore ? 0 : old.Count, store.Objects.Keys.Count(old.Contains));
        Assert.Contains("other/0123456789abcdef0123456789abcdef/00000001.seg", store.Objects.Keys);
        Assert.Contains("test/readme.txt", store.Objects.Keys);
    }

    private static async Task<HashSet<string>> FillAsync(TierRig rig)
    {
        for (var i = 0; i < 500; i++)
        {
            rig.Demote($"key-{i}", new string('v', 900));
            if (i % 50 == 0)
            {
                await rig.Tier.StepAsync();
            }
        }

        await rig.Tier.StepAsync();
        Assert.True(rig.Store.Objects.Count > 3, $"{rig.Store.Objects.Count} objects");
        return [.. rig.Store.Objects.Keys];
    }

    private static async Task StepAsync(TierRig rig)
    {
        await rig.Tier.StepAsync();
        throw new IOException();
    }
}
