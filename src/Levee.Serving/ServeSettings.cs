using System.Globalization;
using System.Net;
using System.Numerics;
using Levee.Codec;
using Levee.Hosting;
using Levee.Learning;
using Levee.Tiers;
using Levee.Tiers.Money;
using Microsoft.Extensions.Logging;

namespace Levee.Serving;

/// <summary>What a server was told, checked.</summary>
/// <param name="Resp">Where RESP listens; port 0: any free one.</param>
/// <param name="Http">Where HTTP listens; port 0: any free one.</param>
/// <param name="Caches">The caches, the default one first.</param>
/// <param name="Tiers">What lies below memory.</param>
/// <param name="Prefetches">Whether entries are brought up from lower tiers ahead of their use; false where there are none.</param>
/// <param name="User">The user that AUTH may name beside "default".</param>
/// <param name="Password">The password of both front doors; empty: none.</param>
/// <param name="MaxConnections">The most RESP connections at a time.</param>
/// <param name="IdleTimeout">RESP connections that are silent for so long are closed; zero: never.</param>
/// <param name="IoThreads">I/O threads of the RESP listener; 0: chosen.</param>
/// <param name="UsesPortableTransport">Whether RESP uses the portable transport where the system has a better one.</param>
/// <param name="LogLevel">What is logged.</param>
/// <param name="StopTimeout">How long a stop may take.</param>
public sealed record ServeSettings(
    IPEndPoint Resp,
    IPEndPoint Http,
    IReadOnlyList<CacheOptions> Caches,
    TierSettings Tiers,
    bool Prefetches,
    string User,
    string Password,
    int MaxConnections,
    TimeSpan IdleTimeout,
    int IoThreads,
    bool UsesPortableTransport,
    LogLevel LogLevel,
    TimeSpan StopTimeout)
{
    /// <summary>The memory budget of all caches together, in bytes.</summary>
    public long MemoryBytes => Caches.Sum(cache => cache.MemoryBytes);

    private const long SmallPartitionBytes = 16L << 20;
    private const ulong MostPartitions = 64;

    /// <summary>With a number of partitions for each cache that was given none. Partitions are what moves between silos, and their number is fixed: more than one silo needs, as far as they do not become small.</summary>
    public ServeSettings WithPartitions() => this with
    {
        Caches = [.. Caches.Select(cache => cache with { Partitions = cache.Partitions != 0 ? cache.Partitions : DefaultPartitions(cache.MemoryBytes) })],
    };

    /// <summary>Reads and checks all options.</summary>
    /// <param name="read">Gives the text of an option and where it came from, or null for its default.</param>
    /// <param name="availableBytes">The memory that the machine or its cgroup allows.</param>
    /// <exception cref="OptionException">A value is not allowed; the message names option, value, source and what is allowed.</exception>
    public static ServeSettings Read(Func<ServeOption, (string Text, string Source)?> read, long availableBytes)
    {
        var values = new OptionValues(read);
        var bind = values.Get(ServeOption.Bind, static (string text, out IPAddress value) => IPAddress.TryParse(text, out value!));
        var ttl = values.Get<TimeSpan>(ServeOption.DefaultTtl, OptionValues.TryTime);
        var memory = values.Get(ServeOption.Memory, (string text, out long value) => text.Length == 0 ? Default(availableBytes / 2, out value) : ByteSize.TryParse(text, out value) && value >= CacheOptions.MinMemoryBytes);
        var shared = new CacheOptions
        {
            Policy = values.Get(ServeOption.Policy, static (string text, out string value) => OptionValues.OneOf(text, [.. CacheOptions.AllowedPolicies], out value)),
            DefaultTtl = ttl,
            DefaultTtlJitter = values.Get(ServeOption.DefaultTtlJitter, (string text, out TimeSpan value) => OptionValues.TryTime(text, out value) && value <= ttl),
            Partitions = values.Get(ServeOption.Partitions, static (string text, out int value) => OptionValues.TryCount(text, 0, 1024, out value)),
            MaxValueBytes = (int)values.Get(ServeOption.MaxValue, static (string text, out long value) => text.Length == 0 ? Default(0, out value) : ByteSize.TryParse(text, out value) && value is > 0 and <= int.MaxValue),
        };
        var tiers = ReadTiers(values);
        shared = shared with { PolicyObjective = values.Get(ServeOption.PolicyObjective, (string text, out PolicyObjective value) => TryObjective(text, tiers, out value)) };
        return new ServeSettings(
            new IPEndPoint(bind, values.Get(ServeOption.RespPort, static (string text, out int value) => OptionValues.TryCount(text, 0, 65535, out value))),
            new IPEndPoint(bind, values.Get(ServeOption.HttpPort, static (string text, out int value) => OptionValues.TryCount(text, 0, 65535, out value))),
            [.. ReadCaches(values, shared, memory).Select(cache => cache with { WritesThrough = tiers.WritesThrough })],
            tiers,
            values.Get(ServeOption.Prefetch, static (string text, out string value) => OptionValues.OneOf(text, ["on", "off"], out value)) == "on" && tiers.Addresses.Count > 0,
            values.Get(ServeOption.User, static (string text, out string value) => OptionValues.Any(text, out value) && text.Length is > 0 and <= 64),
            values.Get<string>(ServeOption.Password, OptionValues.Any),
            values.Get(ServeOption.MaxConnections, static (string text, out int value) => OptionValues.TryCount(text, 1, 1_000_000, out value)),
            values.Get<TimeSpan>(ServeOption.IdleTimeout, OptionValues.TryTime),
            values.Get(ServeOption.IoThreads, static (string text, out int value) => OptionValues.TryCount(text, 0, 256, out value)),
            values.Get(ServeOption.Transport, static (string text, out string value) => OptionValues.OneOf(text, ["auto", "sockets"], out value)) == "sockets",
            values.Get(ServeOption.LogLevel, static (string text, out LogLevel value) => Enum.TryParse(text, ignoreCase: true, out value) && Enum.IsDefined(value)),
            values.Get(ServeOption.StopTimeout, static (string text, out TimeSpan value) =>
                OptionValues.TryTime(text, out value) && value >= TimeSpan.FromSeconds(1) && value <= TimeSpan.FromHours(24)));
    }

    /// <summary>In money, a miss costs what the next place down asks for a read: the warmest tier, or the origin where that costs nothing or there is none.</summary>
    private static bool TryObjective(string text, TierSettings tiers, out PolicyObjective value)
    {
        value = PolicyObjective.Objects;
        if (!OptionValues.OneOf(text, ["objects", "bytes", "money"], out var name) || name == "objects")
        {
            return name == "objects";
        }

        if (name == "bytes")
        {
            value = PolicyObjective.Bytes;
            return true;
        }

        var prices = tiers.Addresses.Count == 0 ? TierPrices.Free : TierPrices.Parse(tiers.Prices.Count > 0 ? tiers.Prices[0] : "", TierPrices.Of(tiers.Addresses[0].Kind));
        var (perMiss, perByte) = (prices.PerMillionReads / 1e6, prices.PerGbOut / TierPrices.GbBytes);
        value = PolicyObjective.Money(perMiss + perByte > 0 ? perMiss : tiers.Origin.Dollars, perByte);
        return value.PerMiss + value.PerByte > 0;
    }

    private static TierSettings ReadTiers(OptionValues values)
    {
        var addresses = values.Get<List<TierAddress>>(ServeOption.Tier, TryAddresses);
        var above = values.Get(ServeOption.CompressAbove, static (string text, out long value) => ByteSize.TryParse(text, out value) && value <= 1 << 30);
        var settings = new TierSettings(
            addresses,
            values.Get<List<long>>(ServeOption.TierCapacity, TryCapacities),
            values.Get<string>(ServeOption.DataDir, OptionValues.Any),
            values.Get(ServeOption.Durability, static (string text, out string value) => OptionValues.OneOf(text, ["evict", "through"], out value)) == "through",
            values.Get(ServeOption.Fsync, static (string text, out string value) => OptionValues.OneOf(text, ["yes", "no"], out value)) == "yes",
            values.Get(ServeOption.Compress, (string text, out CompressionOptions value) => TryCompression(text, (int)above, out value)),
            values.Get<string>(ServeOption.Keys, OptionValues.Any),
            values.Get<string[]>(ServeOption.TierPrices, (string text, out string[] value) => TryPrices(text, addresses.Count, out value)),
            values.Get<OriginCost>(ServeOption.OriginCost, TryOriginCost));
        if (addresses.Count == 0 && (settings.WritesThrough || settings.Fsync))
        {
            throw new OptionException($"{ServeOption.Durability.Flag} through and {ServeOption.Fsync.Flag} yes need a tier, and {ServeOption.Tier.Flag} is none");
        }

        if (settings.Capacities.Count > addresses.Count)
        {
            throw new OptionException($"{ServeOption.TierCapacity.Flag} has {settings.Capacities.Count} sizes for {addresses.Count} tiers; allowed: {ServeOption.TierCapacity.Allowed}");
        }

        if (addresses.Count > 0 && settings.DataDir.Length == 0)
        {
            throw new OptionException($"{ServeOption.DataDir.Flag} is empty, and tiers keep their state there; allowed: {ServeOption.DataDir.Allowed}, or {ServeOption.Tier.Flag} none");
        }

        return settings;
    }

    private static bool TryAddresses(string text, out List<TierAddress> addresses)
    {
        addresses = [];
        if (text == "none")
        {
            return true;
        }

        foreach (var part in text.Split(' ', StringSplitOptions.RemoveEmptyEntries))
        {
            if (!TierAddress.TryParse(part, out var address))
            {
                return false;
            }

            addresses.Add(address);
        }

        return addresses.Count > 0;
    }

    private static bool TryCapacities(string text, out List<long> capacities)
    {
        capacities = [];
        foreach (var part in text.Split(',', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries))
        {
            if (!ByteSize.TryParse(part, out var bytes) || bytes < TierChainFactory.MinCapacityBytes)
            {
                return false;
            }

            capacities.Add(bytes);
        }

        return true;
    }

    private static bool TryPrices(string text, int tiers, out string[] prices)
    {
        prices = text.Length == 0 ? [] : text.Split(';', StringSplitOptions.TrimEntries);
        try
        {
            return prices.Length <= tiers && prices.All(static part => TierPrices.Parse(part, TierPrices.Free) is not null);
        }
        catch (TierException)
        {
            return false;
        }
    }

    private static bool TryOriginCost(string text, out OriginCost cost)
    {
        var (milliseconds, dollars) = (0d, 0d);
        cost = OriginCost.Unknown;
        foreach (var part in text.Split(' ', StringSplitOptions.RemoveEmptyEntries))
        {
            var isTime = part.StartsWith("ms=", StringComparison.Ordinal);
            var isMoney = part.StartsWith("dollars=", StringComparison.Ordinal);
            if ((!isTime && !isMoney) || !double.TryParse(part.AsSpan(part.IndexOf('=', StringComparison.Ordinal) + 1), NumberStyles.AllowDecimalPoint | NumberStyles.AllowExponent, CultureInfo.InvariantCulture, out var number) || !double.IsFinite(number))
            {
                return false;
            }

            (milliseconds, dollars) = isTime ? (number, dollars) : (milliseconds, number);
        }

        cost = new OriginCost(milliseconds, dollars);
        return true;
    }

    private static bool TryCompression(string text, int above, out CompressionOptions value)
    {
        value = CompressionOptions.None;
        var parts = text.Split(':');
        if (!Enum.TryParse<CompressionAlgorithm>(parts[0], ignoreCase: true, out var algorithm) || !Enum.IsDefined(algorithm) || char.IsAsciiDigit(text.FirstOrDefault()) || parts.Length > 2)
        {
            return false;
        }

        var level = 0;
        if (parts.Length == 2 && !OptionValues.TryCount(parts[1], 0, 11, out level))
        {
            return false;
        }

        try
        {
            value = new CompressionOptions(algorithm, parts.Length == 2 ? level : null, above);
            return true;
        }
        catch (ArgumentOutOfRangeException)
        {
            return false;
        }
    }

    private static CacheOptions[] ReadCaches(OptionValues values, CacheOptions shared, long memory)
    {
        var named = values.Get(ServeOption.Caches, (string text, out List<CacheOptions> value) =>
        {
            value = [];
            foreach (var part in text.Split(',', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries))
            {
                var equals = part.IndexOf('=', StringComparison.Ordinal);
                if (equals <= 0 || !ByteSize.TryParse(part[(equals + 1)..], out var bytes))
                {
                    return false;
                }

                value.Add(shared with { Name = part[..equals], MemoryBytes = bytes });
            }

            return true;
        });
        var rest = memory - named.Sum(cache => cache.MemoryBytes);
        if (rest < CacheOptions.MinMemoryBytes)
        {
            throw new OptionException($"the named caches leave {Math.Max(0, rest)} bytes of --memory for the default cache; allowed: at least {CacheOptions.MinMemoryBytes >> 20}mb ({ServeOption.Memory.Variable}, {ServeOption.Caches.Variable})");
        }

        CacheOptions[] all = [shared with { MemoryBytes = rest }, .. named];
        if (all.GroupBy(cache => cache.Name, StringComparer.Ordinal).FirstOrDefault(group => group.Count() > 1) is { } twice)
        {
            throw new OptionException($"two caches are named '{twice.Key}' ({ServeOption.Caches.Flag}, {ServeOption.Caches.Variable})");
        }

        foreach (var cache in all)
        {
            try
            {
                cache.Validate();
            }
            catch (ArgumentException wrong)
            {
                throw new OptionException($"cache '{cache.Name}': {wrong.Message}");
            }
        }

        return all;
    }

    private static int DefaultPartitions(long memoryBytes) => (int)Math.Clamp(BitOperations.RoundUpToPowerOf2((ulong)(memoryBytes / SmallPartitionBytes) + 1) >> 1, 1, MostPartitions);

    private static bool Default(long bytes, out long value)
    {
        value = bytes;
        return true;
    }
}
