using Levee.Codec;
using Microsoft.Extensions.Logging;

namespace Levee.Tiers.Keys;

/// <summary>The key ring of the moment, which codecs ask for with each record. Refreshed by its owner: upon a signal, a changed file, or from time to time.</summary>
public sealed partial class LiveKeyRing
{
    private readonly IKeyProvider provider;
    private readonly ILogger logger;
    private volatile KeyRing current;

    private LiveKeyRing(IKeyProvider provider, ILogger logger, KeyRing first)
    {
        this.provider = provider;
        this.logger = logger;
        current = first;
    }

    /// <summary>The ring of the moment: what <see cref="CodecOptions.Keys"/> returns.</summary>
    public KeyRing Current => current;

    /// <summary>Reads the first ring.</summary>
    /// <exception cref="TierException">There is none; nothing must be written unencrypted instead.</exception>
    public static async Task<LiveKeyRing> StartAsync(IKeyProvider provider, ILogger logger, CancellationToken cancellation)
    {
        ArgumentNullException.ThrowIfNull(provider);
        return new LiveKeyRing(provider, logger, await provider.ReadAsync(cancellation).ConfigureAwait(false));
    }

    /// <summary>Reads the ring anew; where that fails, the one before stays and the failure is logged.</summary>
    /// <returns>Whether a ring was read.</returns>
    public async Task<bool> RefreshAsync(CancellationToken cancellation)
    {
        try
        {
            var before = current;
            var ring = await provider.ReadAsync(cancellation).ConfigureAwait(false);
            current = ring;
            if (ring.Active.Name != before.Active.Name || ring.Keys.Count != before.Keys.Count)
            {
                LogChanged(provider.Source, ring.Active.Name, ring.Keys.Count);
            }

            return true;
        }
        catch (TierException failure)
        {
            LogRefused(provider.Source, failure.Message);
            return false;
        }
    }

    [LoggerMessage(EventId = 311, Level = LogLevel.Information, Message = "The {Source} has changed: key {Active} encrypts now, {Count} keys decrypt.")]
    private partial void LogChanged(string source, string active, int count);

    [LoggerMessage(EventId = 312, Level = LogLevel.Error, Message = "The {Source} could not be read anew; the keys of before stay in use. {Reason}")]
    private partial void LogRefused(string source, string reason);
}
