using System.Text;
using Levee.Caching;
using Levee.Hosting;
using Levee.Operations;
using Levee.Testing;
using Xunit;

namespace Levee.Tests.Caching;

/// <summary>What a cache does through its asynchronous face, wherever its partitions are.</summary>
public abstract class LeveeCacheBattery : IAsyncDisposable
{
    protected static CacheOptions Options { get; } = new() { MemoryBytes = 32L << 20, Partitions = 4, Name = "battery" };

    protected static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    protected ManualTime Time { get; } = new();

    protected abstract ILeveeCache Cache { get; }

    public abstract ValueTask DisposeAsync();

    [Theory]
    [InlineData(0)]
    [InlineData(100)]
    [InlineData(8192)]
    [InlineData(8193)]
    [InlineData(1_000_000)]
    public async Task A_value_comes_back(int length)
    {
        var value = Bytes(length);
        Assert.Null(await Cache.GetAsync("key", Cancellation));
        Assert.True((await Cache.SetAsync("key", value, default, Cancellation)).IsDone);
        Assert.Equal(value, await Cache.GetAsync("key", Cancellation));
        Assert.Equal(value, (await Cache.GetEntryAsync("key", Cancellation))!.Value.ToArray());
        Assert.True(await Cache.RemoveAsync("key", Cancellation));
        Assert.False(await Cache.RemoveAsync("key", Cancellation));
        Assert.Null(await Cache.GetEntryAsync("key", Cancellation));
    }

    [Fact]
    public async Task An_entry_shows_its_metadata()
    {
        var options = new EntryOptions { Ttl = TimeSpan.FromMinutes(2), SlidingTtl = TimeSpan.FromMinutes(1), Flags = 7, ContentType = "text/plain", Tags = ["red", "grün"] };
        var set = await Cache.SetAsync("key", "value"u8.ToArray(), options, Cancellation);
        var entry = (await Cache.GetEntryAsync("key", Cancellation))!;
        Assert.Equal((set.Version, 7u, "text/plain"), (entry.Version, entry.Flags, entry.ContentType));
        Assert.Equal((Time.GetUtcNow(), Time.GetUtcNow().AddMinutes(1)), (entry.WrittenAt, entry.ExpiresAt));
        Assert.Equal(["red", "grün"], entry.Tags);
    }

    [Fact]
    public async Task Conditions_hold_or_say_what_is_there()
    {
        var value = "1"u8.ToArray();
        var first = await Cache.SetAsync("key", value, new EntryOptions { Condition = Condition.IfAbsent }, Cancellation);
        Assert.Equal(new SetResult(Outcome.ConditionFailed, first.Version, 0), await Cache.SetAsync("key", value, new EntryOptions { Condition = Condition.IfAbsent }, Cancellation));
        Assert.Equal(new SetResult(Outcome.ConditionFailed, 0, 0), await Cache.SetAsync("other", Bytes(20_000), new EntryOptions { Condition = Condition.IfPresent }, Cancellation));
        var second = await Cache.SetAsync("key", value, EntryOptions.IfVersion(first.Version), Cancellation);
        Assert.True(second.Version > first.Version);
        Assert.Equal(new SetResult(Outcome.ConditionFailed, second.Version, 0), await Cache.RemoveAsync("key", first.Version, Cancellation));
        Assert.Equal(Outcome.Removed, (await Cache.RemoveAsync("key", second.Version, Cancellation)).Outcome);
        Assert.Equal(Outcome.Miss, (await Cache.RemoveAsync("key", second.Version, Cancellation)).Outcome);
        Assert.Equal(new SetResult(Outcome.TooLarge, 0, Cache.MaxValueBytes), await Cache.SetAsync("key", new byte[Cache.MaxValueBytes + 1], default, Cancellation));
    }

    [Theory]
    [InlineData("nothing")]
    [InlineData("key")]
    [InlineData("tag")]
    [InlineData("all")]
    [InlineData("write")]
    public async Task What_was_loaded_is_stored_unless_its_key_was_voided_while_the_load_ran(string how)
    {
        var lease = await Cache.LeaseAsync("key", Cancellation);
        Assert.NotEqual(0UL, lease);
        await (how switch
        {
            "key" => Cache.RemoveAsync("key", Cancellation).AsTask(),
            "tag" => Cache.RemoveByTagAsync("t", Cancellation).AsTask(),
            "all" => Cache.ClearAsync(Cancellation).AsTask(),
            "write" => Cache.SetAsync("key", "new"u8.ToArray(), default, Cancellation).AsTask(),
            _ => Task.CompletedTask,
        });
        var result = await Cache.SetAsync("key", Bytes(20_000), new EntryOptions { Tags = ["t"], Lease = lease }, Cancellation);
        Assert.Equal(how == "nothing" ? Outcome.Stored : Outcome.ConditionFailed, result.Outcome);
        var expected = how switch { "nothing" => Bytes(20_000), "write" => "new"u8.ToArray(), _ => null };
        Assert.Equal(expected, await Cache.GetAsync("key", Cancellation));
    }

    [Fact]
    public async Task Entries_expire_slide_and_can_be_kept()
    {
        foreach (var key in (string[])["gone", "kept", "renewed"])
        {
            await Cache.SetAsync(key, "x"u8.ToArray(), new EntryOptions { Ttl = TimeSpan.FromSeconds(1) }, Cancellation);
        }

        await Cache.SetAsync("slides", "x"u8.ToArray(), new EntryOptions { SlidingTtl = TimeSpan.FromSeconds(1) }, Cancellation);
        Assert.Equal(Outcome.Stored, (await Cache.PersistAsync("kept", Cancellation)).Outcome);
        Assert.Equal(Outcome.ConditionFailed, (await Cache.PersistAsync("kept", Cancellation)).Outcome);
        Assert.Equal(Outcome.ConditionFailed, (await Cache.ExpireAsync("renewed", TimeSpan.FromMilliseconds(1), ExpireCondition.IfLater, Cancellation)).Outcome);
        Assert.Equal(Outcome.Stored, (await Cache.ExpireAsync("renewed", TimeSpan.FromSeconds(9), cancellationToken: Cancellation)).Outcome);
        Time.Advance(600);
        Assert.True(await Cache.TouchAsync("slides", Cancellation));
        Time.Advance(600);
        Assert.False(await Cache.TouchAsync("gone", Cancellation));
        foreach (var key in (string[])["kept", "renewed", "slides"])
        {
            Assert.True(await Cache.ExistsAsync(key, Cancellation), key);
        }
    }

    [Fact]
    public async Task Appends_grow_a_value_beyond_what_is_inline_and_keep_its_metadata()
    {
        await Cache.SetAsync("log", "start"u8.ToArray(), new EntryOptions { Ttl = TimeSpan.FromHours(1), Flags = 3, Tags = ["t"], ContentType = "text/plain" }, Cancellation);
        var expected = new List<byte>("start"u8.ToArray());
        for (var i = 0; i < 30; i++)
        {
            var more = Bytes(i * 100);
            expected.AddRange(more);
            Assert.Equal(expected.Count, (await Cache.AppendAsync("log", more, Cancellation)).Value);
        }

        var entry = (await Cache.GetEntryAsync("log", Cancellation))!;
        Assert.Equal(expected, entry.Value.ToArray());
        Assert.Equal((3u, "text/plain", "t", Time.GetUtcNow().AddHours(1)), (entry.Flags, entry.ContentType, entry.Tags[0], entry.ExpiresAt!.Value));
        Assert.Equal(20_000, (await Cache.AppendAsync("fresh", Bytes(20_000), Cancellation)).Value);
        var refused = await Cache.AppendAsync("fresh", new byte[Cache.MaxValueBytes], Cancellation);
        Assert.Equal((Outcome.TooLarge, (long)Cache.MaxValueBytes), (refused.Outcome, refused.Value));
    }

    [Fact]
    public async Task Numbers_add_up()
    {
        Assert.Equal(1, (await Cache.IncrementAsync("n", cancellationToken: Cancellation)).Value);
        Assert.Equal(-9, (await Cache.IncrementAsync("n", -10, Cancellation)).Value);
        Assert.Equal(-8.5, (await Cache.IncrementAsync("n", 0.5, Cancellation)).Value);
        Assert.Equal(Outcome.NotANumber, (await Cache.IncrementAsync("n", 1, Cancellation)).Outcome);
        await Cache.SetAsync("n", "9223372036854775807"u8.ToArray(), default, Cancellation);
        Assert.Equal(Outcome.Overflow, (await Cache.IncrementAsync("n", 1, Cancellation)).Outcome);
    }

    [Fact]
    public async Task Many_keys_at_once()
    {
        KeyValuePair<string, ReadOnlyMemory<byte>>[] entries = [.. Enumerable.Range(0, 50).Select(i => new KeyValuePair<string, ReadOnlyMemory<byte>>($"k{i}", Bytes(i * 700))), new("huge", new byte[Cache.MaxValueBytes + 1])];
        var results = await Cache.SetManyAsync(entries, new EntryOptions { Flags = 1 }, Cancellation);
        Assert.All(results.SkipLast(1), result => Assert.True(result.IsDone && result.Version > 0));
        Assert.Equal(new SetResult(Outcome.TooLarge, 0, Cache.MaxValueBytes), results[^1]);
        var values = await Cache.GetManyAsync([.. Enumerable.Range(0, 50).Select(i => $"k{i}"), "none"], Cancellation);
        Assert.Equal(51, values.Length);
        Assert.Null(values[^1]);
        for (var i = 0; i < 50; i++)
        {
            Assert.Equal(Bytes(i * 700), values[i]);
        }

        Assert.Equal(50, await Cache.RemoveManyAsync([.. Enumerable.Range(0, 50).Select(i => $"k{i}"), "none"], Cancellation));
        Assert.Empty(await Cache.GetManyAsync([], Cancellation));
        Assert.Empty(await Cache.SetManyAsync([], default, Cancellation));
        Assert.Equal(0, await Cache.RemoveManyAsync([], Cancellation));
    }

    [Fact]
    public async Task A_scan_finds_every_key_with_a_prefix_once()
    {
        await Cache.SetManyAsync([.. Enumerable.Range(0, 3000).Select(i => new KeyValuePair<string, ReadOnlyMemory<byte>>($"{(i % 3 == 0 ? "user" : "other")}:{i}", "x"u8.ToArray()))], default, Cancellation);
        var found = new List<string>();
        await foreach (var key in Cache.ScanAsync("user:", Cancellation))
        {
            found.Add(key.ToString());
        }

        Assert.Equal(1000, found.Count);
        Assert.Equal(1000, found.Distinct().Count());
    }

    [Fact]
    public async Task A_tag_takes_its_entries_and_clear_takes_all()
    {
        for (var i = 0; i < 100; i++)
        {
            await Cache.SetAsync($"{i}", "x"u8.ToArray(), new EntryOptions { Tags = [i % 2 == 0 ? "even" : "odd"] }, Cancellation);
        }

        await Cache.RemoveByTagAsync("even", Cancellation);
        Assert.Equal(50, (await Cache.GetManyAsync([.. Enumerable.Range(0, 100).Select(i => $"{i}")], Cancellation)).Count(value => value is not null));
        Assert.Equal(50, (await Cache.GetStatisticsAsync(Cancellation)).Hits);
        Assert.InRange(await Cache.ClearAsync(Cancellation), 50, 100);
        Assert.Equal(0, (await Cache.GetStatisticsAsync(Cancellation)).Entries);
    }

    [Fact]
    public async Task Wrong_arguments_are_named_and_a_cancelled_call_does_nothing()
    {
        Assert.Contains("4097", (await Assert.ThrowsAsync<ArgumentException>(async () => await Cache.GetAsync(new string('k', 4097), Cancellation))).Message, StringComparison.Ordinal);
        Assert.Contains("4097", (await Assert.ThrowsAsync<ArgumentException>(async () => await Cache.GetManyAsync(["a", new string('k', 4097)], Cancellation))).Message, StringComparison.Ordinal);
        Assert.Contains("Ttl is", (await Assert.ThrowsAsync<ArgumentException>(async () => await Cache.SetAsync("k", default, new EntryOptions { Ttl = TimeSpan.Zero }, Cancellation))).Message, StringComparison.Ordinal);
        Assert.Contains("255", (await Assert.ThrowsAsync<ArgumentException>(async () => await Cache.RemoveByTagAsync(new string('t', 256), Cancellation))).Message, StringComparison.Ordinal);
        await Assert.ThrowsAsync<ArgumentNullException>(async () => await Cache.AppendAsync(null!, default, Cancellation));
        await Assert.ThrowsAsync<ArgumentException>(async () => await Cache.RemoveByTagAsync("", Cancellation));
        var cancelled = new CancellationToken(canceled: true);
        await Assert.ThrowsAsync<TaskCanceledException>(async () => await Cache.SetAsync("k", Bytes(20_000), default, cancelled));
        await Assert.ThrowsAsync<TaskCanceledException>(async () => await Cache.SetManyAsync([new("k", Bytes(20_000))], default, cancelled));
        await Assert.ThrowsAsync<TaskCanceledException>(async () => await Cache.ClearAsync(cancelled));
        await Assert.ThrowsAsync<TaskCanceledException>(async () => await Cache.ScanAsync("", cancelled).GetAsyncEnumerator(cancelled).MoveNextAsync());
        Assert.False(await Cache.ExistsAsync("k", Cancellation));
        Assert.Equal("battery", Cache.Name);
    }

    [Fact]
    public async Task Callers_side_by_side_lose_no_increment()
    {
        await Task.WhenAll(Enumerable.Range(0, 8).Select(_ => Task.Run(async () =>
        {
            for (var i = 0; i < 50; i++)
            {
                Assert.True((await Cache.IncrementAsync("n", 1, Cancellation)).IsDone);
                Assert.True((await Cache.AppendAsync("log", Bytes(300), Cancellation)).IsDone);
            }
        }, Cancellation)));
        Assert.Equal("400", Encoding.ASCII.GetString((await Cache.GetAsync("n", Cancellation))!));
        Assert.Equal(400 * 300, (await Cache.GetAsync("log", Cancellation))!.Length);
    }

    protected static byte[] Bytes(int length)
    {
        var bytes = new byte[length];
        new Random(length).NextBytes(bytes);
        return bytes;
    }
}
