using System.Buffers.Binary;
using Levee.Server.Resp.Commands;

namespace Levee.Server.Resp;

/// <summary>
/// A hash as one value: for each field its length (4 bytes, little endian), its bytes, its value's length and bytes, in the order in which fields were first set. Rewritten as a whole;
/// meant for the small hashes of caches and sessions.
/// </summary>
internal static class HashValue
{
    private const int LengthBytes = sizeof(int);

    /// <summary>Takes the first field off a packed hash.</summary>
    public static bool TryRead(scoped ref ReadOnlySpan<byte> hash, out ReadOnlySpan<byte> field, out ReadOnlySpan<byte> value)
    {
        if (hash.IsEmpty)
        {
            field = value = default;
            return false;
        }

        field = ReadPart(ref hash);
        value = ReadPart(ref hash);
        return true;
    }

    /// <summary>Finds a field's value.</summary>
    public static bool TryFind(ReadOnlySpan<byte> hash, scoped ReadOnlySpan<byte> field, out ReadOnlySpan<byte> value)
    {
        var rest = hash;
        while (TryRead(ref rest, out var candidate, out value))
        {
            if (candidate.SequenceEqual(field))
            {
                return true;
            }
        }

        return false;
    }

    /// <summary>How many fields there are.</summary>
    public static int Count(ReadOnlySpan<byte> hash)
    {
        var count = 0;
        var rest = hash;
        while (TryRead(ref rest, out _, out _))
        {
            count++;
        }

        return count;
    }

    /// <summary>The hash with a field set.</summary>
    public static byte[] With(byte[] hash, ReadOnlySpan<byte> field, ReadOnlySpan<byte> value, out bool isNew)
    {
        isNew = !TryFind(hash, field, out var old);
        if (isNew)
        {
            var longer = new byte[hash.Length + (2 * LengthBytes) + field.Length + value.Length];
            hash.CopyTo(longer, 0);
            WritePart(WritePart(longer.AsSpan(hash.Length), field), value);
            return longer;
        }

        var offset = OffsetOfValue(hash, field);
        var changed = new byte[hash.Length - old.Length + value.Length];
        hash.AsSpan(0, offset - LengthBytes).CopyTo(changed);
        var rest = WritePart(changed.AsSpan(offset - LengthBytes), value);
        hash.AsSpan(offset + old.Length).CopyTo(rest);
        return changed;
    }

    /// <summary>The hash without a field; the same array where it has none.</summary>
    public static byte[] Without(byte[] hash, ReadOnlySpan<byte> field)
    {
        if (!TryFind(hash, field, out var value))
        {
            return hash;
        }

        var end = OffsetOfValue(hash, field) + value.Length;
        var begin = end - value.Length - (2 * LengthBytes) - field.Length;
        return [.. hash.AsSpan(0, begin), .. hash.AsSpan(end)];
    }

    private static int OffsetOfValue(ReadOnlySpan<byte> hash, ReadOnlySpan<byte> field)
    {
        var rest = hash;
        while (TryRead(ref rest, out var candidate, out var value))
        {
            if (candidate.SequenceEqual(field))
            {
                return hash.Length - rest.Length - value.Length;
            }
        }

        throw new CommandException("ERR no such field");
    }

    private static ReadOnlySpan<byte> ReadPart(scoped ref ReadOnlySpan<byte> hash)
    {
        var length = BinaryPrimitives.ReadInt32LittleEndian(hash);
        var part = hash.Slice(LengthBytes, length);
        hash = hash[(LengthBytes + length)..];
        return part;
    }

    private static Span<byte> WritePart(Span<byte> destination, ReadOnlySpan<byte> part)
    {
        BinaryPrimitives.WriteInt32LittleEndian(destination, part.Length);
        part.CopyTo(destination[LengthBytes..]);
        return destination[(LengthBytes + part.Length)..];
    }
}
