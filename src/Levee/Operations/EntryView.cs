using Levee.Memory;
using Levee.Partitions;

namespace Levee.Operations;

/// <summary>A look at one entry where it lies. Decodes on demand; copies nothing.</summary>
public readonly ref struct EntryView
{
    private readonly ReadOnlySpan<byte> record;

    internal EntryView(ReadOnlySpan<byte> record, LargeValue? large)
    {
        this.record = record;
        Large = large;
    }

    /// <summary>A look at an entry that lies in a lower tier.</summary>
    /// <param name="entry">The entry.</param>
    /// <param name="scratch">Room for it; it grows as needed and is what the view looks into.</param>
    internal static EntryView Of(scoped in TierEntry entry, ref byte[] scratch)
    {
        var parts = RecordParts.Of(entry);
        if (scratch.Length < parts.Length)
        {
            scratch = new byte[parts.Length];
        }

        var record = scratch.AsSpan(0, parts.Length);
        parts.Write(record, Eviction.NodeTable.None);
        return new EntryView(record, parts.Large);
    }

    /// <summary>Whether there is no entry to see.</summary>
    public bool IsEmpty => record.IsEmpty;

    /// <summary>The key.</summary>
    public ReadOnlySpan<byte> Key => EntryRecord.Key(record);

    /// <summary>The value where it is stored inline; empty where <see cref="Large"/> holds it.</summary>
    public ReadOnlySpan<byte> Value => EntryRecord.InlineValue(record);

    /// <summary>The value where it is large. A reader that outlives the answer takes a reference of its own.</summary>
    public LargeValue? Large { get; }

    /// <summary>Whether there is a key, an inline value and nothing else.</summary>
    internal bool IsPlain => (EntryRecord.TraitsOf(record) & ~EntryRecord.Traits.LowerCopy) == 0;

    /// <summary>Length of the record of a plain entry, in bytes.</summary>
    internal int PlainBytes => EntryRecord.HeadBytes + EntryRecord.KeyLength(record) + EntryRecord.ValueLength(record);

    /// <summary>Copies the record of a plain entry, as it is outside a slot.</summary>
    /// <param name="room">Exactly <see cref="PlainBytes"/>.</param>
    internal void CopyPlainTo(Span<byte> room)
    {
        record[..room.Length].CopyTo(room);
        EntryRecord.Unplace(room);
    }

    /// <summary>Whether the value is large, or was left out (<see cref="Operation.SkipsValue"/>) and then <see cref="Large"/> is null.</summary>
    internal bool IsLarge => (EntryRecord.TraitsOf(record) & EntryRecord.Traits.Large) != 0;

    /// <summary>The value's length in bytes, inline or large.</summary>
    public int ValueLength => EntryRecord.ValueLength(record);

    /// <summary>The version: Unix milliseconds of the write in the high 48 bits, a counter in the low 16.</summary>
    public ulong Version => EntryRecord.Version(record);

    /// <summary>When the entry expires, in Unix milliseconds; <see cref="Limits.Never"/> where it does not.</summary>
    public long ExpiresAt => EntryRecord.ExpiresAt(record);

    /// <summary>The sliding TTL in milliseconds, 0 where the expiry is fixed.</summary>
    public long SlidingMs => EntryRecord.Sliding(record);

    /// <summary>What the expiry never passes: the instant that was given beside a sliding TTL, or the fixed expiry itself; <see cref="Limits.Never"/> where there is none.</summary>
    public long ExpiryCap => SlidingMs > 0 ? EntryRecord.SlidingCap(record) : ExpiresAt;

    /// <summary>The caller's flags.</summary>
    public uint Flags => EntryRecord.Flags(record);

    /// <summary>What the value is.</summary>
    public EntryKind Kind => EntryRecord.Kind(record);

    /// <summary>The content type, ASCII; empty where none was given.</summary>
    public ReadOnlySpan<byte> ContentType => EntryRecord.ContentType(record);

    /// <summary>The tags, packed; see <see cref="TagList"/>.</summary>
    public ReadOnlySpan<byte> Tags => EntryRecord.Tags(record);

    /// <summary>What the entry takes of the memory budget, in bytes, with its share of the index.</summary>
    public int SizeBytes => EntryRecord.ChargedBytes(record);

    /// <summary>When the entry was last written, in Unix milliseconds.</summary>
    public long WrittenAt => (long)(Version >> 16);

    /// <summary>The record's own bytes, copied; with <see cref="Large"/> they are the whole entry.</summary>
    internal byte[] CopyRecord() => record[..EntryRecord.Length(record)].ToArray();
}
