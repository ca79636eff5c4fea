using System.Text;
using Xunit;

namespace Levee.ClusterLoad.Tests;

public sealed class ValueFormatTests
{
    [Theory]
    [InlineData(ValueFormat.LeastBytes)]
    [InlineData(100)]
    [InlineData(5000)]
    public void A_value_tells_its_key_and_version(int length)
    {
        var value = new byte[length];
        ValueFormat.Write(value, 1234, 567);
        Assert.StartsWith("load:00001234 0000000567 ", Encoding.ASCII.GetString(value), StringComparison.Ordinal);
        Assert.True(ValueFormat.TryRead(value, 1234, length, out var version));
        Assert.Equal(567, version);
    }

    [Fact]
    public void Another_keys_value_and_one_of_two_versions_are_found_out()
    {
        var value = new byte[100];
        ValueFormat.Write(value, 1, 2);
        Assert.False(ValueFormat.TryRead(value, 3, 100, out _));
        Assert.False(ValueFormat.TryRead(value.AsSpan(0, 99), 1, 100, out _));
        var other = new byte[100];
        ValueFormat.Write(other, 1, 3);
        other.AsSpan(60).CopyTo(value.AsSpan(60));
        Assert.False(ValueFormat.TryRead(value, 1, 100, out _));
        Assert.False(ValueFormat.TryRead("gone"u8, 1, 100, out _));
    }
}
