namespace Levee.Operations;

/// <summary>
/// Tags in their packed form: for each tag one length byte (1 to 255) and its bytes. The same form in an operation, in an entry and on the wire.
/// </summary>
public static class TagList
{
    /// <summary>Appends a tag to a packed list.</summary>
    /// <returns>How many bytes were written at the start of <paramref name="destination"/>, or 0 where the tag is empty, too long or does not fit.</returns>
    public static int Write(Span<byte> destination, ReadOnlySpan<byte> tag)
    {
        if (tag.IsEmpty || tag.Length > Limits.MaxTagBytes || destination.Length < tag.Length + 1)
        {
            return 0;
        }

        destination[0] = (byte)tag.Length;
        tag.CopyTo(destination[1..]);
        return tag.Length + 1;
    }

    /// <summary>Takes the first tag off a packed list.</summary>
    /// <returns>False at the end of the list.</returns>
    public static bool TryRead(scoped ref ReadOnlySpan<byte> packed, out ReadOnlySpan<byte> tag)
    {
        if (packed.IsEmpty)
        {
            tag = default;
            return false;
        }

        int length = packed[0];
        tag = packed.Slice(1, length);
        packed = packed[(length + 1)..];
        return true;
    }

    /// <summary>How many tags a packed list holds.</summary>
    public static int Count(ReadOnlySpan<byte> packed)
    {
        var count = 0;
        while (TryRead(ref packed, out _))
        {
            count++;
        }

        return count;
    }
}
