using Levee.Codec;
using Levee.Hosting;
using Levee.Tiers;
using Levee.Tiers.Keys;
using Microsoft.Extensions.Logging;

namespace Levee.Serving;

/// <summary>The tiers of all caches of a server, and the keys that they share.</summary>
public sealed partial class ServedTiers : IAsyncDisposable
{
    /// <summary>How long a clean stop may take to write memory down; what is left then is lost, as an eviction without tiers would be.</summary>
    private static readonly TimeSpan StopPatience = TimeSpan.FromSeconds(25);

    private static readonly TimeSpan KeyRefresh = TimeSpan.FromMinutes(1);

    private readonly List<TierChain> chains = [];
    private readonly ServeSettings settings;
    private readonly string? silo;
    private readonly string folder;
    private readonly ILoggerFactory logs;
    private LiveKeyRing? keys;
    private IDisposable? claim;
    private Timer? refresh;

    private ServedTiers(ServeSettings settings, string? silo, ILoggerFactory logs)
    {
        (this.settings, this.silo, this.logs) = (settings, silo, logs);
        folder = silo is null ? settings.Tiers.DataDir : Path.Combine(settings.Tiers.DataDir, silo);
    }

    /// <summary>Takes the folder and reads the keys; no cache has its tiers yet.</summary>
    /// <param name="settings">Checked options.</param>
    /// <param name="silo">The lasting name of the silo: its state lies in a folder of that name, and its name is part of all that it writes, so that silos may share a disk, a bucket or a Redis. Null: a server that shares with none.</param>
    /// <param name="logs">Where logs go.</param>
    /// <param name="cancellation">Gives up.</param>
    /// <exception cref="StartException">The folder is in use, or the keys cannot be read.</exception>
    public static async Task<ServedTiers> StartAsync(ServeSettings settings, string? silo, ILoggerFactory logs, CancellationToken cancellation)
    {
        ArgumentNullException.ThrowIfNull(settings);
        var opened = new ServedTiers(settings, silo, logs);
        try
        {
            if (settings.Tiers.Addresses.Count > 0)
            {
                opened.claim = Take(opened.folder, isOwn: silo is not null);
                WarnOfOpenFolders(settings, logs.CreateLogger("Levee.Tiers"));
                opened.keys = await opened.ReadKeysAsync(settings.Tiers.Keys, cancellation).ConfigureAwait(false);
            }

            return opened;
        }
        catch (TierException failure)
        {
            await opened.DisposeAsync().ConfigureAwait(false);
            throw new StartException(failure.Message, failure);
        }
        catch
        {
            await opened.DisposeAsync().ConfigureAwait(false);
            throw;
        }
    }

    /// <summary>Opens the tiers of one cache. They belong to this object, which stops them.</summary>
    /// <returns>Null where there are no tiers.</returns>
    /// <exception cref="StartException">One cannot be used.</exception>
    public async Task<TierChain?> OpenAsync(CacheOptions cache, CancellationToken cancellation)
    {
        ArgumentNullException.ThrowIfNull(cache);
        var tiers = settings.Tiers;
        if (tiers.Addresses.Count == 0)
        {
            return null;
        }

        var share = (double)cache.MemoryBytes / settings.MemoryBytes;

        // The silo first: what a tier finds below its own name, and does not know, it deletes.
        var name = silo is null ? cache.Name : $"{silo}/{cache.Name}";
        try
        {
            var chain = await TierChainFactory.OpenAsync(
                new TierChainOptions
                {
                    Addresses = tiers.Addresses,
                    Capacities = [.. tiers.Capacities.Select(bytes => Math.Max(TierChainFactory.MinCapacityBytes, (long)(bytes * share)))],
                    Folder = Path.Combine(folder, cache.Name),
                    CacheName = name,
                    PartitionCount = cache.EffectivePartitions,
                    MemoryBytes = cache.MemoryBytes,
                    Fsync = tiers.Fsync,
                    Prices = tiers.Prices,
                    Origin = tiers.Origin,
                    OpenStore = ObjectStores.Open,
                    Codec = keys is null && tiers.Compression.Algorithm == CompressionAlgorithm.None
                        ? RecordCodec.Plain
                        : new TierCodec(new CodecOptions { Compression = tiers.Compression, Keys = keys is null ? null : () => keys.Current, Context = name }),
                },
                TimeProvider.System,
                logs,
                cancellation).ConfigureAwait(false);
            chains.Add(chain);
            return chain;
        }
        catch (TierException failure)
        {
            throw new StartException(failure.Message, failure);
        }
    }

    /// <summary>Writes memory down and stops the tiers, so that the next start is warm.</summary>
    /// <param name="hosts">The hosts that have partitions, in the order in which their tiers were opened; none where what they had has been handed over.</param>
    /// <param name="output">Where it is said that not everything could be written in time.</param>
    public async Task StopAsync(IReadOnlyList<LockHost> hosts, TextWriter output)
    {
        ArgumentNullException.ThrowIfNull(hosts);
        ArgumentNullException.ThrowIfNull(output);
        using var patience = new CancellationTokenSource(StopPatience);
        try
        {
            for (var i = 0; i < chains.Count; i++)
            {
                if (i < hosts.Count)
                {
                    await hosts[i].TakeDownAsync(patience.Token).ConfigureAwait(false);
                }

                await chains[i].StopAsync(patience.Token).ConfigureAwait(false);
            }
        }
        catch (OperationCanceledException)
        {
            await output.WriteLineAsync($"levee: not everything in memory could be written to the tiers within {StopPatience.TotalSeconds} s; the rest is lost").ConfigureAwait(false);
        }
    }

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        if (refresh is not null)
        {
            await refresh.DisposeAsync().ConfigureAwait(false);
            refresh = null;
        }

        foreach (var chain in chains)
        {
            await chain.DisposeAsync().ConfigureAwait(false);
        }

        chains.Clear();
        claim?.Dispose();
        claim = null;
    }

    /// <summary>A folder that was there before, and may hold what is not Levee's, is left as it is; what Levee puts into it is closed.</summary>
    private static void WarnOfOpenFolders(ServeSettings settings, ILogger logger)
    {
        var own = settings.Tiers.Addresses.Where(static address => address is { Kind: "file", Uri: not null }).Select(static address => address.Uri!.LocalPath);
        foreach (var folder in own.Prepend(settings.Tiers.DataDir).Where(PrivateFiles.IsOpenToOthers))
        {
            LogOpenToOthers(logger, folder);
        }
    }

    /// <summary>Locks a folder, and closes it to others where it is Levee's own by its name.</summary>
    private static IDisposable Take(string folder, bool isOwn)
    {
        var taken = default(IDisposable);
        try
        {
            taken = FolderLock.Take(folder);
            if (isOwn)
            {
                PrivateFiles.Close(folder);
            }

            return taken;
        }
        catch (TierException failure)
        {
            throw new StartException($"{ServeOption.DataDir.Flag}: {failure.Message}", failure);
        }
        catch (UnauthorizedAccessException failure)
        {
            taken?.Dispose();
            throw new StartException($"{ServeOption.DataDir.Flag}: {folder} cannot be closed to other users: {failure.Message} Everything in it must belong to this user.", failure);
        }
    }

    private async Task<LiveKeyRing?> ReadKeysAsync(string source, CancellationToken cancellation)
    {
        if (source.Length == 0)
        {
            return null;
        }

        var logger = logs.CreateLogger("Levee.Tiers.Keys");
        IKeyProvider provider = source.StartsWith("env:", StringComparison.Ordinal) ? new EnvironmentKeyProvider(source["env:".Length..]) : new FileKeyProvider(source, logger);
        var ring = await LiveKeyRing.StartAsync(provider, logger, cancellation).ConfigureAwait(false);
        refresh = new Timer(_ => _ = ring.RefreshAsync(CancellationToken.None), null, KeyRefresh, KeyRefresh);
        return ring;
    }

    [LoggerMessage(EventId = 320, EventName = "FolderOpenToOthers", Level = LogLevel.Warning, Message = "Others than its owner can look into the folder {Folder}; what Levee keeps in it is closed to them. 'chmod 700' closes the folder too.")]
    private static partial void LogOpenToOthers(ILogger logger, string folder);
}
