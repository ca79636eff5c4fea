namespace Levee.Tiers.Money;

/// <summary>What a tier costs and saves per day at the traffic of a window. All columns of a table; <see cref="TierLedger"/> has the formulas.</summary>
public sealed record TierAccount
{
    /// <summary>The window that the traffic was measured in.</summary>
    public TimeSpan Window { get; init; }

    /// <summary>What prices were used.</summary>
    public required TierPrices Prices { get; init; }

    /// <summary>What a load from the origin was taken to cost.</summary>
    public OriginCost Origin { get; init; }

    /// <summary>Bytes held at the window's end.</summary>
    public long HeldBytes { get; init; }

    /// <summary>Entries held at the window's end.</summary>
    public long Entries { get; init; }

    /// <summary>Hits per day.</summary>
    public double HitsPerDay { get; init; }

    /// <summary>Misses per day.</summary>
    public double MissesPerDay { get; init; }

    /// <summary>Hits of all reads, 0 to 1; 0 where there were none.</summary>
    public double HitRatio { get; init; }

    /// <summary>Entries taken down per day.</summary>
    public double DemotionsPerDay { get; init; }

    /// <summary>Write requests per day.</summary>
    public double WriteRequestsPerDay { get; init; }

    /// <summary>Read requests per day.</summary>
    public double ReadRequestsPerDay { get; init; }

    /// <summary>Delete requests per day.</summary>
    public double DeleteRequestsPerDay { get; init; }

    /// <summary>GB written per day.</summary>
    public double WrittenGbPerDay { get; init; }

    /// <summary>GB read per day.</summary>
    public double ReadGbPerDay { get; init; }

    /// <summary>Dollars per day for requests, of all three kinds.</summary>
    public double RequestDollarsPerDay { get; init; }

    /// <summary>Dollars per day for what is held or rented.</summary>
    public double StorageDollarsPerDay { get; init; }

    /// <summary>Dollars per day for what is read.</summary>
    public double TransferDollarsPerDay { get; init; }

    /// <summary>Dollars per day in all.</summary>
    public double DollarsPerDay => RequestDollarsPerDay + StorageDollarsPerDay + TransferDollarsPerDay;

    /// <summary>Dollars of a million hits; null where there were none.</summary>
    public double? DollarsPerMillionHits => HitsPerDay > 0 ? DollarsPerDay / HitsPerDay * 1e6 : null;

    /// <summary>What the loads would have cost that the hits spared, per day; null where the origin's price is not known.</summary>
    public double? OriginDollarsPerDay => Origin.Dollars > 0 ? HitsPerDay * Origin.Dollars : null;

    /// <summary>What the tier saves per day after its own cost; negative where it costs more than it spares; null where the origin's price is not known.</summary>
    public double? SavedDollarsPerDay => OriginDollarsPerDay - DollarsPerDay;

    /// <summary>Mean time of a read request, measured, in milliseconds; 0: none yet.</summary>
    public double ReadMs { get; init; }

    /// <summary>Waiting that the hits spare per day, in hours; null where the origin's time is not known. Negative where the tier is slower than the origin.</summary>
    public double? SavedHoursPerDay => Origin.Milliseconds > 0 ? HitsPerDay * (Origin.Milliseconds - ReadMs) / TimeSpan.MillisecondsPerHour : null;
}
