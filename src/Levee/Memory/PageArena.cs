using System.Runtime.InteropServices;

namespace Levee.Memory;

/// <summary>
/// A cache's memory: one budget, handed out in pages of 64 KiB off the managed heap. All else (nodes, buckets, slabs, large values) is cut from pages,
/// so freed memory of any use serves any other, and what the cache holds is the number of pages rented.
/// <para>Pages come from regions of 4 MiB that are taken from the system when first needed and kept until <see cref="Dispose"/>; the system backs them with
/// memory as they are touched, which takes it milliseconds for each 2 MiB: who holds a lock and knows what is to come has them touched before (<see cref="Prepare"/>). Free pages form a stack through their first word, so the pages used last, and warm, are used next. Safe for threads.</para>
/// </summary>
public sealed unsafe class PageArena : IDisposable
{
    /// <summary>Size of a page in bytes.</summary>
    public const int PageBytes = 64 * 1024;

    private const int RegionPages = 64;

    private readonly Lock gate = new();
    private readonly Lock preparing = new();
    private readonly Regions taken = new();
    private readonly Queue<nint> prepared = [];
    private nint current;
    private byte* free;
    private int freePages;
    private int untouchedPages;
    private long rentedPages;
    private long budgetPages;
    private long lent;
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

    /// <summary>How many pages can be had from what was taken from the system already.</summary>
    internal long ReadyPages
    {
        get
        {
            lock (gate)
            {
                return freePages + untouchedPages + ((long)prepared.Count * RegionPages);
            }
        }
    }

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
                freePages--;
                return page;
            }

            if (untouchedPages == 0)
            {
                current = prepared.TryDequeue(out var region) ? region : taken.Add(TakeRegion());
                untouchedPages = RegionPages;
            }

            return (byte*)current + ((long)(RegionPages - untouchedPages--) * PageBytes);
        }
    }

    /// <summary>Has the system back the pages that are rented next with memory now, where fewer than that are ready and the budget allows more. Takes milliseconds, and holds nobody up who rents meanwhile.</summary>
    /// <param name="pages">How many pages are to be ready; what is taken for it are whole regions.</param>
    internal void Prepare(int pages)
    {
        lock (preparing)
        {
            while (IsShortOf(pages))
            {
                var region = TakeRegion();
                for (var offset = 0; offset < RegionPages * PageBytes; offset += Environment.SystemPageSize)
                {
                    region[offset] = 0;
                }

                lock (gate)
                {
                    if (disposed)
                    {
                        NativeMemory.AlignedFree(region);
                        return;
                    }

                    prepared.Enqueue(taken.Add(region));
                }
            }
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
            freePages++;
            rentedPages--;
        }
    }

    /// <summary>Somebody outside the partitions is to touch memory for as long as he likes: a large value. The memory stays until <see cref="GiveBack"/>.</summary>
    /// <exception cref="ObjectDisposedException">It has been given back to the system.</exception>
    internal void Lend()
    {
        lock (gate)
        {
            ObjectDisposedException.ThrowIf(disposed, this);
            lent++;
        }
    }

    /// <summary>What was lent will not be touched any more.</summary>
    internal void GiveBack()
    {
        lock (gate)
        {
            lent--;
            FreeWhereNobodyTouches();
        }
    }

    /// <summary>Gives all memory back to the system, once nothing of it is lent. Nothing else that was rented may be touched any more.</summary>
    public void Dispose()
    {
        lock (gate)
        {
            disposed = true;
            free = null;
            freePages = 0;
            untouchedPages = 0;
            prepared.Clear();
            FreeWhereNobodyTouches();
        }
    }

    private void FreeWhereNobodyTouches()
    {
        if (disposed && lent == 0)
        {
            taken.Free();
        }
    }

    private static byte* TakeRegion()
    {
        var region = NativeMemory.AlignedAlloc((nuint)RegionPages * PageBytes, HugePages.Bytes);
        HugePages.Advise(region, (nuint)RegionPages * PageBytes);
        return (byte*)region;
    }

    private bool IsShortOf(int pages)
    {
        lock (gate)
        {
            return !disposed && ReadyPages < Math.Min(pages, budgetPages - rentedPages);
        }
    }

    /// <summary>What was taken from the system. What is never given back, as somebody has forgotten what he was lent, goes when nobody can reach it any more.</summary>
    private sealed class Regions
    {
        private readonly List<nint> regions = [];

        ~Regions() => Free();

        public nint Add(byte* region)
        {
            regions.Add((nint)region);
            return (nint)region;
        }

        public void Free()
        {
            foreach (var region in regions)
            {
                NativeMemory.AlignedFree((void*)region);
            }

            regions.Clear();
        }
    }
}
