using System.Globalization;
using Levee.CrashChild;
using Xunit;

namespace Levee.Crash.Tests;

/// <summary>Many lives on one folder, half of them ended at failpoints of all kinds in turn.</summary>
internal static class Scenario
{
    public static readonly string[] SegmentKinds = ["seal:", "clean:", "reclaim:", "recover:", "rotate:"];

    /// <summary>Kills for a scenario: what it asks for, or what LEVEE_CRASH_KILLS says.</summary>
    public static int Kills(int usual) =>
        int.TryParse(Environment.GetEnvironmentVariable("LEVEE_CRASH_KILLS"), CultureInfo.InvariantCulture, out var kills) ? kills : usual;

    public static int Seed() =>
        int.TryParse(Environment.GetEnvironmentVariable("LEVEE_CRASH_SEED"), CultureInfo.InvariantCulture, out var seed) ? seed : Environment.TickCount;

    public static async Task RunAsync(ChildOptions options, int kills, ITestOutputHelper output, string[]? kinds = null)
    {
        using var loop = new CrashLoop(options, Seed());
        kinds ??= SegmentKinds;
        var chance = new Random(loop.Seed);
        kills = Kills(kills);
        for (var i = 0; i < kills && loop.Checker.Violations.Count == 0; i++)
        {
            var failpoint = i % 2 == 1 ? kinds[i / 2 % kinds.Length] : "";
            await loop.RunAsync(failpoint, chance.Next(1, 9), chance.Next(5) == 0 ? chance.Next(20_000) : 0, null, TestContext.Current.CancellationToken);
        }

        Report(loop, output);
        Assert.True(loop.Checker.Violations.Count == 0, $"seed {loop.Seed}, after {loop.Kills} kills: {string.Join('\n', loop.Checker.Violations)}\n{loop.Errors()}");
        Assert.True(loop.Checker.Hits > loop.Kills * 10, $"only {loop.Checker.Hits} hits");
    }

    public static void Report(CrashLoop loop, ITestOutputHelper output)
    {
        output.WriteLine($"seed {loop.Seed}: {loop.Kills} kills; {loop.Checker.Acknowledged} acknowledged, {loop.Checker.Reads} reads, {loop.Checker.Hits} hits, {loop.Checker.UnknownShown} shown that nobody had acknowledged");
        foreach (var (kind, count) in loop.KillsAt)
        {
            output.WriteLine($"{count,6} {kind}");
        }

        output.WriteLine($"entries counted: {string.Join(' ', loop.Checker.Counts.TakeLast(12))}");
    }
}
