using Levee.Codec;
using Levee.Hosting;
using Levee.Tiers;
using Levee.Tiers.Keys;
using Microsoft.Extensions.Logging;

namespace Levee.Cli.Serve;

/// <summary>The tiers of all caches of a server, and the keys that they share.</summary>
internal sealed class ServedTiers : IAsyncDisposable
{
    /// <summary>How long a clean stop may take to write memory down; what is left then is lost, as an eviction without tiers would be.</summary>
    private static readonly TimeSpan StopPatience = TimeSpan.FromSeconds(25);

    private static readonly TimeSpan KeyRefresh = TimeSpan.FromMinutes(1);

    private readonly List<TierChain> chains = [];
    private Timer? refresh;

    private ServedTiers()
    {
    }

    /// <summary>Opens the tiers of all caches.</summary>
    /// <exception cref="TierException">One cannot be used.</exception>
    public static async Task<ServedTiers> OpenAsync(ServeSettings settings, ILoggerFactory logs, CancellationToken cancellation)
    {
        var opened = new ServedTiers();
        var tiers = settings.Tiers;
        if (tiers.Addresses.Count == 0)
        {
            return opened;
        }

        try
        {
            var keys = await opened.ReadKeysAsync(tiers.Keys, logs, cancellation);
            foreach (var cache in settings.Caches)
            {
                var share = (double)cache.MemoryBytes / settings.MemoryBytes;
                opened.chains.Add(await TierChainFactory.OpenAsync(
                    new TierChainOptions
                    {
                        Addresses = tiers.Addresses,
                        Capacities = [.. tiers.Capacities.Select(bytes => Math.Max(TierChainFactory.MinCapacityBytes, (long)(bytes * share)))],
                        Folder = Path.Combine(tiers.DataDir, cache.Name),
                        CacheName = cache.Name,
                        PartitionCount = cache.EffectivePartitions,
                        MemoryBytes = cache.MemoryBytes,
                        Fsync = tiers.Fsync,
                        Prices = tiers.Prices,
                        Origin = tiers.Origin,
                        Codec = keys is null && tiers.Compression.Algorithm == CompressionAlgorithm.None
                            ? RecordCodec.Plain
                            : new TierCodec(new CodecOptions { Compression = tiers.Compression, Keys = keys is null ? null : () => keys.Current, Context = cache.Name }),
                    },
                    TimeProvider.System,
                    logs,
                    cancellation));
            }

            return opened;
        }
        catch
        {
            await opened.DisposeAsync();
            throw;
        }
    }

    /// <summary>The chain of a cache; null where there are no tiers.</summary>
    public TierChain? ChainOf(int cache) => cache < chains.Count ? chains[cache] : null;

    /// <summary>Writes memory down and stops the tiers, so that the next start is warm.</summary>
    public async Task StopAsync(IReadOnlyList<LockHost> hosts, TextWriter output)
    {
        using var patience = new CancellationTokenSource(StopPatience);
        try
        {
            for (var i = 0; i < chains.Count; i++)
            {
                await hosts[i].TakeDownAsync(patience.Token);
                await chains[i].StopAsync(patience.Token);
            }
        }
        catch (OperationCanceledException)
        {
            await output.WriteLineAsync($"levee: not everything in memory could be written to the tiers within {StopPatience.TotalSeconds} s; the rest is lost");
        }
    }

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        if (refresh is not null)
        {
            await refresh.DisposeAsync();
        }

        foreach (var chain in chains)
        {
            await chain.DisposeAsync();
        }

        chains.Clear();
    }

    private async Task<LiveKeyRing?> ReadKeysAsync(string source, ILoggerFactory logs, CancellationToken cancellation)
    {
        if (source.Length == 0)
        {
            return null;
        }

        var logger = logs.CreateLogger("Levee.Tiers.Keys");
        IKeyProvider provider = source.StartsWith("env:", StringComparison.Ordinal) ? new EnvironmentKeyProvider(source["env:".Length..]) : new FileKeyProvider(source, logger);
        var keys = await LiveKeyRing.StartAsync(provider, logger, cancellation);
        refresh = new Timer(_ => _ = keys.RefreshAsync(CancellationToken.None), null, KeyRefresh, KeyRefresh);
        return keys;
    }
}
