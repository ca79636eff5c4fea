using Levee.Learning;

namespace Levee.Hosting;

/// <summary>What a cache lets its prefetcher set. Safe for threads; takes effect in each partition at once.</summary>
public interface IPrefetchTarget
{
    /// <summary>Where accesses that were not plain hits are reported, in order for each thread; null: nowhere, which costs nothing.</summary>
    IAccessSink? Accesses { get; set; }

    /// <summary>Whether misses are told apart that prefetched entries have caused (<see cref="AccessKind.PollutedMiss"/>). Takes a page of each partition's memory.</summary>
    bool NotesPollution { get; set; }

    /// <summary>How many entries that were prefetched and not used yet the cache may hold, at least one for each partition; they never take more than a tenth of its memory. <see cref="long.MaxValue"/>: that alone bounds them.</summary>
    long MaxPrefetched { get; set; }
}
