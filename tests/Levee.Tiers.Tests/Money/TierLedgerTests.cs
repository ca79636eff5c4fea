using Levee.Operations;
using Levee.Tiers.Money;
using Xunit;

namespace Levee.Tiers.Tests.Money;

public sealed class TierLedgerTests
{
    private const long Gb = 1L << 30;

    private static readonly DateTimeOffset Begin = new(2026, 11, 1, 0, 0, 0, TimeSpan.Zero);
    private static readonly TierPrices Prices = new() { PerMillionWrites = 5, PerMillionReads = 0.4, PerMillionDeletes = 1, PerGbMonth = 0.73, PerGbOut = 0.09 };

    [Fact]
    public void A_day_of_traffic_costs_what_the_bill_would_say()
    {
        var account = TierLedger.Between(new TierStatistics { HeldBytes = 10 * Gb }, Day(20 * Gb), TimeSpan.FromDays(1), Prices, new OriginCost(50, 0.00001));
        Assert.Equal((1_000_000, 250_000, 0.8), (account.HitsPerDay, account.MissesPerDay, account.HitRatio));
        Assert.Equal((100 * 5 + 1_000_000 * 0.4 + 50 * 1) / 1e6, account.RequestDollarsPerDay, 9);
        Assert.Equal(15 * 0.73 * 24 / 730, account.StorageDollarsPerDay, 9);
        Assert.Equal(60 * 0.09, account.TransferDollarsPerDay, 9);
        Assert.Equal(0.40055 + 0.36 + 5.4, account.DollarsPerDay, 9);
        Assert.Equal(10 - account.DollarsPerDay, account.SavedDollarsPerDay!.Value, 9);
        Assert.Equal(account.DollarsPerDay, account.DollarsPerMillionHits!.Value, 9);
        Assert.Equal(1_000_000 * (50 - 14) / 3_600_000d, account.SavedHoursPerDay!.Value, 9);
        Assert.Equal((3, 60), (account.WrittenGbPerDay, account.ReadGbPerDay));
    }

    [Fact]
    public void An_hour_counts_twenty_four_times_but_what_is_held_counts_once()
    {
        var day = TierLedger.Between(new TierStatistics(), Day(20 * Gb), TimeSpan.FromDays(1), Prices, OriginCost.Unknown);
        var hour = TierLedger.Between(new TierStatistics(), Day(20 * Gb), TimeSpan.FromHours(1), Prices, OriginCost.Unknown);
        Assert.Equal(day.RequestDollarsPerDay * 24, hour.RequestDollarsPerDay, 9);
        Assert.Equal(day.TransferDollarsPerDay * 24, hour.TransferDollarsPerDay, 9);
        Assert.Equal(day.StorageDollarsPerDay, hour.StorageDollarsPerDay, 9);
    }

    [Fact]
    public void What_is_rented_is_paid_whether_full_or_not()
    {
        var redis = new TierPrices { PerGbHour = 0.02 };
        var rented = TierLedger.Between(new TierStatistics(), new TierStatistics { HeldBytes = Gb, CapacityBytes = 10 * Gb }, TimeSpan.FromHours(1), redis, OriginCost.Unknown);
        Assert.Equal(10 * 0.02 * 24, rented.DollarsPerDay, 9);
        var unbounded = TierLedger.Between(new TierStatistics { HeldBytes = Gb }, new TierStatistics { HeldBytes = Gb }, TimeSpan.FromHours(1), redis, OriginCost.Unknown);
        Assert.Equal(0.02 * 24, unbounded.DollarsPerDay, 9);
    }

    [Fact]
    public void What_is_not_known_is_not_made_up()
    {
        var account = TierLedger.Between(new TierStatistics(), new TierStatistics(), TimeSpan.FromHours(1), Prices, OriginCost.Unknown);
        Assert.Null(account.SavedDollarsPerDay);
        Assert.Null(account.OriginDollarsPerDay);
        Assert.Null(account.SavedHoursPerDay);
        Assert.Null(account.DollarsPerMillionHits);
        Assert.Equal(0, account.HitRatio);
    }

    [Fact]
    public void The_window_moves_and_keeps_few_snapshots()
    {
        TierLedger ledger = new(Prices, OriginCost.Unknown, TimeSpan.FromMinutes(10));
        Assert.Null(ledger.Read());
        for (var second = 0; second <= 3600; second++)
        {
            // One hit a second in the first half hour, three in the second.
            ledger.Record(Begin.AddSeconds(second), new TierStatistics { Hits = second <= 1800 ? second : 1800 + ((second - 1800) * 3) });
            if (second == 1800)
            {
                Assert.Equal(86_400, ledger.Read()!.HitsPerDay, 3);
            }
        }

        var account = ledger.Read()!;
        Assert.Equal(3 * 86_400, account.HitsPerDay, 3);
        Assert.InRange(account.Window, TimeSpan.FromMinutes(10), TimeSpan.FromMinutes(10.5));
        Assert.InRange(ledger.Snapshots, 50, 70);
    }

    [Fact]
    public void A_counter_or_clock_that_goes_back_begins_anew()
    {
        TierLedger ledger = new(Prices, OriginCost.Unknown);
        ledger.Record(Begin, new TierStatistics { Hits = 100 });
        ledger.Record(Begin.AddMinutes(1), new TierStatistics { Hits = 200 });
        Assert.NotNull(ledger.Read());
        ledger.Record(Begin.AddMinutes(2), new TierStatistics { Hits = 5 });
        Assert.Null(ledger.Read());
        ledger.Record(Begin.AddMinutes(3), new TierStatistics { Hits = 65 });
        Assert.Equal(86_400, ledger.Read()!.HitsPerDay, 3);
        ledger.Record(Begin, new TierStatistics { Hits = 66 });
        Assert.Null(ledger.Read());
    }

    private static TierStatistics Day(long heldBytes) => new()
    {
        HeldBytes = heldBytes,
        Entries = 1000,
        Hits = 1_000_000,
        Misses = 250_000,
        WriteRequests = 100,
        ReadRequests = 1_000_000,
        DeleteRequests = 50,
        WrittenBytes = 3 * Gb,
        ReadBytes = 60 * Gb,
        ReadMs = 14,
    };
}
