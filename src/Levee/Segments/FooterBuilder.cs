using System.Buffers.Binary;

namespace Levee.Segments;

/// <summary>
/// Collects a segment's footer while its records are appended. In blocks, so that no call copies what is there; they stay for the next segment after <see cref="Clear"/>.
/// </summary>
public sealed class FooterBuilder
{
    private const int EntriesPerBlock = 2048;

    private readonly List<byte[]> blocks = [];
    private readonly List<byte[]> controls = [];

    /// <summary>How many entries and tombstones were added.</summary>
    public int Count { get; private set; }

    /// <summary>What the copies of other records take, padded.</summary>
    public int ControlBytes { get; private set; }

    /// <summary>What the footer will take, its trailer included.</summary>
    public int LengthBytes => (Count * SegmentFormat.FooterEntryBytes) + ControlBytes + SegmentFormat.TrailerBytes;

    /// <summary>How much longer the footer becomes by a record.</summary>
    public static int BytesFor(ReadOnlySpan<byte> record) =>
        TierRecord.Type(record) is TierRecordType.Entry or TierRecordType.Tombstone ? SegmentFormat.FooterEntryBytes : TierRecord.Padded(record.Length);

    /// <summary>Adds a sealed record that was appended: a line for an entry or a tombstone, a copy of any other.</summary>
    /// <param name="offset">Where it begins in the segment.</param>
    /// <param name="record">The record, without padding.</param>
    public void Add(int offset, ReadOnlySpan<byte> record)
    {
        if (TierRecord.Type(record) is var type and (TierRecordType.Entry or TierRecordType.Tombstone))
        {
            Add(new FooterEntry(TierRecord.Hash(record), offset, record.Length, IndexEntry.Seconds(TierRecord.ExpiresAt(record)), type));
        }
        else
        {
            controls.Add(record.ToArray());
            ControlBytes += TierRecord.Padded(record.Length);
        }
    }

    /// <summary>Adds the line of an entry or a tombstone.</summary>
    public void Add(in FooterEntry entry)
    {
        if (Count == blocks.Count * EntriesPerBlock)
        {
            blocks.Add(new byte[EntriesPerBlock * SegmentFormat.FooterEntryBytes]);
        }

        var line = blocks[Count / EntriesPerBlock].AsSpan(Count % EntriesPerBlock * SegmentFormat.FooterEntryBytes, SegmentFormat.FooterEntryBytes);
        BinaryPrimitives.WriteUInt64LittleEndian(line, entry.Hash);
        BinaryPrimitives.WriteInt32LittleEndian(line[8..], entry.Offset);
        BinaryPrimitives.WriteInt32LittleEndian(line[12..], entry.Length);
        BinaryPrimitives.WriteUInt32LittleEndian(line[16..], entry.ExpiresAtSeconds);
        BinaryPrimitives.WriteUInt32LittleEndian(line[20..], (byte)entry.Type);
        Count++;
    }

    /// <summary>Writes the footer and its trailer.</summary>
    /// <param name="destination">From <paramref name="footerOffset"/> on, <see cref="LengthBytes"/> or more.</param>
    /// <param name="header">What the segment's header says.</param>
    /// <param name="footerOffset">Where the records end, padding included.</param>
    public void WriteTo(Span<byte> destination, in SegmentHeader header, int footerOffset)
    {
        destination = destination[..LengthBytes];
        var rest = destination;
        for (var first = 0; first < Count; first += EntriesPerBlock)
        {
            var bytes = Math.Min(EntriesPerBlock, Count - first) * SegmentFormat.FooterEntryBytes;
            blocks[first / EntriesPerBlock].AsSpan(0, bytes).CopyTo(rest);
            rest = rest[bytes..];
        }

        foreach (var control in controls)
        {
            var padded = TierRecord.Padded(control.Length);
            control.CopyTo(rest);
            rest[control.Length..padded].Clear();
            rest = rest[padded..];
        }

        var footer = destination[..^SegmentFormat.TrailerBytes];
        SegmentFormat.WriteTrailer(rest, new SegmentTrailer(header, footerOffset, Count, ControlBytes, TierRecord.Crc32C(footer)));
    }

    /// <summary>Forgets everything, for the next segment.</summary>
    public void Clear()
    {
        controls.Clear();
        Count = 0;
        ControlBytes = 0;
    }
}
