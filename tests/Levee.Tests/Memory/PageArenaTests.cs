using Levee.Memory;
using Xunit;

namespace Levee.Tests.Memory;

public sealed unsafe class PageArenaTests
{
    [Fact]
    public void What_is_prepared_is_rented_later_and_counts_for_nothing_until_then()
    {
        using var arena = new PageArena(200L * PageArena.PageBytes);
        Assert.Equal(0, arena.ReadyPages);
        arena.Prepare(100);
        Assert.Equal((128, 0), (arena.ReadyPages, arena.RentedPages));
        arena.Prepare(128);
        Assert.Equal(128, arena.ReadyPages);

        var pages = new HashSet<nint>();
        for (var i = 0; i < 60; i++)
        {
            Assert.True(pages.Add((nint)arena.TryRent()));
        }

        Assert.Equal(68, arena.ReadyPages);
        arena.Prepare(100);
        Assert.Equal(132, arena.ReadyPages);
        for (var i = 60; i < 200; i++)
        {
            Assert.True(pages.Add((nint)arena.TryRent()));
        }

        Assert.DoesNotContain((nint)0, pages);
        Assert.True(arena.TryRent() == null);
        arena.Prepare(100);
        Assert.Equal(256 - 200, arena.ReadyPages);
        foreach (var page in pages)
        {
            *(long*)page = -1;
            arena.Return((byte*)page);
        }

        Assert.Equal((256, 0), (arena.ReadyPages, arena.RentedPages));
    }

    [Fact]
    public void No_more_is_prepared_than_the_budget_allows_and_nothing_after_the_end()
    {
        var arena = new PageArena(70L * PageArena.PageBytes);
        arena.Prepare(10_000);
        Assert.Equal(128, arena.ReadyPages);
        arena.Dispose();
        arena.Prepare(10);
        Assert.Equal(0, arena.ReadyPages);
    }
}
