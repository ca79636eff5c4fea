using System.Globalization;
using Levee.CrashChild;
using Xunit;

namespace Levee.Crash.Tests;

/// <summary>Many lives on one folder, most of them ended at failpoints, of that kind next at which the fewest have ended so far; and what happens to the tiers in between.</summary>
internal sealed record Scenario
{
    private static readonly string[] SegmentKinds = ["seal", "clean", "reclaim", "recover", "rotate"];

    public required ChildOptions Options { get; init; }

    /// <summary>Kills, where LEVEE_CRASH_KILLS says nothing else.</summary>
    public required int Kills { get; init; }

    /// <summary>The kinds of failpoints.</summary>
    public IReadOnlyList<string> Kinds { get; init; } = SegmentKinds;

    /// <summary>How many kills must fall into each kind.</summary>
    public int AtLeastPerKind { get; init; }

    /// <summary>How far the machine's clock may be found set back at a start.</summary>
    public int MostClockBackMs { get; init; } = 20_000;

    /// <summary>Whether what notes the clock may be lost.</summary>
    public bool LosesClock { get; init; }

    /// <summary>Whether a tier lets entries go by itself, by a clock of its own.</summary>
    public bool TiersExpire { get; init; }

    /// <summary>One life in so many is not to end at a failpoint.</summary>
    public int RandomOneIn { get; init; } = 5;

    /// <summary>One life in so many ends by a clean stop; 0: none. Then the capacity is so large that nothing is given up for want of room.</summary>
    public int CleanOneIn { get; init; }

    /// <summary>At which failpoint of a kind a life ends, at the latest.</summary>
    public int MostPassed { get; init; } = 6;

    /// <summary>Happens before a life, which has a number; the loop knows the folder.</summary>
    public Func<CrashLoop, int, Task>? Between { get; init; }

    /// <summary>Happens while a child is under load, before it is killed.</summary>
    public Func<CrashLoop, int, Task>? During { get; init; }

    public static int Seed() =>
        int.TryParse(Environment.GetEnvironmentVariable("LEVEE_CRASH_SEED"), CultureInfo.InvariantCulture, out var seed) ? seed : Environment.TickCount;

    public async Task RunAsync(ITestOutputHelper output)
    {
        using var loop = new CrashLoop(Options, Seed(), LosesClock, TiersExpire);
        var chance = new Random(loop.Seed);
        var kills = int.TryParse(Environment.GetEnvironmentVariable("LEVEE_CRASH_KILLS"), CultureInfo.InvariantCulture, out var wanted) ? wanted : Kills;
        var most = 2 * kills;
        for (var i = 0; (i < kills || (i < most && Fewest(loop).Count < AtLeastPerKind)) && loop.Checker.Violations.Count == 0; i++)
        {
            if (Between is not null)
            {
                await Between(loop, i);
            }

            if (CleanOneIn > 0 && chance.Next(CleanOneIn) == 0)
            {
                await loop.StopAsync(TestContext.Current.CancellationToken);
                continue;
            }

            var isArmed = chance.Next(RandomOneIn) != 0 && Kinds.Count > 0;
            var kind = chance.Next(3) == 0 ? Kinds[chance.Next(Kinds.Count)] : Fewest(loop).Kind;
            var during = During;
            var number = i;
            await loop.RunAsync(
                isArmed ? kind + ":" : "",
                chance.Next(1, MostPassed + 1),
                chance.Next(5) == 0 ? chance.Next(MostClockBackMs) : 0,
                during is null ? null : () => during(loop, number),
                TestContext.Current.CancellationToken);
        }

        loop.Report(output);
        Assert.True(loop.Checker.Violations.Count == 0, $"seed {loop.Seed}, after {loop.Kills} kills: {string.Join('\n', loop.Checker.Violations)}\n{loop.Errors()}");
        Assert.True(loop.Checker.Hits > loop.Kills * 10, $"only {loop.Checker.Hits} hits");
        Assert.True(CleanOneIn == 0 || loop.Checker.KeptReads > loop.Stops * 100, $"only {loop.Checker.KeptReads} reads could show that one of {loop.Stops} clean stops lost something");
        Assert.True(!Options.WritesThrough || loop.Checker.CompleteReads > loop.Checker.Reads / 4, $"only {loop.Checker.CompleteReads} of {loop.Checker.Reads} reads could show that something is lost");
        Assert.True(Kinds.Count == 0 || Fewest(loop).Count >= AtLeastPerKind, $"only {Fewest(loop)}");
    }

    private (string Kind, int Count) Fewest(CrashLoop loop) => Kinds.Select(kind => (Kind: kind, Count: loop.KillsAt.GetValueOrDefault(kind))).MinBy(kind => kind.Count);
}
