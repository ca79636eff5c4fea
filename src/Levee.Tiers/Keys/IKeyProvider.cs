using Levee.Codec;

namespace Levee.Tiers.Keys;

/// <summary>Where a cache's keys come from: a file, the environment, or whatever a host plugs in (a vault, a KMS).</summary>
public interface IKeyProvider
{
    /// <summary>Where the keys come from, for people; holds no secret.</summary>
    string Source { get; }

    /// <summary>Reads the ring anew.</summary>
    /// <exception cref="TierException">There is no usable ring. The message names the source and what is allowed, never a key.</exception>
    ValueTask<KeyRing> ReadAsync(CancellationToken cancellation);
}
