using System.Globalization;

namespace Levee.Tiers.Money;

/// <summary>
/// What a tier costs, in US dollars. A GB is 2^30 bytes, as the vendors bill it; a month is 730 hours.
/// The defaults are list prices without discounts; whoever pays other prices says so (<see cref="Parse"/>).
/// </summary>
public sealed record TierPrices
{
    /// <summary>Bytes of a GB as it is billed.</summary>
    public const double GbBytes = 1L << 30;

    /// <summary>Hours of a month as it is billed.</summary>
    public const double HoursPerMonth = 730;

    private const string Allowed =
        "Allowed are put, get and delete as dollars per million requests (\"put=5.00/M\"; /K and /10K as well), "
        + "gb-month, gb-out and gb-hour as dollars per GB (\"gb-month=0.023\"), parted by blanks or commas.";

    /// <summary>Costs nothing, or is paid for otherwise: files on the machine's own disk.</summary>
    public static TierPrices Free { get; } = new() { Source = "free unless configured: the machine's own disk" };

    /// <summary>
    /// Amazon S3 Standard in us-east-1, first 50 TB: 0.005 per 1,000 PUT and LIST, 0.0004 per 1,000 GET, DELETE free, 0.023 per GB-month. Transfer out is free within the region, where a cache
    /// belongs; to the internet it is 0.09 per GB (<c>gb-out=0.09</c>). Source: list prices of aws.amazon.com/s3/pricing as published write-ups quoted them in 2025.
    /// </summary>
    public static TierPrices S3Standard { get; } = new()
    {
        PerMillionWrites = 5,
        PerMillionReads = 0.4,
        PerGbMonth = 0.023,
        Source = "S3 Standard, us-east-1, read within the region; list prices of aws.amazon.com/s3/pricing as quoted in 2025",
    };

    /// <summary>
    /// Azure Blob Storage, hot tier, LRS, East US, first 50 TB: 0.05 per 10,000 writes, 0.004 per 10,000 reads, deletes free, 0.0208 per GB-month. Transfer out is free within the region; to the
    /// internet it is 0.087 per GB (<c>gb-out=0.087</c>). Source: list prices of azure.microsoft.com/pricing/details/storage/blobs as cost estimators quoted them in 2023 to 2026;
    /// regions differ by a tenth or two.
    /// </summary>
    public static TierPrices AzureHotLrs { get; } = new()
    {
        PerMillionWrites = 5,
        PerMillionReads = 0.4,
        PerGbMonth = 0.0208,
        Source = "Azure Blob hot LRS, East US, read within the region; list prices of azure.microsoft.com/pricing/details/storage/blobs as quoted in 2023 to 2026",
    };

    /// <summary>
    /// Redis as a service, by the hour and GB of a node: ElastiCache cache.r7g.large in us-east-1, 0.219 an hour for 13.07 GiB, of which the service reserves a quarter by default: 0.0223 per GB-hour
    /// of what can be filled. A replica doubles it; serverless is 0.125 (Valkey 0.084). Source: on-demand list prices of aws.amazon.com/elasticache/pricing as quoted in 2025 and 2026.
    /// </summary>
    public static TierPrices RedisByGbHour { get; } = new()
    {
        PerGbHour = 0.0223,
        Source = "ElastiCache cache.r7g.large, us-east-1, on demand, without replica; list price of aws.amazon.com/elasticache/pricing as quoted in 2025",
    };

    /// <summary>Dollars per million requests that write.</summary>
    public double PerMillionWrites { get; init; }

    /// <summary>Dollars per million requests that read.</summary>
    public double PerMillionReads { get; init; }

    /// <summary>Dollars per million requests that delete.</summary>
    public double PerMillionDeletes { get; init; }

    /// <summary>Dollars per GB held for a month: what is held is paid.</summary>
    public double PerGbMonth { get; init; }

    /// <summary>Dollars per GB read.</summary>
    public double PerGbOut { get; init; }

    /// <summary>Dollars per GB of capacity for an hour: what is rented is paid, full or not.</summary>
    public double PerGbHour { get; init; }

    /// <summary>Where the prices come from and of when they are.</summary>
    public string Source { get; init; } = "configured";

    /// <summary>The defaults of a kind of tier (<see cref="ITier.Kind"/>).</summary>
    public static TierPrices Of(string kind) => kind switch
    {
        "s3" => S3Standard,
        "azblob" => AzureHotLrs,
        "redis" => RedisByGbHour,
        _ => Free,
    };

    /// <summary>Reads prices from configuration: "put=5.00/M get=0.40/M delete=0/M gb-month=0.023 gb-out=0.09 gb-hour=0". What is not said stays as in <paramref name="defaults"/>.</summary>
    /// <exception cref="TierException">The text is not of that form; the message says what is allowed.</exception>
    public static TierPrices Parse(string text, TierPrices defaults)
    {
        ArgumentNullException.ThrowIfNull(text);
        ArgumentNullException.ThrowIfNull(defaults);
        var prices = defaults;
        HashSet<string> seen = [];
        foreach (var part in text.Split([' ', ',', '\t', '\n', '\r'], StringSplitOptions.RemoveEmptyEntries))
        {
            var equals = part.IndexOf('=', StringComparison.Ordinal);
            var name = equals < 0 ? part : part[..equals];
            if (equals < 0)
            {
                throw new TierException($"The price \"{part}\" has no '='. {Allowed}");
            }

            if (!seen.Add(name))
            {
                throw new TierException($"The price {name} is given twice. Each may be given once.");
            }

            prices = prices.With(name, part, part.AsSpan(equals + 1));
        }

        if (seen.Count == 0)
        {
            return prices;
        }

        return prices with { Source = defaults == Free ? "configured" : $"configured; what is not: {defaults.Source}" };
    }

    /// <summary>The prices in the form that <see cref="Parse"/> reads.</summary>
    public override string ToString() => string.Create(
        CultureInfo.InvariantCulture,
        $"put={PerMillionWrites:0.####}/M get={PerMillionReads:0.####}/M delete={PerMillionDeletes:0.####}/M gb-month={PerGbMonth:0.######} gb-out={PerGbOut:0.######} gb-hour={PerGbHour:0.######}");

    private TierPrices With(string name, string part, ReadOnlySpan<char> value) => name switch
    {
        "put" => this with { PerMillionWrites = PerMillion(part, value) },
        "get" => this with { PerMillionReads = PerMillion(part, value) },
        "delete" => this with { PerMillionDeletes = PerMillion(part, value) },
        "gb-month" => this with { PerGbMonth = Dollars(part, value) },
        "gb-out" => this with { PerGbOut = Dollars(part, value) },
        "gb-hour" => this with { PerGbHour = Dollars(part, value) },
        _ => throw new TierException($"The price {name} is not known. {Allowed}"),
    };

    private static double PerMillion(string part, ReadOnlySpan<char> value)
    {
        var slash = value.IndexOf('/');
        if (slash < 0)
        {
            throw new TierException($"The price \"{part}\" does not say for how many requests. {Allowed}");
        }

        var times = value[(slash + 1)..] switch
        {
            "M" or "m" => 1d,
            "10K" or "10k" => 100,
            "K" or "k" => 1000,
            _ => throw new TierException($"The price \"{part}\" is neither per million (/M), ten thousand (/10K) nor thousand (/K) requests."),
        };
        return Dollars(part, value[..slash]) * times;
    }

    private static double Dollars(string part, ReadOnlySpan<char> value) =>
        double.TryParse(value, NumberStyles.AllowDecimalPoint, CultureInfo.InvariantCulture, out var dollars) && double.IsFinite(dollars)
            ? dollars
            : throw new TierException($"The price \"{part}\" is not a number of dollars from 0 on, such as 0.023. {Allowed}");
}
