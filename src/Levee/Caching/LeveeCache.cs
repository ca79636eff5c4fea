using System.Buffers;
using Levee.Hosting;
using Levee.Memory;
using Levee.Operations;

namespace Levee.Caching;

/// <summary>
/// A cache inside a .NET process: bytes by key, off the managed heap, within a memory budget that counts everything, with ARC, TTLs, tags and versions. Safe for threads.
/// <code>
/// await using var cache = new LeveeCache(new CacheOptions { MemoryBytes = 256L &lt;&lt; 20 });
/// cache.Set("greeting", "hello"u8, new EntryOptions { Ttl = TimeSpan.FromMinutes(1) });
/// if (cache.TryGet("greeting", buffer, out var length)) Use(buffer[..length]);
/// </code>
/// <para>
/// Keys are 0 to 4,096 bytes; a string stands for its UTF-8 bytes. A hit into a caller's buffer allocates nothing. Wrong arguments throw; everything else is an outcome
/// in the result, and nothing is dropped in silence. Nobody may be inside a call when the cache is disposed.
/// </para>
/// </summary>
public sealed partial class LeveeCache : ILeveeCache, IAsyncDisposable
{
    private const int StackBytes = CacheArguments.StackBytes;
    private const int ScanNodesPerSlice = 256;
    
    private readonly LockHost host;
    private readonly HostedCache hosted;
    private readonly MillisecondClock clock;
    private readonly PrefetchRunner? prefetching;
    private bool disposed;

    /// <param name="options">What the cache is configured with; checked here.</param>
    /// <param name="time">The source of time; null: the system's.</param>
    /// <param name="origin">Loads an entry from where the truth is, for <see cref="PrefetchAsync"/> and for what the cache foresees; null: the cache has no prefetcher. It is called from any thread, a few times at once;
    /// what it brings is stored only where the key has no entry then and nothing was removed meanwhile that it may have read. An exception
    /// counts as a load that failed.</param>
    /// <exception cref="ArgumentException">An option is out of range; the message names it, its value and what is allowed.</exception>
    public LeveeCache(CacheOptions options, TimeProvider? time = null, OriginLoader? origin = null)
    {
        host = new LockHost(options, time ?? TimeProvider.System);
        clock = host.Clock;
        hosted = new HostedCache(host, () => clock.Now, host.MaintainOnce);
        prefetching = origin is null ? null : CachePrefetcher.Start(host, origin, time ?? TimeProvider.System);
    }

    /// <summary>The cache's options.</summary>
    public CacheOptions Options => host.Options;

    /// <summary>The longest value that is accepted, in bytes.</summary>
    public int MaxValueBytes => host.LargeValues.MaxValueBytes;

    /// <summary>Copies the value of a key into a caller's buffer.</summary>
    /// <param name="key">The key.</param>
    /// <param name="destination">Where the value goes.</param>
    /// <param name="length">The value's length; 0 on a miss. Together with <c>false</c>, a length above 0 says that there is an entry and that
    /// <paramref name="destination"/> is too small for it: nothing was copied, and that many bytes are needed.</param>
    /// <returns>Whether the value was copied.</returns>
    public unsafe bool TryGet(ReadOnlySpan<byte> key, Span<byte> destination, out int length)
    {
        var copy = AnswerCopy.Rent(AnswerCopy.Want.Value);
        try
        {
            byte none;
            fixed (byte* memory = destination)
            {
                copy.CopyTo(memory == null ? &none : memory, destination.Length);
                Submit(key, OperationKind.Get, copy);
            }

            length = copy.Outcome == Outcome.Hit ? copy.Length : 0;
            if (copy.Outcome != Outcome.Hit || length > destination.Length)
            {
                return false;
            }

            copy.Large?.CopyTo(0, destination[..length]);
            return true;
        }
        finally
        {
            copy.Return();
        }
    }

    /// <inheritdoc cref="TryGet(ReadOnlySpan{byte}, Span{byte}, out int)"/>
    public bool TryGet(string key, Span<byte> destination, out int length)
    {
        using var bytes = new Utf8(key, stackalloc byte[StackBytes]);
        return TryGet(bytes.Span, destination, out length);
    }

    /// <summary>Writes the value of a key to a buffer writer.</summary>
    /// <returns>False on a miss; then nothing was written.</returns>
    public bool TryGet(ReadOnlySpan<byte> key, IBufferWriter<byte> destination)
    {
        ArgumentNullException.ThrowIfNull(destination);
        var copy = AnswerCopy.Rent(AnswerCopy.Want.Value);
        try
        {
            Submit(key, OperationKind.Get, copy);
            if (copy.Outcome != Outcome.Hit)
            {
                return false;
            }

            if (copy.Large is not { } large)
            {
                destination.Write(copy.Inline);
                return true;
            }

            for (var offset = 0; offset < large.Length;)
            {
                var block = large.Read(offset);
                destination.Write(block);
                offset += block.Length;
            }

            return true;
        }
        finally
        {
            copy.Return();
        }
    }

    /// <inheritdoc cref="TryGet(ReadOnlySpan{byte}, IBufferWriter{byte})"/>
    public bool TryGet(string key, IBufferWriter<byte> destination)
    {
        using var bytes = new Utf8(key, stackalloc byte[StackBytes]);
        return TryGet(bytes.Span, destination);
    }

    /// <summary>The value of a key as an array of its own, or null on a miss.</summary>
    public byte[]? Get(ReadOnlySpan<byte> key)
    {
        var copy = AnswerCopy.Rent(AnswerCopy.Want.Value);
        try
        {
            Submit(key, OperationKind.Get, copy);
            return copy.Outcome == Outcome.Hit ? copy.ToArray() : null;
        }
        finally
        {
            copy.Return();
        }
    }

    /// <inheritdoc cref="Get(ReadOnlySpan{byte})"/>
    public byte[]? Get(string key)
    {
        using var bytes = new Utf8(key, stackalloc byte[StackBytes]);
        return Get(bytes.Span);
    }

    /// <summary>A copy of the entry of a key with its metadata. Counts as its use.</summary>
    /// <returns>False on a miss.</returns>
    public bool TryGetEntry(ReadOnlySpan<byte> key, [System.Diagnostics.CodeAnalysis.NotNullWhen(true)] out CacheEntry? entry)
    {
        var copy = AnswerCopy.Rent(AnswerCopy.Want.Entry);
        try
        {
            Submit(key, OperationKind.Get, copy);
            entry = copy.Outcome == Outcome.Hit ? copy.Entry! with { Value = copy.ToArray() } : null;
            return entry is not null;
        }
        finally
        {
            copy.Return();
        }
    }

    /// <inheritdoc cref="TryGetEntry(ReadOnlySpan{byte}, out CacheEntry?)"/>
    public bool TryGetEntry(string key, [System.Diagnostics.CodeAnalysis.NotNullWhen(true)] out CacheEntry? entry)
    {
        using var bytes = new Utf8(key, stackalloc byte[StackBytes]);
        return TryGetEntry(bytes.Span, out entry);
    }

    /// <summary>Whether a key has an entry. Does not count as its use.</summary>
    public bool Exists(ReadOnlySpan<byte> key) => Ask(key, OperationKind.Peek).Outcome == Outcome.Hit;

    /// <inheritdoc cref="Exists(ReadOnlySpan{byte})"/>
    public bool Exists(string key)
    {
        using var bytes = new Utf8(key, stackalloc byte[StackBytes]);
        return Exists(bytes.Span);
    }

    /// <summary>Writes an entry.</summary>
    /// <returns>Stored with the entry's new version; ConditionFailed with its present one; TooLarge with the limit; OutOfMemory.</returns>
    /// <exception cref="ArgumentException">Key, TTLs, content type or tags are not allowed; the message says what is.</exception>
    public SetResult Set(ReadOnlySpan<byte> key, ReadOnlySpan<byte> value, in EntryOptions options = default)
    {
        Span<byte> tags = stackalloc byte[options.Tags is null ? 0 : Limits.MaxPackedTagsBytes];
        Span<byte> contentType = stackalloc byte[options.ContentType is null ? 0 : Limits.MaxContentTypeBytes];
        scoped var operation = CacheArguments.Set(key, options, clock.Now, tags, contentType);
        return SetValue(operation, value);
    }

    /// <inheritdoc cref="Set(ReadOnlySpan{byte}, ReadOnlySpan{byte}, in EntryOptions)"/>
    public SetResult Set(string key, ReadOnlySpan<byte> value, in EntryOptions options = default)
    {
        using var bytes = new Utf8(key, stackalloc byte[StackBytes]);
        return Set(bytes.Span, value, options);
    }

    /// <summary>Says that the value of a key is about to be loaded from where the truth is, as <see cref="LeaseAsync"/> does.</summary>
    /// <returns>The <see cref="EntryOptions.Lease"/> of the write that brings what was loaded.</returns>
    public ulong Lease(string key) => Now(LeaseAsync(key));

    /// <summary>Removes the entry of a key.</summary>
    /// <returns>Whether there was one.</returns>
    public bool Remove(ReadOnlySpan<byte> key) => Ask(key, OperationKind.Delete).IsDone;

    /// <inheritdoc cref="Remove(ReadOnlySpan{byte})"/>
    public bool Remove(string key)
    {
        using var bytes = new Utf8(key, stackalloc byte[StackBytes]);
        return Remove(bytes.Span);
    }

    /// <summary>Removes the entry of a key if it still has a version.</summary>
    /// <returns>Removed, Miss, or ConditionFailed with the present version.</returns>
    public SetResult Remove(ReadOnlySpan<byte> key, ulong version)
    {
        var operation = CacheArguments.On(key, OperationKind.Delete);
        operation.Condition = Condition.IfVersion;
        operation.Version = version;
        return Ask(operation);
    }

    /// <inheritdoc cref="Remove(ReadOnlySpan{byte}, ulong)"/>
    public SetResult Remove(string key, ulong version)
    {
        using var bytes = new Utf8(key, stackalloc byte[StackBytes]);
        return Remove(bytes.Span, version);
    }

    /// <summary>Counts as a use of the entry, and so renews a sliding TTL.</summary>
    /// <returns>Whether there is an entry.</returns>
    public bool Touch(string key)
    {
        using var bytes = new Utf8(key, stackalloc byte[StackBytes]);
        return Ask(bytes.Span, OperationKind.Get).Outcome == Outcome.Hit;
    }

    /// <summary>Gives an entry another TTL, from now.</summary>
    /// <returns>Stored, Miss, or ConditionFailed.</returns>
    public SetResult Expire(string key, TimeSpan ttl, ExpireCondition condition = ExpireCondition.None)
    {
        using var bytes = new Utf8(key, stackalloc byte[StackBytes]);
        var operation = CacheArguments.On(bytes.Span, OperationKind.Expire);
        operation.ExpiresAt = CacheArguments.Instant(ttl, clock.Now);
        operation.ExpireCondition = condition;
        return Ask(operation);
    }

    /// <summary>Takes the TTL off an entry.</summary>
    /// <returns>Stored, Miss, or ConditionFailed where it had none.</returns>
    public SetResult Persist(string key) => Expire(key, Timeout.InfiniteTimeSpan, ExpireCondition.IfSome);

    /// <summary>Adds bytes at the end of a value; a key without entry gets one. TTL, flags, tags and content type stay.</summary>
    /// <returns>Stored with the new length, or why not.</returns>
    public NumberResult<long> Append(ReadOnlySpan<byte> key, ReadOnlySpan<byte> value)
    {
        while (true)
        {
            var operation = CacheArguments.On(key, OperationKind.Append);
            operation.Value = value;
            var copy = AnswerCopy.Rent(AnswerCopy.Want.Outcome);
            try
            {
                Submit(operation, copy);
                if (copy.Outcome != Outcome.TooLarge)
                {
                    return new NumberResult<long>(copy.Outcome, copy.Number, copy.Version);
                }
            }
            finally
            {
                copy.Return();
            }

            // The result is not inline: it is put together outside the partition and written if nobody wrote in between.
            var result = Now(hosted.RewriteAsync(key.ToArray(), value.ToArray(), CancellationToken.None));
            if (result.Outcome != Outcome.ConditionFailed)
            {
                return result;
            }
        }
    }

    /// <inheritdoc cref="Append(ReadOnlySpan{byte}, ReadOnlySpan{byte})"/>
    public NumberResult<long> Append(string key, ReadOnlySpan<byte> value)
    {
        using var bytes = new Utf8(key, stackalloc byte[StackBytes]);
        return Append(bytes.Span, value);
    }

    /// <summary>Adds to a value that is a decimal 64-bit integer; a key without entry counts as 0. The TTL stays.</summary>
    /// <returns>Stored with the sum; NotANumber, Overflow or WrongKind, and nothing has changed.</returns>
    public NumberResult<long> Increment(string key, long by = 1)
    {
        using var bytes = new Utf8(key, stackalloc byte[StackBytes]);
        var operation = CacheArguments.On(bytes.Span, OperationKind.Increment);
        operation.Number = by;
        var copy = AnswerCopy.Rent(AnswerCopy.Want.Outcome);
        try
        {
            Submit(operation, copy);
            return new NumberResult<long>(copy.Outcome, copy.Number, copy.Version);
        }
        finally
        {
            copy.Return();
        }
    }

    /// <summary>Adds to a value that is a decimal number; a key without entry counts as 0. The TTL stays.</summary>
    /// <returns>Stored with the sum; NotANumber, Overflow or WrongKind, and nothing has changed.</returns>
    public NumberResult<double> Increment(string key, double by)
    {
        using var bytes = new Utf8(key, stackalloc byte[StackBytes]);
        var operation = CacheArguments.On(bytes.Span, OperationKind.IncrementFloat);
        operation.Addend = by;
        var copy = AnswerCopy.Rent(AnswerCopy.Want.Value);
        try
        {
            Submit(operation, copy);
            return new NumberResult<double>(copy.Outcome, copy.Outcome == Outcome.Stored ? copy.ToDouble() : 0, copy.Version);
        }
        finally
        {
            copy.Return();
        }
    }

    /// <summary>The values of several keys, in their order; null on a miss.</summary>
    public byte[]?[] GetMany(IReadOnlyList<string> keys)
    {
        ArgumentNullException.ThrowIfNull(keys);
        var values = new byte[]?[keys.Count];
        for (var i = 0; i < values.Length; i++)
        {
            values[i] = Get(keys[i]);
        }

        return values;
    }

    /// <summary>Writes several entries, each for itself: there is no transaction.</summary>
    /// <returns>A result for each, in their order.</returns>
    public SetResult[] SetMany(IReadOnlyCollection<KeyValuePair<string, ReadOnlyMemory<byte>>> entries, in EntryOptions options = default)
    {
        ArgumentNullException.ThrowIfNull(entries);
        var results = new SetResult[entries.Count];
        var i = 0;
        foreach (var (key, value) in entries)
        {
            results[i++] = Set(key, value.Span, options);
        }

        return results;
    }

    /// <summary>Removes several entries.</summary>
    /// <returns>How many there were.</returns>
    public int RemoveMany(IEnumerable<string> keys)
    {
        ArgumentNullException.ThrowIfNull(keys);
        var removed = 0;
        foreach (var key in keys)
        {
            removed += Remove(key) ? 1 : 0;
        }

        return removed;
    }

    /// <summary>
    /// Goes through the keys, in no order, a slice at a time; others read and write meanwhile. A key that is present from the first step to the last is found exactly once;
    /// one that comes or goes meanwhile may be found or not.
    /// </summary>
    /// <param name="prefix">What the keys begin with.</param>
    public IEnumerable<CacheKey> Scan(string prefix = "")
    {
        ArgumentNullException.ThrowIfNull(prefix);
        for (var partition = 0; partition < host.PartitionCount; partition++)
        {
            long position = 0;
            do
            {
                foreach (var key in ScanSlice(partition, prefix, ref position))
                {
                    yield return key;
                }
            }
            while (position != 0);
        }
    }

    /// <summary>Invalidates every entry that carries a tag. Its memory comes back in the background.</summary>
    public void RemoveByTag(string tag) => Now(RemoveByTagAsync(tag));

    /// <summary>Removes everything. Memory comes back in the background.</summary>
    /// <returns>How many entries there were.</returns>
    public long Clear() => Now(ClearAsync());

    /// <summary>The counters of all partitions together.</summary>
    public PartitionStatistics GetStatistics() => Now(GetStatisticsAsync());

    /// <summary>Gives all memory back. What is called afterwards throws <see cref="ObjectDisposedException"/>.</summary>
    public async ValueTask DisposeAsync()
    {
        if (!Interlocked.Exchange(ref disposed, true))
        {
            if (prefetching is not null)
            {
                await prefetching.DisposeAsync().ConfigureAwait(false);
            }

            await host.DisposeAsync().ConfigureAwait(false);
        }
    }

    private void Submit(ReadOnlySpan<byte> key, OperationKind kind, AnswerCopy copy) => Submit(CacheArguments.On(key, kind), copy);

    private void Submit(scoped in Operation operation, AnswerCopy copy)
    {
        ObjectDisposedException.ThrowIf(Volatile.Read(ref disposed), this);
        host.Submit(operation, copy, 0);
    }

    private SetResult Ask(ReadOnlySpan<byte> key, OperationKind kind) => Ask(CacheArguments.On(key, kind));

    private SetResult Ask(scoped in Operation operation)
    {
        var copy = AnswerCopy.Rent(AnswerCopy.Want.Outcome);
        try
        {
            Submit(operation, copy);
            return new SetResult(copy.Outcome, copy.Version, copy.Outcome == Outcome.TooLarge ? copy.Number : 0);
        }
        finally
        {
            copy.Return();
        }
    }

    private SetResult SetValue(scoped Operation operation, scoped ReadOnlySpan<byte> value)
    {
        if (value.Length > MaxValueBytes)
        {
            return new SetResult(Outcome.TooLarge, 0, MaxValueBytes);
        }

        if (value.Length <= Limits.MaxInlineBytes)
        {
            operation.Value = value;
            return Ask(operation);
        }

        ObjectDisposedException.ThrowIf(Volatile.Read(ref disposed), this);
        var large = CacheArguments.TryCreateLarge(host.LargeValues, value.Length, host.MaintainOnce);
        if (large is null)
        {
            return new SetResult(Outcome.OutOfMemory, 0, 0);
        }

        large.Append(value);
        return SetLarge(operation, large);
    }

    private SetResult SetLarge(scoped Operation operation, LargeValue large)
    {
        operation.Large = large;
        var result = new SetResult(Outcome.None, 0, 0);
        try
        {
            return result = Ask(operation);
        }
        finally
        {
            if (result.Outcome != Outcome.Stored)
            {
                large.Release();
            }
        }
    }

    private List<CacheKey> ScanSlice(int partition, string prefix, ref long position)
    {
        var copy = AnswerCopy.Rent(AnswerCopy.Want.Keys);
        try
        {
            copy.Keys.Clear();
            copy.SetPrefix(prefix);
            Submit(new Operation { Kind = OperationKind.Scan, Partition = partition, Number = position, Count = ScanNodesPerSlice }, copy);
            position = copy.Number;
            return [.. copy.Keys];
        }
        finally
        {
            copy.Return();
        }
    }
}
