namespace Levee.Memory;

/// <summary>
/// One owner's part of an arena: counts what the owner holds and stops it at its share. Only its owner calls it, one call at a time.
/// Large values are charged to the share too, but may overdraw it (see <see cref="Overdraft"/>); the arena's reserve covers that until the owner has paid back.
/// </summary>
public sealed unsafe class PageShare
{
    private readonly PageArena arena;

    /// <param name="arena">Where pages come from.</param>
    /// <param name="capacityBytes">What the owner may hold, in bytes.</param>
    public PageShare(PageArena arena, long capacityBytes)
    {
        ArgumentNullException.ThrowIfNull(arena);
        ArgumentOutOfRangeException.ThrowIfLessThan(capacityBytes, PageArena.PageBytes);
        this.arena = arena;
        CapacityBytes = capacityBytes;
    }

    /// <summary>What the owner may hold, in bytes. Where it is lowered below what is held, the owner is over its share and pays back.</summary>
    public long CapacityBytes { get; internal set; }

    /// <summary>Bytes in pages that the owner has rented.</summary>
    public long PageBytesHeld { get; private set; }

    /// <summary>Bytes of large values that the owner has taken over.</summary>
    public long LargeBytesHeld { get; private set; }

    /// <summary>All that the owner holds, in bytes.</summary>
    public long HeldBytes => PageBytesHeld + LargeBytesHeld;

    /// <summary>By how many bytes the owner is over its share; 0 where it is within.</summary>
    public long Overdraft => Math.Max(0, HeldBytes - CapacityBytes);

    /// <summary>Rents a page within the share, or, where <paramref name="overdraws"/>, from the arena's reserve.</summary>
    /// <returns>Null where the share, or the arena, has none left.</returns>
    internal byte* TryRent(bool overdraws = false)
    {
        if (!overdraws && HeldBytes + PageArena.PageBytes > CapacityBytes)
        {
            return null;
        }

        var page = arena.TryRent();
        if (page != null)
        {
            PageBytesHeld += PageArena.PageBytes;
        }

        return page;
    }

    /// <summary>Gives a page back.</summary>
    internal void Return(byte* page)
    {
        PageBytesHeld -= PageArena.PageBytes;
        arena.Return(page);
    }

    /// <summary>Charges a large value that the owner takes over, or, with a negative number, one that it lets go.</summary>
    internal void Charge(long largeBytes) => LargeBytesHeld += largeBytes;
}
