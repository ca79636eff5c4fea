using Levee.Partitions;

namespace Levee.Hosting;

/// <summary>Counts slices of background work during which a partition was held for more than a millisecond.</summary>
public sealed class PauseCounters
{
    private static readonly TimeSpan Threshold = TimeSpan.FromMilliseconds(1);

    private readonly long[] counts = new long[Enum.GetValues<MaintenanceWork>().Length];
    private long longestTicks;

    /// <summary>The longest slice since the start.</summary>
    public TimeSpan Longest => new(Volatile.Read(ref longestTicks));

    /// <summary>Slices above a millisecond for one kind of work.</summary>
    public long Count(MaintenanceWork work) => Volatile.Read(ref counts[(int)work]);

    /// <summary>Notes a slice. One thread notes at a time.</summary>
    internal void Note(MaintenanceWork work, TimeSpan duration)
    {
        longestTicks = Math.Max(longestTicks, duration.Ticks);
        if (duration > Threshold)
        {
            counts[(int)work]++;
        }
    }
}
