using System.Buffers.Binary;
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

    private static byte[] NewHeader()
    {
        var header = new byte[SegmentFormat.HeaderBytes];
        SegmentFormat.WriteHeader(header, Generation, 17, 123_456_789_012);
        return header;
    }
}
