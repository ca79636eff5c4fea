using System.Diagnostics;
using System.Text;
using Levee.Clustering;
using Levee.Hosting;
using Levee.Memory;
using Levee.Operations;
using Levee.Testing;
using Xunit;

namespace Levee.Tests.Clustering;

/// <summary>
/// Callers with keys of their own, through routers, to servers that take partitions over from one another, over calls that are late, lost and broken. Afterwards each key's history is read literally:
/// what may lie there is the last acknowledged write or an unknown one after it.
/// </summary>
public sealed class BatchModelTests
{
    private const int Servers = 3;
    private const int KeysPerCaller = 6;
    private const int Callers = 6;

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    [InlineData(4)]
    [InlineData(5)]
    [InlineData(6)]
    public async Task Each_key_has_a_history_that_can_be(int seed)
    {
        var random = new Random(seed);
        var time = new SteppedTime();
        await using var host = new LockHost(new CacheOptions { MemoryBytes = 64 << 20, Partitions = RouterRig.Partitions }, time, seed: 1, maintains: false);
        var executors = Enumerable.Range(0, Servers).Select(_ => new SwitchedExecutor(host)).ToList();
        var home = new int[RouterRig.Partitions];
        for (var s = 1; s < Servers; s++)
        {
            executors[s].Close(Enumerable.Range(0, RouterRig.Partitions));
        }

        var targets = executors.Select((executor, i) => new ServerTarget($"silo{i}", new BatchServer(executor, host.LargeValues, time, $"silo{i}"))).ToList();
        targets.ForEach(target => target.Execution = (_, through) => Disturb(random, time, through));
        var guess = new int[RouterRig.Partitions];
        var routers = Enumerable.Range(0, 2).Select(_ =>
        {
            var routes = new TableRoutes { Target = p => targets[Volatile.Read(ref guess[p])], Fallback = p => targets[Volatile.Read(ref home[p])] };
            return new BatchRouter(RouterRig.Partitions, routes, host.LargeValues, new BatchRouterOptions(), time);
        }).ToList();

        var history = new List<(string Key, OperationKind Kind, string Value, long Ticket)>();
        var sink = new WaitingSink();
        var watch = Stopwatch.StartNew();
        var ticket = 0L;
        for (var round = 0; round < 300; round++)
        {
            for (var i = random.Next(40); i > 0; i--)
            {
                var caller = random.Next(Callers);
                var key = $"{caller}:{random.Next(KeysPerCaller)}";
                var kind = random.Next(10) switch { < 4 => OperationKind.Set, 4 => OperationKind.Delete, _ => OperationKind.Get };
                var value = kind == OperationKind.Set ? (++ticket).ToString().PadRight(random.Next(20) == 0 ? 3000 : 8) : "";
                ticket++;
                history.Add((key, kind, value, ticket));
                var operation = TestBed.On(key, kind);
                operation.Value = Encoding.Latin1.GetBytes(value);
                routers[caller % 2].Submit((int)(operation.Hash >> 62), operation, sink, ticket);
            }

            routers.ForEach(router => router.Flush());
            if (random.Next(60) == 0)
            {
                Move(random.Next(RouterRig.Partitions), executors, home);
            }

            if (random.Next(40) == 0)
            {
                home.CopyTo(guess, 0);
            }

            time.Advance(random.Next(30) == 0 ? 700 : random.Next(20));
            await Task.Yield();
        }

        var all = Task.WhenAll(history.Select(one => sink.Of(one.Ticket)));
        while (!all.IsCompleted && watch.Elapsed < TimeSpan.FromSeconds(60))
        {
            time.Advance(20);
            await Task.Yield();
        }

        Assert.True(all.IsCompleted, $"seed {seed}: operations without an answer");
        Check(history, sink, routers.Sum(router => router.Statistics.Unavailable));
        foreach (var router in routers)
        {
            await router.DisposeAsync();
        }

        foreach (var target in targets)
        {
            await target.Server.DisposeAsync();
        }
    }

    private static void Move(int partition, List<SwitchedExecutor> executors, int[] home)
    {
        // Onwards only: what comes back to where it was is fenced by epochs, which are not the router's.
        if (home[partition] < Servers - 1)
        {
            executors[home[partition]].Close(partition);
            executors[home[partition] + 1].Open(partition);
            Volatile.Write(ref home[partition], home[partition] + 1);
        }
    }

    private static async ValueTask<byte[]> Disturb(Random random, SteppedTime time, Func<ValueTask<byte[]>> through)
    {
        int chance, delay;
        lock (random)
        {
            chance = random.Next(100);
            delay = random.Next(1, 40);
        }

        switch (chance)
        {
            case < 3:
                throw new BatchNotDeliveredException("the line is down");
            case < 5:
                await through();
                throw new IOException("the reply is lost");
            case < 7:
                await Task.Delay(TimeSpan.FromMilliseconds(1500), time, CancellationToken.None);
                break; // Late: the caller has given up on it.
            case < 9:
                await through();
                return [1, 2, 3];
            case < 50:
                await Task.Delay(TimeSpan.FromMilliseconds(delay), time, CancellationToken.None);
                break;
        }

        return await through();
    }

    private static void Check(List<(string Key, OperationKind Kind, string Value, long Ticket)> history, WaitingSink sink, long givenUp)
    {
        var possible = new Dictionary<string, HashSet<string?>>();
        var hits = 0;
        var unexplained = 0;
        foreach (var (key, kind, value, ticket) in history)
        {
            var answer = sink.Of(ticket).Result;
            if (!possible.TryGetValue(key, out var values))
            {
                possible[key] = values = [null];
            }

            switch (kind)
            {
                case OperationKind.Get when answer.Outcome == Outcome.Hit:
                    var seen = Encoding.Latin1.GetString(answer.Entry!.Value);
                    Assert.True(values.Contains(seen), $"{key}: operation {ticket} read '{seen.Trim()}', possible were {string.Join(", ", values.Select(v => v?.Trim() ?? "none"))}");
                    possible[key] = [seen];
                    hits++;
                    break;
                case OperationKind.Get:
                    Assert.Equal(Outcome.Miss, answer.Outcome);
                    unexplained += values.Contains(null) ? 0 : 1;
                    break;
                default:
                    string? now = kind == OperationKind.Set ? value : null;
                    if (answer.Outcome == Outcome.Unavailable)
                    {
                        values.Add(now);
                    }
                    else
                    {
                        Assert.True(answer.Outcome is Outcome.Stored or Outcome.Removed or Outcome.Miss, $"{answer.Outcome}");
                        possible[key] = [now];
                    }

                    break;
            }
        }

        Assert.InRange(hits, 500, int.MaxValue);
        Assert.True(unexplained <= givenUp, $"{unexplained} misses of what was there; {givenUp} operations were given up");
    }
}
