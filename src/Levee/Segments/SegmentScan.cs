namespace Levee.Segments;

/// <summary>Why a scan ended.</summary>
public enum ScanEnd
{
    /// <summary>It has not.</summary>
    None,

    /// <summary>Every byte belonged to a sound record or its padding.</summary>
    Complete,

    /// <summary>Nothing but zeros follow: here nothing was ever written.</summary>
    Unwritten,

    /// <summary>What follows is no sound record, or not all of it.</summary>
    Damaged,
}

/// <summary>Walks sound records that lie one behind the other. A view: it lives as long as the bytes do.</summary>
public ref struct SegmentScan
{
    private readonly ReadOnlySpan<byte> segment;
    private int length;

    /// <param name="segment">A segment from its first byte up to where records are looked for (committed length, or the footer's offset).</param>
    /// <param name="from">Where the first record begins, mostly <see cref="SegmentFormat.HeaderBytes"/>.</param>
    public SegmentScan(ReadOnlySpan<byte> segment, int from)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(from);
        this.segment = segment;
        Offset = from;
    }

    /// <summary>Where the record begins; after the end, where the scan ended.</summary>
    public int Offset { get; private set; }

    /// <summary>The record, without padding.</summary>
    public readonly ReadOnlySpan<byte> Record => segment.Slice(Offset, length);

    /// <summary>Why there is no record any more.</summary>
    public ScanEnd End { get; private set; }

    /// <summary>Goes to the next record.</summary>
    /// <returns>False at the end: <see cref="End"/> says which.</returns>
    public bool MoveNext()
    {
        if (End != ScanEnd.None)
        {
            return false;
        }

        Offset += TierRecord.Padded(length);
        length = 0;
        if (Offset >= segment.Length)
        {
            End = Offset == segment.Length ? ScanEnd.Complete : ScanEnd.Damaged;
            return false;
        }

        var rest = segment[Offset..];
        if (!TierRecord.IsSound(rest) || TierRecord.Length(rest) > TierRecord.MaxBytes)
        {
            End = rest.ContainsAnyExcept((byte)0) ? ScanEnd.Damaged : ScanEnd.Unwritten;
            return false;
        }

        length = TierRecord.Length(rest);
        return true;
    }
}
