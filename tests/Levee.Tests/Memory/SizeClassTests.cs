using Levee.Memory;
using Xunit;

namespace Levee.Tests.Memory;

public sealed class SizeClassTests
{
    [Fact]
    public void Every_length_maps_to_the_smallest_class_that_holds_it()
    {
        for (var bytes = 1; bytes <= SizeClass.LargestBytes; bytes++)
        {
            var sizeClass = SizeClass.Of(bytes);
            Assert.InRange(sizeClass, 0, SizeClass.Count - 1);
            Assert.True(SizeClass.Bytes(sizeClass) >= bytes);
            Assert.True(sizeClass == 0 || SizeClass.Bytes(sizeClass - 1) < bytes);
        }

        Assert.Equal(SizeClass.LargestBytes, SizeClass.Bytes(SizeClass.Count - 1));
    }

    [Fact]
    public void Rounding_loses_at_most_seven_bytes_up_to_256_and_an_eighth_above()
    {
        for (var bytes = SizeClass.SmallestBytes; bytes <= SizeClass.LargestBytes; bytes++)
        {
            var lost = SizeClass.RoundUp(bytes) - bytes;
            Assert.True(lost <= (bytes <= 256 ? 7 : bytes / 8), $"{bytes} loses {lost}");
            Assert.Equal(0, SizeClass.RoundUp(bytes) % 8);
        }
    }
}
