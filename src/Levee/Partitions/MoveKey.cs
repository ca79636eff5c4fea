namespace Levee.Partitions;

/// <summary>
/// What a frozen copy says about one key.
/// <code>
/// body: <see cref="LoadOutcome"/> 1 · where it was found, one item as in a chunk: the entry, the beginning of a large one, or the piece that was asked for
/// </code>
/// </summary>
internal readonly ref struct MoveKey
{
    private MoveKey(LoadOutcome outcome, MoveItem item)
    {
        Outcome = outcome;
        Item = item;
    }

    public LoadOutcome Outcome { get; }

    public MoveItem Item { get; }

    /// <summary>Reads an answer.</summary>
    /// <exception cref="FormatException">It is none, or damaged, or says what cannot be.</exception>
    public static MoveKey Read(ReadOnlySpan<byte> message)
    {
        var reader = new MoveReader(MoveFrame.Open(message, MoveFrameKind.Key));
        var outcome = (LoadOutcome)reader.Byte();
        var item = default(MoveItem);
        if (outcome == LoadOutcome.Found)
        {
            item = MoveChunk.ReadItem(ref reader);
            MoveChunk.Check(item);
        }

        if (outcome > LoadOutcome.Failed || reader.Left != 0 || item.Kind == MoveItemKind.Ghost)
        {
            throw new FormatException($"An answer about a key makes no sense: outcome {(byte)outcome}, {reader.Left} bytes too many.");
        }

        return new MoveKey(outcome, item);
    }

    /// <summary>An answer without an entry.</summary>
    public static byte[] Write(LoadOutcome outcome)
    {
        var message = new byte[MoveFrame.HeadBytes + 1];
        message[MoveFrame.HeadBytes] = (byte)outcome;
        MoveFrame.Seal(message, MoveFrameKind.Key);
        return message;
    }

    /// <summary>An answer with an entry, or with a piece of its large value.</summary>
    /// <param name="home">The list that it is on; 0: none.</param>
    /// <param name="entry">The entry.</param>
    /// <param name="offset">0 for the entry with the beginning of its value; else where in its large value to begin.</param>
    public static byte[] Write(byte home, scoped in TierEntry entry, int offset)
    {
        if (entry.Large is not { } large)
        {
            var plain = new byte[MoveFrame.HeadBytes + 1 + MoveChunk.EntryBytes(entry)];
            var writer = Begin(plain);
            MoveChunk.WriteEntry(ref writer, home, entry);
            MoveFrame.Seal(plain, MoveFrameKind.Key);
            return plain;
        }

        if ((uint)offset >= (uint)large.Length)
        {
            return Write(LoadOutcome.NotFound);
        }

        var valueless = WithoutValue(entry);
        var head = MoveFrame.HeadBytes + 1 + (offset == 0 ? MoveChunk.LargeHeadBytes(valueless) : MoveChunk.PieceHeadBytes);
        var count = Math.Min(large.Length - offset, MoveFrame.MaxBytes - head);
        var message = new byte[head + count];
        var pieces = Begin(message);
        if (offset == 0)
        {
            MoveChunk.WriteLarge(ref pieces, home, valueless, large, count);
        }
        else
        {
            MoveChunk.WritePiece(ref pieces, large, offset, count);
        }

        MoveFrame.Seal(message, MoveFrameKind.Key);
        return message;
    }

    /// <summary>The entry without its large value, as it is written before it.</summary>
    public static TierEntry WithoutValue(scoped in TierEntry entry) => new()
    {
        Hash = entry.Hash,
        Version = entry.Version,
        ExpiresAt = entry.ExpiresAt,
        SlidingMs = entry.SlidingMs,
        SlidingCap = entry.SlidingCap,
        Key = entry.Key,
        Kind = entry.Kind,
        Flags = entry.Flags,
        ContentType = entry.ContentType,
        Tags = entry.Tags,
    };

    private static MoveWriter Begin(Span<byte> message)
    {
        var writer = new MoveWriter(message[MoveFrame.HeadBytes..]);
        writer.Byte((byte)LoadOutcome.Found);
        return writer;
    }
}
