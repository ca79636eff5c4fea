using System.Text;

namespace Levee.Caching;

/// <summary>A key as a scan finds it: bytes, which are UTF-8 where the key was written as a string.</summary>
public readonly struct CacheKey : IEquatable<CacheKey>
{
    private readonly byte[]? bytes;

    internal CacheKey(ReadOnlySpan<byte> key) => bytes = key.ToArray();

    /// <summary>The key's bytes.</summary>
    public ReadOnlyMemory<byte> Bytes => bytes;

    /// <inheritdoc/>
    public bool Equals(CacheKey other) => Bytes.Span.SequenceEqual(other.Bytes.Span);

    /// <inheritdoc/>
    public override bool Equals(object? obj) => obj is CacheKey other && Equals(other);

    /// <inheritdoc/>
    public override int GetHashCode() => (int)Keys.KeyHash.Of(Bytes.Span);

    /// <summary>The key as UTF-8 text; bytes that are not UTF-8 show as the replacement character.</summary>
    public override string ToString() => Encoding.UTF8.GetString(Bytes.Span);

    /// <summary>Whether two keys are equal.</summary>
    public static bool operator ==(CacheKey left, CacheKey right) => left.Equals(right);

    /// <summary>Whether two keys differ.</summary>
    public static bool operator !=(CacheKey left, CacheKey right) => !left.Equals(right);
}
