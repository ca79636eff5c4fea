using System.Text;
using Levee.Hosting;
using Levee.Keys;
using Levee.Operations;
using Levee.Testing;
using Xunit;

namespace Levee.Tests.Hosting;

public sealed class LockHostTests
{
    [Fact]
    public async Task Reads_and_writes_allocate_nothing_once_warm()
    {
        await using var host = new LockHost(new CacheOptions { MemoryBytes = 16L << 20, Partitions = 1 }, TimeProvider.System, seed: 1, maintains: false);
        var sink = new CountingSink();
        var keys = Enumerable.Range(0, 2000).Select(i => Encoding.ASCII.GetBytes($"key:{i}")).ToArray();
        var value = new byte[5000];
        void Round(OperationKind kind, int size)
        {
            foreach (var key in keys)
            {
                var operation = new Operation { Kind = kind, Key = key, Hash = KeyHash.Of(key), Value = value.AsSpan(0, size), Number = 1 };
                host.Submit(operation, sink, 0);
            }
        }

        void Everything()
        {
            Round(OperationKind.Set, 5000);
            Round(OperationKind.Set, 100);
            Round(OperationKind.Get, 0);
            Round(OperationKind.Delete, 0);
            Round(OperationKind.Increment, 0);
            Round(OperationKind.IncrementFloat, 0);
        }

        Everything();
        Everything();
        var before = GC.GetAllocatedBytesForCurrentThread();
        Everything();
        Assert.Equal(0, GC.GetAllocatedBytesForCurrentThread() - before);
        Assert.True(sink.Answers == 3 * 6 * 2000, $"{sink.Answers} answers");
    }

    /// <summary>A tier that checks every version against what was reserved.</summary>
    [Theory]
    [InlineData(0)]
    [InlineData(-3_600_000)]
    public async Task No_version_passes_what_was_reserved_however_long_the_clock_stands_still(long wallMs)
    {
        var time = new ManualTime();
        var tier = new MemoryTier { FloorMs = wallMs == 0 ? 0 : time.Milliseconds };
        time.Advance(wallMs);
        await using var host = new LockHost(new CacheOptions { MemoryBytes = 16L << 20, Partitions = 1 }, time, tier, seed: 1, maintains: false);
        var sink = new CopyingSink();
        Assert.True(tier.ReservedMs > tier.FloorMs && tier.ReservedMs > time.Milliseconds, $"{tier.ReservedMs} is reserved");
        for (var i = 0; i < 5; i++)
        {
            Write(65_536);
            host.MaintainOnce();
        }

        time.Advance(60_000);
        Write(1);
        Assert.True(host.Clock.Now < tier.ReservedMs, "the clock stands still");
        Write(10 * 65_536);
        host.MaintainOnce();
        Assert.True(wallMs < 0 || host.Clock.Now == time.Milliseconds, "and goes on when more is reserved");

        void Write(int count)
        {
            for (var i = 0; i < count; i++)
            {
                sink.Answers.Clear();
                host.Submit(TestBed.On("absent", OperationKind.Delete), sink, 1);
            }

            sink.Answers.Clear();
            host.Submit(TestBed.On("k", OperationKind.Set), sink, 1);
            Assert.InRange((long)(sink.Last.Entry!.Version >> 16), tier.FloorMs + 1, tier.ReservedMs);
        }
    }

    [Fact]
    public async Task Versions_rise_from_owner_to_owner_though_the_clock_was_set_back()
    {
        var time = new ManualTime();
        var tiers = new FakeTier { Holds = static _ => false };
        var last = 0UL;
        for (var owner = 0; owner < 4; owner++)
        {
            await using var host = new LockHost(new CacheOptions { MemoryBytes = 16L << 20, Partitions = 1 }, time, tiers, seed: 1, maintains: false);
            for (var write = 0; write < 3; write++)
            {
                var sink = new CopyingSink();
                host.Submit(new Operation { Kind = OperationKind.Set, Key = "a"u8, Hash = KeyHash.Of("a"u8), Value = "1"u8 }, sink, 0);
                var version = sink.Last.Entry!.Version;
                Assert.True(version > last, $"owner {owner}: {version} after {last}");
                Assert.InRange((long)(version >> 16), tiers.FloorMs + 1, tiers.ReservedMs);
                last = version;
            }

            tiers.FloorMs = tiers.ReservedMs;
            time.Advance(-60_000);
        }
    }

    [Fact]
    public async Task Owners_that_die_young_do_not_drive_the_clock_ahead()
    {
        var time = new ManualTime();
        var tiers = new FakeTier { Holds = static _ => false };
        for (var owner = 0; owner < 100; owner++)
        {
            await using var host = new LockHost(new CacheOptions { MemoryBytes = 16L << 20, Partitions = 1 }, time, tiers, seed: 1, maintains: false);
            Assert.InRange(host.Clock.Now - time.Milliseconds, 0, 4_000);
            tiers.FloorMs = tiers.ReservedMs;
            time.Advance(300);
        }
    }

    [Fact]
    public async Task A_clock_that_cannot_be_reserved_stands_still_until_it_can()
    {
        var time = new ManualTime();
        var tier = new FakeTier { Holds = static _ => false };
        await using var host = new LockHost(new CacheOptions { MemoryBytes = 16L << 20, Partitions = 1 }, time, tier, seed: 1, maintains: false);
        tier.CannotReserve = true;
        var began = time.Milliseconds;
        for (var i = 0; i < 10; i++)
        {
            time.Advance(1000);
            host.MaintainOnce();
        }

        Assert.Equal(began + 2800, host.Clock.Now);
        Assert.InRange(host.ClockFailures, 5, 10);
        var sink = new CopyingSink();
        host.Submit(TestBed.On("k", OperationKind.Set), sink, 1);
        Assert.Equal(Outcome.Stored, sink.Last.Outcome);
        tier.CannotReserve = false;
        host.MaintainOnce();
        Assert.Equal(time.Milliseconds, host.Clock.Now);
    }

    [Fact]
    public async Task Maintenance_goes_on_when_the_clock_could_not_be_reserved()
    {
        var tier = new FakeTier { Holds = static _ => false };
        await using var host = new LockHost(new CacheOptions { MemoryBytes = 16L << 20, Partitions = 1 }, TimeProvider.System, tier, seed: 1);
        tier.CannotReserve = true;
        while (host.ClockFailures < 3)
        {
            await Task.Delay(10, TestContext.Current.CancellationToken);
        }

        tier.CannotReserve = false;
        var stoodAt = host.Clock.Now;
        while (host.Clock.Now < stoodAt + 100)
        {
            await Task.Delay(10, TestContext.Current.CancellationToken);
        }
    }

    [Fact]
    public async Task Threads_from_one_gate_leave_every_invariant_standing()
    {
        Assert.SkipUnless(Environment.GetEnvironmentVariable("LEVEE_LONG") == "1", "long: set LEVEE_LONG=1");
        await using var host = new LockHost(new CacheOptions { MemoryBytes = 16L << 20, Partitions = 2 }, TimeProvider.System, seed: 1);
        using var gate = new ManualResetEventSlim();
        var sinks = Enumerable.Range(0, 4).Select(_ => new CountingSink()).ToArray();
        var threads = sinks.Select((sink, seed) => new Thread(() =>
        {
            var random = new Random(seed);
            var value = new byte[20_000];
            gate.Wait();
            for (var i = 0; i < 1_000_000; i++)
            {
                Act(host, random, value, sink);
            }
        })).ToArray();
        Array.ForEach(threads, thread => thread.Start());
        gate.Set();
        Array.ForEach(threads, thread => thread.Join());
        host.CheckInvariants();
        Assert.True(host.HeldBytes <= 16L << 20);
        Assert.All(sinks, sink => Assert.True(sink.Hits > 10_000, $"{sink.Hits} hits"));
    }

    private static void Act(LockHost host, Random random, byte[] value, CountingSink sink)
    {
        var key = Encoding.ASCII.GetBytes($"key:{random.Next(20_000)}");
        var operation = new Operation { Key = key, Hash = KeyHash.Of(key) };
        switch (random.Next(1000))
        {
            case < 500:
                operation.Kind = OperationKind.Get;
                break;
            case < 950:
                operation.Kind = OperationKind.Set;
                operation.Tags = "\u0003red"u8;
                operation.SlidingMs = random.Next(3) == 0 ? random.Next(1, 50) : 0;
                operation.Value = value.AsSpan(0, random.Next(random.Next(10) == 0 ? 8000 : 300));
                break;
            case < 960:
                operation.Kind = OperationKind.Set;
                operation.Large = host.LargeValues.TryCreate(value);
                if (operation.Large is null)
                {
                    return;
                }

                break;
            case < 998:
                operation.Kind = OperationKind.Delete;
                break;
            case 998:
                operation = new Operation { Kind = random.Next(50) == 0 ? OperationKind.Clear : OperationKind.RemoveByTag, Key = "red"u8, Partition = random.Next(2) };
                break;
            default:
                operation = new Operation { Kind = OperationKind.Scan, Partition = random.Next(2), Number = random.Next(10_000), Count = 200 };
                break;
        }

        host.Submit(operation, sink, 0);
        if (operation.Large is { } large && sink.Last != Outcome.Stored)
        {
            large.Release();
        }
    }

    private sealed class CountingSink : IAnswerSink
    {
        public int Answers { get; private set; }

        public int Hits { get; private set; }

        public Outcome Last { get; private set; }

        public void Answer(long ticket, in Answer answer)
        {
            Answers++;
            Last = answer.Outcome;
            Hits += answer.Outcome == Outcome.Hit ? 1 : 0;
        }
    }
}
