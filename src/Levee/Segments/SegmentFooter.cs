using System.Buffers.Binary;

namespace Levee.Segments;

/// <summary>A footer that is sound. A view: it lives as long as the bytes do.</summary>
public readonly ref struct SegmentFooter
{
    private readonly ReadOnlySpan<byte> bytes;

    internal SegmentFooter(ReadOnlySpan<byte> bytes, int count)
    {
        this.bytes = bytes;
        Count = count;
    }

    /// <summary>How many entries and tombstones it lists, in the order of the log: of one hash, the last is the newest.</summary>
    public int Count { get; }

    /// <summary>The record in a place from 0 to <see cref="Count"/>.</summary>
    public FooterEntry this[int place]
    {
        get
        {
            ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual((uint)place, (uint)Count, nameof(place));
            var entry = bytes.Slice(place * SegmentFormat.FooterEntryBytes, SegmentFormat.FooterEntryBytes);
            return new FooterEntry(
                BinaryPrimitives.ReadUInt64LittleEndian(entry),
                BinaryPrimitives.ReadInt32LittleEndian(entry[8..]),
                BinaryPrimitives.ReadInt32LittleEndian(entry[12..]),
                BinaryPrimitives.ReadUInt32LittleEndian(entry[16..]),
                (TierRecordType)entry[20]);
        }
    }

    /// <summary>Copies of the segment's tag removals, clears and retirements, in the order of the log; <see cref="SegmentScan.Offset"/> counts from the first of them.</summary>
    public SegmentScan ControlRecords => new(bytes[(Count * SegmentFormat.FooterEntryBytes)..], 0);

    /// <summary>The entries and tombstones, in the order of the log.</summary>
    public Enumerator GetEnumerator() => new(this);

    internal bool IsSound(int footerOffset)
    {
        foreach (var entry in this)
        {
            if (entry.Offset < SegmentFormat.HeaderBytes || entry.Length < TierRecord.HeaderBytes || entry.Offset > footerOffset - entry.Length
                || entry.Type is not (TierRecordType.Entry or TierRecordType.Tombstone))
            {
                return false;
            }
        }

        var controls = ControlRecords;
        while (controls.MoveNext())
        {
        }

        return controls.End == ScanEnd.Complete;
    }

    /// <summary>Walks a footer.</summary>
    public ref struct Enumerator
    {
        private readonly SegmentFooter footer;
        private int place;

        internal Enumerator(SegmentFooter footer)
        {
            this.footer = footer;
            place = -1;
        }

        /// <summary>The record.</summary>
        public readonly FooterEntry Current => footer[place];

        /// <summary>Goes to the next record.</summary>
        public bool MoveNext() => ++place < footer.Count;
    }
}
