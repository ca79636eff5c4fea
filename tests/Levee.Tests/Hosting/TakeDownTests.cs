using System.Text;
using Levee.Hosting;
using Levee.Keys;
using Levee.Operations;
using Levee.Testing;
using Xunit;

namespace Levee.Tests.Hosting;

/// <summary>A clean stop: what is in memory goes down, whatever the tiers have room for at once; what cannot go is counted.</summary>
public sealed class TakeDownTests : IAsyncDisposable
{
    private readonly SteppedTime time = new();
    private readonly FakeTier tier = new() { Holds = static _ => false };
    private readonly LockHost host;

    public TakeDownTests() => host = new LockHost(new CacheOptions { Name = "stopping", MemoryBytes = 64L << 20, Partitions = 4 }, time, tier, seed: 1);

    public ValueTask DisposeAsync() => host.DisposeAsync();

    [Theory]
    [InlineData(1000, 100, 1)]
    [InlineData(1000, 100, 700)]
    [InlineData(300, 100_000, 3)]
    public async Task What_finds_no_room_waits_and_is_not_dropped(int count, int bytes, int room)
    {
        Fill(count, bytes);
        tier.Room = room;
        var report = await host.TakeDownAsync(null, CancellationToken.None);
        Assert.Equal((count, count, 0L, 0L, ""), ((int)report.Entries, (int)report.Taken, report.Left, report.Dropped, report.Problem));
        Assert.Equal(report.Bytes, report.TakenBytes);
        Assert.Equal(count, tier.Told.Count(told => told.StartsWith("demote ", StringComparison.Ordinal)));
    }

    [Fact]
    public async Task A_tier_that_takes_nothing_is_given_up_after_a_while_and_what_is_left_is_counted()
    {
        Fill(1000, 100);
        tier.Room = 400;
        tier.Statistics = [tier.Statistics[0] with { Name = "far away", Problem = "it does not answer" }];
        tier.Draining = () => time.Advance(TimeSpan.FromSeconds(3));
        var report = await host.TakeDownAsync(null, CancellationToken.None);
        Assert.Equal((1000L, 400L, 600L, 0L, 600L), (report.Entries, report.Taken, report.Left, report.Dropped, report.Lost));
        Assert.Equal("far away takes nothing: it does not answer", report.Problem);
        Assert.InRange(report.Time, TimeSpan.FromSeconds(10), TimeSpan.FromSeconds(20));
    }

    [Fact]
    public async Task A_tier_that_takes_little_is_waited_for_and_it_is_said_how_far_it_is()
    {
        Fill(500, 100);
        tier.Room = 5;
        tier.Draining = () =>
        {
            time.Advance(TimeSpan.FromSeconds(3));
            tier.Room += 5;
        };
        var said = new List<TakeDownReport>();
        var report = await host.TakeDownAsync(new Listener(said), CancellationToken.None);
        Assert.Equal((500L, 0L), (report.Taken, report.Lost));
        Assert.InRange(said.Count, 30, 110);
        Assert.Equal(said.Select(one => one.Taken).Order(), said.Select(one => one.Taken));
        Assert.All(said, one => Assert.Equal((500L, "stopping"), (one.Entries, one.Cache)));
    }

    [Fact]
    public async Task When_its_time_is_over_the_rest_is_left_and_counted()
    {
        using var over = new CancellationTokenSource();
        Fill(1000, 100);
        tier.Room = 300;
        tier.Draining = () =>
        {
            if (!tier.HasRoom)
            {
                over.Cancel();
            }
        };
        var report = await host.TakeDownAsync(null, over.Token);
        Assert.Equal((300L, 700L, 700L), (report.Taken, report.Left, report.Lost));
        Assert.Equal("the time for the stop was over", report.Problem);
    }

    [Fact]
    public async Task A_failure_of_the_tiers_is_said_and_not_thrown()
    {
        Fill(10, 100);
        tier.Draining = () => throw new IOException("the folder is gone");
        var report = await host.TakeDownAsync(null, CancellationToken.None);
        Assert.Equal((0L, 10L, "the folder is gone"), (report.Taken, report.Left, report.Problem));
    }

    [Fact]
    public async Task What_the_tier_drops_all_the_same_is_counted()
    {
        Fill(100, 100);
        tier.Room = 50;
        tier.Draining = () =>
        {
            tier.Room = int.MaxValue;
            tier.Statistics = [tier.Statistics[0] with { Drops = 7 }];
        };
        var report = await host.TakeDownAsync(null, CancellationToken.None);
        Assert.Equal((100L, 7L, 7L), (report.Taken, report.Dropped, report.Lost));
    }

    [Fact]
    public async Task From_then_on_nothing_is_acknowledged_that_nobody_would_take_down()
    {
        Fill(10, 100);
        await host.TakeDownAsync(null, CancellationToken.None);
        Assert.Equal(Outcome.Unavailable, Set("late", 10));
    }

    /// <summary>The state in which the tiers note it is closed before the host's memory is given back.</summary>
    [Fact]
    public async Task From_then_on_the_tiers_are_not_asked_for_more_of_the_clock()
    {
        var below = new FakeTier { Holds = static _ => false };
        var own = new LockHost(new CacheOptions { Name = "own", MemoryBytes = 16L << 20 }, time, below);
        await own.TakeDownAsync(null, CancellationToken.None);
        var reserved = below.ReservedMs;
        below.CannotReserve = true;
        time.Advance(TimeSpan.FromMinutes(1));
        await own.DisposeAsync();
        Assert.Equal((reserved, 0L), (below.ReservedMs, own.ClockFailures));
    }

    [Fact]
    public async Task Without_tiers_there_is_nothing_to_do_and_nothing_is_called_lost()
    {
        await using var alone = new LockHost(new CacheOptions { Name = "alone", MemoryBytes = 16L << 20 }, time);
        alone.Submit(new Operation { Kind = OperationKind.Set, Key = "k"u8, Hash = KeyHash.Of("k"u8), Value = "v"u8 }, new LastOutcome(), 0);
        Assert.Equal(new TakeDownReport { Cache = "alone" }, await alone.TakeDownAsync(null, CancellationToken.None));
    }

    private void Fill(int count, int bytes)
    {
        for (var i = 0; i < count; i++)
        {
            Assert.Equal(Outcome.Stored, Set($"key-{i}", bytes));
        }
    }

    private Outcome Set(string name, int bytes)
    {
        var key = Encoding.UTF8.GetBytes(name);
        var operation = new Operation { Kind = OperationKind.Set, Key = key, Hash = KeyHash.Of(key) };
        if (bytes > Limits.MaxInlineBytes)
        {
            operation.Large = host.LargeValues.TryCreate(new byte[bytes]);
        }
        else
        {
            operation.Value = new byte[bytes];
        }

        var sink = new LastOutcome();
        host.Submit(operation, sink, 0);
        return sink.Outcome;
    }

    private sealed class LastOutcome : IAnswerSink
    {
        public Outcome Outcome { get; private set; }

        public void Answer(long ticket, in Answer answer) => Outcome = answer.Outcome;
    }

    private sealed class Listener(List<TakeDownReport> said) : IProgress<TakeDownReport>
    {
        public void Report(TakeDownReport value) => said.Add(value);
    }

    /// <summary>Elapsed time passes only when the test says so; delays are real, and short.</summary>
    private sealed class SteppedTime : TimeProvider
    {
        private long ticks = TimeSpan.FromHours(1).Ticks;

        public override long TimestampFrequency => TimeSpan.TicksPerSecond;

        public override long GetTimestamp() => Interlocked.Read(ref ticks);

        public void Advance(TimeSpan by) => Interlocked.Add(ref ticks, by.Ticks);
    }
}
