namespace Levee.Hosting;

/// <summary>
/// Unix time in milliseconds, read for a few nanoseconds: the wall clock is asked once per <see cref="Synchronize"/>, and what has passed since then is taken from the
/// system's coarse monotonic counter (steps of a few milliseconds). Any other provider than the system's (a test's) is asked each time.
/// </summary>
public sealed class MillisecondClock
{
    private readonly TimeProvider provider;
    private readonly bool isSystem;
    private long offset;
    private long floor;
    private long ceiling = long.MaxValue;
    private long limit = long.MaxValue;

    /// <param name="provider">The source of time.</param>
    public MillisecondClock(TimeProvider provider)
    {
        ArgumentNullException.ThrowIfNull(provider);
        this.provider = provider;
        isSystem = ReferenceEquals(provider, TimeProvider.System);
        Synchronize();
    }

    /// <summary>Now, in Unix milliseconds.</summary>
    public long Now => Math.Min(Math.Clamp(Unbounded, Volatile.Read(ref floor), Volatile.Read(ref ceiling)), Volatile.Read(ref limit));

    /// <summary>What <see cref="Now"/> would be without bounds.</summary>
    internal long Unbounded => isSystem ? Environment.TickCount64 + Volatile.Read(ref offset) : provider.GetUtcNow().ToUnixTimeMilliseconds();

    /// <summary>Milliseconds that only ever grow, from an arbitrary start: the system's coarse counter, or another provider's timestamp.</summary>
    public long Monotonic => isSystem ? Environment.TickCount64 : (long)provider.GetElapsedTime(0, provider.GetTimestamp()).TotalMilliseconds;

    /// <summary>Bounds <see cref="Now"/>: it does not come before the one and stands still at the other until it is raised.</summary>
    internal void Bound(long floorMs, long ceilingMs)
    {
        Volatile.Write(ref floor, floorMs);
        Volatile.Write(ref ceiling, Math.Max(floorMs, ceilingMs));
    }

    /// <summary>Stops <see cref="Now"/> at an instant, in Unix milliseconds, until a later one is given: as far as somebody else has noted that it may go.</summary>
    public void Limit(long untilMs) => Volatile.Write(ref limit, untilMs);

    /// <summary>Follows the wall clock where it was set.</summary>
    public void Synchronize() => Volatile.Write(ref offset, provider.GetUtcNow().ToUnixTimeMilliseconds() - Environment.TickCount64);
}
