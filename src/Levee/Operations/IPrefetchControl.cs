namespace Levee.Operations;

/// <summary>What front doors see of a cache's prefetcher. Safe for threads.</summary>
public interface IPrefetchControl
{
    /// <summary>Lowest priority of a hint.</summary>
    const int LowestPriority = 0;

    /// <summary>Highest priority of a hint.</summary>
    const int HighestPriority = 9;

    /// <summary>The priority of a hint that does not say any.</summary>
    const int DefaultPriority = 5;

    /// <summary>The most keys of the queue that one report tells.</summary>
    const int MaxQueued = 1000;

    /// <summary>Whether it learns and predicts. Hints are followed either way.</summary>
    bool IsLearning { get; set; }

    /// <summary>Names a key that somebody will want. It is brought up when nothing better waits, or dropped where the queue is full. Never blocks.</summary>
    /// <param name="key">The key.</param>
    /// <param name="hash">Its routing hash.</param>
    /// <param name="priority"><see cref="LowestPriority"/> to <see cref="HighestPriority"/>; all are above what is predicted.</param>
    /// <returns>Whether it waits in the queue now; false where it was dropped, which is counted.</returns>
    bool TryHint(ReadOnlySpan<byte> key, ulong hash, int priority);

    /// <summary>
    /// Does a little of its work on the caller's thread, if there is any: learns what was reported, and begins some of the loads that follow. A front door whose thread serves many connections calls it between them: that
    /// is sooner than another thread wakes up. Once a thread has called it, nobody is woken for what that thread reports.
    /// </summary>
    /// <returns>Whether there is more to do: it is to be called again soon.</returns>
    bool TakeTurn() => false;

    /// <summary>What it has learnt, what it did, and what waits.</summary>
    /// <param name="maxQueued">How many of the keys that wait to tell, those that come next first; 0 to <see cref="MaxQueued"/>.</param>
    /// <param name="cancellation">Ends the wait, where the prefetcher is elsewhere.</param>
    /// <exception cref="TimeoutException">It is elsewhere, and did not answer in time.</exception>
    ValueTask<PrefetchReport> ReportAsync(int maxQueued, CancellationToken cancellation);
}
