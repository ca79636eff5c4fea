using System.Diagnostics.CodeAnalysis;

namespace Levee.Segments;

/// <summary>What the index knows about a record besides its place.</summary>
[Flags]
[SuppressMessage("Naming", "CA1711", Justification = "Flags is what the four bits of a location are called.")]
public enum LocationFlags : byte
{
    /// <summary>Nothing.</summary>
    None = 0,

    /// <summary>It has been read since it came: worth carrying over when its segment goes.</summary>
    Referenced = 1,

    /// <summary>A copy lies in memory above.</summary>
    Promoted = 2,

    /// <summary>A tombstone: what older segments say of the hash is void.</summary>
    Void = 4,

    /// <summary>The entry carries tags.</summary>
    Tagged = 8,
}

/// <summary>
/// Where a record lies, in 64 bits: in a segment of the log, or in the buffer of what waits to be written. Lives in memory only; nothing of it is persisted.
/// <code>
/// 63        38 37        15 14       4 3   0
/// | sequence 26 | offset/8 23 | length 11 | flags |      in a segment
/// |     0       |        ticket 34        | flags |      in the buffer
/// </code>
/// The length is a code: a length that is not shorter than the record's, padded, and longer by less than 1/128 (<see cref="LengthAtMost"/>). Not all codes are used, so no location has all bits set.
/// </summary>
public readonly record struct SegmentLocation(ulong Bits)
{
    /// <summary>Records begin below this offset in a segment.</summary>
    public const long OffsetLimit = 1L << (OffsetBits + 3);

    /// <summary>The highest sequence number of a segment; the lowest is 1.</summary>
    public const long MaxSequence = (1L << SequenceBits) - 1;

    /// <summary>A location in the buffer keeps the ticket's bits under this mask.</summary>
    public const long TicketMask = (1L << (OffsetBits + LengthBits)) - 1;

    private const int SequenceBits = 26;
    private const int OffsetBits = 23;
    private const int LengthBits = 11;
    private const int FlagBits = 4;
    private const int OffsetShift = LengthBits + FlagBits;
    private const int SequenceShift = OffsetBits + OffsetShift;
    private const ulong FlagMask = (1 << FlagBits) - 1;

    /// <summary>The lengths that codes stand for, in units of 8 bytes: exact up to 256, then in steps of a 128th.</summary>
    private static readonly int[] LengthUnits = CreateLengthUnits();

    /// <summary>Whether the record waits in the buffer.</summary>
    public bool IsInBuffer => Bits >> SequenceShift == 0;

    /// <summary>The segment's sequence number; 0 in the buffer.</summary>
    public long Sequence => (long)(Bits >> SequenceShift);

    /// <summary>Where the record begins in its segment, in bytes.</summary>
    public long Offset => (long)(Bits >> OffsetShift & ((1UL << OffsetBits) - 1)) << 3;

    /// <summary>At least the length of the record in its segment, padding included, and less than 1/128 more.</summary>
    public int LengthAtMost => LengthUnits[Bits >> FlagBits & ((1 << LengthBits) - 1)] * TierRecord.Alignment;

    /// <summary>The lower 34 bits of the ticket in the buffer.</summary>
    public long Ticket => (long)(Bits >> FlagBits) & TicketMask;

    /// <summary>What else is known.</summary>
    public LocationFlags Flags => (LocationFlags)(Bits & FlagMask);

    /// <summary>A place in a segment.</summary>
    /// <param name="sequence">The segment's number, from 1 to <see cref="MaxSequence"/>.</param>
    /// <param name="offset">Where the record begins: a multiple of 8 below <see cref="OffsetLimit"/>.</param>
    /// <param name="length">The record's length, up to <see cref="TierRecord.MaxBytes"/>.</param>
    /// <param name="flags">What else is known.</param>
    public static SegmentLocation InSegment(long sequence, long offset, int length, LocationFlags flags = LocationFlags.None)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(sequence, 1);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(sequence, MaxSequence);
        ArgumentOutOfRangeException.ThrowIfNegative(offset);
        ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual(offset, OffsetLimit);
        ArgumentOutOfRangeException.ThrowIfNotEqual(offset % TierRecord.Alignment, 0, nameof(offset));
        ArgumentOutOfRangeException.ThrowIfNegative(length);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(length, TierRecord.MaxBytes);
        var code = Array.BinarySearch(LengthUnits, TierRecord.Padded(length) / TierRecord.Alignment);
        code = code < 0 ? ~code : code;
        return new SegmentLocation((ulong)sequence << SequenceShift | (ulong)(offset >> 3) << OffsetShift | (ulong)code << FlagBits | (ulong)flags & FlagMask);
    }

    /// <summary>A place in the buffer.</summary>
    /// <param name="ticket">The ticket that the demotion buffer gave; its lower 34 bits are kept.</param>
    /// <param name="flags">What else is known.</param>
    public static SegmentLocation InBuffer(long ticket, LocationFlags flags = LocationFlags.None) =>
        new((ulong)(ticket & TicketMask) << FlagBits | (ulong)flags & FlagMask);

    /// <summary>The same place with other flags.</summary>
    public SegmentLocation With(LocationFlags flags) => new(Bits & ~FlagMask | (ulong)flags & FlagMask);

    /// <summary>Whether another location names the same place, whatever its flags.</summary>
    public bool SamePlace(SegmentLocation other) => (Bits ^ other.Bits) <= FlagMask;

    private static int[] CreateLengthUnits()
    {
        var units = new List<int> { 0 };
        while (units[^1] * TierRecord.Alignment < TierRecord.MaxBytes)
        {
            units.Add(units[^1] + Math.Max(1, units[^1] / 128));
        }

        Invariant.Holds(units.Count < 1 << LengthBits, "length codes suffice, and one is left over");
        return [.. units];
    }
}
