using Levee.Memory;
using Levee.Operations;
using Levee.Partitions;
using Levee.Segments;
using Xunit;

namespace Levee.Tests.Segments;

/// <summary>A buffer beside a queue, and random operations on both, with a count of every case that they reached.</summary>
internal sealed class DemotionBufferModel : IDisposable
{
    private const int LargeLimit = 150_000;

    private readonly Random random;
    private readonly PageArena arena = new(32 << 20);
    private readonly LargeValueStore store;
    private readonly DemotionBuffer buffer;
    private readonly List<Waiting> queue = [];
    private readonly List<long> released = [];
    private readonly long capacity;
    private long highest;

    public DemotionBufferModel(int seed, int capacity)
    {
        random = new Random(seed);
        this.capacity = capacity;
        store = new LargeValueStore(arena, 1 << 20);
        buffer = new DemotionBuffer(capacity, LargeLimit);
    }

    public int Added { get; private set; }

    public int AddedLarge { get; private set; }

    public int RingFull { get; private set; }

    public int LargeFull { get; private set; }

    public int Wrapped { get; private set; }

    public int WrappedEmpty { get; private set; }

    public int Read { get; private set; }

    public int ReadReleased { get; private set; }

    public int Walked { get; private set; }

    public int ReleasedAll { get; private set; }

    public void Step()
    {
        switch (random.Next(20))
        {
            case < 12:
                Add();
                break;
            case < 14:
                ReadOne();
                break;
            case < 15:
                Walk();
                break;
            default:
                Release();
                break;
        }

        buffer.CheckInvariants();
        Assert.Equal(queue.Count, buffer.Count);
        Assert.Equal(queue.Sum(one => (long)(one.Large?.Length ?? 0)), buffer.LargeBytes);
    }

    /// <summary>Disposes of the buffer; all pages are back then, so every reference was dropped, once.</summary>
    public void Finish()
    {
        buffer.Dispose();
        Assert.Equal(0, arena.RentedPages);
    }

    public void Dispose()
    {
        buffer.Dispose();
        arena.Dispose();
    }

    public override string ToString() =>
        $"added {Added}, {AddedLarge} of them large; ring full {RingFull}, large full {LargeFull}; wrapped {Wrapped}, while empty {WrappedEmpty}; read {Read}, released {ReadReleased}, walked {Walked}, released all {ReleasedAll}";

    private void Add()
    {
        var key = Bytes(random.Next(1, 40));
        var inline = Bytes(random.Next(30) == 0 ? random.Next(2_000) : random.Next(200));
        var large = random.Next(15) == 0 ? store.TryCreate(Bytes(random.Next(Limits.MaxInlineBytes + 1, 100_000))) : null;
        var entry = new TierEntry
        {
            Hash = (ulong)random.NextInt64(),
            Version = (ulong)random.NextInt64(),
            ExpiresAt = random.Next(2) == 0 ? Limits.Never : random.NextInt64(1L << 42),
            Key = key,
            Value = large is null ? inline : default,
            Large = large,
            Flags = (uint)random.Next(3),
            ContentType = Bytes(random.Next(4)),
            Tags = Bytes(random.Next(3)),
        };
        var whole = new byte[TierRecord.PlainLength(entry)];
        TierRecord.Write(entry, whole);
        var frame = 16 + TierRecord.Padded(whole.Length - (large?.Length ?? 0));
        var largeBefore = buffer.LargeBytes;
        var usedBefore = buffer.UsedBytes;
        if (buffer.TryAdd(entry, out var ticket))
        {
            Assert.True(ticket > highest, "tickets rise");
            highest = ticket;
            queue.Add(new Waiting(ticket, whole, large));
            Added++;
            AddedLarge += large is null ? 0 : 1;
            Wrapped += buffer.UsedBytes > usedBefore + frame ? 1 : 0;
            WrappedEmpty += usedBefore == 0 && ticket * 8 % capacity == 0 ? 1 : 0;
        }
        else
        {
            Assert.Equal(0, ticket);
            Assert.Equal((usedBefore, largeBefore), (buffer.UsedBytes, buffer.LargeBytes));
            var isLargeFull = large is not null && largeBefore >= LargeLimit;
            Assert.True(isLargeFull || frame > LongestRun(), "there was no room");
            _ = isLargeFull ? LargeFull++ : RingFull++;
        }

        large?.Release();
    }

    /// <summary>The longest free run of the ring, as a literal reader of its rules finds it.</summary>
    private long LongestRun()
    {
        if (queue.Count == 0)
        {
            return capacity;
        }

        var first = queue[0].Ticket * 8;
        var end = first + buffer.UsedBytes;
        return (end - 1) / capacity > first / capacity || end % capacity == 0
            ? capacity - buffer.UsedBytes
            : Math.Max(capacity - (end % capacity), first % capacity);
    }

    private void ReadOne()
    {
        if (queue.Count > 0)
        {
            var one = queue[random.Next(queue.Count)];
            Assert.True(buffer.TryRead(random.Next(2) == 0 ? one.Ticket : one.Ticket & SegmentLocation.TicketMask, out var record));
            AssertIs(one, record);
            Read++;
        }

        if (released.Count > 0)
        {
            Assert.False(buffer.TryRead(released[random.Next(released.Count)], out _));
            ReadReleased++;
        }
    }

    private void Walk()
    {
        var start = random.Next(3) == 0 || queue.Count == 0 ? -1 : random.Next(queue.Count);
        var after = start >= 0 ? queue[start].Ticket : released.Count > 0 ? released[random.Next(released.Count)] : 0;
        for (var i = start + 1; i < queue.Count; i++)
        {
            Assert.True(buffer.TryNext(after, out after, out var record));
            Assert.Equal(queue[i].Ticket, after);
            AssertIs(queue[i], record);
            Walked++;
        }

        Assert.False(buffer.TryNext(after, out _, out _) && queue.Count > 0);
    }

    private void Release()
    {
        var count = random.Next(12) == 0 ? queue.Count : random.Next(Math.Min(4, queue.Count + 1));
        if (count == 0)
        {
            buffer.Release(released.Count > 0 ? released[^1] : 0);
            return;
        }

        buffer.Release(queue[count - 1].Ticket);
        released.AddRange(queue.Take(count).Select(one => one.Ticket));
        released.RemoveRange(0, Math.Max(0, released.Count - 100));
        queue.RemoveRange(0, count);
        ReleasedAll += queue.Count == 0 ? 1 : 0;
    }

    private static void AssertIs(Waiting one, scoped in BufferedRecord record)
    {
        Assert.Equal((one.Ticket, one.Whole.Length), (record.Ticket, record.PlainLength));
        Assert.Same(one.Large, record.Large);
        var plain = new byte[record.PlainLength + 3];
        record.CopyTo(plain);
        Assert.True(plain.AsSpan(4, one.Whole.Length - 4).SequenceEqual(one.Whole.AsSpan(4)), "the whole record is there, but for its checksum");
        Assert.True(TierRecord.TryRead(one.Whole, out var expected));
        var entry = record.Entry;
        Assert.Equal((expected.Hash, expected.Version, expected.ExpiresAt, expected.Flags), (entry.Hash, entry.Version, entry.ExpiresAt, entry.Flags));
        Assert.True(entry.Key.SequenceEqual(expected.Key) && entry.ContentType.SequenceEqual(expected.ContentType) && entry.Tags.SequenceEqual(expected.Tags));
        Assert.Equal(expected.ValueLength, entry.ValueLength);
        Assert.True(one.Large is not null || entry.Value.SequenceEqual(expected.Value));
    }

    private byte[] Bytes(int length)
    {
        var bytes = new byte[length];
        random.NextBytes(bytes);
        return bytes;
    }

    private sealed record Waiting(long Ticket, byte[] Whole, LargeValue? Large);
}
