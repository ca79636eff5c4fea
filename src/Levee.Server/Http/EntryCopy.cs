using System.Buffers;
using Levee.Memory;
using Levee.Operations;

namespace Levee.Server.Http;

/// <summary>
/// An entry that outlives its answer: metadata and an inline value are copied into one pooled buffer, a large value is kept by a reference of its own.
/// Dispose it once to give both back.
/// </summary>
internal sealed class EntryCopy : IDisposable
{
    private byte[]? buffer;
    private readonly int keyLength;
    private readonly int contentTypeLength;
    private readonly int tagsLength;
    private readonly int inlineLength;

    /// <param name="entry">The entry as it lies.</param>
    /// <param name="copiesValue">Whether the value is wanted; metadata alone costs no reference.</param>
    public EntryCopy(EntryView entry, bool copiesValue)
    {
        keyLength = entry.Key.Length;
        contentTypeLength = entry.ContentType.Length;
        tagsLength = entry.Tags.Length;
        inlineLength = copiesValue ? entry.Value.Length : 0;
        buffer = ArrayPool<byte>.Shared.Rent(Math.Max(1, keyLength + contentTypeLength + tagsLength + inlineLength));
        entry.Key.CopyTo(buffer);
        entry.ContentType.CopyTo(buffer.AsSpan(keyLength));
        entry.Tags.CopyTo(buffer.AsSpan(keyLength + contentTypeLength));
        entry.Value[..inlineLength].CopyTo(buffer.AsSpan(keyLength + contentTypeLength + tagsLength));
        if (copiesValue && entry.Large is { } large)
        {
            large.AddReference();
            Large = large;
        }

        ValueLength = entry.ValueLength;
        Version = entry.Version;
        ExpiresAt = entry.ExpiresAt;
        SlidingMs = entry.SlidingMs;
        WrittenAt = entry.WrittenAt;
        Flags = entry.Flags;
        Kind = entry.Kind;
    }

    public ReadOnlySpan<byte> Key => buffer.AsSpan(0, keyLength);

    public ReadOnlySpan<byte> ContentType => buffer.AsSpan(keyLength, contentTypeLength);

    public ReadOnlySpan<byte> Tags => buffer.AsSpan(keyLength + contentTypeLength, tagsLength);

    /// <summary>The value where it is inline and was asked for.</summary>
    public ReadOnlyMemory<byte> Value => buffer.AsMemory(keyLength + contentTypeLength + tagsLength, inlineLength);

    /// <summary>The value where it is large and was asked for.</summary>
    public LargeValue? Large { get; private set; }

    public int ValueLength { get; }

    public ulong Version { get; }

    public long ExpiresAt { get; }

    public long SlidingMs { get; }

    public long WrittenAt { get; }

    public uint Flags { get; }

    public EntryKind Kind { get; }

    public void Dispose()
    {
        if (Interlocked.Exchange(ref buffer, null) is { } rented)
        {
            ArrayPool<byte>.Shared.Return(rented);
            Large?.Release();
            Large = null;
        }
    }
}
