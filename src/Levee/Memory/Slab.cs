using System.Runtime.CompilerServices;
using Levee.Partitions;

namespace Levee.Memory;

/// <summary>
/// Slots for records, by size class, in pages. A page belongs to one class; a class links its pages that have room. Each used slot begins with the number of its node
/// (<see cref="EntryRecord"/>), so a page can be emptied by moving its records elsewhere: that is how memory freed in one class comes to serve another.
/// <para>A slot's number is its page times 8,192 plus its offset in 8-byte granules. Page 0 is never used, so slot 0 is no slot. A free slot holds -1 and the next free granule.</para>
/// Invariants: a page is linked in its class if and only if it has a free slot; a page without used slots is given back at once.
/// One owner, one call at a time.
/// </summary>
internal sealed unsafe class Slab(PageShare share)
{
    /// <summary>No slot.</summary>
    public const uint None = 0;

    private const int GranuleShift = 3;
    private const int GranuleBits = 13;
    private const int GranuleMask = (1 << GranuleBits) - 1;
    private const int ApproachedBytes = 4 * Prefetch.LineBytes;
    private const int SparsestSearched = 32;

    private static readonly int[] SlotBytesOf = [.. Enumerable.Range(0, SizeClass.Count).Select(SizeClass.Bytes)];

    private readonly ClassState[] classes = CreateClasses();
    private Page[] pages = new Page[8];
    private int freePage;

    /// <summary>Page numbers are below this; 0 is never used.</summary>
    public int PageLimit { get; private set; } = 1;

    /// <summary>Pages held.</summary>
    public int PageCount { get; private set; }

    /// <summary>Memory held, in bytes.</summary>
    public long HeldBytes => (long)PageCount * PageArena.PageBytes;

    /// <summary>Memory in slots that are in use, in bytes.</summary>
    public long UsedBytes { get; private set; }

    /// <summary>The record in a slot, with the slot's whole length.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public Span<byte> Record(uint slot)
    {
        ref var page = ref pages[slot >> GranuleBits];
        return new Span<byte>(page.Memory + ((slot & GranuleMask) << GranuleShift), page.SlotBytes);
    }

    /// <summary>Fetches a record, or its first 256 bytes, where the slot seems to be one while others may change the slab.</summary>
    public void Approach(uint slot)
    {
        var all = pages;
        var number = slot >> GranuleBits;
        if (slot != None && number < (uint)all.Length && all[number].Memory is var memory && memory != null)
        {
            var record = memory + ((slot & GranuleMask) << GranuleShift);
            var end = record + Math.Min(all[number].SlotBytes, ApproachedBytes);
            for (; record < end; record += Prefetch.LineBytes)
            {
                Prefetch.Line(record);
            }
        }
    }

    /// <summary>The size class of a slot.</summary>
    public int ClassOf(uint slot) => pages[slot >> GranuleBits].SizeClass;

    /// <summary>The page of a slot.</summary>
    public static int PageOf(uint slot) => (int)(slot >> GranuleBits);

    /// <summary>Takes a slot of a class; its content is undefined.</summary>
    /// <param name="sizeClass">The slot's class.</param>
    /// <param name="overdraws">Whether a new page may come from the arena's reserve when the share is used up.</param>
    /// <returns><see cref="None"/> where the class has no free slot and no page can be had.</returns>
    public uint TryAllocate(int sizeClass, bool overdraws = false)
    {
        ref var state = ref classes[sizeClass];
        if (state.FirstPage == 0 && !TryAddPage(sizeClass, overdraws))
        {
            return None;
        }

        var number = state.FirstPage;
        ref var page = ref pages[number];
        int granule;
        if (page.FreeGranule >= 0)
        {
            granule = page.FreeGranule;
            page.FreeGranule = *(int*)(page.Memory + (granule << GranuleShift) + sizeof(int));
        }
        else
        {
            granule = (page.UntouchedSlots++ * page.SlotBytes) >> GranuleShift;
        }

        page.UsedSlots++;
        UsedBytes += page.SlotBytes;
        state.FreeSlots--;
        if (page.UsedSlots == state.SlotsPerPage)
        {
            Unlink(ref state, ref page);
        }

        return ((uint)number << GranuleBits) | (uint)granule;
    }

    /// <summary>Takes a slot that is free already: of a class, or of one up to twice as long.</summary>
    /// <returns><see cref="None"/> where there is none.</returns>
    public uint TryTakeFree(int sizeClass) => classes[sizeClass].FirstPage != 0 ? TryAllocate(sizeClass) : TryAllocateAbove(sizeClass);

    /// <summary>Takes a free slot of a larger class, up to twice as long, where one is free already.</summary>
    /// <returns><see cref="None"/> where there is none.</returns>
    public uint TryAllocateAbove(int sizeClass)
    {
        for (var above = sizeClass + 1; above < classes.Length && SlotBytesOf[above] <= 2 * SlotBytesOf[sizeClass]; above++)
        {
            if (classes[above].FirstPage != 0)
            {
                return TryAllocate(above);
            }
        }

        return None;
    }

    /// <summary>Gives a slot back, and its page where that was the last one in use.</summary>
    public void Free(uint slot)
    {
        var number = PageOf(slot);
        ref var page = ref pages[number];
        ref var state = ref classes[page.SizeClass];
        UsedBytes -= page.SlotBytes;
        var memory = page.Memory + ((slot & GranuleMask) << GranuleShift);
        *(int*)memory = -1;
        *(int*)(memory + sizeof(int)) = page.FreeGranule;
        page.FreeGranule = (int)(slot & GranuleMask);
        if (page.UsedSlots-- == state.SlotsPerPage)
        {
            Link(ref state, number);
        }

        state.FreeSlots++;
        if (page.UsedSlots == 0)
        {
            RemovePage(number);
        }
    }

    /// <summary>Lowers the time at which <see cref="IsDue"/> says that a page has something expired.</summary>
    public void NoteExpiry(uint slot, long expiresAt)
    {
        ref var page = ref pages[PageOf(slot)];
        page.EarliestExpiry = Math.Min(page.EarliestExpiry, expiresAt);
    }

    /// <summary>Whether a page is in use and may hold a record that has expired.</summary>
    public bool IsDue(int page, long now) => pages[page].Memory != null && pages[page].EarliestExpiry <= now;

    /// <summary>Whether a page is in use.</summary>
    public bool IsUsed(int page) => pages[page].Memory != null;

    /// <summary>
    /// Visits the used slots of a page. <paramref name="visitor"/> may free the slot it is shown. Afterwards the page's earliest expiry is what the visitor said of those that stay.
    /// </summary>
    public void Visit<TVisitor>(int page, ref TVisitor visitor)
        where TVisitor : struct, ISlotVisitor, allows ref struct
    {
        var slotBytes = pages[page].SlotBytes;
        var touched = pages[page].UntouchedSlots;
        pages[page].EarliestExpiry = long.MaxValue;
        for (var i = 0; i < touched && pages[page].Memory != null; i++)
        {
            var granule = (i * slotBytes) >> GranuleShift;
            if (*(int*)(pages[page].Memory + (granule << GranuleShift)) >= 0)
            {
                visitor.Visit(((uint)page << GranuleBits) | (uint)granule);
            }
        }
    }

    /// <summary>
    /// Where a class has at least a page's worth of free slots: the sparse page of it that is to be emptied, by moving what <see cref="Visit"/> shows.
    /// </summary>
    /// <returns>0 where no page can be won.</returns>
    public int SparsePage()
    {
        for (var sizeClass = 0; sizeClass < classes.Length; sizeClass++)
        {
            ref var state = ref classes[sizeClass];
            if (state.FreeSlots < state.SlotsPerPage)
            {
                continue;
            }

            var sparsest = state.FirstPage;
            var searched = 0;
            for (var number = state.FirstPage; number != 0 && searched < SparsestSearched; number = pages[number].Next, searched++)
            {
                if (pages[number].UsedSlots < pages[sparsest].UsedSlots)
                {
                    sparsest = number;
                }
            }

            return sparsest;
        }

        return 0;
    }

    /// <summary>The page of all classes with the fewest bytes in use, for an owner who would rather lose what is on it than go on looking. O(pages).</summary>
    /// <param name="mostUsedBytes">A page with more than this in use is not returned.</param>
    /// <param name="except">A page that is not returned either.</param>
    /// <returns>0 where there is no such page.</returns>
    public int SparsestPage(int mostUsedBytes, int except)
    {
        var sparsest = 0;
        for (var number = 1; number < PageLimit; number++)
        {
            var used = pages[number].UsedSlots * pages[number].SlotBytes;
            if (pages[number].Memory != null && number != except && used <= mostUsedBytes)
            {
                (sparsest, mostUsedBytes) = (number, used - 1);
            }
        }

        return sparsest;
    }

    /// <summary>Takes a page out of its class, so that what is moved out of it does not land in it again. It goes back when its last slot is freed.</summary>
    public void Isolate(int number)
    {
        ref var page = ref pages[number];
        ref var state = ref classes[page.SizeClass];
        if (page.UsedSlots < state.SlotsPerPage)
        {
            Unlink(ref state, ref page);
        }

        state.FreeSlots -= state.SlotsPerPage - page.UsedSlots;
    }

    /// <summary>Frees a slot of an isolated page.</summary>
    public void FreeIsolated(uint slot)
    {
        ref var page = ref pages[PageOf(slot)];
        UsedBytes -= page.SlotBytes;
        *(int*)(page.Memory + ((slot & GranuleMask) << GranuleShift)) = -1;
        if (--page.UsedSlots == 0)
        {
            GiveBack(PageOf(slot));
        }
    }

    /// <summary>Gives back up to a number of pages, whatever is in them; for a slab that is no longer used.</summary>
    /// <returns>Whether pages are left.</returns>
    public bool Release(int pageCount)
    {
        while (pageCount-- > 0 && PageLimit > 1)
        {
            var number = --PageLimit;
            if (pages[number].Memory != null)
            {
                share.Return(pages[number].Memory);
                pages[number] = default;
                PageCount--;
            }
        }

        return PageLimit > 1;
    }

    /// <summary>Recounts everything and throws where an invariant does not hold. For tests.</summary>
    public void CheckInvariants()
    {
        var held = 0;
        var usedBytes = 0L;
        Span<int> free = stackalloc int[classes.Length];
        for (var number = 1; number < PageLimit; number++)
        {
            ref var page = ref pages[number];
            if (page.Memory == null)
            {
                continue;
            }

            held++;
            usedBytes += page.UsedSlots * page.SlotBytes;
            var slots = classes[page.SizeClass].SlotsPerPage;
            free[page.SizeClass] += slots - page.UsedSlots;
            var used = 0;
            for (var i = 0; i < page.UntouchedSlots; i++)
            {
                used += *(int*)(page.Memory + (i * page.SlotBytes)) >= 0 ? 1 : 0;
            }

            Invariant.Holds(used == page.UsedSlots, "a page counts its used slots");
            Invariant.Holds(page.UsedSlots > 0, "an empty page is given back");
        }

        Invariant.Holds(held == PageCount, "pages are counted");
        Invariant.Holds(usedBytes == UsedBytes, "bytes in use are counted");
        for (var sizeClass = 0; sizeClass < classes.Length; sizeClass++)
        {
            Invariant.Holds(free[sizeClass] == classes[sizeClass].FreeSlots, "a class counts its free slots");
            for (var number = classes[sizeClass].FirstPage; number != 0; number = pages[number].Next)
            {
                Invariant.Holds(pages[number].UsedSlots < classes[sizeClass].SlotsPerPage, "a linked page has room");
                free[sizeClass] -= classes[sizeClass].SlotsPerPage - pages[number].UsedSlots;
            }

            Invariant.Holds(free[sizeClass] == 0, "a page with room is linked");
        }
    }

    private static ClassState[] CreateClasses()
    {
        var classes = new ClassState[SizeClass.Count];
        for (var i = 0; i < classes.Length; i++)
        {
            classes[i].SlotsPerPage = PageArena.PageBytes / SlotBytesOf[i];
        }

        return classes;
    }

    private bool TryAddPage(int sizeClass, bool overdraws)
    {
        var memory = share.TryRent(overdraws);
        if (memory == null)
        {
            return false;
        }

        int number;
        if (freePage != 0)
        {
            number = freePage;
            freePage = pages[number].Next;
        }
        else
        {
            number = PageLimit++;
            if (number == pages.Length)
            {
                Array.Resize(ref pages, pages.Length * 2);
            }
        }

        pages[number] = new Page
        {
            Memory = memory,
            SizeClass = sizeClass,
            SlotBytes = SlotBytesOf[sizeClass],
            FreeGranule = -1,
            EarliestExpiry = long.MaxValue,
        };
        PageCount++;
        ref var state = ref classes[sizeClass];
        state.FreeSlots += state.SlotsPerPage;
        Link(ref state, number);
        return true;
    }

    private void RemovePage(int number)
    {
        ref var page = ref pages[number];
        ref var state = ref classes[page.SizeClass];
        Unlink(ref state, ref page);
        state.FreeSlots -= state.SlotsPerPage;
        GiveBack(number);
    }

    private void GiveBack(int number)
    {
        share.Return(pages[number].Memory);
        pages[number] = new Page { Next = freePage };
        freePage = number;
        PageCount--;
    }

    private void Link(ref ClassState state, int number)
    {
        ref var page = ref pages[number];
        page.Prev = 0;
        page.Next = state.FirstPage;
        if (page.Next != 0)
        {
            pages[page.Next].Prev = number;
        }

        state.FirstPage = number;
    }

    private void Unlink(ref ClassState state, ref Page page)
    {
        if (page.Prev != 0)
        {
            pages[page.Prev].Next = page.Next;
        }
        else
        {
            state.FirstPage = page.Next;
        }

        if (page.Next != 0)
        {
            pages[page.Next].Prev = page.Prev;
        }

        page.Prev = page.Next = 0;
    }

    private struct Page
    {
        public byte* Memory;
        public int SlotBytes;
        public int SizeClass;
        public int UsedSlots;
        public int UntouchedSlots;
        public int FreeGranule;
        public int Prev;
        public int Next;
        public long EarliestExpiry;
    }

    private struct ClassState
    {
        public int FirstPage;
        public int FreeSlots;
        public int SlotsPerPage;
    }
}

/// <summary>What <see cref="Slab.Visit"/> shows slots to.</summary>
internal interface ISlotVisitor
{
    /// <summary>Looks at a used slot; may free it.</summary>
    void Visit(uint slot);
}
