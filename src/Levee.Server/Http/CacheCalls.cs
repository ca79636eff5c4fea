using Levee.Keys;
using Levee.Memory;
using Levee.Operations;

namespace Levee.Server.Http;

/// <summary>The operations that HTTP needs, each as one call to await.</summary>
internal static class CacheCalls
{
    /// <summary>Reads an entry: <see cref="OperationKind.Get"/> with its value, or <see cref="OperationKind.Peek"/>'s metadata.</summary>
    public static Task<KeptAnswer> GetAsync(this ICacheHost cache, byte[] key, bool peeks, CancellationToken cancellationToken)
    {
        var batch = new AnswerBatch(1, copiesValues: !peeks);
        cache.Submit(new Operation { Kind = peeks ? OperationKind.Peek : OperationKind.Get, Key = key, Hash = KeyHash.Of(key) }, batch, 0);
        return cache.SingleAsync(batch, cancellationToken);
    }

    /// <summary>Writes an entry. The caller keeps its own reference to a large value.</summary>
    public static Task<KeptAnswer> SetAsync(
        this ICacheHost cache, byte[] key, ReadOnlyMemory<byte> value, LargeValue? large, in EntryMetadata metadata, long now, StateCondition condition, CancellationToken cancellationToken)
    {
        large?.AddReference();
        var batch = new AnswerBatch(1, copiesValues: false, large);
        cache.Submit(SetOperation(key, value.Span, large, metadata, now, condition), batch, 0);
        return cache.SingleAsync(batch, cancellationToken);
    }

    /// <summary>The operation that writes an entry.</summary>
    public static Operation SetOperation(byte[] key, ReadOnlySpan<byte> value, LargeValue? large, in EntryMetadata metadata, long now, StateCondition condition) => new()
    {
        Kind = OperationKind.Set,
        Key = key,
        Hash = KeyHash.Of(key),
        Value = value,
        Large = large,
        ContentType = metadata.ContentType,
        Tags = metadata.Tags,
        Flags = metadata.Flags,
        ExpiresAt = metadata.Lifetime.ExpiresAt(now),
        SlidingMs = metadata.Lifetime.SlidingMs,
        Condition = condition.Condition,
        Version = condition.Version,
    };

    /// <summary>Removes an entry.</summary>
    public static Task<KeptAnswer> DeleteAsync(this ICacheHost cache, byte[] key, StateCondition condition, CancellationToken cancellationToken)
    {
        var batch = new AnswerBatch(1, copiesValues: false);
        cache.Submit(new Operation { Kind = OperationKind.Delete, Key = key, Hash = KeyHash.Of(key), Condition = condition.Condition, Version = condition.Version }, batch, 0);
        return cache.SingleAsync(batch, cancellationToken);
    }

    /// <summary>Changes an entry's TTL.</summary>
    public static Task<KeptAnswer> ExpireAsync(this ICacheHost cache, byte[] key, Lifetime lifetime, long now, CancellationToken cancellationToken)
    {
        var batch = new AnswerBatch(1, copiesValues: false);
        cache.Submit(new Operation { Kind = OperationKind.Expire, Key = key, Hash = KeyHash.Of(key), ExpiresAt = lifetime.ExpiresAt(now), SlidingMs = lifetime.SlidingMs }, batch, 0);
        return cache.SingleAsync(batch, cancellationToken);
    }

    /// <summary>Reads or deletes many entries; the answers come in the order of the keys.</summary>
    public static Task<KeptAnswer[]> ManyAsync(this ICacheHost cache, OperationKind kind, IReadOnlyList<byte[]> keys, CancellationToken cancellationToken)
    {
        var batch = new AnswerBatch(keys.Count, copiesValues: kind == OperationKind.Get);
        for (var i = 0; i < keys.Count; i++)
        {
            cache.Submit(new Operation { Kind = kind, Key = keys[i], Hash = KeyHash.Of(keys[i]) }, batch, i);
        }

        return cache.AllAsync(batch, cancellationToken);
    }

    /// <summary>
    /// Has every partition do the same (<see cref="OperationKind.Clear"/>, <see cref="OperationKind.RemoveByTag"/>). Those that answer do
    /// it, whatever the others do.
    /// </summary>
    /// <returns>The sum of their numbers.</returns>
    public static Task<Survey<long>> EverywhereAsync(
        this ICacheHost cache, OperationKind kind, byte[] tag, CancellationToken cancellationToken) =>
        cache.AskAsync(kind, tag, 0, cache.PartitionCount, 0L, static (sum, _, answer) => sum + answer.Number, cancellationToken);

    /// <summary>The counters of all partitions and tiers together.</summary>
    public static Task<Survey<PartitionStatistics>> StatisticsAsync(this ICacheHost cache, CancellationToken cancellationToken) =>
        cache.AskAsync(
            OperationKind.Statistics,
            [],
            0,
            cache.PartitionCount + cache.TierCount,
            new PartitionStatistics(),
            static (sum, _, answer) => sum + (answer.Statistics ?? new PartitionStatistics()),
            cancellationToken);

    /// <summary>What each tier that answers says of itself, with its number, the warmest first.</summary>
    public static Task<Survey<List<(int Number, TierStatistics Statistics)>>> TiersAsync(
        this ICacheHost cache, CancellationToken cancellationToken)
    {
        var none = new List<(int Number, TierStatistics Statistics)>();
        return cache.AskAsync(OperationKind.Statistics, [], cache.PartitionCount, cache.TierCount, none, (tiers, number, answer) =>
        {
            if (answer.Statistics?.Tier is { } tier)
            {
                tiers.Add((number - cache.PartitionCount, tier));
            }

            return tiers;
        }, cancellationToken);
    }

    /// <summary>Where the entry of a key lies.</summary>
    public static Task<KeptAnswer> ExplainAsync(this ICacheHost cache, byte[] key, CancellationToken cancellationToken)
    {
        var batch = new AnswerBatch(1, copiesValues: false);
        cache.Submit(new Operation { Kind = OperationKind.Explain, Key = key, Hash = KeyHash.Of(key) }, batch, 0);
        return cache.SingleAsync(batch, cancellationToken);
    }

    /// <summary>Visits up to <paramref name="count"/> nodes of one partition and adds the keys that begin with a prefix.</summary>
    /// <returns>Where to go on in the partition, 0 at its end.</returns>
    public static async Task<Survey<long>> ScanAsync(
        this ICacheHost cache,
        int partition,
        long position,
        int count,
        byte[] prefix,
        List<byte[]> keys,
        CancellationToken cancellationToken)
    {
        var slice = new ScanSlice(prefix, keys);
        cache.Submit(new Operation { Kind = OperationKind.Scan, Partition = partition, Number = position, Count = count }, slice, 0);
        cache.Flush(slice);
        var (outcome, next) = await slice.WaitAsync(cancellationToken).ConfigureAwait(false);
        if (!cache.IsCommitted)
        {
            await cache.CommitAsync().ConfigureAwait(false);
        }

        var missing = new Unanswered(cache);
        missing.Note(partition, outcome);
        return new Survey<long>(next, missing);
    }

    /// <summary>
    /// Asks the same of many partitions or tiers. The only place where HTTP does that: what comes back is a <see cref="Survey{T}"/>, so
    /// nobody passes over one that did not answer.
    /// </summary>
    private static async Task<Survey<T>> AskAsync<T>(
        this ICacheHost cache,
        OperationKind kind,
        byte[] tag,
        int first,
        int count,
        T seed,
        Func<T, int, KeptAnswer, T> add,
        CancellationToken cancellationToken)
    {
        var batch = new AnswerBatch(count, copiesValues: false);
        for (var i = 0; i < count; i++)
        {
            cache.Submit(new Operation { Kind = kind, Key = tag, Partition = first + i }, batch, i);
        }

        var answers = await cache.AllAsync(batch, cancellationToken).ConfigureAwait(false);
        var missing = new Unanswered(cache);
        for (var i = 0; i < count; i++)
        {
            if (missing.Note(first + i, answers[i].Outcome))
            {
                seed = add(seed, first + i, answers[i]);
            }
        }

        return new Survey<T>(seed, missing);
    }

    private static async Task<KeptAnswer> SingleAsync(this ICacheHost cache, AnswerBatch batch, CancellationToken cancellationToken) =>
        (await cache.AllAsync(batch, cancellationToken).ConfigureAwait(false))[0];

    private static async Task<KeptAnswer[]> AllAsync(this ICacheHost cache, AnswerBatch batch, CancellationToken cancellationToken)
    {
        cache.Flush(batch);
        var answers = await batch.WaitAsync(cancellationToken).ConfigureAwait(false);
        if (!cache.IsCommitted)
        {
            try
            {
                await cache.CommitAsync().ConfigureAwait(false);
            }
            catch (IOException)
            {
                foreach (var answer in answers)
                {
                    answer.Dispose();
                }

                throw;
            }
        }

        return answers;
    }
}
