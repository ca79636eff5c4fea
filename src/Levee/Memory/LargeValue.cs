namespace Levee.Memory;

/// <summary>
/// A value above <see cref="Operations.Limits.MaxInlineBytes"/>, in pages off the managed heap, shared by counted references: the entry that holds it and
/// every reader that is sending it. Its bytes do not change once it has been handed over. Appending is for one thread; references are safe for all.
/// <para>A value of <see cref="LargeValueStore.TryCreate(int)"/> has all its memory from the start. One of
/// <see cref="LargeValueStore.Begin"/> has none:
/// <see cref="TryGrow"/> takes a page at a time, so that a value that was only announced costs nothing.</para>
/// </summary>
public sealed unsafe class LargeValue
{
    private readonly LargeValueStore store;
    private int pageCount;
    private nint[] pages;
    private int pagesTaken;
    private LargeValueStore.Run[]? tail;
    private int references = 1;
    private volatile bool isOwned;

    /// <param name="store">Where its memory comes from.</param>
    /// <param name="length">Its length when complete.</param>
    /// <param name="pageCount">How many whole pages it has when complete.</param>
    /// <param name="pages">Those that it has now.</param>
    /// <param name="tail">Its tail; null: not taken yet.</param>
    internal LargeValue(LargeValueStore store, int length, int pageCount, nint[] pages, LargeValueStore.Run[]? tail)
    {
        this.store = store;
        this.pageCount = pageCount;
        this.pages = pages;
        this.tail = tail;
        pagesTaken = pages.Length;
        Length = length;
    }

    /// <summary>Length in bytes when complete.</summary>
    public int Length { get; }

    /// <summary>How many bytes have been appended.</summary>
    public int FilledBytes { get; private set; }

    /// <summary>What the value takes of the budget when complete, in bytes.</summary>
    internal long ChargedBytes => LargeValueStore.RoundUp(Length);

    /// <summary>What the value has taken of the budget, in bytes.</summary>
    public long TakenBytes => ((long)pagesTaken * PageArena.PageBytes) + TailBytes;

    /// <summary>
    /// Whether an entry holds it. Where none does, it is on its way in, or somebody still reads what the cache has dropped.
    /// </summary>
    public bool IsOwned => isOwned;

    private long TailBytes
    {
        get
        {
            var bytes = 0L;
            foreach (var run in tail ?? [])
            {
                bytes += run.Bytes;
            }

            return bytes;
        }
    }

    /// <summary>Takes memory for the next bytes, where <see cref="Unfilled"/> has none left.</summary>
    /// <returns>False where the budget has no room now; room comes as others give back.</returns>
    public bool TryGrow()
    {
        if (pagesTaken < pageCount)
        {
            var page = store.TryTakePage();
            if (page == 0)
            {
                return TryScatter();
            }

            if (pagesTaken == pages.Length)
            {
                Array.Resize(ref pages, Math.Min(pageCount, Math.Max(4, 2 * pagesTaken)));
            }

            pages[pagesTaken++] = page;
            return true;
        }

        tail ??= store.TryTakeUnownedTail(Length - (pageCount * PageArena.PageBytes));
        return tail is not null;
    }

    /// <summary>Adds bytes at the end of what has been filled.</summary>
    public void Append(ReadOnlySpan<byte> bytes)
    {
        ArgumentOutOfRangeException.ThrowIfGreaterThan(bytes.Length, Length - FilledBytes);
        while (!bytes.IsEmpty)
        {
            var room = Unfilled();
            if (room.IsEmpty)
            {
                throw new InvalidOperationException("A large value has no memory for the bytes that are appended.");
            }

            var count = Math.Min(room.Length, bytes.Length);
            bytes[..count].CopyTo(room);
            Advance(count);
            bytes = bytes[count..];
        }
    }

    /// <summary>
    /// The next contiguous room to fill; follow with <see cref="Advance"/>. Empty when the value is complete, or has to grow first.
    /// </summary>
    public Span<byte> Unfilled() => Block(FilledBytes);

    /// <summary>Says that the first <paramref name="count"/> bytes of <see cref="Unfilled"/> have been written.</summary>
    public void Advance(int count)
    {
        ArgumentOutOfRangeException.ThrowIfGreaterThan(count, Length - FilledBytes);
        FilledBytes += count;
    }

    /// <summary>The contiguous bytes from an offset to the end of its page, of its run in a shared page, or of the value. Empty at the end.</summary>
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
            store.Free(pages.AsSpan(0, pagesTaken), tail, TakenBytes);
        }

        ArgumentOutOfRangeException.ThrowIfNegative(left, nameof(references));
    }

    /// <summary>Takes the rest at once from between the tails of others: all that is free may lie there.</summary>
    private bool TryScatter()
    {
        tail = store.TryTakeUnownedTail(Length - (pagesTaken * PageArena.PageBytes));
        if (tail is null)
        {
            return false;
        }

        pageCount = pagesTaken;
        return true;
    }

    /// <summary>An entry takes it over: its memory is charged to that from now on.</summary>
    internal void BeOwned()
    {
        isOwned = true;
        store.CountUnowned(-ChargedBytes);
    }

    /// <summary>The entry lets go of it.</summary>
    internal void BeUnowned()
    {
        isOwned = false;
        store.CountUnowned(ChargedBytes);
    }

    private Span<byte> Block(int offset)
    {
        var page = offset / PageArena.PageBytes;
        if (page < pageCount)
        {
            if (page >= pagesTaken)
            {
                return default;
            }

            var within = offset % PageArena.PageBytes;
            return new Span<byte>((byte*)pages[page] + within, Math.Min(PageArena.PageBytes - within, Length - offset));
        }

        var rest = offset - (pageCount * PageArena.PageBytes);
        foreach (var run in tail ?? [])
        {
            if (rest < run.Bytes)
            {
                return new Span<byte>(run.Memory + rest, Math.Min(run.Bytes - rest, Length - offset));
            }

            rest -= run.Bytes;
        }

        return default;
    }
}
