using Levee.Cli.Bench;
using Xunit;

namespace Levee.Cli.Tests.Bench;

public sealed class ZipfGeneratorTests
{
    [Theory]
    [InlineData(0.5)]
    [InlineData(0.99)]
    [InlineData(1.0)]
    [InlineData(1.5)]
    public void Ranks_come_as_often_as_the_formula_says(double exponent)
    {
        const int Count = 1000;
        const int Draws = 400_000;
        var random = new Random(11);
        var generator = new ZipfGenerator(Count, exponent);
        var drawn = new int[Count];
        for (var draw = 0; draw < Draws; draw++)
        {
            drawn[generator.Next(random)]++;
        }

        var weights = Enumerable.Range(1, Count).Select(rank => Math.Pow(rank, -exponent)).ToArray();
        var total = weights.Sum();
        foreach (var rank in (int[])[0, 1, 2, 9, 49, 299])
        {
            var expected = Draws * weights[rank] / total;
            Assert.InRange(drawn[rank], expected - (5 * Math.Sqrt(expected)), expected + (5 * Math.Sqrt(expected)));
        }

        var upperHalf = Draws * weights[500..].Sum() / total;
        Assert.InRange(drawn[500..].Sum(), upperHalf - (5 * Math.Sqrt(upperHalf)), upperHalf + (5 * Math.Sqrt(upperHalf)));
    }

    [Fact]
    public void One_key_is_always_rank_0() => Assert.Equal(0, new ZipfGenerator(1, 0.99).Next(new Random(1)));
}
