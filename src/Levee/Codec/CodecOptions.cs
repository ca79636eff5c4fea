namespace Levee.Codec;

/// <summary>What a <see cref="TierCodec"/> does to the records of one cache.</summary>
public sealed record CodecOptions
{
    /// <summary>How bodies are compressed; by default not at all.</summary>
    public CompressionOptions Compression { get; init; } = CompressionOptions.None;

    /// <summary>Gives the key ring of the moment; called once per record and from any thread, so it only reads a field. Null: bodies are not encrypted, and encrypted ones are not read.</summary>
    public Func<KeyRing>? Keys { get; init; }

    /// <summary>
    /// Whether entries that lie unencrypted are read although there are keys. False: whoever can write to the tier but has no key cannot put an entry into the cache, and what was written
    /// before encryption was switched on is forgotten. True keeps a warm tier readable while it changes over.
    /// </summary>
    public bool AllowUnencrypted { get; init; }

    /// <summary>Whose records these are, mostly the cache's name: an encrypted record of one context is not read in another, though the keys be the same.</summary>
    public string Context { get; init; } = "";
}
