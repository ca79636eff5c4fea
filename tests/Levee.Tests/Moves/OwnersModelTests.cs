using Xunit;

namespace Levee.Tests.Moves;

public sealed class OwnersModelTests
{
    [Fact]
    public async Task One_silo_serves_and_nothing_older_is_shown()
    {
        var seeds = Environment.GetEnvironmentVariable("LEVEE_LONG") == "1" ? 5000 : 150;
        var reached = new SortedDictionary<string, int>(StringComparer.Ordinal);
        for (var seed = 1; seed <= seeds; seed++)
        {
            await using var model = new OwnersModel(seed, leaseHidesContents: false);
            await model.RunAsync(250);
            Assert.True(model.Lie is null, $"seed {seed}: {model.Lie}");
            foreach (var (what, count) in model.Reached)
            {
                reached[what] = reached.GetValueOrDefault(what) + count;
            }
        }

        string[] cases =
        [
            "a claim is broken off", "a claim is overtaken", "a copy is dropped", "a silo dies", "a silo is declared dead and lives", "an owner answers CannotSay", "an owner answers Frozen",
            "an owner answers NotHere", "an owner answers Refused", "an owner is dead", "opened empty", "opened empty beside a copy", "opened from a copy", "opened from a copy that had no lease",
            "opened from an older claim's copy", "read", "written",
        ];
        Assert.All(cases, what => Assert.True(reached.GetValueOrDefault(what) > 0, $"'{what}' was not reached: {string.Join(", ", reached)}"));
    }

    /// <summary>
    /// The rule that it replaced: a silo without a lease answered that it has nothing, and went on when its lease came back.
    /// </summary>
    [Fact]
    public async Task The_model_finds_the_hole_that_there_was()
    {
        for (var seed = 1; seed <= 150; seed++)
        {
            await using var model = new OwnersModel(seed, leaseHidesContents: true);
            await model.RunAsync(250);
            if (model.Lie is not null)
            {
                return;
            }
        }

        Assert.Fail("no seed shows it");
    }
}
