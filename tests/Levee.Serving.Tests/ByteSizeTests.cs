using Xunit;

namespace Levee.Serving.Tests;

public sealed class ByteSizeTests
{
    [Theory]
    [InlineData("0", 0)]
    [InlineData("17", 17)]
    [InlineData("17b", 17)]
    [InlineData("64mb", 64L << 20)]
    [InlineData("64MB", 64L << 20)]
    [InlineData("1gb", 1L << 30)]
    [InlineData("3tb", 3L << 40)]
    public void Sizes_are_powers_of_1024(string text, long bytes)
    {
        Assert.True(ByteSize.TryParse(text, out var read));
        Assert.Equal(bytes, read);
        Assert.True(ByteSize.TryParse(ByteSize.Format(bytes), out read));
        Assert.Equal(bytes, read);
    }

    [Theory]
    [InlineData("")]
    [InlineData("mb")]
    [InlineData("-1")]
    [InlineData("1.5gb")]
    [InlineData("1mib")]
    [InlineData("1 gb")]
    [InlineData("9223372036854775807kb")]
    public void Anything_else_is_refused(string text) => Assert.False(ByteSize.TryParse(text, out _));
}
