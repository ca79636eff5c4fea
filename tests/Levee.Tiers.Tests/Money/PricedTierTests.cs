using Levee.Keys;
using Levee.Operations;
using Levee.Partitions;
using Levee.Testing;
using Levee.Tiers.Money;
using Xunit;

namespace Levee.Tiers.Tests.Money;

public sealed class PricedTierTests : IAsyncDisposable
{
    private readonly RungTime time = new();
    private readonly ToldTier tier = new();

    public ValueTask DisposeAsync() => tier.DisposeAsync();

    [Fact]
    public async Task What_is_not_worth_its_price_is_not_taken_down_and_counted()
    {
        await using var priced = new PricedTier(tier, TierPrices.Parse("put=5000/M gb-month=1000", TierPrices.Free), new OriginCost(0, 0.000_000_001), 0, time);
        tier.Statistics = new TierStatistics { Drops = 7 };
        for (var i = 0; i < 640; i++)
        {
            Demote(priced);
        }

        Assert.Equal(10, tier.Told.Count);
        Assert.Equal(7 + 630, priced.GetStatistics().Drops);
    }

    [Fact]
    public async Task What_is_worth_it_is_taken_down_and_without_a_price_everything_is()
    {
        await using var worthy = new PricedTier(tier, TierPrices.S3Standard, new OriginCost(100, 1), 8 << 20, time);
        await using var unknown = new PricedTier(tier, TierPrices.Parse("put=5000/M", TierPrices.Free), default, 0, time);
        for (var i = 0; i < 100; i++)
        {
            Demote(worthy);
            Demote(unknown);
        }

        Assert.Equal(200, tier.Told.Count);
        Assert.Equal(0, worthy.GetStatistics().Drops + unknown.GetStatistics().Drops);
    }

    [Fact]
    public async Task What_must_go_through_goes_whatever_it_costs()
    {
        await using var priced = new PricedTier(tier, TierPrices.Parse("put=5000/M", TierPrices.Free), new OriginCost(0, 0.000_000_001), 0, time);
        Assert.True(priced.TryWriteThrough(Entry()));
        priced.Invalidate(1, 2);
        Assert.Equal(["write 1", "invalidate 2"], tier.Told);
    }

    [Fact]
    public async Task Statistics_say_what_the_tier_costs()
    {
        var priced = new PricedTier(tier, TierPrices.Parse("put=5/M get=0.4/M gb-month=0.023", TierPrices.Free), new OriginCost(50, 0.001), 8 << 20, time);
        await using (priced)
        {
            await priced.StartAsync(null!, CancellationToken.None);
            Assert.Null(priced.GetStatistics().Cost);
            for (var hour = 0; hour < 5; hour++)
            {
                time.Ring();
                tier.Statistics = tier.Statistics with { WriteRequests = tier.Statistics.WriteRequests + 1000, ReadRequests = tier.Statistics.ReadRequests + 1000, Hits = tier.Statistics.Hits + 1000, HeldBytes = 1L << 30 };
            }

            var cost = priced.GetStatistics().Cost!;
            Assert.True(cost.RequestDollarsPerDay > 0, $"{cost}");
            Assert.InRange(cost.StorageDollarsPerDay, 0.0001, 0.01);
        }
    }

    private static void Demote(PricedTier priced) => priced.Demote(Entry());

    private static TierEntry Entry() => new() { Key = "k"u8, Hash = KeyHash.Of("k"u8), Value = new byte[1000], Version = 1, ExpiresAt = Limits.Never };

    /// <summary>Its timers ring when the test says so, an hour apart.</summary>
    private sealed class RungTime : TimeProvider
    {
        private readonly ManualTime time = new();
        private Action ring = static () => { };

        public override DateTimeOffset GetUtcNow() => time.GetUtcNow();

        public override ITimer CreateTimer(TimerCallback callback, object? state, TimeSpan dueTime, TimeSpan period)
        {
            ring += () => callback(state);
            return base.CreateTimer(static _ => { }, null, Timeout.InfiniteTimeSpan, Timeout.InfiniteTimeSpan);
        }

        public void Ring()
        {
            time.Advance(3_600_000);
            ring();
        }
    }
}
