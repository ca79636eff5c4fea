using System.Buffers.Binary;

namespace Levee.Learning;

/// <summary>
/// Accesses, packed one behind the other: the key's routing hash (8 bytes), length of the key (0 to <see cref="MaxKeyBytes"/>) with the <see cref="AccessKind"/> in its upper four bits (2 bytes), key. Little endian.
/// What frames the list says how many there are.
/// </summary>
public static class KeyList
{
    /// <summary>Longest key that is reported or predicted, in bytes.</summary>
    public const int MaxKeyBytes = 256;

    /// <summary>Every message that holds such a list is shorter than this, in bytes.</summary>
    public const int MessageBytes = 32 * 1024;

    internal const int EntryHeadBytes = 10;

    private const int KindShift = 12;
    private const int LengthMask = (1 << KindShift) - 1;

    internal static void Write(Span<byte> destination, ReadOnlySpan<byte> key, ulong hash, AccessKind kind)
    {
        BinaryPrimitives.WriteUInt64LittleEndian(destination, hash);
        BinaryPrimitives.WriteUInt16LittleEndian(destination[8..], (ushort)(key.Length | ((int)kind << KindShift)));
        key.CopyTo(destination[EntryHeadBytes..]);
    }

    /// <summary>The bytes that the first access takes of a list that has been checked.</summary>
    internal static int EntryLength(ReadOnlySpan<byte> list) => EntryHeadBytes + (BinaryPrimitives.ReadUInt16LittleEndian(list[8..]) & LengthMask);

    /// <summary>Takes the first access off a list that has been checked.</summary>
    /// <returns>False at the end of the list.</returns>
    internal static bool TryRead(scoped ref ReadOnlySpan<byte> list, out ReadOnlySpan<byte> key, out ulong hash, out AccessKind kind)
    {
        if (list.IsEmpty)
        {
            key = default;
            hash = 0;
            kind = default;
            return false;
        }

        hash = BinaryPrimitives.ReadUInt64LittleEndian(list);
        kind = (AccessKind)(BinaryPrimitives.ReadUInt16LittleEndian(list[8..]) >> KindShift);
        var end = EntryLength(list);
        key = list[EntryHeadBytes..end];
        list = list[end..];
        return true;
    }

    /// <summary>Throws unless a list has exactly so many accesses.</summary>
    internal static void Check(ReadOnlySpan<byte> list, int count)
    {
        for (var i = 0; i < count; i++)
        {
            if (list.Length < EntryHeadBytes)
            {
                throw new FormatException($"The list of keys ends in key {i} of {count}.");
            }

            var kind = BinaryPrimitives.ReadUInt16LittleEndian(list[8..]) >> KindShift;
            if (kind > (int)AccessKind.PollutedMiss)
            {
                throw new FormatException($"Key {i} of {count} has the unknown access kind {kind}.");
            }

            var length = EntryLength(list) - EntryHeadBytes;
            if (length > MaxKeyBytes || length > list.Length - EntryHeadBytes)
            {
                throw new FormatException($"Key {i} of {count} has {length} bytes; allowed: up to {Math.Min(MaxKeyBytes, list.Length - EntryHeadBytes)}.");
            }

            list = list[(EntryHeadBytes + length)..];
        }

        if (!list.IsEmpty)
        {
            throw new FormatException($"{list.Length} bytes follow the last of {count} keys.");
        }
    }
}
