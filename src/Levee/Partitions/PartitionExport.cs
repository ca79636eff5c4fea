using Levee.Eviction;
using Levee.Keys;
using Levee.Memory;

namespace Levee.Partitions;

/// <summary>
/// Reads a frozen partition out in chunks: residents hottest first, from each of the policy's lists in proportion to its weight, then what was prefetched and not used yet, then ghosts. A chunk is the same each time
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
        cursors = [Cursor.At(residents, Stage.Residents)];
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
        return node == NodeTable.None || partition.IsGone(store.Record(node)) ? null : MoveKey.Write(store.PlaceOf(node), EntryOf(node), offset);
    }

    private byte[] Write(int position)
    {
        var cursor = cursors[position].Copy();
        var writer = new MoveWriter(buffer.AsSpan(MoveChunk.HeadBytes));
        var count = 0;
        for (var visited = 0; visited < MaxNodesPerChunk && !cursor.IsAtEnd; visited++)
        {
            if (cursor.IsAtListsEnd)
            {
                if (cursor.Stage == Stage.Residents)
                {
                    cursor = Cursor.At([store.Area.List], Stage.Prefetched);
                    continue;
                }

                if (cursor.Stage == Stage.Ghosts)
                {
                    cursor.IsAtEnd = true;
                }
                else
                {
                    cursor = Cursor.At(ghosts, Stage.Ghosts);
                }

                continue;
            }

            var before = writer.Length;
            if (!TryWrite(ref writer, cursor))
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
    private bool TryWrite(ref MoveWriter writer, Cursor cursor)
    {
        var node = cursor.Node;
        if (cursor.Stage == Stage.Ghosts)
        {
            if (writer.Left < MoveChunk.GhostBytes)
            {
                return false;
            }

            MoveChunk.WriteGhost(ref writer, store.PlaceOf(node), store.Nodes[node].Tag, store.Nodes[node].Weight);
        }
        else if (!partition.IsGone(store.Record(node)))
        {
            var entry = EntryOf(node);
            if (entry.Large is not null)
            {
                return TryWritePiece(ref writer, cursor, entry, entry.Large);
            }

            if (writer.Left < MoveChunk.EntryBytes(entry))
            {
                return false;
            }

            MoveChunk.WriteEntry(ref writer, store.PlaceOf(node), entry);
        }

        cursor.Pass(store.Nodes);
        return true;
    }

    private bool TryWritePiece(ref MoveWriter writer, Cursor cursor, scoped in TierEntry entry, LargeValue large)
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
            MoveChunk.WriteLarge(ref writer, store.PlaceOf(cursor.Node), valueless, large, count);
        }
        else
        {
            MoveChunk.WritePiece(ref writer, large, cursor.LargeOffset, count);
        }

        if (count == left)
        {
            cursor.Pass(store.Nodes);
        }
        else
        {
            cursor.LargeOffset += count;
        }

        return true;
    }

    private TierEntry EntryOf(int node)
    {
        var record = store.Record(node);
        var parts = RecordParts.Of(record, store.Large(record));
        return Partition.EntryOf(parts, KeyHash.Of(parts.Key));
    }

    private enum Stage : byte
    {
        Residents,
        Prefetched,
        Ghosts,
    }

    /// <summary>Where a chunk begins: at the node that comes next of each list, and what part each has given so far.</summary>
    private sealed class Cursor
    {
        private readonly int[] next;
        private readonly double[] given;
        private readonly double[] weights;
        private int current;

        private Cursor(int[] next, double[] given, double[] weights, Stage stage)
        {
            this.next = next;
            this.given = given;
            this.weights = weights;
            Stage = stage;
            Choose();
        }

        public Stage Stage { get; }

        public bool IsAtEnd { get; set; }

        /// <summary>How much of the large value at the cursor has been read.</summary>
        public int LargeOffset { get; set; }

        public bool IsAtListsEnd => Node == NodeTable.None;

        /// <summary>The next node: of the list that has given the smallest part of what it weighs, the first of several.</summary>
        public int Node => current < 0 ? NodeTable.None : next[current];

        public static Cursor At(NodeList[] lists, Stage stage) =>
            new(Array.ConvertAll(lists, static list => list.MostRecent), new double[lists.Length], Array.ConvertAll(lists, static list => Math.Max(1.0, list.Weight)), stage);

        public Cursor Copy() => new([.. next], [.. given], weights, Stage) { IsAtEnd = IsAtEnd, LargeOffset = LargeOffset };

        public void Pass(NodeTable nodes)
        {
            ref var passed = ref nodes[Node];
            given[current] += passed.Weight / weights[current];
            next[current] = passed.Prev;
            LargeOffset = 0;
            Choose();
        }

        private void Choose()
        {
            current = -1;
            for (var i = 0; i < next.Length; i++)
            {
                if (next[i] != NodeTable.None && (current < 0 || given[i] < given[current]))
                {
                    current = i;
                }
            }
        }
    }
}
