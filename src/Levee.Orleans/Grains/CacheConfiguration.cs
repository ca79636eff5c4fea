using Levee.Hosting;

namespace Levee.Orleans.Grains;

/// <summary>What of a cache was configured at run time, beside what its silos were started with. Null: as the silos were started.</summary>
[GenerateSerializer, Immutable, Alias("levee.cache-configuration")]
public sealed record CacheConfiguration
{
    /// <summary>Rises with each change; 0: nothing was changed yet.</summary>
    [Id(0)]
    public long Version { get; init; }

    /// <summary>Memory budget on each silo, in bytes.</summary>
    [Id(1)]
    public long? MemoryBytes { get; init; }

    /// <summary>TTL of entries that are written without one; zero: none.</summary>
    [Id(2)]
    public TimeSpan? DefaultTtl { get; init; }

    /// <summary>A random part of up to this is taken off the default TTL.</summary>
    [Id(3)]
    public TimeSpan? DefaultTtlJitter { get; init; }

    /// <summary>Longest value in bytes.</summary>
    [Id(4)]
    public int? MaxValueBytes { get; init; }

    /// <summary>Whether somebody wants to hear what near caches must forget.</summary>
    [Id(5)]
    public bool HasSubscribers { get; init; }

    /// <summary>How many partitions the cache has: set by the first silo, and the same for good.</summary>
    [Id(6)]
    public int Partitions { get; init; }

    /// <summary>The eviction policy, as <see cref="CacheOptions.Policy"/>.</summary>
    [Id(7)]
    public string? Policy { get; init; }

    /// <summary>What a silo that was started with some options does now.</summary>
    public CacheOptions ApplyTo(CacheOptions options)
    {
        ArgumentNullException.ThrowIfNull(options);
        return options with
        {
            MemoryBytes = MemoryBytes ?? options.MemoryBytes,
            DefaultTtl = DefaultTtl ?? options.DefaultTtl,
            DefaultTtlJitter = DefaultTtlJitter ?? options.DefaultTtlJitter,
            MaxValueBytes = MaxValueBytes ?? options.MaxValueBytes,
            Policy = Policy ?? options.Policy,
        };
    }
}
