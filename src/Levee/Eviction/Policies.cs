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

    /// <summary><see cref="LirsPolicy"/>.</summary>
    public const string Lirs = "lirs";

    /// <summary><see cref="GdsfPolicy"/>.</summary>
    public const string Gdsf = "gdsf";

    /// <summary>All names, the default first.</summary>
    public static IReadOnlyList<string> Names { get; } = [Arc, Lru, S3Fifo, TinyLfu, Lirs, Gdsf];

    /// <summary>A policy with nothing in it. Extends the nodes where it needs that, which succeeds while there are none yet.</summary>
    /// <param name="name">One of <see cref="Names"/>, in any case.</param>
    /// <param name="nodes">The nodes that it will order.</param>
    /// <param name="capacity">What all residents together may weigh; at least 1.</param>
    /// <param name="side">0 or <see cref="EvictionPolicy.OtherSide"/>.</param>
    /// <param name="cost">What a miss costs, for policies that ask; null: <see cref="MissCost.Objects"/>.</param>
    /// <exception cref="ArgumentException">No policy has that name.</exception>
    /// <exception cref="InvalidOperationException">There are nodes already, and no memory to extend them.</exception>
    public static EvictionPolicy Create(string name, NodeTable nodes, long capacity, byte side = 0, MissCost? cost = null) =>
        TryCreate(name, nodes, capacity, side, cost) ?? throw new InvalidOperationException($"There is no memory to extend the nodes for '{name}'.");

    /// <summary>As <see cref="Create"/>, where there may be nodes already.</summary>
    /// <returns>Null where there is no memory to extend them.</returns>
    public static EvictionPolicy? TryCreate(string name, NodeTable nodes, long capacity, byte side = 0, MissCost? cost = null)
    {
        ArgumentNullException.ThrowIfNull(name);
        ArgumentNullException.ThrowIfNull(nodes);
        ArgumentOutOfRangeException.ThrowIfLessThan(capacity, 1);
        EvictionPolicy policy = name.ToLowerInvariant() switch
        {
            Arc => new ArcPolicy(nodes, capacity, side),
            Lru => new LruPolicy(nodes, capacity, side),
            S3Fifo => new S3FifoPolicy(nodes, capacity, side),
            TinyLfu => new TinyLfuPolicy(nodes, capacity, side),
            Lirs => new LirsPolicy(nodes, capacity, side),
            Gdsf => new GdsfPolicy(nodes, capacity, side, cost ?? MissCost.Objects),
            _ => throw new ArgumentException($"There is no policy '{name}'; allowed are {string.Join(", ", Names)}.", nameof(name)),
        };
        return !policy.NeedsExtras || nodes.TryExtend() ? policy : null;
    }
}
