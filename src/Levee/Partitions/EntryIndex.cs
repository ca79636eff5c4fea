using System.Runtime.CompilerServices;
using Levee.Eviction;
using Levee.Memory;

namespace Levee.Partitions;

/// <summary>
/// The hash index of a partition: linear hashing (Litwin, VLDB 1980). Buckets are heads of chains through the nodes; the table grows by splitting a bucket or two
/// per insertion, in a fixed order, so no operation ever pays for rehashing the table. Bucket arrays are pages and never move.
/// <code>
/// buckets 0 .. 2^level + split - 1        a tag's bucket: tag mod 2^level, and tag mod 2^(level+1) where that one has been split already (bucket below split)
/// </code>
/// Invariant: every node is in the chain of its tag's bucket. Where no page can be had the table stops growing and chains get longer, until the owner makes room
/// (<see cref="IsCrowded"/>).
/// </summary>
internal sealed unsafe class EntryIndex
{
    private const int BucketsPerPage = PageArena.PageBytes / sizeof(int);
    private const int FirstLevel = 14;

    /// <summary>More than one, so that a table that had to wait for a page catches up.</summary>
    private const int SplitsPerInsertion = 2;

    private readonly PageShare share;
    private readonly NodeTable nodes;
    private nint[] pages = new nint[4];
    private int pageCount;
    private uint mask = (1u << FirstLevel) - 1;
    private uint split;

    public EntryIndex(PageShare share, NodeTable nodes)
    {
        this.share = share;
        this.nodes = nodes;
    }

    /// <summary>Nodes in the index.</summary>
    public int Count { get; private set; }

    /// <summary>Memory held, in bytes.</summary>
    public long HeldBytes => (long)pageCount * PageArena.PageBytes;

    /// <summary>The first node that may have a tag; follow <see cref="Node.Chain"/>.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public int First(uint tag) => pageCount == 0 ? NodeTable.None : Bucket(BucketOf(tag));

    /// <summary>Fetches the bucket of a tag. Called while others may change the index: it reads nothing but its own fields, and bounds all it computes.</summary>
    public void ApproachBucket(uint tag)
    {
        var bucket = BucketOf(tag);
        var all = pages;
        if (bucket / BucketsPerPage < (uint)all.Length && all[bucket / BucketsPerPage] is var page and not 0)
        {
            Memory.Prefetch.Line((int*)page + (bucket % BucketsPerPage));
        }
    }

    /// <summary>The first node in the bucket of a tag, as it seems while others may change the index; <see cref="NodeTable.None"/> where that is not to be told.</summary>
    public int PeekFirst(uint tag)
    {
        var bucket = BucketOf(tag);
        var all = pages;
        return bucket / BucketsPerPage < (uint)all.Length && all[bucket / BucketsPerPage] is var page and not 0 ? ((int*)page)[bucket % BucketsPerPage] : NodeTable.None;
    }

    /// <summary>Adds a node under its tag.</summary>
    /// <returns>False where the share has no page for the first bucket.</returns>
    public bool TryInsert(int node, uint tag)
    {
        if (pageCount == 0 && !TryAddPage())
        {
            return false;
        }

        ref var bucket = ref Bucket(BucketOf(tag));
        ref var inserted = ref nodes[node];
        inserted.Tag = tag;
        inserted.Chain = bucket;
        bucket = node;
        Count++;
        for (var i = 0; i < SplitsPerInsertion && Count > mask + split && TrySplit(); i++)
        {
        }

        return true;
    }

    /// <summary>Whether chains have become long for want of a page; then the owner should make room for one.</summary>
    public bool IsCrowded => Count > (mask + 1 + split) / 2 * 3 && (mask + 1 + split) / BucketsPerPage >= (uint)pageCount && pageCount > 0;

    /// <summary>Rents the next page of buckets, so that splitting can go on.</summary>
    /// <returns>False where no page can be had.</returns>
    public bool TryGrow() => TryAddPage();

    /// <summary>Takes a node out.</summary>
    public void Remove(int node)
    {
        ref var removed = ref nodes[node];
        ref var link = ref Bucket(BucketOf(removed.Tag));
        while (link != node)
        {
            link = ref nodes[link].Chain;
        }

        link = removed.Chain;
        removed.Chain = NodeTable.None;
        Count--;
    }

    /// <summary>Gives all memory back.</summary>
    public void Release()
    {
        for (var i = 0; i < pageCount; i++)
        {
            share.Return((byte*)pages[i]);
        }

        pageCount = 0;
        Count = 0;
    }

    /// <summary>Recounts everything and throws where an invariant does not hold. For tests.</summary>
    public void CheckInvariants()
    {
        var count = 0;
        for (uint bucket = 0; pageCount > 0 && bucket <= mask + split; bucket++)
        {
            for (var node = Bucket(bucket); node != NodeTable.None; node = nodes[node].Chain)
            {
                Invariant.Holds(BucketOf(nodes[node].Tag) == bucket, "a node is in the chain of its tag's bucket");
                count++;
            }
        }

        Invariant.Holds(count == Count, "the index counts its nodes");
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private uint BucketOf(uint tag)
    {
        var bucket = tag & mask;
        return bucket < split ? tag & ((mask << 1) | 1) : bucket;
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private ref int Bucket(uint bucket) => ref ((int*)pages[bucket / BucketsPerPage])[bucket % BucketsPerPage];

    private bool TrySplit()
    {
        var target = mask + 1 + split;
        if (target / BucketsPerPage >= (uint)pageCount && !TryAddPage())
        {
            return false;
        }

        ref var source = ref Bucket(split);
        var node = source;
        source = NodeTable.None;
        ref var destination = ref Bucket(target);
        var wide = (mask << 1) | 1;
        while (node != NodeTable.None)
        {
            ref var moved = ref nodes[node];
            var next = moved.Chain;
            ref var head = ref (moved.Tag & wide) == target ? ref destination : ref source;
            moved.Chain = head;
            head = node;
            node = next;
        }

        if (++split > mask)
        {
            mask = wide;
            split = 0;
        }

        return true;
    }

    private bool TryAddPage()
    {
        var page = share.TryRent();
        if (page == null)
        {
            return false;
        }

        if (pageCount == pages.Length)
        {
            Array.Resize(ref pages, pages.Length * 2);
        }

        new Span<int>(page, BucketsPerPage).Fill(NodeTable.None);
        pages[pageCount++] = (nint)page;
        return true;
    }
}
