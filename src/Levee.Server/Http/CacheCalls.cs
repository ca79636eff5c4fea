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

    /// <summary>Asks the same of every partition (<see cref="OperationKind.Clear"/>, <see cref="OperationKind.RemoveByTag"/>), and of every tier too (<see cref="OperationKind.Statistics"/>).</summary>
    public static Task<KeptAnswer[]> EverywhereAsync(this ICacheHost cache, OperationKind kind, byte[] tag, CancellationToken cancellationToken)
    {
        var count = cache.PartitionCount + (kind == OperationKind.Statistics ? cache.TierCount : 0);
        var batch = new AnswerBatch(count, copiesValues: false);
        for (var i = 0; i < count; i++)
        {
            cache.Submit(new Operation { Kind = kind, Key = tag, Partition = i }, batch, i);
        }

        return cache.AllAsync(batch, cancellationToken);
    }

    /// <summary>The counters of all partitions together; in a cluster, of those that can be asked.</summary>
    public static async Task<PartitionStatistics> StatisticsAsync(this ICacheHost cache, CancellationToken cancellationToken)
    {
        var sum = new PartitionStatistics();
        foreach (var answer in await cache.EverywhereAsync(OperationKind.Statistics, [], cancellationToken).ConfigureAwait(false))
        {
            // A partition of a cluster may be nowhere for the moment.
            sum += answer.Statistics ?? new PartitionStatistics();
        }

        return sum;
    }

    /// <summary>What each tier says of itself, the warmest first; in a cluster, silo by silo, of those that can be asked.</summary>
    public static async Task<IReadOnlyList<TierStatistics>> TiersAsync(this ICacheHost cache, CancellationToken cancellationToken)
    {
        var batch = new AnswerBatch(cache.TierCount, copiesValues: false);
        for (var tier = 0; tier < cache.TierCount; tier++)
        {
            cache.Submit(new Operation { Kind = OperationKind.Statistics, Partition = cache.PartitionCount + tier }, batch, tier);
        }

        return [.. (await cache.AllAsync(batch, cancellationToken).ConfigureAwait(false)).Select(answer => answer.Statistics?.Tier).OfType<TierStatistics>()];
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
    public static Task<long> ScanAsync(this ICacheHost cache, int partition, long position, int count, byte[] prefix, List<byte[]> keys, CancellationToken cancellationToken)
    {
        var slice = new ScanSlice(prefix, keys);
        cache.Submit(new Operation { Kind = OperationKind.Scan, Partition = partition, Number = position, Count = count }, slice, 0);
        cache.Flush(slice);
        return cache.CommittedAsync(slice.WaitAsync(cancellationToken));
    }

    private static async Task<long> CommittedAsync(this ICacheHost cache, Task<long> scan)
    {
        var next = await scan.ConfigureAwait(false);
        if (!cache.IsCommitted)
        {
            await cache.CommitAsync().ConfigureAwait(false);
        }

        return next;
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
