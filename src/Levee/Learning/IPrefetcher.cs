using Levee.Operations;

namespace Levee.Learning;

/// <summary>Learns from the accesses of a cache's front doors what is asked for next. One thread at a time calls it.</summary>
public interface IPrefetcher
{
    /// <summary>What it knows and did.</summary>
    PrefetchStatistics Statistics { get; }

    /// <summary>Says how many entries the memory holds when it is full, as far as that is known now; by default nobody asks.</summary>
    /// <param name="capacity">At least 1.</param>
    void SetCapacity(int capacity)
    {
    }

    /// <summary>Learns from a batch. Those of one front door come in order; where one was lost, <see cref="AccessBatchReader.Sequence"/> leaps.</summary>
    /// <param name="batch">The accesses.</param>
    /// <param name="now">The time, in any unit, the same as that of <see cref="Ended"/>'s latency; it never falls.</param>
    /// <param name="isPrompt">Whether the accesses were made just now, all together, and what is predicted is asked for at once; else they have gathered for a while.</param>
    void Observe(scoped AccessBatchReader batch, long now, bool isPrompt);

    /// <summary>Takes what is worth having in memory before it is asked for, the oldest prediction first. Whoever takes it says by <see cref="Ended"/> what became of it.</summary>
    /// <param name="key">Where the key is written; room for <see cref="KeyList.MaxKeyBytes"/>.</param>
    /// <param name="prediction">What to load.</param>
    /// <returns>Whether there is any.</returns>
    bool TryPredict(Span<byte> key, out Prediction prediction);

    /// <summary>Whether a prediction that was taken is still worth a load: nobody has asked for the entry meanwhile, as far as that is known.</summary>
    /// <param name="id">The prediction's <see cref="Prediction.Id"/>. If not, its end need not be told.</param>
    bool IsWanted(ulong id) => true;

    /// <summary>Says what became of a prediction that was taken.</summary>
    /// <param name="id">The prediction's <see cref="Prediction.Id"/>.</param>
    /// <param name="outcome">How it ended.</param>
    /// <param name="latency">How long the load took, in the unit of the time; of meaning where <paramref name="outcome"/> is <see cref="PrefetchOutcome.Promoted"/>.</param>
    void Ended(ulong id, PrefetchOutcome outcome, long latency);
}
