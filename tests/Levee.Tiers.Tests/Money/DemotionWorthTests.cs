using Levee.Operations;
using Levee.Tiers.Money;
using Xunit;

namespace Levee.Tiers.Tests.Money;

public sealed class DemotionWorthTests
{
    private const int Segment = 8 * 1024 * 1024;
    private const long Gb = 1L << 30;

    private static readonly DemotionTerms Terms = new() { BytesPerWrite = Segment, StayHours = 730, ReadMs = 20 };

    [Fact]
    public void The_price_is_a_share_of_the_put_the_storage_and_the_read()
    {
        var prices = new TierPrices { PerMillionWrites = 5, PerMillionReads = 0.4, PerGbMonth = 0.023, PerGbOut = 0.09 };
        Assert.Equal((5e-6 / 8) + (0.023 / 1024), DemotionWorth.DollarsToHold(1024 * 1024, long.MaxValue, prices, Terms), 1e-15);
        Assert.Equal((5e-6 / 8) + (0.023 / 1024 / 730), DemotionWorth.DollarsToHold(1024 * 1024, 3_600_000, prices, Terms), 1e-15);
        Assert.Equal(5e-6, DemotionWorth.DollarsToHold(16, 0, prices, Terms with { BytesPerWrite = 0 }), 1e-15);
        Assert.Equal(0.4e-6 + (0.09 / 1024), DemotionWorth.DollarsPerHit(1024 * 1024, prices, Terms), 1e-15);
        Assert.Equal(0.4e-6 + (0.09 / 16384), DemotionWorth.DollarsPerHit(200, prices, Terms with { BytesPerRead = 64 * 1024 }), 1e-15);
    }

    [Theory]
    [InlineData(0, 0, true)]
    [InlineData(50, 0, true)]
    [InlineData(10, 0, false)]
    [InlineData(10, 0.01, true)]
    public void Without_an_origin_price_only_time_counts(double originMs, double dollars, bool isWorth) =>
        Assert.Equal(isWorth, DemotionWorth.IsWorth(200, long.MaxValue, 0.5, TierPrices.S3Standard, new OriginCost(originMs, dollars), Terms));

    [Fact]
    public void An_entry_goes_down_exactly_when_its_saving_reaches_its_price()
    {
        var prices = TierPrices.S3Standard;
        OriginCost origin = new(0, 1e-6);
        const int bytes = 100_000;
        var breakEven = DemotionWorth.DollarsToHold(bytes, long.MaxValue, prices, Terms) / (origin.Dollars - DemotionWorth.DollarsPerHit(bytes, prices, Terms));
        Assert.True(DemotionWorth.IsWorth(bytes, long.MaxValue, breakEven * 1.001, prices, origin, Terms));
        Assert.False(DemotionWorth.IsWorth(bytes, long.MaxValue, breakEven * 0.999, prices, origin, Terms));
        Assert.True(DemotionWorth.IsWorth(bytes, 60_000, breakEven * 0.999, prices, origin, Terms));
        Assert.False(DemotionWorth.IsWorth(bytes, long.MaxValue, 1000, prices, new OriginCost(0, 0.3e-6), Terms));
    }

    [Fact]
    public void A_size_that_is_never_read_again_is_given_up_but_for_probes_and_comes_back_when_it_is_read()
    {
        DemotionWorth worth = new(TierPrices.S3Standard, new OriginCost(0, 1e-5), Segment);
        Assert.True(worth.Admit(1_000_000, long.MaxValue));
        for (var i = 0; i < 200_000; i++)
        {
            worth.Reuse.Demoted(1_000_000);
        }

        Assert.InRange(worth.Reuse.ExpectedReuses(1_000_000), 0, 0.001);
        var admitted = Enumerable.Range(0, 6400).Count(_ => worth.Admit(1_000_000, long.MaxValue));
        Assert.Equal((6400 / DemotionWorth.ProbeEvery, 6400), (admitted, worth.Refusals));
        Assert.True(worth.Admit(200, long.MaxValue));
        Assert.True(worth.Admit(1_000_000, long.MaxValue, new OriginCost(0, 1)));
        for (var i = 0; i < 20_000; i++)
        {
            worth.Reuse.Reused(1_000_000);
        }

        Assert.True(worth.Admit(1_000_000, long.MaxValue));
    }

    [Theory]
    [InlineData(11)]
    [InlineData(12)]
    [InlineData(13)]
    public void Over_mixed_traffic_the_rule_costs_less_than_taking_everything_or_nothing_down(int seed)
    {
        // Small entries come back often, large ones hardly ever: both extremes lose money.
        (int Bytes, double Reuses)[] kinds = [(200, 0.5), (4_000, 0.3), (300_000, 0.02), (4_000_000, 0.002)];
        var prices = TierPrices.S3Standard with { PerGbOut = 0.09 };
        OriginCost origin = new(0, 2e-6);
        DemotionWorth worth = new(prices, origin, Segment);
        Random random = new(seed);
        double rule = 0;
        double all = 0;
        double none = 0;
        for (var i = 0; i < 400_000; i++)
        {
            var (bytes, reuses) = kinds[random.Next(kinds.Length)];
            var isReused = random.NextDouble() < reuses;
            var held = DemotionWorth.DollarsToHold(bytes, long.MaxValue, prices, worth.Terms) + (isReused ? DemotionWorth.DollarsPerHit(bytes, prices, worth.Terms) : 0);
            var loaded = isReused ? origin.Dollars : 0;
            all += held;
            none += loaded;
            if (!worth.Admit(bytes, long.MaxValue))
            {
                rule += loaded;
                continue;
            }

            rule += held;
            worth.Reuse.Demoted(bytes);
            if (isReused)
            {
                worth.Reuse.Reused(bytes);
            }
        }

        Assert.True(rule < all * 0.5, $"rule {rule}, all {all}");
        Assert.True(rule < none * 0.75, $"rule {rule}, none {none}");
    }

    [Fact]
    public void The_meter_measures_reuses_per_demotion()
    {
        ReuseMeter meter = new();
        for (var i = 0; i < 100_000; i++)
        {
            meter.Demoted(5000);
            if (i % 4 == 0)
            {
                meter.Reused(5000);
            }
        }

        Assert.Equal(0.25, meter.ExpectedReuses(5000), 2);
        Assert.Equal(0.25, meter.ExpectedReuses(8000), 2);
        Assert.Equal(1, meter.ExpectedReuses(0));
        Assert.Equal(1, meter.ExpectedReuses(int.MaxValue));
    }

    [Fact]
    public void Terms_follow_the_counters()
    {
        DemotionWorth worth = new(TierPrices.S3Standard, OriginCost.Unknown, Segment);
        var end = new TierStatistics { CapacityBytes = 100 * Gb, WrittenBytes = 10 * Gb, ReadRequests = 1000, ReadBytes = 4_096_000, ReadMs = 12 };
        worth.Update(new TierStatistics(), end, TimeSpan.FromHours(2));
        Assert.Equal(new DemotionTerms { BytesPerWrite = Segment, BytesPerRead = 4096, ReadMs = 12, StayHours = 20 }, worth.Terms);
        worth.Update(end, end, TimeSpan.FromHours(1));
        Assert.Equal((4096, 20), (worth.Terms.BytesPerRead, worth.Terms.StayHours));
    }

    [Fact]
    public void Deciding_allocates_nothing()
    {
        DemotionWorth worth = new(TierPrices.S3Standard, new OriginCost(5, 1e-6), Segment);
        worth.Admit(200, 1000);
        var before = GC.GetAllocatedBytesForCurrentThread();
        for (var i = 0; i < 10_000; i++)
        {
            worth.Reuse.Demoted(i);
            worth.Admit(i, long.MaxValue);
        }

        Assert.Equal(before, GC.GetAllocatedBytesForCurrentThread());
    }
}
