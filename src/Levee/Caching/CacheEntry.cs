namespace Levee.Caching;

/// <summary>A copy of an entry with its metadata.</summary>
public sealed record CacheEntry
{
    /// <summary>The value.</summary>
    public required ReadOnlyMemory<byte> Value { get; init; }

    /// <summary>The version: rises with every write, of any key, in a partition. Pass it back to write or remove only what has not changed.</summary>
    public required ulong Version { get; init; }

    /// <summary>When the entry was last written.</summary>
    public required DateTimeOffset WrittenAt { get; init; }

    /// <summary>When the entry expires; null: not at all.</summary>
    public required DateTimeOffset? ExpiresAt { get; init; }

    /// <summary>How long each use keeps the entry from then on; null: its expiry is fixed.</summary>
    public required TimeSpan? SlidingTtl { get; init; }

    /// <summary>The writer's flags.</summary>
    public required uint Flags { get; init; }

    /// <summary>The writer's content type; empty where none was given.</summary>
    public required string ContentType { get; init; }

    /// <summary>The tags.</summary>
    public required IReadOnlyList<string> Tags { get; init; }

    /// <summary>What the entry takes of the memory budget, in bytes, with its share of the index.</summary>
    public required int SizeBytes { get; init; }
}
