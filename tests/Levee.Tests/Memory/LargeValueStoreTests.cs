using Levee.Memory;
using Xunit;

namespace Levee.Tests.Memory;

public sealed class LargeValueStoreTests
{
    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    public void Values_keep_their_bytes_and_memory_returns_to_zero(int seed)
    {
        var random = new Random(seed);
        using var arena = new PageArena(16 << 20);
        var store = new LargeValueStore(arena, 1 << 20);
        var live = new List<(LargeValue Value, byte[] Bytes)>();
        var refusals = 0;
        var created = 0;
        for (var step = 0; step < 6000; step++)
        {
            if (random.Next(10) < (step / 1500 % 2 == 0 ? 7 : 4))
            {
                var bytes = new byte[random.Next(4) == 0 ? random.Next(1, 1 << 20) : random.Next(1, 70_000)];
                random.NextBytes(bytes);
                var value = store.TryCreate(bytes);
                if (value is null)
                {
                    refusals++;
                    continue;
                }

                created++;
                Assert.InRange(value.ChargedBytes - bytes.Length, 0, 1023);
                live.Add((value, bytes));
            }
            else if (live.Count > 0)
            {
                var at = random.Next(live.Count);
                AssertHolds(live[at].Value, live[at].Bytes);
                live[at].Value.Release();
                live.RemoveAt(at);
            }
        }

        Assert.All(live, one => AssertHolds(one.Value, one.Bytes));
        Assert.True(created > 1000 && refusals > 50, $"{created} created, {refusals} refused");
        live.ForEach(one => one.Value.Release());
        Assert.Equal(0, arena.RentedPages);
    }

    [Theory]
    [InlineData(9_000)]
    [InlineData(65_536)]
    [InlineData(200_000)]
    [InlineData(262_144)]
    public void A_value_that_was_begun_takes_memory_as_its_bytes_come(int length)
    {
        using var arena = new PageArena(8 << 20);
        var store = new LargeValueStore(arena, 1 << 20);
        var bytes = new byte[length];
        new Random(3).NextBytes(bytes);
        var value = store.Begin(length);
        Assert.Equal(0, arena.RentedPages);
        Assert.Equal(0, value.TakenBytes);
        Assert.True(value.Unfilled().IsEmpty);
        for (var filled = 0; filled < length;)
        {
            if (value.Unfilled().IsEmpty)
            {
                Assert.True(value.TryGrow());
                Assert.InRange(value.TakenBytes - filled, 1, PageArena.PageBytes);
                Assert.Equal(value.TakenBytes, store.UnownedBytes);
            }

            var count = Math.Min(value.Unfilled().Length, 1000);
            value.Append(bytes.AsSpan(filled, count));
            filled += count;
        }

        AssertHolds(value, bytes);
        Assert.Equal(value.ChargedBytes, value.TakenBytes);
        value.Release();
        Assert.Equal(0, store.UnownedBytes);
        Assert.Equal(0, arena.RentedPages);
    }

    [Fact]
    public void A_value_that_cannot_grow_gives_back_what_it_has()
    {
        using var arena = new PageArena(4 * PageArena.PageBytes);
        var store = new LargeValueStore(arena, 1 << 20);
        var value = store.Begin(1 << 20);
        while (value.TryGrow())
        {
            value.Append(new byte[PageArena.PageBytes]);
        }

        Assert.Equal(4, arena.RentedPages);
        Assert.Throws<InvalidOperationException>(() => value.Append([1]));
        value.Release();
        Assert.Equal(0, arena.RentedPages);
        Assert.Equal(0, store.UnownedBytes);
    }

    [Fact]
    public void A_value_grows_between_the_tails_of_others_where_no_page_is_left()
    {
        using var arena = new PageArena(4 * PageArena.PageBytes);
        var store = new LargeValueStore(arena, 1 << 20);
        var tails = Enumerable.Range(0, 4).Select(_ => store.TryCreate(40 * 1024)!).ToList();
        var bytes = new byte[90 * 1024];
        new Random(4).NextBytes(bytes);
        var value = store.Begin(bytes.Length);
        for (var at = 0; at < bytes.Length;)
        {
            if (value.Unfilled().IsEmpty)
            {
                Assert.True(value.TryGrow());
            }

            var count = Math.Min(value.Unfilled().Length, bytes.Length - at);
            value.Append(bytes.AsSpan(at, count));
            at += count;
        }

        AssertHolds(value, bytes);
        Assert.Equal(4, arena.RentedPages);
        value.Release();
        tails.ForEach(tail => tail.Release());
        Assert.Equal(0, arena.RentedPages);
        Assert.Equal(0, store.UnownedBytes);
    }

    [Fact]
    public void What_no_entry_holds_is_known_and_said_where_it_is_much()
    {
        using var arena = new PageArena(64 << 20);
        var store = new LargeValueStore(arena, 4 << 20);
        var pressed = 0;
        store.Pressed += () => pressed++;
        var share = new PageShare(arena, 32 << 20);
        var table = new LargeTable(share);
        var values = Enumerable.Range(0, 3).Select(_ => store.TryCreate(1 << 20)!).ToList();
        Assert.Equal(3 << 20, store.UnownedBytes);
        Assert.True(store.IsPressed);
        Assert.Equal(1, pressed);
        var numbers = values.ConvertAll(table.Add);
        Assert.Equal(0, store.UnownedBytes);
        Assert.All(values, value => Assert.True(value.IsOwned));
        values.ForEach(value => value.AddReference());
        numbers.ForEach(table.Release);
        Assert.Equal(3 << 20, store.UnownedBytes);
        Assert.Equal(2, pressed);
        values.ForEach(value => value.Release());
        Assert.Equal(0, store.UnownedBytes);
    }

    [Fact]
    public void Tails_of_a_little_over_half_a_page_waste_less_than_a_page_in_all()
    {
        using var arena = new PageArena(8 << 20);
        var store = new LargeValueStore(arena, 1 << 20);
        var held = 0L;
        while (store.TryCreate(33 * 1024) is { } value)
        {
            held += value.ChargedBytes;
        }

        Assert.InRange(held, (8 << 20) - PageArena.PageBytes, 8 << 20);
    }

    [Fact]
    public void A_value_refuses_bytes_beyond_its_length()
    {
        using var arena = new PageArena(1 << 20);
        var value = new LargeValueStore(arena, 1 << 20).TryCreate(10_000)!;
        Assert.Throws<ArgumentOutOfRangeException>(() => value.Append(new byte[10_001]));
        value.Append(new byte[10_000]);
        Assert.True(value.Unfilled().IsEmpty);
        Assert.Throws<ArgumentOutOfRangeException>(() => value.Append(new byte[1]));
        Assert.Throws<ArgumentOutOfRangeException>(() => value.CopyTo(1, new byte[10_000]));
        Assert.True(value.Read(10_000).IsEmpty);
    }

    [Fact]
    public void The_last_of_several_references_frees_a_value()
    {
        using var arena = new PageArena(1 << 20);
        var value = new LargeValueStore(arena, 1 << 20).TryCreate(100_000)!;
        value.AddReference();
        value.Release();
        Assert.NotEqual(0, arena.RentedPages);
        value.Release();
        Assert.Equal(0, arena.RentedPages);
        Assert.Throws<ArgumentOutOfRangeException>(value.Release);
    }

    [Fact]
    public void A_value_that_outlives_its_arena_is_filled_read_and_let_go_and_there_are_no_more()
    {
        var arena = new PageArena(1 << 20);
        var store = new LargeValueStore(arena, 1 << 20);
        var bytes = new byte[100_000];
        new Random(1).NextBytes(bytes);
        var value = store.TryCreate(bytes.Length)!;
        value.Append(bytes.AsSpan(0, 30_000));
        arena.Dispose();
        value.Append(bytes.AsSpan(30_000));
        AssertHolds(value, bytes);

        // Though the pages that tails share have room.
        Assert.Throws<ObjectDisposedException>(() => store.TryCreate(2000));
        value.Release();
        Assert.Throws<ObjectDisposedException>(() => store.TryCreate(2000));
    }

    /// <summary>Readers and writers of large values while the memory is given back: they end with what they began, or hear that it is gone. Touching memory that is gone would end the process.</summary>
    [Fact]
    public async Task Memory_that_somebody_is_filling_stays_until_he_has_filled_it()
    {
        var bytes = new byte[40_000];
        new Random(2).NextBytes(bytes);
        for (var round = 0; round < 20; round++)
        {
            var arena = new PageArena(8 << 20);
            var store = new LargeValueStore(arena, 1 << 20);
            using var isUnderWay = new CountdownEvent(3);
            var writers = Enumerable.Range(0, 3).Select(_ => Task.Run(() =>
            {
                isUnderWay.Signal();
                try
                {
                    while (true)
                    {
                        var value = store.TryCreate(bytes)!;
                        AssertHolds(value, bytes);
                        value.Release();
                    }
                }
                catch (ObjectDisposedException)
                {
                    // That is what the caller is told.
                }
            })).ToArray();
            isUnderWay.Wait(TestContext.Current.CancellationToken);
            Thread.Yield();
            arena.Dispose();
            await Task.WhenAll(writers);
        }
    }

    private static void AssertHolds(LargeValue value, byte[] bytes)
    {
        Assert.Equal(bytes.Length, value.Length);
        var copy = new byte[bytes.Length];
        value.CopyTo(0, copy);
        Assert.True(copy.AsSpan().SequenceEqual(bytes));
        var middle = bytes.Length / 3;
        Assert.True(value.Read(middle) is { IsEmpty: false } block && bytes.AsSpan(middle).StartsWith(block));
    }
}
