using Levee.Eviction;
using Levee.Memory;
using Levee.Partitions;
using Xunit;

namespace Levee.Tests.Partitions;

public sealed class EntryIndexTests
{
    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    public void Nodes_are_found_by_tag_through_growth_and_removal(int seed)
    {
        var random = new Random(seed);
        using var arena = new PageArena(32 << 20);
        var share = new PageShare(arena, 32 << 20);
        var nodes = new NodeTable(share);
        var index = new EntryIndex(share, nodes);
        var tags = new Dictionary<int, uint>();
        var present = new List<int>();
        for (var step = 0; step < 250_000; step++)
        {
            if (random.Next(10) < 7)
            {
                var node = nodes.TryAllocate();
                var tag = (uint)random.Next(random.Next(10) == 0 ? 100 : int.MaxValue);
                Assert.True(index.TryInsert(node, tag));
                tags.Add(node, tag);
                present.Add(node);
            }
            else if (present.Count > 0)
            {
                var at = random.Next(present.Count);
                var node = present[at];
                present[at] = present[^1];
                present.RemoveAt(present.Count - 1);
                tags.Remove(node);
                index.Remove(node);
                nodes.Free(node);
            }

            if (step % 50_000 == 0)
            {
                index.CheckInvariants();
            }
        }

        index.CheckInvariants();
        Assert.Equal(tags.Count, index.Count);
        Assert.True(index.Count > 4 * 16_384, "the table has grown");
        Assert.All(tags, pair => Assert.True(IsFound(index, nodes, pair.Key, pair.Value)));
    }

    [Fact]
    public void A_table_without_a_page_to_grow_into_says_that_it_is_crowded_and_goes_on()
    {
        using var arena = new PageArena(32 << 20);
        var share = new PageShare(arena, 32 << 20);
        var tight = new PageShare(arena, PageArena.PageBytes);
        var nodes = new NodeTable(share);
        var index = new EntryIndex(tight, nodes);
        var random = new Random(1);
        var crowdedAt = 0;
        for (var i = 0; i < 40_000; i++)
        {
            Assert.True(index.TryInsert(nodes.TryAllocate(), (uint)random.Next()));
            if (crowdedAt == 0 && index.IsCrowded)
            {
                crowdedAt = i;
                Assert.False(index.TryGrow());
            }
        }

        index.CheckInvariants();
        Assert.InRange(crowdedAt, 24_000, 25_000);
    }

    private static bool IsFound(EntryIndex index, NodeTable nodes, int node, uint tag)
    {
        var found = index.First(tag);
        while (found != node && found != NodeTable.None)
        {
            found = nodes[found].Chain;
        }

        return found == node;
    }
}
