using System.Buffers.Binary;

namespace Levee.Learning;

/// <summary>
/// Keys with their routing hashes, packed one behind the other: hash (8 bytes), length of the key (2 bytes, 0 to <see cref="MaxKeyBytes"/>), key. Little endian. What frames it says how many there are.
/// </summary>
public static class KeyList
{
    /// <summary>Longest key that is reported or predicted, in bytes.</summary>
    public const int MaxKeyBytes = 256;

    /// <summary>Every message that holds such a list is shorter than this, in bytes.</summary>
    public const int MessageBytes = 32 * 1024;

    internal const int EntryHeadBytes = 10;

    internal static int Write(Span<byte> destination, ReadOnlySpan<byte> key, ulong hash)
    {
        BinaryPrimitives.WriteUInt64LittleEndian(destination, hash);
        BinaryPrimitives.WriteUInt16LittleEndian(destination[8..], (ushort)key.Length);
        key.CopyTo(destination[EntryHeadBytes..]);
        return EntryHeadBytes + key.Length;
    }

    /// <summary>Takes the first key off a list that has been checked.</summary>
    /// <returns>False at the end of the list.</returns>
    internal static bool TryRead(scoped ref ReadOnlySpan<byte> list, out ReadOnlySpan<byte> key, out ulong hash)
    {
        if (list.IsEmpty)
        {
            key = default;
            hash = 0;
            return false;
        }

        hash = BinaryPrimitives.ReadUInt64LittleEndian(list);
        var length = BinaryPrimitives.ReadUInt16LittleEndian(list[8..]);
        key = list.Slice(EntryHeadBytes, length);
        list = list[(EntryHeadBytes + length)..];
        return true;
    }

    /// <summary>Throws unless a list has exactly so many keys.</summary>
    internal static void Check(ReadOnlySpan<byte> list, int count)
    {
        for (var i = 0; i < count; i++)
        {
            if (list.Length < EntryHeadBytes)
            {
                throw new FormatException($"The list of keys ends in key {i} of {count}.");
            }

            var length = BinaryPrimitives.ReadUInt16LittleEndian(list[8..]);
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
