using Levee.Operations;

namespace Levee.Learning;

/// <summary>A key that is worth having in memory before it is asked for.</summary>
/// <param name="Id">The prefetcher's name for the key, for <see cref="IPrefetcher.Ended"/>.</param>
/// <param name="KeyLength">Length of the key in bytes; 0 where only its hash is known: then whoever loads it finds it by that.</param>
/// <param name="Hash">The key's routing hash (<see cref="Keys.KeyHash"/>).</param>
/// <param name="Bucket">The confidence bucket that predicted it, a place in <see cref="PrefetchStatistics.Buckets"/>.</param>
public readonly record struct Prediction(ulong Id, int KeyLength, ulong Hash, int Bucket);

/// <summary>What became of a prediction. The numbers travel between machines.</summary>
public enum PrefetchOutcome
{
    /// <summary>It was loaded and lies in memory now.</summary>
    Promoted = 0,

    /// <summary>There was nothing to load: it was in memory, or a load was under way.</summary>
    Resident = 1,

    /// <summary>No tier has it.</summary>
    Absent = 2,

    /// <summary>The load failed.</summary>
    Failed = 3,

    /// <summary>It was given up before the load was begun, as there were too many; or the origin's answer was, as something was removed
    /// meanwhile that it may have read.</summary>
    Dropped = 4,
}
