using Xunit;

namespace Levee.Tiers.Tests.Segments;

/// <summary>What the oldest segment gives to the tier below when it goes.</summary>
public sealed class SegmentBelowTests
{
    [Fact]
    public async Task What_was_not_read_goes_to_the_tier_below_and_what_is_promoted_does_not()
    {
        await using var below = await new TierRig().StartAsync();
        await using var rig = await new TierRig { CapacityBytes = 320 << 10 }.StartAsync();
        rig.Tier.Below = below.Tier;
        rig.Demote("cold", "1");
        rig.Demote("promoted", "1");
        rig.Demote("read", "1");
        await rig.Tier.StepAsync();
        Assert.Equal("1", await rig.ReadAsync("read"));
        rig.Tier.Promoted(TierRig.HashOf("promoted"));
        await ReclaimAsync(rig);
        Assert.False(rig.Tier.MayHold(TierRig.HashOf("cold")));
        Assert.Equal("1", await below.ReadAsync("cold"));
        Assert.Null(await below.ReadAsync("promoted"));
        Assert.Null(await below.ReadAsync("read"));
        Assert.Equal("1", await rig.ReadAsync("read"));
        Assert.Equal(rig.Tier.Log.Counters.MovedBelow, below.Tier.GetStatistics().Demotions);
        rig.Tier.Log.CheckInvariants();
        below.Tier.Log.CheckInvariants();
    }

    [Fact]
    public async Task What_lies_below_already_is_not_written_again()
    {
        await using var below = await new TierRig().StartAsync();
        await using var rig = await new TierRig { CapacityBytes = 320 << 10 }.StartAsync();
        below.Demote("a", "1");
        await below.Tier.StepAsync();
        below.Tier.Promoted(TierRig.HashOf("a"));
        rig.Tier.Below = below.Tier;
        rig.Demote("a", "1");
        await ReclaimAsync(rig);
        Assert.False(rig.Tier.MayHold(TierRig.HashOf("a")));
        Assert.Equal(rig.Tier.Log.Counters.MovedBelow, below.Tier.GetStatistics().Demotions);
        Assert.StartsWith("open segment 1,", below.Tier.Explain(TierRig.HashOf("a"))!.Where, StringComparison.Ordinal);
        Assert.False(below.Tier.Explain(TierRig.HashOf("a"))!.IsPromoted);
        Assert.Equal("1", await below.ReadAsync("a"));
    }

    [Theory]
    [InlineData("begin")]
    [InlineData("while others move")]
    [InlineData("before-retired")]
    [InlineData("after-retired")]
    [InlineData("after-delete")]
    public async Task What_is_overwritten_in_between_is_never_served_from_below(string moment)
    {
        await using var below = await new TierRig().StartAsync();
        await using var rig = await new TierRig { CapacityBytes = 320 << 10 }.StartAsync();
        rig.Tier.Below = below.Tier;
        rig.Demote("first", "1");
        rig.Demote("a", "1");
        var isWritten = false;
        rig.Host.WhenTrue = (hash, _) => Overwrite("while others move");
        rig.Failpoint = at => Overwrite(at.Replace("reclaim:", "", StringComparison.Ordinal));
        await ReclaimAsync(rig);
        Assert.True(isWritten, "the generator reached the moment");
        Assert.NotNull(await below.ReadAsync("first"));
        Assert.Null(await rig.ReadAsync("a"));
        Assert.Null(await below.ReadAsync("a"));
        await using var next = await below.Killed().StartAsync();
        Assert.Null(await next.ReadAsync("a"));

        void Overwrite(string now)
        {
            if (now == moment && !isWritten)
            {
                isWritten = true;
                rig.Invalidate("a");
                below.Invalidate("a");
            }
        }
    }

    /// <summary>Fills the tier until its first segment is gone; what comes below is written there.</summary>
    private static async Task ReclaimAsync(TierRig rig)
    {
        for (var round = 0; rig.Tier.Log.Counters.Reclaimed == 0; round++)
        {
            Assert.True(round < 20, "nothing is reclaimed");
            for (var i = 0; i < 50; i++)
            {
                rig.Demote($"filler-{round}-{i}", new string('f', 900));
            }

            await rig.Tier.StepAsync();
            rig.Time.Advance(61_000);
            await rig.Tier.StepAsync();
        }

        await ((Levee.Tiers.Segments.SegmentTier)rig.Tier.Below!).StepAsync();
    }
}
