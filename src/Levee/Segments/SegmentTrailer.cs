namespace Levee.Segments;

/// <summary>What the last bytes of a sealed segment say.</summary>
/// <param name="Header">The same as the segment's header.</param>
/// <param name="FooterOffset">Where the footer begins: the end of the records.</param>
/// <param name="EntryCount">How many <see cref="FooterEntry"/> the footer has.</param>
/// <param name="ControlBytes">What the copies of control records take behind them.</param>
/// <param name="Checksum">CRC-32C of the footer without the trailer.</param>
public readonly record struct SegmentTrailer(SegmentHeader Header, int FooterOffset, int EntryCount, int ControlBytes, uint Checksum)
{
    /// <summary>Length of the footer without the trailer.</summary>
    public long FooterBytes => ((long)EntryCount * SegmentFormat.FooterEntryBytes) + ControlBytes;

    /// <summary>Length of the whole segment.</summary>
    public long SegmentBytes => FooterOffset + FooterBytes + SegmentFormat.TrailerBytes;
}
