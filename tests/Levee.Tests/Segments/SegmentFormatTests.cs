using System.Buffers.Binary;
using Levee.Partitions;
using Levee.Segments;
using Xunit;

namespace Levee.Tests.Segments;

public sealed class SegmentFormatTests
{
    private static readonly Guid Generation = new("6f1c2a40-5a0e-4c52-9d6c-1f4f0f3f7a11");

    [Fact]
    public void A_header_is_read_as_it_was_written_and_not_with_any_bit_flipped()
    {
        var header = NewHeader();
        Assert.True(SegmentFormat.TryReadHeader(header, out var read));
        Assert.Equal(new SegmentHeader(Generation, 17, 123_456_789_012, SegmentFormat.FormatVersion), read);
        Assert.Equal(SegmentFormat.HeaderBytes, SegmentFormat.ReadCommitted(header));
        for (var bit = 0; bit < 48 * 8; bit++)
        {
            header[bit / 8] ^= (byte)(1 << (bit % 8));
            Assert.False(SegmentFormat.TryReadHeader(header, out var damaged), $"bit {bit}");
            Assert.Equal(0, damaged.Version);
            header[bit / 8] ^= (byte)(1 << (bit % 8));
        }

        Assert.False(SegmentFormat.TryReadHeader(header.AsSpan(0, 63), out _));
    }

    [Fact]
    public void The_committed_length_changes_nothing_of_the_header_and_is_refused_with_any_bit_flipped()
    {
        var header = NewHeader();
        SegmentFormat.WriteCommitted(header, 4096);
        Assert.Equal(4096, SegmentFormat.ReadCommitted(header));
        Assert.True(SegmentFormat.TryReadHeader(header, out _));
        for (var bit = 48 * 8; bit < 56 * 8; bit++)
        {
            header[bit / 8] ^= (byte)(1 << (bit % 8));
            Assert.Equal(-1, SegmentFormat.ReadCommitted(header));
            header[bit / 8] ^= (byte)(1 << (bit % 8));
        }

        Assert.Equal(-1, SegmentFormat.ReadCommitted(new byte[64]));
        SegmentFormat.WriteCommitted(header, 4097);
        Assert.Equal(-1, SegmentFormat.ReadCommitted(header));
        SegmentFormat.WriteCommitted(header, 56);
        Assert.Equal(-1, SegmentFormat.ReadCommitted(header));
    }

    [Fact]
    public void A_later_version_is_told_apart_from_damage()
    {
        var header = NewHeader();
        BinaryPrimitives.WriteInt32LittleEndian(header.AsSpan(8), SegmentFormat.FormatVersion + 1);
        Assert.False(SegmentFormat.TryReadHeader(header, out var damaged));
        Assert.Equal(0, damaged.Version);
        BinaryPrimitives.WriteUInt32LittleEndian(header.AsSpan(12), TierRecord.Crc32C([.. header.AsSpan(0, 12), .. header.AsSpan(16, 32)]));
        Assert.False(SegmentFormat.TryReadHeader(header, out var later));
        Assert.Equal(new SegmentHeader { Version = SegmentFormat.FormatVersion + 1 }, later);
    }

    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    [InlineData(5000)]
    public void A_sealed_segment_is_read_as_it_was_appended(int count)
    {
        var (segment, expected, controls) = NewSegment(count);
        Assert.True(SegmentFormat.TryReadTrailer(segment, out var trailer));
        Assert.Equal(segment.Length, trailer.SegmentBytes);
        Assert.True(SegmentFormat.TryReadHeader(segment, out var header));
        Assert.Equal(header, trailer.Header);
        Assert.True(SegmentFormat.TryReadFooter(segment.AsSpan(trailer.FooterOffset), trailer, out var footer));
        var listed = new List<FooterEntry>();
        foreach (var entry in footer)
        {
            listed.Add(entry);
        }

        Assert.Equal(expected, listed);
        var copies = new List<byte[]>();
        var scan = footer.ControlRecords;
        while (scan.MoveNext())
        {
            copies.Add(scan.Record.ToArray());
        }

        Assert.Equal(ScanEnd.Complete, scan.End);
        Assert.Equal(controls, copies);
        AssertScan(segment.AsSpan(0, trailer.FooterOffset), expected.Count + controls.Count, ScanEnd.Complete, trailer.FooterOffset);
    }

    [Fact]
    public void A_trailer_or_footer_with_any_bit_flipped_is_refused()
    {
        var (segment, _, _) = NewSegment(12);
        Assert.True(SegmentFormat.TryReadTrailer(segment, out var trailer));
        for (var bit = trailer.FooterOffset * 8; bit < segment.Length * 8; bit++)
        {
            segment[bit / 8] ^= (byte)(1 << (bit % 8));
            Assert.False(SegmentFormat.TryReadTrailer(segment, out var damaged) && SegmentFormat.TryReadFooter(segment.AsSpan(damaged.FooterOffset), damaged, out _), $"bit {bit}");
            segment[bit / 8] ^= (byte)(1 << (bit % 8));
        }

        for (var length = 0; length < trailer.FooterBytes; length++)
        {
            Assert.False(SegmentFormat.TryReadFooter(segment.AsSpan(trailer.FooterOffset, length), trailer, out _));
        }

        Assert.False(SegmentFormat.TryReadTrailer(segment.AsSpan(0, 63), out _));
        Assert.False(SegmentFormat.TryReadTrailer(segment.AsSpan(0, segment.Length - 1), out _));
    }

    [Fact]
    public void A_footer_that_lists_what_cannot_be_in_its_segment_is_refused()
    {
        foreach (var entry in new FooterEntry[]
        {
            new(1, 63, 40, 0, TierRecordType.Entry), new(1, 64, 39, 0, TierRecordType.Entry), new(1, 120, 41, 0, TierRecordType.Entry), new(1, int.MaxValue, int.MaxValue, 0, TierRecordType.Entry), new(1, 64, 40, 0, TierRecordType.Clear),
        })
        {
            var builder = new FooterBuilder();
            builder.Add(entry);
            var footer = new byte[builder.LengthBytes];
            builder.WriteTo(footer, new SegmentHeader(Generation, 1, 2, SegmentFormat.FormatVersion), 160);
            Assert.True(SegmentFormat.TryReadTrailer(footer, out var trailer));
            Assert.False(SegmentFormat.TryReadFooter(footer, trailer, out _), $"{entry}");
        }
    }

    [Fact]
    public void A_builder_that_was_cleared_begins_anew()
    {
        var builder = new FooterBuilder();
        builder.Add(64, NewControl(TierRecordType.Clear, 3));
        builder.Add(104, NewControl(TierRecordType.Tombstone, 4));
        Assert.Equal(40 + SegmentFormat.FooterEntryBytes + SegmentFormat.TrailerBytes, builder.LengthBytes);
        builder.Clear();
        Assert.Equal((SegmentFormat.TrailerBytes, 0, 0), (builder.LengthBytes, builder.Count, builder.ControlBytes));
    }

    [Fact]
    public void A_scan_says_where_and_why_it_ends()
    {
        var (segment, expected, controls) = NewSegment(3);
        SegmentFormat.TryReadTrailer(segment, out var trailer);
        var end = trailer.FooterOffset;
        var all = expected.Count + controls.Count;
        byte[] followed = [.. segment.AsSpan(0, end), .. new byte[100]];
        AssertScan(followed, all, ScanEnd.Unwritten, end);
        followed[end + 77] = 1;
        AssertScan(followed, all, ScanEnd.Damaged, end);
        for (var cut = SegmentFormat.HeaderBytes; cut < end; cut++)
        {
            var isBoundary = expected.Any(entry => entry.Offset == cut) || cut == SegmentFormat.HeaderBytes;
            var scan = new SegmentScan(segment.AsSpan(0, cut), SegmentFormat.HeaderBytes);
            while (scan.MoveNext())
            {
            }

            Assert.False(scan.MoveNext());
            Assert.True(scan.End is ScanEnd.Complete or ScanEnd.Damaged);
            Assert.True(!isBoundary || scan.End == ScanEnd.Complete, $"{cut}");
            Assert.True(scan.End != ScanEnd.Complete || cut % 8 == 0, $"{cut}");
        }

        segment[expected[1].Offset + 41] ^= 1;
        AssertScan(segment.AsSpan(0, end), 1, ScanEnd.Damaged, expected[1].Offset);
    }

    private static void AssertScan(ReadOnlySpan<byte> segment, int count, ScanEnd end, int offset)
    {
        var scan = new SegmentScan(segment, SegmentFormat.HeaderBytes);
        var found = 0;
        while (scan.MoveNext())
        {
            Assert.True(TierRecord.IsSound(scan.Record));
            found++;
        }

        Assert.Equal((count, end, offset), (found, scan.End, scan.Offset));
    }

    /// <summary>Two entries to a tombstone and, from time to time, a control record of each type.</summary>
    private static (byte[] Segment, List<FooterEntry> Entries, List<byte[]> Controls) NewSegment(int count)
    {
        var random = new Random(count);
        var segment = new List<byte>(NewHeader());
        var builder = new FooterBuilder();
        var entries = new List<FooterEntry>();
        var controls = new List<byte[]>();
        for (var i = 0; i < count; i++)
        {
            var hash = (ulong)random.NextInt64();
            byte[] record;
            if (i % 4 == 3)
            {
                record = NewControl((i / 4 % 3) switch { 0 => TierRecordType.TagRemoval, 1 => TierRecordType.Clear, _ => TierRecordType.Retired }, hash);
                controls.Add(record);
            }
            else
            {
                record = i % 4 == 2 ? NewControl(TierRecordType.Tombstone, hash) : NewEntry(hash, random);
                entries.Add(new FooterEntry(hash, segment.Count, record.Length, IndexEntry.Seconds(TierRecord.ExpiresAt(record)), TierRecord.Type(record)));
            }

            var before = builder.LengthBytes;
            builder.Add(segment.Count, record);
            Assert.Equal(FooterBuilder.BytesFor(record), builder.LengthBytes - before);
            segment.AddRange(record);
            segment.AddRange(new byte[TierRecord.Padded(record.Length) - record.Length]);
        }

        var footerOffset = segment.Count;
        var footer = new byte[builder.LengthBytes];
        footer.AsSpan().Fill(0xEE);
        builder.WriteTo(footer, new SegmentHeader(Generation, 17, 123_456_789_012, SegmentFormat.FormatVersion), footerOffset);
        segment.AddRange(footer);
        return ([.. segment], entries, controls);
    }

    private static byte[] NewEntry(ulong hash, Random random)
    {
        var entry = new TierEntry { Hash = hash, Version = 9, ExpiresAt = random.NextInt64(1L << 41), Key = new byte[random.Next(1, 20)], Value = new byte[random.Next(20)] };
        var record = new byte[TierRecord.PlainLength(entry)];
        TierRecord.Write(entry, record);
        TierRecord.Seal(record);
        return record;
    }

    private static byte[] NewControl(TierRecordType type, ulong hash)
    {
        var body = type == TierRecordType.TagRemoval ? "tag"u8 : default;
        var record = new byte[TierRecord.HeaderBytes + body.Length];
        TierRecord.WriteControl(record, type, hash, 5, body);
        return record;
    }

    private static byte[] NewHeader()
    {
        var header = new byte[SegmentFormat.HeaderBytes];
        SegmentFormat.WriteHeader(header, Generation, 17, 123_456_789_012);
        return header;
    }
}
