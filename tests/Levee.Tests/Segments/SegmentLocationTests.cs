using Levee.Segments;
using Xunit;

namespace Levee.Tests.Segments;

public sealed class SegmentLocationTests
{
    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    public void A_place_in_a_segment_is_read_as_it_was_put_together(int seed)
    {
        var random = new Random(seed);
        for (var i = 0; i < 100_000; i++)
        {
            var sequence = random.Next(4) == 0 ? SegmentLocation.MaxSequence : random.NextInt64(1, SegmentLocation.MaxSequence + 1);
            var offset = random.Next(4) == 0 ? SegmentLocation.OffsetLimit - 8 : random.NextInt64(SegmentLocation.OffsetLimit / 8) * 8;
            var flags = (LocationFlags)random.Next(16);
            var length = random.Next(4) == 0 ? TierRecord.MaxBytes : random.Next(TierRecord.HeaderBytes, 1 << random.Next(7, 27));
            var location = SegmentLocation.InSegment(sequence, offset, length, flags);
            Assert.Equal((sequence, offset, flags, false), (location.Sequence, location.Offset, location.Flags, location.IsInBuffer));
            Assert.NotEqual(ulong.MaxValue, location.Bits);
            AssertLength(length, location);
        }
    }

    [Fact]
    public void The_length_is_never_too_short_and_less_than_a_128th_too_long()
    {
        for (var length = 0; length < 200_000; length++)
        {
            AssertLength(length, SegmentLocation.InSegment(1, 0, length));
        }

        for (var length = 200_000L; length <= TierRecord.MaxBytes; length += 997)
        {
            AssertLength((int)length, SegmentLocation.InSegment(1, 0, (int)length));
        }

        AssertLength(TierRecord.MaxBytes, SegmentLocation.InSegment(1, 0, TierRecord.MaxBytes));
    }

    [Fact]
    public void A_place_in_the_buffer_keeps_the_lower_34_bits_of_its_ticket()
    {
        Assert.Equal((1L << 34) - 1, SegmentLocation.TicketMask);
        foreach (var ticket in new[] { 0, 1, SegmentLocation.TicketMask, SegmentLocation.TicketMask + 1, 0x1234_5678_9ABC_DEF0 })
        {
            var location = SegmentLocation.InBuffer(ticket, LocationFlags.Tagged);
            Assert.True(location.IsInBuffer);
            Assert.Equal((0L, ticket & SegmentLocation.TicketMask, LocationFlags.Tagged), (location.Sequence, location.Ticket, location.Flags));
        }
    }

    [Fact]
    public void The_place_is_the_same_whatever_the_flags_and_no_other_bit()
    {
        var location = SegmentLocation.InSegment(12_345, 8_000, 1_000, LocationFlags.Referenced);
        for (var flags = 0; flags < 16; flags++)
        {
            var with = location.With((LocationFlags)flags);
            Assert.Equal((LocationFlags)flags, with.Flags);
            Assert.True(with.SamePlace(location));
            Assert.Equal(location, with.With(LocationFlags.Referenced));
        }

        for (var bit = 4; bit < 64; bit++)
        {
            Assert.False(location.SamePlace(new SegmentLocation(location.Bits ^ (1UL << bit))), $"bit {bit}");
        }
    }

    [Fact]
    public void What_cannot_be_a_place_is_refused()
    {
        Assert.Throws<ArgumentOutOfRangeException>(() => SegmentLocation.InSegment(0, 0, 40));
        Assert.Throws<ArgumentOutOfRangeException>(() => SegmentLocation.InSegment(SegmentLocation.MaxSequence + 1, 0, 40));
        Assert.Throws<ArgumentOutOfRangeException>(() => SegmentLocation.InSegment(1, -8, 40));
        Assert.Throws<ArgumentOutOfRangeException>(() => SegmentLocation.InSegment(1, 4, 40));
        Assert.Throws<ArgumentOutOfRangeException>(() => SegmentLocation.InSegment(1, SegmentLocation.OffsetLimit, 40));
        Assert.Throws<ArgumentOutOfRangeException>(() => SegmentLocation.InSegment(1, 0, TierRecord.MaxBytes + 1));
        Assert.Throws<ArgumentOutOfRangeException>(() => SegmentLocation.InSegment(1, 0, -1));
    }

    private static void AssertLength(int length, SegmentLocation location)
    {
        var padded = TierRecord.Padded(length);
        var over = location.LengthAtMost - padded;
        Assert.True(over >= 0 && (over == 0 || over * 128L < padded), $"{location.LengthAtMost} stands for {padded}");
    }
}
