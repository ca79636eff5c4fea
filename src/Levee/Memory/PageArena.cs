using System.Runtime.InteropServices;

namespace Levee.Memory;

/// <summary>
/// A cache's memory: one budget, handed out in pages of 64 KiB off the managed heap. All else (nodes, buckets, slabs, large values) is cut from pages,
/// so freed memory of any use serves any other, and what the cache holds is the number of pages rented.
/// <para>Pages come from regions of 4 MiB that are taken from the system when first needed and kept until <see cref="Dispose"/>; the system backs them with
/// memory as they are touched. Free pages form a stack through their first word, so the pages used last, and warm, are used next. Safe for threads.</para>
/// </summary>
public sealed unsafe class PageArena : IDisposable
{
    /// <summary>Size of a page in bytes.</summary>
    public const int PageBytes = 64 * 1024;

    private const int RegionPages = 64;

    private readonly Lock gate = new();
    private readonly List<nint> regions = [];
    private byte* free;
    private int untouchedPages;
    private long rentedPages;
    private long budgetPages;
    private bool disposed;

    /// <param name="budgetBytes">What may be rented at one time, in bytes, rounded down to pages; at least one page.</param>
    public PageArena(long budgetBytes)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(budgetBytes, PageBytes);
        BudgetPages = budgetBytes / PageBytes;
    }

    /// <summary>How many pages may be rented at one time.</summary>
    public long BudgetPages { get => Volatile.Read(ref budgetPages); private set => Volatile.Write(ref budgetPages, value); }

    /// <summary>How many pages are rented now.</summary>
    public long RentedPages => Volatile.Read(ref rentedPages);

    /// <summary>Changes the budget: at once where it is raised; else down to what is rented now, and to be called again until it is reached.</summary>
    /// <param name="budgetBytes">The new budget in bytes, rounded down to pages; at least one page.</param>
    /// <returns>Whether it is reached.</returns>
    internal bool SetBudget(long budgetBytes)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(budgetBytes, PageBytes);
        lock (gate)
        {
            var wanted = budgetBytes / PageBytes;
            BudgetPages = Math.Max(wanted, Math.Min(BudgetPages, rentedPages));
            return BudgetPages == wanted;
        }
    }

    /// <summary>Rents a page, its content undefined.</summary>
    /// <returns>Null when the budget is spent.</returns>
    internal byte* TryRent()
    {
        lock (gate)
        {
            ObjectDisposedException.ThrowIf(disposed, this);
            if (rentedPages >= budgetPages)
            {
                return null;
            }

            rentedPages++;
            if (free != null)
            {
                var page = free;
                free = *(byte**)page;
                return page;
            }

            if (untouchedPages == 0)
            {
                var region = NativeMemory.AlignedAlloc((nuint)RegionPages * PageBytes, HugePages.Bytes);
                HugePages.Advise(region, (nuint)RegionPages * PageBytes);
                regions.Add((nint)region);
                untouchedPages = RegionPages;
            }

            return (byte*)regions[^1] + ((long)(RegionPages - untouchedPages--) * PageBytes);
        }
    }

    /// <summary>Gives a page back. After <see cref="Dispose"/> there is nothing to give: a large value that a late reader lets go of is gone already.</summary>
    internal void Return(byte* page)
    {
        lock (gate)
        {
            if (disposed)
            {
                return;
            }

            *(byte**)page = free;
            free = page;
            rentedPages--;
        }
    }

    /// <summary>Gives all memory back to the system. Nothing rented may be touched any more.</summary>
    public void Dispose()
    {
        lock (gate)
        {
            disposed = true;
            free = null;
            untouchedPages = 0;
            foreach (var region in regions)
            {
                NativeMemory.AlignedFree((void*)region);
            }

            regions.Clear();
        }
    }
}
