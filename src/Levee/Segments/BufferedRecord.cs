using System.Buffers.Binary;
using Levee.Memory;
using Levee.Partitions;

namespace Levee.Segments;

/// <summary>A record that waits in a <see cref="DemotionBuffer"/>. A view: it is valid until the buffer releases the record.</summary>
public readonly ref struct BufferedRecord
{
    internal BufferedRecord(long ticket, ReadOnlySpan<byte> record, LargeValue? large)
    {
        Ticket = ticket;
        Record = record;
        Large = large;
    }

    /// <summary>The whole ticket.</summary>
    public long Ticket { get; }

    /// <summary>The plain record without its checksum. Where the value is large, it is that of the same entry with an empty value.</summary>
    public ReadOnlySpan<byte> Record { get; }

    /// <summary>The value, where it is large. The buffer's reference: who keeps it takes one of its own.</summary>
    public LargeValue? Large { get; }

    /// <summary>The length of the whole plain record, with its value.</summary>
    public int PlainLength => Record.Length + (Large?.Length ?? 0);

    /// <summary>The entry. What it lends is valid as long as this is.</summary>
    public TierEntry Entry =>
        TierRecord.TryRead(Record, out var entry)
            ? entry with { Large = Large }
            : throw new InvalidOperationException("The buffer holds what is no record: it has been released.");

    /// <summary>Copies the whole plain record, a large value included, without a checksum.</summary>
    /// <param name="plain"><see cref="PlainLength"/> bytes or more.</param>
    public void CopyTo(Span<byte> plain)
    {
        plain = plain[..PlainLength];
        Record.CopyTo(plain);
        if (Large is not null)
        {
            Large.CopyTo(0, plain[Record.Length..]);
            BinaryPrimitives.WriteInt32LittleEndian(plain[4..], plain.Length);
            BinaryPrimitives.WriteInt32LittleEndian(plain[32..], plain.Length - TierRecord.HeaderBytes);
        }
    }
}
