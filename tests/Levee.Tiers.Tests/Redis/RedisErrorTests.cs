using Levee.Operations;
using Levee.Tiers.Redis;
using Xunit;

namespace Levee.Tiers.Tests.Redis;

public sealed class RedisErrorTests
{
    [Theory]
    [InlineData("-OOM command not allowed when used memory > 'maxmemory'.\r\n", "maxmemory")]
    [InlineData("-READONLY You can't write against a read only replica.\r\n", "replica")]
    [InlineData("-MISCONF Redis is configured to save RDB snapshots\r\n", "cannot save")]
    [InlineData("-LOADING Redis is loading the dataset in memory\r\n", "not ready")]
    [InlineData("-NOPERM this user has no permissions to run the 'set' command\r\n", "rights")]
    [InlineData("-MOVED 3999 127.0.0.1:6381\r\n", "Cluster")]
    public async Task A_write_that_is_refused_is_lost_and_said_and_writing_goes_on_when_redis_takes_it_again(string error, string words)
    {
        await using var server = new FakeRedis();
        await using var bed = new RedisTierBed(server.Port);
        await bed.StartAsync();
        var problems = new List<string>();
        server.Script = command => command[0] == "SET" ? error : "";
        bed.Put("a", "1");
        await RedisTierBed.UntilAsync(
            () =>
            {
                problems.Add(bed.Tier.GetStatistics().Problem);
                return problems[^1].Contains(words, StringComparison.Ordinal);
            },
            $"the problem says {words}; it said {problems.Distinct().Aggregate("", (all, one) => all + one)}");
        await RedisTierBed.UntilAsync(() => bed.Tier.GetStatistics().Drops >= 1, "the entry is dropped");
        Assert.Equal("-", await bed.ReadAsync("a"));
        server.Script = _ => "";
        bed.Put("b", "1");
        await bed.HealthyAsync();
        await bed.WrittenAsync();
        Assert.NotNull(bed.Tier.Explain(RedisTierBed.Hash("b")));
    }

    [Fact]
    public async Task A_set_without_an_answer_is_sent_again_after_the_former_connection_was_killed()
    {
        await using var server = new FakeRedis();
        await using var bed = new RedisTierBed(server.Port);
        await bed.StartAsync();
        var commands = new List<string>();
        var isSilent = true;
        server.Script = command =>
        {
            lock (commands)
            {
                commands.Add(string.Join(' ', command.Take(3).Where(word => word.Length < 20)));
            }

            return command[0] == "SET" && isSilent ? null : "";
        };
        bed.Put("a", "1");
        await RedisTierBed.UntilAsync(() => bed.Tier.GetStatistics().Health == TierHealth.Degraded, "the connection is given up");
        isSilent = false;
        await bed.WrittenAsync();
        lock (commands)
        {
            Assert.Equal(2, commands.Count(command => command == "SET"));
            Assert.True(commands.IndexOf("CLIENT KILL ID") < commands.LastIndexOf("SET"), "killed first");
        }

        Assert.Equal(1, bed.Tier.GetStatistics().Entries);
    }

    [Fact]
    public async Task An_invalidation_is_sent_until_it_is_answered()
    {
        await using var server = new FakeRedis();
        await using var bed = new RedisTierBed(server.Port);
        await bed.StartAsync();
        bed.Put("a", "1");
        await bed.WrittenAsync();
        var unlinks = 0;
        server.Script = command => command[0] != "UNLINK" ? "" : Interlocked.Increment(ref unlinks) < 3 ? null : "";
        bed.Invalidate("a");
        Assert.Equal("-", await bed.ReadAsync("a"));
        await bed.WrittenAsync();
        Assert.Equal(3, unlinks);
    }

    [Fact]
    public async Task More_unanswered_tombstones_than_the_log_takes_give_the_generation_up()
    {
        await using var server = new FakeRedis();
        await using var bed = new RedisTierBed(server.Port) { Tombstones = folder => new TombstoneLog(folder, slotsPerFile: 64, maxFiles: 3) };
        await bed.StartAsync();
        for (var i = 0; i < 500; i++)
        {
            bed.Put($"key{i}", "1");
        }

        await bed.WrittenAsync();
        server.Script = command => command[0] == "UNLINK" ? null : "";
        for (var i = 0; i < 400; i++)
        {
            bed.Invalidate($"key{i}");
        }

        Assert.Equal("-", await bed.ReadAsync("key450"));
        Assert.True(bed.Tier.GetStatistics().GivenUpGenerations > 0);
        server.Script = _ => "";
        await bed.HealthyAsync();
    }

    [Theory]
    [InlineData("$5\r\nwrong\r\n", "-")]
    [InlineData("-WRONGTYPE Operation against a key holding the wrong kind of value\r\n", "!")]
    [InlineData("*1\r\n:1\r\n", "!")]
    [InlineData("", "-")]
    public async Task What_is_no_record_is_never_given_out(string reply, string expected)
    {
        await using var server = new FakeRedis();
        await using var bed = new RedisTierBed(server.Port);
        await bed.StartAsync();
        bed.Put("a", "1");
        await bed.WrittenAsync();
        server.Script = command => command[0] == "GET" ? reply : "";
        Assert.Equal(expected, await bed.ReadAsync("a"));
    }
}
