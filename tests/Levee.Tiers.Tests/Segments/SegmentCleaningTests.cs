using Levee.Tiers.Segments;
using Xunit;

namespace Levee.Tiers.Tests.Segments;

public sealed class SegmentCleaningTests
{
    [Fact]
    public async Task Cleaning_a_segment_in_the_middle_keeps_what_it_voided_void()
    {
        await using var rig = new TierRig
        {
            CapacityBytes = 320 << 10,
            Options = new SegmentTierOptions { SegmentBytes = 64 << 10, BufferBytes = 256 << 10, RunsLoops = false, CleanBelow = 0.4, CleanWhenOldestAbove = 0.1 },
        };
        await rig.StartAsync();
        rig.Demote("deleted", "1");
        rig.Demote("changed", "1");
        await FillAsync(rig, "old");
        rig.Invalidate("deleted");
        rig.Invalidate("changed");
        rig.Demote("changed", "2", 2);
        rig.Demote("live", "1");
        await FillAsync(rig, "middle");
        for (var i = 0; i < 50; i++)
        {
            rig.Invalidate($"middle-{i}");
        }

        rig.Invalidate("changed", 2);
        Assert.Equal("1", await rig.ReadAsync("live"));
        await FillAsync(rig, "new");
        await rig.Tier.StepAsync();
        Assert.True(rig.Tier.Log.Counters.Cleaned > 0);
        Assert.NotNull(await rig.ReadAsync("old-7"));
        rig.Tier.Log.CheckInvariants();

        await using var next = await rig.Killed().StartAsync();
        Assert.NotNull(await next.ReadAsync("old-7"));
        Assert.Equal("1", await next.ReadAsync("live"));
        Assert.Null(await next.ReadAsync("deleted"));
        Assert.Null(await next.ReadAsync("changed"));
        Assert.Null(await next.ReadAsync("middle-7"));
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
}
