using System.Buffers.Binary;
using System.Numerics;
using System.Runtime.InteropServices;
using Levee.Operations;
using Levee.Partitions;

namespace Levee.Segments;

/// <summary>What a record in a tier says. Numbers are persisted: append only.</summary>
public enum TierRecordType : byte
{
    /// <summary>An entry.</summary>
    Entry = 1,

    /// <summary>Whatever came before for this hash is void.</summary>
    Tombstone = 2,

    /// <summary>What carries the tag in the body is void in the partition that <see cref="TierRecord.Hash"/> names, up to <see cref="TierRecord.Version"/>.</summary>
    TagRemoval = 3,

    /// <summary>Everything in the partition that <see cref="TierRecord.Hash"/> names is void, up to <see cref="TierRecord.Version"/>.</summary>
    Clear = 4,

    /// <summary>The segment whose sequence number is in <see cref="TierRecord.Hash"/> has been given up, on purpose: nothing in it holds any more.</summary>
    Retired = 5,
}

/// <summary>
/// How an entry, and what voids entries, lies in a tier: in a segment, in Redis, and in memory while it waits to be written. Little endian; padded with zeros to a multiple of 8 in a segment.
/// <code>
///  0 crc32c      4   of all that follows, up to the length
///  4 length      4   of the record, without padding
///  8 hash        8   routing hash of the key
/// 16 version     8
/// 24 expires at  8   Unix ms; long.MaxValue: never
/// 32 plain body  4   length of the body before compression and encryption
/// 36 type        1   <see cref="TierRecordType"/>
/// 37 codec       1   0: the body is plain; else as <see cref="Codec"/> says
/// 38 zero        2
/// 40 body
/// </code>
/// Plain body of an entry: key length 2 · <see cref="EntryKind"/> 1 · traits 1 · key · [sliding TTL 8, its cap 8] · [flags 4] · [content type 1+n] · [tags 2+n] · value to the end.
/// </summary>
public static class TierRecord
{
    /// <summary>Length of what precedes the body, in bytes.</summary>
    public const int HeaderBytes = 40;

    /// <summary>Records in a segment start at multiples of this.</summary>
    public const int Alignment = 8;

    /// <summary>The longest record: the longest value, with all that can lie beside it.</summary>
    public const int MaxBytes = HeaderBytes + MaxOverheadBytes + Limits.MaxValueBytes;

    private const int MaxOverheadBytes = 4 + Limits.MaxKeyBytes + 16 + 4 + 1 + Limits.MaxContentTypeBytes + 2 + Limits.MaxPackedTagsBytes;

    [Flags]
    private enum Traits : byte
    {
        Sliding = 1,
        Flags = 2,
        ContentType = 4,
        Tags = 8,
    }

    /// <summary>Length of the record, without padding.</summary>
    public static int Length(ReadOnlySpan<byte> record) => BinaryPrimitives.ReadInt32LittleEndian(record[4..]);

    /// <summary>The routing hash of the key, or what the type says.</summary>
    public static ulong Hash(ReadOnlySpan<byte> record) => BinaryPrimitives.ReadUInt64LittleEndian(record[8..]);

    /// <summary>The version.</summary>
    public static ulong Version(ReadOnlySpan<byte> record) => BinaryPrimitives.ReadUInt64LittleEndian(record[16..]);

    /// <summary>When the entry expires, in Unix milliseconds; <see cref="Limits.Never"/> where it does not.</summary>
    public static long ExpiresAt(ReadOnlySpan<byte> record) => BinaryPrimitives.ReadInt64LittleEndian(record[24..]);

    /// <summary>Length of the body before compression and encryption.</summary>
    public static int PlainBodyLength(ReadOnlySpan<byte> record) => BinaryPrimitives.ReadInt32LittleEndian(record[32..]);

    /// <summary>What the record says.</summary>
    public static TierRecordType Type(ReadOnlySpan<byte> record) => (TierRecordType)record[36];

    /// <summary>How the body is encoded; 0: it is plain.</summary>
    public static byte Codec(ReadOnlySpan<byte> record) => record[37];

    /// <summary>The body as it lies.</summary>
    public static ReadOnlySpan<byte> Body(ReadOnlySpan<byte> record) => record[HeaderBytes..Length(record)];

    /// <summary>The length that a record takes in a segment.</summary>
    public static int Padded(int length) => (length + Alignment - 1) & -Alignment;

    /// <summary>The length of an entry's plain record.</summary>
    public static int PlainLength(scoped in TierEntry entry) =>
        HeaderBytes + 4 + entry.Key.Length + (entry.SlidingMs > 0 ? 16 : 0) + (entry.Flags != 0 ? 4 : 0)
        + (entry.ContentType.IsEmpty ? 0 : 1 + entry.ContentType.Length) + (entry.Tags.IsEmpty ? 0 : 2 + entry.Tags.Length) + entry.ValueLength;

    /// <summary>Writes an entry's plain record without its checksum. A large value is copied in: not for a partition that is held.</summary>
    /// <param name="entry">The entry.</param>
    /// <param name="record">Exactly <see cref="PlainLength"/> bytes.</param>
    public static void Write(scoped in TierEntry entry, Span<byte> record)
    {
        WriteHeader(record, TierRecordType.Entry, entry.Hash, entry.Version, entry.ExpiresAt);
        var body = record[HeaderBytes..];
        BinaryPrimitives.WriteUInt16LittleEndian(body, (ushort)entry.Key.Length);
        body[2] = (byte)entry.Kind;
        body[3] = (byte)TraitsOf(entry);
        entry.Key.CopyTo(body[4..]);
        body = body[(4 + entry.Key.Length)..];
        if (entry.SlidingMs > 0)
        {
            BinaryPrimitives.WriteInt64LittleEndian(body, entry.SlidingMs);
            BinaryPrimitives.WriteInt64LittleEndian(body[8..], entry.SlidingCap);
            body = body[16..];
        }

        if (entry.Flags != 0)
        {
            BinaryPrimitives.WriteUInt32LittleEndian(body, entry.Flags);
            body = body[4..];
        }

        if (!entry.ContentType.IsEmpty)
        {
            body[0] = (byte)entry.ContentType.Length;
            entry.ContentType.CopyTo(body[1..]);
            body = body[(1 + entry.ContentType.Length)..];
        }

        if (!entry.Tags.IsEmpty)
        {
            BinaryPrimitives.WriteUInt16LittleEndian(body, (ushort)entry.Tags.Length);
            entry.Tags.CopyTo(body[2..]);
            body = body[(2 + entry.Tags.Length)..];
        }

        if (entry.Large is { } large)
        {
            large.CopyTo(0, body);
        }
        else
        {
            entry.Value.CopyTo(body);
        }
    }

    /// <summary>Writes a record that voids others, with its checksum.</summary>
    /// <param name="record">Exactly <see cref="HeaderBytes"/> and the body's length.</param>
    /// <param name="type">What it says.</param>
    /// <param name="hash">A hash, a partition's number or a segment's sequence number, as <paramref name="type"/> says.</param>
    /// <param name="version">Up to which version.</param>
    /// <param name="body">The tag of a tag removal; else empty.</param>
    public static void WriteControl(Span<byte> record, TierRecordType type, ulong hash, ulong version, ReadOnlySpan<byte> body)
    {
        WriteHeader(record, type, hash, version, Limits.Never);
        body.CopyTo(record[HeaderBytes..]);
        Seal(record);
    }

    /// <summary>Writes header fields; what is in the body is the caller's. The checksum is written by <see cref="Seal"/>.</summary>
    public static void WriteHeader(Span<byte> record, TierRecordType type, ulong hash, ulong version, long expiresAt, byte codec = 0, int plainBodyLength = -1)
    {
        BinaryPrimitives.WriteInt32LittleEndian(record[4..], record.Length);
        BinaryPrimitives.WriteUInt64LittleEndian(record[8..], hash);
        BinaryPrimitives.WriteUInt64LittleEndian(record[16..], version);
        BinaryPrimitives.WriteInt64LittleEndian(record[24..], expiresAt);
        BinaryPrimitives.WriteInt32LittleEndian(record[32..], plainBodyLength < 0 ? record.Length - HeaderBytes : plainBodyLength);
        record[36] = (byte)type;
        record[37] = codec;
        record[38] = 0;
        record[39] = 0;
    }

    /// <summary>Writes the checksum of a record that is otherwise complete.</summary>
    public static void Seal(Span<byte> record) => BinaryPrimitives.WriteUInt32LittleEndian(record, Crc32C(record[4..]));

    /// <summary>Whether bytes begin with a whole and undamaged record.</summary>
    public static bool IsSound(ReadOnlySpan<byte> bytes)
    {
        if (bytes.Length < HeaderBytes)
        {
            return false;
        }

        var length = Length(bytes);
        return length >= HeaderBytes && length <= bytes.Length && BinaryPrimitives.ReadUInt32LittleEndian(bytes) == Crc32C(bytes[4..length]);
    }

    /// <summary>Reads the entry of a sound record whose body is plain.</summary>
    /// <returns>False where the body is none that <see cref="Write"/> writes.</returns>
    public static bool TryRead(ReadOnlySpan<byte> record, out TierEntry entry)
    {
        entry = default;
        var body = Body(record);
        if (Type(record) != TierRecordType.Entry || Codec(record) != 0 || body.Length < 4)
        {
            return false;
        }

        var keyLength = BinaryPrimitives.ReadUInt16LittleEndian(body);
        var kind = (EntryKind)body[2];
        var traits = (Traits)body[3];
        body = body[4..];
        if (!TryTake(ref body, keyLength, out var key)
            || !TryTake(ref body, (traits & Traits.Sliding) != 0 ? 16 : 0, out var sliding)
            || !TryTake(ref body, (traits & Traits.Flags) != 0 ? 4 : 0, out var flags)
            || !TryTakeShort(ref body, (traits & Traits.ContentType) != 0 ? 1 : 0, out var contentType)
            || !TryTakeShort(ref body, (traits & Traits.Tags) != 0 ? 2 : 0, out var tags))
        {
            return false;
        }

        entry = new TierEntry
        {
            Hash = Hash(record),
            Version = Version(record),
            ExpiresAt = ExpiresAt(record),
            SlidingMs = sliding.IsEmpty ? 0 : BinaryPrimitives.ReadInt64LittleEndian(sliding),
            SlidingCap = sliding.IsEmpty ? 0 : BinaryPrimitives.ReadInt64LittleEndian(sliding[8..]),
            Key = key,
            Value = body,
            Kind = kind,
            Flags = flags.IsEmpty ? 0 : BinaryPrimitives.ReadUInt32LittleEndian(flags),
            ContentType = contentType,
            Tags = tags,
        };
        return true;
    }

    /// <summary>CRC-32C (Castagnoli, RFC 3720 section 12.1), by the processor's instruction where it has one.</summary>
    public static uint Crc32C(ReadOnlySpan<byte> bytes)
    {
        var crc = uint.MaxValue;
        var words = MemoryMarshal.Cast<byte, ulong>(bytes);
        foreach (var word in words)
        {
            crc = BitOperations.Crc32C(crc, word);
        }

        foreach (var rest in bytes[(words.Length * sizeof(ulong))..])
        {
            crc = BitOperations.Crc32C(crc, rest);
        }

        return ~crc;
    }

    private static Traits TraitsOf(scoped in TierEntry entry) =>
        (entry.SlidingMs > 0 ? Traits.Sliding : 0) | (entry.Flags != 0 ? Traits.Flags : 0)
        | (entry.ContentType.IsEmpty ? 0 : Traits.ContentType) | (entry.Tags.IsEmpty ? 0 : Traits.Tags);

    private static bool TryTake(scoped ref ReadOnlySpan<byte> body, int count, out ReadOnlySpan<byte> taken)
    {
        taken = default;
        if (count > body.Length)
        {
            return false;
        }

        taken = body[..count];
        body = body[count..];
        return true;
    }

    private static bool TryTakeShort(scoped ref ReadOnlySpan<byte> body, int lengthBytes, out ReadOnlySpan<byte> taken)
    {
        taken = default;
        if (lengthBytes == 0)
        {
            return true;
        }

        if (body.Length < lengthBytes)
        {
            return false;
        }

        var count = lengthBytes == 1 ? body[0] : BinaryPrimitives.ReadUInt16LittleEndian(body);
        body = body[lengthBytes..];
        return TryTake(ref body, count, out taken);
    }
}
