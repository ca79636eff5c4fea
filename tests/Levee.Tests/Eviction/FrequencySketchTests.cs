using Levee.Eviction;
using Levee.Learning;
using Levee.Memory;
using Xunit;

namespace Levee.Tests.Eviction;

public sealed class FrequencySketchTests : IDisposable
{
    private readonly PageArena arena = new(8 << 20);

    public void Dispose() => arena.Dispose();

    [Fact]
    public void Tags_that_share_no_block_are_counted_exactly_up_to_15()
    {
        var sketch = New();
        sketch.Serve(1, 1_000_000);
        for (uint tag = 0; tag < 1024; tag++)
        {
            for (var i = 0; i < tag % 20; i++)
            {
                sketch.Count(tag);
            }
        }

        for (uint tag = 0; tag < 1024; tag++)
        {
            Assert.Equal(Math.Min(15, (int)(tag % 20)), sketch.Estimate(tag));
        }
    }

    [Fact]
    public void An_estimate_is_never_too_low_and_mostly_right_for_as_many_entries_as_it_serves()
    {
        const int Entries = 50_000;
        var sketch = Grown(Entries);
        var random = new Random(5);
        var counts = new Dictionary<uint, int>();
        for (var i = 0; i < 4 * Entries; i++)
        {
            var tag = PolicySimulation.TagOf((ulong)(random.NextDouble() * random.NextDouble() * Entries));
            sketch.Count(tag);
            counts[tag] = counts.GetValueOrDefault(tag) + 1;
        }

        Assert.All(counts, pair => Assert.True(sketch.Estimate(pair.Key) >= Math.Min(15, pair.Value)));
        var wrong = counts.Count(pair => sketch.Estimate(pair.Key) != Math.Min(15, pair.Value));
        Assert.InRange(wrong, 1, counts.Count / 10);
    }

    [Fact]
    public void Growing_by_pages_changes_no_estimate()
    {
        var sketch = New();
        sketch.Serve(1, 1_000_000);
        var random = new Random(3);
        uint[] tags = [.. Enumerable.Range(0, 3_000).Select(i => PolicySimulation.TagOf((ulong)i))];
        foreach (var tag in tags)
        {
            for (var i = random.Next(12); i > 0; i--)
            {
                sketch.Count(tag);
            }
        }

        var before = Array.ConvertAll(tags, sketch.Estimate);
        for (var pages = 1; pages < 20; pages++)
        {
            Assert.Equal((long)pages * FrequencySketch.EntriesPerPage, sketch.Capacity);
            Assert.Equal((long)pages * PageArena.PageBytes, sketch.HeldBytes);
            Assert.Equal(before, Array.ConvertAll(tags, sketch.Estimate));
            sketch.Serve(sketch.Capacity + 1, 1_000_000);
        }

        // Tags that shared their counters go ways of their own now.
        foreach (var tag in tags)
        {
            sketch.Count(tag);
        }

        Assert.All(tags.Index(), each => Assert.InRange(sketch.Estimate(each.Item), Math.Min(15, before[each.Index] + 1), 15));
    }

    [Fact]
    public void All_counters_are_halved_after_ten_counts_for_each_entry()
    {
        const int Entries = 900;
        var sketch = New();
        sketch.Serve(1, Entries);
        uint[] tags = [.. Enumerable.Range(0, 1024).Select(tag => (uint)tag)];
        for (var i = 0; i < (10 * Entries) - 1; i++)
        {
            sketch.Count(tags[i % tags.Length]);
        }

        Assert.Equal(9, sketch.Estimate(500));
        Assert.Equal(8, sketch.Estimate(900));
        // A slice with each of these counts.
        for (var slice = 0; slice < 32; slice++)
        {
            sketch.Count(tags[900 + slice]);
        }

        Assert.All(tags[..900], tag => Assert.Equal(4, sketch.Estimate(tag)));
        Assert.All(tags[932..], tag => Assert.Equal(4, sketch.Estimate(tag)));
    }

    [Fact]
    public void Pages_that_are_not_needed_any_more_are_given_back_and_what_stays_is_known()
    {
        var sketch = Grown(11 * FrequencySketch.EntriesPerPage);
        var kept = 5u;
        var dropped = (9u << 10) | 6;
        sketch.Count(kept);
        sketch.Count(dropped);
        sketch.Serve(3 * FrequencySketch.EntriesPerPage, 100_000);
        Assert.Equal(11L * PageArena.PageBytes, sketch.HeldBytes);
        for (var i = 0; i < 20; i++)
        {
            sketch.Serve(2 * FrequencySketch.EntriesPerPage, 100_000);
        }

        Assert.Equal(8L * PageArena.PageBytes, sketch.HeldBytes);
        Assert.Equal(1, sketch.Estimate(kept));
        sketch.Count(dropped);
        Assert.InRange(sketch.Estimate(dropped), 1, 2);
    }

    [Fact]
    public void Without_a_page_all_is_unknown_and_with_the_first_one_it_begins()
    {
        var share = new PageShare(arena, PageArena.PageBytes);
        var nodes = new NodeTable(share);
        nodes.TryAllocate();
        var sketch = new FrequencySketch(share);
        sketch.Serve(100, 100);
        sketch.Count(7);
        Assert.Equal(0, sketch.Estimate(7));
        Assert.Equal(0, sketch.HeldBytes);
        nodes.Release();
        sketch.Serve(100, 100);
        sketch.Count(7);
        Assert.Equal(1, sketch.Estimate(7));
        sketch.Release();
        Assert.Equal(0, share.HeldBytes);
        Assert.Equal(0, sketch.Estimate(7));
    }

    private FrequencySketch New() => new(new PageShare(arena, 8 << 20));

    private FrequencySketch Grown(int entries)
    {
        var sketch = New();
        while (sketch.Capacity < entries)
        {
            sketch.Serve(entries, entries);
        }

        sketch.Serve(entries, entries);
        return sketch;
    }
}
