using Levee.CrashChild;
using Xunit;

namespace Levee.Crash.Tests;

/// <summary>Memory over files.</summary>
public sealed class FilesTests(ITestOutputHelper output)
{
    [Fact]
    public Task Files_under_evict() => new Scenario { Options = new ChildOptions { Folder = "" }, Kills = 120, AtLeastPerKind = 20 }.RunAsync(output);

    /// <summary>The capacity is so large that nothing is ever given up for want of room.</summary>
    [Fact]
    public Task Files_under_through() =>
        new Scenario { Options = new ChildOptions { Folder = "", WritesThrough = true, CapacityBytes = 4L << 30, Scale = 20 }, Kills = 30, Kinds = ["seal", "recover", "rotate"] }.RunAsync(output);

    /// <summary>Within the capacity, everything that was there before a clean stop is there after it.</summary>
    [Fact]
    public Task Files_that_are_stopped_cleanly() =>
        new Scenario { Options = new ChildOptions { Folder = "", CapacityBytes = 4L << 30, ClearOneIn = 200_000 }, Kills = 40, Kinds = ["seal", "recover", "rotate"], CleanOneIn = 2 }.RunAsync(output);

    [Fact]
    public Task Files_compressed_and_encrypted() => new Scenario { Options = new ChildOptions { Folder = "", IsEncoded = true }, Kills = 25 }.RunAsync(output);

    [Fact]
    public async Task Files_that_are_damaged_in_between()
    {
        var damage = new Damage(Scenario.Seed());
        await new Scenario
        {
            Options = new ChildOptions { Folder = "" },
            Kills = 40,
            Kinds = ["seal", "reclaim", "rotate"],

            // What notes the clock may be what is damaged.
            MostClockBackMs = 1,
            LosesClock = true,
            Between = (loop, _) =>
            {
                damage.Do(loop.Folder);
                loop.Checker.Excuse();
                return Task.CompletedTask;
            },
        }.RunAsync(output);
        output.WriteLine(damage.ToString());
    }
}
