using Levee.Operations;

namespace Levee.Caching;

/// <summary>
/// A cache, wherever its partitions lie: in this process (<see cref="LeveeCache"/>) or on other machines (<see cref="HostedCache"/> over their host). Bytes by key, with TTLs, tags and versions. Safe for threads.
/// <para>
/// Keys are strings of 0 to 4,096 bytes of UTF-8. Wrong arguments are an <see cref="ArgumentException"/>. Everything else is an outcome in the result, except: a partition that cannot be asked is a
/// <see cref="CacheUnavailableException"/>, and a write that could not be made as durable as was configured is an <see cref="IOException"/>.
/// </para>
/// <para>
/// A cancellation ends the wait, not the operation: what was sent may still take effect. Operations that were started one after the other on one key take effect in that order.
/// A value that is passed in as memory must not change before the call completes. Await each result once.
/// </para>
/// </summary>
public interface ILeveeCache
{
    /// <summary>The cache's name.</summary>
    string Name { get; }

    /// <summary>The longest value that is accepted, in bytes.</summary>
    int MaxValueBytes { get; }

    /// <summary>The value of a key as an array of its own, or null on a miss.</summary>
    ValueTask<byte[]?> GetAsync(string key, CancellationToken cancellationToken = default);

    /// <summary>A copy of the entry of a key with its metadata, or null on a miss. Counts as its use.</summary>
    ValueTask<CacheEntry?> GetEntryAsync(string key, CancellationToken cancellationToken = default);

    /// <summary>Whether a key has an entry. Does not count as its use.</summary>
    ValueTask<bool> ExistsAsync(string key, CancellationToken cancellationToken = default);

    /// <summary>Writes an entry.</summary>
    /// <returns>Stored with the entry's new version; ConditionFailed with its present one; TooLarge with the limit; OutOfMemory.</returns>
    /// <exception cref="ArgumentException">Key, TTLs, content type or tags are not allowed; the message says what is.</exception>
    ValueTask<SetResult> SetAsync(string key, ReadOnlyMemory<byte> value, EntryOptions options = default, CancellationToken cancellationToken = default);

    /// <summary>
    /// Says that the value of a key is about to be loaded from where the truth is. Ask before the load begins, and write what it brings
    /// with <see cref="EntryOptions.Lease"/>: then a removal that comes while the load runs is not
    /// undone by it. A lease need not be given back; a load may take up to five minutes.
    /// <code>
    /// var lease = await cache.LeaseAsync(key);
    /// var product = await database.ReadAsync(key);
    /// await cache.SetAsync(key, product, new EntryOptions { Lease = lease }); // ConditionFailed: something newer has happened to the key
    /// </code>
    /// </summary>
    ValueTask<ulong> LeaseAsync(string key, CancellationToken cancellationToken = default);

    /// <summary>Removes the entry of a key.</summary>
    /// <returns>Whether there was one.</returns>
    ValueTask<bool> RemoveAsync(string key, CancellationToken cancellationToken = default);

    /// <summary>Removes the entry of a key if it still has a version.</summary>
    /// <returns>Removed, Miss, or ConditionFailed with the present version.</returns>
    ValueTask<SetResult> RemoveAsync(string key, ulong version, CancellationToken cancellationToken = default);

    /// <summary>Counts as a use of the entry, and so renews a sliding TTL.</summary>
    /// <returns>Whether there is an entry.</returns>
    ValueTask<bool> TouchAsync(string key, CancellationToken cancellationToken = default);

    /// <summary>Gives an entry another TTL, from now.</summary>
    /// <returns>Stored, Miss, or ConditionFailed.</returns>
    ValueTask<SetResult> ExpireAsync(string key, TimeSpan ttl, ExpireCondition condition = ExpireCondition.None, CancellationToken cancellationToken = default);

    /// <summary>Takes the TTL off an entry.</summary>
    /// <returns>Stored, Miss, or ConditionFailed where it had none.</returns>
    ValueTask<SetResult> PersistAsync(string key, CancellationToken cancellationToken = default);

    /// <summary>Adds bytes at the end of a value; a key without entry gets one. TTL, flags, tags and content type stay.</summary>
    /// <returns>Stored with the new length, or why not.</returns>
    ValueTask<NumberResult<long>> AppendAsync(string key, ReadOnlyMemory<byte> value, CancellationToken cancellationToken = default);

    /// <summary>Adds to a value that is a decimal 64-bit integer; a key without entry counts as 0. The TTL stays.</summary>
    /// <returns>Stored with the sum; NotANumber, Overflow or WrongKind, and nothing has changed.</returns>
    ValueTask<NumberResult<long>> IncrementAsync(string key, long by = 1, CancellationToken cancellationToken = default);

    /// <summary>Adds to a value that is a decimal number; a key without entry counts as 0. The TTL stays.</summary>
    /// <returns>Stored with the sum; NotANumber, Overflow or WrongKind, and nothing has changed.</returns>
    ValueTask<NumberResult<double>> IncrementAsync(string key, double by, CancellationToken cancellationToken = default);

    /// <summary>The values of several keys, in their order; null on a miss. They are asked for together.</summary>
    ValueTask<byte[]?[]> GetManyAsync(IReadOnlyList<string> keys, CancellationToken cancellationToken = default);

    /// <summary>Writes several entries, each for itself: there is no transaction. They are sent together.</summary>
    /// <returns>A result for each, in their order; <see cref="Outcome.Unavailable"/> for those whose partition could not be asked.</returns>
    ValueTask<SetResult[]> SetManyAsync(IReadOnlyCollection<KeyValuePair<string, ReadOnlyMemory<byte>>> entries, EntryOptions options = default, CancellationToken cancellationToken = default);

    /// <summary>Removes several entries.</summary>
    /// <returns>How many there were.</returns>
    ValueTask<int> RemoveManyAsync(IReadOnlyCollection<string> keys, CancellationToken cancellationToken = default);

    /// <summary>
    /// Names keys that will be wanted. They wait in the cache's queue, the highest priority first, and are brought up from a lower tier into memory when nothing better is to be done. A hint, no promise: it waits for no load, and
    /// where the cache has no prefetcher, or its queue is full, nothing happens.
    /// </summary>
    /// <param name="keys">The keys.</param>
    /// <param name="priority">0 to 9; all go before what the cache predicts by itself.</param>
    /// <param name="cancellationToken">Cancelled beforehand, nothing is done.</param>
    /// <returns>How many keys were taken into the queue; in a cluster, how many are on their way to it.</returns>
    /// <exception cref="ArgumentOutOfRangeException">The priority is out of range.</exception>
    /// <exception cref="ArgumentException">A key is too long; those before it were taken.</exception>
    ValueTask<int> PrefetchAsync(IReadOnlyCollection<string> keys, int priority = IPrefetchControl.DefaultPriority, CancellationToken cancellationToken = default);

    /// <summary>
    /// Goes through the keys, in no order, a slice at a time; others read and write meanwhile. A key that is present from the first step to the last is found: once, or, where there are lower tiers, at least once.
    /// One that comes or goes meanwhile may be found or not.
    /// </summary>
    /// <param name="prefix">What the keys begin with.</param>
    /// <param name="cancellationToken">Ends the scan.</param>
    IAsyncEnumerable<CacheKey> ScanAsync(string prefix = "", CancellationToken cancellationToken = default);

    /// <summary>Invalidates every entry that carries a tag. Its memory comes back in the background.</summary>
    /// <exception cref="CacheUnavailableException">Not every partition could be told.</exception>
    ValueTask RemoveByTagAsync(string tag, CancellationToken cancellationToken = default);

    /// <summary>Removes everything. Memory comes back in the background.</summary>
    /// <returns>How many entries there were.</returns>
    /// <exception cref="CacheUnavailableException">Not every partition could be told.</exception>
    ValueTask<long> ClearAsync(CancellationToken cancellationToken = default);

    /// <summary>The counters of all partitions, and of the tiers below them, together.</summary>
    ValueTask<PartitionStatistics> GetStatisticsAsync(CancellationToken cancellationToken = default);
}
