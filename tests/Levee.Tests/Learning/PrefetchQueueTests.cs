using System.Text;
using Levee.Learning;
using Xunit;

namespace Levee.Tests.Learning;

public sealed class PrefetchQueueTests
{
    [Fact]
    public void Hints_come_by_priority_and_before_predictions_each_in_their_order()
    {
        var queue = new PrefetchQueue(maxConcurrency: 100);
        Add(queue, 1, PrefetchQueue.Predicted);
        Add(queue, 2, 0);
        Add(queue, 3, 9);
        Add(queue, 4, PrefetchQueue.Predicted);
        Add(queue, 5, 9);
        Add(queue, 6, 5);
        Assert.Equal((6, 4), (queue.Count, queue.Hints));
        Assert.Equal([3UL, 5, 6, 2, 1, 4], queue.First(10).Select(static item => item.Hash));
        Assert.Equal([3UL, 5, 6, 2, 1, 4], TakeAll(queue));
    }

    [Fact]
    public void No_more_loads_are_under_way_than_its_cap()
    {
        var queue = new PrefetchQueue(maxConcurrency: 2);
        for (var i = 1UL; i <= 4; i++)
        {
            Add(queue, i, 5);
        }

        Assert.Equal([1UL, 2], TakeAll(queue));
        Assert.False(queue.IsReady);
        queue.Ended();
        Assert.Equal([3UL], TakeAll(queue));
    }

    [Fact]
    public void What_waited_too_long_is_dropped_but_for_hints()
    {
        var queue = new PrefetchQueue(maxConcurrency: 1, maxAge: 10);
        Add(queue, 1, PrefetchQueue.Predicted, now: 0);
        Add(queue, 2, 0, now: 0);
        Assert.True(queue.TryTake(11, out var hint, out var isStale));
        Assert.Equal((2UL, false), (hint.Hash, isStale));
        queue.Ended();
        Assert.True(queue.TryTake(11, out var predicted, out isStale));
        Assert.Equal((1UL, true, 0), (predicted.Hash, isStale, queue.Running));
        Assert.Equal(1, queue.Dropped(PrefetchDrop.Stale));
    }

    [Theory]
    [InlineData(0, 1, 1)]
    [InlineData(1, 0, 1)]
    [InlineData(1, 1, 0)]
    public void Limits_are_refused(int capacity, int concurrency, long age) => Assert.Throws<ArgumentOutOfRangeException>(() => new PrefetchQueue(capacity, concurrency, age));

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    public void It_is_what_a_sorted_list_is(int seed)
    {
        var random = new Random(seed);
        var queue = new PrefetchQueue(capacity: 12, maxConcurrency: 3, maxAge: 5);
        var model = new List<PrefetchItem>();
        var running = 0;
        var now = 0L;
        var drops = new long[5];
        for (var step = 0; step < 20_000; step++)
        {
            now += random.Next(3);
            switch (random.Next(10))
            {
                case < 4:
                    var item = new PrefetchItem(Encoding.UTF8.GetBytes($"{step}"), (ulong)random.Next(20), random.Next(3) == 0 ? random.Next(10) : PrefetchQueue.Predicted, now, (ulong)step);
                    var (expected, reason) = Expected(model, item);
                    Assert.Equal(expected is not null, queue.Add(item, out var displaced, out var drop));
                    if (expected is { } left)
                    {
                        Assert.Equal((left, reason), (displaced, drop));
                        drops[(int)reason]++;
                        model.Remove(left);
                    }

                    if (expected != item)
                    {
                        model.Add(item);
                    }

                    break;
                case < 7:
                    var next = model.OrderByDescending(static waiting => waiting.Priority).ThenBy(static waiting => waiting.Id).Cast<PrefetchItem?>().FirstOrDefault();
                    var isAny = next is not null && running < 3;
                    Assert.Equal(isAny, queue.TryTake(now, out var taken, out var isStale));
                    if (isAny)
                    {
                        Assert.Equal((next!.Value, !next.Value.IsHint && now - next.Value.QueuedAt > 5), (taken, isStale));
                        model.Remove(taken);
                        running += isStale ? 0 : 1;
                        drops[(int)PrefetchDrop.Stale] += isStale ? 1 : 0;
                    }

                    break;
                default:
                    if (random.Next(50) == 0)
                    {
                        while (queue.TryClear(out var cleared))
                        {
                            Assert.False(cleared.IsHint);
                            Assert.True(model.Remove(cleared));
                            drops[(int)PrefetchDrop.Cleared]++;
                        }

                        Assert.DoesNotContain(model, static waiting => !waiting.IsHint);
                    }
                    else if (running > 0)
                    {
                        running--;
                        queue.Ended();
                    }

                    break;
            }

            Assert.Equal((model.Count, running), (queue.Count, queue.Running));
            queue.CheckInvariants();
        }

        Assert.Equal(drops, Enum.GetValues<PrefetchDrop>().Select(queue.Dropped));
        Assert.All(drops, static count => Assert.True(count > 0));
    }

    /// <summary>What leaves when an item comes, written down as the rules say it.</summary>
    private static (PrefetchItem? Left, PrefetchDrop Reason) Expected(List<PrefetchItem> model, PrefetchItem item)
    {
        if (model.FindIndex(waiting => waiting.Hash == item.Hash) is var place and >= 0)
        {
            return (model[place].Priority >= item.Priority ? item : model[place], PrefetchDrop.Duplicate);
        }

        if (model.Count < 12)
        {
            return (null, default);
        }

        var worst = model.OrderBy(static waiting => waiting.Priority).ThenByDescending(static waiting => waiting.Id).First();
        return worst.Priority < item.Priority ? (worst, PrefetchDrop.Displaced) : (item, PrefetchDrop.Full);
    }

    private static void Add(PrefetchQueue queue, ulong hash, int priority, long now = 0) =>
        Assert.False(queue.Add(new PrefetchItem(Encoding.UTF8.GetBytes($"{hash}"), hash, priority, now, hash), out _, out _));

    private static List<ulong> TakeAll(PrefetchQueue queue)
    {
        var taken = new List<ulong>();
        while (queue.TryTake(0, out var item, out _))
        {
            taken.Add(item.Hash);
        }

        return taken;
    }
}
