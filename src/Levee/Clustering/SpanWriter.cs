using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using Levee.Operations;

namespace Levee.Clustering;

/// <summary>Writes numbers, little endian as the machine, and bytes one after the other into room that is large enough.</summary>
internal ref struct SpanWriter(Span<byte> room)
{
    private Span<byte> rest = room;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public void Write<T>(T number)
        where T : unmanaged
    {
        MemoryMarshal.Write(rest, number);
        rest = rest[Unsafe.SizeOf<T>()..];
    }

    public void Write(ReadOnlySpan<byte> bytes)
    {
        bytes.CopyTo(rest);
        rest = rest[bytes.Length..];
    }
}

/// <summary>Reads what <see cref="SpanWriter"/> wrote, or something that claims to be.</summary>
/// <param name="bytes">What to read.</param>
/// <param name="what">What it is, for errors.</param>
internal ref struct SpanReader(ReadOnlySpan<byte> bytes, string what)
{
    private ReadOnlySpan<byte> rest = bytes;

    public readonly int Left => rest.Length;

    /// <exception cref="FormatException">The bytes end before.</exception>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public T Read<T>()
        where T : unmanaged
    {
        if (rest.Length < Unsafe.SizeOf<T>())
        {
            throw TooShort(Unsafe.SizeOf<T>());
        }

        var number = MemoryMarshal.Read<T>(rest);
        rest = rest[Unsafe.SizeOf<T>()..];
        return number;
    }

    /// <exception cref="FormatException">The bytes end before, or the part is longer than it may be.</exception>
    public ReadOnlySpan<byte> Take(int length, int most, string part)
    {
        if ((uint)length > (uint)most)
        {
            throw new FormatException($"the {part} of a {what} is {length} bytes long; it may have {most}");
        }

        if (length > rest.Length)
        {
            throw TooShort(length);
        }

        var taken = rest[..length];
        rest = rest[length..];
        return taken;
    }

    /// <summary>Reads a packed list of tags and follows it to its end.</summary>
    /// <exception cref="FormatException">It is damaged.</exception>
    public ReadOnlySpan<byte> TakeTags()
    {
        var tags = Take(Read<ushort>(), Limits.MaxPackedTagsBytes, "list of tags");
        for (var left = tags; !left.IsEmpty; left = left[(left[0] + 1)..])
        {
            if (left[0] == 0 || left[0] > left.Length - 1)
            {
                throw new FormatException($"a tag of a {what} is {left[0]} bytes long where {left.Length - 1} are left");
            }
        }

        return tags;
    }

    /// <exception cref="FormatException">There is more.</exception>
    public readonly void End()
    {
        if (!rest.IsEmpty)
        {
            throw new FormatException($"a {what} has {rest.Length} bytes too many");
        }
    }

    private readonly FormatException TooShort(int wanted) => new($"a {what} ends {wanted - rest.Length} bytes early");
}
