namespace Levee.Learning;

/// <summary>What became of an access, as a prefetcher sees it. The numbers travel in <see cref="AccessBatch"/>.</summary>
public enum AccessKind : byte
{
    /// <summary>It was answered from memory. Front doors never report it; simulations may.</summary>
    Hit = 0,

    /// <summary>Nothing was in memory, and nothing was on its way there.</summary>
    Miss = 1,

    /// <summary>It was answered from memory, because a prefetch had brought the entry there: the first use of it.</summary>
    PrefetchHit = 2,

    /// <summary>A miss that joined a load which a prefetch had begun.</summary>
    Late = 3,

    /// <summary>A <see cref="Miss"/> of an entry that was evicted so lately that it would still be there if prefetched entries took no room.</summary>
    PollutedMiss = 4,
}
