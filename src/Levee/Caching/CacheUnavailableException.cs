using Levee.Operations;

namespace Levee.Caching;

/// <summary>
/// A partition did not answer an operation, or cannot be reached: whether a write took effect is not known. Reads of a cluster do not end so: they are a miss, and the origin is asked.
/// </summary>
public sealed class CacheUnavailableException : Exception
{
    /// <param name="cache">The cache's name.</param>
    /// <param name="partition">The partition's number.</param>
    /// <param name="reason">What the host knows of it; null: nothing.</param>
    public CacheUnavailableException(string cache, int partition, string? reason)
        : base($"Partition {partition} of the cache '{cache}' is unavailable{(reason is null ? "" : ": " + reason)}.")
    {
        Cache = cache;
        Partition = partition;
    }

    /// <summary>Some of a cache's partitions did not do what all were asked to.</summary>
    /// <param name="missing">Which ones.</param>
    internal CacheUnavailableException(Unanswered missing)
        : base($"Not done: {missing}.")
    {
        Cache = missing.Cache;
        Partition = missing.First;
    }

    /// <summary>The cache's name.</summary>
    public string Cache { get; }

    /// <summary>The partition's number; of several the lowest.</summary>
    public int Partition { get; }
}
