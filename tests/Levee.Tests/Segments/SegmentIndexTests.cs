using System.Diagnostics;
using Levee.Segments;
using Xunit;

namespace Levee.Tests.Segments;

public sealed class SegmentIndexTests(ITestOutputHelper output)
{
    private const ulong Golden = 0x9E3779B97F4A7C15;

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    public void Random_operations_do_as_a_dictionary_does(int seed)
    {
        using var model = new SegmentIndexModel(seed);
        for (var step = 0; step < 400_000; step++)
        {
            model.Step(growing: step / 50_000 % 2 == 0);
            if (step % 25_000 == 0)
            {
                model.CheckAll();
            }
        }

        model.CheckAll();
        output.WriteLine($"Seed {seed}: {model}");
        Assert.True(
            model is { Added: > 40_000, Replaced: > 5_000, Found: > 10_000, Missed: > 20_000, Removed: > 20_000, RemovedNothing: > 1_000, Updated: > 5_000, NotUpdated: > 5_000 },
            model.ToString());
        Assert.True(model is { VisitedKept: > 5_000, VisitedRemoved: > 5_000, VisitedUpdated: > 5_000, Grown: > 1_000, Shrunk: > 1_000, Cleared: > 0 }, model.ToString());
    }

    [Fact]
    public void An_entry_takes_no_more_than_32_bytes_at_any_count_from_a_million_to_three()
    {
        const int Most = 3_000_000;
        using var index = new SegmentIndex(factor: unchecked(11 * Golden));
        var random = new Random(11);
        var highest = 0.0;
        var slowest = 0L;
        for (var count = 1; count <= Most; count++)
        {
            var entry = EntryOf((ulong)random.NextInt64(long.MinValue, long.MaxValue));
            var start = Stopwatch.GetTimestamp();
            Assert.False(index.Set(entry, out _));
            slowest = Math.Max(slowest, Stopwatch.GetTimestamp() - start);
            if (count >= 1_000_000 && count % 20_000 == 0)
            {
                highest = Math.Max(highest, (double)index.HeldBytes / count);
                Assert.True(index.HeldBytes <= 32L * count, $"{index.HeldBytes} bytes for {count} entries");
            }
        }

        index.CheckInvariants();
        output.WriteLine($"At most {highest:F2} bytes an entry; the slowest of {Most} calls took {Stopwatch.GetElapsedTime(0, slowest).TotalMicroseconds:F0} us.");
        output.WriteLine($"{Measure(index, new Random(11), Most):F0} ns to find what is there, {Measure(index, new Random(12), Most):F0} ns to find that it is not.");
        Assert.InRange(LargestTable(index), 1, 2 * Most / index.TableCount);
    }

    [Fact]
    public void Removing_everything_gives_the_memory_back()
    {
        using var index = new SegmentIndex(256, unchecked(5 * Golden));
        var empty = index.HeldBytes;
        var random = new Random(5);
        var hashes = Enumerable.Range(0, 100_000).Select(_ => (ulong)random.NextInt64(long.MinValue, long.MaxValue)).ToArray();
        foreach (var hash in hashes)
        {
            index.Set(EntryOf(hash), out _);
        }

        var full = index.HeldBytes;
        foreach (var hash in hashes.AsSpan(0, 90_000))
        {
            Assert.True(index.Remove(hash, out _));
        }

        index.CheckInvariants();
        Assert.InRange(index.HeldBytes, empty, full / 5);
        foreach (var hash in hashes.AsSpan(90_000))
        {
            Assert.True(index.Remove(hash, out _));
        }

        index.CheckInvariants();
        Assert.Equal((0L, empty), (index.Count, index.HeldBytes));
    }

    [Fact]
    public void Hashes_that_all_have_the_last_home_of_a_table_find_room_behind_it()
    {
        // With the factor 1 ranks are the hashes themselves: these all belong at the end of the last table.
        using var index = new SegmentIndex(256, factor: 1);
        for (var i = 0UL; i < 5_000; i++)
        {
            Assert.False(index.Set(EntryOf(ulong.MaxValue - (i * 3)), out _));
        }

        index.CheckInvariants();
        Assert.True(index.HeldBytes < 5_000 * 100, $"{index.HeldBytes} bytes");
        for (var i = 0UL; i < 5_000; i++)
        {
            Assert.True(index.TryFind(ulong.MaxValue - (i * 3), out var entry));
            Assert.Equal(EntryOf(ulong.MaxValue - (i * 3)), entry);
            Assert.False(index.TryFind(ulong.MaxValue - (i * 3) - 1, out _));
        }

        for (var i = 0UL; i < 5_000; i += 2)
        {
            Assert.True(index.Remove(ulong.MaxValue - (i * 3), out _));
        }

        index.CheckInvariants();
        Assert.Equal(2_500, index.Count);
    }

    [Fact]
    public void The_highest_bits_of_a_hash_name_its_table()
    {
        using var index = new SegmentIndex(1024);
        Assert.Equal(1024, index.TableCount);
        Assert.Equal(0, index.TableOf(0));
        Assert.Equal(512, index.TableOf(1UL << 63));
        Assert.Equal(1023, index.TableOf(ulong.MaxValue));
    }

    [Fact]
    public void Lookups_and_updates_allocate_nothing_on_the_managed_heap()
    {
        using var index = new SegmentIndex(256, unchecked(9 * Golden));
        for (var i = 0UL; i < 10_000; i++)
        {
            index.Set(EntryOf(i << 40), out _);
        }

        var visitor = new Marker();
        index.Visit(0, ref visitor);
        var before = GC.GetAllocatedBytesForCurrentThread();
        for (var i = 0UL; i < 10_000; i++)
        {
            Assert.True(index.TryFind(i << 40, out var entry));
            index.TryUpdate(i << 40, entry.Location, entry.Location.With(LocationFlags.Referenced));
            index.Remove(i << 40, out _);
            index.Set(entry, out _);
        }

        index.Visit(0, ref visitor);
        Assert.Equal(0, GC.GetAllocatedBytesForCurrentThread() - before);
        Assert.True(visitor.Visited > 0);
    }

    [Fact]
    public void What_is_no_entry_is_refused()
    {
        using var index = new SegmentIndex(256);
        Assert.Throws<ArgumentException>(() => index.Set(new IndexEntry(1, new SegmentLocation(ulong.MaxValue), 0), out _));
        Assert.Throws<ArgumentOutOfRangeException>(() => new SegmentIndex(128));
        Assert.Throws<ArgumentException>(() => new SegmentIndex(300));
        Assert.False(index.Set(new IndexEntry(0, default, 0), out _));
        Assert.True(index.TryFind(0, out _));
        Assert.Throws<InvalidOperationException>(() =>
        {
            var renamer = new Renamer();
            index.Visit(0, ref renamer);
        });
        index.CheckInvariants();
    }

    [Fact]
    public void An_index_that_is_disposed_of_refuses_work()
    {
        var index = new SegmentIndex(256);
        index.Set(EntryOf(1), out _);
        index.Dispose();
        index.Dispose();
        Assert.Throws<ObjectDisposedException>(() => index.TryFind(1, out _));
        Assert.Throws<ObjectDisposedException>(index.Clear);
    }

    private static IndexEntry EntryOf(ulong hash) => new(hash, SegmentLocation.InSegment(1 + (long)(hash % 1000), (long)(hash % 997) * 8, 100), (uint)hash);

    private static double Measure(SegmentIndex index, Random random, int count)
    {
        var hashes = new ulong[count];
        for (var i = 0; i < count; i++)
        {
            hashes[i] = (ulong)random.NextInt64(long.MinValue, long.MaxValue);
        }

        new Random(1).Shuffle(hashes);
        var start = Stopwatch.GetTimestamp();
        foreach (var hash in hashes)
        {
            index.TryFind(hash, out _);
        }

        return Stopwatch.GetElapsedTime(start).TotalNanoseconds / count;
    }

    private static int LargestTable(SegmentIndex index)
    {
        var largest = 0;
        for (var table = 0; table < index.TableCount; table++)
        {
            var visitor = new Marker();
            index.Visit(table, ref visitor);
            largest = Math.Max(largest, visitor.Visited);
        }

        return largest;
    }

    private struct Marker : IIndexVisitor
    {
        public int Visited { get; private set; }

        public IndexAction Visit(ref IndexEntry entry)
        {
            Visited++;
            return IndexAction.Keep;
        }
    }

    private readonly struct Renamer : IIndexVisitor
    {
        public IndexAction Visit(ref IndexEntry entry)
        {
            entry = entry with { Hash = entry.Hash + 1 };
            return IndexAction.Update;
        }
    }
}
