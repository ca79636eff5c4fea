using System.Buffers.Binary;
using Levee.Server.Resp.Commands;

namespace Levee.Server.Resp;

/// <summary>
/// A hash as one value: for each field its length (4 bytes, little endian), its bytes, its value's length and bytes, in the order in which fields were first set. Rewritten as a whole;
/// meant for the small hashes of caches and sessions.
/// </summary>
internal static class HashValue
{
    /// <summary>Most fields: finding one goes through all.</summary>
    public const int MaxFields = 4096;

    /// <summary>Most bytes: every change copies all, on an I/O thread.</summary>
    public const int MaxBytes = 4 * 1024 * 1024;

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

    /// <summary>The hash with many fields set, in time linear in hash and fields.</summary>
    /// <param name="hash">The hash.</param>
    /// <param name="pairs">Fields and their values, in turn.</param>
    /// <param name="added">How many fields are new.</param>
    public static byte[] WithAll(byte[] hash, ReadOnlySpan<byte[]> pairs, out int added)
    {
        var places = new Dictionary<byte[], int>(ByteComparer.Instance);
        var fields = new List<(byte[] Field, byte[] Value)>();
        ReadOnlySpan<byte> rest = hash;
        while (TryRead(ref rest, out var field, out var value))
        {
            places.Add(field.ToArray(), fields.Count);
            fields.Add((field.ToArray(), value.ToArray()));
        }

        var before = fields.Count;
        for (var i = 0; i < pairs.Length; i += 2)
        {
            if (places.TryAdd(pairs[i], fields.Count))
            {
                fields.Add((pairs[i], pairs[i + 1]));
            }
            else
            {
                fields[places[pairs[i]]] = (pairs[i], pairs[i + 1]);
            }
        }

        added = fields.Count - before;
        var changed = new byte[fields.Sum(f => (2 * LengthBytes) + f.Field.Length + (long)f.Value.Length)];
        var free = changed.AsSpan();
        foreach (var (field, value) in fields)
        {
            free = WritePart(WritePart(free, field), value);
        }

        return changed;
    }

    /// <summary>The hash without some fields; the same array where it has none of them.</summary>
    public static byte[] Without(byte[] hash, ReadOnlySpan<byte[]> fields, out int removed)
    {
        var gone = new HashSet<byte[]>(ByteComparer.Instance);
        foreach (var field in fields)
        {
            gone.Add(field);
        }

        var goneSpans = gone.GetAlternateLookup<ReadOnlySpan<byte>>();
        var kept = new byte[hash.Length];
        var free = kept.AsSpan();
        removed = 0;
        ReadOnlySpan<byte> rest = hash;
        while (TryRead(ref rest, out var field, out var value))
        {
            if (goneSpans.Contains(field))
            {
                removed++;
            }
            else
            {
                free = WritePart(WritePart(free, field), value);
            }
        }

        return removed == 0 ? hash : kept[..^free.Length];
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
