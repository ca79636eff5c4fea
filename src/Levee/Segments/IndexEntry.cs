namespace Levee.Segments;

/// <summary>What a tier's index knows of a hash.</summary>
/// <param name="Hash">The key's routing hash.</param>
/// <param name="Location">Where the record lies.</param>
/// <param name="ExpiresAtSeconds">When it expires, in Unix seconds, rounded up; <see cref="NeverExpires"/> where it does not.</param>
public readonly record struct IndexEntry(ulong Hash, SegmentLocation Location, uint ExpiresAtSeconds)
{
    /// <summary>The expiry that never comes.</summary>
    public const uint NeverExpires = uint.MaxValue;

    /// <summary>An expiry in the index's seconds: never earlier than the record's own.</summary>
    /// <param name="expiresAt">In Unix milliseconds, or <see cref="Operations.Limits.Never"/>.</param>
    public static uint Seconds(long expiresAt) => expiresAt switch
    {
        <= 0 => 0,
        >= (NeverExpires - 1L) * 1000 => NeverExpires,
        _ => (uint)((expiresAt + 999) / 1000),
    };

    /// <summary>Whether it has certainly expired at a clock in Unix milliseconds.</summary>
    public bool IsExpired(long nowMs) => ExpiresAtSeconds != NeverExpires && ExpiresAtSeconds * 1000L <= nowMs;
}
