using System.Text;
using Levee.Operations;

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

    /// <summary>The metadata of an entry, without its value.</summary>
    internal static CacheEntry Of(EntryView entry)
    {
        var tags = new List<string>();
        var packed = entry.Tags;
        while (TagList.TryRead(ref packed, out var tag))
        {
            tags.Add(Encoding.UTF8.GetString(tag));
        }

        return new CacheEntry
        {
            Value = default,
            Version = entry.Version,
            WrittenAt = DateTimeOffset.FromUnixTimeMilliseconds(entry.WrittenAt),
            ExpiresAt = entry.ExpiresAt == Limits.Never ? null : DateTimeOffset.FromUnixTimeMilliseconds(Math.Min(entry.ExpiresAt, DateTimeOffset.MaxValue.ToUnixTimeMilliseconds())),
            SlidingTtl = entry.SlidingMs == 0 ? null : TimeSpan.FromMilliseconds(Math.Min(entry.SlidingMs, (long)TimeSpan.MaxValue.TotalMilliseconds - 1)),
            Flags = entry.Flags,
            ContentType = Encoding.ASCII.GetString(entry.ContentType),
            Tags = tags,
            SizeBytes = entry.SizeBytes,
        };
    }
}
