using Levee.Operations;
using Levee.Partitions;
using Levee.Segments;
using Xunit;

namespace Levee.Tests.Segments;

public sealed class DemotionBufferTests
{
    [Fact]
    public void A_ticket_that_is_no_records_is_refused()
    {
        using var buffer = new DemotionBuffer(4096, 0);
        var entry = new TierEntry { Hash = 7, Version = 8, ExpiresAt = Limits.Never, Key = "key"u8, Value = "value"u8 };
        Assert.True(buffer.TryAdd(entry, out var ticket));
        Assert.True(buffer.TryRead(ticket, out var record));
        Assert.True(record.Entry.Key.SequenceEqual("key"u8));
        Assert.False(buffer.TryRead(ticket - 1, out _));
        Assert.False(buffer.TryRead(ticket + 1, out _));
        Assert.False(buffer.TryRead(-1, out _));
        Assert.False(buffer.TryNext(ticket, out _, out _));
        buffer.Release(ticket);
        Assert.False(buffer.TryRead(ticket, out _));
        Assert.Equal(0, buffer.UsedBytes);
        buffer.CheckInvariants();
    }
}
