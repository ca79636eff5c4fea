namespace Levee.Tiers.Segments;

/// <summary>Rules of the segment tier that need nothing but numbers.</summary>
internal static class SegmentRules
{
    private const int TombstoneBytes = 64;

    /// <summary>The body of a clear that was carried over: it lies behind entries that came after it, so its place says nothing.</summary>
    public static ReadOnlySpan<byte> ByVersionOnly => [1];

    /// <summary>Whether cleaning a segment in the middle frees enough of it, with every record of it leaving a tombstone.</summary>
    public static bool IsWorthCleaning(SegmentInfo info, double cleanBelow) =>
        info is { Home: SegmentHome.Stored, IsRetired: false, IsUnreadable: false }
        && info.LiveBytes < info.RecordsEnd * cleanBelow
        && info.LiveBytes + ((long)info.Records * TombstoneBytes) < info.RecordsEnd * Math.Min(0.9, 2 * cleanBelow);

    /// <summary>The wait before the next attempt.</summary>
    public static TimeSpan BackOff(int failures, TimeSpan first, TimeSpan longest) =>
        failures == 0 ? TimeSpan.Zero : TimeSpan.FromTicks(Math.Min(longest.Ticks, first.Ticks << Math.Min(failures - 1, 20)));
}
