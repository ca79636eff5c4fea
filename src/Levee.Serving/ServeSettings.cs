using System.Globalization;
using System.Net;
using System.Numerics;
using Levee.Codec;
using Levee.Hosting;
using Levee.Learning;
using Levee.Tiers;
using Levee.Tiers.Money;
using Levee.Tiers.Redis;
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
    /// <summary>Names by which HTTP clients may call the server beside localhost and its addresses; "*": any.</summary>
    public IReadOnlyList<string> HttpHosts { get; init; } = [];

    /// <summary>What is allowed and yet worth a word at the start: one sentence each.</summary>
    public IReadOnlyList<string> Warnings { get; init; } = [];

    /// <summary>The memory budget of all caches together, in bytes.</summary>
    public long MemoryBytes => Caches.Sum(cache => cache.MemoryBytes);

    /// <summary>Never the password.</summary>
    public override string ToString() => $"RESP on {Resp}, HTTP on {Http}, {Caches.Count} caches";

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
        var bind = values.Get(ServeOption.Bind, static (string text, out IPAddress value) => OptionValues.TryAddress(text, out value!));
        var ttl = values.Get<TimeSpan>(ServeOption.DefaultTtl, OptionValues.TryTime);
        var memory = values.Get(ServeOption.Memory, (string text, out long value) => text.Length == 0 ? Default(availableBytes / 2, out value) : ByteSize.TryParse(text, out value) && value >= CacheOptions.MinMemoryBytes);
        var shared = new CacheOptions
        {
            Policy = values.Get(ServeOption.Policy, static (string text, out string value) => OptionValues.OneOf(text, [.. CacheOptions.AllowedPolicies], out value)),
            DefaultTtl = ttl,
            DefaultTtlJitter = values.Get(ServeOption.DefaultTtlJitter, (string text, out TimeSpan value) => OptionValues.TryTime(text, out value) && value <= ttl),
            Partitions = values.Get(ServeOption.Partitions, static (string text, out int value) => OptionValues.TryCount(text, 0, 1024, out value) && (value == 0 || int.IsPow2(value))),
            MaxValueBytes = (int)values.Get(ServeOption.MaxValue, static (string text, out long value) => text.Length == 0 ? Default(0, out value) : ByteSize.TryParse(text, out value) && value is > 0 and <= int.MaxValue),
        };
        var tiers = ReadTiers(values);
        shared = shared with { PolicyObjective = values.Get(ServeOption.PolicyObjective, (string text, out PolicyObjective value) => TryObjective(text, tiers, out value)) };
        var respPort = values.Get(ServeOption.RespPort, static (string text, out int value) => OptionValues.TryCount(text, 0, 65535, out value));
        var httpPort = values.Get(ServeOption.HttpPort, static (string text, out int value) => OptionValues.TryCount(text, 0, 65535, out value));
        if (respPort == httpPort && respPort != 0)
        {
            throw values.Refusal(ServeOption.HttpPort, $"{ServeOption.RespPort.Flag} is the same; allowed: two different ports");
        }

        var password = values.Get<string>(ServeOption.Password, OptionValues.Any);
        if (password.Length == 0 && values.Has(ServeOption.User))
        {
            throw values.Refusal(ServeOption.User, $"without a password nobody is asked for a user; allowed: together with {ServeOption.Password.Flag} ({ServeOption.Password.Variable})");
        }

        var isInsecure = values.Get<bool>(ServeOption.Insecure, OptionValues.TryYesNo);
        var isOpen = !IPAddress.IsLoopback(bind) && password.Length == 0;
        if (isOpen && !isInsecure)
        {
            throw values.Refusal(ServeOption.Bind, $"that opens the listeners to the network, and nobody is asked for a password; allowed: with {ServeOption.Password.Flag} ({ServeOption.Password.Variable}), "
                + $"or with {ServeOption.Insecure.Flag} where whoever reaches this address may read and change everything");
        }

        return new ServeSettings(
            new IPEndPoint(bind, respPort),
            new IPEndPoint(bind, httpPort),
            [.. ReadCaches(values, shared, memory).Select(cache => cache with { WritesThrough = tiers.WritesThrough })],
            tiers,
            values.Get(ServeOption.Prefetch, static (string text, out string value) => OptionValues.OneOf(text, ["on", "off"], out value)) == "on" && tiers.Addresses.Count > 0,
            values.Get(ServeOption.User, static (string text, out string value) => OptionValues.Any(text, out value) && text.Length is > 0 and <= 64),
            password,
            values.Get(ServeOption.MaxConnections, static (string text, out int value) => OptionValues.TryCount(text, 1, 1_000_000, out value)),
            values.Get<TimeSpan>(ServeOption.IdleTimeout, OptionValues.TryTime),
            values.Get(ServeOption.IoThreads, static (string text, out int value) => OptionValues.TryCount(text, 0, 256, out value)),
            values.Get(ServeOption.Transport, static (string text, out string value) => OptionValues.OneOf(text, ["auto", "sockets"], out value)) == "sockets",
            values.Get<LogLevel>(ServeOption.LogLevel, TryLogLevel),
            values.Get(ServeOption.StopTimeout, static (string text, out TimeSpan value) =>
                OptionValues.TryTime(text, out value) && value >= TimeSpan.FromSeconds(1) && value <= TimeSpan.FromHours(24)))
        {
            HttpHosts = values.Get<string[]>(ServeOption.HttpHosts, TryHosts),
            Warnings =
            [
                .. isOpen ? [$"{bind} is open to the network without a password ({ServeOption.Insecure.Flag}): whoever reaches it may read and change everything"] : Array.Empty<string>(),
                .. memory > availableBytes ? [$"{ServeOption.Memory.Flag} is {ByteSize.Format(memory)}, and this machine or its cgroup allows {availableBytes >> 20}mb: the process will be ended before the caches are full"] : Array.Empty<string>(),
            ],
        };
    }

    /// <summary>By its words: the framework takes numbers and sums of them as well.</summary>
    private static bool TryLogLevel(string text, out LogLevel value)
    {
        value = LogLevel.None;
        return OptionValues.OneOf(text, ["trace", "debug", "information", "warning", "error", "none"], out var word) && Enum.TryParse(word, ignoreCase: true, out value);
    }

    private static bool TryHosts(string text, out string[] hosts)
    {
        hosts = text.Split(',', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries);
        return hosts.All(static host => host == "*" || Uri.CheckHostName(host) == UriHostNameType.Dns);
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
        CheckAddresses(values, addresses);
        var above = values.Get(ServeOption.CompressAbove, static (string text, out long value) => ByteSize.TryParse(text, out value) && value <= 1 << 30);
        var settings = new TierSettings(
            addresses,
            values.Get<List<long>>(ServeOption.TierCapacity, TryCapacities),
            values.Get<string>(ServeOption.DataDir, OptionValues.TryPath),
            values.Get(ServeOption.Durability, static (string text, out string value) => OptionValues.OneOf(text, ["evict", "through"], out value)) == "through",
            values.Get<bool>(ServeOption.Fsync, OptionValues.TryYesNo),
            values.Get(ServeOption.Compress, (string text, out CompressionOptions value) => TryCompression(text, (int)above, out value)),
            values.Get<string>(ServeOption.Keys, TryKeySource),
            values.Get<string[]>(ServeOption.TierPrices, (string text, out string[] value) => TryPrices(text, addresses.Count, out value)),
            values.Get<OriginCost>(ServeOption.OriginCost, TryOriginCost));
        if (addresses.Count == 0 && (settings.WritesThrough || settings.Fsync))
        {
            throw new OptionException($"{ServeOption.Durability.Flag} through and {ServeOption.Fsync.Flag} yes need a tier, and {ServeOption.Tier.Flag} is none");
        }

        if (addresses.Count == 0 && settings.Keys.Length > 0)
        {
            throw values.Refusal(ServeOption.Keys, $"nothing leaves memory, since {ServeOption.Tier.Flag} is none; allowed: with a tier");
        }

        if (addresses.Count == 0 && settings.Compression.Algorithm != CompressionAlgorithm.None)
        {
            throw values.Refusal(ServeOption.Compress, $"nothing leaves memory, since {ServeOption.Tier.Flag} is none; allowed: with a tier");
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
            if (part == "none" || !TierAddress.TryParse(part, out var address))
            {
                return false;
            }

            addresses.Add(address);
        }

        return addresses.Count > 0;
    }

    /// <summary>An address can have the right form and a wrong database, bucket or parameter. Files are looked at when the tier is opened.</summary>
    private static void CheckAddresses(OptionValues values, List<TierAddress> addresses)
    {
        foreach (var address in addresses)
        {
            try
            {
                if (address.Kind == "redis")
                {
                    _ = RedisOptions.Parse(address.Uri!);
                }
                else if (address.Kind != "file")
                {
                    ObjectStores.Check(address);
                }
            }
            catch (Exception wrong) when (wrong is ArgumentException or TierException)
            {
                throw values.Refusal(ServeOption.Tier, $"{OptionValues.Reason(wrong)} Allowed: {ServeOption.Tier.Allowed}");
            }
        }
    }

    /// <summary>A variable needs a name, and a key that was given instead of its source has a blank in it.</summary>
    private static bool TryKeySource(string text, out string value) =>
        OptionValues.TryPath(text, out value) && (!text.StartsWith("env:", StringComparison.Ordinal) || (text.Length > 4 && !text.Contains('=') && !text.Contains(' ')));

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
        if (!OptionValues.OneOf(parts[0], ["none", "zlib", "brotli"], out var word) || parts.Length > (word == "none" ? 1 : 2))
        {
            return false;
        }

        var algorithm = Enum.Parse<CompressionAlgorithm>(word, ignoreCase: true);

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
        var rest = named.Aggregate(memory, static (left, cache) => Math.Max(-1, left) - cache.MemoryBytes);
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
                var option = wrong.ParamName switch
                {
                    nameof(CacheOptions.Name) or nameof(CacheOptions.MemoryBytes) => ServeOption.Caches,
                    nameof(CacheOptions.Partitions) => ServeOption.Partitions,
                    nameof(CacheOptions.MaxValueBytes) => ServeOption.MaxValue,
                    _ => ServeOption.Policy,
                };
                throw values.Refusal(option, $"cache '{cache.Name}' of {ByteSize.Format(cache.MemoryBytes)} cannot have that. {OptionValues.Reason(wrong)}");
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
