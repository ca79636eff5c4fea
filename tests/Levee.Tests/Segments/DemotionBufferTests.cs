using Levee.Memory;
using Levee.Operations;
using Levee.Partitions;
using Levee.Segments;
using Xunit;

namespace Levee.Tests.Segments;

public sealed class DemotionBufferTests(ITestOutputHelper output)
{
    [Theory]
    [InlineData(1, 4096)]
    [InlineData(2, 4104)]
    [InlineData(3, 7_000)]
    public void Random_operations_do_as_a_queue_does(int seed, int capacity)
    {
        using var model = new DemotionBufferModel(seed, capacity);
        for (var step = 0; step < 40_000; step++)
        {
            model.Step();
        }

        model.Finish();
        output.WriteLine($"Seed {seed}: {model}");
        Assert.True(
            model is { Added: > 5_000, AddedLarge: > 300, RingFull: > 300, LargeFull: > 10, Wrapped: > 100, WrappedEmpty: > 0, Read: > 2_000, ReadReleased: > 2_000, Walked: > 5_000, ReleasedAll: > 100 },
            model.ToString());
    }

    [Fact]
    public void A_ticket_that_is_no_records_is_refused()
    {
        using var buffer = new DemotionBuffer(4096, 0);
        Assert.True(buffer.TryAdd(NewEntry(), out var ticket));
        Assert.True(buffer.TryRead(ticket, out var record));
        Assert.True(record.Entry.Key.SequenceEqual("key"u8));
        foreach (var other in new[] { ticket - 1, ticket + 1, -1, 0, ticket + (1L << 34), ticket + (1L << 61), long.MaxValue })
        {
            Assert.False(buffer.TryRead(other, out _), $"{other}");
        }

        Assert.False(buffer.TryNext(ticket, out _, out _));
        Assert.False(buffer.TryNext(long.MaxValue, out _, out _));
        buffer.Release(ticket);
        Assert.False(buffer.TryRead(ticket, out _));
        Assert.False(buffer.TryNext(0, out _, out _));
        Assert.Equal(0, buffer.UsedBytes);
        buffer.CheckInvariants();
    }

    [Fact]
    public void A_record_longer_than_the_ring_is_refused_and_a_value_longer_than_the_bound_is_taken_alone()
    {
        using var arena = new PageArena(8 << 20);
        var large = new LargeValueStore(arena, 1 << 20).TryCreate(new byte[50_000])!;
        using var buffer = new DemotionBuffer(256, 49_999);
        Assert.False(buffer.TryAdd(NewEntry() with { Value = new byte[256] }, out _));
        Assert.True(buffer.HasRoom);
        Assert.True(buffer.TryAdd(NewEntry() with { Value = default, Large = large }, out var ticket));
        Assert.False(buffer.HasRoom);
        Assert.False(buffer.TryAdd(NewEntry() with { Value = default, Large = large }, out _));
        large.Release();
        buffer.Release(ticket);
        Assert.Equal(0, arena.RentedPages);
        Assert.True(buffer.HasRoom);
        Assert.True(buffer.TryAdd(NewEntry(), out _));
        buffer.CheckInvariants();
    }

    /// <summary>Whoever asks for room first is never refused, whatever the next entry is and wherever the ring's end lies.</summary>
    [Fact]
    public void With_room_the_longest_entry_is_taken()
    {
        using var buffer = new DemotionBuffer(100_000, 0);
        var random = new Random(7);
        var longest = NewEntry() with
        {
            Key = new byte[Limits.MaxKeyBytes],
            Value = new byte[Limits.MaxInlineBytes],
            Tags = new byte[Limits.MaxPackedTagsBytes],
            ContentType = new byte[Limits.MaxContentTypeBytes],
            SlidingMs = 1,
            Flags = 1,
        };
        var (asked, full) = (0, 0);
        var tickets = new Queue<long>();
        for (var step = 0; step < 20_000; step++)
        {
            if (buffer.HasRoom)
            {
                asked++;
                Assert.True(buffer.TryAdd(random.Next(3) == 0 ? longest : NewEntry() with { Value = new byte[random.Next(2000)] }, out var ticket));
                tickets.Enqueue(ticket);
            }
            else
            {
                full++;
                buffer.Release(tickets.Dequeue());
            }
        }

        Assert.True(asked > 5000 && full > 1000, $"{asked} had room, {full} times it was full");
    }

    [Fact]
    public void A_large_value_stays_as_long_as_its_record_and_no_longer()
    {
        using var arena = new PageArena(8 << 20);
        var large = new LargeValueStore(arena, 1 << 20).TryCreate(new byte[50_000])!;
        using var buffer = new DemotionBuffer(4096, 1 << 20);
        Assert.True(buffer.TryAdd(NewEntry() with { Value = default, Large = large }, out var ticket));
        large.Release();
        Assert.True(buffer.TryRead(ticket, out var record));
        Assert.Equal(50_000, record.Entry.ValueLength);
        Assert.NotEqual(0, arena.RentedPages);
        buffer.Release(ticket);
        buffer.Release(ticket);
        Assert.Equal((0, 0L, 0L), (arena.RentedPages, buffer.LargeBytes, buffer.UsedBytes));
    }

    [Fact]
    public void Taking_in_and_out_allocates_nothing_on_the_managed_heap()
    {
        using var buffer = new DemotionBuffer(4096, 0);
        var before = GC.GetAllocatedBytesForCurrentThread();
        for (var i = 0; i < 10_000; i++)
        {
            Assert.True(buffer.TryAdd(NewEntry(), out var ticket));
            Assert.True(buffer.TryRead(ticket, out _));
            buffer.Release(ticket);
        }

        Assert.Equal(0, GC.GetAllocatedBytesForCurrentThread() - before);
    }

    [Fact]
    public void A_buffer_that_is_disposed_of_refuses_work()
    {
        var buffer = new DemotionBuffer(4096, 0);
        buffer.Dispose();
        buffer.Dispose();
        Assert.Throws<ObjectDisposedException>(() => buffer.TryAdd(NewEntry(), out _));
        Assert.Throws<ObjectDisposedException>(() => buffer.TryRead(1, out _));
    }

    private static TierEntry NewEntry() => new() { Hash = 7, Version = 8, ExpiresAt = Limits.Never, Key = "key"u8, Value = "value"u8 };
}
