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

    /// <param name="provider">The source of time.</param>
    public MillisecondClock(TimeProvider provider)
    {
        ArgumentNullException.ThrowIfNull(provider);
        this.provider = provider;
        isSystem = ReferenceEquals(provider, TimeProvider.System);
        Synchronize();
    }

    /// <summary>Now, in Unix milliseconds.</summary>
    public long Now => isSystem ? Environment.TickCount64 + Volatile.Read(ref offset) : provider.GetUtcNow().ToUnixTimeMilliseconds();

    /// <summary>Follows the wall clock where it was set.</summary>
    public void Synchronize() => Volatile.Write(ref offset, provider.GetUtcNow().ToUnixTimeMilliseconds() - Environment.TickCount64);
}
