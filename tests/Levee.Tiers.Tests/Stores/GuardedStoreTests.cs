using Levee.Testing;
using Levee.Tiers.Stores;
using Xunit;

namespace Levee.Tiers.Tests.Stores;

public sealed class GuardedStoreTests : IDisposable
{
    private static readonly GuardOptions Quick = new() { ReadTimeout = TimeSpan.FromMilliseconds(50), WriteTimeout = TimeSpan.FromMilliseconds(50), MaxConcurrency = 4 };
    private readonly string path = Path.GetTempFileName();
    private readonly ManualTime time = new();
    private readonly FakeSegmentStore store = new();

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    public void Dispose() => File.Delete(path);

    [Fact]
    public async Task A_store_that_fails_is_left_alone_and_asked_again_after_a_while()
    {
        await using var guarded = new GuardedStore(store, new GuardOptions(), time);
        await WriteAsync(guarded);
        store.IsBroken = true;
        for (var i = 0; i < 20; i++)
        {
            await Assert.ThrowsAnyAsync<IOException>(() => ReadAsync(guarded));
        }

        store.IsBroken = false;
        var refused = await Assert.ThrowsAnyAsync<IOException>(() => ReadAsync(guarded));
        Assert.Contains("left alone", refused.Message, StringComparison.Ordinal);
        await Assert.ThrowsAnyAsync<IOException>(() => WriteAsync(guarded));
        Assert.Equal((0, 1), (store.Reads, store.Writes));
        time.Advance(6000);
        Assert.Equal(1, await ReadAsync(guarded));
        Assert.Equal(1, await ReadAsync(guarded));
        await WriteAsync(guarded);
        Assert.Equal((2, 2), (store.Reads, store.Writes));
    }

    [Fact]
    public async Task A_store_that_still_fails_when_it_is_tried_is_left_alone_again()
    {
        await using var guarded = new GuardedStore(store, new GuardOptions(), time);
        store.IsBroken = true;
        for (var i = 0; i < 20; i++)
        {
            await Assert.ThrowsAnyAsync<IOException>(() => WriteAsync(guarded));
        }

        time.Advance(6000);
        Assert.DoesNotContain("left alone", (await Assert.ThrowsAnyAsync<IOException>(() => WriteAsync(guarded))).Message, StringComparison.Ordinal);
        Assert.Contains("left alone", (await Assert.ThrowsAnyAsync<IOException>(() => WriteAsync(guarded))).Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_store_that_hangs_costs_a_time_out_and_then_nothing()
    {
        await using var guarded = new GuardedStore(store, Quick, time);
        var gate = new TaskCompletionSource();
        store.Gate = gate.Task;
        for (var i = 0; i < 5; i++)
        {
            Assert.Contains("did not answer", (await Assert.ThrowsAnyAsync<IOException>(() => ReadAsync(guarded))).Message, StringComparison.Ordinal);
        }

        Assert.Contains("left alone", (await Assert.ThrowsAnyAsync<IOException>(() => WriteAsync(guarded))).Message, StringComparison.Ordinal);
        gate.SetResult();
    }

    [Fact]
    public async Task A_page_of_a_list_that_hangs_is_given_up()
    {
        await using var guarded = new GuardedStore(store, Quick, time);
        store.Gate = new TaskCompletionSource().Task;
        var list = Task.Run(ListAsync, Cancellation);
        Assert.Contains("did not answer", (await Assert.ThrowsAnyAsync<IOException>(() => list.WaitAsync(TimeSpan.FromSeconds(10), Cancellation))).Message, StringComparison.Ordinal);
        store.Gate = Task.CompletedTask;
        await WriteAsync(guarded);
        Assert.Equal(1, await ListAsync());

        async Task<int> ListAsync()
        {
            var count = 0;
            await foreach (var found in guarded.ListAsync("", Cancellation))
            {
                count += found.Length > 0 ? 1 : 0;
            }

            return count;
        }
    }

    [Fact]
    public async Task Only_so_many_requests_run_at_a_time()
    {
        await using var guarded = new GuardedStore(new CountingStore(store), new GuardOptions { MaxConcurrency = 4 }, time);
        await WriteAsync(guarded);
        await Task.WhenAll(Enumerable.Range(0, 100).Select(_ => ReadAsync(guarded)));
        Assert.Equal(4, CountingStore.Most);
    }

    /// <summary>The last wait is several time-outs long, and every request itself is short.</summary>
    [Fact]
    public async Task Waiting_for_a_turn_is_not_blamed_on_the_store()
    {
        var slow = new GuardOptions { MaxConcurrency = 1, ReadTimeout = TimeSpan.FromMilliseconds(400), FailureRatio = 0.01, MinimumThroughput = 2 };
        await using var guarded = new GuardedStore(new CountingStore(store), slow, time);
        await WriteAsync(guarded);
        Assert.Equal(Enumerable.Repeat(1, 250), await Task.WhenAll(Enumerable.Range(0, 250).Select(_ => ReadAsync(guarded))));
    }

    [Fact]
    public async Task A_turn_that_does_not_come_is_an_error_that_opens_nothing()
    {
        var gate = new TaskCompletionSource();
        await using var guarded = new GuardedStore(store, new GuardOptions { MaxConcurrency = 1, QueueTimeout = TimeSpan.FromMilliseconds(20), MinimumThroughput = 2 }, time);
        await WriteAsync(guarded);
        store.Gate = gate.Task;
        var first = ReadAsync(guarded);
        for (var i = 0; i < 10; i++)
        {
            var refused = await Assert.ThrowsAnyAsync<IOException>(() => ReadAsync(guarded));
            Assert.Contains("requests waiting", refused.Message, StringComparison.Ordinal);
        }

        gate.SetResult();
        Assert.Equal(1, await first);
        Assert.Equal(1, await ReadAsync(guarded));
    }

    [Fact]
    public async Task A_caller_that_gives_up_is_no_failure_of_the_store()
    {
        await using var guarded = new GuardedStore(store, new GuardOptions(), time);
        await WriteAsync(guarded);
        store.Gate = new TaskCompletionSource().Task;
        for (var i = 0; i < 20; i++)
        {
            using var caller = new CancellationTokenSource(1);
            await Assert.ThrowsAnyAsync<OperationCanceledException>(() => guarded.ReadAsync("x", 0, new byte[1], caller.Token).AsTask());
        }

        store.Gate = Task.CompletedTask;
        Assert.Equal(1, await ReadAsync(guarded));
    }

    private static Task<int> ReadAsync(GuardedStore guarded) => guarded.ReadAsync("x", 0, new byte[1], Cancellation).AsTask();

    private Task WriteAsync(GuardedStore guarded)
    {
        File.WriteAllBytes(path, [1]);
        return guarded.WriteAsync("x", new SegmentContent(path, 1), Cancellation);
    }

    /// <summary>Takes a moment for each read and notes how many ran at a time.</summary>
    private sealed class CountingStore(FakeSegmentStore inner) : ISegmentStore
    {
        private static int running;
        private static int most;

        public static int Most => most;

        public string Kind => inner.Kind;

        public string Location => inner.Location;

        public Task WriteAsync(string name, SegmentContent content, CancellationToken cancellation) => inner.WriteAsync(name, content, cancellation);

        public async ValueTask<int> ReadAsync(string name, long offset, Memory<byte> destination, CancellationToken cancellation)
        {
            var now = Interlocked.Increment(ref running);
            for (var seen = most; seen < now; seen = most)
            {
                Interlocked.CompareExchange(ref most, now, seen);
            }

            await Task.Delay(5, cancellation);
            Interlocked.Decrement(ref running);
            return await inner.ReadAsync(name, offset, destination, cancellation);
        }

        public Task DeleteAsync(string name, CancellationToken cancellation) => inner.DeleteAsync(name, cancellation);

        public IAsyncEnumerable<StoredSegment> ListAsync(string prefix, CancellationToken cancellation) => inner.ListAsync(prefix, cancellation);

        public ValueTask DisposeAsync() => inner.DisposeAsync();
    }
}
