using System.Numerics;
using System.Runtime.CompilerServices;
using Levee.Memory;

namespace Levee.Eviction;

/// <summary>
/// How often a tag was seen lately, about: a count-min sketch of 4-bit counters that are halved from time to time (Einziger, Friedman and Manes, "TinyLFU: A Highly
/// Efficient Cache Admission Policy", ACM TOS 2017). An estimate is at most <see cref="MaxCount"/> and, between two halvings, never too low.
/// <code>
///  tag    page number, as many bits as are needed | block on the page (10 bits)
///  block  64 bytes, one line of the processor's cache: 8 words of 16 counters. Each of a tag's 4 counters lies in a pair of words of its own
/// </code>
/// <para>
/// It has a page for each <see cref="EntriesPerPage"/> entries that it is to serve, and grows by one page at a time (linear hashing): page n begins as a copy of
/// page n - 2^k, whose tags it will share, so every estimate stays what it was. Where three quarters are not needed any more, it gives pages back, one at a time.
/// </para>
/// <para>
/// Ageing: after ten times as many counts as there are entries all counters are halved, so that what was popular once fades. The halving is done in slices of
/// <see cref="BlocksPerSlice"/> blocks, one with each count, so no call is long.
/// </para>
/// One owner, one call at a time. Pages are the share's: without one, all estimates are 0.
/// </summary>
internal sealed unsafe class FrequencySketch(PageShare share)
{
    /// <summary>The highest estimate.</summary>
    public const int MaxCount = 15;

    /// <summary>Entries for which a page is enough: a word and a third each. Page numbers that are not yet all in use let some pages serve twice as many tags as others.</summary>
    public const int EntriesPerPage = PageArena.PageBytes / sizeof(ulong) * 3 / 4;

    private const int WordsPerBlock = 8;
    private const int BlocksPerPage = PageArena.PageBytes / sizeof(ulong) / WordsPerBlock;
    private const int BlockBits = 10;
    private const int BlocksPerSlice = 32;

    /// <summary>Counts for each entry between two halvings.</summary>
    private const int CountsPerEntry = 10;

    private const int NotHalving = -1;

    private const ulong LowestBits = 0x1111111111111111;
    private const ulong LowerThreeBits = 0x7777777777777777;

    private nint[] pages = [];
    private int pageCount;
    private uint pageMask;
    private long counts;
    private long period = CountsPerEntry;
    private long halvesAt = CountsPerEntry;
    private int nextHalved = NotHalving;
    private long oddCounters;
    private long reserved;

    /// <summary>Entries that the sketch serves well with the pages that it has.</summary>
    public long Capacity => (long)pageCount * EntriesPerPage;

    /// <summary>Memory held, in bytes.</summary>
    public long HeldBytes => (long)pageCount * PageArena.PageBytes;

    /// <summary>Whether <see cref="Serve"/> would rent a page for so many entries.</summary>
    public bool WouldGrow(long entries) => entries > Capacity && nextHalved == NotHalving;

    /// <summary>Sets the pace of ageing; adds a page where more are needed and the share has one, or gives one back. Cheap enough for every arrival.</summary>
    /// <param name="entries">Entries whose tags are asked for now.</param>
    /// <param name="mostEntries">Entries that there will be in the long run.</param>
    public void Serve(long entries, long mostEntries)
    {
        reserved = entries >= reserved ? 0 : reserved;
        entries = Math.Max(entries, reserved);
        period = CountsPerEntry * mostEntries;
        if (nextHalved == NotHalving)
        {
            halvesAt = period;
            if (WouldGrow(entries))
            {
                TryGrow();
            }
            else if (pageCount > 1 && entries < Capacity / 4)
            {
                Shrink();
            }
        }
    }

    /// <summary>Has all pages that so many entries need, before they come; the pages are kept until that many are there.</summary>
    /// <returns>False where the share has no page left.</returns>
    public bool TryReserve(long entries)
    {
        while (entries > Capacity)
        {
            if (!TryGrow())
            {
                return false;
            }
        }

        Serve(entries, entries);
        reserved = entries;
        return true;
    }

    /// <summary>Counts a tag once more.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public void Count(uint tag)
    {
        if (pageCount == 0)
        {
            return;
        }

        var block = BlockOf(tag);
        var places = PlacesOf(tag);
        var added = Count(block, places) | Count(block + 2, places >> 8) | Count(block + 4, places >> 16) | Count(block + 6, places >> 24);
        if (added && ++counts >= halvesAt)
        {
            Halve();
        }
    }

    /// <summary>How often a tag was counted lately, 0 to <see cref="MaxCount"/>.</summary>
    public int Estimate(uint tag)
    {
        if (pageCount == 0)
        {
            return 0;
        }

        var block = BlockOf(tag);
        var places = PlacesOf(tag);
        return Math.Min(
            Math.Min(CountAt(block, places), CountAt(block + 2, places >> 8)),
            Math.Min(CountAt(block + 4, places >> 16), CountAt(block + 6, places >> 24)));
    }

    /// <summary>Gives the pages back; all is forgotten.</summary>
    public void Release()
    {
        for (var i = 0; i < pageCount; i++)
        {
            share.Return((byte*)pages[i]);
        }

        pageCount = 0;
        pageMask = 0;
        counts = 0;
        nextHalved = NotHalving;
        halvesAt = period;
    }

    // The tag's own bits choose the block; the counters in it hang on a mix of all of them, in four bytes that share no bit.
    private static uint PlacesOf(uint tag) => (uint)((tag * 0x9E3779B97F4A7C15) >> 32);

    // The lowest bit of a place chooses one of two words, the next four its counter.
    private static bool Count(ulong* words, uint place)
    {
        var word = words + (place & 1);
        var shift = (int)(place << 1) & 0x3c;
        if (((*word >> shift) & MaxCount) == MaxCount)
        {
            return false;
        }

        *word += 1UL << shift;
        return true;
    }

    private static int CountAt(ulong* words, uint place) => (int)(words[place & 1] >> ((int)(place << 1) & 0x3c)) & MaxCount;

    private ulong* BlockOf(uint tag)
    {
        var page = (tag >> BlockBits) & pageMask;
        if (page >= (uint)pageCount)
        {
            page &= pageMask >> 1;
        }

        return (ulong*)pages[page] + ((tag & (BlocksPerPage - 1)) * WordsPerBlock);
    }

    private bool TryGrow()
    {
        var page = share.TryRent();
        if (page == null)
        {
            return false;
        }

        if (pageCount == pages.Length)
        {
            Array.Resize(ref pages, Math.Max(1, pageCount * 2));
        }

        var words = new Span<byte>(page, PageArena.PageBytes);
        pageMask = BitOperations.RoundUpToPowerOf2((uint)pageCount + 1) - 1;
        if (pageCount == 0)
        {
            words.Clear();
        }
        else
        {
            new Span<byte>((byte*)pages[(uint)pageCount & (pageMask >> 1)], PageArena.PageBytes).CopyTo(words);
        }

        pages[pageCount++] = (nint)page;
        return true;
    }

    /// <summary>Gives the last page back. Its tags are counted anew, where those already are that it was split from.</summary>
    private void Shrink()
    {
        share.Return((byte*)pages[--pageCount]);
        pageMask = BitOperations.RoundUpToPowerOf2((uint)pageCount) - 1;
    }

    /// <summary>Halves the next slice of blocks, from the first one on where none is under way.</summary>
    private void Halve()
    {
        if (nextHalved == NotHalving)
        {
            nextHalved = 0;
            oddCounters = 0;
            halvesAt = 0;
        }

        var words = (ulong*)pages[nextHalved / BlocksPerPage] + (nextHalved % BlocksPerPage * WordsPerBlock);
        for (var i = 0; i < BlocksPerSlice * WordsPerBlock; i++)
        {
            oddCounters += BitOperations.PopCount(words[i] & LowestBits);
            words[i] = (words[i] >> 1) & LowerThreeBits;
        }

        nextHalved += BlocksPerSlice;
        if (nextHalved == pageCount * BlocksPerPage)
        {
            // What a counter lost by rounding is not counted any more; a tag has four of them.
            counts = Math.Max(0, (counts - (oddCounters / 4)) / 2);
            nextHalved = NotHalving;
            halvesAt = period;
        }
    }
}
