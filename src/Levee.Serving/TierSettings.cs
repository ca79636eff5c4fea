using Levee.Codec;
using Levee.Tiers;
using Levee.Tiers.Money;

namespace Levee.Serving;

/// <summary>What a server was told of its tiers, checked.</summary>
/// <param name="Addresses">The tiers, warmest first; none: memory alone.</param>
/// <param name="Capacities">Their capacities in bytes, for all caches together; those that are missing are chosen.</param>
/// <param name="DataDir">The server's own folder.</param>
/// <param name="WritesThrough">Whether a write is acknowledged when the first tier has it.</param>
/// <param name="Fsync">Whether the disk must have it.</param>
/// <param name="Compression">How bodies are compressed.</param>
/// <param name="Keys">Where the encryption keys come from: a file or env:NAME; empty: nothing is encrypted.</param>
/// <param name="Prices">What each tier costs; those that are missing or empty have the defaults of their kind.</param>
/// <param name="Origin">What a load from the origin costs.</param>
public sealed record TierSettings(
    IReadOnlyList<TierAddress> Addresses,
    IReadOnlyList<long> Capacities,
    string DataDir,
    bool WritesThrough,
    bool Fsync,
    CompressionOptions Compression,
    string Keys,
    IReadOnlyList<string> Prices,
    OriginCost Origin);
