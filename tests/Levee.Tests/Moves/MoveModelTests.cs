using Xunit;

namespace Levee.Tests.Moves;

public sealed class MoveModelTests
{
    [Theory]
    [InlineData(false, false)]
    [InlineData(true, false)]
    [InlineData(true, true)]
    public async Task What_is_shown_is_what_was_written_last(bool loses, bool hasTiers)
    {
        var reached = new Dictionary<string, int>();
        for (var seed = 1; seed <= 8; seed++)
        {
            await RunAsync(seed, loses, hasTiers, reached);
        }

        string[] cases = ["moved", "moved when all had come", "chunks", "keys", "a call fails", "Get Hit after a wait", "Increment Stored after a wait", "Set Stored after a wait", "Delete Removed after a wait", "Append Stored after a wait"];
        string[] losing = ["moved in the middle", "source dies", "opened empty", "arrival with losses"];
        string[] tiered = ["demotions", "loads from a tier", "clears of a tier"];
        Assert.All([.. cases, .. loses ? losing : [], .. hasTiers ? tiered : []], what => Assert.True(reached.GetValueOrDefault(what) > 0, $"'{what}' was not reached: {string.Join(", ", reached)}"));
    }

    [Theory]
    [InlineData(false, false)]
    [InlineData(true, false)]
    [InlineData(true, true)]
    public async Task Over_many_seeds(bool loses, bool hasTiers)
    {
        Assert.SkipUnless(Environment.GetEnvironmentVariable("LEVEE_LONG") == "1", "long: set LEVEE_LONG=1");
        for (var seed = 100; seed < 400; seed++)
        {
            await RunAsync(seed, loses, hasTiers, []);
        }
    }

    private static async Task RunAsync(int seed, bool loses, bool hasTiers, Dictionary<string, int> reached)
    {
        await using var model = new MoveModel(seed, loses, hasTiers);
        await model.RunAsync(3000);
        foreach (var (what, times) in model.Reached)
        {
            reached[what] = reached.GetValueOrDefault(what) + times;
        }
    }
}
