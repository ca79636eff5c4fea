using Levee.Operations;

namespace Levee.Caching;

/// <summary>How an entry is written. The default: always, with the cache's default TTL.</summary>
public readonly record struct EntryOptions
{
    /// <summary>How long the entry lives, at least a millisecond; null: the cache's default; <see cref="Timeout.InfiniteTimeSpan"/>: for ever.</summary>
    public TimeSpan? Ttl { get; init; }

    /// <summary>A random part of up to this is taken off <see cref="Ttl"/>, so that entries written together do not expire together.</summary>
    public TimeSpan Jitter { get; init; }

    /// <summary>Each use keeps the entry this long from then on, never beyond <see cref="Ttl"/> where that is given; null: the expiry is fixed.</summary>
    public TimeSpan? SlidingTtl { get; init; }

    /// <summary>An overwrite keeps the expiry that the entry has.</summary>
    public bool KeepTtl { get; init; }

    /// <summary>Bits kept with the entry.</summary>
    public uint Flags { get; init; }

    /// <summary>MIME type kept with the entry, ASCII, up to 255 characters.</summary>
    public string? ContentType { get; init; }

    /// <summary>Tags, each of 1 to 255 bytes of UTF-8, for <see cref="LeveeCache.RemoveByTag"/>; about 2 KiB in all.</summary>
    public IReadOnlyList<string>? Tags { get; init; }

    /// <summary>When the write may act.</summary>
    public Condition Condition { get; init; }

    /// <summary>The version that <see cref="Condition.IfVersion"/> asks for.</summary>
    public ulong Version { get; init; }

    /// <summary>
    /// What <see cref="ILeveeCache.LeaseAsync"/> gave before the value was loaded from where the truth is; 0: the value was not loaded. The
    /// write fails like a condition where the load may have brought something old: since the
    /// lease was given the key was written or removed or got another TTL, one of <see cref="Tags"/> was removed, or everything was; or the
    /// lease is too old. Then do not try again with the same value.
    /// </summary>
    public ulong Lease { get; init; }

    /// <summary>Writes only over the entry that has a version.</summary>
    public static EntryOptions IfVersion(ulong version) => new() { Condition = Condition.IfVersion, Version = version };
}
