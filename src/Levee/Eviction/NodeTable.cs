using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using Levee.Memory;

namespace Levee.Eviction;

/// <summary>
/// What the index and the eviction policy know of an entry, or of its ghost: 24 bytes, linked by node numbers.
/// <code>
///  0 Tag    high 32 bits of the index hash        8 Prev  towards the list's least recent end    16 Slot   where the record lies; unused in ghosts
///  4 Chain  next node of the bucket, -1 at its end 12 Next  towards the most recent end           20 Meta  weight (24 bits), mark (2), home (6)
/// </code>
/// A node keeps its number as long as its entry is present, whatever its policy or its memory do: scans rely on that.
/// </summary>
[StructLayout(LayoutKind.Sequential, Pack = 4)]
internal struct Node
{
    /// <summary>Size of a node in bytes.</summary>
    public const int Bytes = 24;

    /// <summary>The heaviest weight that a node can carry.</summary>
    public const int MaxWeight = (1 << 24) - 1;

    public uint Tag;
    public int Chain;
    public int Prev;
    public int Next;
    public uint Slot;
    private uint meta;

    /// <summary>What the entry weighs, in the units of the policy's capacity; of a ghost: what it weighed. 0 to <see cref="MaxWeight"/>.</summary>
    public int Weight
    {
        readonly get => (int)(meta >> 8);
        set => meta = ((uint)value << 8) | (meta & 0xff);
    }

    /// <summary>The list that the node is on, 1 to 63; 0 where it is on none. Policies give the numbers their meaning.</summary>
    public byte Home
    {
        readonly get => (byte)(meta & 0x3f);
        set => meta = (meta & ~0x3fu) | value;
    }

    /// <summary>What the policy notes on the node, 0 to 3; 0 on a fresh one. Changing lists leaves it alone.</summary>
    public int Mark
    {
        readonly get => (int)(meta >> 6) & 3;
        set => meta = (meta & ~0xc0u) | ((uint)value << 6);
    }
}

/// <summary>
/// Nodes by number, in pages; free numbers are used again, the latest first. One owner, one call at a time.
/// A policy that must know more of a node than its 24 bytes hold extends the table by 8 bytes per node, in pages of their own.
/// </summary>
internal sealed unsafe class NodeTable(PageShare share)
{
    /// <summary>No node.</summary>
    public const int None = -1;

    private const int NodesPerPage = PageArena.PageBytes / Node.Bytes;

    private const int ExtrasPerPage = PageArena.PageBytes / sizeof(ulong);

    private nint[] pages = new nint[4];
    private int pageCount;
    private int free = None;
    private nint[] extraPages = [];
    private int extraPageCount;
    private bool isExtended;

    /// <summary>Where the pages come from; a policy rents what it needs beside the nodes here too.</summary>
    public PageShare Share => share;

    /// <summary>Node numbers are below this.</summary>
    public int Capacity { get; private set; }

    /// <summary>Nodes in use.</summary>
    public int Count { get; private set; }

    /// <summary>Memory held, in bytes.</summary>
    public long HeldBytes => (long)(pageCount + extraPageCount) * PageArena.PageBytes;

    /// <summary>The node with a number.</summary>
    public ref Node this[int node]
    {
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        get
        {
            var page = (uint)node / NodesPerPage;
            return ref ((Node*)pages[page])[(uint)node - (page * NodesPerPage)];
        }
    }

    /// <summary>Where a node lies, as it seems while others may change the table; null where that is not to be told. A page once rented stays readable as long as its arena.</summary>
    public Node* Peek(int node)
    {
        var page = (uint)node / NodesPerPage;
        var all = pages;
        return page < (uint)all.Length && all[page] is var memory and not 0 ? (Node*)memory + ((uint)node - (page * NodesPerPage)) : null;
    }

    /// <summary>A fresh node on no list, with weight 0.</summary>
    /// <returns><see cref="None"/> when the share has no page left for it.</returns>
    public int TryAllocate()
    {
        if (free == None && !TryGrow())
        {
            return None;
        }

        var node = free;
        ref var fresh = ref this[node];
        free = fresh.Next;
        if (extraPageCount > 0 && (uint)node / ExtrasPerPage < (uint)extraPageCount)
        {
            Extra(node) = 0;
        }

        fresh = default;
        fresh.Chain = fresh.Prev = fresh.Next = None;
        Count++;
        return node;
    }

    /// <summary>Whether a fresh node can be had without another page.</summary>
    public bool HasFree => free != None;

    /// <summary>Gives a node back; it must be on no list and in no chain.</summary>
    public void Free(int node)
    {
        ref var freed = ref this[node];
        freed = default;
        freed.Next = free;
        free = node;
        Count--;
    }

    /// <summary>Eight bytes for the policy, of a table that is extended; 0 on a fresh node.</summary>
    public ref ulong Extra(int node)
    {
        var page = (uint)node / ExtrasPerPage;
        return ref ((ulong*)extraPages[page])[(uint)node - (page * ExtrasPerPage)];
    }

    /// <summary>Gives every node its <see cref="Extra"/>, those to come too. May be called again where the share lacked a page: what has been rented is kept.</summary>
    /// <returns>False where the share has no page left; the table works on without.</returns>
    public bool TryExtend()
    {
        isExtended = true;
        return TryExtendTo(Capacity);
    }

    /// <summary>Takes <see cref="Extra"/> away from all nodes.</summary>
    public void Shorten()
    {
        isExtended = false;
        for (var i = 0; i < extraPageCount; i++)
        {
            share.Return((byte*)extraPages[i]);
        }

        extraPageCount = 0;
    }

    /// <summary>Gives all memory back.</summary>
    public void Release()
    {
        Shorten();
        for (var i = 0; i < pageCount; i++)
        {
            share.Return((byte*)pages[i]);
        }

        pageCount = 0;
        Capacity = 0;
        Count = 0;
        free = None;
    }

    private static int ExtraPagesFor(int nodes) => (nodes + ExtrasPerPage - 1) / ExtrasPerPage;

    private bool TryExtendTo(int nodes)
    {
        while (extraPageCount < ExtraPagesFor(nodes))
        {
            var page = share.TryRent();
            if (page == null)
            {
                return false;
            }

            if (extraPageCount == extraPages.Length)
            {
                Array.Resize(ref extraPages, Math.Max(4, extraPages.Length * 2));
            }

            new Span<byte>(page, PageArena.PageBytes).Clear();
            extraPages[extraPageCount++] = (nint)page;
        }

        return true;
    }

    private bool TryGrow()
    {
        if (isExtended && !TryExtendTo(Capacity + NodesPerPage))
        {
            return false;
        }

        var page = share.TryRent();
        if (page == null)
        {
            return false;
        }

        if (pageCount == pages.Length)
        {
            Array.Resize(ref pages, pages.Length * 2);
        }

        pages[pageCount++] = (nint)page;
        var first = Capacity;
        Capacity += NodesPerPage;
        // Lower numbers are handed out first: scans then walk densely used pages.
        for (var i = Capacity - 1; i >= first; i--)
        {
            ref var node = ref this[i];
            node = default;
            node.Next = free;
            free = i;
        }

        return true;
    }
}
