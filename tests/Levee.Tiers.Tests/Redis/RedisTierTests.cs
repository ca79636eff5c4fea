using Levee.Operations;
using System.Globalization;
using Xunit;

namespace Levee.Tiers.Tests.Redis;

public sealed class RedisTierTests
{
    private static readonly string Large = new('x', 300_000);

    [Fact]
    public async Task What_was_demoted_is_read_back_from_the_buffer_and_from_redis()
    {
        await using var server = await RedisServer.StartAsync();
        await using var bed = new RedisTierBed(server.Port);
        await bed.StartAsync();
        for (var i = 0; i < 500; i++)
        {
            bed.Put($"key{i}", $"value{i}", tags: "t");
            Assert.Equal($"value{i}", await bed.ReadAsync($"key{i}"));
        }

        bed.Put("large", Large);
        await bed.WrittenAsync();
        Assert.Equal(501, (await server.CallAsync("DBSIZE")).AsInteger());
        for (var i = 0; i < 500; i++)
        {
            Assert.Equal($"value{i}", await bed.ReadAsync($"key{i}"));
        }

        Assert.Equal(Large, await bed.ReadAsync("large"));
        Assert.Equal("-", await bed.ReadAsync("none"));
        var statistics = bed.Tier.GetStatistics();
        Assert.Equal(501, statistics.Entries);
        Assert.Equal(0, statistics.Drops);
        Assert.InRange(statistics.ReadRequests, 501, 1002);
    }

    [Fact]
    public async Task A_miss_costs_no_remote_call()
    {
        await using var server = await RedisServer.StartAsync();
        await using var bed = new RedisTierBed(server.Port);
        await bed.StartAsync();
        Assert.False(bed.Tier.MayHold(RedisTierBed.Hash("a")));
        Assert.Equal("-", await bed.ReadAsync("a"));
        Assert.Equal(0, bed.Tier.GetStatistics().ReadRequests);
    }

    [Fact]
    public async Task Many_reads_at_once_are_answered_each_with_its_own()
    {
        await using var server = await RedisServer.StartAsync();
        await using var bed = new RedisTierBed(server.Port);
        await bed.StartAsync();
        for (var i = 0; i < 3000; i++)
        {
            bed.Put($"key{i}", i % 100 == 0 ? new string((char)('a' + (i % 26)), 100_000) : $"value{i}");
            if (i % 100 == 0)
            {
                await bed.WrittenAsync();
            }
        }

        await bed.WrittenAsync();
        var reads = Enumerable.Range(0, 3000).Select(i => bed.ReadAsync($"key{i}")).ToArray();
        for (var i = 0; i < reads.Length; i++)
        {
            Assert.Equal(i % 100 == 0 ? new string((char)('a' + (i % 26)), 100_000) : $"value{i}", await reads[i]);
        }
    }

    [Fact]
    public async Task The_ttl_goes_with_the_record()
    {
        await using var server = await RedisServer.StartAsync();
        await using var bed = new RedisTierBed(server.Port);
        await bed.StartAsync();
        var now = TimeProvider.System.GetUtcNow().ToUnixTimeMilliseconds();
        bed.Put("long", "v", now + 100_000);
        bed.Put("short", "v", now + 300);
        bed.Put("gone", "v", now - 1);
        await bed.WrittenAsync();
        var names = (await server.CallAsync("KEYS", "*")).Items;
        Assert.Equal(2, names.Length);
        var ttls = new List<long>();
        foreach (var name in names.ToArray())
        {
            ttls.Add((await server.CallAsync("PTTL", name.Bytes)).AsInteger());
        }

        Assert.InRange(ttls.Max(), 90_000, 100_000);
        Assert.InRange(ttls.Min(), -2, 300);
        Assert.Equal("v", await bed.ReadAsync("long"));
        Assert.Equal("-", await bed.ReadAsync("gone"));
        while (await bed.ReadAsync("short") == "v")
        {
            await Task.Delay(20, TestContext.Current.CancellationToken);
        }

        Assert.True(TimeProvider.System.GetUtcNow().ToUnixTimeMilliseconds() >= now + 300);
        Assert.Equal("v", await bed.ReadAsync("long"));
    }

    [Fact]
    public async Task User_password_database_and_prefix_are_used()
    {
        await using var server = await RedisServer.StartAsync();
        await server.CallAsync("ACL", "SETUSER", "levee", "on", ">s3cret/:@", "~my:*", "+get", "+set", "+unlink", "+getrange", "+scan", "+ping", "+info", "+select", "+client");
        await server.CallAsync("ACL", "SETUSER", "default", "nopass", "on", "allcommands", "allkeys");
        await using var bed = new RedisTierBed(server.Port, options => options with { User = "levee", Password = "s3cret/:@", Database = 3, Prefix = "my:pre*fix" });
        await bed.StartAsync();
        bed.Put("a", "1");
        await bed.WrittenAsync();
        Assert.Equal("1", await bed.ReadAsync("a"));
        Assert.Equal(0, (await server.CallAsync("DBSIZE")).AsInteger());
        await bed.CrashAsync();
        await bed.StartAsync();
        Assert.Equal("1", await bed.ReadAsync("a"));
        bed.Invalidate("a");
        await bed.WrittenAsync();
        Assert.Equal("-", await bed.ReadAsync("a"));
    }

    [Fact]
    public async Task A_wrong_password_is_a_problem_in_words_without_the_password()
    {
        await using var server = await RedisServer.StartAsync("--requirepass", "right");
        await using var bed = new RedisTierBed(server.Port, options => options with { Password = "wrong-secret" });
        await bed.StartAsync(waits: false);
        await RedisTierBed.UntilAsync(() => bed.Tier.GetStatistics().Problem.Contains("credentials", StringComparison.Ordinal), "the problem");
        var statistics = bed.Tier.GetStatistics();
        Assert.Equal(TierHealth.Degraded, statistics.Health);
        Assert.DoesNotContain("wrong-secret", statistics.Problem, StringComparison.Ordinal);
        bed.Put("a", "1");
        Assert.Equal("1", await bed.ReadAsync("a"));
    }

    [Fact]
    public async Task What_was_invalidated_never_comes_back()
    {
        await using var server = await RedisServer.StartAsync();
        await using var bed = new RedisTierBed(server.Port);
        await bed.StartAsync();
        bed.Put("a", "1");
        bed.Put("b", "1");
        await bed.WrittenAsync();
        bed.Invalidate("a");
        Assert.Equal("-", await bed.ReadAsync("a"));
        bed.Put("a", "2");
        Assert.Equal("2", await bed.ReadAsync("a"));
        bed.Invalidate("b");
        await bed.WrittenAsync();
        Assert.Equal("2", await bed.ReadAsync("a"));
        Assert.Equal(1, (await server.CallAsync("DBSIZE")).AsInteger());
        await bed.CrashAsync();
        await bed.StartAsync();
        Assert.Equal("2", await bed.ReadAsync("a"));
        Assert.Equal("-", await bed.ReadAsync("b"));
    }

    [Fact]
    public async Task A_restart_finds_what_redis_holds()
    {
        await using var server = await RedisServer.StartAsync();
        await using var bed = new RedisTierBed(server.Port);
        await bed.StartAsync();
        for (var i = 0; i < 3000; i++)
        {
            bed.Put($"key{i}", $"value{i}");
        }

        await bed.Tier.StopAsync(CancellationToken.None);
        await bed.CrashAsync();
        await bed.StartAsync(waits: false);
        Assert.True(bed.Tier.MayHold(RedisTierBed.Hash("key7")));
        await bed.HealthyAsync();
        Assert.Equal(3000, bed.Tier.GetStatistics().Entries);
        Assert.False(bed.Tier.MayHold(RedisTierBed.Hash("none")));
        for (var i = 0; i < 3000; i++)
        {
            Assert.Equal($"value{i}", await bed.ReadAsync($"key{i}"));
        }
    }

    [Fact]
    public async Task Redis_that_was_killed_and_comes_back_empty_is_a_new_generation()
    {
        await using var server = await RedisServer.StartAsync();
        await using var bed = new RedisTierBed(server.Port);
        await bed.StartAsync();
        bed.Put("a", "1");
        await bed.WrittenAsync();
        await server.KillAsync();
        await RedisTierBed.UntilAsync(() => bed.Tier.GetStatistics().Health == TierHealth.Degraded, "degraded");
        Assert.Equal("!", await bed.ReadAsync("a"));
        bed.Put("b", "2");
        Assert.Equal("2", await bed.ReadAsync("b"));
        await server.RestartAsync();
        await bed.HealthyAsync();
        Assert.Equal("-", await bed.ReadAsync("a"));
        await bed.WrittenAsync();
        Assert.Equal("2", await bed.ReadAsync("b"));
    }

    [Fact]
    public async Task Redis_that_comes_back_from_an_old_snapshot_brings_nothing_back()
    {
        await using var server = await RedisServer.StartAsync();
        await using var bed = new RedisTierBed(server.Port);
        await bed.StartAsync();
        for (var i = 0; i < 100; i++)
        {
            bed.Put($"key{i}", "old");
        }

        await bed.WrittenAsync();
        await server.CallAsync("SAVE");
        for (var i = 0; i < 100; i++)
        {
            bed.Invalidate($"key{i}");
            if (i % 2 == 0)
            {
                bed.Put($"key{i}", "new");
            }
        }

        await bed.WrittenAsync();
        await server.KillAsync();
        await server.RestartAsync();
        await RedisTierBed.UntilAsync(() => bed.Tier.GetStatistics() is { Health: TierHealth.Healthy, Entries: 0 }, "a new generation");
        for (var i = 0; i < 100; i++)
        {
            Assert.Equal("-", await bed.ReadAsync($"key{i}"));
        }

        // The given-up generation is deleted in the background.
        await RedisTierBed.UntilAsync(() => bed.Tier.GetStatistics().GivenUpGenerations == 0, "the old generation is deleted");
        Assert.Equal(0, (await server.CallAsync("DBSIZE")).AsInteger());
    }

    [Fact]
    public async Task Redis_restarted_from_a_snapshot_while_the_tier_was_away_brings_nothing_back()
    {
        await using var server = await RedisServer.StartAsync();
        await using var bed = new RedisTierBed(server.Port);
        await bed.StartAsync();
        bed.Put("a", "old");
        await bed.WrittenAsync();
        await server.CallAsync("SAVE");
        bed.Invalidate("a");
        await bed.WrittenAsync();
        await bed.CrashAsync();
        await server.KillAsync();
        await server.RestartAsync();
        await bed.StartAsync();
        Assert.Equal("-", await bed.ReadAsync("a"));
    }

    [Fact]
    public async Task A_redis_that_hangs_neither_slows_anybody_nor_brings_back_what_was_overwritten_meanwhile()
    {
        await using var server = await RedisServer.StartAsync();
        await using var bed = new RedisTierBed(server.Port);
        await bed.StartAsync();
        for (var i = 0; i < 200; i++)
        {
            bed.Put($"key{i}", "old");
        }

        await bed.WrittenAsync();
        server.Pause();
        try
        {
            for (var i = 0; i < 200; i++)
            {
                bed.Put($"late{i}", "late");
                if (i < 100)
                {
                    bed.Invalidate($"key{i}");
                }

                if (i < 50)
                {
                    bed.Put($"key{i}", "new");
                }
            }

            Assert.Equal("-", await bed.ReadAsync("key70"));
            Assert.Equal("new", await bed.ReadAsync("key7"));
            Assert.Equal("!", await bed.ReadAsync("key170"));
            await RedisTierBed.UntilAsync(() => bed.Tier.GetStatistics().Health == TierHealth.Degraded, "degraded");
            var began = TimeProvider.System.GetTimestamp();
            Assert.Equal("!", await bed.ReadAsync("key171"));
            Assert.True(TimeProvider.System.GetElapsedTime(began) < TimeSpan.FromMilliseconds(200), "a tier that is cut out fails reads at once");
        }
        finally
        {
            server.Continue();
        }

        await bed.HealthyAsync();
        await bed.WrittenAsync();
        for (var i = 0; i < 200; i++)
        {
            Assert.Equal("late", await bed.ReadAsync($"late{i}"));
            Assert.Equal(i < 50 ? "new" : i < 100 ? "-" : "old", await bed.ReadAsync($"key{i}"));
        }

        Assert.Equal(350, (await server.CallAsync("DBSIZE")).AsInteger());
    }

    [Fact]
    public async Task A_connection_that_is_killed_is_made_anew_and_nothing_is_lost()
    {
        await using var server = await RedisServer.StartAsync();
        await using var bed = new RedisTierBed(server.Port);
        await bed.StartAsync();
        for (var round = 0; round < 10; round++)
        {
            for (var i = 0; i < 500; i++)
            {
                bed.Put($"key{round}-{i}", $"{i}");
            }

            await server.CallAsync("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes");
        }

        await bed.WrittenAsync();
        await bed.HealthyAsync();
        for (var round = 0; round < 10; round++)
        {
            for (var i = 0; i < 500; i++)
            {
                // A read that failed, on a busy machine by its time-out, says nothing of the entry.
                var found = await bed.ReadAsync($"key{round}-{i}");
                for (var tries = 0; tries < 10 && found == "!"; tries++)
                {
                    found = await bed.ReadAsync($"key{round}-{i}");
                }

                Assert.Equal(i.ToString(CultureInfo.InvariantCulture), found);
            }
        }
    }

    [Fact]
    public async Task The_capacity_is_kept_by_giving_up_the_oldest_that_was_not_read()
    {
        const int Count = 20_000;
        await using var server = await RedisServer.StartAsync();
        await using var bed = new RedisTierBed(server.Port, capacityBytes: 2 << 20);
        await bed.StartAsync();
        for (var i = 0; i < Count; i++)
        {
            bed.Put($"key{i}", new string('v', 200), tags: i == 1 ? ["t"] : []);
            if (i == 200)
            {
                await bed.WrittenAsync();
                Assert.NotEqual("-", await bed.ReadAsync("key0"));
                Assert.NotEqual("-", await bed.ReadAsync("key1"));
            }

            if (i % 500 == 0)
            {
                await bed.WrittenAsync();
            }
        }

        await bed.WrittenAsync();
        await RedisTierBed.UntilAsync(() => bed.Tier.GetStatistics().HeldBytes <= 2 << 20, "the capacity is kept");
        await bed.WrittenAsync();
        var statistics = bed.Tier.GetStatistics();
        Assert.Equal(statistics.Entries, (await server.CallAsync("DBSIZE")).AsInteger());
        Assert.InRange(statistics.Entries, 2000, 7000);
        Assert.NotEqual("-", await bed.ReadAsync($"key{Count - 1}"));
        Assert.Equal("-", await bed.ReadAsync("key2"));
        Assert.Equal("-", await bed.ReadAsync("key1"));
        Assert.True(statistics.CarriedOver > 0);
        Assert.True(bed.Tier.HoldsFromMs > 0);
    }

    [Fact]
    public async Task Tag_removals_and_clears_survive_and_are_told_before_anything_is_read()
    {
        await using var server = await RedisServer.StartAsync();
        await using var bed = new RedisTierBed(server.Port);
        await bed.StartAsync();
        bed.Put("a", "1", tags: "red");
        var cleared = (int)(RedisTierBed.Hash("a") >> 62);
        await bed.WrittenAsync();
        var removal = RedisTierBed.NextVersion();
        bed.Tier.RemoveByTag(2, "red"u8, removal);
        var clear = RedisTierBed.NextVersion();
        bed.Tier.Clear(cleared, clear);
        Assert.False(bed.Tier.MayHold(RedisTierBed.Hash("a")));
        Assert.Equal("-", await bed.ReadAsync("a"));
        await bed.CrashAsync();
        await bed.StartAsync(waits: false);
        Assert.Equal([(2, "red", removal)], bed.RecoveredTags);
        Assert.Equal([(cleared, clear)], bed.RecoveredClears);
        await bed.HealthyAsync();
        Assert.Equal("-", await bed.ReadAsync("a"));
        bed.Put("a", "2");
        await bed.WrittenAsync();
        Assert.Equal("2", await bed.ReadAsync("a"));
    }

    [Fact]
    public async Task Forgetting_and_keeping_and_promoting_are_counted()
    {
        await using var server = await RedisServer.StartAsync();
        await using var bed = new RedisTierBed(server.Port);
        await bed.StartAsync();
        bed.Put("a", "1");
        bed.Put("b", "1");
        await bed.WrittenAsync();
        bed.Tier.Promoted(RedisTierBed.Hash("a"));
        Assert.Equal((2, 1), (bed.Tier.GetStatistics().Entries, bed.Tier.GetStatistics().EntriesBelow));
        Assert.True(bed.Tier.Explain(RedisTierBed.Hash("a"))!.IsPromoted);
        Assert.True(bed.Tier.Keep(RedisTierBed.Hash("a")));
        Assert.Equal(2, bed.Tier.GetStatistics().EntriesBelow);
        Assert.False(bed.Tier.Keep(RedisTierBed.Hash("none")));
        bed.Tier.Forget(RedisTierBed.Hash("b"));
        await bed.WrittenAsync();
        Assert.Equal(1, (await server.CallAsync("DBSIZE")).AsInteger());
        Assert.Null(bed.Tier.Explain(RedisTierBed.Hash("b")));
    }

    [Fact]
    public async Task Scan_gives_everything_once()
    {
        await using var server = await RedisServer.StartAsync();
        await using var bed = new RedisTierBed(server.Port);
        await bed.StartAsync();
        for (var i = 0; i < 1000; i++)
        {
            bed.Put($"key{i}", "v");
        }

        var keys = new List<string>();
        long position = 0;
        do
        {
            position = await bed.Tier.ScanAsync(position, (scoped in Partitions.TierEntry entry) => keys.Add(System.Text.Encoding.UTF8.GetString(entry.Key)), CancellationToken.None);
        }
        while (position != 0);
        Assert.Equal(1000, keys.Distinct().Count());
        Assert.Equal(1000, keys.Count);
    }

    [Fact]
    public async Task A_write_through_counts_when_redis_has_answered_and_fails_when_it_does_not()
    {
        await using var server = await RedisServer.StartAsync();
        await using var bed = new RedisTierBed(server.Port);
        await bed.StartAsync();
        Assert.True(bed.Tier.IsCommitted);
        Assert.True(bed.Tier.TryWriteThrough(RedisTierBed.Entry("a", "1", RedisTierBed.NextVersion())));
        await bed.Tier.CommitAsync();
        Assert.True(bed.Tier.IsCommitted);
        Assert.Equal(1, (await server.CallAsync("DBSIZE")).AsInteger());
        server.Pause();
        try
        {
            Assert.True(bed.Tier.TryWriteThrough(RedisTierBed.Entry("b", "1", RedisTierBed.NextVersion())));
            Assert.False(bed.Tier.IsCommitted);
            await Assert.ThrowsAsync<IOException>(async () => await bed.Tier.CommitAsync());
            await RedisTierBed.UntilAsync(() => !bed.Tier.TryWriteThrough(RedisTierBed.Entry("c", "1", RedisTierBed.NextVersion())), "the tier takes no more");
        }
        finally
        {
            server.Continue();
        }

        await bed.HealthyAsync();
        await bed.WrittenAsync();
        Assert.Equal("-", await bed.ReadAsync("b"));
        Assert.Equal("1", await bed.ReadAsync("a"));
        await RedisTierBed.UntilAsync(() => bed.Tier.IsCommitted, "committed again");
    }
}
