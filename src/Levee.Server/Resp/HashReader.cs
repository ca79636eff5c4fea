using System.Buffers.Binary;
using Levee.Memory;
using Levee.Operations;
using Levee.Resp;

namespace Levee.Server.Resp;

/// <summary>
/// Reads a packed hash (<see cref="HashValue"/>) where it lies: a large one is never copied whole, and long parts go out by reference. The
/// answer that it comes from must live as long.
/// </summary>
internal sealed class HashReader
{
    private const int LengthBytes = sizeof(int);

    private readonly byte[] small;

    /// <param name="present">The entry; none is an empty hash.</param>
    public HashReader(AnswerCopy present)
    {
        var entry = present.Answer.Entry;
        Large = entry.IsEmpty ? null : entry.Large;
        small = entry.IsEmpty || Large is not null ? [] : entry.Value.ToArray();
    }

    /// <summary>The value where it is large.</summary>
    public LargeValue? Large { get; }

    /// <summary>Its length in bytes.</summary>
    public int Length => Large?.Length ?? small.Length;

    /// <summary>Reads the field at a position and goes on to the next.</summary>
    public bool TryRead(ref int position, out Part field, out Part value)
    {
        if (position >= Length)
        {
            field = value = default;
            return false;
        }

        field = ReadPart(ref position);
        value = ReadPart(ref position);
        return true;
    }

    /// <summary>How many fields there are.</summary>
    public int Count()
    {
        var count = 0;
        for (var position = 0; TryRead(ref position, out _, out _); count++)
        {
        }

        return count;
    }

    /// <summary>Finds a field's value.</summary>
    public bool TryFind(ReadOnlySpan<byte> name, out Part value)
    {
        for (var position = 0; TryRead(ref position, out var field, out value);)
        {
            if (field.Length == name.Length && Is(field, name))
            {
                return true;
            }
        }

        value = default;
        return false;
    }

    /// <summary>Where the values of those fields stand that are asked for.</summary>
    public Dictionary<byte[], Part> Find(ReadOnlySpan<byte[]> names)
    {
        var longest = 0;
        var places = new Dictionary<byte[], Part>(ByteComparer.Instance);
        foreach (var name in names)
        {
            places[name] = Part.None;
            longest = Math.Max(longest, name.Length);
        }

        var found = places.GetAlternateLookup<ReadOnlySpan<byte>>();
        var bytes = new byte[longest];
        for (var position = 0; TryRead(ref position, out var field, out var value);)
        {
            if (field.Length <= longest)
            {
                CopyTo(field, bytes);
                var name = bytes.AsSpan(0, field.Length);
                if (found.ContainsKey(name))
                {
                    found[name] = value;
                }
            }
        }

        return places;
    }

    /// <summary>Copies a part to the front of a buffer.</summary>
    public void CopyTo(Part part, Span<byte> destination)
    {
        if (Large is not null)
        {
            Large.CopyTo(part.Begin, destination[..part.Length]);
        }
        else
        {
            small.AsSpan(part.Begin, part.Length).CopyTo(destination);
        }
    }

    /// <summary>Writes a part as a bulk string.</summary>
    public void WriteBulk(ReplyBuffer output, Part part)
    {
        if (Large is null)
        {
            ReplyFormatter.WriteBulk(output, small.AsSpan(part.Begin, part.Length));
            return;
        }

        output.Advance(RespWriter.WriteBulkHeader(output.GetSpan(RespWriter.MaxHeaderBytes), part.Length));
        if (part.Length > Limits.MaxInlineBytes)
        {
            output.Write(Large, part.Begin, part.Length);
        }
        else
        {
            Large.CopyTo(part.Begin, output.GetSpan(part.Length)[..part.Length]);
            output.Advance(part.Length);
        }

        output.Write("\r\n"u8);
    }

    private bool Is(Part part, ReadOnlySpan<byte> bytes)
    {
        if (Large is null)
        {
            return small.AsSpan(part.Begin, part.Length).SequenceEqual(bytes);
        }

        for (var at = 0; at < bytes.Length;)
        {
            var block = Large.Read(part.Begin + at);
            var count = Math.Min(block.Length, bytes.Length - at);
            if (!block[..count].SequenceEqual(bytes.Slice(at, count)))
            {
                return false;
            }

            at += count;
        }

        return true;
    }

    private Part ReadPart(ref int position)
    {
        Span<byte> length = stackalloc byte[LengthBytes];
        CopyTo(new Part(position, LengthBytes), length);
        var part = new Part(position + LengthBytes, BinaryPrimitives.ReadInt32LittleEndian(length));
        position = part.Begin + part.Length;
        return part;
    }

    /// <summary>A field or a value.</summary>
    /// <param name="Begin">Where it begins.</param>
    /// <param name="Length">Its length in bytes.</param>
    internal readonly record struct Part(int Begin, int Length)
    {
        /// <summary>Not there.</summary>
        public static readonly Part None = new(0, -1);

        /// <summary>Whether it is there.</summary>
        public bool Exists => Length >= 0;
    }
}
