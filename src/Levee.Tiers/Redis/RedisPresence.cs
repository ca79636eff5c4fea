using Levee.Segments;

namespace Levee.Tiers.Redis;

/// <summary>
/// What is known of each hash, with its sums. Owned by the tier's lock. A hash is live in the buffer (its location's ticket is the buffer's), live in Redis (a group and a place in it,
/// which is unique), or void (the ticket is the tombstone's number; 0: its UNLINK has been answered or was not needed, and the mark stays while Redis is being listed).
/// </summary>
internal sealed class RedisPresence : IDisposable
{
    /// <summary>What Redis takes for an entry beside name and record, about.</summary>
    public const int EntryOverheadBytes = 96;

    private readonly SegmentIndex index = new();

    /// <summary>Entries that are live.</summary>
    public long Live { get; private set; }

    /// <summary>Those of them of which a copy lies above.</summary>
    public long Promoted { get; private set; }

    /// <summary>What the live entries in Redis take there, about.</summary>
    public long StoredBytes { get; private set; }

    /// <summary>Entries of the index, void ones included.</summary>
    public long Count => index.Count;

    /// <summary>Memory of the index.</summary>
    public long HeldBytes => index.HeldBytes;

    /// <summary>Tables of the index; the highest bits of a hash name its table.</summary>
    public int TableCount => index.TableCount;

    /// <summary>What is known of a hash.</summary>
    public bool TryFind(ulong hash, out IndexEntry entry) => index.TryFind(hash, out entry);

    /// <summary>Sets what is known of a hash.</summary>
    /// <returns>Whether something was known before.</returns>
    public bool Set(in IndexEntry entry, out IndexEntry replaced)
    {
        var was = index.Set(entry, out replaced);
        if (was)
        {
            Add(replaced.Location, -1);
        }

        Add(entry.Location, 1);
        return was;
    }

    /// <summary>Changes the location, flags included, of a hash that was just found at <paramref name="from"/>.</summary>
    public void Move(ulong hash, SegmentLocation from, SegmentLocation to)
    {
        if (index.TryUpdate(hash, from, to))
        {
            Add(from, -1);
            Add(to, 1);
        }
    }

    /// <summary>Forgets a hash.</summary>
    public void Remove(ulong hash)
    {
        if (index.Remove(hash, out var removed))
        {
            Add(removed.Location, -1);
        }
    }

    /// <summary>Copies the entries of a table.</summary>
    public void CopyTable(int table, List<IndexEntry> entries)
    {
        var copier = new Copier(entries);
        index.Visit(table, ref copier);
    }

    /// <summary>Forgets everything.</summary>
    public void Clear()
    {
        index.Clear();
        Live = 0;
        Promoted = 0;
        StoredBytes = 0;
    }

    /// <inheritdoc/>
    public void Dispose() => index.Dispose();

    private void Add(SegmentLocation location, int sign)
    {
        if ((location.Flags & LocationFlags.Void) != 0)
        {
            return;
        }

        Live += sign;
        Promoted += (location.Flags & LocationFlags.Promoted) != 0 ? sign : 0;
        StoredBytes += location.IsInBuffer ? 0 : sign * (location.LengthAtMost + EntryOverheadBytes);
    }

    private readonly struct Copier(List<IndexEntry> entries) : IIndexVisitor
    {
        public IndexAction Visit(ref IndexEntry entry)
        {
            entries.Add(entry);
            return IndexAction.Keep;
        }
    }
}
