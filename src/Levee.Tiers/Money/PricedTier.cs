using Levee.Operations;
using Levee.Partitions;
using Levee.Segments;

namespace Levee.Tiers.Money;

/// <summary>
/// A tier with its books: takes down only what is worth its price (<see cref="DemotionWorth"/>), and says what the tier costs and saves (<see cref="TierLedger"/>). All else is the tier's.
/// </summary>
public sealed class PricedTier : ITier
{
    private static readonly TimeSpan BookingPeriod = TimeSpan.FromSeconds(5);

    private readonly ITier tier;
    private readonly TierLedger ledger;
    private readonly DemotionWorth worth;
    private readonly TimeProvider time;
    private readonly bool isOriginKnown;
    private ITimer? booking;
    private (DateTimeOffset At, TierStatistics Statistics)? last;
    private long refusals;

    /// <param name="tier">The tier; this owns it.</param>
    /// <param name="prices">What it costs.</param>
    /// <param name="origin">What a load from the origin costs.</param>
    /// <param name="bytesPerWrite">What a write request carries; 0: one entry.</param>
    /// <param name="time">The clock.</param>
    public PricedTier(ITier tier, TierPrices prices, OriginCost origin, long bytesPerWrite, TimeProvider time)
    {
        ArgumentNullException.ThrowIfNull(tier);
        this.tier = tier;
        this.time = time;
        ledger = new TierLedger(prices, origin);
        worth = new DemotionWorth(prices, origin, bytesPerWrite);
        isOriginKnown = origin.Dollars > 0 || origin.Milliseconds > 0;
    }

    /// <inheritdoc/>
    public string Name => tier.Name;

    /// <inheritdoc/>
    public string Kind => tier.Kind;

    /// <inheritdoc/>
    public ITier? Below
    {
        get => tier.Below;
        set => tier.Below = value;
    }

    /// <inheritdoc/>
    public long FloorMs => tier.FloorMs;

    /// <inheritdoc/>
    public long HoldsFromMs => tier.HoldsFromMs;

    /// <inheritdoc/>
    public bool IsCommitted => tier.IsCommitted;

    /// <inheritdoc/>
    public async Task StartAsync(ITierHost host, CancellationToken cancellation)
    {
        await tier.StartAsync(host, cancellation).ConfigureAwait(false);
        booking = time.CreateTimer(static priced => ((PricedTier)priced!).Book(), this, TimeSpan.Zero, BookingPeriod);
    }

    /// <inheritdoc/>
    public bool HasRoom => tier.HasRoom;

    /// <inheritdoc/>
    public void Approach(ulong hash) => tier.Approach(hash);

    /// <inheritdoc/>
    public bool MayHold(ulong hash) => tier.MayHold(hash);

    /// <inheritdoc/>
    public void Demote(scoped in TierEntry entry)
    {
        if (isOriginKnown)
        {
            var bytes = TierRecord.PlainLength(entry);
            var remaining = entry.ExpiresAt == Limits.Never ? long.MaxValue : entry.ExpiresAt - time.GetUtcNow().ToUnixTimeMilliseconds();
            if (!worth.Admit(bytes, remaining))
            {
                Interlocked.Increment(ref refusals);
                return;
            }

            worth.Reuse.Demoted(bytes);
        }

        tier.Demote(entry);
    }

    /// <inheritdoc/>
    public bool Keep(ulong hash) => tier.Keep(hash);

    /// <inheritdoc/>
    public void Promoted(ulong hash) => tier.Promoted(hash);

    /// <inheritdoc/>
    public bool TryWriteThrough(scoped in TierEntry entry) => tier.TryWriteThrough(entry);

    /// <inheritdoc/>
    public void Invalidate(ulong hash, ulong version) => tier.Invalidate(hash, version);

    /// <inheritdoc/>
    public void Forget(ulong hash) => tier.Forget(hash);

    /// <inheritdoc/>
    public bool RemoveByTag(int partition, ReadOnlySpan<byte> tag, ulong version) => tier.RemoveByTag(partition, tag, version);

    /// <inheritdoc/>
    public bool Clear(int partition, ulong version) => tier.Clear(partition, version);

    /// <inheritdoc/>
    public ValueTask CommitAsync() => tier.CommitAsync();

    /// <inheritdoc/>
    public ValueTask<TierRead> ReadAsync(ulong hash, ReadOnlyMemory<byte>? key, CancellationToken cancellation)
    {
        var reading = tier.ReadAsync(hash, key, cancellation);
        return isOriginKnown ? CountAsync(reading) : reading;
    }

    /// <inheritdoc/>
    public void Reserve(long untilMs) => tier.Reserve(untilMs);

    /// <inheritdoc/>
    public Task DrainAsync(CancellationToken cancellation) => tier.DrainAsync(cancellation);

    /// <inheritdoc/>
    public ValueTask<long> ScanAsync(long position, TierEntryVisitor visit, CancellationToken cancellation) => tier.ScanAsync(position, visit, cancellation);

    /// <inheritdoc/>
    public TierStatistics GetStatistics()
    {
        var statistics = tier.GetStatistics();
        var account = ledger.Read();
        return statistics with
        {
            Drops = statistics.Drops + Interlocked.Read(ref refusals),
            Cost = account is null ? null : new TierCost(
                account.RequestDollarsPerDay,
                account.StorageDollarsPerDay,
                account.TransferDollarsPerDay,
                account.OriginDollarsPerDay ?? 0,
                (account.SavedHoursPerDay ?? 0) * TimeSpan.SecondsPerHour,
                account.Window.TotalSeconds,
                account.Prices.Source),
        };
    }

    /// <inheritdoc/>
    public TierPlace? Explain(ulong hash) => tier.Explain(hash);

    /// <inheritdoc/>
    public Task StopAsync(CancellationToken cancellation) => tier.StopAsync(cancellation);

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        if (booking is not null)
        {
            await booking.DisposeAsync().ConfigureAwait(false);
        }

        await tier.DisposeAsync().ConfigureAwait(false);
    }

    private async ValueTask<TierRead> CountAsync(ValueTask<TierRead> reading)
    {
        var read = await reading.ConfigureAwait(false);
        if (read.Outcome == TierReadOutcome.Found)
        {
            worth.Reuse.Reused(read.Record.Length);
        }

        return read;
    }

    private void Book()
    {
        var now = time.GetUtcNow();
        var statistics = tier.GetStatistics();
        ledger.Record(now, statistics);
        if (last is { } before && now > before.At)
        {
            worth.Update(before.Statistics, statistics, now - before.At);
        }

        last = (now, statistics);
    }
}
