namespace Levee.Server;

/// <summary>Lets one line of a kind into the log each interval, and counts the others: what strangers cause must not fill a disk. Pure: told the time in milliseconds. Safe for threads.</summary>
internal sealed class LogPace
{
    private const long IntervalMs = 10_000;

    private readonly Lock gate = new();
    private long nextMs = long.MinValue;
    private long skipped;

    /// <summary>Whether a line may be written now.</summary>
    /// <param name="nowMs">The time.</param>
    /// <param name="skippedLines">How many were not, since the last one that was.</param>
    public bool MayWrite(long nowMs, out long skippedLines)
    {
        lock (gate)
        {
            skippedLines = skipped;
            if (nowMs < nextMs)
            {
                skipped++;
                return false;
            }

            skipped = 0;
            nextMs = nowMs + IntervalMs;
            return true;
        }
    }
}
