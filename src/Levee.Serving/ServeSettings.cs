using System.Globalization;
using System.Net;
using Levee.Codec;
using Levee.Hosting;
using Levee.Tiers;
using Levee.Tiers.Money;
using Microsoft.Extensions.Logging;

namespace Levee.Serving;

/// <summary>What a server was told, checked.</summary>
/// <param name="Resp">Where RESP listens; port 0: any free one.</param>
/// <param name="Http">Where HTTP listens; port 0: any free one.</param>
/// <param name="Caches">The caches, the default one first.</param>
/// <param name="Tiers">What lies below memory.</param>
/// <param name="User">The user that AUTH may name beside "default".</param>
/// <param name="Password">The password of both front doors; empty: none.</param>
/// <param name="MaxConnections">The most RESP connections at a time.</param>
/// <param name="IdleTimeout">RESP connections that are silent for so long are closed; zero: never.</param>
/// <param name="IoThreads">I/O threads of the RESP listener; 0: chosen.</param>
/// <param name="UsesPortableTransport">Whether RESP uses the portable transport where the system has a better one.</param>
/// <param name="LogLevel">What is logged.</param>
public sealed record ServeSettings(
    IPEndPoint Resp,
    IPEndPoint Http,
    IReadOnlyList<CacheOptions> Caches,
    TierSettings Tiers,
    string User,
    string Password,
    int MaxConnections,
    TimeSpan IdleTimeout,
    int IoThreads,
    bool UsesPortableTransport,
    LogLevel LogLevel)
{
    /// <summary>The longest time that an option takes: ten years.</summary>
    private static readonly TimeSpan LongestTime = TimeSpan.FromDays(10 * 366);

    /// <summary>The memory budget of all caches together, in bytes.</summary>
    public long MemoryBytes => Caches.Sum(cache => cache.MemoryBytes);

    /// <summary>Reads and checks all options.</summary>
    /// <param name="read">Gives the text of an option and where it came from, or null for its default.</param>
    /// <param name="availableBytes">The memory that the machine or its cgroup allows.</param>
    /// <exception cref="OptionException">A value is not allowed; the message names option, value, source and what is allowed.</exception>
    public static ServeSettings Read(Func<ServeOption, (string Text, string Source)?> read, long availableBytes)
    {
        var bind = Value(read, ServeOption.Bind, static (string text, out IPAddress value) => IPAddress.TryParse(text, out value!));
        var ttl = Value<TimeSpan>(read, ServeOption.DefaultTtl, TryTime);
        var memory = Value(read, ServeOption.Memory, (string text, out long value) => text.Length == 0 ? Default(availableBytes / 2, out value) : ByteSize.TryParse(text, out value) && value >= CacheOptions.MinMemoryBytes);
        var shared = new CacheOptions
        {
            Policy = Value(read, ServeOption.Policy, static (string text, out string value) => OneOf(text, ["arc", "lru"], out value)),
            DefaultTtl = ttl,
            DefaultTtlJitter = Value(read, ServeOption.DefaultTtlJitter, (string text, out TimeSpan value) => TryTime(text, out value) && value <= ttl),
            Partitions = Value(read, ServeOption.Partitions, static (string text, out int value) => TryCount(text, 0, 1024, out value)),
            MaxValueBytes = (int)Value(read, ServeOption.MaxValue, static (string text, out long value) => text.Length == 0 ? Default(0, out value) : ByteSize.TryParse(text, out value) && value is > 0 and <= int.MaxValue),
        };
        var tiers = ReadTiers(read);
        return new ServeSettings(
            new IPEndPoint(bind, Value(read, ServeOption.RespPort, static (string text, out int value) => TryCount(text, 0, 65535, out value))),
            new IPEndPoint(bind, Value(read, ServeOption.HttpPort, static (string text, out int value) => TryCount(text, 0, 65535, out value))),
            [.. ReadCaches(read, shared, memory).Select(cache => cache with { WritesThrough = tiers.WritesThrough })],
            tiers,
            Value(read, ServeOption.User, static (string text, out string value) => Any(text, out value) && text.Length is > 0 and <= 64),
            Value<string>(read, ServeOption.Password, Any),
            Value(read, ServeOption.MaxConnections, static (string text, out int value) => TryCount(text, 1, 1_000_000, out value)),
            Value<TimeSpan>(read, ServeOption.IdleTimeout, TryTime),
            Value(read, ServeOption.IoThreads, static (string text, out int value) => TryCount(text, 0, 256, out value)),
            Value(read, ServeOption.Transport, static (string text, out string value) => OneOf(text, ["auto", "sockets"], out value)) == "sockets",
            Value(read, ServeOption.LogLevel, static (string text, out LogLevel value) => Enum.TryParse(text, ignoreCase: true, out value) && Enum.IsDefined(value)));
    }

    private static TierSettings ReadTiers(Func<ServeOption, (string Text, string Source)?> read)
    {
        var addresses = Value<List<TierAddress>>(read, ServeOption.Tier, TryAddresses);
        var above = Value(read, ServeOption.CompressAbove, static (string text, out long value) => ByteSize.TryParse(text, out value) && value <= 1 << 30);
        var settings = new TierSettings(
            addresses,
            Value<List<long>>(read, ServeOption.TierCapacity, TryCapacities),
            Value<string>(read, ServeOption.DataDir, Any),
            Value(read, ServeOption.Durability, static (string text, out string value) => OneOf(text, ["evict", "through"], out value)) == "through",
            Value(read, ServeOption.Fsync, static (string text, out string value) => OneOf(text, ["yes", "no"], out value)) == "yes",
            Value(read, ServeOption.Compress, (string text, out CompressionOptions value) => TryCompression(text, (int)above, out value)),
            Value<string>(read, ServeOption.Keys, Any),
            Value<string[]>(read, ServeOption.TierPrices, (string text, out string[] value) => TryPrices(text, addresses.Count, out value)),
            Value<OriginCost>(read, ServeOption.OriginCost, TryOriginCost));
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
        if (parts.Length == 2 && !TryCount(parts[1], 0, 11, out level))
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

    private static CacheOptions[] ReadCaches(Func<ServeOption, (string Text, string Source)?> read, CacheOptions shared, long memory)
    {
        var named = Value(read, ServeOption.Caches, (string text, out List<CacheOptions> value) =>
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

    private delegate bool Parser<T>(string text, out T value);

    private static T Value<T>(Func<ServeOption, (string Text, string Source)?> read, ServeOption option, Parser<T> parse)
    {
        var (text, source) = read(option) ?? (option.Default, "default");
        if (!parse(text, out var value))
        {
            throw new OptionException($"{option.Name} is '{text}' (from {source}); allowed: {option.Allowed}");
        }

        return value;
    }

    private static bool Any(string text, out string value)
    {
        value = text;
        return true;
    }

    private static bool Default(long bytes, out long value)
    {
        value = bytes;
        return true;
    }

    private static bool OneOf(string text, string[] allowed, out string value)
    {
        value = text.ToLowerInvariant();
        return allowed.Contains(value);
    }

    private static bool TryCount(string text, int min, int max, out int value) =>
        int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out value) && value >= min && value <= max;

    private static bool TryTime(string text, out TimeSpan value)
    {
        value = TimeSpan.Zero;
        if (!Duration.TryParseMilliseconds(text, out var milliseconds) || milliseconds > LongestTime.TotalMilliseconds)
        {
            return false;
        }

        value = TimeSpan.FromMilliseconds(milliseconds);
        return true;
    }
}
