using Levee.Codec;
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

    /// <summary>Called at named moments of the tiers' work; null in service.</summary>
    public Action<string>? Failpoint { get; init; }
}

/// <summary>Makes the tiers that a user has asked for.</summary>
public static class TierChainFactory
{
    /// <summary>The smallest capacity of a tier, in bytes.</summary>
    public const long MinCapacityBytes = 64L << 20;

    private const int CapacityPerMemory = 10;

    /// <summary>An index may take, on top of the memory budget, this part of it.</summary>
    private const int MemoryPerIndex = 4;

    private const long MinIndexBytes = 32L << 20;

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
            for (var i = 0; i < options.Addresses.Count; i++)
            {
                tiers.Add(Create(options, i, time, logs));
            }

            chain = new TierChain(options.CacheName, options.PartitionCount, tiers, time, logs.CreateLogger("Levee.Tiers"));
            await chain.StartAsync(cancellation).ConfigureAwait(false);
            return chain;
        }
        catch
        {
            if (chain is not null)
            {
                await chain.DisposeAsync().ConfigureAwait(false);
            }

            throw;
        }
    }

    private static ITier Create(TierChainOptions options, int index, TimeProvider time, ILoggerFactory logs)
    {
        var address = options.Addresses[index];
        var folder = Path.Combine(options.Folder, $"tier{index + 1}-{address.Kind}");
        try
        {
            Directory.CreateDirectory(folder);
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
            MaxIndexBytes = Math.Max(MinIndexBytes, options.MemoryBytes / MemoryPerIndex),
            Codec = options.Codec,
            Time = time,
            Logger = logs.CreateLogger("Levee.Tiers." + address.Kind),
            Failpoint = options.Failpoint,
        };
        return address.Kind switch
        {
            "file" => new SegmentTier(new FileSegmentStore(address.Uri?.LocalPath ?? Path.Combine(options.Folder, "segments")), context),
            "redis" => new RedisTier(RedisOptions.Parse(address.Uri!), context),
            _ => new SegmentTier(new GuardedStore(ISegmentStoreFactory.Find(address.Kind).Create(address.Uri!), new GuardOptions(), time), context),
        };
    }

    private static long Capacity(TierChainOptions options, int index)
    {
        if (index < options.Capacities.Count && options.Capacities[index] > 0)
        {
            return options.Capacities[index];
        }

        var wanted = CapacityPerMemory * options.MemoryBytes;
        if (options.Addresses[index] is { Kind: "file" } address)
        {
            var drive = new DriveInfo(Path.GetFullPath(address.Uri?.LocalPath ?? options.Folder));
            wanted = Math.Min(wanted, drive.AvailableFreeSpace / 2);
        }

        return Math.Max(MinCapacityBytes, wanted);
    }
}
