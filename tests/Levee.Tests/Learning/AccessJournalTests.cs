using Levee.Learning;
using Levee.Operations;
using Xunit;

namespace Levee.Tests.Learning;

public sealed class AccessJournalTests
{
    [Fact]
    public void Gaps_are_lost_and_what_comes_late_is_out_of_order_and_not_learnt_from()
    {
        var prefetcher = new NotingPrefetcher();
        var journal = new AccessJournal(prefetcher);
        var batches = Batches(1, 10);
        foreach (var i in (int[])[2, 3, 5, 4, 5, 9])
        {
            journal.Take(batches[i], 10 + i);
        }

        journal.Take(Batches(2, 1)[0]);
        Assert.Equal([new AccessCounts(1, 6, 4, 2), new AccessCounts(2, 1, 0, 0)], journal.Counts);
        Assert.Equal([(1UL, 2L, 12L), (1UL, 3L, 13L), (1UL, 5L, 15L), (1UL, 9L, 19L), (2UL, 0L, 0L)], prefetcher.Seen);
    }

    [Fact]
    public void The_door_that_was_silent_longest_is_forgotten_when_there_are_too_many()
    {
        var journal = new AccessJournal();
        for (var door = 0UL; door < AccessJournal.MaxFrontDoors; door++)
        {
            journal.Take(Batches(door, 1)[0]);
        }

        journal.Take(Batches(0, 2)[1]);
        journal.Take(Batches(99_999, 1)[0]);
        Assert.Equal(AccessJournal.MaxFrontDoors, journal.Counts.Count);
        Assert.Contains(new AccessCounts(0, 2, 0, 0), journal.Counts);
        Assert.DoesNotContain(journal.Counts, counts => counts.FrontDoor == 1);
    }

    [Fact]
    public void A_damaged_batch_counts_for_nothing()
    {
        var journal = new AccessJournal();
        Assert.Throws<FormatException>(() => journal.Take(new byte[19]));
        Assert.Empty(journal.Counts);
    }

    private static List<byte[]> Batches(ulong door, int count)
    {
        var stream = new AccessStream(door, 16);
        var batches = new List<byte[]>();
        for (var i = 0; i < count; i++)
        {
            stream.Report("key"u8, 1, AccessKind.Miss);
            Assert.True(stream.TryTake(out var batch));
            batches.Add(batch.Bytes);
        }

        return batches;
    }

    private sealed class NotingPrefetcher : IPrefetcher
    {
        public List<(ulong FrontDoor, long Sequence, long Now)> Seen { get; } = [];

        public PrefetchStatistics Statistics => throw new NotSupportedException();

        public void Observe(scoped AccessBatchReader batch, long now, bool isPrompt) => Seen.Add((batch.FrontDoor, batch.Sequence, now));

        public bool TryPredict(Span<byte> key, out Prediction prediction) => throw new NotSupportedException();

        public void Ended(ulong id, PrefetchOutcome outcome, long latency) => throw new NotSupportedException();
    }
}
