using System.Collections.Concurrent;
using System.Text;
using System.Threading.Channels;
using Levee.Hosting;
using Levee.Learning;
using Levee.Operations;
using Levee.Testing;
using Microsoft.Extensions.Logging.Abstractions;
using Xunit;

namespace Levee.Tiers.Tests;

/// <summary>Loads that nobody waits for, behind those that somebody waits for.</summary>
public sealed class AheadLoadsTests : IAsyncDisposable
{
    private readonly Channel<(string Key, TaskCompletionSource<TierRead> End)> reads = Channel.CreateUnbounded<(string, TaskCompletionSource<TierRead>)>();
    private readonly ToldTier tier = new();
    private readonly TierChain chain;
    private readonly LockHost host;
    private readonly AnswersOf answers = new();
    private bool isChainDisposed;

    public AheadLoadsTests()
    {
        tier.Reading = (_, key) =>
        {
            var end = new TaskCompletionSource<TierRead>(TaskCreationOptions.RunContinuationsAsynchronously);
            reads.Writer.TryWrite((key is { } known ? Encoding.UTF8.GetString(known.Span) : "by hash", end));
            return new ValueTask<TierRead>(end.Task);
        };
        chain = new TierChain("default", 1, [tier], TimeProvider.System, NullLogger.Instance) { MaxAheadLoads = 2 };
        host = new LockHost(new CacheOptions { MemoryBytes = 16L << 20, Partitions = 1 }, TimeProvider.System, chain, seed: 1, maintains: false);
    }

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    public async ValueTask DisposeAsync()
    {
        if (!isChainDisposed)
        {
            await chain.DisposeAsync();
        }

        await host.DisposeAsync();
    }

    [Fact]
    public async Task Only_so_many_are_under_way_and_who_comes_to_wait_for_one_goes_to_the_front()
    {
        for (var i = 0; i < 5; i++)
        {
            Submit($"k{i}", OperationKind.Prefetch);
        }

        var first = await reads.Reader.ReadAsync(Cancellation);
        var second = await reads.Reader.ReadAsync(Cancellation);
        Assert.Equal(["k0", "k1"], new[] { first.Key, second.Key }.Order());
        Assert.Equal(3, chain.WaitingAheadLoads);
        Submit("k4", OperationKind.Get);
        var raised = await reads.Reader.ReadAsync(Cancellation);
        Assert.Equal(("k4", 2), (raised.Key, chain.WaitingAheadLoads));
        raised.End.SetResult(TierRead.Absent);
        Assert.Equal("k4 Done 2", await answers.AnyOf("k4", OperationKind.Prefetch));
        Assert.Equal("k4 Miss 0", await answers.AnyOf("k4", OperationKind.Get));
        first.End.SetResult(TierRead.Failed);
        Assert.Equal("k2", (await reads.Reader.ReadAsync(Cancellation)).Key);
        Assert.Equal($"{first.Key} Done {(int)PrefetchOutcome.Failed}", await answers.AnyOf(first.Key, OperationKind.Prefetch));
    }

    [Fact]
    public async Task While_others_wait_for_loads_only_one_runs_and_none_is_left_behind()
    {
        Submit("demand", OperationKind.Get);
        var demand = await reads.Reader.ReadAsync(Cancellation);
        Submit("a", OperationKind.Prefetch);
        Submit("b", OperationKind.Prefetch);
        Assert.Equal("a", (await reads.Reader.ReadAsync(Cancellation)).Key);
        Assert.Equal(1, chain.WaitingAheadLoads);
        demand.End.SetResult(TierRead.Absent);
        Assert.Equal("b", (await reads.Reader.ReadAsync(Cancellation)).Key);
    }

    [Fact]
    public async Task A_tier_that_fails_fails_them_all()
    {
        for (var i = 0; i < 100; i++)
        {
            Submit($"k{i}", OperationKind.Prefetch);
        }

        for (var i = 0; i < 100; i++)
        {
            (await reads.Reader.ReadAsync(Cancellation)).End.SetResult(TierRead.Failed);
        }

        for (var i = 0; i < 100; i++)
        {
            Assert.Equal($"k{i} Done {(int)PrefetchOutcome.Failed}", await answers.AnyOf($"k{i}", OperationKind.Prefetch));
        }
    }

    [Fact]
    public async Task A_write_takes_a_load_out_that_has_not_begun_and_the_end_takes_all()
    {
        for (var i = 0; i < 5; i++)
        {
            Submit($"k{i}", OperationKind.Prefetch);
        }

        Submit("k4", OperationKind.Set);
        Assert.Equal($"k4 Done {(int)PrefetchOutcome.Resident}", await answers.AnyOf("k4", OperationKind.Prefetch));
        Assert.Equal(2, chain.WaitingAheadLoads);
        await chain.DisposeAsync();
        isChainDisposed = true;
        Assert.Equal($"k3 Done {(int)PrefetchOutcome.Dropped}", await answers.AnyOf("k3", OperationKind.Prefetch));
        Assert.Equal(0, chain.WaitingAheadLoads);
        Submit("k9", OperationKind.Prefetch);
        Assert.Equal($"k9 Done {(int)PrefetchOutcome.Dropped}", await answers.AnyOf("k9", OperationKind.Prefetch));
    }

    [Fact]
    public async Task Thousands_that_end_at_once_end_one_after_the_other()
    {
        var slow = new TaskCompletionSource<TierRead>();
        var asked = 0;
        tier.Reading = (_, _) => Interlocked.Increment(ref asked) <= 2 ? new ValueTask<TierRead>(slow.Task) : ValueTask.FromResult(TierRead.Absent);
        var ended = new Counted();
        for (var i = 0; i < 4000; i++)
        {
            host.Submit(TestBed.On($"k{i}", OperationKind.Prefetch), ended, i);
        }

        Assert.Equal(3998, chain.WaitingAheadLoads);

        // The slow ones end on a thread whose stack has no room for a frame of each.
        var thread = new Thread(() => slow.SetResult(TierRead.Absent), maxStackSize: 256 << 10);
        thread.Start();
        thread.Join();
        while (ended.Count < 4000)
        {
            await Task.Yield();
            Cancellation.ThrowIfCancellationRequested();
        }
    }

    [Fact]
    public async Task A_load_by_hash_asks_for_whichever_key_has_it()
    {
        host.Submit(new Operation { Kind = OperationKind.Prefetch, Hash = 17 }, answers, answers.Ticket("17", OperationKind.Prefetch));
        var read = await reads.Reader.ReadAsync(Cancellation);
        Assert.Equal("by hash", read.Key);
        read.End.SetResult(TierRead.Absent);
        Assert.Equal($"17 Done {(int)PrefetchOutcome.Absent}", await answers.AnyOf("17", OperationKind.Prefetch));
    }

    private void Submit(string key, OperationKind kind) => host.Submit(TestBed.On(key, kind), answers, answers.Ticket(key, kind));

    private sealed class Counted : IAnswerSink
    {
        private int count;

        public int Count => Volatile.Read(ref count);

        public void Answer(long ticket, in Answer answer) => Interlocked.Increment(ref count);
    }

    /// <summary>Answers by key and kind, each to be awaited.</summary>
    private sealed class AnswersOf : IAnswerSink
    {
        private readonly ConcurrentDictionary<(string Key, OperationKind Kind), (long Ticket, TaskCompletionSource<string> Answer)> waiting = new();
        private long last;

        public long Ticket(string key, OperationKind kind)
        {
            waiting[(key, kind)] = (++last, new TaskCompletionSource<string>(TaskCreationOptions.RunContinuationsAsynchronously));
            return last;
        }

        public Task<string> AnyOf(string key, OperationKind kind) => waiting[(key, kind)].Answer.Task.WaitAsync(Cancellation);

        public void Answer(long ticket, in Answer answer)
        {
            var (place, waiter) = waiting.Single(pair => pair.Value.Ticket == ticket);
            waiter.Answer.TrySetResult($"{place.Key} {answer.Outcome} {answer.Number}");
        }
    }
}
