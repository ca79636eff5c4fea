using Levee.Operations;

namespace Levee.Tiers.Money;

/// <summary>
/// The books of one tier: from its counters over time, what it costs per day at the present traffic, and what it saves against the origin. Fed with a snapshot every few seconds. Safe for threads.
/// <code>
/// rate(x)   = (x at the window's end - x at its begin) / window, per day
/// requests  = (rate(writes) * put + rate(reads) * get + rate(deletes) * delete) / 1e6
/// storage   = mean GB held * gb-month * 24 / 730  +  GB of capacity * gb-hour * 24      (no capacity of ours: GB held)
/// transfer  = rate(GB read) * gb-out
/// cost      = requests + storage + transfer
/// saved     = rate(hits) * origin dollars - cost
/// time      = rate(hits) * (origin ms - measured read ms)
/// </code>
/// Every hit counts as a load spared. A hit that the tier answers from memory or from the page cache is faster than a read request, so that the time saved is a lower bound.
/// A counter that has gone back (the tier was started anew) begins a new window.
/// </summary>
public sealed class TierLedger
{
    private const double HoursPerDay = 24;
    private const double MillionRequests = 1e6;
    private const int WindowSteps = 60;

    private readonly TierPrices prices;
    private readonly OriginCost origin;
    private readonly TimeSpan window;
    private readonly Lock change = new();
    private readonly LinkedList<Snapshot> snapshots = new();

    /// <param name="prices">What the tier costs.</param>
    /// <param name="origin">What a load from the origin costs.</param>
    /// <param name="window">How far back "present" traffic goes; null: 10 minutes.</param>
    public TierLedger(TierPrices prices, OriginCost origin, TimeSpan? window = null)
    {
        ArgumentNullException.ThrowIfNull(prices);
        this.prices = prices;
        this.origin = origin;
        this.window = window ?? TimeSpan.FromMinutes(10);
        ArgumentOutOfRangeException.ThrowIfLessThanOrEqual(this.window, TimeSpan.Zero);
    }

    internal int Snapshots => snapshots.Count;

    /// <summary>Takes a snapshot in. Snapshots closer together than a sixtieth of the window replace the last one, so that few are kept.</summary>
    public void Record(DateTimeOffset at, TierStatistics statistics)
    {
        ArgumentNullException.ThrowIfNull(statistics);
        lock (change)
        {
            if (snapshots.Last is { } last && (at <= last.Value.At || HasGoneBack(last.Value.Statistics, statistics)))
            {
                snapshots.Clear();
            }

            if (snapshots.Count >= 2 && at - snapshots.Last!.Previous!.Value.At < window / WindowSteps)
            {
                snapshots.RemoveLast();
            }

            snapshots.AddLast(new Snapshot(at, statistics));
            while (snapshots.Count > 2 && at - snapshots.First!.Next!.Value.At >= window)
            {
                snapshots.RemoveFirst();
            }
        }
    }

    /// <summary>The books at the last snapshot; null before there are two.</summary>
    public TierAccount? Read()
    {
        lock (change)
        {
            return snapshots.Count < 2
                ? null
                : Between(snapshots.First!.Value.Statistics, snapshots.Last!.Value.Statistics, snapshots.Last.Value.At - snapshots.First.Value.At, prices, origin);
        }
    }

    /// <summary>The books of one window.</summary>
    public static TierAccount Between(TierStatistics begin, TierStatistics end, TimeSpan window, TierPrices prices, OriginCost origin)
    {
        ArgumentNullException.ThrowIfNull(begin);
        ArgumentNullException.ThrowIfNull(end);
        ArgumentNullException.ThrowIfNull(prices);
        ArgumentOutOfRangeException.ThrowIfLessThanOrEqual(window, TimeSpan.Zero);
        var perDay = TimeSpan.FromDays(1) / window;
        var hits = end.Hits - begin.Hits;
        var reads = hits + end.Misses - begin.Misses;
        var writeRequests = (end.WriteRequests - begin.WriteRequests) * perDay;
        var readRequests = (end.ReadRequests - begin.ReadRequests) * perDay;
        var deleteRequests = (end.DeleteRequests - begin.DeleteRequests) * perDay;
        var readGb = (end.ReadBytes - begin.ReadBytes) * perDay / TierPrices.GbBytes;
        var heldGb = (begin.HeldBytes + end.HeldBytes) / 2d / TierPrices.GbBytes;
        var rentedGb = end.CapacityBytes > 0 ? end.CapacityBytes / TierPrices.GbBytes : heldGb;
        return new TierAccount
        {
            Window = window,
            Prices = prices,
            Origin = origin,
            HeldBytes = end.HeldBytes,
            Entries = end.Entries,
            HitsPerDay = hits * perDay,
            MissesPerDay = (reads - hits) * perDay,
            HitRatio = reads > 0 ? (double)hits / reads : 0,
            DemotionsPerDay = (end.Demotions - begin.Demotions) * perDay,
            WriteRequestsPerDay = writeRequests,
            ReadRequestsPerDay = readRequests,
            DeleteRequestsPerDay = deleteRequests,
            WrittenGbPerDay = (end.WrittenBytes - begin.WrittenBytes) * perDay / TierPrices.GbBytes,
            ReadGbPerDay = readGb,
            RequestDollarsPerDay =
                ((writeRequests * prices.PerMillionWrites) + (readRequests * prices.PerMillionReads) + (deleteRequests * prices.PerMillionDeletes)) / MillionRequests,
            StorageDollarsPerDay = (heldGb * prices.PerGbMonth * HoursPerDay / TierPrices.HoursPerMonth) + (rentedGb * prices.PerGbHour * HoursPerDay),
            TransferDollarsPerDay = readGb * prices.PerGbOut,
            ReadMs = end.ReadMs,
        };
    }

    private static bool HasGoneBack(TierStatistics before, TierStatistics now) =>
        now.Hits < before.Hits || now.Misses < before.Misses || now.Demotions < before.Demotions || now.WriteRequests < before.WriteRequests
        || now.ReadRequests < before.ReadRequests || now.DeleteRequests < before.DeleteRequests || now.WrittenBytes < before.WrittenBytes || now.ReadBytes < before.ReadBytes;

    private readonly record struct Snapshot(DateTimeOffset At, TierStatistics Statistics);
}
