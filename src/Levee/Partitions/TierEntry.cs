using Levee.Memory;
using Levee.Operations;

namespace Levee.Partitions;

/// <summary>An entry on its way between a partition and a lower tier. A borrowed view: the spans are the caller's and are valid during the call that passes it.</summary>
public readonly ref struct TierEntry
{
    /// <summary>The key's routing hash (<see cref="Keys.KeyHash"/>).</summary>
    public ulong Hash { get; init; }

    /// <summary>The version with which the entry was written.</summary>
    public ulong Version { get; init; }

    /// <summary>When the entry expires, in Unix milliseconds; <see cref="Limits.Never"/> where it does not.</summary>
    public long ExpiresAt { get; init; }

    /// <summary>The sliding TTL in milliseconds; 0: the expiry is fixed.</summary>
    public long SlidingMs { get; init; }

    /// <summary>What a sliding expiry never passes.</summary>
    public long SlidingCap { get; init; }

    /// <summary>The key.</summary>
    public ReadOnlySpan<byte> Key { get; init; }

    /// <summary>The value, where it is inline; empty where <see cref="Large"/> holds it.</summary>
    public ReadOnlySpan<byte> Value { get; init; }

    /// <summary>The value, where it is above <see cref="Limits.MaxInlineBytes"/>. Who keeps it takes a reference of its own.</summary>
    public LargeValue? Large { get; init; }

    /// <summary>What the value is.</summary>
    public EntryKind Kind { get; init; }

    /// <summary>The caller's flags.</summary>
    public uint Flags { get; init; }

    /// <summary>The content type.</summary>
    public ReadOnlySpan<byte> ContentType { get; init; }

    /// <summary>The tags, packed by <see cref="TagList"/>.</summary>
    public ReadOnlySpan<byte> Tags { get; init; }

    /// <summary>The same entry with its value in a <see cref="LargeValue"/>.</summary>
    public TierEntry WithLarge(LargeValue large) => new()
    {
        Hash = Hash,
        Version = Version,
        ExpiresAt = ExpiresAt,
        SlidingMs = SlidingMs,
        SlidingCap = SlidingCap,
        Key = Key,
        Large = large,
        Kind = Kind,
        Flags = Flags,
        ContentType = ContentType,
        Tags = Tags,
    };

    /// <summary>The value's length in bytes.</summary>
    public int ValueLength => Large?.Length ?? Value.Length;
}

/// <summary>Looks at an entry that a tier holds.</summary>
public delegate void TierEntryVisitor(scoped in TierEntry entry);
