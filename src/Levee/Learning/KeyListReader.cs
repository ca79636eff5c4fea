using System.Buffers.Binary;

namespace Levee.Learning;

/// <summary>Reads what a <see cref="KeyListWriter"/> packed. What is wrong shows when it is opened; reading throws nothing.</summary>
public ref struct KeyListReader
{
    private ReadOnlySpan<byte> rest;

    /// <summary>Opens a packed list.</summary>
    /// <exception cref="FormatException">It is damaged or of an unknown version; the message names what is wrong.</exception>
    public KeyListReader(ReadOnlySpan<byte> packed)
    {
        if (packed.Length is < KeyListWriter.HeadBytes or >= KeyList.MessageBytes)
        {
            throw new FormatException($"A list of predicted keys has {packed.Length} bytes; allowed: {KeyListWriter.HeadBytes} to {KeyList.MessageBytes - 1}.");
        }

        if (packed[0] != KeyListWriter.Version)
        {
            throw new FormatException($"A list of predicted keys has version {packed[0]}; known: {KeyListWriter.Version}.");
        }

        Count = BinaryPrimitives.ReadUInt16LittleEndian(packed[1..]);
        rest = packed[KeyListWriter.HeadBytes..];
        KeyList.Check(rest, Count);
    }

    /// <summary>How many keys there are in all.</summary>
    public int Count { get; }

    /// <summary>Reads the next key.</summary>
    /// <returns>False at the end.</returns>
    public bool TryRead(out ReadOnlySpan<byte> key, out ulong hash) => KeyList.TryRead(ref rest, out key, out hash);
}
