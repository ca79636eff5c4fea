namespace Levee.Eviction;

/// <summary>The eviction policies by name.</summary>
internal static class Policies
{
    /// <summary><see cref="ArcPolicy"/>.</summary>
    public const string Arc = "arc";

    /// <summary><see cref="LruPolicy"/>.</summary>
    public const string Lru = "lru";

    /// <summary><see cref="S3FifoPolicy"/>.</summary>
    public const string S3Fifo = "s3-fifo";

    /// <summary><see cref="TinyLfuPolicy"/>.</summary>
    public const string TinyLfu = "w-tinylfu";

    /// <summary>All names, the default first.</summary>
    public static IReadOnlyList<string> Names { get; } = [Arc, Lru, S3Fifo, TinyLfu];

    /// <summary>A policy with nothing in it.</summary>
    /// <param name="name">One of <see cref="Names"/>, in any case.</param>
    /// <param name="nodes">The nodes that it will order.</param>
    /// <param name="capacity">What all residents together may weigh; at least 1.</param>
    /// <param name="side">0 or <see cref="EvictionPolicy.OtherSide"/>.</param>
    /// <param name="cost">What a miss costs, for policies that ask; null: <see cref="MissCost.Objects"/>.</param>
    /// <exception cref="ArgumentException">No policy has that name.</exception>
    public static EvictionPolicy Create(string name, NodeTable nodes, long capacity, byte side = 0, MissCost? cost = null)
    {
        ArgumentNullException.ThrowIfNull(name);
        ArgumentNullException.ThrowIfNull(nodes);
        ArgumentOutOfRangeException.ThrowIfLessThan(capacity, 1);
        return name.ToLowerInvariant() switch
        {
            Arc => new ArcPolicy(nodes, capacity, side),
            Lru => new LruPolicy(nodes, capacity, side),
            S3Fifo => new S3FifoPolicy(nodes, capacity, side),
            TinyLfu => new TinyLfuPolicy(nodes, capacity, side),
            _ => throw new ArgumentException($"There is no policy '{name}'; allowed are {string.Join(", ", Names)}.", nameof(name)),
        };
    }
}
