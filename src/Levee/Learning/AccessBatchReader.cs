using System.Buffers.Binary;

namespace Levee.Learning;

/// <summary>Reads a packed <see cref="AccessBatch"/>. What is wrong shows when it is opened; reading throws nothing.</summary>
public ref struct AccessBatchReader
{
    private ReadOnlySpan<byte> rest;

    /// <summary>Opens a packed batch.</summary>
    /// <exception cref="FormatException">It is damaged or of an unknown version; the message names what is wrong.</exception>
    public AccessBatchReader(ReadOnlySpan<byte> packed)
    {
        if (packed.Length is < AccessBatch.HeadBytes or >= KeyList.MessageBytes)
        {
            throw new FormatException($"A batch of accesses has {packed.Length} bytes; allowed: {AccessBatch.HeadBytes} to {KeyList.MessageBytes - 1}.");
        }

        if (packed[0] != AccessBatch.Version)
        {
            throw new FormatException($"A batch of accesses has version {packed[0]}; known: {AccessBatch.Version}.");
        }

        FrontDoor = BinaryPrimitives.ReadUInt64LittleEndian(packed[1..]);
        Sequence = BinaryPrimitives.ReadInt64LittleEndian(packed[9..]);
        Count = BinaryPrimitives.ReadUInt16LittleEndian(packed[17..]);
        if (Sequence < 0 || Sequence > long.MaxValue - Count)
        {
            throw new FormatException($"A batch of {Count} accesses has the sequence number {Sequence}.");
        }

        rest = packed[AccessBatch.HeadBytes..];
        KeyList.Check(rest, Count);
    }

    /// <summary>Which front door saw the accesses.</summary>
    public ulong FrontDoor { get; }

    /// <summary>The number of the first access: how many the front door saw before it, those that it dropped included.</summary>
    public long Sequence { get; }

    /// <summary>How many accesses there are in all.</summary>
    public int Count { get; }

    /// <summary>Reads the next access.</summary>
    /// <returns>False at the end.</returns>
    public bool TryRead(out ReadOnlySpan<byte> key, out ulong hash, out AccessKind kind) => KeyList.TryRead(ref rest, out key, out hash, out kind);
}
