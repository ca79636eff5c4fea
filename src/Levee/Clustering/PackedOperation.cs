using System.Buffers.Binary;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using Levee.Operations;

namespace Levee.Clustering;

/// <summary>
/// How an operation lies in a request. Little endian. What every operation has is in a head of 20 bytes; what few need follows the key only where its trait says so, in this order.
/// <code>
///  0 length      2   of the operation, head included       Large         number 8, length 4   first: re-sending gives it another number
///  2 kind        1   OperationKind                         Value         length 2, bytes
///  3 conditions  1   bits 0-1 Condition, 2 IsAhead,        EntryKind     1
///                    3 SkipsValue, 4-7 ExpireCondition     Flags         4
///  4 traits      2                                         ContentType   length 1, bytes
///  6 key length  2                                         Tags          length 2, packed
///  8 lane        4   the partition, or what its caller     Expiry 8 · Sliding 8 · Jitter 8 · Version 8 · Number 8 · Addend 8
///                    takes for one                         Range         partition 4, count 4
/// 12 hash        8   routing hash of the key
/// 20 key
/// </code>
/// </summary>
internal static class PackedOperation
{
    public const int HeadBytes = 20;

    /// <summary>The last kind that version 1 knows; a request with another is refused.</summary>
    public const OperationKind LastKind = OperationKind.Lease;

    private const byte AheadBit = 4;
    private const byte SkipsValueBit = 8;

    [Flags]
    public enum Traits : ushort
    {
        None = 0,
        Large = 1,
        Value = 1 << 1,
        EntryKind = 1 << 2,
        Flags = 1 << 3,
        ContentType = 1 << 4,
        Tags = 1 << 5,
        Expiry = 1 << 6,
        Sliding = 1 << 7,
        Jitter = 1 << 8,
        Version = 1 << 9,
        Number = 1 << 10,
        Addend = 1 << 11,
        Range = 1 << 12,
        RequiresKind = 1 << 13,
        KeepTtl = 1 << 14,
        ReturnsPrevious = 1 << 15,
    }

    public static int Length(ReadOnlySpan<byte> packed) => Read<ushort>(packed, 0);

    public static OperationKind Kind(ReadOnlySpan<byte> packed) => (OperationKind)packed[2];

    /// <summary>Whether it is a get, complete and with nothing but a key. Its length fits its key then.</summary>
    public static bool IsPlainGet(ReadOnlySpan<byte> packed) =>
        Read<uint>(packed, 2) == (uint)OperationKind.Get && packed.Length == HeadBytes + KeyLength(packed) && packed.Length <= HeadBytes + Limits.MaxKeyBytes;

    public static bool SkipsValue(ReadOnlySpan<byte> packed) => (packed[3] & SkipsValueBit) != 0;

    public static Traits TraitsOf(ReadOnlySpan<byte> packed) => (Traits)Read<ushort>(packed, 4);

    public static int KeyLength(ReadOnlySpan<byte> packed) => Read<ushort>(packed, 6);

    public static int Lane(ReadOnlySpan<byte> packed) => Read<int>(packed, 8);

    public static ulong Hash(ReadOnlySpan<byte> packed) => Read<ulong>(packed, 12);

    public static ReadOnlySpan<byte> Key(ReadOnlySpan<byte> packed) => packed.Slice(HeadBytes, KeyLength(packed));

    /// <summary>The inline value of a packed set.</summary>
    public static ReadOnlySpan<byte> Value(ReadOnlySpan<byte> packed)
    {
        if ((TraitsOf(packed) & Traits.Value) == 0)
        {
            return default;
        }

        var at = HeadBytes + KeyLength(packed);
        return packed.Slice(at + 2, Read<ushort>(packed, at));
    }

    /// <summary>Gives the large value of a packed set its number.</summary>
    public static void SetLargeNumber(Span<byte> packed, long number) => BinaryPrimitives.WriteInt64LittleEndian(packed[(HeadBytes + KeyLength(packed))..], number);

    /// <summary>Whether the operation's key and metadata can be packed at all; what is longer, every partition refuses.</summary>
    public static bool IsPackable(scoped in Operation operation) =>
        operation.Key.Length <= Limits.MaxKeyBytes && operation.Value.Length <= Limits.MaxInlineBytes
        && operation.ContentType.Length <= Limits.MaxContentTypeBytes && operation.Tags.Length <= Limits.MaxPackedTagsBytes;

    /// <summary>Only what the kind reads is packed.</summary>
    public static Traits TraitsOf(scoped in Operation operation)
    {
        switch (operation.Kind)
        {
            case OperationKind.Get or OperationKind.Peek or OperationKind.Explain or OperationKind.Prefetch or OperationKind.Lease:
                return Traits.None;
            case OperationKind.Scan:
                return Traits.Range | Given(operation.Number != 0, Traits.Number);
            case OperationKind.RemoveByTag or OperationKind.Clear or OperationKind.Statistics:
                return Traits.Range;
            default:
                return WriteTraits(operation);
        }
    }

    public static int Length(scoped in Operation operation, Traits traits)
    {
        var length = HeadBytes + operation.Key.Length;
        if ((traits & (Traits)0x1FFF) == 0)
        {
            return length;
        }

        length += Has(traits, Traits.Large, 12) + Has(traits, Traits.Value, 2 + operation.Value.Length) + Has(traits, Traits.EntryKind, 1) + Has(traits, Traits.Flags, 4);
        length += Has(traits, Traits.ContentType, 1 + operation.ContentType.Length) + Has(traits, Traits.Tags, 2 + operation.Tags.Length);
        length += Has(traits, Traits.Expiry, 8) + Has(traits, Traits.Sliding, 8) + Has(traits, Traits.Jitter, 8) + Has(traits, Traits.Version, 8);
        return length + Has(traits, Traits.Number, 8) + Has(traits, Traits.Addend, 8) + Has(traits, Traits.Range, 8);
    }

    /// <summary>Packs an operation.</summary>
    /// <param name="packed">Exactly <see cref="Length(in Operation, Traits)"/> bytes.</param>
    /// <param name="lane">Its lane.</param>
    /// <param name="operation">The operation; it must be packable.</param>
    /// <param name="traits">What <see cref="TraitsOf(in Operation)"/> says.</param>
    public static void Write(Span<byte> packed, int lane, scoped in Operation operation, Traits traits)
    {
        var conditions = (byte)((int)operation.Condition | (operation.IsAhead ? AheadBit : 0) | (operation.SkipsValue ? SkipsValueBit : 0) | ((int)operation.ExpireCondition << 4));
        var head = (ushort)packed.Length | ((ulong)operation.Kind << 16) | ((ulong)conditions << 24) | ((ulong)traits << 32) | ((ulong)operation.Key.Length << 48);
        BinaryPrimitives.WriteUInt64LittleEndian(packed, head);
        BinaryPrimitives.WriteInt32LittleEndian(packed[8..], lane);
        BinaryPrimitives.WriteUInt64LittleEndian(packed[12..], operation.Hash);
        operation.Key.CopyTo(packed[HeadBytes..]);
        if ((traits & (Traits)0x1FFF) != 0)
        {
            WriteParts(packed[(HeadBytes + operation.Key.Length)..], operation, traits);
        }
    }

    /// <summary>Unpacks an operation and checks all of it.</summary>
    /// <param name="packed">The operation, exactly.</param>
    /// <param name="operation">What was packed; <see cref="Operation.Large"/> is for the caller to find.</param>
    /// <param name="largeNumber">The number of its large value.</param>
    /// <returns>The length of its large value in bytes; 0: it has none.</returns>
    /// <exception cref="FormatException">It is damaged.</exception>
    public static int Read(ReadOnlySpan<byte> packed, ref Operation operation, out long largeNumber)
    {
        largeNumber = 0;
        var kind = Kind(packed);
        var traits = TraitsOf(packed);
        var conditions = packed[3];
        var keyLength = KeyLength(packed);
        if (kind > LastKind)
        {
            throw new FormatException($"a packed operation has kind {(int)kind}, which is not known");
        }

        if (keyLength > Limits.MaxKeyBytes || keyLength > packed.Length - HeadBytes)
        {
            throw new FormatException($"a packed operation of {packed.Length} bytes has a key of {keyLength}");
        }

        operation = default;
        operation.Kind = kind;
        operation.Condition = (Condition)(conditions & 3);
        operation.IsAhead = (conditions & AheadBit) != 0;
        operation.SkipsValue = (conditions & SkipsValueBit) != 0;
        operation.ExpireCondition = (ExpireCondition)(conditions >> 4);
        operation.Hash = Hash(packed);
        operation.Key = packed.Slice(HeadBytes, keyLength);
        var rest = packed[(HeadBytes + keyLength)..];
        if (traits == 0 && rest.IsEmpty)
        {
            return 0;
        }

        return ReadParts(rest, traits, ref operation, out largeNumber);
    }

    private static Traits WriteTraits(scoped in Operation operation) =>
        Given(operation.Large is not null, Traits.Large) | Given(operation.Large is null && !operation.Value.IsEmpty, Traits.Value) | Given(operation.EntryKind != EntryKind.Bytes, Traits.EntryKind)
        | Given(operation.Flags != 0, Traits.Flags) | Given(!operation.ContentType.IsEmpty, Traits.ContentType) | Given(!operation.Tags.IsEmpty, Traits.Tags)
        | Given(operation.ExpiresAt != 0, Traits.Expiry) | Given(operation.SlidingMs != 0, Traits.Sliding) | Given(operation.JitterMs != 0, Traits.Jitter)
        | Given(operation.Version != 0, Traits.Version) | Given(operation.Number != 0, Traits.Number)
        | Given(BitConverter.DoubleToInt64Bits(operation.Addend) != 0, Traits.Addend) | Given(operation.RequiresKind, Traits.RequiresKind)
        | Given(operation.KeepTtl, Traits.KeepTtl) | Given(operation.ReturnsPrevious, Traits.ReturnsPrevious);

    private static Traits Given(bool isGiven, Traits trait) => isGiven ? trait : Traits.None;

    private static int Has(Traits traits, Traits trait, int bytes) => (traits & trait) != 0 ? bytes : 0;

    private static void WriteParts(Span<byte> rest, scoped in Operation operation, Traits traits)
    {
        var writer = new SpanWriter(rest);
        if ((traits & Traits.Large) != 0)
        {
            writer.Write(0L);
            writer.Write(operation.Large!.Length);
        }

        if ((traits & Traits.Value) != 0)
        {
            writer.Write((ushort)operation.Value.Length);
            writer.Write(operation.Value);
        }

        if ((traits & Traits.EntryKind) != 0)
        {
            writer.Write((byte)operation.EntryKind);
        }

        if ((traits & Traits.Flags) != 0)
        {
            writer.Write(operation.Flags);
        }

        if ((traits & Traits.ContentType) != 0)
        {
            writer.Write((byte)operation.ContentType.Length);
            writer.Write(operation.ContentType);
        }

        if ((traits & Traits.Tags) != 0)
        {
            writer.Write((ushort)operation.Tags.Length);
            writer.Write(operation.Tags);
        }

        WriteNumbers(ref writer, operation, traits);
    }

    private static void WriteNumbers(ref SpanWriter writer, scoped in Operation operation, Traits traits)
    {
        if ((traits & Traits.Expiry) != 0)
        {
            writer.Write(operation.ExpiresAt);
        }

        if ((traits & Traits.Sliding) != 0)
        {
            writer.Write(operation.SlidingMs);
        }

        if ((traits & Traits.Jitter) != 0)
        {
            writer.Write(operation.JitterMs);
        }

        if ((traits & Traits.Version) != 0)
        {
            writer.Write(operation.Version);
        }

        if ((traits & Traits.Number) != 0)
        {
            writer.Write(operation.Number);
        }

        if ((traits & Traits.Addend) != 0)
        {
            writer.Write(operation.Addend);
        }

        if ((traits & Traits.Range) != 0)
        {
            writer.Write(operation.Partition);
            writer.Write(operation.Count);
        }
    }

    private static int ReadParts(ReadOnlySpan<byte> rest, Traits traits, ref Operation operation, out long largeNumber)
    {
        var reader = new SpanReader(rest, "packed operation");
        largeNumber = 0;
        var largeLength = 0;
        if ((traits & Traits.Large) != 0)
        {
            largeNumber = reader.Read<long>();
            largeLength = reader.Read<int>();
            if (largeLength is < 1 or > Limits.MaxValueBytes || (traits & Traits.Value) != 0 || operation.Kind != OperationKind.Set)
            {
                throw new FormatException($"a packed {operation.Kind} has a large value of {largeLength} bytes");
            }
        }

        if ((traits & Traits.Value) != 0)
        {
            operation.Value = reader.Take(reader.Read<ushort>(), Limits.MaxInlineBytes, "value");
        }

        operation.EntryKind = (traits & Traits.EntryKind) != 0 ? (EntryKind)reader.Read<byte>() : EntryKind.Bytes;
        operation.Flags = (traits & Traits.Flags) != 0 ? reader.Read<uint>() : 0;
        if ((traits & Traits.ContentType) != 0)
        {
            operation.ContentType = reader.Take(reader.Read<byte>(), Limits.MaxContentTypeBytes, "content type");
        }

        if ((traits & Traits.Tags) != 0)
        {
            operation.Tags = reader.TakeTags();
        }

        operation.ExpiresAt = (traits & Traits.Expiry) != 0 ? reader.Read<long>() : 0;
        operation.SlidingMs = (traits & Traits.Sliding) != 0 ? reader.Read<long>() : 0;
        operation.JitterMs = (traits & Traits.Jitter) != 0 ? reader.Read<long>() : 0;
        operation.Version = (traits & Traits.Version) != 0 ? reader.Read<ulong>() : 0;
        operation.Number = (traits & Traits.Number) != 0 ? reader.Read<long>() : 0;
        operation.Addend = (traits & Traits.Addend) != 0 ? reader.Read<double>() : 0;
        if ((traits & Traits.Range) != 0)
        {
            operation.Partition = reader.Read<int>();
            operation.Count = reader.Read<int>();
        }

        operation.RequiresKind = (traits & Traits.RequiresKind) != 0;
        operation.KeepTtl = (traits & Traits.KeepTtl) != 0;
        operation.ReturnsPrevious = (traits & Traits.ReturnsPrevious) != 0;
        reader.End();
        return largeLength;
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static T Read<T>(ReadOnlySpan<byte> packed, int offset)
        where T : unmanaged => MemoryMarshal.Read<T>(packed[offset..]);
}
