using Levee.Tiers.Money;
using Xunit;

namespace Levee.Tiers.Tests.Money;

public sealed class TierPricesTests
{
    [Fact]
    public void What_is_configured_replaces_the_default_and_the_rest_stays()
    {
        var prices = TierPrices.Parse("put=5.50/M get=0.41/M, gb-month=0.03 gb-out=0.09", TierPrices.S3Standard);
        Assert.Equal((5.5, 0.41, 0, 0.03, 0.09, 0), (prices.PerMillionWrites, prices.PerMillionReads, prices.PerMillionDeletes, prices.PerGbMonth, prices.PerGbOut, prices.PerGbHour));
        Assert.StartsWith("configured", prices.Source, StringComparison.Ordinal);
        Assert.Equal(TierPrices.S3Standard, TierPrices.Parse("  ", TierPrices.S3Standard));
    }

    [Theory]
    [InlineData("put=0.005/K", 5)]
    [InlineData("put=0.05/10K", 5)]
    [InlineData("put=5/m", 5)]
    public void Requests_are_priced_by_thousand_ten_thousand_or_million(string text, double perMillion) =>
        Assert.Equal(perMillion, TierPrices.Parse(text, TierPrices.Free).PerMillionWrites, 9);

    [Theory]
    [InlineData("s3")]
    [InlineData("azblob")]
    [InlineData("redis")]
    [InlineData("file")]
    public void Each_kind_has_prices_with_a_source_that_survive_their_own_text(string kind)
    {
        var prices = TierPrices.Of(kind);
        Assert.NotEmpty(prices.Source);
        Assert.Equal(prices, TierPrices.Parse(prices.ToString(), TierPrices.Free) with { Source = prices.Source });
    }

    [Theory]
    [InlineData("put", "has no '='")]
    [InlineData("put=5", "for how many requests")]
    [InlineData("put=5/X", "neither per million")]
    [InlineData("put=/M", "not a number of dollars")]
    [InlineData("put=-5/M", "not a number of dollars")]
    [InlineData("gb-month=NaN", "not a number of dollars")]
    [InlineData("gb-month=1e400", "not a number of dollars")]
    [InlineData("gb-month=0.02/M", "not a number of dollars")]
    [InlineData("gb-year=1", "gb-year is not known")]
    [InlineData("get=1/M get=2/M", "get is given twice")]
    public void Refusals_say_what_is_allowed(string text, string expected) =>
        Assert.Contains(expected, Assert.Throws<TierException>(() => TierPrices.Parse(text, TierPrices.Free)).Message, StringComparison.Ordinal);

    [Fact]
    public void An_origin_cost_is_a_number_from_zero_on()
    {
        Assert.Throws<ArgumentOutOfRangeException>(() => new OriginCost(-1, 0));
        Assert.Throws<ArgumentOutOfRangeException>(() => new OriginCost(0, double.NaN));
        Assert.Equal(OriginCost.Unknown, new OriginCost(0, 0));
    }
}
