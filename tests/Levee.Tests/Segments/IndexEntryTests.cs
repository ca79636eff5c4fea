using Levee.Operations;
using Levee.Segments;
using Xunit;

namespace Levee.Tests.Segments;

public sealed class IndexEntryTests
{
    [Theory]
    [InlineData(-1, 0u)]
    [InlineData(0, 0u)]
    [InlineData(1, 1u)]
    [InlineData(1000, 1u)]
    [InlineData(1001, 2u)]
    [InlineData(4_294_967_293_001, 4_294_967_294u)]
    [InlineData(4_294_967_294_000, uint.MaxValue)]
    [InlineData(Limits.Never, uint.MaxValue)]
    public void An_expiry_is_rounded_up_to_seconds(long expiresAt, uint seconds) => Assert.Equal(seconds, IndexEntry.Seconds(expiresAt));

    [Fact]
    public void An_entry_is_expired_only_when_its_record_is()
    {
        var entry = new IndexEntry(1, default, IndexEntry.Seconds(5_001));
        Assert.False(entry.IsExpired(5_001));
        Assert.False(entry.IsExpired(5_999));
        Assert.True(entry.IsExpired(6_000));
        Assert.False(new IndexEntry(1, default, IndexEntry.NeverExpires).IsExpired(long.MaxValue));
    }
}
