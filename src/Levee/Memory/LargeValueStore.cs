using System.Numerics;

namespace Levee.Memory;

/// <summary>
/// Memory for values too large to lie beside their key. A large value is a number of whole pages and one tail, a run of 1 KiB granules in a page that tails share,
/// so that less than 1 KiB a value is lost to rounding. It is put together outside any partition, handed over by reference, and read out by reference:
/// no partition is held while its bytes move. Safe for threads.
/// <para>A shared page is a 64-bit mask of free granules. Pages with room wait in lists by the longest run they can offer; a tail takes the best fit.</para>
/// </summary>
public sealed unsafe class LargeValueStore
{
    internal const int GranuleBytes = 1024;
    private const int GranulesPerPage = PageArena.PageBytes / GranuleBytes;

    private readonly Lock gate = new();
    private readonly PageArena arena;
    private readonly LinkedList<TailPage>[] pagesByRun = new LinkedList<TailPage>[GranulesPerPage + 1];
    private ulong runsOffered;

    /// <param name="arena">Where pages come from.</param>
    /// <param name="maxValueBytes">The longest value that is accepted, in bytes.</param>
    public LargeValueStore(PageArena arena, int maxValueBytes)
    {
        ArgumentNullException.ThrowIfNull(arena);
        this.arena = arena;
        MaxValueBytes = maxValueBytes;
        for (var i = 0; i < pagesByRun.Length; i++)
        {
            pagesByRun[i] = [];
        }
    }

    /// <summary>The longest value that is accepted, in bytes.</summary>
    public int MaxValueBytes { get; }

    /// <summary>Reserves memory for a value of a known length, with one reference, which is the caller's.</summary>
    /// <returns>Null when the budget has no room now; room comes as partitions pay back what they overdrew.</returns>
    public LargeValue? TryCreate(int length)
    {
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(length);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(length, MaxValueBytes);
        var granules = (length + GranuleBytes - 1) / GranuleBytes;
        var pages = new nint[granules / GranulesPerPage];
        for (var i = 0; i < pages.Length; i++)
        {
            pages[i] = (nint)arena.TryRent();
            if (pages[i] == 0)
            {
                ReturnPages(pages.AsSpan(0, i));
                return null;
            }
        }

        var tail = default(Tail);
        var tailGranules = granules % GranulesPerPage;
        if (tailGranules > 0)
        {
            tail = TryTakeTail(tailGranules);
            if (tail.Page is null)
            {
                ReturnPages(pages);
                return null;
            }
        }

        return new LargeValue(this, length, pages, tail, (long)granules * GranuleBytes);
    }

    /// <summary>A large value that copies <paramref name="bytes"/>.</summary>
    /// <returns>Null when the budget has no room now.</returns>
    public LargeValue? TryCreate(ReadOnlySpan<byte> bytes)
    {
        var value = TryCreate(bytes.Length);
        value?.Append(bytes);
        return value;
    }

    internal void Free(nint[] pages, Tail tail)
    {
        ReturnPages(pages);
        if (tail.Page is not null)
        {
            ReturnTail(tail);
        }
    }

    private void ReturnPages(ReadOnlySpan<nint> pages)
    {
        foreach (var page in pages)
        {
            arena.Return((byte*)page);
        }
    }

    private Tail TryTakeTail(int granules)
    {
        lock (gate)
        {
            // Bit i of runsOffered: some page offers a longest run of i+1 granules.
            var enough = runsOffered & (ulong.MaxValue << (granules - 1));
            TailPage page;
            if (enough != 0)
            {
                page = pagesByRun[BitOperations.TrailingZeroCount(enough) + 1].First!.Value;
                Unlist(page);
            }
            else
            {
                var memory = arena.TryRent();
                if (memory == null)
                {
                    return default;
                }

                page = new TailPage(memory);
            }

            var start = FindRun(page.Free, granules);
            page.Free &= ~Mask(start, granules);
            List(page);
            return new Tail(page, start, granules);
        }
    }

    private void ReturnTail(Tail tail)
    {
        lock (gate)
        {
            var page = tail.Page!;
            Unlist(page);
            page.Free |= Mask(tail.Start, tail.Granules);
            if (page.Free == ulong.MaxValue)
            {
                arena.Return(page.Memory);
            }
            else
            {
                List(page);
            }
        }
    }

    private void List(TailPage page)
    {
        page.Run = LongestRun(page.Free);
        pagesByRun[page.Run].AddLast(page.Link);
        if (page.Run > 0)
        {
            runsOffered |= 1UL << (page.Run - 1);
        }
    }

    private void Unlist(TailPage page)
    {
        pagesByRun[page.Run].Remove(page.Link);
        if (page.Run > 0 && pagesByRun[page.Run].Count == 0)
        {
            runsOffered &= ~(1UL << (page.Run - 1));
        }
    }

    private static ulong Mask(int start, int granules) =>
        (granules == GranulesPerPage ? ulong.MaxValue : (1UL << granules) - 1) << start;

    private static int FindRun(ulong free, int granules)
    {
        // After k steps a bit is set where k+1 free granules begin.
        for (var k = 1; k < granules; k++)
        {
            free &= free >> 1;
        }

        return BitOperations.TrailingZeroCount(free);
    }

    private static int LongestRun(ulong free)
    {
        var run = 0;
        while (free != 0)
        {
            free &= free >> 1;
            run++;
        }

        return run;
    }

    /// <summary>A page that tails share.</summary>
    internal sealed class TailPage
    {
        public TailPage(byte* memory)
        {
            Memory = memory;
            Link = new LinkedListNode<TailPage>(this);
        }

        public byte* Memory { get; }

        public LinkedListNode<TailPage> Link { get; }

        /// <summary>A set bit is a free granule.</summary>
        public ulong Free { get; set; } = ulong.MaxValue;

        /// <summary>The longest run of free granules, and so the list the page is on.</summary>
        public int Run { get; set; }
    }

    /// <summary>The end of a large value: a run of granules of a shared page.</summary>
    internal readonly record struct Tail(TailPage? Page, int Start, int Granules)
    {
        public byte* Memory => Page!.Memory + (Start * GranuleBytes);
    }
}
