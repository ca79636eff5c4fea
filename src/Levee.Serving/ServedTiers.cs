using Levee.Codec;
using Levee.Hosting;
using Levee.Tiers;
using Levee.Tiers.Keys;
using Microsoft.Extensions.Logging;

namespace Levee.Serving;

/// <summary>The tiers of all caches of a server, and the keys that they share.</summary>
public sealed partial class ServedTiers : IAsyncDisposable
{
    private static readonly TimeSpan ProgressPeriod = TimeSpan.FromSeconds(5);
    private static readonly TimeSpan KeyRefresh = TimeSpan.FromMinutes(1);

    private readonly List<(string Cache, TierChain Chain)> chains = [];
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
            chains.Add((cache.Name, chain));
            return chain;
        }
        catch (TierException failure)
        {
            throw new StartException(failure.Message, failure);
        }
    }

    /// <summary>Stops the tiers of all caches at once, so that the next start is warm, and says what became of what memory held. What fails for one cache keeps no other one from it.</summary>
    /// <param name="taken">What went down of each cache's memory; a cache that is not named had nothing in memory.</param>
    /// <param name="stop">The stop that this belongs to.</param>
    /// <returns>The same reports, with what was dropped since.</returns>
    public async Task<IReadOnlyList<TakeDownReport>> StopAsync(IReadOnlyList<TakeDownReport> taken, CleanStop stop)
    {
        ArgumentNullException.ThrowIfNull(taken);
        ArgumentNullException.ThrowIfNull(stop);
        return await Task.WhenAll(chains.Select(one => StopAsync(
            one.Chain,
            taken.FirstOrDefault(report => report.Cache == one.Cache) ?? new TakeDownReport { Cache = one.Cache },
            stop))).ConfigureAwait(false);
    }

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        if (refresh is not null)
        {
            await refresh.DisposeAsync().ConfigureAwait(false);
            refresh = null;
        }

        foreach (var (_, chain) in chains)
        {
            await chain.DisposeAsync().ConfigureAwait(false);
        }

        chains.Clear();
        claim?.Dispose();
        claim = null;
    }

    private static async Task<TakeDownReport> StopAsync(TierChain chain, TakeDownReport taken, CleanStop stop)
    {
        var began = stop.Time.GetTimestamp();
        var dropped = Drops(chain);
        var stopping = chain.StopAsync(stop.Deadline);
        while (await Task.WhenAny(stopping, Task.Delay(ProgressPeriod, stop.Time)).ConfigureAwait(false) != stopping)
        {
            stop.SayWaiting(taken.Cache, stop.Time.GetElapsedTime(began));
        }

        var problems = await stopping.ConfigureAwait(false);
        taken = taken with { Dropped = taken.Dropped + Drops(chain) - dropped, Time = taken.Time + stop.Time.GetElapsedTime(began) };
        stop.SayEnd(taken, problems);
        return taken;
    }

    private static long Drops(TierChain chain) => Enumerable.Range(0, chain.TierCount).Sum(tier => chain.GetStatistics(tier).Drops);

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
