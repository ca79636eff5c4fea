using Levee.Codec;
using Levee.Tiers.Money;
using Levee.Tiers.Redis;
using Levee.Tiers.Segments;
using Levee.Tiers.Stores;
using Microsoft.Extensions.Logging;

namespace Levee.Tiers;

/// <summary>What a chain of tiers is made of. Checked values.</summary>
public sealed record TierChainOptions
{
    /// <summary>The tiers, warmest first; at least one.</summary>
    public required IReadOnlyList<TierAddress> Addresses { get; init; }

    /// <summary>What each may hold, in bytes; where it is missing or 0: ten times the memory, for files at most half of what is free on the disk.</summary>
    public IReadOnlyList<long> Capacities { get; init; } = [];

    /// <summary>The folder in which the tiers of this cache keep their state, and the files tier its entries. Locked by the caller.</summary>
    public required string Folder { get; init; }

    /// <summary>The cache's name.</summary>
    public required string CacheName { get; init; }

    /// <summary>How many partitions the cache has.</summary>
    public required int PartitionCount { get; init; }

    /// <summary>The cache's memory budget, in bytes.</summary>
    public required long MemoryBytes { get; init; }

    /// <summary>Whether what is logged must reach the disk.</summary>
    public bool Fsync { get; init; }

    /// <summary>Compresses and encrypts what leaves memory.</summary>
    public RecordCodec Codec { get; init; } = RecordCodec.Plain;

    /// <summary>What each tier costs, as <see cref="TierPrices.Parse"/> reads it; where it is missing or empty, the defaults of its kind.</summary>
    public IReadOnlyList<string> Prices { get; init; } = [];

    /// <summary>What a load from the origin costs.</summary>
    public OriginCost Origin { get; init; }

    /// <summary>Opens the store of an address that is neither files nor Redis: "s3", "azblob". The caller knows the vendors' libraries, the tiers do not.</summary>
    public Func<TierAddress, ISegmentStore> OpenStore { get; init; } = static address => throw new TierException($"a tier {address.Kind}:// has no store in this program");

    /// <summary>Called at named moments of the tiers' work; null in service.</summary>
    public Action<string>? Failpoint { get; init; }
}

/// <summary>Makes the tiers that a user has asked for.</summary>
public static class TierChainFactory
{
    /// <summary>The smallest capacity of a tier, in bytes.</summary>
    public const long MinCapacityBytes = 64L << 20;

    private const int CapacityPerMemory = 10;

    /// <summary>The indexes of all tiers may take this part of the memory budget; partitions give way to them.</summary>
    private const int MemoryPerIndexes = 2;
    private const int MemoryPerBuffer = 32;

    /// <summary>Large values that wait are not copied: they stay in the memory budget's reserve, a sixteenth, and may take half of it.</summary>
    private const int MemoryPerWaitingValues = 32;

    /// <summary>Makes and starts a chain.</summary>
    /// <exception cref="TierException">A tier cannot be used; the message says which, why and what would be right.</exception>
    public static async Task<TierChain> OpenAsync(TierChainOptions options, TimeProvider time, ILoggerFactory logs, CancellationToken cancellation)
    {
        ArgumentNullException.ThrowIfNull(options);
        ArgumentNullException.ThrowIfNull(logs);
        var tiers = new List<ITier>();
        var chain = default(TierChain);
        try
        {
            PrivateFiles.Close(options.Folder);
            for (var i = 0; i < options.Addresses.Count; i++)
            {
                tiers.Add(TryCreate(options, i, time, logs));
            }

            chain = new TierChain(options.CacheName, options.PartitionCount, tiers, time, logs.CreateLogger("Levee.Tiers")) { Codec = options.Codec };
            await chain.StartAsync(cancellation).ConfigureAwait(false);
            return chain;
        }
        catch (Exception failure)
        {
            if (chain is not null)
            {
                await chain.DisposeAsync().ConfigureAwait(false);
            }
            else
            {
                await DisposeAsync(tiers).ConfigureAwait(false);
            }

            if (failure is UnauthorizedAccessException)
            {
                throw new TierException($"the folder {options.Folder} cannot be used: {failure.Message} Everything in it must belong to this user.", failure);
            }

            throw;
        }
    }

    private static async ValueTask DisposeAsync(List<ITier> tiers)
    {
        foreach (var tier in tiers)
        {
            await tier.DisposeAsync().ConfigureAwait(false);
        }
    }

    /// <summary>Whatever is wrong with an address, or with the folder, disk or credentials that it names, is said of the tier.</summary>
    private static PricedTier TryCreate(TierChainOptions options, int index, TimeProvider time, ILoggerFactory logs)
    {
        try
        {
            return Create(options, index, time, logs);
        }
        catch (Exception failure) when (failure is IOException or UnauthorizedAccessException or ArgumentException or FormatException)
        {
            throw new TierException($"tier {options.Addresses[index]} cannot be used: {failure.Message}", failure);
        }
    }

    private static PricedTier Create(TierChainOptions options, int index, TimeProvider time, ILoggerFactory logs)
    {
        var address = options.Addresses[index];
        var folder = Path.Combine(options.Folder, $"tier{index + 1}-{address.Kind}");
        try
        {
            PrivateFiles.CreateFolder(folder);
        }
        catch (Exception failure) when (failure is IOException or UnauthorizedAccessException)
        {
            throw new TierException($"the folder {folder}, in which tier {address} keeps its state, cannot be made: {failure.Message}", failure);
        }

        var context = new TierContext
        {
            StateFolder = folder,
            CapacityBytes = Capacity(options, index),
            Fsync = options.Fsync,
            MaxIndexBytes = options.MemoryBytes / MemoryPerIndexes / options.Addresses.Count,
            Codec = options.Codec,
            Time = time,
            Logger = logs.CreateLogger("Levee.Tiers." + address.Kind),
            Failpoint = options.Failpoint,
        };
        var prices = TierPrices.Parse(index < options.Prices.Count ? options.Prices[index] : "", TierPrices.Of(address.Kind));
        var bytesPerWrite = address.Kind == "redis" ? 0 : SegmentTierOptions.SegmentBytesFor(context.CapacityBytes);
        return new PricedTier(Create(address, options, context, time), prices, options.Origin, bytesPerWrite, time);
    }

    private static ITier Create(TierAddress address, TierChainOptions options, TierContext context, TimeProvider time) =>
        address.Kind switch
        {
            "file" => new SegmentTier(FileStore(address, options), context, SegmentOptions(options) with { OwnsStore = true }),
            "redis" => new RedisTier(RedisOptions.Parse(address.Uri!) with { BufferBytes = BufferBytes(options) }, context),
            _ => new SegmentTier(new GuardedStore(options.OpenStore(address), new GuardOptions(), time), context, SegmentOptions(options)),
        };

    /// <summary>In the data directory, which the caller has locked, or in a folder of its own, where this cache's part is locked here: what another server kept there would be deleted as unknown.</summary>
    private static FileSegmentStore FileStore(TierAddress address, TierChainOptions options)
    {
        if (address.Uri is not { } uri)
        {
            return new FileSegmentStore(Path.Combine(options.Folder, "segments"));
        }

        PrivateFiles.Close(Path.Combine(uri.LocalPath, options.CacheName));
        return new FileSegmentStore(uri.LocalPath, claim: FolderLock.Take(Path.Combine(uri.LocalPath, ".lock", options.CacheName)));
    }

    private static SegmentTierOptions SegmentOptions(TierChainOptions options) =>
        new() { BufferBytes = BufferBytes(options), LargeBytes = Math.Max(1 << 20, options.MemoryBytes / MemoryPerWaitingValues) };

    /// <summary>What waits to be written is on top of the memory budget.</summary>
    private static long BufferBytes(TierChainOptions options) => Math.Clamp(options.MemoryBytes / MemoryPerBuffer, 1 << 20, 16 << 20);

    private static long Capacity(TierChainOptions options, int index)
    {
        if (index < options.Capacities.Count && options.Capacities[index] > 0)
        {
            return options.Capacities[index];
        }

        var wanted = CapacityPerMemory * options.MemoryBytes;
        if (options.Addresses[index] is { Kind: "file" } address)
        {
            var folder = Path.GetFullPath(address.Uri?.LocalPath ?? options.Folder);
            PrivateFiles.CreateFolder(folder);
            wanted = Math.Min(wanted, new DriveInfo(folder).AvailableFreeSpace / 2);
        }

        return Math.Max(MinCapacityBytes, wanted);
    }
}
