using Levee.Operations;

namespace Levee.Tiers.Money;

/// <summary>
/// Decides whether an entry is worth taking down to a tier. It is not when the expected saving is less than its price:
/// <code>
/// share   = min(1, entry bytes / bytes per write)                                        an entry's part of the PUT, and of the DELETE later
/// fixed   = share * (put + delete) / 1e6
///         + entry GB * (gb-month / 730 + gb-hour) * min(stay, remaining TTL) in hours
/// per hit = get / 1e6 + max(entry, bytes per read) in GB * gb-out
/// worth   = reuses * (origin dollars - per hit) >= fixed
/// </code>
/// <i>reuses</i> is what <see cref="ReuseMeter"/> has measured for the size. Where the origin's price is not known, only time counts: everything is worth it, but where a read from the
/// tier takes longer than a load. An entry whose copy still lies in the tier is not asked about: it stays there and costs no write. Of what is not worth it, one entry in 64 goes down all the same: otherwise a verdict could never be revised.
/// All of it is arithmetic on what lies in memory; safe for threads and cheap enough for a partition that is held.
/// </summary>
public sealed class DemotionWorth
{
    /// <summary>Of what is not worth it, one in so many goes down.</summary>
    public const int ProbeEvery = 64;

    private const double MostStayHours = TierPrices.HoursPerMonth;
    private const double MillionRequests = 1e6;

    private readonly TierPrices prices;
    private readonly OriginCost origin;
    private readonly long bytesPerWrite;
    private volatile DemotionTerms terms;
    private long refusals;

    /// <param name="prices">What the tier costs.</param>
    /// <param name="origin">What a load costs where an entry does not say otherwise.</param>
    /// <param name="bytesPerWrite">Bytes of a segment; 0: each entry is written by a request of its own.</param>
    public DemotionWorth(TierPrices prices, OriginCost origin, long bytesPerWrite)
    {
        ArgumentNullException.ThrowIfNull(prices);
        ArgumentOutOfRangeException.ThrowIfNegative(bytesPerWrite);
        this.prices = prices;
        this.origin = origin;
        this.bytesPerWrite = bytesPerWrite;
        terms = new DemotionTerms { BytesPerWrite = bytesPerWrite };
    }

    /// <summary>What comes back.</summary>
    public ReuseMeter Reuse { get; } = new();

    /// <summary>The terms of the moment.</summary>
    public DemotionTerms Terms => terms;

    /// <summary>Entries that were not worth it, probes included.</summary>
    public long Refusals => Interlocked.Read(ref refusals);

    /// <summary>Learns from a tier's counters how long entries stay, what a read brings and how long it takes.</summary>
    public void Update(TierStatistics begin, TierStatistics end, TimeSpan window)
    {
        ArgumentNullException.ThrowIfNull(begin);
        ArgumentNullException.ThrowIfNull(end);
        ArgumentOutOfRangeException.ThrowIfLessThanOrEqual(window, TimeSpan.Zero);
        var before = terms;
        var requests = end.ReadRequests - begin.ReadRequests;
        var writtenPerHour = (end.WrittenBytes - begin.WrittenBytes) / window.TotalHours;
        terms = new DemotionTerms
        {
            BytesPerWrite = bytesPerWrite,
            BytesPerRead = requests > 0 ? Math.Max(0, (double)(end.ReadBytes - begin.ReadBytes) / requests) : before.BytesPerRead,
            ReadMs = end.ReadMs,
            StayHours = end.CapacityBytes > 0 && writtenPerHour > 0 ? Math.Min(MostStayHours, end.CapacityBytes / writtenPerHour) : before.StayHours,
        };
    }

    /// <summary>Whether an entry is to be taken down, by the cache's origin cost.</summary>
    /// <param name="bytes">What it takes in the tier.</param>
    /// <param name="remaining">Until it expires, in milliseconds; <see cref="long.MaxValue"/>: never.</param>
    public bool Admit(int bytes, long remaining) => Admit(bytes, remaining, origin);

    /// <summary>The same for an entry that has an origin cost of its own.</summary>
    public bool Admit(int bytes, long remaining, OriginCost entryOrigin) =>
        IsWorth(bytes, remaining, Reuse.ExpectedReuses(bytes), prices, entryOrigin, terms) || Interlocked.Increment(ref refusals) % ProbeEvery == 0;

    /// <summary>The rule by itself.</summary>
    public static bool IsWorth(int bytes, long remaining, double reuses, TierPrices prices, OriginCost origin, DemotionTerms terms)
    {
        ArgumentNullException.ThrowIfNull(prices);
        ArgumentNullException.ThrowIfNull(terms);
        return origin.Dollars > 0
            ? reuses * (origin.Dollars - DollarsPerHit(bytes, prices, terms)) >= DollarsToHold(bytes, remaining, prices, terms)
            : origin.Milliseconds <= 0 || terms.ReadMs <= origin.Milliseconds;
    }

    /// <summary>What a hit on the entry costs, in dollars.</summary>
    public static double DollarsPerHit(int bytes, TierPrices prices, DemotionTerms terms)
    {
        ArgumentNullException.ThrowIfNull(prices);
        ArgumentNullException.ThrowIfNull(terms);
        return (prices.PerMillionReads / MillionRequests) + (Math.Max(bytes, terms.BytesPerRead) / TierPrices.GbBytes * prices.PerGbOut);
    }

    /// <summary>What it costs to take the entry down and hold it for as long as it stays, in dollars.</summary>
    public static double DollarsToHold(int bytes, long remaining, TierPrices prices, DemotionTerms terms)
    {
        ArgumentNullException.ThrowIfNull(prices);
        ArgumentNullException.ThrowIfNull(terms);
        var share = terms.BytesPerWrite > 0 ? Math.Min(1, (double)bytes / terms.BytesPerWrite) : 1;
        var hours = Math.Min(terms.StayHours, Math.Max(0, remaining) / (double)TimeSpan.MillisecondsPerHour);
        return (share * (prices.PerMillionWrites + prices.PerMillionDeletes) / MillionRequests)
            + (bytes / TierPrices.GbBytes * ((prices.PerGbMonth / TierPrices.HoursPerMonth) + prices.PerGbHour) * hours);
    }
}
