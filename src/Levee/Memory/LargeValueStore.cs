using System.Numerics;

namespace Levee.Memory;

/// <summary>
/// Memory for values too large to lie beside their key. A large value is a number of whole pages and a tail of 1 KiB granules in pages that tails share,
/// so that less than 1 KiB a value is lost to rounding. It is put together outside any partition, handed over by reference, and read out by reference:
/// no partition is held while its bytes move. Safe for threads.
/// <para>A shared page is a 64-bit mask of free granules. Pages with room wait in lists by the longest run they can offer; a tail takes the best fit.
/// Where none is long enough and the free granules of all pages together are, the tail is scattered over them: a page is rented only when less than a page is free.</para>
/// </summary>
public sealed unsafe class LargeValueStore
{
    internal const int GranuleBytes = 1024;
    private const int GranulesPerPage = PageArena.PageBytes / GranuleBytes;

    private readonly Lock gate = new();
    private readonly PageArena arena;
    private readonly LinkedList<TailPage>[] pagesByRun = new LinkedList<TailPage>[GranulesPerPage + 1];
    private ulong runsOffered;
    private int freeGranules;
    private long unownedBytes;

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
    public int MaxValueBytes { get; internal set; }

    /// <summary>
    /// What values take that no entry holds: those on their way in, and those that were dropped while somebody still reads them.
    /// </summary>
    public long UnownedBytes => Volatile.Read(ref unownedBytes);

    /// <summary>
    /// Whether values that no entry holds take more than half of the reserve: those who still read what the cache has dropped are to hurry,
    /// or to let go.
    /// </summary>
    public bool IsPressed => UnownedBytes > arena.BudgetPages * PageArena.PageBytes / 32;

    /// <summary>
    /// The memory that no entry holds has grown and <see cref="IsPressed"/> holds. Often raised while a partition is held: a handler only
    /// notes it.
    /// </summary>
    public event Action? Pressed;

    /// <summary>
    /// A value that takes memory as its bytes come (<see cref="LargeValue.TryGrow"/>), with one reference, which is the caller's.
    /// </summary>
    /// <param name="length">Its length when complete.</param>
    /// <exception cref="ObjectDisposedException">The memory is gone.</exception>
    public LargeValue Begin(int length)
    {
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(length);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(length, MaxValueBytes);
        arena.Lend();
        return new LargeValue(this, length, Granules(length) / GranulesPerPage, [], Granules(length) % GranulesPerPage == 0 ? [] : null);
    }

    /// <summary>Reserves memory for a value of a known length, with one reference, which is the caller's.</summary>
    /// <returns>Null when the budget has no room now; room comes as partitions pay back what they overdrew.</returns>
    /// <exception cref="ObjectDisposedException">The memory is gone.</exception>
    public LargeValue? TryCreate(int length)
    {
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(length);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(length, MaxValueBytes);
        arena.Lend();
        var isCreated = false;
        try
        {
            var value = TryTake(length);
            isCreated = value is not null;
            return value;
        }
        finally
        {
            if (!isCreated)
            {
                arena.GiveBack();
            }
        }
    }

    private LargeValue? TryTake(int length)
    {
        var granules = Granules(length);
        var pages = new nint[granules / GranulesPerPage];
        for (var i = 0; i < pages.Length; i++)
        {
            pages[i] = (nint)arena.TryRent();
            if (pages[i] == 0)
            {
                pages = pages[..i]; // What is free may all lie between the tails of others.
            }
        }

        var tail = TryTakeTail(granules - (pages.Length * GranulesPerPage));
        if (tail is null)
        {
            ReturnPages(pages);
            return null;
        }

        CountUnowned((long)granules * GranuleBytes);
        return new LargeValue(this, length, pages.Length, pages, tail);
    }

    /// <summary>A large value that copies <paramref name="bytes"/>.</summary>
    /// <returns>Null when the budget has no room now.</returns>
    public LargeValue? TryCreate(ReadOnlySpan<byte> bytes)
    {
        var value = TryCreate(bytes.Length);
        value?.Append(bytes);
        return value;
    }

    internal static long RoundUp(int length) => (long)Granules(length) * GranuleBytes;

    /// <summary>A page for a value that grows; 0 where the budget has none.</summary>
    internal nint TryTakePage()
    {
        var page = (nint)arena.TryRent();
        if (page != 0)
        {
            CountUnowned(PageArena.PageBytes);
        }

        return page;
    }

    /// <summary>The tail of a value that grows; null where the budget has no room.</summary>
    internal Run[]? TryTakeUnownedTail(int bytes)
    {
        var tail = TryTakeTail(Granules(bytes));
        if (tail is not null)
        {
            CountUnowned(RoundUp(bytes));
        }

        return tail;
    }

    internal void CountUnowned(long bytes)
    {
        Interlocked.Add(ref unownedBytes, bytes);
        if (bytes > 0 && IsPressed)
        {
            Pressed?.Invoke();
        }
    }

    internal void Free(ReadOnlySpan<nint> pages, Run[]? tail, long takenBytes)
    {
        CountUnowned(-takenBytes);
        ReturnPages(pages);
        lock (gate)
        {
            foreach (var run in tail ?? [])
            {
                ReturnRun(run);
            }
        }

        arena.GiveBack();
    }

    private static int Granules(int bytes) => (int)(((long)bytes + GranuleBytes - 1) / GranuleBytes);

    private void ReturnPages(ReadOnlySpan<nint> pages)
    {
        foreach (var page in pages)
        {
            arena.Return((byte*)page);
        }
    }

    private Run[]? TryTakeTail(int granules)
    {
        if (granules == 0)
        {
            return [];
        }

        lock (gate)
        {
            if (granules > GranulesPerPage || TryFindPage(granules) is null)
            {
                if (freeGranules >= granules)
                {
                    return TakeScattered(granules);
                }

                var memory = granules > GranulesPerPage ? null : arena.TryRent();
                if (memory == null)
                {
                    return null;
                }

                List(new TailPage(memory));
                freeGranules += GranulesPerPage;
            }

            return [TakeRun(TryFindPage(granules)!, granules)];
        }
    }

    /// <summary>The page whose longest run fits a number of granules best, or null where none is long enough.</summary>
    private TailPage? TryFindPage(int granules)
    {
        // Bit i of runsOffered: some page offers a longest run of i+1 granules.
        var enough = runsOffered & (ulong.MaxValue << (granules - 1));
        return enough == 0 ? null : pagesByRun[BitOperations.TrailingZeroCount(enough) + 1].First!.Value;
    }

    private Run[] TakeScattered(int granules)
    {
        var runs = new List<Run>();
        while (granules > 0)
        {
            var length = Math.Min(granules, GranulesPerPage - BitOperations.LeadingZeroCount(runsOffered));
            runs.Add(TakeRun(TryFindPage(length)!, length));
            granules -= length;
        }

        return [.. runs];
    }

    private Run TakeRun(TailPage page, int granules)
    {
        Unlist(page);
        var start = FindRun(page.Free, granules);
        page.Free &= ~Mask(start, granules);
        freeGranules -= granules;
        List(page);
        return new Run(page, start, granules);
    }

    private void ReturnRun(Run run)
    {
        Unlist(run.Page);
        run.Page.Free |= Mask(run.Start, run.Granules);
        freeGranules += run.Granules;
        if (run.Page.Free == ulong.MaxValue)
        {
            freeGranules -= GranulesPerPage;
            arena.Return(run.Page.Memory);
        }
        else
        {
            List(run.Page);
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

    /// <summary>Consecutive granules of a shared page: a large value's tail, or a part of it.</summary>
    internal readonly record struct Run(TailPage Page, int Start, int Granules)
    {
        public byte* Memory => Page.Memory + (Start * GranuleBytes);

        public int Bytes => Granules * GranuleBytes;
    }
}
