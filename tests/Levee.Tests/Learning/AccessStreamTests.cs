using System.Text;
using Levee.Keys;
using Levee.Learning;
using Xunit;

namespace Levee.Tests.Learning;

public sealed class AccessStreamTests
{
    [Fact]
    public void What_is_reported_comes_out_in_order()
    {
        var stream = new AccessStream(42, 16);
        Report(stream, "a", "b");
        Assert.True(stream.TryTake(out var batch));
        Assert.Equal((42UL, 0L, 2), (batch.FrontDoor, batch.Sequence, batch.Count));
        Assert.Equal(["a", "b"], KeysOf(batch.Bytes));
        Assert.False(stream.TryTake(out _));
        Report(stream, "c", "");
        Assert.True(stream.TryTake(out batch));
        Assert.Equal(2, batch.Sequence);
        Assert.Equal(["c", ""], KeysOf(batch.Bytes));
    }

    [Fact]
    public void What_finds_no_room_or_is_too_long_leaves_a_gap()
    {
        var stream = new AccessStream(1, 4);
        Report(stream, "a", "b", "c", "d", "dropped", "dropped too");
        Assert.True(stream.TryTake(out var batch));
        Assert.Equal((0, 4), (batch.Sequence, batch.Count));
        Report(stream, "e", new string('x', KeyList.MaxKeyBytes + 1), new string('x', KeyList.MaxKeyBytes));
        Assert.True(stream.TryTake(out batch));
        Assert.Equal((6, 1), (batch.Sequence, batch.Count));
        Assert.True(stream.TryTake(out batch));
        Assert.Equal((8, 1), (batch.Sequence, batch.Count));
        Assert.Equal(KeyList.MaxKeyBytes, KeysOf(batch.Bytes).Single().Length);
        Assert.Equal((9, 3), (stream.Reported, stream.Dropped));
    }

    [Fact]
    public void Batches_stay_below_32_KiB()
    {
        var stream = new AccessStream(1, 1024);
        for (var i = 0; i < 1024; i++)
        {
            Report(stream, new string('x', i % (KeyList.MaxKeyBytes + 1)));
        }

        var lengths = new List<int>();
        var next = 0L;
        while (stream.TryTake(out var batch))
        {
            lengths.Add(batch.Bytes.Length);
            Assert.Equal(next, batch.Sequence);
            foreach (var key in KeysOf(batch.Bytes))
            {
                Assert.Equal(next++ % (KeyList.MaxKeyBytes + 1), key.Length);
            }
        }

        Assert.Equal(1024, next);
        Assert.InRange(lengths.Count, 4, 10);
        Assert.All(lengths.SkipLast(1), length => Assert.InRange(length, (31 * 1024) + 500, (32 * 1024) - 1));
    }

    [Fact]
    public void Random_reports_and_takes_agree_with_a_queue()
    {
        var random = new Random(5);
        var stream = new AccessStream(7, 8);
        var model = new Queue<(long Sequence, string Key)>();
        var journal = new AccessJournal();
        long sequence = 0, dropped = 0, gaps = 0;
        for (var step = 0; step < 20_000; step++)
        {
            if (random.Next(8) > 0)
            {
                var key = new string('k', random.Next(20)) + step;
                Report(stream, key);
                if (model.Count < 8)
                {
                    model.Enqueue((sequence, key));
                }
                else
                {
                    dropped++;
                }

                sequence++;
                continue;
            }

            while (stream.TryTake(out var batch))
            {
                journal.Take(batch.Bytes);
                gaps += model.Peek().Sequence > 0 && batch.Count > 0 ? 1 : 0;
                var at = batch.Sequence;
                Assert.All(KeysOf(batch.Bytes), key => Assert.Equal(model.Dequeue(), (at++, key)));
            }

            Assert.Empty(model);
        }

        Assert.Equal((sequence, dropped), (stream.Reported, stream.Dropped));
        Assert.InRange(dropped, 1000, 15_000);
        Assert.True(gaps > 1000);
        var counts = Assert.Single(journal.Counts);
        Assert.InRange(counts.Received + counts.Lost, sequence - 8 - 100, sequence);
    }

    [Fact]
    public void Reporting_allocates_nothing_whether_there_is_room_or_not()
    {
        var stream = new AccessStream(1, 64);
        var key = "key"u8.ToArray();
        void Round()
        {
            for (var i = 0; i < 200; i++)
            {
                stream.Report(key, 1, AccessKind.Miss);
            }
        }

        Round();
        Assert.True(stream.TryTake(out _));
        var before = GC.GetAllocatedBytesForCurrentThread();
        Round();
        Assert.Equal(0, GC.GetAllocatedBytesForCurrentThread() - before);
    }

    [Fact]
    public void Threads_from_one_gate_lose_nothing_that_is_not_counted()
    {
        const int Enough = 200_000;
        var isEnough = false;
        var stream = new AccessStream(1, 256);
        var journal = new AccessJournal();
        using var gate = new ManualResetEventSlim();
        var threads = Enumerable.Range(0, 3).Select(number => new Thread(() =>
        {
            gate.Wait();
            Span<byte> key = stackalloc byte[5];
            key[4] = (byte)number;
            for (var i = 0; !Volatile.Read(ref isEnough); i++)
            {
                BitConverter.TryWriteBytes(key, i);
                stream.Report(key, KeyHash.Of(key), AccessKind.Miss);
            }
        })).ToArray();
        Array.ForEach(threads, thread => thread.Start());
        var last = new[] { -1, -1, -1 };
        var received = 0L;
        gate.Set();
        while (!isEnough || Array.Exists(threads, thread => thread.IsAlive) || received + stream.Dropped < stream.Reported)
        {
            Volatile.Write(ref isEnough, received > Enough);
            while (stream.TryTake(out var batch))
            {
                journal.Take(batch.Bytes);
                received += batch.Count;
                var reader = new AccessBatchReader(batch.Bytes);
                while (reader.TryRead(out var key, out var hash, out var kind))
                {
                    Assert.Equal(KeyHash.Of(key), hash);
                    var i = BitConverter.ToInt32(key);
                    Assert.True(i > last[key[4]], $"thread {key[4]}: {i} after {last[key[4]]}");
                    last[key[4]] = i;
                }
            }
        }

        var counts = Assert.Single(journal.Counts);
        Assert.Equal((received, 0L), (counts.Received, counts.OutOfOrder));
        Assert.InRange(counts.Lost, 0, stream.Dropped);
    }

    [Fact]
    public void A_stored_batch_is_read_and_written_alike()
    {
        var stream = new AccessStream(42, 16);
        stream.Report(new byte[300], 1, AccessKind.Miss);
        Report(stream, "a", "bc");
        Assert.True(stream.TryTake(out var batch));
        Assert.True(Convert.ToHexString(batch.Bytes) == "022A00000000000000010000000000000002005B6E8CA9F1C44ED2012061197596E903853FBB02306263", Convert.ToHexString(batch.Bytes));
        var reader = new AccessBatchReader(Convert.FromHexString("022A00000000000000010000000000000002005B6E8CA9F1C44ED2012061197596E903853FBB02306263"));
        Assert.Equal((42UL, 1L, 2), (reader.FrontDoor, reader.Sequence, reader.Count));
    }

    /// <summary>Every torn, longer, or damaged form is refused by name or read within its bounds.</summary>
    [Fact]
    public void Hostile_bytes_are_refused_or_read_within_their_bounds()
    {
        var random = new Random(11);
        var stream = new AccessStream(42, 16);
        Report(stream, "a", "", new string('x', 256), "tail");
        Assert.True(stream.TryTake(out var batch));
        int refused = 0, read = 0;
        var packed = batch.Bytes;
        for (var length = 0; length < packed.Length; length++)
        {
            Assert.False(TryReadAll(packed[..length]), $"{length} bytes");
        }

        Assert.False(TryReadAll([.. packed, 0]));
        Assert.False(TryReadAll(new byte[KeyList.MessageBytes]));
        for (var i = 0; i < 40_000; i++)
        {
            var damaged = packed.ToArray();
            for (var flips = random.Next(1, 4); flips > 0; flips--)
            {
                damaged[random.Next(2) == 0 ? random.Next(Math.Min(24, damaged.Length)) : random.Next(damaged.Length)] = (byte)random.Next(256);
            }

            _ = TryReadAll(damaged) ? read++ : refused++;
        }

        Assert.True(refused > 5000 && read > 5000, $"{refused} refused, {read} read");
        Assert.Contains("version 3", Assert.Throws<FormatException>(static () => new AccessBatchReader([3, .. new byte[30]])).Message, StringComparison.Ordinal);
        var unknown = packed.ToArray();
        unknown[AccessBatch.HeadBytes + 9] = 0x50;
        Assert.Contains("access kind 5", Assert.Throws<FormatException>(() => new AccessBatchReader(unknown)).Message, StringComparison.Ordinal);
    }

    private static bool TryReadAll(byte[] packed)
    {
        try
        {
            var read = 0;
            var reader = new AccessBatchReader(packed);
            for (; reader.TryRead(out _, out _, out _); read++)
            {
            }

            return read == reader.Count;
        }
        catch (FormatException)
        {
            return false;
        }
    }

    /// <summary>One of all kinds, by the key's first byte.</summary>
    private static AccessKind KindOf(ReadOnlySpan<byte> key) => key.IsEmpty ? AccessKind.Miss : (AccessKind)(1 + (key[0] % 4));

    private static void Report(AccessStream stream, params ReadOnlySpan<string> keys)
    {
        foreach (var key in keys)
        {
            var bytes = Encoding.UTF8.GetBytes(key);
            stream.Report(bytes, KeyHash.Of(bytes), KindOf(bytes));
        }
    }

    private static List<string> KeysOf(byte[] packed)
    {
        var keys = new List<string>();
        var reader = new AccessBatchReader(packed);
        while (reader.TryRead(out var key, out var hash, out var kind))
        {
            Assert.Equal(KeyHash.Of(key), hash);
            Assert.Equal(KindOf(key), kind);
            keys.Add(Encoding.UTF8.GetString(key));
        }

        return keys;
    }
}
