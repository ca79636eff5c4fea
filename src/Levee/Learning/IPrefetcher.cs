namespace Levee.Learning;

/// <summary>Learns from the accesses of a cache's front doors what is asked for next. One thread at a time calls it.</summary>
public interface IPrefetcher
{
    /// <summary>Learns from a batch. Those of one front door come in order; where one was lost, <see cref="AccessBatchReader.Sequence"/> leaps.</summary>
    void Observe(scoped AccessBatchReader batch);

    /// <summary>Takes what is worth having in memory before it is asked for, the most likely first, and forgets that it said so.</summary>
    /// <param name="keys">The keys, packed by <see cref="KeyListWriter"/>.</param>
    /// <returns>Whether there is any.</returns>
    bool TryPredict(out byte[] keys);
}
