using System.Globalization;
using Levee.Hosting;
using Levee.Memory;
using Levee.Operations;
using Levee.Testing;
using Xunit;

namespace Levee.Tests.Moves;

public sealed class LockHostMovesTests
{
    [Fact]
    public async Task An_operation_is_answered_only_where_its_partition_is()
    {
        await using var host = New(opens: false);
        var sink = new CopyingSink();
        Assert.False(host.TrySubmit(Set("a", 10), sink, 1));
        Assert.Empty(sink.Answers);
        host.Submit(Set("a", 10), sink, 1);
        Assert.Equal(Outcome.Unavailable, sink.Last.Outcome);
        Assert.Empty(host.Partitions);
        var nothing = await host.FreezeAsync(0, 1, TestContext.Current.CancellationToken);
        Assert.Equal((FreezeOutcome.NotHere, 0L, 1L), (nothing.Outcome, nothing.OpenedEpoch, nothing.KnownEpoch));

        host.Open(0, 3, 5_000_000_000_000);
        Assert.True(host.IsOpen(0));
        Assert.True(host.TrySubmit(Set("a", 10), sink, 2));
        Assert.Equal(Outcome.Stored, sink.Last.Outcome);
        Assert.True(sink.Last.Entry!.Version >> 16 > 5_000_000_000_000, "versions begin above those of the owner before");
        Assert.Equal((0, 3L, PartitionState.Open, 1L), (host.Partitions[0].Number, host.Partitions[0].Epoch, host.Partitions[0].State, host.Partitions[0].Entries));
        Assert.Throws<InvalidOperationException>(() => host.Open(0, 4, 0));
        Assert.Equal(FreezeOutcome.Refused, (await host.FreezeAsync(0, 3, TestContext.Current.CancellationToken)).Outcome);
        Assert.Equal(FreezeOutcome.Refused, (await host.FreezeAsync(0, 2, TestContext.Current.CancellationToken)).Outcome);
        Assert.True(host.IsOpen(0));
        Assert.Throws<InvalidOperationException>(() => host.Reopen(0, 2));
        host.Reopen(0, 5);
        Assert.Equal(5, host.Partitions[0].Epoch);
        Assert.Null(await host.Arrived(0));
    }

    [Fact]
    public async Task Nothing_is_answered_from_the_moment_at_which_the_lease_ends()
    {
        var time = new SteppedTime();
        await using var host = New(opens: true, time);
        var sink = new CopyingSink();
        host.LeaseUntil = host.Clock.Monotonic + 100;
        Assert.True(host.TrySubmit(Set("a", 10), sink, 1));
        time.Step(99);
        Assert.True(host.TrySubmit(TestBed.On("a", OperationKind.Get), sink, 2));
        time.Step(1);
        Assert.False(host.TrySubmit(TestBed.On("a", OperationKind.Get), sink, 3));
        Assert.False(host.TrySubmit(TestBed.On("a", OperationKind.Explain), sink, 3));
        Assert.False(host.IsOpen(0));
        host.LeaseUntil = host.Clock.Monotonic + 100;
        Assert.True(host.TrySubmit(TestBed.On("a", OperationKind.Get), sink, 4));
        Assert.Equal(3, sink.Answers.Count);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task A_partition_without_a_lease_is_frozen_all_the_same_and_serves_no_more_when_the_lease_is_back(bool lapses)
    {
        var time = new SteppedTime();
        await using var host = New(opens: true, time);
        var sink = new CopyingSink();
        host.LeaseUntil = host.Clock.Monotonic + 100;
        Assert.True(host.TrySubmit(Set("a", 10), sink, 1));
        time.Step(lapses ? 100 : 99);
        var frozen = await host.FreezeAsync(0, 9, TestContext.Current.CancellationToken);
        Assert.Equal((FreezeOutcome.Frozen, 9L, !lapses), (frozen.Outcome, frozen.CopyEpoch, frozen.IsCurrent));
        Assert.NotNull(frozen.Header);
        host.LeaseUntil = host.Clock.Monotonic + 100;
        Assert.False(host.TrySubmit(TestBed.On("a", OperationKind.Get), sink, 2));
        Assert.Throws<InvalidOperationException>(() => host.Open(0, 8, 0));
        Assert.Equal(FreezeOutcome.Refused, (await host.FreezeAsync(0, 8, TestContext.Current.CancellationToken)).Outcome);
        Assert.Single(host.Partitions);
    }

    [Fact]
    public async Task While_one_owner_waits_for_a_freeze_another_hears_that_it_cannot_be_said()
    {
        var tier = new FakeTier();
        await using var host = new LockHost(
            new CacheOptions { MemoryBytes = 16L << 20, Partitions = 1 }, TimeProvider.System, tier, seed: 1, maintains: false, moves: new MoveOptions { FreezeWait = TimeSpan.FromMinutes(1) });
        host.Submit(TestBed.On("a", OperationKind.Get), new CopyingSink(), 1); // A load that does not end.
        using var cancelled = new CancellationTokenSource();
        var first = host.FreezeAsync(0, 5, cancelled.Token);
        Assert.Same(first, host.FreezeAsync(0, 5, TestContext.Current.CancellationToken));
        var second = await host.FreezeAsync(0, 6, TestContext.Current.CancellationToken);
        Assert.Equal((FreezeOutcome.CannotSay, "it is being frozen for epoch 5"), (second.Outcome, second.Reason));
        Assert.Equal(FreezeOutcome.Refused, (await host.FreezeAsync(0, 5, TestContext.Current.CancellationToken)).Outcome);
        await cancelled.CancelAsync();
        Assert.Equal((FreezeOutcome.Frozen, 5L), ((await first).Outcome, (await first).CopyEpoch));
        second = await host.FreezeAsync(0, 6, TestContext.Current.CancellationToken);
        Assert.Equal((FreezeOutcome.Frozen, 5L, false), (second.Outcome, second.CopyEpoch, second.IsCurrent));
    }

    [Fact]
    public async Task Maintenance_that_fails_is_counted_and_told_and_goes_on()
    {
        var tier = new FakeTier { Holds = static _ => false };
        await using var host = new LockHost(new CacheOptions { MemoryBytes = 16L << 20, Partitions = 1 }, TimeProvider.System, tier, seed: 1);
        var told = new TaskCompletionSource<Exception>(TaskCreationOptions.RunContinuationsAsynchronously);
        host.MaintenanceFailed = failure => told.TrySetResult(failure);
        tier.ReserveFailure = new InvalidOperationException("the test says so");
        Assert.Equal("the test says so", (await told.Task.WaitAsync(TimeSpan.FromMinutes(1), TestContext.Current.CancellationToken)).Message);
        Assert.True(host.MaintenanceFailures > 0);
        tier.ReserveFailure = null;
        var sink = new CopyingSink();
        var set = Set("a", 10);
        set.ExpiresAt = host.Clock.Now + 1;
        host.Submit(set, sink, 1);
        while (host.Partitions[0].Entries > 0)
        {
            await Task.Delay(10, TestContext.Current.CancellationToken); // Until maintenance has removed what has expired.
        }
    }

    [Fact]
    public async Task A_copy_that_nobody_reads_is_dropped_and_a_reader_of_another_epoch_is_refused()
    {
        var time = new SteppedTime();
        await using var host = New(opens: true, time);
        var sink = new CopyingSink();
        host.Submit(Set("a", 10), sink, 1);
        Assert.Equal(FreezeOutcome.Frozen, (await host.FreezeAsync(0, 7, TestContext.Current.CancellationToken)).Outcome);
        Assert.Equal(PartitionState.Frozen, host.Partitions[0].State);
        Assert.Throws<InvalidOperationException>(() => host.ReadChunk(0, 6, 0));
        time.Step(59_999);
        host.ReadChunk(0, 7, 0);
        time.Step(59_999);
        host.MaintainOnce();
        Assert.Single(host.Partitions);
        time.Step(1);
        while (host.MaintainOnce())
        {
        }

        Assert.Empty(host.Partitions);
        Assert.Equal(0, host.HeldBytes);
        Assert.Throws<InvalidOperationException>(() => host.ReadChunk(0, 7, 0));
    }

    [Fact]
    public async Task A_copy_that_dies_ends_the_arrival_and_what_it_held_is_missing()
    {
        await using var from = New(opens: true);
        await using var to = New(opens: false);
        var sink = new CopyingSink();
        for (var i = 0; i < 2000; i++)
        {
            from.Submit(Set($"k{i}", 200), sink, 1);
        }

        var source = new ControlledSource(from, 0, 1);
        to.Open(0, 1, await from.FreezeAsync(0, 1, TestContext.Current.CancellationToken), source);
        Assert.Equal(PartitionState.Arriving, to.Partitions[0].State);
        sink.Answers.Clear();
        var waiting = new WaitingSink();
        to.Submit(TestBed.On("k5", OperationKind.Increment), waiting, 1);
        to.Submit(Set("k6", 7), sink, 2);
        source.Die();
        var report = await to.Arrived(0);
        Assert.NotEmpty(report!.Problem);
        Assert.Equal((2000L, 2000L, 0L, true), (report.Entries, report.Lost, report.Received, report.IsOver));
        Assert.Contains(await waiting.Answered, new[] { Outcome.Stored, Outcome.Unavailable });
        to.Submit(TestBed.On("k7", OperationKind.Get), sink, 3);
        Assert.Equal(Outcome.Miss, sink.Last.Outcome);
        to.Submit(TestBed.On("k6", OperationKind.Get), sink, 4);
        Assert.Equal(7, sink.Last.Entry!.Value.Length);
    }

    [Fact]
    public async Task A_copy_is_read_now_and_then_while_others_are_pulled_first()
    {
        var cancellation = TestContext.Current.CancellationToken;
        await using var from = new LockHost(new CacheOptions { MemoryBytes = 16L << 20, Partitions = 2 }, TimeProvider.System, seed: 1, maintains: false);
        await using var to = new LockHost(
            new CacheOptions { MemoryBytes = 16L << 20, Partitions = 2 }, TimeProvider.System, seed: 1, maintains: false, opens: false, moves: new MoveOptions { MaxPulls = 1, FrozenIdle = TimeSpan.FromMilliseconds(8) });
        Fill(from, 100, 50, new DroppingSink());
        var pulled = new ControlledSource(from, 0, 1);
        to.Open(0, 1, await from.FreezeAsync(0, 1, cancellation), pulled);
        while (pulled.Chunks == 0)
        {
            await Task.Yield(); // Until it has the turn.
        }

        var waiting = new CountingSource(from, 1, 1, enough: 3);
        to.Open(1, 1, await from.FreezeAsync(1, 1, cancellation), waiting);
        await waiting.Enough.WaitAsync(TimeSpan.FromSeconds(30), cancellation);
        Assert.Equal(0, to.Arrivals[1].Received);
        pulled.AnswersAtOnce = true;
        Assert.Equal((0L, ""), ((await to.Arrived(0))!.Lost, (await to.Arrived(0))!.Problem));
        var report = (await to.Arrived(1))!;
        Assert.Equal((0L, report.Entries, ""), (report.Lost, report.Received, report.Problem));
        Assert.Empty(from.Partitions);
    }

    [Fact]
    public async Task Memory_is_changed_at_run_time_in_slices()
    {
        await using var host = new LockHost(new CacheOptions { MemoryBytes = 32L << 20, Partitions = 2 }, TimeProvider.System, seed: 1, maintains: false);
        var sink = new DroppingSink();
        Fill(host, 40_000, 1000, sink);
        Assert.InRange(host.HeldBytes, 26L << 20, 32L << 20);
        host.Configure(host.Options with { MemoryBytes = 16L << 20, DefaultTtl = TimeSpan.FromHours(1), MaxValueBytes = 5000 });
        while (host.MaintainOnce())
        {
            host.CheckInvariants();
        }

        Assert.InRange(host.HeldBytes, 8L << 20, 16L << 20);
        var copies = new CopyingSink();
        host.Submit(Set("fresh", 5001), copies, 1);
        Assert.Equal(Outcome.TooLarge, copies.Last.Outcome);
        host.Submit(Set("fresh", 5000), copies, 1);
        Assert.InRange(copies.Last.Entry!.ExpiresAt - host.Clock.Now, 3_500_000, 3_600_001);
        host.Configure(host.Options with { MemoryBytes = 64L << 20 });
        Fill(host, 80_000, 1000, sink);
        Assert.InRange(host.HeldBytes, 50L << 20, 64L << 20);
        host.CheckInvariants();
        Assert.Throws<ArgumentException>(() => host.Configure(host.Options with { Partitions = 4 }));
        Assert.Throws<ArgumentException>(() => host.Configure(host.Options with { Name = "other" }));
    }

    [Theory]
    [InlineData(64L << 20, 64L << 20, 4)]
    [InlineData(64L << 20, 32L << 20, 4)]
    [InlineData(64L << 20, 48L << 20, 64)]
    public async Task Many_arrivals_at_once_break_no_budget(long fromBytes, long toBytes, int pulls)
    {
        const int Count = 64;
        await using var from = new LockHost(new CacheOptions { MemoryBytes = fromBytes, Partitions = Count, IsTiny = true }, TimeProvider.System, seed: 1);
        await using var to = new LockHost(
            new CacheOptions { MemoryBytes = toBytes, Partitions = Count, IsTiny = true }, TimeProvider.System, seed: 2, opens: false, moves: new MoveOptions { MaxPulls = pulls, RoomWait = TimeSpan.FromMilliseconds(500) });
        Fill(from, 30_000, 900, new DroppingSink());
        Fill(from, 200, 40_000, new DroppingSink());
        var held = from.HeldBytes;
        var entries = from.Partitions.Sum(static partition => partition.Entries);
        var most = 0L;
        for (var i = 0; i < Count; i++)
        {
            to.Open(i, 1, await from.FreezeAsync(i, 1, TestContext.Current.CancellationToken), new ControlledSource(from, i, 1) { AnswersAtOnce = true });
            most = Math.Max(most, to.HeldBytes);
        }

        var reports = new List<ArrivalReport>();
        for (var i = 0; i < Count; i++)
        {
            var over = to.Arrived(i);
            while (!over.IsCompleted)
            {
                most = Math.Max(most, to.HeldBytes);
                await Task.WhenAny(over, Task.Delay(1, TestContext.Current.CancellationToken));
            }

            reports.Add((await over)!);
        }

        Assert.All(reports, static report => Assert.Equal("", report.Problem));
        Assert.True(most <= toBytes, $"{most} bytes of {toBytes} were held");
        Assert.Equal(entries, reports.Sum(static report => report.Received + report.Lost));

        // What came before the last partition was opened may have been evicted again, to the share that was left then.
        var counted = new CountingSink();
        for (var i = 0; i < Count; i++)
        {
            to.Submit(new Operation { Kind = OperationKind.Statistics, Partition = i }, counted, 1);
        }

        Assert.Equal(entries - reports.Sum(static report => report.Lost), counted.Entries + counted.Evictions);
        if (toBytes >= fromBytes)
        {
            Assert.Equal(0, reports.Sum(static report => report.Lost));
        }
        else if (held > toBytes)
        {
            Assert.True(reports.Sum(static report => report.Lost) > 0);
        }

        to.CheckInvariants();
        Assert.Empty(from.Partitions);
    }

    private static LockHost New(bool opens, TimeProvider? time = null) =>
        new(new CacheOptions { MemoryBytes = 16L << 20, Partitions = 1 }, time ?? TimeProvider.System, seed: 1, maintains: false, opens: opens, moves: new MoveOptions { RetryDelay = TimeSpan.FromMilliseconds(1), Attempts = 2 });

    private static Operation Set(string key, int bytes)
    {
        var operation = TestBed.On(key, OperationKind.Set);
        operation.Value = new byte[bytes];
        return operation;
    }

    private static void Fill(LockHost host, int count, int bytes, IAnswerSink sink)
    {
        for (var i = 0; i < count; i++)
        {
            var key = string.Create(CultureInfo.InvariantCulture, $"key {bytes} {i}");
            if (bytes <= Limits.MaxInlineBytes)
            {
                host.Submit(Set(key, bytes), sink, 1);
                continue;
            }

            var operation = TestBed.On(key, OperationKind.Set);
            operation.Large = host.LargeValues.TryCreate(new byte[bytes]);
            host.Submit(operation, sink, 1);
        }
    }

    private sealed class CountingSink : IAnswerSink
    {
        public long Entries { get; private set; }

        public long Evictions { get; private set; }

        public void Answer(long ticket, in Answer answer) => (Entries, Evictions) = (Entries + answer.Statistics!.Entries, Evictions + answer.Statistics.Evictions);
    }

    private sealed class DroppingSink : IAnswerSink
    {
        public void Answer(long ticket, in Answer answer) => Assert.Equal(Outcome.Stored, answer.Outcome);
    }

    /// <summary>A frozen copy that says when so many chunks were read.</summary>
    private sealed class CountingSource(LockHost host, int partition, long epoch, int enough) : IPartitionSource
    {
        private readonly TaskCompletionSource reached = new(TaskCreationOptions.RunContinuationsAsynchronously);
        private int chunks;

        public Task Enough => reached.Task;

        public ValueTask<byte[]> ReadChunkAsync(long position, CancellationToken cancellation)
        {
            if (Interlocked.Increment(ref chunks) == enough)
            {
                reached.TrySetResult();
            }

            return ValueTask.FromResult(host.ReadChunk(partition, epoch, position));
        }

        public ValueTask<byte[]> ReadKeyAsync(byte[] key, int offset, CancellationToken cancellation) => host.ReadKeyAsync(partition, epoch, key, offset);

        public ValueTask DropAsync()
        {
            host.Drop(partition, epoch);
            return ValueTask.CompletedTask;
        }
    }

    private sealed class WaitingSink : IAnswerSink
    {
        private readonly TaskCompletionSource<Outcome> answered = new(TaskCreationOptions.RunContinuationsAsynchronously);

        public Task<Outcome> Answered => answered.Task;

        public void Answer(long ticket, in Answer answer) => answered.TrySetResult(answer.Outcome);
    }

    /// <summary>Time whose monotonic counter passes when the test says so.</summary>
    private sealed class SteppedTime : TimeProvider
    {
        private long milliseconds = 5_000;

        public override long TimestampFrequency => 1000;

        public override long GetTimestamp() => Interlocked.Read(ref milliseconds);

        public override DateTimeOffset GetUtcNow() => DateTimeOffset.FromUnixTimeMilliseconds(1_700_000_000_000 + GetTimestamp());

        public void Step(long by) => Interlocked.Add(ref milliseconds, by);
    }
}
