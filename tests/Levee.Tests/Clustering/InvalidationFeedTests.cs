using System.Text;
using Levee.Clustering;
using Levee.Hosting;
using Levee.Keys;
using Levee.Operations;
using Levee.Testing;
using Xunit;

namespace Levee.Tests.Clustering;

public sealed class InvalidationFeedTests
{
    /// <summary>Version 1, as it was first written.</summary>
    private const string Stored = "0100070000000000000001000000000000000200060001000100000000000000FFFFFFFFFFFFFFFF0372656401FFFF03";

    [Fact]
    public void A_stored_batch_is_read_and_written_alike()
    {
        var feed = new InvalidationFeed(7);
        feed.Changed(1);
        feed.Changed(ulong.MaxValue);
        feed.Changed(1);
        feed.TagRemoved(3, "red"u8);
        feed.TagRemoved(4, "red"u8);
        feed.TagRemoved(4, [0xFF]);
        feed.Cleared(1023);
        Assert.True(feed.TryTake(out var batch));
        Assert.True(Convert.ToHexString(batch) == Stored, Convert.ToHexString(batch));
        Assert.Equal("7 1: 1 18446744073709551615 'red' 'ÿ' p1023", Read(Convert.FromHexString(Stored)));
        Assert.False(feed.TryTake(out batch));
        Assert.Empty(batch);
        feed.Changed(2);
        Assert.True(feed.TryTake(out batch));
        Assert.Equal("7 2: 2", Read(batch));
    }

    [Fact]
    public void What_does_not_fit_becomes_one_mark()
    {
        var feed = new InvalidationFeed(1, capacity: 3);
        for (var hash = 1UL; hash <= 3; hash++)
        {
            feed.Changed(hash);
        }

        feed.Changed(2);
        Assert.Equal(0, feed.Overflows);
        feed.Cleared(1);
        feed.Changed(4);
        feed.Changed(5);
        feed.TagRemoved(0, "t"u8);
        feed.Cleared(2);
        Assert.True(feed.TryTake(out var batch));
        Assert.Equal("1 1: everything", Read(batch));
        Assert.Equal(1, feed.Overflows);
        for (var i = 0; i < 40; i++)
        {
            feed.TagRemoved(0, Encoding.ASCII.GetBytes(new string('t', 200) + i));
        }

        Assert.True(feed.TryTake(out batch));
        Assert.Equal("1 2: everything", Read(batch));
        Assert.Equal(2, feed.Overflows);
        feed.Changed(1);
        feed.ForgetEverything();
        Assert.True(feed.TryTake(out batch));
        Assert.Equal("1 3: everything", Read(batch));
        Assert.Equal(2, feed.Overflows);
        feed.TagRemoved(0, []);
        Assert.False(feed.TryTake(out _));
    }

    [Fact]
    public void The_fullest_batch_stays_below_its_bound_and_is_read()
    {
        var feed = new InvalidationFeed(1);
        for (var i = 0; i < InvalidationFeed.MaxKeys; i++)
        {
            feed.Changed((ulong)i);
        }

        for (var i = 0; i < 16; i++)
        {
            feed.TagRemoved(0, Encoding.ASCII.GetBytes(new string((char)('a' + i), 255)));
        }

        for (var i = 0; i < PartitionPlan.MaxPartitions; i++)
        {
            feed.Cleared(i);
        }

        Assert.True(feed.TryTake(out var batch));
        Assert.InRange(batch.Length, 30_000, InvalidationFeed.BatchBytes - 1);
        Assert.Equal(2 + InvalidationFeed.MaxKeys + 16 + PartitionPlan.MaxPartitions, Read(batch).Split(' ').Length);
        Assert.Equal(0, feed.Overflows);
    }

    [Fact]
    public void A_subscriber_notices_what_it_missed()
    {
        var feed = new InvalidationFeed(1);
        var batches = new List<byte[]>();
        for (var i = 0; i < 6; i++)
        {
            feed.Changed(1);
            Assert.True(feed.TryTake(out var batch));
            batches.Add(batch);
        }

        var restarted = new InvalidationFeed(2);
        restarted.Changed(1);
        Assert.True(restarted.TryTake(out var first));
        var cursor = new InvalidationCursor();
        bool Follows(byte[] batch) => cursor.TryFollow(new InvalidationReader(batch));
        Assert.False(Follows(batches[1]));
        Assert.True(Follows(batches[2]));
        Assert.True(Follows(batches[2]));
        Assert.True(Follows(batches[1]));
        Assert.True(Follows(batches[3]));
        Assert.False(Follows(batches[5]));
        Assert.False(Follows(first));
    }

    [Fact]
    public void A_beat_shows_that_the_last_batch_was_missed()
    {
        var feed = new InvalidationFeed(1);
        feed.Changed(1);
        var first = feed.Beat();
        feed.Changed(2);
        Assert.True(feed.TryTake(out _));
        var beat = feed.Beat();
        Assert.Equal("1 3:", Read(beat).Trim());
        var cursor = new InvalidationCursor();
        cursor.TryFollow(new InvalidationReader(first));
        Assert.False(cursor.TryFollow(new InvalidationReader(beat)));
        Assert.True(cursor.TryFollow(new InvalidationReader(feed.Beat())));
    }

    /// <summary>Random changes in random batches: a near cache that follows them holds nothing that has changed since it was copied.</summary>
    [Fact]
    public void A_near_cache_that_follows_never_keeps_what_has_changed()
    {
        var random = new Random(3);
        var feed = new InvalidationFeed(1, capacity: 5);
        var cursor = new InvalidationCursor();
        var truth = new int[40];
        var tagOf = Enumerable.Range(0, 40).Select(i => $"t{i % 5}").ToArray();
        var near = new Dictionary<int, int>();
        int everything = 0, missed = 0, kept = 0;
        for (var step = 0; step < 30_000; step++)
        {
            var key = random.Next(40);
            switch (random.Next(100))
            {
                case < 25:
                    truth[key]++;
                    feed.Changed((ulong)key);
                    break;
                case < 27:
                    feed.TagRemoved(0, Encoding.ASCII.GetBytes(tagOf[key]));
                    for (var i = key % 5; i < 40; i += 5)
                    {
                        truth[i]++;
                    }

                    break;
                case < 28:
                    feed.Cleared(key / 10);
                    for (var i = key / 10 * 10; i < (key / 10 * 10) + 10; i++)
                    {
                        truth[i]++;
                    }

                    break;
                case < 80:
                    near[key] = truth[key];
                    break;
                default:
                    if (feed.TryTake(out var batch) && random.Next(10) > 0)
                    {
                        Forget(batch);
                        Assert.All(near, pair => Assert.Equal(truth[pair.Key], pair.Value));
                        kept += near.Count;
                    }

                    break;
            }
        }

        Assert.True(everything > 50 && missed > 50 && kept > 10_000, $"{everything} everything, {missed} missed, {kept} kept");

        void Forget(byte[] batch)
        {
            var reader = new InvalidationReader(batch);
            var isKnown = cursor.TryFollow(reader);
            everything += reader.IsEverything ? 1 : 0;
            missed += isKnown ? 0 : 1;
            if (!isKnown || reader.IsEverything)
            {
                near.Clear();
            }

            while (reader.TryReadHash(out var hash))
            {
                near.Remove((int)hash);
            }

            while (reader.TryReadTag(out var tag))
            {
                var text = Encoding.ASCII.GetString(tag);
                Enumerable.Range(0, 40).Where(i => tagOf[i] == text).ToList().ForEach(i => near.Remove(i));
            }

            while (reader.TryReadPartition(out var partition))
            {
                Enumerable.Range(partition * 10, 10).ToList().ForEach(i => near.Remove(i));
            }
        }
    }

    [Fact]
    public void Hostile_bytes_are_refused_or_read_within_their_bounds()
    {
        var random = new Random(4);
        var good = Convert.FromHexString(Stored);
        for (var length = 0; length < good.Length; length++)
        {
            Assert.Throws<FormatException>(() => Read(good[..length]));
        }

        Assert.Throws<FormatException>(() => Read([.. good, 0]));
        Assert.Throws<FormatException>(() => Read(new byte[InvalidationFeed.BatchBytes]));
        Assert.Contains("version 2", Assert.Throws<FormatException>(() => Read([2, .. good.AsSpan(1)])).Message, StringComparison.Ordinal);
        int refused = 0, read = 0;
        for (var i = 0; i < 30_000; i++)
        {
            var damaged = good.ToArray();
            for (var flips = random.Next(1, 4); flips > 0; flips--)
            {
                damaged[random.Next(damaged.Length)] = (byte)random.Next(random.Next(2) == 0 ? 8 : 256);
            }

            try
            {
                Read(damaged);
                read++;
            }
            catch (FormatException)
            {
                refused++;
            }
        }

        Assert.True(refused > 3000 && read > 3000, $"{refused} refused, {read} read");
    }

    /// <summary>A write that waits for a load is told when it takes effect, not when it was asked for: a reader before it may still be shown the old value.</summary>
    [Fact]
    public async Task A_host_tells_the_feed_of_changes_when_they_take_effect()
    {
        var tier = new FakeTier();
        var feed = new InvalidationFeed(1);
        await using var host = new LockHost(new CacheOptions { MemoryBytes = 16L << 20, Partitions = 1 }, new ManualTime(), tier, seed: 1, maintains: false, listener: feed);
        var sink = new CopyingSink();
        tier.Put("k", "1");
        host.Submit(TestBed.On("k", OperationKind.Get), sink, 1);
        host.Submit(TestBed.On("k", OperationKind.Increment), sink, 2);
        Assert.False(feed.TryTake(out _));
        tier.Complete();
        Assert.Equal([1L, 2L], sink.Answers.Select(answer => answer.Ticket));
        AssertTold($"{KeyHash.Of("k"u8)}");
        host.Submit(TestBed.On("k", OperationKind.Get), sink, 3);
        host.Submit(TestBed.On("k", OperationKind.Expire), sink, 4);
        AssertTold($"{KeyHash.Of("k"u8)}");
        host.Submit(TestBed.On("k", OperationKind.Delete), sink, 5);
        AssertTold($"{KeyHash.Of("k"u8)}");
        host.Submit(TestBed.On("k", OperationKind.RemoveByTag), sink, 6);
        AssertTold("'k'");
        host.Submit(TestBed.On("", OperationKind.Clear), sink, 7);
        AssertTold("p0");
        tier.Holds = static _ => false;
        host.Submit(TestBed.On("absent", OperationKind.Get), sink, 8);
        Assert.False(feed.TryTake(out _));
        host.Submit(TestBed.On("absent", OperationKind.Delete), sink, 9);
        AssertTold($"{KeyHash.Of("absent"u8)}");

        void AssertTold(string expected)
        {
            Assert.True(feed.TryTake(out var batch));
            Assert.Equal(expected, Read(batch).Split(": ")[1]);
        }
    }

    [Fact]
    public void Noting_a_change_allocates_nothing()
    {
        var feed = new InvalidationFeed(1, capacity: 100);
        void Round()
        {
            for (var i = 0; i < 300; i++)
            {
                feed.Changed((ulong)i);
            }
        }

        Round();
        Assert.True(feed.TryTake(out _));
        var before = GC.GetAllocatedBytesForCurrentThread();
        Round();
        Assert.Equal(0, GC.GetAllocatedBytesForCurrentThread() - before);
    }

    private static string Read(byte[] batch)
    {
        var reader = new InvalidationReader(batch);
        var text = new StringBuilder($"{reader.Source} {reader.Sequence}:").Append(reader.IsEverything ? " everything" : "");
        while (reader.TryReadHash(out var hash))
        {
            text.Append(' ').Append(hash);
        }

        while (reader.TryReadTag(out var tag))
        {
            text.Append($" '{Encoding.Latin1.GetString(tag)}'");
        }

        while (reader.TryReadPartition(out var partition))
        {
            text.Append($" p{partition}");
        }

        return text.ToString();
    }
}
