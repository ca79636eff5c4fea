using Levee.Eviction;
using Xunit;

namespace Levee.Tests.Eviction;

public sealed class HillClimberTests
{
    [Fact]
    public void It_begins_downwards_and_turns_when_the_hit_ratio_falls()
    {
        var climber = new HillClimber();
        Assert.Equal(-0.0625, Sample(climber, hits: 50));
        Assert.Equal(-0.0625, Sample(climber, hits: 60));
        Assert.Equal(0.0625, Sample(climber, hits: 40));
        Assert.Equal(0.0625, Sample(climber, hits: 50));
    }

    [Fact]
    public void Steps_become_shorter_until_the_hit_ratio_leaps()
    {
        var climber = new HillClimber();
        Sample(climber, hits: 50);
        Assert.Equal(-0.0625, Sample(climber, hits: 51));
        Assert.Equal(-0.0625 * 0.98, Sample(climber, hits: 52), 1e-12);
        Assert.Equal(0.0625 * 0.98 * 0.98, Sample(climber, hits: 51), 1e-12);
        Assert.Equal(0.0625 * 0.98 * 0.98 * 0.98, Sample(climber, hits: 90), 1e-12);
        Assert.Equal(0.0625, Sample(climber, hits: 90));
    }

    [Fact]
    public void It_finds_the_top_of_a_hill()
    {
        var climber = new HillClimber();
        var window = 0.01;
        for (var i = 0; i < 300; i++)
        {
            window = Math.Clamp(window + Sample(climber, hits: (int)(10_000 * (0.6 - Math.Pow(window - 0.4, 2))), of: 10_000), 0, 0.8);
        }

        Assert.InRange(window, 0.3, 0.5);
    }

    [Fact]
    public void A_sample_is_ten_requests_for_each_entry()
    {
        var climber = new HillClimber();
        for (var i = 0; i < 10; i++)
        {
            Assert.False(climber.IsReady(2));
            climber.Hit();
            climber.Miss();
        }

        Assert.True(climber.IsReady(2));
        Assert.False(climber.IsReady(3));
    }

    private static double Sample(HillClimber climber, int hits, int of = 100)
    {
        for (var i = 0; i < of; i++)
        {
            if (i < hits)
            {
                climber.Hit();
            }
            else
            {
                climber.Miss();
            }
        }

        return climber.Step();
    }
}
