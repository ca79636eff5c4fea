using System.Buffers;
using System.Text;
using Levee.Keys;
using Levee.Memory;
using Levee.Operations;

namespace Levee.Caching;

/// <summary>Makes operations of what a caller says, and refuses what is not allowed: the same for the synchronous and the asynchronous face.</summary>
internal static class CacheArguments
{
    /// <summary>Keys up to this length go over the stack.</summary>
    public const int StackBytes = 512;

    private const int ReclaimAttempts = 16;

    public static Operation On(ReadOnlySpan<byte> key, OperationKind kind)
    {
        if (key.Length > Limits.MaxKeyBytes)
        {
            throw new ArgumentException($"The key has {key.Length} bytes; allowed: up to {Limits.MaxKeyBytes}.", nameof(key));
        }

        return new Operation { Kind = kind, Key = key, Hash = KeyHash.Of(key) };
    }

    /// <summary>A set without its value.</summary>
    /// <param name="key">The key.</param>
    /// <param name="options">What the caller says.</param>
    /// <param name="now">The time in Unix milliseconds.</param>
    /// <param name="tags">Room for packed tags: <see cref="Limits.MaxPackedTagsBytes"/> where there are any.</param>
    /// <param name="contentType">Room for the content type: <see cref="Limits.MaxContentTypeBytes"/> where there is one.</param>
    public static Operation Set(ReadOnlySpan<byte> key, scoped in EntryOptions options, long now, Span<byte> tags, Span<byte> contentType)
    {
        var operation = On(key, OperationKind.Set);
        operation.Tags = Pack(options.Tags, tags);
        operation.ContentType = Ascii(options.ContentType, contentType);
        operation.Flags = options.Flags;
        operation.Condition = options.Condition;
        operation.Version = options.Version;
        operation.Lease = options.Lease;
        operation.KeepTtl = options.KeepTtl;
        operation.JitterMs = Milliseconds(options.Jitter, nameof(EntryOptions.Jitter), 0);
        operation.SlidingMs = options.SlidingTtl is { } sliding ? Milliseconds(sliding, nameof(EntryOptions.SlidingTtl), 1) : 0;
        operation.ExpiresAt = Instant(options.Ttl, now);
        return operation;
    }

    public static ReadOnlySpan<byte> Pack(IReadOnlyList<string>? tags, Span<byte> packed)
    {
        var length = 0;
        Span<byte> bytes = stackalloc byte[Limits.MaxTagBytes];
        for (var i = 0; i < (tags?.Count ?? 0); i++)
        {
            ArgumentException.ThrowIfNullOrEmpty(tags![i], nameof(tags));
            if (!Encoding.UTF8.TryGetBytes(tags[i], bytes, out var count))
            {
                throw new ArgumentException($"The tag '{tags[i][..32]}...' has {Encoding.UTF8.GetByteCount(tags[i])} bytes; allowed: 1 to {Limits.MaxTagBytes}.", nameof(tags));
            }

            var written = TagList.Write(packed[length..], bytes[..count]);
            if (written == 0)
            {
                throw new ArgumentException($"The {tags.Count} tags take more than {packed.Length} bytes, each with one byte of length.", nameof(tags));
            }

            length += written;
        }

        return packed[..length];
    }

    public static ReadOnlySpan<byte> Ascii(string? contentType, Span<byte> bytes)
    {
        if (contentType is null)
        {
            return default;
        }

        if (contentType.Length > bytes.Length || !System.Text.Ascii.IsValid(contentType))
        {
            throw new ArgumentException($"The content type '{contentType}' is not allowed: up to {Limits.MaxContentTypeBytes} ASCII characters are.", nameof(contentType));
        }

        return bytes[..Encoding.ASCII.GetBytes(contentType, bytes)];
    }

    /// <summary>When something expires that lives so long from now on, as <see cref="Operation.ExpiresAt"/> says it.</summary>
    public static long Instant(TimeSpan? ttl, long now) => ttl switch
    {
        null => 0,
        { } infinite when infinite == Timeout.InfiniteTimeSpan => Limits.Never,
        { } finite => now + Milliseconds(finite, nameof(EntryOptions.Ttl), 1),
    };

    /// <summary>Room for a large value. Where the reserve is spent, lets partitions pay back what they overdrew.</summary>
    /// <param name="store">Where the room is.</param>
    /// <param name="length">The value's length.</param>
    /// <param name="reclaim">Does a slice of maintenance and says if it found work; null: others do.</param>
    public static LargeValue? TryCreateLarge(LargeValueStore store, int length, Func<bool>? reclaim)
    {
        var large = store.TryCreate(length);
        for (var i = 0; i < ReclaimAttempts && large is null && reclaim is not null && reclaim(); i++)
        {
            large = store.TryCreate(length);
        }

        return large;
    }

    private static long Milliseconds(TimeSpan duration, string option, long least)
    {
        var milliseconds = duration.Ticks / TimeSpan.TicksPerMillisecond;
        return milliseconds >= least ? milliseconds : throw new ArgumentException($"{option} is '{duration}'; allowed: {least} ms or more.", option);
    }
}

/// <summary>A string's UTF-8 bytes, on the stack where they are few.</summary>
internal readonly ref struct Utf8
{
    private readonly byte[]? rented;

    public Utf8(string key, Span<byte> buffer)
    {
        ArgumentNullException.ThrowIfNull(key);
        if (!Encoding.UTF8.TryGetBytes(key, buffer, out var length))
        {
            rented = ArrayPool<byte>.Shared.Rent(Encoding.UTF8.GetMaxByteCount(key.Length));
            buffer = rented;
            length = Encoding.UTF8.GetBytes(key, buffer);
        }

        Span = buffer[..length];
    }

    public ReadOnlySpan<byte> Span { get; }

    public void Dispose()
    {
        if (rented is not null)
        {
            ArrayPool<byte>.Shared.Return(rented);
        }
    }
}
