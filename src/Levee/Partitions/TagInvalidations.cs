using System.Runtime.InteropServices;
using Levee.Eviction;
using Levee.Operations;

namespace Levee.Partitions;

/// <summary>
/// Tags that have been invalidated and from which version on an entry is younger than that. Removing by tag is one record here; a tagged entry is checked against it when it is
/// read, and a sweep over all nodes reclaims the memory in slices. A record is forgotten when a whole sweep that began after it has ended, and the lower tiers hold nothing that is older
/// either: then no older entry is left anywhere.
/// <para>The sweep goes by node number, which an entry keeps whatever moves its bytes, so none can slip past it.</para>
/// </summary>
internal sealed class TagInvalidations
{
    private readonly Dictionary<string, ulong> versions = new(StringComparer.Ordinal);
    private readonly Dictionary<string, ulong>.AlternateLookup<ReadOnlySpan<char>> lookup;
    private ulong lastVersion;
    private ulong sweepsUpTo;
    private ulong sweptUpTo;
    private ulong recoveredUpTo;

    public TagInvalidations() => lookup = versions.GetAlternateLookup<ReadOnlySpan<char>>();

    /// <summary>The tags and their versions, for handing them over.</summary>
    public IReadOnlyCollection<KeyValuePair<string, ulong>> All => versions;

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

    /// <summary>Takes in what a lower tier still has entries for. No older entry is in memory, so nothing is swept for it.</summary>
    public void Recover(ReadOnlySpan<byte> tag, ulong version)
    {
        ref var known = ref CollectionsMarshal.GetValueRefOrAddDefault(lookup, Name(tag, stackalloc char[Limits.MaxTagBytes]), out _);
        known = Math.Max(known, version);
        recoveredUpTo = Math.Max(recoveredUpTo, version);
    }

    /// <summary>Ends the sweep: memory holds nothing any more that what came before its beginning was for. What came later is for the next, which begins.</summary>
    public void EndSweep()
    {
        SweepPosition = NodeTable.None;
        sweptUpTo = sweepsUpTo;
        if (lastVersion > sweepsUpTo)
        {
            BeginSweep();
        }
    }

    /// <summary>Forgets what neither memory nor the lower tiers have older entries for.</summary>
    /// <param name="holdsFromMs">The clock from which on everything that the lower tiers hold was true when it came.</param>
    public void Forget(long holdsFromMs)
    {
        if (versions.Count == 0)
        {
            return;
        }

        // A tag removal in the very millisecond may have come after the oldest entry.
        var below = holdsFromMs == long.MaxValue ? ulong.MaxValue : (ulong)holdsFromMs << 16;
        foreach (var (tag, version) in versions)
        {
            if ((version <= sweptUpTo || version <= recoveredUpTo) && version < below)
            {
                versions.Remove(tag);
            }
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
