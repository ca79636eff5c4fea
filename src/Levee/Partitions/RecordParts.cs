using System.Buffers.Binary;
using Levee.Memory;
using Levee.Operations;
using static Levee.Partitions.EntryRecord;

namespace Levee.Partitions;

/// <summary>The parts of a record that is about to be written, and the arithmetic of its layout (<see cref="EntryRecord"/>).</summary>
internal ref struct RecordParts
{
    public ReadOnlySpan<byte> Key;
    public ReadOnlySpan<byte> Value;
    public LargeValue? Large;
    public int LargeNumber;

    /// <summary>Whether <see cref="Large"/> is the entry's own, already in its table under <see cref="LargeNumber"/>, and not one that a caller hands over.</summary>
    public bool KeepsLarge;

    /// <summary>Whether a lower tier holds the entry as these parts have it.</summary>
    public bool HasLowerCopy;

    public EntryKind Kind;
    public uint Flags;
    public ReadOnlySpan<byte> ContentType;
    public ReadOnlySpan<byte> Tags;
    public Expiry Expiry;
    public ulong Version;

    /// <summary>The parts of a record as it lies. They borrow it: copy the record first where it is to be moved.</summary>
    public static RecordParts Of(ReadOnlySpan<byte> record, LargeValue? large) => new()
    {
        Key = EntryRecord.Key(record),
        Value = InlineValue(record),
        Large = large,
        LargeNumber = large is null ? 0 : EntryRecord.LargeNumber(record),
        KeepsLarge = large is not null,
        Kind = EntryRecord.Kind(record),
        Flags = EntryRecord.Flags(record),
        ContentType = EntryRecord.ContentType(record),
        Tags = EntryRecord.Tags(record),
        Expiry = Expiry.Of(record),
        Version = EntryRecord.Version(record),
    };

    /// <summary>The parts of an entry that comes from a lower tier.</summary>
    public static RecordParts Of(scoped in TierEntry entry) => new()
    {
        Key = entry.Key,
        Value = entry.Value,
        Large = entry.Large,
        Kind = entry.Kind,
        Flags = entry.Flags,
        ContentType = entry.ContentType,
        Tags = entry.Tags,
        Expiry = new Expiry(entry.ExpiresAt, entry.SlidingMs, entry.SlidingCap),
        Version = entry.Version,
    };

    public readonly Traits Traits =>
        (Expiry.At != Limits.Never ? Traits.Expiry : 0)
        | (Expiry.SlidingMs > 0 ? Traits.Sliding : 0)
        | (Large is not null ? Traits.Large : 0)
        | (Flags != 0 ? Traits.Flags : 0)
        | (ContentType.IsEmpty ? 0 : Traits.ContentType)
        | (Tags.IsEmpty ? 0 : Traits.Tags)
        | (HasLowerCopy ? Traits.LowerCopy : 0);

    public readonly int Length
    {
        get
        {
            var length = KeyOffset(Traits) + Key.Length + (Large is null ? Value.Length : 4);
            if (Flags != 0)
            {
                length += 4;
            }

            if (!ContentType.IsEmpty)
            {
                length += 1 + ContentType.Length;
            }

            return Tags.IsEmpty ? length : length + 2 + Tags.Length;
        }
    }

    /// <summary>Writes the record. <paramref name="record"/> must not overlap the parts.</summary>
    public readonly void Write(Span<byte> record, int node)
    {
        var traits = Traits;
        BinaryPrimitives.WriteInt32LittleEndian(record, node);
        BinaryPrimitives.WriteInt32LittleEndian(record[4..], Large?.Length ?? Value.Length);
        BinaryPrimitives.WriteUInt64LittleEndian(record[8..], Version);
        BinaryPrimitives.WriteUInt16LittleEndian(record[16..], (ushort)Key.Length);
        record[18] = (byte)Kind;
        record[19] = (byte)traits;
        var offset = HeadBytes;
        if ((traits & Traits.Expiry) != 0)
        {
            BinaryPrimitives.WriteInt64LittleEndian(record[offset..], Expiry.At);
            offset += 8;
        }

        if ((traits & Traits.Sliding) != 0)
        {
            BinaryPrimitives.WriteInt64LittleEndian(record[offset..], Expiry.SlidingMs);
            BinaryPrimitives.WriteInt64LittleEndian(record[(offset + 8)..], Expiry.Cap);
            offset += 16;
        }

        Key.CopyTo(record[offset..]);
        offset += Key.Length;
        if (Large is null)
        {
            Value.CopyTo(record[offset..]);
            offset += Value.Length;
        }
        else
        {
            BinaryPrimitives.WriteInt32LittleEndian(record[offset..], LargeNumber);
            offset += 4;
        }

        if ((traits & ~(Traits.Expiry | Traits.Sliding | Traits.Large | Traits.LowerCopy)) != 0)
        {
            WriteRareParts(record[offset..]);
        }
    }

    private readonly void WriteRareParts(Span<byte> rest)
    {
        if (Flags != 0)
        {
            BinaryPrimitives.WriteUInt32LittleEndian(rest, Flags);
            rest = rest[4..];
        }

        if (!ContentType.IsEmpty)
        {
            rest[0] = (byte)ContentType.Length;
            ContentType.CopyTo(rest[1..]);
            rest = rest[(1 + ContentType.Length)..];
        }

        if (!Tags.IsEmpty)
        {
            BinaryPrimitives.WriteUInt16LittleEndian(rest, (ushort)Tags.Length);
            Tags.CopyTo(rest[2..]);
        }
    }
}
