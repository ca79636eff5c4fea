namespace Levee.Eviction;

/// <summary>
/// Looks for the size of W-TinyLFU's window with the best hit ratio by walking: as long as the ratio rises it goes on in its direction, when it falls it turns, and
/// its steps become shorter until the ratio makes a leap (Einziger, Eytan, Friedman and Manes, "Adaptive Software Cache Management", Middleware '18).
/// <code>
///  r   hit ratio of this sample, r' of the one before (0 before the first)
///  d   the step: d = -r0 at first: the window shrinks.                                      r0 = 1/16 of the capacity
///      r >= r': the window changes by d. Else d = -d, then so.
///      |r - r'| >= 0.05: d = r0, in d's direction. Else d = 0.98 d.
/// </code>
/// Steps are parts of the capacity. Pure: counts go in, steps come out.
/// </summary>
internal sealed class HillClimber
{
    /// <summary>The longest step.</summary>
    public const double LongestStep = 0.0625;

    /// <summary>Requests of a sample for each resident entry.</summary>
    public const int RequestsPerEntry = 10;

    private const double Decay = 0.98;
    private const double Leap = 0.05;

    private double step = -LongestStep;
    private double before;
    private long hits;
    private long misses;

    /// <summary>A request that found its entry.</summary>
    public void Hit() => hits++;

    /// <summary>A request that did not.</summary>
    public void Miss() => misses++;

    /// <summary>Whether the sample is large enough for a step.</summary>
    /// <param name="entries">Resident entries.</param>
    public bool IsReady(long entries) => hits + misses >= RequestsPerEntry * entries;

    /// <summary>Ends the sample.</summary>
    /// <returns>By which part of the capacity the window is to grow, or, below 0, to shrink.</returns>
    public double Step()
    {
        var ratio = (double)hits / Math.Max(1, hits + misses);
        if (ratio < before)
        {
            step = -step;
        }

        var taken = step;
        step = Math.Abs(ratio - before) >= Leap ? Math.CopySign(LongestStep, step) : step * Decay;
        before = ratio;
        hits = misses = 0;
        return taken;
    }
}
