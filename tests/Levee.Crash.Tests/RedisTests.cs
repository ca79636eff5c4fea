using Levee.CrashChild;
using Levee.Tiers.Tests.Redis;
using Xunit;

namespace Levee.Crash.Tests;

/// <summary>Memory over Redis, which is killed, comes back empty or as it once was, and stands still while what it holds is overwritten.</summary>
public sealed class RedisTests(ITestOutputHelper output)
{
    private const int Round = 14;
    private static readonly TimeSpan Stillness = TimeSpan.FromMilliseconds(400);

    [Fact]
    public Task Redis_under_evict() => RunAsync(30, "", options => options);

    [Fact]
    public Task Redis_under_through() => RunAsync(25, "", options => options with { WritesThrough = true, CapacityBytes = 4L << 30, Scale = 20 });

    [Fact]
    public Task Redis_over_files() => RunAsync(25, " file", options => options);

    private async Task RunAsync(int kills, string below, Func<ChildOptions, ChildOptions> change)
    {
        await using var redis = await RedisServer.StartAsync();
        var dump = Path.Combine(redis.Folder, "dump.rdb");
        var isStill = false;
        var log = new SortedDictionary<string, int>();
        await new Scenario
        {
            Options = change(new ChildOptions { Folder = "", Tiers = $"redis://127.0.0.1:{redis.Port}/0?commandTimeoutMs=500{below}" }),
            Kills = kills,
            RandomOneIn = 2,
            MostPassed = 150,
            TiersExpire = true,
            Kinds = below.Length == 0 ? ["redis"] : ["redis", "seal", "recover", "rotate"],
            Between = async (loop, number) =>
            {
                if (isStill)
                {
                    redis.Continue();
                    isStill = false;
                }

                switch (number % Round)
                {
                    case 4:
                        Note("came back empty");
                        await redis.KillAsync();
                        File.Delete(dump);
                        await redis.RestartAsync();
                        loop.Checker.IsTierDown = false;
                        loop.Checker.Excuse();
                        break;
                    case 7:
                        await redis.CallAsync("SAVE");
                        break;
                    case 9:
                        Note("came back as it once was");
                        await redis.KillAsync();
                        await redis.RestartAsync();
                        loop.Checker.Excuse();
                        break;
                    case 13:
                        // It stood still, and this owner's writes may not have reached it.
                        loop.Checker.IsTierDown = false;
                        loop.Checker.Excuse();
                        break;
                    default:
                        break;
                }
            },
            During = async (loop, number) =>
            {
                switch (number % Round)
                {
                    case 3:
                        Note("killed under load");
                        loop.Checker.IsTierDown = true;
                        await redis.KillAsync();
                        await Task.Delay(Stillness, TestContext.Current.CancellationToken);
                        break;
                    case 12:
                        Note("stood still under load");
                        loop.Checker.IsTierDown = true;
                        redis.Pause();
                        isStill = true;
                        await Task.Delay(Stillness, TestContext.Current.CancellationToken);
                        break;
                    default:
                        break;
                }
            },
        }.RunAsync(output);
        output.WriteLine("redis " + string.Join(", ", log.Select(kind => $"{kind.Key} {kind.Value}")));

        void Note(string kind) => log[kind] = log.GetValueOrDefault(kind) + 1;
    }
}
