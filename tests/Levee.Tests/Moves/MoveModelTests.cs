using System.Globalization;
using Xunit;

namespace Levee.Tests.Moves;

public sealed class MoveModelTests
{
    private static readonly TimeSpan Patience = TimeSpan.FromMinutes(1);

    [Theory]
    [InlineData(false, false)]
    [InlineData(false, true)]
    [InlineData(true, false)]
    [InlineData(true, true)]
    public async Task What_is_shown_is_what_was_written_last(bool loses, bool hasTiers)
    {
        var reached = new Dictionary<string, int>();
        for (var seed = 1; seed <= 8; seed++)
        {
            await RunAsync(seed, loses, hasTiers, reached);
        }

        string[] cases = ["moved", "moved when all had come", "chunks", "keys", "a call fails", "Get Hit after a wait", "Increment Stored after a wait", "Set Stored after a wait", "Delete Removed after a wait", "Append Stored after a wait", "prefetch that loads", "frozen before the answers came"];
        string[] losing = ["moved in the middle", "source dies", "opened empty", "arrival with losses"];
        string[] tiered = ["demotions", "loads from a tier", "clears of a tier", "loads under way when it is frozen"];
        Assert.All([.. cases, .. loses ? losing : [], .. hasTiers && loses ? tiered : []], what => Assert.True(reached.GetValueOrDefault(what) > 0, $"'{what}' was not reached: {string.Join(", ", reached)}"));
    }

    /// <summary>LEVEE_MOVE_SEEDS names other seeds: "102" or "1000-1400".</summary>
    [Theory]
    [InlineData(false, false)]
    [InlineData(false, true)]
    [InlineData(true, false)]
    [InlineData(true, true)]
    public async Task Over_many_seeds(bool loses, bool hasTiers)
    {
        var named = Environment.GetEnvironmentVariable("LEVEE_MOVE_SEEDS") ?? "";
        Assert.SkipUnless(named.Length > 0 || Environment.GetEnvironmentVariable("LEVEE_LONG") == "1", "long: set LEVEE_LONG=1");
        var bounds = (named.Length > 0 ? named : "100-140").Split('-').Select(static bound => int.Parse(bound, CultureInfo.InvariantCulture)).ToArray();
        var failures = new List<string>();
        for (var seed = bounds[0]; seed <= bounds[^1]; seed++)
        {
            try
            {
                await RunAsync(seed, loses, hasTiers, []);
            }
            catch (Exception failure) when (failure is not OutOfMemoryException)
            {
                failures.Add($"seed {seed}: {failure.Message}");
                await Console.Error.WriteLineAsync($"loses {loses}, tiers {hasTiers}, {failures[^1]}");
            }
        }

        Assert.True(failures.Count == 0, string.Join("\n", failures));
    }

    private static async Task RunAsync(int seed, bool loses, bool hasTiers, Dictionary<string, int> reached)
    {
        var model = new MoveModel(seed, loses, hasTiers);
        try
        {
            await model.RunAsync(3000).WaitAsync(Patience);
            await model.DisposeAsync().AsTask().WaitAsync(Patience);
        }
        catch (TimeoutException)
        {
            Assert.Fail($"stuck in step {model.Step}: {model.Doing}");
        }

        foreach (var (what, times) in model.Reached)
        {
            reached[what] = reached.GetValueOrDefault(what) + times;
        }
    }
}
