using System.Text;
using Levee.Caching;
using Levee.Hosting;
using Levee.Memory;
using Levee.Operations;
using Levee.Testing;
using Xunit;

namespace Levee.Tests.Caching;

/// <summary>What goes wrong, or comes late, between a caller and its host.</summary>
public sealed class HostedCacheTests : IAsyncDisposable
{
    private readonly ManualTime time = new();
    private readonly FakeTier tier = new() { Holds = static _ => false };
    private readonly LockHost host;
    private readonly DeferringHost deferring;
    private readonly HostedCache cache;

    public HostedCacheTests()
    {
        host = new LockHost(new CacheOptions { MemoryBytes = 32L << 20, Partitions = 4, Name = "far" }, time, tier, seed: 1, maintains: false);
        deferring = new DeferringHost(host);
        cache = new HostedCache(deferring, time);
    }

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    public ValueTask DisposeAsync() => host.DisposeAsync();

    [Fact]
    public async Task Hints_go_to_the_prefetcher_and_cost_nothing_where_there_is_none()
    {
        Assert.Equal(0, await cache.PrefetchAsync(["a", "b"], cancellationToken: Cancellation));
        var prefetching = new FakePrefetching { Room = 3 };
        deferring.Prefetching = prefetching;
        Assert.Equal(2, await cache.PrefetchAsync(["a", "grün"], 9, Cancellation));
        Assert.Equal(1, await cache.PrefetchAsync(["c", "d"], cancellationToken: Cancellation));
        Assert.Equal([("a", 9), ("grün", 9), ("c", 5)], prefetching.Hints.Select(hint => (hint.Key, hint.Priority)));
        Assert.All(prefetching.Hints, hint => Assert.Equal(Levee.Keys.KeyHash.Of(Encoding.UTF8.GetBytes(hint.Key)), hint.Hash));
        await Assert.ThrowsAsync<ArgumentOutOfRangeException>(async () => await cache.PrefetchAsync(["a"], 10, Cancellation));
        await Assert.ThrowsAsync<ArgumentOutOfRangeException>(async () => await cache.PrefetchAsync(["a"], -1, Cancellation));
        await Assert.ThrowsAsync<ArgumentException>(async () => await cache.PrefetchAsync([new string('x', Limits.MaxKeyBytes + 1)], 0, Cancellation));
        await Assert.ThrowsAnyAsync<OperationCanceledException>(async () => await cache.PrefetchAsync(["e"], 0, new CancellationToken(canceled: true)));
        Assert.Equal(3, prefetching.Hints.Count);
    }

    [Fact]
    public async Task A_partition_that_does_not_answer_is_named_with_what_the_host_knows()
    {
        deferring.FailingKeys.Add("k");
        deferring.FailingKeys.Add("tag");
        var calls = new Func<ValueTask>[]
        {
            async () => await cache.GetAsync("k", Cancellation),
            async () => await cache.SetAsync("k", new byte[20_000], default, Cancellation),
            async () => await cache.AppendAsync("k", new byte[10], Cancellation),
            async () => await cache.AppendAsync("k", new byte[20_000], Cancellation),
            async () => await cache.IncrementAsync("k", 1, Cancellation),
            async () => await cache.IncrementAsync("k", 1.0, Cancellation),
            async () => await cache.GetManyAsync(["a", "k"], Cancellation),
            async () => await cache.RemoveManyAsync(["a", "k"], Cancellation),
        };
        foreach (var call in calls)
        {
            var pending = call().AsTask();
            deferring.Deliver();
            var failure = await Assert.ThrowsAsync<CacheUnavailableException>(() => pending);
            Assert.Equal(host.PartitionOf(Levee.Keys.KeyHash.Of("k"u8)), failure.Partition);
            Assert.Equal($"Partition {failure.Partition} of the cache 'far' is unavailable: the silo of partition {failure.Partition} did not answer within 1000 ms.", failure.Message);
        }

        var removal = cache.RemoveByTagAsync("tag", Cancellation).AsTask();
        deferring.Deliver();
        Assert.Equal(0, (await Assert.ThrowsAsync<CacheUnavailableException>(() => removal)).Partition);
        var sets = cache.SetManyAsync([new("a", "1"u8.ToArray()), new("k", new byte[20_000])], default, Cancellation);
        deferring.Deliver();
        Assert.Equal([Outcome.Stored, Outcome.Unavailable], (await sets).Select(result => result.Outcome));
        AssertNothingLarge();
        Assert.Equal("Partition 3 of the cache 'c' is unavailable.", new CacheUnavailableException("c", 3, null).Message);
    }

    [Fact]
    public async Task What_all_partitions_are_asked_names_those_that_did_not_do_it_and_the_others_have()
    {
        deferring.Defers = false;
        for (var i = 0; i < 100; i++)
        {
            await cache.SetAsync($"k{i}", new byte[10], new EntryOptions { Tags = ["t"] }, Cancellation);
        }

        var failing = new FailingHost(host) { Fails = static (_, _, partition) => partition is 1 or 3 };
        var cut = new HostedCache(failing, time);
        var before = new int[4];
        for (var i = 0; i < 100; i++)
        {
            before[host.PartitionOf(Levee.Keys.KeyHash.Of(Encoding.UTF8.GetBytes($"k{i}")))]++;
        }

        foreach (var call in new Func<Task>[]
        {
            async () => await cut.GetStatisticsAsync(Cancellation),
            async () => await cut.RemoveByTagAsync("t", Cancellation),
            async () => await cut.ClearAsync(Cancellation),
        })
        {
            var failure = await Assert.ThrowsAsync<CacheUnavailableException>(call);
            Assert.Equal(("far", 1), (failure.Cache, failure.Partition));
            Assert.Equal(
                "Not done: partition 1 of the cache 'far' did not answer (its silo is gone); "
                + "partition 3 of the cache 'far' did not answer (its silo is gone).",
                failure.Message);
        }

        Assert.Equal(1, (await Assert.ThrowsAsync<CacheUnavailableException>(async () => await cut.ScanAsync(cancellationToken: Cancellation).ToListAsync(Cancellation))).Partition);
        Assert.InRange(before[1] + before[3], 1, 99);
        Assert.Equal(before[1] + before[3], (await cache.ScanAsync(cancellationToken: Cancellation).ToListAsync(Cancellation)).Count);
    }

    [Fact]
    public async Task A_cancellation_ends_the_wait_and_late_answers_let_go_of_large_values()
    {
        deferring.Defers = false;
        await cache.SetAsync("large", new byte[200_000], default, Cancellation);
        deferring.Defers = true;
        using var source = new CancellationTokenSource();
        Task[] pending =
        [
            cache.GetAsync("large", source.Token).AsTask(),
            cache.GetManyAsync(["large", "none", "large"], source.Token).AsTask(),
            cache.SetAsync("refused", new byte[50_000], new EntryOptions { Condition = Condition.IfPresent }, source.Token).AsTask(),
            cache.SetAsync("stored", new byte[50_000], default, source.Token).AsTask(),
            cache.ClearAsync(source.Token).AsTask(),
        ];
        deferring.Deliver(3);
        await source.CancelAsync();
        foreach (var task in pending)
        {
            await ((Task)Task.WhenAny(task)).WaitAsync(Cancellation);
        }

        Assert.InRange(pending.Count(task => task.IsCanceled), 2, 5);
        deferring.Deliver();
        Assert.Equal(0, deferring.Waiting);
        AssertNothingLarge();
    }

    /// <summary>Cancellations and answers in any order, again and again, on sinks that are used again: nobody gets another's answer.</summary>
    [Fact]
    public async Task Cancellations_that_race_answers_neither_mix_nor_leak()
    {
        var own = new HostedCache(new SelfDeliveringHost(deferring), time);
        for (var i = 0; i < 20; i++)
        {
            await own.SetAsync($"k{i}", Encoding.ASCII.GetBytes(new string((char)('a' + i), i % 2 == 0 ? 50 : 20_000)), default, Cancellation);
        }

        int cancelled = 0, answered = 0;
        await Task.WhenAll(Enumerable.Range(0, 4).Select(seed => Task.Run(async () =>
        {
            var random = new Random(seed);
            for (var i = 0; i < 300; i++)
            {
                using var source = new CancellationTokenSource();
                var key = random.Next(20);
                var pending = own.GetAsync($"k{key}", source.Token);
                if (random.Next(2) == 0)
                {
                    await source.CancelAsync();
                }

                try
                {
                    var value = await pending;
                    Assert.Equal(((byte)('a' + key), key % 2 == 0 ? 50 : 20_000), (value![^1], value.Length));
                    Interlocked.Increment(ref answered);
                }
                catch (OperationCanceledException)
                {
                    Interlocked.Increment(ref cancelled);
                }
            }
        }, Cancellation)));
        Assert.True(cancelled > 20 && answered > 300, $"{cancelled} cancelled, {answered} answered");
        await own.GetStatisticsAsync(Cancellation);
        deferring.Deliver();
        AssertNothingLarge();
    }

    [Fact]
    public async Task Nobody_is_continued_while_a_partition_is_held()
    {
        tier.Holds = static _ => true;
        tier.Put("k", "v");
        var near = new HostedCache(host, time);
        var pending = near.GetAsync("k", Cancellation);
        Assert.False(pending.IsCompleted);
        var continued = new TaskCompletionSource<int>(TaskCreationOptions.RunContinuationsAsynchronously);
        _ = NoteContinuation();
        var completing = 0;
        var thread = new Thread(() =>
        {
            completing = Environment.CurrentManagedThreadId;
            tier.Complete();
        });
        thread.Start();
        thread.Join();
        Assert.NotEqual(completing, await continued.Task.WaitAsync(Cancellation));

        async Task NoteContinuation()
        {
            Assert.Equal("v"u8.ToArray(), await pending.ConfigureAwait(false));
            continued.SetResult(Environment.CurrentManagedThreadId);
        }
    }

    [Fact]
    public async Task Nothing_is_reported_done_before_it_is_committed()
    {
        var committing = new CommittingHost(host);
        var near = new HostedCache(committing, time);
        var set = near.SetAsync("k", new byte[20_000], default, Cancellation).AsTask();
        var get = near.GetAsync("k", Cancellation).AsTask();
        Assert.False(set.IsCompleted || get.IsCompleted);
        committing.Committed.SetResult();
        Assert.True((await set).IsDone);
        Assert.Equal(20_000, (await get)!.Length);
        committing.Committed = new TaskCompletionSource();
        using var source = new CancellationTokenSource();
        var cancelled = near.GetAsync("k", source.Token).AsTask();
        await source.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => cancelled);
        var failed = near.GetAsync("k", Cancellation).AsTask();
        committing.Committed.SetException(new IOException("The disk fails."));
        await Assert.ThrowsAsync<IOException>(() => failed);
        AssertNothingLarge();
    }

    [Fact]
    public async Task A_wrong_argument_among_many_leaves_those_before_it_carried_out()
    {
        await Assert.ThrowsAsync<ArgumentException>(async () => await cache.SetManyAsync([new("a", new byte[20_000]), new(new string('k', 4097), new byte[1])], default, Cancellation));
        deferring.Deliver();
        deferring.Defers = false;
        Assert.True(await cache.ExistsAsync("a", Cancellation));
        AssertNothingLarge();
    }

    [Fact]
    public async Task Statistics_and_scans_go_through_the_tiers_too()
    {
        tier.Put("below", "v", version: ulong.MaxValue >> 1);
        deferring.Defers = false;
        Assert.Equal(1, (await cache.GetStatisticsAsync(Cancellation)).EntriesBelow);
        var keys = new List<string>();
        await foreach (var key in cache.ScanAsync("", Cancellation))
        {
            keys.Add(key.ToString());
        }

        Assert.Equal(["below"], keys);
    }

    [Fact]
    public async Task A_hit_allocates_the_array_that_it_returns_and_a_write_nothing()
    {
        const int Rounds = 1000;
        await using var alone = new LockHost(new CacheOptions { MemoryBytes = 16L << 20, Partitions = 2 }, time, seed: 1, maintains: false);
        var near = new HostedCache(alone, time);
        var value = new byte[100];
        byte[]? last = null;
        void Hits()
        {
            for (var i = 0; i < Rounds; i++)
            {
                last = Done(near.GetAsync("key"));
            }
        }

        void Writes()
        {
            for (var i = 0; i < Rounds; i++)
            {
                Done(near.SetAsync("key", value));
                Done(near.IncrementAsync("n"));
                Done(near.ExistsAsync("key"));
                Done(near.RemoveAsync("none"));
                Done(near.GetAsync("none"));
            }
        }

        Writes();
        Hits();
        var before = GC.GetAllocatedBytesForCurrentThread();
        last = new byte[value.Length];
        var array = GC.GetAllocatedBytesForCurrentThread() - before;
        before = GC.GetAllocatedBytesForCurrentThread();
        Hits();
        Assert.Equal(array * Rounds, GC.GetAllocatedBytesForCurrentThread() - before);
        Assert.Equal(value, last);
        before = GC.GetAllocatedBytesForCurrentThread();
        Writes();
        Assert.Equal(0, GC.GetAllocatedBytesForCurrentThread() - before);
    }

    /// <summary>The result of what must have completed at once.</summary>
    private static T Done<T>(ValueTask<T> completed)
    {
        Assert.True(completed.IsCompletedSuccessfully);
        return completed.Result;
    }

    /// <summary>Once the cache has been cleared, pages that are still rented are a reader's that has not let go.</summary>
    private void AssertNothingLarge()
    {
        for (var partition = 0; partition < host.PartitionCount; partition++)
        {
            host.Submit(new Operation { Kind = OperationKind.Clear, Partition = partition }, new CopyingSink(), 1);
        }

        while (host.MaintainOnce())
        {
        }

        var sink = new CopyingSink();
        for (var partition = 0; partition < host.PartitionCount; partition++)
        {
            host.Submit(new Operation { Kind = OperationKind.Statistics, Partition = partition }, sink, 1);
        }

        Assert.Equal(sink.Answers.Sum(answer => answer.Statistics!.HeldBytes), host.HeldBytes);
        Assert.Equal(0, sink.Answers.Sum(answer => answer.Statistics!.LargeBytes));
    }

    private sealed class CommittingHost(ICacheHost inner) : ICacheHost
    {
        public TaskCompletionSource Committed { get; set; } = new();

        public string Name => inner.Name;

        public int PartitionCount => inner.PartitionCount;

        public LargeValueStore LargeValues => inner.LargeValues;

        public bool IsCommitted => Committed.Task.IsCompletedSuccessfully;

        public ValueTask CommitAsync() => new(Committed.Task);

        public void Submit(in Operation operation, IAnswerSink sink, long ticket) => inner.Submit(operation, sink, ticket);

        public void Flush(IAnswerSink sink) => inner.Flush(sink);
    }
}
