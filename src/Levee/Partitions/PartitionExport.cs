using Levee.Eviction;
using Levee.Keys;
using Levee.Memory;

namespace Levee.Partitions;

/// <summary>
/// Reads a frozen partition out in chunks: residents hottest first, from each of the policy's lists in proportion to its weight, then ghosts in the same way. A chunk is the same each time
/// that it is read. The owner serialises calls; each takes well under a millisecond.
/// </summary>
internal sealed class PartitionExport
{
    /// <summary>Bounds the time of one call where most nodes are dead.</summary>
    private const int MaxNodesPerChunk = 4096;

    /// <summary>A piece of a large value is not shorter, but for the last.</summary>
    private const int ShortestPiece = 4096;

    /// <summary>How far beyond what has been read may be asked for: as far as a reader asks ahead.</summary>
    private const int MostAhead = 16;

    private readonly Partition partition;
    private readonly EntryStore store;
    private readonly List<Cursor> cursors;
    private readonly NodeList[] residents;
    private readonly NodeList[] ghosts;
    private bool isWhole;
    private readonly byte[] buffer = new byte[MoveFrame.MaxBytes];

    /// <param name="partition">A partition that nobody else uses any more.</param>
    public PartitionExport(Partition partition)
    {
        this.partition = partition;
        store = partition.Store;
        residents = [.. store.Policy.NodeLists.Where(static list => !list.IsGhost)];
        ghosts = [.. store.Policy.NodeLists.Where(static list => list.IsGhost)];
        cursors = [Cursor.At(residents, isGhosts: false)];
    }

    /// <summary>The chunk at a position.</summary>
    /// <exception cref="ArgumentOutOfRangeException">The position is negative, or further ahead than anybody asks.</exception>
    public byte[] ReadChunk(long position)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(position);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(position, cursors.Count + MostAhead);
        while (position >= cursors.Count && !isWhole)
        {
            Write(cursors.Count - 1);
        }

        return position < cursors.Count ? Write((int)position) : MoveChunk.Complete(buffer.AsSpan(0, MoveChunk.HeadBytes), position, -1, 0);
    }

    /// <summary>What is resident under a key.</summary>
    /// <param name="key">The key.</param>
    /// <param name="offset">Where in a large value to begin.</param>
    /// <returns>A <see cref="MoveKey"/>; null where nothing is.</returns>
    public byte[]? ReadKey(ReadOnlySpan<byte> key, int offset)
    {
        var node = store.Find(key, store.TagOf(key));
        return node == NodeTable.None || partition.IsGone(store.Record(node)) ? null : MoveKey.Write(store.Policy.PlaceOf(node), EntryOf(node), offset);
    }

    private byte[] Write(int position)
    {
        var cursor = cursors[position];
        var writer = new MoveWriter(buffer.AsSpan(MoveChunk.HeadBytes));
        var count = 0;
        for (var visited = 0; visited < MaxNodesPerChunk && !cursor.IsAtEnd; visited++)
        {
            if (cursor.IsAtListsEnd)
            {
                cursor = cursor.IsGhosts ? cursor with { IsAtEnd = true } : Cursor.At(ghosts, isGhosts: true);
                continue;
            }

            var before = writer.Length;
            if (!TryWrite(ref writer, ref cursor))
            {
                break;
            }

            count += writer.Length > before ? 1 : 0;
        }

        isWhole |= cursor.IsAtEnd;
        if (position + 1 == cursors.Count && !isWhole)
        {
            cursors.Add(cursor);
        }

        return MoveChunk.Complete(buffer.AsSpan(0, MoveChunk.HeadBytes + writer.Length), position, cursor.IsAtEnd ? -1 : position + 1, count);
    }

    /// <summary>Writes what the cursor is at, or passes it by, and moves the cursor on.</summary>
    /// <returns>False where the chunk has no room for it.</returns>
    private bool TryWrite(ref MoveWriter writer, ref Cursor cursor)
    {
        var node = cursor.Node;
        if (cursor.IsGhosts)
        {
            if (writer.Left < MoveChunk.GhostBytes)
            {
                return false;
            }

            MoveChunk.WriteGhost(ref writer, store.Policy.PlaceOf(node), store.Nodes[node].Tag, store.Nodes[node].Weight);
        }
        else if (!partition.IsGone(store.Record(node)))
        {
            var entry = EntryOf(node);
            if (entry.Large is not null)
            {
                return TryWritePiece(ref writer, ref cursor, entry, entry.Large);
            }

            if (writer.Left < MoveChunk.EntryBytes(entry))
            {
                return false;
            }

            MoveChunk.WriteEntry(ref writer, store.Policy.PlaceOf(node), entry);
        }

        cursor = cursor.Passed(store.Nodes);
        return true;
    }

    private bool TryWritePiece(ref MoveWriter writer, ref Cursor cursor, scoped in TierEntry entry, LargeValue large)
    {
        var valueless = MoveKey.WithoutValue(entry);
        var left = large.Length - cursor.LargeOffset;
        var head = cursor.LargeOffset == 0 ? MoveChunk.LargeHeadBytes(valueless) : MoveChunk.PieceHeadBytes;
        var count = Math.Min(left, writer.Left - head);
        if (count < Math.Min(left, ShortestPiece))
        {
            return false;
        }

        if (cursor.LargeOffset == 0)
        {
            MoveChunk.WriteLarge(ref writer, store.Policy.PlaceOf(cursor.Node), valueless, large, count);
        }
        else
        {
            MoveChunk.WritePiece(ref writer, large, cursor.LargeOffset, count);
        }

        cursor = count == left ? cursor.Passed(store.Nodes) : cursor with { LargeOffset = cursor.LargeOffset + count };
        return true;
    }

    private TierEntry EntryOf(int node)
    {
        var record = store.Record(node);
        var parts = RecordParts.Of(record, store.Large(record));
        return Partition.EntryOf(parts, KeyHash.Of(parts.Key));
    }

    /// <summary>Where a chunk begins: at the node that comes next of each of two lists, and what each has given so far.</summary>
    private readonly record struct Cursor(int First, int Second, double FirstWeight, double SecondWeight, double FirstGiven, double SecondGiven, int LargeOffset, bool IsGhosts, bool IsAtEnd)
    {
        public bool IsAtListsEnd => First == NodeTable.None && Second == NodeTable.None;

        /// <summary>The next node: of the list that has given the smaller part of what it weighs.</summary>
        public int Node => IsFirst ? First : Second;

        private bool IsFirst => Second == NodeTable.None || (First != NodeTable.None && FirstGiven * SecondWeight <= SecondGiven * FirstWeight);

        public static Cursor At(NodeList[] lists, bool isGhosts) => new(
            lists.Length > 0 ? lists[0].MostRecent : NodeTable.None,
            lists.Length > 1 ? lists[1].MostRecent : NodeTable.None,
            lists.Length > 0 ? lists[0].Weight : 0,
            lists.Length > 1 ? lists[1].Weight : 0,
            0,
            0,
            0,
            isGhosts,
            IsAtEnd: false);

        public Cursor Passed(NodeTable nodes)
        {
            ref var passed = ref nodes[Node];
            return IsFirst
                ? this with { First = passed.Prev, FirstGiven = FirstGiven + passed.Weight, LargeOffset = 0 }
                : this with { Second = passed.Prev, SecondGiven = SecondGiven + passed.Weight, LargeOffset = 0 };
        }
    }
}
