using Levee.CrashChild;
using Xunit;

namespace Levee.Crash.Tests;

/// <summary>The harness is only worth something if it fails where the promise is broken: each mechanism is switched off once, and the checker must say so.</summary>
public sealed class NeededTests(ITestOutputHelper output)
{
    private const int MostKills = 40;

    /// <summary>How the checker says that something came back. What was void by its tag is written anew without a tombstone, so the two kinds come together.</summary>
    private const string Resurrected = "superseded by|made void by";

    [Fact]
    public Task A_tombstone_is_needed() => FailsAsync(new ChildOptions { Folder = "", Sabotage = Switch.Tombstones }, Resurrected);

    [Fact]
    public Task A_logged_tag_removal_is_needed() => FailsAsync(new ChildOptions { Folder = "", Sabotage = Switch.TagRemovals }, Resurrected);

    [Fact]
    public Task A_recovered_tag_removal_is_needed() => FailsAsync(new ChildOptions { Folder = "", Sabotage = Switch.RecoveredTagRemovals }, Resurrected);

    [Fact]
    public Task A_logged_clear_is_needed() => FailsAsync(new ChildOptions { Folder = "", Sabotage = Switch.Clears, ClearOneIn = 300 }, Resurrected);

    [Fact]
    public Task A_reserved_clock_is_needed() => FailsAsync(new ChildOptions { Folder = "", Sabotage = Switch.Clocks }, "is not above", clockBackMs: 5_000);

    [Fact]
    public Task A_commit_is_needed() => FailsAsync(new ChildOptions { Folder = "", WritesThrough = true, CapacityBytes = 1L << 30, Sabotage = Switch.Commits }, "missing at|superseded by");

    private async Task FailsAsync(ChildOptions options, string how, int clockBackMs = 0)
    {
        using var loop = new CrashLoop(options, Scenario.Seed());
        for (var i = 0; i < MostKills && loop.Checker.Violations.Count == 0; i++)
        {
            await loop.RunAsync("", 0, (i % 2) * clockBackMs, null, TestContext.Current.CancellationToken);
        }

        loop.Report(output);
        Assert.True(loop.Checker.Violations.Exists(violation => how.Split('|').Any(part => violation.Contains(part, StringComparison.Ordinal))),
            $"seed {loop.Seed}: {loop.Kills} kills, and nothing '{how}': {string.Join('\n', loop.Checker.Violations)}");
    }
}
