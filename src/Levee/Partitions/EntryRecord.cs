using System.Buffers.Binary;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using Levee.Eviction;
using Levee.Operations;

namespace Levee.Partitions;

/// <summary>
/// How an entry lies in its slot. What every entry has is in a head of 20 bytes; what few need follows only where its trait says so.
/// <code>
///  0 node          4   the entry's node; -1 marks a free slot         20           expiry       8   Unix ms                     trait Expiry
///  4 value length  4   inline, or of the large value                  then         sliding TTL  8   ms                          trait Sliding
///  8 version       8   hybrid clock: ms in 48 bits, counter in 16     then         key
/// 16 key length    2                                                  then         value            inline, or 4: its number    trait Large
/// 18 kind          1   <see cref="EntryKind"/>                        then         flags        4                               trait Flags
/// 19 traits        1                                                  then         type       1+n   length, ASCII               trait ContentType
///                                                                     then         tags       2+n   length, packed <see cref="TagList"/>   trait Tags
/// </code>
/// Key and value come before the rarer parts so that a plain hit reads one run of bytes. All numbers are little endian on every machine that .NET runs on
/// in practice. A record without rarer parts travels between silos as it is (<see cref="Clustering.PackedAnswer"/>); no other leaves the process.
/// </summary>
internal static class EntryRecord
{
    public const int HeadBytes = 20;

    /// <summary>What an entry costs beside its slot: its node and, at the index' load, its bucket.</summary>
    public const int IndexBytesPerEntry = Node.Bytes + sizeof(int);

    [Flags]
    public enum Traits : byte
    {
        None = 0,
        Expiry = 1,
        Sliding = 2,
        Large = 4,
        Flags = 8,
        ContentType = 16,
        Tags = 32,

        /// <summary>A lower tier may hold a copy of this very entry. Not a part: a record that is written anew does not have it.</summary>
        LowerCopy = 64,
    }

    public static int NodeOf(ReadOnlySpan<byte> record) => Read<int>(record, 0);

    public static void SetNodeOf(Span<byte> record, int node) => BinaryPrimitives.WriteInt32LittleEndian(record, node);

    public static int ValueLength(ReadOnlySpan<byte> record) => Read<int>(record, 4);

    public static void SetValueLength(Span<byte> record, int length) => BinaryPrimitives.WriteInt32LittleEndian(record[4..], length);

    public static ulong Version(ReadOnlySpan<byte> record) => Read<ulong>(record, 8);

    public static void SetVersion(Span<byte> record, ulong version) => BinaryPrimitives.WriteUInt64LittleEndian(record[8..], version);

    public static int KeyLength(ReadOnlySpan<byte> record) => Read<ushort>(record, 16);

    public static EntryKind Kind(ReadOnlySpan<byte> record) => (EntryKind)record[18];

    public static Traits TraitsOf(ReadOnlySpan<byte> record) => (Traits)record[19];

    public static bool HasLowerCopy(ReadOnlySpan<byte> record) => (TraitsOf(record) & Traits.LowerCopy) != 0;

    public static void SetLowerCopy(Span<byte> record, bool exists) => record[19] = (byte)(exists ? TraitsOf(record) | Traits.LowerCopy : TraitsOf(record) & ~Traits.LowerCopy);

    public static long ExpiresAt(ReadOnlySpan<byte> record) =>
        (TraitsOf(record) & Traits.Expiry) != 0 ? Read<long>(record, HeadBytes) : Limits.Never;

    public static void SetExpiresAt(Span<byte> record, long expiresAt) => BinaryPrimitives.WriteInt64LittleEndian(record[HeadBytes..], expiresAt);

    public static long Sliding(ReadOnlySpan<byte> record) =>
        (TraitsOf(record) & Traits.Sliding) != 0 ? Read<long>(record, SlidingOffset(TraitsOf(record))) : 0;

    /// <summary>The cap that a sliding expiry never passes, kept behind the sliding TTL.</summary>
    public static long SlidingCap(ReadOnlySpan<byte> record) => Read<long>(record, SlidingOffset(TraitsOf(record)) + 8);

    public static ReadOnlySpan<byte> Key(ReadOnlySpan<byte> record) => record.Slice(KeyOffset(TraitsOf(record)), KeyLength(record));

    public static int ValueOffset(ReadOnlySpan<byte> record) => KeyOffset(TraitsOf(record)) + KeyLength(record);

    public static ReadOnlySpan<byte> InlineValue(ReadOnlySpan<byte> record) =>
        (TraitsOf(record) & Traits.Large) != 0 ? default : record.Slice(ValueOffset(record), ValueLength(record));

    public static int LargeNumber(ReadOnlySpan<byte> record) => Read<int>(record, ValueOffset(record));

    public static uint Flags(ReadOnlySpan<byte> record) =>
        (TraitsOf(record) & Traits.Flags) != 0 ? Read<uint>(record, AfterValue(record)) : 0;

    public static ReadOnlySpan<byte> ContentType(ReadOnlySpan<byte> record)
    {
        var traits = TraitsOf(record);
        if ((traits & Traits.ContentType) == 0)
        {
            return default;
        }

        var offset = AfterValue(record) + FlagsBytes(traits);
        return record.Slice(offset + 1, record[offset]);
    }

    public static ReadOnlySpan<byte> Tags(ReadOnlySpan<byte> record)
    {
        var traits = TraitsOf(record);
        if ((traits & Traits.Tags) == 0)
        {
            return default;
        }

        var offset = AfterValue(record) + FlagsBytes(traits);
        if ((traits & Traits.ContentType) != 0)
        {
            offset += 1 + record[offset];
        }

        return record.Slice(offset + 2, Read<ushort>(record, offset));
    }

    /// <summary>The record's own length in bytes, without what rounding to a slot adds.</summary>
    public static int Length(ReadOnlySpan<byte> record)
    {
        var traits = TraitsOf(record);
        var end = AfterValue(record) + FlagsBytes(traits);
        if ((traits & Traits.ContentType) != 0)
        {
            end += 1 + record[end];
        }

        if ((traits & Traits.Tags) != 0)
        {
            end += 2 + Read<ushort>(record, end);
        }

        return end;
    }

    /// <summary>What the entry takes of the budget: slot, node, bucket, and its large value.</summary>
    public static int ChargedBytes(ReadOnlySpan<byte> record)
    {
        var large = (TraitsOf(record) & Traits.Large) != 0 ? ValueLength(record) : 0;
        return Memory.SizeClass.RoundUp(Length(record)) + IndexBytesPerEntry + large;
    }

    /// <summary>Makes the copy of a record that has a key, an inline value and nothing else one that lies in no slot.</summary>
    public static void Unplace(Span<byte> record)
    {
        SetNodeOf(record, NodeTable.None);
        record[19] = 0;
    }

    /// <summary>Length of the record that lies at the start of bytes of unknown origin, in bytes; 0 where there is none that has a key, an inline value and nothing else.</summary>
    public static int PlainLengthOf(ReadOnlySpan<byte> bytes)
    {
        if (bytes.Length < HeadBytes)
        {
            return 0;
        }

        var valueLength = (uint)ValueLength(bytes);
        var keyLength = (uint)KeyLength(bytes);
        var length = HeadBytes + keyLength + valueLength;
        return TraitsOf(bytes) == Traits.None && valueLength <= Limits.MaxInlineBytes && keyLength <= Limits.MaxKeyBytes && length <= (uint)bytes.Length ? (int)length : 0;
    }

    /// <summary>Makes a record that was written with four bytes for a value one whose value is elsewhere, and of this length.</summary>
    public static void LeaveValueOut(Span<byte> record, int length)
    {
        record[19] |= (byte)Traits.Large;
        SetValueLength(record, length);
    }

    private static int SlidingOffset(Traits traits) => HeadBytes + ((traits & Traits.Expiry) != 0 ? 8 : 0);

    public static int KeyOffset(Traits traits) => SlidingOffset(traits) + ((traits & Traits.Sliding) != 0 ? 16 : 0);

    private static int FlagsBytes(Traits traits) => (traits & Traits.Flags) != 0 ? 4 : 0;

    private static int AfterValue(ReadOnlySpan<byte> record) =>
        ValueOffset(record) + ((TraitsOf(record) & Traits.Large) != 0 ? 4 : ValueLength(record));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static T Read<T>(ReadOnlySpan<byte> record, int offset)
        where T : unmanaged => Unsafe.ReadUnaligned<T>(ref Unsafe.Add(ref MemoryMarshal.GetReference(record), offset));
}
