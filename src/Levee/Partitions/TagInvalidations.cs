using Levee.Eviction;
using Levee.Operations;

namespace Levee.Partitions;

/// <summary>
/// Tags that have been invalidated and from which version on an entry is younger than that. Removing by tag is one record here; a tagged entry is checked against it when it is
/// read, and a sweep over all nodes reclaims the memory in slices. A record is forgotten when a whole sweep that began after it has ended: then no older entry is left
/// in memory. Where lower tiers may hold older entries it stays.
/// <para>The sweep goes by node number, which an entry keeps whatever moves its bytes, so none can slip past it.</para>
/// </summary>
internal sealed class TagInvalidations
{
    private readonly Dictionary<string, ulong> versions = new(StringComparer.Ordinal);
    private readonly Dictionary<string, ulong>.AlternateLookup<ReadOnlySpan<char>> lookup;
    private readonly bool forgets;
    private ulong lastVersion;
    private ulong sweepsUpTo;

    /// <param name="forgets">Whether a sweep through memory proves that nothing older is left; not so where lower tiers may still hold some.</param>
    public TagInvalidations(bool forgets)
    {
        this.forgets = forgets;
        lookup = versions.GetAlternateLookup<ReadOnlySpan<char>>();
    }

    /// <summary>Whether no entry can be invalid by its tags.</summary>
    public bool IsEmpty => versions.Count == 0;

    /// <summary>Where the sweep under way goes on; <see cref="NodeTable.None"/> where none is under way.</summary>
    public int SweepPosition { get; set; } = NodeTable.None;

    /// <summary>Invalidates what carries a tag and is not younger than a version. Begins a sweep; one that is under way goes on to its end first, so that
    /// frequent invalidations cannot keep it from ending.</summary>
    public void Add(ReadOnlySpan<byte> tag, ulong version)
    {
        versions[Name(tag, stackalloc char[Limits.MaxTagBytes]).ToString()] = version;
        lastVersion = version;
        if (SweepPosition == NodeTable.None)
        {
            BeginSweep();
        }
    }

    /// <summary>Whether an entry is invalid.</summary>
    public bool Covers(ReadOnlySpan<byte> tags, ulong version)
    {
        Span<char> name = stackalloc char[Limits.MaxTagBytes];
        while (TagList.TryRead(ref tags, out var tag))
        {
            if (lookup.TryGetValue(Name(tag, name), out var invalidated) && version <= invalidated)
            {
                return true;
            }
        }

        return false;
    }

    /// <summary>Ends the sweep: what it was for is forgotten. What came after its beginning is for the next, which begins.</summary>
    public void EndSweep()
    {
        SweepPosition = NodeTable.None;
        if (forgets)
        {
            foreach (var (tag, version) in versions)
            {
                if (version <= sweepsUpTo)
                {
                    versions.Remove(tag);
                }
            }
        }

        if (lastVersion > sweepsUpTo)
        {
            BeginSweep();
        }
    }

    /// <summary>Forgets everything; nothing that was invalidated is left.</summary>
    public void Clear()
    {
        versions.Clear();
        SweepPosition = NodeTable.None;
    }

    private void BeginSweep()
    {
        SweepPosition = 0;
        sweepsUpTo = lastVersion;
    }

    /// <summary>Tags are bytes; as a dictionary's key each byte is a char.</summary>
    private static ReadOnlySpan<char> Name(ReadOnlySpan<byte> tag, Span<char> buffer)
    {
        for (var i = 0; i < tag.Length; i++)
        {
            buffer[i] = (char)tag[i];
        }

        return buffer[..tag.Length];
    }
}
