namespace Levee.Memory;

/// <summary>
/// A value above <see cref="Operations.Limits.MaxInlineBytes"/>, in pages off the managed heap, shared by counted references: the entry that holds it and
/// every reader that is sending it. Its bytes do not change once it has been handed over. Appending is for one thread; references are safe for all.
/// </summary>
public sealed unsafe class LargeValue
{
    private readonly LargeValueStore store;
    private readonly nint[] pages;
    private readonly LargeValueStore.Tail tail;
    private int references = 1;

    internal LargeValue(LargeValueStore store, int length, nint[] pages, LargeValueStore.Tail tail, long chargedBytes)
    {
        this.store = store;
        this.pages = pages;
        this.tail = tail;
        Length = length;
        ChargedBytes = chargedBytes;
    }

    /// <summary>Length in bytes when complete.</summary>
    public int Length { get; }

    /// <summary>How many bytes have been appended.</summary>
    public int FilledBytes { get; private set; }

    /// <summary>What the value takes of the budget, in bytes.</summary>
    internal long ChargedBytes { get; }

    /// <summary>Adds bytes at the end of what has been filled.</summary>
    public void Append(ReadOnlySpan<byte> bytes)
    {
        ArgumentOutOfRangeException.ThrowIfGreaterThan(bytes.Length, Length - FilledBytes);
        while (!bytes.IsEmpty)
        {
            var room = Unfilled();
            var count = Math.Min(room.Length, bytes.Length);
            bytes[..count].CopyTo(room);
            Advance(count);
            bytes = bytes[count..];
        }
    }

    /// <summary>The next contiguous room to fill; follow with <see cref="Advance"/>. Empty when the value is complete.</summary>
    public Span<byte> Unfilled() => Block(FilledBytes);

    /// <summary>Says that the first <paramref name="count"/> bytes of <see cref="Unfilled"/> have been written.</summary>
    public void Advance(int count)
    {
        ArgumentOutOfRangeException.ThrowIfGreaterThan(count, Length - FilledBytes);
        FilledBytes += count;
    }

    /// <summary>The contiguous bytes from an offset to the end of its page, or of the value. Empty at the end.</summary>
    public ReadOnlySpan<byte> Read(int offset) => Block(offset);

    /// <summary>Copies bytes from an offset on.</summary>
    public void CopyTo(int offset, Span<byte> destination)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(offset);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(destination.Length, Length - offset);
        while (!destination.IsEmpty)
        {
            var block = Read(offset);
            var count = Math.Min(block.Length, destination.Length);
            block[..count].CopyTo(destination);
            destination = destination[count..];
            offset += count;
        }
    }

    /// <summary>Takes one more reference.</summary>
    public void AddReference() => Interlocked.Increment(ref references);

    /// <summary>Drops a reference; the last one frees the memory.</summary>
    public void Release()
    {
        var left = Interlocked.Decrement(ref references);
        if (left == 0)
        {
            store.Free(pages, tail);
        }

        ArgumentOutOfRangeException.ThrowIfNegative(left, nameof(references));
    }

    private Span<byte> Block(int offset)
    {
        var page = offset / PageArena.PageBytes;
        var within = offset % PageArena.PageBytes;
        var length = Math.Min(PageArena.PageBytes - within, Length - offset);
        var memory = page < pages.Length ? (byte*)pages[page] : length > 0 ? tail.Memory : null;
        return new Span<byte>(memory + within, length);
    }
}
