using System.Buffers.Binary;
using Levee.Eviction;
using Levee.Keys;
using Levee.Memory;
using Levee.Operations;
using Levee.Segments;

namespace Levee.Partitions;

/// <summary>What one item of a chunk is. Numbers are part of the format: append only.</summary>
internal enum MoveItemKind : byte
{
    /// <summary>An entry whose value lies beside its key: list 1 · length 4 · plain <see cref="TierRecord"/>.</summary>
    Entry = 1,

    /// <summary>A ghost: list 1 · tag 4 · weight 4.</summary>
    Ghost = 2,

    /// <summary>The beginning of an entry with a large value: list 1 · length 4 · plain record without value · value length 4 · piece length 4 · piece.</summary>
    Large = 3,

    /// <summary>The next piece of the large value that came last: offset 4 · piece length 4 · piece.</summary>
    Piece = 4,
}

/// <summary>One item of a chunk. Borrows from it.</summary>
internal readonly ref struct MoveItem
{
    public MoveItemKind Kind { get; init; }

    /// <summary>The number of the policy's list.</summary>
    public byte Home { get; init; }

    /// <summary>The entry; of a large one without its value.</summary>
    public TierEntry Entry { get; init; }

    /// <summary>The ghost's tag.</summary>
    public uint Tag { get; init; }

    /// <summary>The ghost's weight.</summary>
    public int Weight { get; init; }

    /// <summary>The whole length of a large value.</summary>
    public int ValueLength { get; init; }

    /// <summary>Where in a large value the piece belongs.</summary>
    public int Offset { get; init; }

    /// <summary>A piece of a large value.</summary>
    public ReadOnlySpan<byte> Piece { get; init; }
}

/// <summary>
/// A part of a partition on its way: entries, the hottest first, then ghosts.
/// <code>
/// body: position 8 · next position 8, -1 at the end · items 4 · items, each beginning with its <see cref="MoveItemKind"/>
/// </code>
/// Positions count chunks from 0.
/// </summary>
internal readonly ref struct MoveChunk
{
    /// <summary>What precedes the items.</summary>
    public const int HeadBytes = MoveFrame.HeadBytes + 20;

    private readonly ReadOnlySpan<byte> items;

    private MoveChunk(long position, long next, int count, ReadOnlySpan<byte> items)
    {
        Position = position;
        Next = next;
        Count = count;
        this.items = items;
    }

    public long Position { get; }

    /// <summary>The next chunk's position; -1 where this is the last.</summary>
    public long Next { get; }

    /// <summary>Items.</summary>
    public int Count { get; }

    /// <summary>Reads a chunk, and looks at every item, so that what it says can be taken in as it is.</summary>
    /// <exception cref="FormatException">It is none, or damaged, or says what cannot be.</exception>
    public static MoveChunk Read(ReadOnlySpan<byte> message)
    {
        var chunk = ReadUnchecked(message);
        if (chunk.Position < 0 || chunk.Next < -1 || chunk.Count < 0)
        {
            throw new FormatException($"A chunk makes no sense: position {chunk.Position}, next {chunk.Next}, {chunk.Count} items.");
        }

        var offset = 0;
        for (var i = 0; i < chunk.Count; i++)
        {
            Check(chunk.Item(ref offset));
        }

        if (offset != chunk.items.Length)
        {
            throw new FormatException($"The {chunk.Count} items of a chunk take {offset} of {chunk.items.Length} bytes.");
        }

        return chunk;
    }

    /// <summary>Looks at a chunk that <see cref="Read"/> has read before.</summary>
    public static MoveChunk ReadUnchecked(ReadOnlySpan<byte> message)
    {
        var body = MoveFrame.Open(message, MoveFrameKind.Chunk);
        var reader = new MoveReader(body);
        var position = reader.Int64();
        var next = reader.Int64();
        var count = reader.Int32();
        return new MoveChunk(position, next, count, reader.Take(reader.Left));
    }

    /// <summary>The item at an offset; moves the offset to the next.</summary>
    public MoveItem Item(scoped ref int offset)
    {
        var reader = new MoveReader(items[offset..]);
        var item = ReadItem(ref reader);
        offset = items.Length - reader.Left;
        return item;
    }

    /// <summary>Reads an item, wherever it lies.</summary>
    public static MoveItem ReadItem(scoped ref MoveReader reader)
    {
        var kind = (MoveItemKind)reader.Byte();
        switch (kind)
        {
            case MoveItemKind.Entry:
                return new MoveItem { Kind = kind, Home = reader.Byte(), Entry = ReadEntry(reader.Take(reader.Int32())) };
            case MoveItemKind.Ghost:
                return new MoveItem { Kind = kind, Home = reader.Byte(), Tag = reader.UInt32(), Weight = reader.Int32() };
            case MoveItemKind.Large:
                return new MoveItem { Kind = kind, Home = reader.Byte(), Entry = ReadEntry(reader.Take(reader.Int32())), ValueLength = reader.Int32(), Piece = reader.Take(reader.Int32()) };
            case MoveItemKind.Piece:
                return new MoveItem { Kind = kind, Offset = reader.Int32(), Piece = reader.Take(reader.Int32()) };
            default:
                throw new FormatException($"A message of a move has an item of the unknown kind {(byte)kind}.");
        }
    }

    /// <summary>Throws where an item says what cannot be.</summary>
    public static void Check(scoped in MoveItem item)
    {
        switch (item.Kind)
        {
            case MoveItemKind.Ghost when item.Weight is < 1 or > Node.MaxWeight:
                throw new FormatException($"A ghost weighs {item.Weight}.");
            case MoveItemKind.Piece when item.Offset < 0 || item.Piece.IsEmpty:
                throw new FormatException($"A piece of a large value has {item.Piece.Length} bytes at offset {item.Offset}.");
            case MoveItemKind.Large when item.ValueLength is <= Limits.MaxInlineBytes or > Limits.MaxValueBytes || item.Piece.Length > item.ValueLength || !item.Entry.Value.IsEmpty:
                throw new FormatException($"A large value of {item.ValueLength} bytes begins with {item.Piece.Length}.");
            case MoveItemKind.Entry when item.Entry.Value.Length > Limits.MaxInlineBytes:
                throw new FormatException($"An entry has {item.Entry.Value.Length} bytes beside its key; the most is {Limits.MaxInlineBytes}.");
        }

        if (item.Kind is MoveItemKind.Entry or MoveItemKind.Large)
        {
            CheckEntry(item.Entry);
        }
    }

    private static TierEntry ReadEntry(ReadOnlySpan<byte> record)
    {
        if (record.Length < TierRecord.HeaderBytes || TierRecord.Length(record) != record.Length || !TierRecord.TryRead(record, out var entry))
        {
            throw new FormatException($"A message of a move has an entry of {record.Length} bytes that is none.");
        }

        return entry;
    }

    private static void CheckEntry(scoped in TierEntry entry)
    {
        if (entry.Key.Length > Limits.MaxKeyBytes || entry.Tags.Length > Limits.MaxPackedTagsBytes || entry.Hash != KeyHash.Of(entry.Key))
        {
            throw new FormatException($"A message of a move has an entry with a key of {entry.Key.Length} bytes and {entry.Tags.Length} bytes of tags whose hash is 0x{entry.Hash:x16}.");
        }

        if (entry.SlidingMs < 0 || (entry.SlidingMs > 0 && entry.ExpiresAt == Limits.Never) || !IsPacked(entry.Tags))
        {
            throw new FormatException($"A message of a move has an entry with a sliding TTL of {entry.SlidingMs} ms that expires at {entry.ExpiresAt}, or with tags that are none.");
        }
    }

    private static bool IsPacked(ReadOnlySpan<byte> tags)
    {
        while (!tags.IsEmpty)
        {
            if (tags[0] >= tags.Length)
            {
                return false;
            }

            tags = tags[(tags[0] + 1)..];
        }

        return true;
    }

    /// <summary>Completes a chunk whose items have been written from <see cref="HeadBytes"/> on.</summary>
    public static byte[] Complete(ReadOnlySpan<byte> written, long position, long next, int count)
    {
        var message = written.ToArray();
        BinaryPrimitives.WriteInt64LittleEndian(message.AsSpan(MoveFrame.HeadBytes), position);
        BinaryPrimitives.WriteInt64LittleEndian(message.AsSpan(MoveFrame.HeadBytes + 8), next);
        BinaryPrimitives.WriteInt32LittleEndian(message.AsSpan(MoveFrame.HeadBytes + 16), count);
        MoveFrame.Seal(message, MoveFrameKind.Chunk);
        return message;
    }

    /// <summary>What an entry takes, its large value not counted.</summary>
    public static int EntryBytes(scoped in TierEntry entry) => 6 + TierRecord.PlainLength(entry);

    /// <summary>What precedes the first piece of a large value.</summary>
    public static int LargeHeadBytes(scoped in TierEntry entry) => 14 + TierRecord.PlainLength(entry);

    /// <summary>What precedes any other piece.</summary>
    public const int PieceHeadBytes = 9;

    /// <summary>What a ghost takes.</summary>
    public const int GhostBytes = 10;

    public static void WriteEntry(ref MoveWriter writer, byte home, scoped in TierEntry entry)
    {
        writer.Byte((byte)MoveItemKind.Entry);
        WriteRecord(ref writer, home, entry);
    }

    /// <summary>Writes the beginning of an entry with a large value.</summary>
    /// <param name="writer">Where to.</param>
    /// <param name="home">Its list.</param>
    /// <param name="entry">The entry, without its value.</param>
    /// <param name="large">The value.</param>
    /// <param name="count">Bytes of it to write.</param>
    public static void WriteLarge(ref MoveWriter writer, byte home, scoped in TierEntry entry, LargeValue large, int count)
    {
        writer.Byte((byte)MoveItemKind.Large);
        WriteRecord(ref writer, home, entry);
        writer.Int32(large.Length);
        writer.Int32(count);
        large.CopyTo(0, writer.Next(count));
    }

    public static void WritePiece(ref MoveWriter writer, LargeValue large, int offset, int count)
    {
        writer.Byte((byte)MoveItemKind.Piece);
        writer.Int32(offset);
        writer.Int32(count);
        large.CopyTo(offset, writer.Next(count));
    }

    public static void WriteGhost(ref MoveWriter writer, byte home, uint tag, int weight)
    {
        writer.Byte((byte)MoveItemKind.Ghost);
        writer.Byte(home);
        writer.UInt32(tag);
        writer.Int32(weight);
    }

    private static void WriteRecord(ref MoveWriter writer, byte home, scoped in TierEntry entry)
    {
        var length = TierRecord.PlainLength(entry);
        writer.Byte(home);
        writer.Int32(length);
        var record = writer.Next(length);
        record[..sizeof(uint)].Clear(); // The message has a checksum; the record needs none of its own.
        TierRecord.Write(entry, record);
    }
}
