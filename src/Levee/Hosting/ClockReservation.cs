using Levee.Partitions;

namespace Levee.Hosting;

/// <summary>
/// No partition's clock, and no version, passes what the tiers have noted: whoever opens them next begins above it. Where the wall clock is behind what was given out before, by this
/// owner or an earlier one, versions go on from there and the reservation with them. Safe for threads.
/// </summary>
internal sealed class ClockReservation(ITierChain? tiers, MillisecondClock clock)
{
    /// <summary>How much of the clock is reserved at a time. The clock stands still where <see cref="CounterMs"/> of it are left: versions that are given out meanwhile take those.</summary>
    private const long ReservationMs = 3000;

    private const long CounterMs = 200;

    /// <summary>How much of a reservation may be used before it is renewed.</summary>
    private const long RenewalMs = 1000;

    private readonly Lock gate = new();
    private long reservedMs;
    private long lastVersionMs;
    private long failures;

    /// <summary>How often the tiers could not note it.</summary>
    public long Failures => Interlocked.Read(ref failures);

    /// <summary>Says what a partition has given out.</summary>
    public void Reach(long versionMs)
    {
        if (tiers is not null)
        {
            lock (gate)
            {
                lastVersionMs = Math.Max(lastVersionMs, versionMs);
            }
        }
    }

    /// <summary>Renews the reservation where it is time.</summary>
    /// <exception cref="IOException">The tiers could not note it.</exception>
    public void Renew()
    {
        if (tiers is null)
        {
            return;
        }

        lock (gate)
        {
            var floorMs = tiers.FloorMs == 0 ? 0 : tiers.FloorMs + 1;
            var reachedMs = Math.Max(floorMs, lastVersionMs);
            var wantedMs = Math.Max(clock.Unbounded + ReservationMs, reachedMs + CounterMs);
            var isStanding = reachedMs > clock.Unbounded;
            if (wantedMs - reservedMs > (isStanding ? 0 : RenewalMs))
            {
                tiers.Reserve(wantedMs);
                reservedMs = wantedMs;
                clock.Bound(floorMs, reservedMs - CounterMs);
            }
        }
    }

    /// <summary>A disk that does not take the reservation now may take the next: until then the clock stands still.</summary>
    public void TryRenew()
    {
        try
        {
            Renew();
        }
        catch (IOException)
        {
            Interlocked.Increment(ref failures);
        }
    }
}
