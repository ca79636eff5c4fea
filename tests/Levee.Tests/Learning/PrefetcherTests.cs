using System.Text;
using Levee.Keys;
using Levee.Learning;
using Xunit;

namespace Levee.Tests.Learning;

public sealed class PrefetcherTests
{
    [Fact]
    public void A_scan_is_predicted_by_key_with_its_routing_hash()
    {
        var rig = new Rig();
        rig.Scan(2000, i => $"user:{i}");
        Assert.All(rig.Predicted, key => Assert.Equal($"user:{NumberOf(key)}", key));
        Assert.Equal(rig.Predicted.Select(NumberOf).Order().Distinct(), rig.Predicted.Select(NumberOf));
        Assert.InRange(rig.Hits, 1800, 2000);
        Assert.Equal(rig.Hits, rig.Prefetcher.Statistics.Used);
    }

    [Theory]
    [InlineData(-1)]
    [InlineData(-7)]
    public void A_scan_downwards_ends_at_zero(int stride)
    {
        var rig = new Rig();
        rig.Scan(1000, i => $"n{7000 + (i * stride)}");
        Assert.InRange(rig.Hits, 500, 1000);
        Assert.All(rig.Predicted, key => Assert.InRange(NumberOf(key), 0, 7000));
    }

    [Fact]
    public void A_scan_ends_at_the_largest_number()
    {
        var rig = new Rig();
        rig.Scan(1000, i => $"n{uint.MaxValue - 999 + i}");
        Assert.InRange(rig.Hits, 500, 1000);
        Assert.All(rig.Predicted, key => Assert.InRange(long.Parse(key[1..]), uint.MaxValue - 999, uint.MaxValue));
        rig.Scan(1000, i => $"n{uint.MaxValue + 1L + i}");
        Assert.Equal(1000, rig.Misses(1000));
    }

    [Fact]
    public void Leading_zeros_stay_and_the_scan_goes_on_where_they_end()
    {
        var rig = new Rig();
        rig.Scan(2000, i => $"file{i:D4}.part{i:D4}".Replace($"{i:D4}.part", ".part"));
        Assert.InRange(rig.Hits, 1700, 2000);
        Assert.Contains(".part0999", string.Join(' ', rig.Predicted), StringComparison.Ordinal);
        Assert.Contains(".part1500", string.Join(' ', rig.Predicted), StringComparison.Ordinal);
        Assert.All(rig.Predicted, key => Assert.Equal("file.part0000".Length, key.Length));
    }

    [Theory]
    [InlineData("")]
    [InlineData("ключ-")]
    [InlineData("order 7/")]
    public void Prefixes_are_whatever_stands_before_the_number(string prefix)
    {
        var rig = new Rig();
        rig.Scan(1000, i => $"{prefix}{i + 100}");
        Assert.InRange(rig.Hits, 800, 1000);
    }

    [Theory]
    [InlineData("t:-{0}")]
    [InlineData("123456789012345{0:D5}")]
    [InlineData("{0}x")]
    [InlineData("٣{0}٣")]
    public void Keys_that_end_in_no_number_are_not_taken_for_a_scan(string format)
    {
        var rig = new Rig();
        rig.Scan(2000, i => string.Format(format, i));
        Assert.Empty(rig.Predicted);
        Assert.Equal(0, rig.Hits);
    }

    [Fact]
    public void What_comes_again_without_numbers_is_predicted_by_hash()
    {
        var rig = new Rig();
        for (var round = 0; round < 20; round++)
        {
            rig.Scan(2500, i => $"{i * 7919L % 2500}x");
        }

        Assert.Empty(rig.Predicted);
        Assert.InRange(rig.Hits, 40_000, 50_000);
    }

    [Fact]
    public void What_is_asked_for_together_with_what_predicts_it_comes_too_late()
    {
        var (alone, together) = (new Rig(new Nothing(), together: 1), new Rig(new Nothing(), together: 16));
        foreach (var rig in new[] { alone, together })
        {
            rig.Scan(20_000, i => $"item-{i % 400 * 7919 % 401:x}x");
        }

        Assert.Equal(8, alone.Prefetcher.Statistics.Lead);
        Assert.InRange(together.Prefetcher.Statistics.Lead, 18, 21);
        Assert.True(alone.Misses(5000) < 50, $"{alone.Misses(5000)} misses");

        // Of each sixteen the first could be foreseen by those before them, and the others by the same ones, as far as the lead reaches.
        Assert.True(together.Misses(5000) < 500, $"{together.Misses(5000)} misses of those that come together");
    }

    [Theory]
    [InlineData(PrefetchOutcome.Failed)]
    [InlineData(PrefetchOutcome.Dropped)]
    [InlineData(PrefetchOutcome.Resident)]
    public void Loads_that_come_to_nothing_for_reasons_not_their_own_close_nothing(PrefetchOutcome outcome)
    {
        var rig = new Rig { Outcome = outcome };
        rig.Scan(2000, i => $"user:{i}");
        var statistics = rig.Prefetcher.Statistics;
        Assert.Equal((0L, 0L, 0L), (statistics.Issued, statistics.Used, statistics.Wasted));
        Assert.Equal(outcome == PrefetchOutcome.Failed ? rig.Predicted.Count : 0, statistics.Failed);
        Assert.Equal(outcome == PrefetchOutcome.Dropped ? rig.Predicted.Count : 0, statistics.Dropped);
        rig.Outcome = PrefetchOutcome.Promoted;
        var before = rig.Hits;
        rig.Scan(1000, i => $"user:{i + 2000}");
        Assert.InRange(rig.Hits - before, 900, 1000);
    }

    [Fact]
    public void What_does_not_exist_is_wasted_and_soon_not_asked_for()
    {
        var rig = new Rig { Outcome = PrefetchOutcome.Absent };
        rig.Scan(20_000, i => $"user:{i}");
        Assert.InRange(rig.Predicted.Count, 1, 3000);
        Assert.Equal(rig.Predicted.Count, rig.Prefetcher.Statistics.Wasted);
    }

    [Fact]
    public void A_prediction_that_nobody_ends_is_given_up_and_predicting_goes_on()
    {
        var rig = new Rig { Outcome = null };
        rig.Scan(20_000, i => $"{(i % 2 == 0 ? "a" : "b")}:{i / 2 * (i % 2 == 0 ? 1 : 40)}");
        var statistics = rig.Prefetcher.Statistics;
        Assert.InRange(statistics.Late, 100, 20_000);
        rig.Outcome = PrefetchOutcome.Promoted;
        var before = rig.Hits;
        rig.Scan(20_000, i => $"c:{i}");
        Assert.InRange(rig.Hits - before, 15_000, 20_000);
    }

    [Fact]
    public void Ends_of_what_nobody_knows_are_ignored()
    {
        var rig = new Rig();
        foreach (var outcome in Enum.GetValues<PrefetchOutcome>())
        {
            rig.Prefetcher.Ended(42, outcome, -5);
        }

        rig.Scan(1000, i => $"user:{i}");
        Assert.InRange(rig.Hits, 800, 1000);
    }

    [Fact]
    public void What_is_in_memory_is_not_predicted()
    {
        var rig = new Rig(new EvenNumbers());
        rig.Scan(3000, i => $"user:{i}");
        Assert.NotEmpty(rig.Predicted);
        Assert.All(rig.Predicted, key => Assert.Equal(1, NumberOf(key) % 2));
    }

    [Theory]
    [InlineData(4096, false, 40)]
    [InlineData(100_000, false, 40)]
    [InlineData(1_000_000, false, 39)]
    [InlineData(4096, true, 25)]
    [InlineData(1_000_000, true, 23)]
    public void Memory_is_bounded_by_the_capacity(int capacity, bool halfLog, int bytesPerEntry)
    {
        var before = GC.GetAllocatedBytesForCurrentThread();
        var prefetcher = new Prefetcher(new PrefetcherOptions { Capacity = capacity, HalfLog = halfLog });
        var allocated = GC.GetAllocatedBytesForCurrentThread() - before;
        var held = prefetcher.Statistics.MemoryBytes;
        Assert.InRange(held, 1, (long)capacity * bytesPerEntry);
        Assert.InRange(allocated, held - 2048, (held * 1.01) + 4096);
    }

    [Fact]
    public void Learning_and_predicting_allocate_nothing()
    {
        var prefetcher = new Prefetcher(new PrefetcherOptions { Capacity = 1000, Residents = new Nothing() });
        var stream = new AccessStream(1, 1024);
        var batches = new List<byte[]>();
        var random = new Random(3);
        for (var i = 0; i < 40_000; i++)
        {
            var key = Encoding.UTF8.GetBytes((i % 3) switch { 0 => $"{i / 3 * 7919L % 1500}x", 1 => $"{random.Next()}", _ => $"user:{i}" });
            stream.Report(key, KeyHash.Of(key), AccessKind.Miss);
            if (i % 100 == 99 && stream.TryTake(out var batch))
            {
                batches.Add(batch.Bytes);
            }
        }

        var buffer = new byte[KeyList.MaxKeyBytes];
        var predicted = 0;
        void Round()
        {
            var now = 0L;
            foreach (var batch in batches)
            {
                prefetcher.Observe(new AccessBatchReader(batch), now += 100, isPrompt: false);
                while (prefetcher.TryPredict(buffer, out var prediction))
                {
                    predicted++;
                    prefetcher.Ended(prediction.Id, PrefetchOutcome.Promoted, 3);
                }
            }
        }

        Round();
        var before = GC.GetAllocatedBytesForCurrentThread();
        Round();
        Assert.Equal(0, GC.GetAllocatedBytesForCurrentThread() - before);
        Assert.True(predicted > 1000, $"{predicted} predicted");
    }

    [Fact]
    public void A_change_of_the_capacity_keeps_what_was_learnt()
    {
        var rig = new Rig(capacity: 4000);
        for (var round = 0; round < 4; round++)
        {
            rig.Scan(3000, i => $"{i * 7919L % 3000}x");
        }

        var held = rig.Prefetcher.Statistics.MemoryBytes;
        rig.Prefetcher.SetCapacity(4400);
        Assert.Equal(held, rig.Prefetcher.Statistics.MemoryBytes);
        Assert.Equal(440, rig.Prefetcher.Area);
        rig.Prefetcher.SetCapacity(16_000);
        Assert.InRange(rig.Prefetcher.Statistics.MemoryBytes, held * 3, held * 5);
        var before = rig.Hits;
        rig.Scan(3000, i => $"{i * 7919L % 3000}x");
        Assert.InRange(rig.Hits - before, 2500, 3000);
        rig.Prefetcher.SetCapacity(100);
        before = rig.Hits;
        var predicted = rig.Taken;
        rig.Scan(3000, i => $"{i * 7919L % 3000}x");
        Assert.Equal(predicted, rig.Taken); // Too small a memory.
        Assert.Throws<ArgumentOutOfRangeException>(() => rig.Prefetcher.SetCapacity(0));
        Assert.Throws<ArgumentOutOfRangeException>(() => new Prefetcher(new PrefetcherOptions { Capacity = 0 }));
    }

    [Fact]
    public void Statistics_name_buckets_and_count_what_became_of_them()
    {
        var rig = new Rig();
        rig.Scan(5000, i => $"user:{i}");
        var statistics = rig.Prefetcher.Statistics;
        var open = Assert.Single(statistics.Buckets, bucket => bucket.Name == "progression, run 64+, 9-32 ahead");
        Assert.True(open.IsOpen);
        Assert.InRange(open.Precision, 0.9, 1);
        Assert.Equal(statistics.Issued, statistics.Buckets.Sum(bucket => bucket.Issued));
        Assert.Equal(statistics.Used, statistics.Buckets.Sum(bucket => bucket.Used));
        Assert.Equal(5000, statistics.WouldBeMisses);
    }

    private static int NumberOf(string key) => int.Parse(new string(key.SkipWhile(letter => !char.IsAsciiDigit(letter)).ToArray()));

    private sealed class Nothing : IResidents
    {
        public bool IsResident(ReadOnlySpan<byte> key, ulong hash) => false;
    }

    private sealed class EvenNumbers : IResidents
    {
        public bool IsResident(ReadOnlySpan<byte> key, ulong hash)
        {
            Assert.Equal(key.IsEmpty ? hash : KeyHash.Of(key), hash);
            return !key.IsEmpty && (key[^1] - '0') % 2 == 0;
        }
    }

    /// <summary>A cache that holds nothing but what is prefetched, until it is used; so many accesses are told promptly together, or each for itself.</summary>
    private sealed class Rig(IResidents? residents = null, int capacity = 1000, int together = 0)
    {
        private readonly AccessStream stream = new(1, 16);
        private readonly HashSet<ulong> prefetched = [];
        private readonly byte[] buffer = new byte[KeyList.MaxKeyBytes];
        private readonly Queue<bool> answers = [];
        private long now;
        private int reported;

        public Prefetcher Prefetcher { get; } = new(new PrefetcherOptions { Capacity = capacity, Residents = residents });

        /// <summary>The keys that were predicted, where they were known.</summary>
        public List<string> Predicted { get; } = [];

        public int Taken { get; private set; }

        public int Hits { get; private set; }

        /// <summary>How every load ends; null: never.</summary>
        public PrefetchOutcome? Outcome { get; set; } = PrefetchOutcome.Promoted;

        /// <summary>How many of the latest accesses found nothing.</summary>
        public int Misses(int latest) => answers.TakeLast(latest).Count(isHit => !isHit);

        public void Scan(int count, Func<int, string> keyOf)
        {
            for (var i = 0; i < count; i++)
            {
                Access(keyOf(i));
            }
        }

        private void Access(string text)
        {
            var key = Encoding.UTF8.GetBytes(text);
            var hash = KeyHash.Of(key);
            var isHit = prefetched.Remove(hash);
            answers.Enqueue(isHit);
            Hits += isHit ? 1 : 0;
            stream.Report(key, hash, isHit ? AccessKind.PrefetchHit : AccessKind.Miss);
            now++;
            if (++reported < together)
            {
                return;
            }

            reported = 0;
            Assert.True(stream.TryTake(out var batch));
            Prefetcher.Observe(new AccessBatchReader(batch.Bytes), now, isPrompt: together > 0);
            while (Prefetcher.TryPredict(buffer, out var prediction))
            {
                Taken++;
                if (prediction.KeyLength > 0)
                {
                    Predicted.Add(Encoding.UTF8.GetString(buffer, 0, prediction.KeyLength));
                    Assert.Equal(KeyHash.Of(buffer.AsSpan(0, prediction.KeyLength)), prediction.Hash);
                }

                if (Outcome is { } outcome)
                {
                    Prefetcher.Ended(prediction.Id, outcome, 1);
                    if (outcome == PrefetchOutcome.Promoted)
                    {
                        prefetched.Add(prediction.Hash);
                    }
                }
            }
        }
    }
}
