using System.Runtime.CompilerServices;
using System.Text;
using Levee.Memory;
using Levee.Operations;

namespace Levee.Caching;

/// <summary>What takes more than one operation.</summary>
public sealed partial class HostedCache
{
    private delegate void Submission<TState>(HostedCache cache, Replies replies, TState state);

    /// <inheritdoc/>
    public ValueTask<byte[]?[]> GetManyAsync(IReadOnlyList<string> keys, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(keys);
        return StartMany(keys.Count, Want.Value, keys, static (cache, replies, keys) => cache.SubmitAll(keys, OperationKind.Get, replies), static (cache, replies) =>
        {
            var values = new byte[]?[replies.All.Length];
            for (var i = 0; i < values.Length; i++)
            {
                ref readonly var reply = ref replies.All[i];
                cache.ThrowIfUnavailable(reply);
                values[i] = reply.Outcome == Outcome.Hit ? reply.ToArray() : null;
            }

            return values;
        }, cancellationToken);
    }

    /// <inheritdoc/>
    public ValueTask<SetResult[]> SetManyAsync(IReadOnlyCollection<KeyValuePair<string, ReadOnlyMemory<byte>>> entries, EntryOptions options = default, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(entries);
        return StartMany(entries.Count, Want.Outcome, (entries, options), static (cache, replies, state) => cache.SubmitSets(state.entries, state.options, replies), static (_, replies) =>
        {
            var results = new SetResult[replies.All.Length];
            for (var i = 0; i < results.Length; i++)
            {
                results[i] = SetResultOf(replies.All[i]);
            }

            return results;
        }, cancellationToken);
    }

    /// <inheritdoc/>
    public ValueTask<int> RemoveManyAsync(IReadOnlyCollection<string> keys, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(keys);
        return StartMany(keys.Count, Want.Outcome, keys, static (cache, replies, keys) => cache.SubmitAll(keys, OperationKind.Delete, replies), static (cache, replies) =>
        {
            var removed = 0;
            foreach (ref readonly var reply in replies.All)
            {
                cache.ThrowIfUnavailable(reply);
                removed += reply.Outcome == Outcome.Removed ? 1 : 0;
            }

            return removed;
        }, cancellationToken);
    }

    /// <inheritdoc/>
    public ValueTask<int> PrefetchAsync(IReadOnlyCollection<string> keys, int priority = IPrefetchControl.DefaultPriority, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(keys);
        ArgumentOutOfRangeException.ThrowIfLessThan(priority, IPrefetchControl.LowestPriority);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(priority, IPrefetchControl.HighestPriority);
        if (cancellationToken.IsCancellationRequested)
        {
            return ValueTask.FromCanceled<int>(cancellationToken);
        }

        var taken = 0;
        Span<byte> buffer = stackalloc byte[StackBytes];
        foreach (var key in keys)
        {
            using var bytes = new Utf8(key, buffer);
            var wanted = CacheArguments.On(bytes.Span, OperationKind.Prefetch);
            taken += host.Prefetching?.TryHint(wanted.Key, wanted.Hash, priority) == true ? 1 : 0;
        }

        return new(taken);
    }

    /// <inheritdoc/>
    public async IAsyncEnumerable<CacheKey> ScanAsync(string prefix = "", [EnumeratorCancellation] CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(prefix);
        for (var partition = 0; partition < host.PartitionCount + host.TierCount; partition++)
        {
            long position = 0;
            do
            {
                (position, var keys) = await ScanSlice(partition, position, prefix, cancellationToken).ConfigureAwait(false);
                foreach (var key in keys)
                {
                    yield return key;
                }
            }
            while (position != 0);
        }
    }

    /// <inheritdoc/>
    public async ValueTask RemoveByTagAsync(string tag, CancellationToken cancellationToken = default)
    {
        ArgumentException.ThrowIfNullOrEmpty(tag);
        await Everywhere(OperationKind.RemoveByTag, tag, host.PartitionCount, cancellationToken).ConfigureAwait(false);
    }

    /// <inheritdoc/>
    public async ValueTask<long> ClearAsync(CancellationToken cancellationToken = default) =>
        (await Everywhere(OperationKind.Clear, null, host.PartitionCount, cancellationToken).ConfigureAwait(false)).Number;

    /// <inheritdoc/>
    public async ValueTask<PartitionStatistics> GetStatisticsAsync(CancellationToken cancellationToken = default) =>
        (await Everywhere(OperationKind.Statistics, null, host.PartitionCount + host.TierCount, cancellationToken).ConfigureAwait(false)).Statistics;

    /// <inheritdoc/>
    public async ValueTask<NumberResult<long>> AppendAsync(string key, ReadOnlyMemory<byte> value, CancellationToken cancellationToken = default)
    {
        while (true)
        {
            if (value.Length <= Limits.MaxInlineBytes)
            {
                var appended = await AppendInline(key, value, cancellationToken).ConfigureAwait(false);
                if (appended.Outcome != Outcome.TooLarge)
                {
                    return appended;
                }
            }

            // The result is not inline: it is put together outside the partition and written if nobody wrote in between.
            var result = await RewriteAsync(Encoding.UTF8.GetBytes(key), value, cancellationToken).ConfigureAwait(false);
            if (result.Outcome != Outcome.ConditionFailed)
            {
                return result;
            }
        }
    }

    /// <summary>Appends by writing the whole value, as a large one.</summary>
    /// <returns>How it ended; ConditionFailed: somebody wrote in between, and it is to be tried again.</returns>
    internal async ValueTask<NumberResult<long>> RewriteAsync(byte[] key, ReadOnlyMemory<byte> added, CancellationToken cancellation)
    {
        var present = await Start(CacheArguments.On(key, OperationKind.Peek), Want.Entry, static (cache, replies) =>
        {
            cache.Only(replies);
            return replies.Take(0);
        }, cancellation).ConfigureAwait(false);
        try
        {
            var isNew = present.Outcome == Outcome.Miss;
            if (!isNew && present.Kind != EntryKind.Bytes)
            {
                return new NumberResult<long>(Outcome.WrongKind, 0, present.Version);
            }

            var length = (long)present.Length + added.Length;
            if (length > MaxValueBytes)
            {
                return new NumberResult<long>(Outcome.TooLarge, MaxValueBytes, present.Version);
            }

            if (length <= Limits.MaxInlineBytes)
            {
                return new NumberResult<long>(Outcome.ConditionFailed, 0, 0); // It has shrunk meanwhile. Short values are always inline here, so the next append does it.
            }

            var large = CacheArguments.TryCreateLarge(host.LargeValues, (int)length, reclaim);
            if (large is null)
            {
                return new NumberResult<long>(Outcome.OutOfMemory, 0, present.Version);
            }

            Join(present, added.Span, large);
            var result = await Replace(key, present, large, cancellation).ConfigureAwait(false);
            return new NumberResult<long>(result.Outcome, result.Outcome == Outcome.Stored ? length : result.Limit, result.Version);
        }
        finally
        {
            present.Large?.Release();
        }
    }

    private static void Join(in Reply present, ReadOnlySpan<byte> added, LargeValue joined)
    {
        for (var offset = 0; offset < present.Length;)
        {
            var block = present.Large is null ? present.Value : present.Large.Read(offset);
            joined.Append(block);
            offset += block.Length;
        }

        joined.Append(added);
    }

    private ValueTask<NumberResult<long>> AppendInline(string key, ReadOnlyMemory<byte> value, CancellationToken cancellation)
    {
        using var bytes = new Utf8(key, stackalloc byte[StackBytes]);
        scoped var operation = CacheArguments.On(bytes.Span, OperationKind.Append);
        operation.Value = value.Span;
        return Start(operation, Want.Outcome, NumberOf, cancellation);
    }

    /// <summary>Writes over exactly what was there, and keeps its metadata.</summary>
    private ValueTask<SetResult> Replace(byte[] key, in Reply present, LargeValue large, CancellationToken cancellation)
    {
        Span<byte> tags = stackalloc byte[Limits.MaxPackedTagsBytes];
        Span<byte> contentType = stackalloc byte[Limits.MaxContentTypeBytes];
        scoped var operation = CacheArguments.On(key, OperationKind.Set);
        operation.Condition = present.Outcome == Outcome.Miss ? Condition.IfAbsent : Condition.IfVersion;
        operation.Version = present.Version;
        operation.KeepTtl = true;
        operation.Flags = present.Entry?.Flags ?? 0;
        operation.Tags = CacheArguments.Pack(present.Entry?.Tags, tags);
        operation.ContentType = CacheArguments.Ascii(present.Entry?.ContentType, contentType);
        operation.Large = large;
        return Start(operation, Want.Outcome, SetResultOf, cancellation);
    }

    private ValueTask<(long Position, List<CacheKey> Keys)> ScanSlice(int partition, long position, string prefix, CancellationToken cancellation)
    {
        if (cancellation.IsCancellationRequested)
        {
            return ValueTask.FromCanceled<(long, List<CacheKey>)>(cancellation);
        }

        var replies = Replies.Rent(Want.Keys);
        replies.SetPrefix(prefix);
        Submit(new Operation { Kind = OperationKind.Scan, Partition = partition, Number = position, Count = ScanNodesPerSlice }, replies, 0);
        host.Flush(replies);
        return Finish(replies, static (cache, replies) => (cache.Only(replies).Number, (List<CacheKey>)[.. replies.Keys]), cancellation);
    }

    /// <summary>Asks the same of every partition, and of tiers behind them.</summary>
    private ValueTask<(long Number, PartitionStatistics Statistics)> Everywhere(OperationKind kind, string? tag, int count, CancellationToken cancellation)
    {
        var packed = tag is null ? [] : CacheArguments.Pack([tag], new byte[Limits.MaxTagBytes + 1])[1..].ToArray();
        return StartMany(count, Want.Outcome, (kind, packed), static (cache, replies, state) =>
        {
            for (var i = 0; i < replies.All.Length; i++)
            {
                cache.Submit(new Operation { Kind = state.kind, Key = state.packed, Partition = i }, replies, i);
            }
        }, static (cache, replies) =>
        {
            var number = 0L;
            var statistics = new PartitionStatistics();
            var missing = new Unanswered(cache.host);
            foreach (ref readonly var reply in replies.All)
            {
                if (!missing.Note(reply.Partition, reply.Outcome))
                {
                    continue;
                }

                number += reply.Number;
                statistics = reply.Statistics is null ? statistics : statistics + reply.Statistics;
            }

            return missing.IsEmpty ? (number, statistics) : throw new CacheUnavailableException(missing);
        }, cancellation);
    }

    private void SubmitAll(IEnumerable<string> keys, OperationKind kind, Replies replies)
    {
        Span<byte> buffer = stackalloc byte[StackBytes];
        var i = 0;
        foreach (var key in keys)
        {
            using var bytes = new Utf8(key, buffer);
            Submit(CacheArguments.On(bytes.Span, kind), replies, i++);
        }
    }

    private void SubmitSets(IEnumerable<KeyValuePair<string, ReadOnlyMemory<byte>>> entries, in EntryOptions options, Replies replies)
    {
        Span<byte> buffer = stackalloc byte[StackBytes];
        Span<byte> tags = stackalloc byte[options.Tags is null ? 0 : Limits.MaxPackedTagsBytes];
        Span<byte> contentType = stackalloc byte[options.ContentType is null ? 0 : Limits.MaxContentTypeBytes];
        var i = 0;
        foreach (var (key, value) in entries)
        {
            using var bytes = new Utf8(key, buffer);
            scoped var operation = CacheArguments.Set(bytes.Span, options, now(), tags, contentType);
            var refusal = SetValue(ref operation, value.Span);
            if (refusal.Outcome == Outcome.None)
            {
                Submit(operation, replies, i++);
            }
            else
            {
                replies.Answer(i++, new Answer(refusal.Outcome, refusal.Limit));
            }
        }
    }

    /// <summary>Submits operations that go together. Should an argument be wrong in the middle, what was submitted before it is carried out.</summary>
    private ValueTask<T> StartMany<TState, T>(int count, Want want, TState state, Submission<TState> submit, Func<HostedCache, Replies, T> take, CancellationToken cancellation)
    {
        if (cancellation.IsCancellationRequested)
        {
            return ValueTask.FromCanceled<T>(cancellation);
        }

        var replies = Replies.Rent(want, count);
        var isSubmitted = false;
        try
        {
            submit(this, replies, state);
            isSubmitted = true;
        }
        finally
        {
            host.Flush(replies);
            if (!isSubmitted)
            {
                replies.Abandon();
            }
        }

        return Finish(replies, take, cancellation);
    }
}
