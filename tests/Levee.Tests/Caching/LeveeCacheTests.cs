using System.Buffers;
using System.Text;
using Levee.Caching;
using Levee.Hosting;
using Levee.Operations;
using Levee.Testing;
using Xunit;

namespace Levee.Tests.Caching;

public sealed class LeveeCacheTests : IAsyncDisposable
{
    private readonly ManualTime time = new();
    private readonly LeveeCache cache;

    public LeveeCacheTests() => cache = new LeveeCache(new CacheOptions { MemoryBytes = 32L << 20, Partitions = 2 }, time);

    public ValueTask DisposeAsync() => cache.DisposeAsync();

    [Theory]
    [InlineData(0)]
    [InlineData(100)]
    [InlineData(8192)]
    [InlineData(8193)]
    [InlineData(1_000_000)]
    public void A_value_comes_back_whichever_way_it_is_read(int length)
    {
        var value = Bytes(length);
        Assert.True(cache.Set("key", value).IsDone);
        Assert.Equal(value, cache.Get("key"));
        var buffer = new byte[length];
        Assert.True(cache.TryGet("key", buffer, out var copied));
        Assert.Equal(length, copied);
        Assert.Equal(value, buffer);
        var writer = new ArrayBufferWriter<byte>();
        Assert.True(cache.TryGet("key"u8, writer));
        Assert.Equal(value, writer.WrittenSpan);
        Assert.True(cache.TryGetEntry("key", out var entry));
        Assert.Equal(value, entry.Value.ToArray());
    }

    [Fact]
    public async Task What_is_hinted_comes_from_the_origin_and_only_where_there_is_no_entry()
    {
        var asked = new System.Collections.Concurrent.ConcurrentQueue<string>();
        await using var cache = new LeveeCache(
            new CacheOptions { MemoryBytes = CacheOptions.MinMemoryBytes },
            origin: (key, _) =>
            {
                asked.Enqueue(key.ToString());
                return key.ToString() == "broken" ? throw new IOException("down") : new(key.ToString() == "absent" ? null : new OriginEntry("loaded"u8.ToArray(), default));
            });
        await cache.SetAsync("there", "written"u8.ToArray(), default, TestContext.Current.CancellationToken);
        Assert.Equal(4, await cache.PrefetchAsync(["wanted", "there", "absent", "broken"], 9, TestContext.Current.CancellationToken));
        var report = await EndOfPrefetching(cache);
        Assert.Equal("loaded"u8.ToArray(), await cache.GetAsync("wanted", TestContext.Current.CancellationToken));
        Assert.Equal("written"u8.ToArray(), await cache.GetAsync("there", TestContext.Current.CancellationToken));
        Assert.Null(await cache.GetAsync("absent", TestContext.Current.CancellationToken));
        Assert.Equal(["absent", "broken", "wanted"], asked.Order());
        Assert.Equal((4L, 1L, 1L), (report.Hints, report.FromOrigin, report.OriginFailures));
        await using var without = new LeveeCache(new CacheOptions { MemoryBytes = CacheOptions.MinMemoryBytes });
        Assert.Null(without.Prefetching);
        Assert.Equal(0, await without.PrefetchAsync(["wanted"], cancellationToken: TestContext.Current.CancellationToken));
    }

    [Theory]
    [InlineData("key")]
    [InlineData("tag")]
    [InlineData("all")]
    [InlineData("write")]
    public async Task A_removal_while_the_origin_loads_a_hinted_key_is_not_undone(string how)
    {
        var cancellation = TestContext.Current.CancellationToken;
        var begun = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        var go = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        await using var cache = new LeveeCache(
            new CacheOptions { MemoryBytes = CacheOptions.MinMemoryBytes },
            origin: async (key, _) =>
            {
                begun.TrySetResult();
                await go.Task;
                return new OriginEntry("old"u8.ToArray(), new EntryOptions { Tags = ["t"] });
            });
        await cache.PrefetchAsync(["key"], 9, cancellation);
        await begun.Task.WaitAsync(cancellation);
        switch (how)
        {
            case "key":
                await cache.RemoveAsync("key", cancellation);
                break;
            case "tag":
                await cache.RemoveByTagAsync("t", cancellation);
                break;
            case "all":
                await cache.ClearAsync(cancellation);
                break;
            default:
                cache.Set("key", "new"u8);
                cache.Remove("key");
                break;
        }

        go.SetResult();
        var report = await EndOfPrefetching(cache);
        Assert.Equal((0L, 0L), (report.FromOrigin, report.OriginFailures));
        Assert.Null(await cache.GetAsync("key", cancellation));

        await cache.PrefetchAsync(["key"], 9, cancellation);
        Assert.Equal(1L, (await EndOfPrefetching(cache)).FromOrigin);
        Assert.Equal("old"u8.ToArray(), await cache.GetAsync("key", cancellation));
    }

    private static async Task<PrefetchReport> EndOfPrefetching(LeveeCache cache)
    {
        PrefetchReport report;
        do
        {
            report = await cache.Prefetching!.ReportAsync(10, TestContext.Current.CancellationToken);
        }
        while (report.Waiting + report.InFlight > 0);
        return report;
    }

    [Fact]
    public void A_miss_has_length_zero_and_a_small_buffer_learns_what_is_needed()
    {
        Assert.False(cache.TryGet("key", new byte[5], out var length));
        Assert.Equal(0, length);
        foreach (var size in (int[])[6, 10_000])
        {
            cache.Set("key", Bytes(size));
            var buffer = new byte[5];
            Assert.False(cache.TryGet("key", buffer, out length));
            Assert.Equal(size, length);
            Assert.Equal(new byte[5], buffer);
            Assert.False(cache.TryGet("key", [], out length));
            Assert.Equal(size, length);
        }

        Assert.Null(cache.Get("other"));
        Assert.False(cache.TryGet("other", new ArrayBufferWriter<byte>()));
        Assert.False(cache.TryGetEntry("other", out _));
    }

    [Fact]
    public void An_entry_shows_its_metadata()
    {
        var options = new EntryOptions { Ttl = TimeSpan.FromMinutes(2), SlidingTtl = TimeSpan.FromMinutes(1), Flags = 7, ContentType = "text/plain", Tags = ["red", "grün"] };
        var set = cache.Set("key", "value"u8, options);
        Assert.True(cache.TryGetEntry("key", out var entry));
        Assert.Equal(set.Version, entry.Version);
        Assert.Equal(time.GetUtcNow(), entry.WrittenAt);
        Assert.Equal(time.GetUtcNow().AddMinutes(1), entry.ExpiresAt);
        Assert.Equal(TimeSpan.FromMinutes(1), entry.SlidingTtl);
        Assert.Equal(7u, entry.Flags);
        Assert.Equal("text/plain", entry.ContentType);
        Assert.Equal(["red", "grün"], entry.Tags);
        Assert.InRange(entry.SizeBytes, 60, 200);
    }

    [Fact]
    public void Conditions_hold_or_say_what_is_there()
    {
        var first = cache.Set("key", "1"u8, new EntryOptions { Condition = Condition.IfAbsent });
        Assert.Equal(Outcome.Stored, first.Outcome);
        Assert.Equal(new SetResult(Outcome.ConditionFailed, first.Version, 0), cache.Set("key", "2"u8, new EntryOptions { Condition = Condition.IfAbsent }));
        Assert.Equal(new SetResult(Outcome.ConditionFailed, 0, 0), cache.Set("other", "2"u8, new EntryOptions { Condition = Condition.IfPresent }));
        var second = cache.Set("key", "2"u8, EntryOptions.IfVersion(first.Version));
        Assert.True(second.Version > first.Version);
        Assert.Equal(Outcome.ConditionFailed, cache.Set("key", "3"u8, EntryOptions.IfVersion(first.Version)).Outcome);
        Assert.Equal(new SetResult(Outcome.ConditionFailed, second.Version, 0), cache.Remove("key", first.Version));
        Assert.Equal(Outcome.Removed, cache.Remove("key", second.Version).Outcome);
        Assert.Equal(Outcome.Miss, cache.Remove("key", second.Version).Outcome);
    }

    [Fact]
    public void Entries_expire_and_can_be_kept()
    {
        var brief = new EntryOptions { Ttl = TimeSpan.FromSeconds(1) };
        foreach (var key in (string[])["gone", "kept", "renewed", "overwritten"])
        {
            cache.Set(key, "x"u8, brief);
        }

        Assert.Equal(Outcome.Stored, cache.Persist("kept").Outcome);
        Assert.Equal(Outcome.ConditionFailed, cache.Persist("kept").Outcome);
        Assert.Equal(Outcome.Miss, cache.Persist("none").Outcome);
        Assert.Equal(Outcome.ConditionFailed, cache.Expire("renewed", TimeSpan.FromMilliseconds(1), ExpireCondition.IfLater).Outcome);
        Assert.Equal(Outcome.Stored, cache.Expire("renewed", TimeSpan.FromSeconds(9)).Outcome);
        cache.Set("overwritten", "y"u8, new EntryOptions { KeepTtl = true });
        time.Advance(1000);
        Assert.Equal([false, true, true, false], ((string[])["gone", "kept", "renewed", "overwritten"]).Select(cache.Exists));
    }

    [Fact]
    public void A_touch_renews_a_sliding_entry_and_a_look_does_not()
    {
        var options = new EntryOptions { SlidingTtl = TimeSpan.FromSeconds(1) };
        cache.Set("touched", "x"u8, options);
        cache.Set("seen", "x"u8, options);
        time.Advance(600);
        Assert.True(cache.Touch("touched"));
        Assert.True(cache.Exists("seen"));
        time.Advance(600);
        Assert.True(cache.Exists("touched"));
        Assert.False(cache.Exists("seen"));
        Assert.False(cache.Touch("seen"));
    }

    [Fact]
    public void Appends_grow_a_value_beyond_what_is_inline_and_keep_its_metadata()
    {
        cache.Set("log", "start"u8, new EntryOptions { Ttl = TimeSpan.FromHours(1), Flags = 3, Tags = ["t"], ContentType = "text/plain" });
        var expected = new List<byte>("start"u8.ToArray());
        for (var i = 0; i < 30; i++)
        {
            var more = Bytes(i * 100);
            expected.AddRange(more);
            Assert.Equal(expected.Count, cache.Append("log", more).Value);
        }

        Assert.True(cache.TryGetEntry("log", out var entry));
        Assert.Equal(expected, entry.Value.ToArray());
        Assert.Equal((3u, "text/plain", "t"), (entry.Flags, entry.ContentType, entry.Tags[0]));
        Assert.Equal(time.GetUtcNow().AddHours(1), entry.ExpiresAt);
        Assert.Equal(20_000, cache.Append("fresh", Bytes(20_000)).Value);
        var refused = cache.Append("fresh", new byte[cache.MaxValueBytes]);
        Assert.Equal((Outcome.TooLarge, (long)cache.MaxValueBytes), (refused.Outcome, refused.Value));
    }

    [Fact]
    public void Numbers_add_up()
    {
        Assert.Equal(1, cache.Increment("n").Value);
        Assert.Equal(-9, cache.Increment("n", -10).Value);
        Assert.Equal(-8.5, cache.Increment("n", 0.5).Value);
        Assert.Equal(Outcome.NotANumber, cache.Increment("n").Outcome);
        cache.Set("n", "9223372036854775807"u8);
        Assert.Equal(Outcome.Overflow, cache.Increment("n").Outcome);
        Assert.Equal(9007199254740991.0, cache.Increment("f", 9007199254740991.0).Value);
        Assert.Equal("9007199254740991", Encoding.ASCII.GetString(cache.Get("f")!));
        cache.Set("f", "NaN"u8);
        Assert.Equal(Outcome.NotANumber, cache.Increment("f", 1.0).Outcome);
    }

    [Fact]
    public void Many_keys_at_once()
    {
        var results = cache.SetMany([new("a", new byte[] { 1 }), new("b", new byte[] { 2 })], new EntryOptions { Flags = 1 });
        Assert.All(results, result => Assert.True(result.IsDone));
        Assert.Equal([[1], null, [2]], cache.GetMany(["a", "none", "b"]));
        Assert.Equal(2, cache.RemoveMany(["a", "none", "b"]));
        Assert.False(cache.Remove("a"));
    }

    [Fact]
    public void A_scan_finds_every_key_with_a_prefix_once()
    {
        for (var i = 0; i < 3000; i++)
        {
            cache.Set($"{(i % 3 == 0 ? "user" : "other")}:{i}", "x"u8);
        }

        var found = cache.Scan("user:").Select(key => key.ToString()).ToList();
        Assert.Equal(1000, found.Count);
        Assert.Equal(1000, found.Distinct().Count());
        Assert.Equal(3000, cache.Scan().Distinct().Count());
    }

    [Fact]
    public void A_tag_takes_its_entries_and_clear_takes_all()
    {
        for (var i = 0; i < 100; i++)
        {
            cache.Set($"{i}", "x"u8, new EntryOptions { Tags = [i % 2 == 0 ? "even" : "odd"] });
        }

        cache.RemoveByTag("even");
        Assert.Equal(50, Enumerable.Range(0, 100).Count(i => cache.Exists($"{i}")));
        Assert.InRange(cache.Clear(), 50, 100);
        Assert.Equal(0, cache.GetStatistics().Entries);
        Assert.Empty(cache.Scan());
    }

    [Fact]
    public void Wrong_arguments_are_named()
    {
        Assert.Contains("4097", Assert.Throws<ArgumentException>(() => cache.Get(new string('k', 4097))).Message, StringComparison.Ordinal);
        Assert.Contains("Ttl is '00:00:00'", Assert.Throws<ArgumentException>(() => cache.Set("k", [], new EntryOptions { Ttl = TimeSpan.Zero })).Message, StringComparison.Ordinal);
        Assert.Contains("Jitter", Assert.Throws<ArgumentException>(() => cache.Set("k", [], new EntryOptions { Jitter = TimeSpan.FromSeconds(-1) })).Message, StringComparison.Ordinal);
        Assert.Contains("255", Assert.Throws<ArgumentException>(() => cache.Set("k", [], new EntryOptions { Tags = [new string('t', 256)] })).Message, StringComparison.Ordinal);
        Assert.Contains("ASCII", Assert.Throws<ArgumentException>(() => cache.Set("k", [], new EntryOptions { ContentType = "tüxt" })).Message, StringComparison.Ordinal);
        Assert.Throws<ArgumentNullException>(() => cache.Get((string)null!));
        Assert.Throws<ArgumentException>(() => new LeveeCache(new CacheOptions { MemoryBytes = 1 }));
        Assert.Equal(new SetResult(Outcome.TooLarge, 0, cache.MaxValueBytes), cache.Set("k", new byte[cache.MaxValueBytes + 1]));
    }

    [Fact]
    public async Task A_disposed_cache_says_so()
    {
        await cache.DisposeAsync();
        await cache.DisposeAsync();
        Assert.Throws<ObjectDisposedException>(() => cache.Get("key"));
        Assert.Throws<ObjectDisposedException>(() => cache.Set("key", new byte[100_000]));
    }

    [Fact]
    public void Large_values_are_never_refused_for_want_of_memory()
    {
        foreach (var length in (int[])[33 * 1024, 200_000, cache.MaxValueBytes, 9000])
        {
            var value = Bytes(length);
            for (var i = 0; i < 80 + (30_000_000 / length / 2); i++)
            {
                var outcome = cache.Set($"{length}:{i}", value).Outcome;
                Assert.True(outcome == Outcome.Stored, $"{outcome} for {length} at {i}: {cache.GetStatistics()}");
            }
        }
    }

    [Fact]
    public void A_hit_into_a_buffer_allocates_nothing()
    {
        var buffer = new byte[100];
        cache.Set("key", Bytes(100));
        cache.Set("n", "1"u8);
        void Round()
        {
            Assert.True(cache.TryGet("key", buffer, out _));
            Assert.True(cache.TryGet("key"u8, buffer, out _));
            cache.Set("key", buffer);
            cache.Increment("n");
            cache.Remove("none");
        }

        Round();
        var before = GC.GetAllocatedBytesForCurrentThread();
        for (var i = 0; i < 1000; i++)
        {
            Round();
        }

        Assert.Equal(0, GC.GetAllocatedBytesForCurrentThread() - before);
    }

    private static byte[] Bytes(int length)
    {
        var bytes = new byte[length];
        new Random(length).NextBytes(bytes);
        return bytes;
    }
}
