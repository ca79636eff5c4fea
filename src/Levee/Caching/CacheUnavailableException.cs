namespace Levee.Caching;

/// <summary>
/// A partition did not answer an operation, or cannot be reached: whether a write took effect is not known. Reads of a cluster do not end so: they are a miss, and the origin is asked.
/// </summary>
public sealed class CacheUnavailableException : Exception
{
    private const int NamedPartitions = 8;

    /// <param name="cache">The cache's name.</param>
    /// <param name="partition">The partition's number.</param>
    /// <param name="reason">What the host knows of it; null: nothing.</param>
    public CacheUnavailableException(string cache, int partition, string? reason)
        : this(cache, [partition], reason)
    {
    }

    /// <param name="cache">The cache's name.</param>
    /// <param name="partitions">The numbers of the partitions that did not answer, at least one. What others answered has been carried out
    /// there.</param>
    /// <param name="reason">What the host knows of one of them; null: nothing.</param>
    public CacheUnavailableException(string cache, IReadOnlyList<int> partitions, string? reason)
        : base($"{Named(partitions)} of the cache '{cache}' {(partitions.Count == 1 ? "is" : "are")} unavailable{(reason is null ? "" : ": " + reason)}.")
    {
        Cache = cache;
        Partitions = partitions;
    }

    /// <summary>The cache's name.</summary>
    public string Cache { get; }

    /// <summary>The number of the first partition that did not answer.</summary>
    public int Partition => Partitions[0];

    /// <summary>The numbers of all partitions that did not answer; tiers are counted on from the partitions.</summary>
    public IReadOnlyList<int> Partitions { get; }

    private static string Named(IReadOnlyList<int> partitions)
    {
        ArgumentNullException.ThrowIfNull(partitions);
        ArgumentOutOfRangeException.ThrowIfZero(partitions.Count, nameof(partitions));
        var named = string.Join(", ", partitions.Take(NamedPartitions));
        return partitions.Count == 1 ? $"Partition {named}"
            : partitions.Count <= NamedPartitions ? $"Partitions {named}"
            : $"Partitions {named} and {partitions.Count - NamedPartitions} more";
    }
}
