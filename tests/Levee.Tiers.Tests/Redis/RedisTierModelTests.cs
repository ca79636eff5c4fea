using System.Globalization;
using Xunit;

namespace Levee.Tiers.Tests.Redis;

/// <summary>
/// Random work on few keys, as partitions do it, beside a dictionary: whatever the tier gives is the latest value that was written, never an older one; while nothing failed it is not absent.
/// </summary>
public sealed class RedisTierModelTests
{
    private const int Keys = 60;

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    public async Task The_latest_or_nothing_whatever_happens(int seed)
    {
        await using var server = await RedisServer.StartAsync();
        await using var bed = new RedisTierBed(server.Port);
        await bed.StartAsync();
        var random = new Random(seed);
        var latest = new Dictionary<string, string>();
        var resident = new HashSet<string>();
        var (found, absent) = (0, 0);
        for (var step = 0; step < 6000; step++)
        {
            var key = string.Create(CultureInfo.InvariantCulture, $"key{random.Next(Keys)}");
            switch (random.Next(100))
            {
                case < 40:
                    // A write: whoever holds an older copy is told first.
                    bed.Invalidate(key);
                    latest[key] = step.ToString(CultureInfo.InvariantCulture);
                    resident.Add(key);
                    break;
                case < 75 when resident.Remove(key):
                    bed.Put(key, latest[key]);
                    break;
                case < 80:
                    bed.Invalidate(key);
                    latest.Remove(key);
                    resident.Remove(key);
                    break;
                case 98 when random.Next(4) == 0:
                    await bed.CrashAsync();
                    await bed.StartAsync(waits: random.Next(2) == 0);
                    break;
                case 99 when random.Next(8) == 0:
                    await DisturbAsync(random.Next(3), server);
                    break;
                default:
                    if (resident.Contains(key))
                    {
                        break;
                    }

                    var read = await bed.ReadAsync(key);
                    if (read is "-" or "!")
                    {
                        absent++;
                        break;
                    }

                    found++;
                    Assert.True(latest.TryGetValue(key, out var value) && value == read, $"seed {seed}, step {step}: {key} is {read}, not {latest.GetValueOrDefault(key, "deleted")}");
                    break;
            }
        }

        await bed.HealthyAsync();
        await bed.WrittenAsync();
        await RedisTierBed.UntilAsync(() => bed.Tier.GetStatistics().GivenUpGenerations == 0, "old generations are deleted");
        foreach (var key in latest.Keys.Except(resident))
        {
            var read = await bed.ReadAsync(key);
            Assert.True(read == "-" || read == latest[key], $"seed {seed}: {key} is {read}, not {latest[key]}");
        }

        Assert.True(found > 100, $"only {found} reads found something, {absent} did not");

        // A snapshot may have brought back keys of a generation that was deleted and forgotten before.
        Assert.InRange(bed.Tier.GetStatistics().Entries, 0, (await server.CallAsync("DBSIZE")).AsInteger());
    }

    private static async Task DisturbAsync(int what, RedisServer server)
    {
        switch (what)
        {
            case 0:
                await server.KillAsync();
                await server.RestartAsync();
                break;
            case 1:
                await server.CallAsync("SAVE");
                break;
            default:
                await server.CallAsync("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes");
                break;
        }
    }
}
