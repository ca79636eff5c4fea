using System.Collections.Concurrent;
using System.Globalization;
using Levee.Tiers.Redis;
using Xunit;

namespace Levee.Tiers.Tests.Redis;

/// <summary>Writes through over a value that Redis has: until the new one is there the old one is what was acknowledged last.</summary>
public sealed class RedisThroughTests
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(15);

    [Fact]
    public async Task A_value_is_there_until_redis_has_the_one_that_replaces_it()
    {
        await using var server = await RedisServer.StartAsync();
        await using var bed = new RedisTierBed(server.Port, Patiently);
        await bed.StartAsync();
        await bed.WriteThrough("a", "1");
        using var hold = await HoldSendingAsync(bed);
        var unanswered = bed.WriteThrough("a", "2");
        Assert.Equal("2", await bed.ReadAsync("a"));
        await bed.KillAsync(hold.LetGo);
        await bed.StartAsync();
        Assert.Equal("1", await bed.ReadAsync("a"));
        await Assert.ThrowsAsync<IOException>(() => unanswered);
    }

    [Fact]
    public async Task A_value_that_redis_got_before_the_kill_is_there_though_nobody_knew()
    {
        await using var server = await RedisServer.StartAsync();
        await using var bed = new RedisTierBed(server.Port, Patiently);
        await bed.StartAsync();
        await bed.WriteThrough("a", "1");
        server.Pause();
        var sent = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        bed.Failpoint = name => Complete(sent, name == "redis:after-set");
        var unanswered = bed.WriteThrough("a", "2");
        await sent.Task.WaitAsync(Patience, TestContext.Current.CancellationToken);
        await bed.KillAsync();
        server.Continue();
        await bed.StartAsync();
        Assert.Contains(await bed.ReadAsync("a"), new[] { "1", "2" });
        await Assert.ThrowsAsync<IOException>(() => unanswered);
    }

    [Fact]
    public async Task An_acknowledged_value_is_there_though_a_newer_one_of_its_key_waited_behind_it()
    {
        const int MoreThanABatch = 400;
        await using var server = await RedisServer.StartAsync();
        await using var bed = new RedisTierBed(server.Port, Patiently);
        await bed.StartAsync();
        await bed.WriteThrough("a", "1");
        using var hold = await HoldSendingAsync(bed);
        var acknowledged = bed.WriteThrough("a", "2");
        for (var i = 0; i < MoreThanABatch; i++)
        {
            bed.Put($"other{i}", "v");
        }

        Ignore(bed.WriteThrough("a", "3"));
        hold.LetOnePass();
        await acknowledged.WaitAsync(Patience, TestContext.Current.CancellationToken);
        await bed.KillAsync(hold.LetGo);
        await bed.StartAsync();
        Assert.Equal("2", await bed.ReadAsync("a"));
    }

    [Fact]
    public async Task A_delete_of_what_was_not_sent_yet_takes_what_it_was_to_replace_too()
    {
        await using var server = await RedisServer.StartAsync();
        await using var bed = new RedisTierBed(server.Port, Patiently);
        await bed.StartAsync();
        await bed.WriteThrough("a", "1");
        using var hold = await HoldSendingAsync(bed);
        Ignore(bed.WriteThrough("a", "2"));
        bed.Invalidate("a");
        Assert.Equal("-", await bed.ReadAsync("a"));
        await bed.KillAsync(hold.LetGo);
        await bed.StartAsync();
        Assert.Equal("-", await bed.ReadAsync("a"));
    }

    [Fact]
    public async Task A_value_that_a_delete_took_is_not_sent_though_a_newer_one_was_written_twice_since()
    {
        var commands = new ConcurrentQueue<string>();
        await using var server = new FakeRedis();
        server.Script = command =>
        {
            var value = Array.Find(["first", "second", "third"], text => command[^1].Contains(text, StringComparison.Ordinal));
            if (value is not null || command[0] == "UNLINK")
            {
                commands.Enqueue(value ?? command[0]);
            }

            return "";
        };
        await using var bed = new RedisTierBed(server.Port, Patiently);
        await bed.StartAsync();
        await bed.WriteThrough("a", "0");
        using var hold = await HoldSendingAsync(bed);
        Ignore(bed.WriteThrough("a", "first"));
        bed.Invalidate("a");
        Ignore(bed.WriteThrough("a", "second"));
        var last = bed.WriteThrough("a", "third");
        hold.LetGo();
        await last.WaitAsync(Patience, TestContext.Current.CancellationToken);
        Assert.Equal(["UNLINK", "second", "third"], commands);
    }

    [Fact]
    public async Task A_value_that_expired_before_it_was_sent_does_not_leave_what_it_replaced()
    {
        await using var server = await RedisServer.StartAsync();
        await using var bed = new RedisTierBed(server.Port, Patiently);
        await bed.StartAsync();
        await bed.WriteThrough("a", "1");
        using var hold = await HoldSendingAsync(bed);
        var expiresAt = Now() + 20;
        var acknowledged = bed.WriteThrough("a", "2", expiresAt);
        await RedisTierBed.UntilAsync(() => Now() > expiresAt, "it has expired");
        hold.LetGo();
        await acknowledged.WaitAsync(Patience, TestContext.Current.CancellationToken);
        Assert.Equal("-", await bed.ReadAsync("a"));
        await bed.KillAsync();
        await bed.StartAsync();
        Assert.Equal("-", await bed.ReadAsync("a"));
    }

    [Fact]
    public async Task A_delete_of_what_was_taken_in_while_redis_was_listed_takes_what_was_not_listed_yet()
    {
        const int Pages = 5000;
        await using var server = await RedisServer.StartAsync();
        await using var bed = new RedisTierBed(server.Port, Patiently);
        await bed.StartAsync();
        for (var i = 0; i < Pages; i++)
        {
            bed.Put($"key{i}", "1");
        }

        await bed.WrittenAsync();
        await bed.KillAsync();
        using var listing = new Hold("redis:listing");
        bed.Failpoint = listing.Pass;
        await bed.StartAsync(waits: false);
        await listing.Reached.WaitAsync(Patience, TestContext.Current.CancellationToken);
        using var sending = await HoldSendingAsync(bed);
        var unlisted = Enumerable.Range(0, Pages).Select(i => $"key{i}").First(key => bed.Tier.Explain(RedisTierBed.Hash(key)) is null);
        Ignore(bed.WriteThrough(unlisted, "2"));
        listing.LetGo();
        await bed.HealthyAsync();
        bed.Invalidate(unlisted);
        await bed.KillAsync(sending.LetGo);
        await bed.StartAsync();
        Assert.Equal("-", await bed.ReadAsync(unlisted));
    }

    [Fact]
    public async Task What_a_lost_connection_may_have_brought_to_redis_is_deleted_there()
    {
        const int MoreThanATurn = 1100;
        var (sets, unlinked) = (0, new ConcurrentBag<string>());
        var isAnswering = false;
        await using var server = new FakeRedis();
        server.Script = command =>
        {
            if (command[0] == "SET")
            {
                Interlocked.Increment(ref sets);
            }
            else if (command[0] == "UNLINK")
            {
                foreach (var name in command[1..])
                {
                    unlinked.Add(name);
                }
            }

            return command[0] is "SET" or "UNLINK" && !Volatile.Read(ref isAnswering) ? null : "";
        };
        await using var bed = new RedisTierBed(server.Port);
        await bed.StartAsync();
        bed.Put("a", "1");
        for (var i = 0; i < MoreThanATurn; i++)
        {
            bed.Put($"other{i}", "v");
        }

        await RedisTierBed.UntilAsync(() => Volatile.Read(ref sets) == MoreThanATurn + 1, "all is sent");
        for (var i = 0; i < MoreThanATurn; i++)
        {
            bed.Invalidate($"other{i}");
        }

        // On the next connection the first turn is full of tombstones: the record is not sent again yet.
        using var hold = new Hold("redis:after-unlink");
        var connected = 0;
        bed.Failpoint = name =>
        {
            connected += name == "redis:connected" ? 1 : 0;
            if (connected > 0)
            {
                hold.Pass(name);
            }
        };
        await hold.Reached.WaitAsync(Patience, TestContext.Current.CancellationToken);
        var key = bed.Tier.Explain(RedisTierBed.Hash("a"));
        Assert.NotNull(key);
        bed.Invalidate("a");
        Volatile.Write(ref isAnswering, true);
        hold.LetGo();
        await RedisTierBed.UntilAsync(() => bed.Tier.IsDrained(), "all is deleted");
        Assert.Equal(MoreThanATurn + 1, unlinked.Distinct().Count());
    }

    [Fact]
    public void A_group_that_was_given_up_is_held_until_what_may_replace_its_records_is_written()
    {
        const int Capacity = 1 << 20;
        var groups = new RedisGroups(Capacity);
        groups.Add(Capacity, Levee.Segments.LocationFlags.None, heldSinceMs: 100);
        var through = groups.BeginReclaim(Capacity, heldSinceMs: 200);
        groups.EndReclaim(through, lastTombstone: 5, lastTicket: 7);
        Assert.Equal(100, groups.HoldsFrom(answeredTombstone: 5, answeredTicket: 6));
        Assert.Equal(100, groups.HoldsFrom(answeredTombstone: 4, answeredTicket: 7));
        Assert.Equal(200, groups.HoldsFrom(answeredTombstone: 5, answeredTicket: 7));
    }

    [Fact]
    public void What_redis_holds_without_a_place_is_held_until_its_group_goes()
    {
        const int Capacity = 1 << 20;
        var groups = new RedisGroups(Capacity);
        groups.Add(Capacity, Levee.Segments.LocationFlags.None, heldSinceMs: 100);
        groups.Hold(heldSinceMs: 50);
        Assert.Equal(50, groups.HoldsFrom(answeredTombstone: 0, answeredTicket: 0));
        groups.EndReclaim(groups.BeginReclaim(Capacity, heldSinceMs: 200), lastTombstone: 0, lastTicket: 0);
        Assert.Equal(200, groups.HoldsFrom(answeredTombstone: 0, answeredTicket: 0));
    }

    /// <summary>Random writes through and deletes by several clients, and kills: what was acknowledged last is there, or what was under way.</summary>
    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    public async Task After_a_kill_the_last_that_was_acknowledged_is_there_or_what_was_under_way(int seed)
    {
        const int Keys = 12;
        const int Kills = 25;
        await using var server = await RedisServer.StartAsync();
        await using var bed = new RedisTierBed(server.Port, Patiently);
        await bed.StartAsync();
        var random = new Random(seed);

        // For each key what it may be, the last acknowledged first.
        var allowed = Enumerable.Range(0, Keys).Select(_ => new List<string> { "-" }).ToArray();
        var deeds = 0;
        for (var kill = 0; kill < Kills; kill++)
        {
            var pending = new List<Task>();
            var turns = random.Next(1, 30);
            for (var turn = 0; turn <= turns; turn++)
            {
                for (var i = random.Next(1, 40); i > 0; i--)
                {
                    var key = random.Next(Keys);
                    var name = $"key{key}";
                    if (random.Next(8) == 0)
                    {
                        bed.Invalidate(name);
                        allowed[key].Add("-");
                    }
                    else
                    {
                        var value = (++deeds).ToString(CultureInfo.InvariantCulture) + new string('x', random.Next(200));
                        pending.Add(bed.WriteThrough(name, value));
                        allowed[key].Add(value);
                    }
                }

                if (turn < turns)
                {
                    await Task.WhenAll(pending);
                    pending.Clear();
                    Array.ForEach(allowed, key => key.RemoveRange(0, key.Count - 1));
                }
            }

            pending.ForEach(Ignore);
            await bed.KillAsync();
            await bed.StartAsync();
            for (var key = 0; key < Keys; key++)
            {
                var read = await bed.ReadAsync($"key{key}");
                Assert.True(allowed[key].Contains(read), $"seed {seed}, kill {kill}: key {key} is {read.TrimEnd('x')}, not one of {string.Join(", ", allowed[key].Select(value => value.TrimEnd('x')))}");
                allowed[key] = [read];
            }
        }
    }

    // A hold keeps a thread of the pool: others may come late to the answers.
    private static RedisOptions Patiently(RedisOptions options) => options with { CommandTimeout = Patience };

    private static long Now() => TimeProvider.System.GetUtcNow().ToUnixTimeMilliseconds();

    private static void Complete(TaskCompletionSource source, bool isReached)
    {
        if (isReached)
        {
            source.TrySetResult();
        }
    }

    // It is killed before its answer; what it says then is no matter.
    private static void Ignore(Task unanswered) => _ = unanswered.ContinueWith(static ended => _ = ended.Exception, TaskScheduler.Default);

    /// <summary>Holds the loop that sends, behind a record of its own.</summary>
    private static async Task<Hold> HoldSendingAsync(RedisTierBed bed)
    {
        var hold = new Hold("redis:after-set");
        bed.Failpoint = hold.Pass;
        bed.Put("the held one", "v");
        await hold.Reached.WaitAsync(Patience, TestContext.Current.CancellationToken);
        return hold;
    }

    /// <summary>Holds whoever passes a failpoint.</summary>
    private sealed class Hold(string failpoint) : IDisposable
    {
        private readonly TaskCompletionSource reached = new(TaskCreationOptions.RunContinuationsAsynchronously);
        private readonly SemaphoreSlim passes = new(0);
        private volatile bool isOver;

        public Task Reached => reached.Task;

        public void Pass(string name)
        {
            if (name == failpoint && !isOver)
            {
                reached.TrySetResult();
                passes.Wait(Patience);
            }
        }

        public void LetOnePass() => passes.Release();

        public void LetGo()
        {
            isOver = true;
            passes.Release();
        }

        public void Dispose() => LetGo();
    }
}
