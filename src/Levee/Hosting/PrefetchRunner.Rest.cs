namespace Levee.Hosting;

/// <summary>
/// Rest. Where nothing has been foreseen through more would-be misses than the prefetcher remembers, nothing is reported, and no memory is kept for it, for a while: at first as long as that took, then twice as long each time, up to
/// <see cref="MostRest"/> times and <see cref="LongestRest"/>. Then it looks again. So traffic without order pays for learning a small part of the time, and order that appears is found a little later.
/// </summary>
public sealed partial class PrefetchRunner
{
    /// <summary>No rest before so many would-be misses.</summary>
    private const int LeastWatched = 1 << 16;

    /// <summary>More than twice as many as the prefetcher's log has for each entry.</summary>
    private const int WatchedPerEntry = 8;

    private const int MostRest = 8;

    private static readonly TimeSpan LongestRest = TimeSpan.FromSeconds(10);

    private ITimer? rest;
    private long watchedFrom;
    private long watchBegan;
    private int restFactor = 1;
    private bool hasPredicted;

    /// <summary>Begins to look. Under the gate.</summary>
    private void Watch()
    {
        rest?.Dispose();
        rest = null;
        watchedFrom = stream.Reported;
        watchBegan = Now;
    }

    /// <summary>Rests where it is time to. Under the gate.</summary>
    private void RestWhereSilent()
    {
        if (target is null || !IsLearning || rest is not null)
        {
            return;
        }

        if (hasPredicted)
        {
            hasPredicted = false;
            restFactor = 1;
            Watch();
            return;
        }

        if (stream.Reported - watchedFrom < Math.Max(LeastWatched, (long)WatchedPerEntry * Volatile.Read(ref capacityEntries)))
        {
            return;
        }

        var pause = TimeSpan.FromMicroseconds((Now - watchBegan) * restFactor);
        restFactor = Math.Min(MostRest, 2 * restFactor);
        rest = time.CreateTimer(static runner => ((PrefetchRunner)runner!).EndRest(), this, pause < LongestRest ? pause : LongestRest, Timeout.InfiniteTimeSpan);
        target.NotesPollution = false;
        target.Accesses = null;
    }

    private void EndRest()
    {
        lock (gate)
        {
            if (rest is not null && IsLearning)
            {
                Watch();
                target!.NotesPollution = true;
                target.Accesses = this;
            }
        }
    }
}
