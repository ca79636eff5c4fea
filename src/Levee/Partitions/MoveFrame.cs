using System.Buffers.Binary;
using Levee.Segments;

namespace Levee.Partitions;

/// <summary>What a message of a partition's move is.</summary>
internal enum MoveFrameKind : byte
{
    /// <summary>A <see cref="PartitionHeader"/>.</summary>
    Header = 1,

    /// <summary>A <see cref="MoveChunk"/>.</summary>
    Chunk = 2,

    /// <summary>A <see cref="MoveKey"/>.</summary>
    Key = 3,
}

/// <summary>
/// What all messages of a partition's move begin with. Little endian.
/// <code>
///  0 format   1   1                         4 crc32c  4   of all that follows
///  1 kind     1   <see cref="MoveFrameKind"/>        8 body
///  2 zero     2
/// </code>
/// </summary>
internal static class MoveFrame
{
    /// <summary>The format that is written. Version 1 stays readable.</summary>
    public const byte Format = 1;

    /// <summary>Where the body begins.</summary>
    public const int HeadBytes = 8;

    /// <summary>No chunk and no answer about a key is longer: below the large-object heap's threshold, with room for what a transport adds.</summary>
    public const int MaxBytes = 60 * 1024;

    /// <summary>Writes the head of a message whose body is complete.</summary>
    public static void Seal(Span<byte> message, MoveFrameKind kind)
    {
        message[0] = Format;
        message[1] = (byte)kind;
        message[2] = 0;
        message[3] = 0;
        BinaryPrimitives.WriteUInt32LittleEndian(message[4..], TierRecord.Crc32C(message[HeadBytes..]));
    }

    /// <summary>The body of a message.</summary>
    /// <exception cref="FormatException">It is not whole, or of another kind or format.</exception>
    public static ReadOnlySpan<byte> Open(ReadOnlySpan<byte> message, MoveFrameKind kind)
    {
        if (message.Length < HeadBytes)
        {
            throw new FormatException($"A message of a move has {message.Length} bytes; its head alone has {HeadBytes}.");
        }

        if (message[0] != Format)
        {
            throw new FormatException($"A message of a move has format {message[0]}; known is {Format}.");
        }

        if (message[1] != (byte)kind || message[2] != 0 || message[3] != 0)
        {
            throw new FormatException($"A message of a move is of kind {message[1]}, not {(byte)kind} ({kind}).");
        }

        if (BinaryPrimitives.ReadUInt32LittleEndian(message[4..]) != TierRecord.Crc32C(message[HeadBytes..]))
        {
            throw new FormatException($"A message of a move ({kind}, {message.Length} bytes) is damaged: its checksum does not hold.");
        }

        return message[HeadBytes..];
    }
}

/// <summary>Reads the fields of a body in order, and never beyond its end.</summary>
internal ref struct MoveReader(ReadOnlySpan<byte> body)
{
    private ReadOnlySpan<byte> rest = body;

    /// <summary>Bytes that are left.</summary>
    public readonly int Left => rest.Length;

    public byte Byte() => Take(1)[0];

    public int Int32() => BinaryPrimitives.ReadInt32LittleEndian(Take(4));

    public uint UInt32() => BinaryPrimitives.ReadUInt32LittleEndian(Take(4));

    public long Int64() => BinaryPrimitives.ReadInt64LittleEndian(Take(8));

    public ulong UInt64() => BinaryPrimitives.ReadUInt64LittleEndian(Take(8));

    public double Double() => BinaryPrimitives.ReadDoubleLittleEndian(Take(8));

    /// <summary>A number that cannot be negative.</summary>
    public long Count() => Int64() is >= 0 and var count ? count : throw new FormatException("A count in a message of a move is negative.");

    public ReadOnlySpan<byte> Take(int count)
    {
        if ((uint)count > (uint)rest.Length)
        {
            throw new FormatException($"A message of a move ends too early: {count} bytes are said to follow, {rest.Length} do.");
        }

        var taken = rest[..count];
        rest = rest[count..];
        return taken;
    }
}

/// <summary>Writes fields one after the other into room that is known to be enough.</summary>
internal ref struct MoveWriter(Span<byte> room)
{
    private readonly Span<byte> all = room;

    /// <summary>Bytes written.</summary>
    public int Length { get; private set; }

    /// <summary>Bytes that are left.</summary>
    public readonly int Left => all.Length - Length;

    public Span<byte> Next(int count)
    {
        var next = all.Slice(Length, count);
        Length += count;
        return next;
    }

    public void Byte(byte value) => Next(1)[0] = value;

    public void Int32(int value) => BinaryPrimitives.WriteInt32LittleEndian(Next(4), value);

    public void UInt32(uint value) => BinaryPrimitives.WriteUInt32LittleEndian(Next(4), value);

    public void Int64(long value) => BinaryPrimitives.WriteInt64LittleEndian(Next(8), value);

    public void UInt64(ulong value) => BinaryPrimitives.WriteUInt64LittleEndian(Next(8), value);

    public void Double(double value) => BinaryPrimitives.WriteDoubleLittleEndian(Next(8), value);

    public void Bytes(scoped ReadOnlySpan<byte> value) => value.CopyTo(Next(value.Length));
}
