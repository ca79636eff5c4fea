using System.Diagnostics;
using Levee.Operations;

namespace Levee.Caching;

/// <summary>The asynchronous face: the same operations over the same host, so that a program can have its cache in the process today and in a cluster tomorrow. All partitions are here, so every call completes at once.</summary>
public sealed partial class LeveeCache
{
    /// <inheritdoc/>
    public string Name => host.Name;

    /// <summary>What it foresees and brings up; null without an origin.</summary>
    public IPrefetchControl? Prefetching => prefetching;

    private HostedCache Hosted
    {
        get
        {
            ObjectDisposedException.ThrowIf(Volatile.Read(ref disposed), this);
            return hosted;
        }
    }

    /// <inheritdoc/>
    public ValueTask<byte[]?> GetAsync(string key, CancellationToken cancellationToken = default) => Hosted.GetAsync(key, cancellationToken);

    /// <inheritdoc/>
    public ValueTask<CacheEntry?> GetEntryAsync(string key, CancellationToken cancellationToken = default) => Hosted.GetEntryAsync(key, cancellationToken);

    /// <inheritdoc/>
    public ValueTask<bool> ExistsAsync(string key, CancellationToken cancellationToken = default) => Hosted.ExistsAsync(key, cancellationToken);

    /// <inheritdoc/>
    public ValueTask<SetResult> SetAsync(string key, ReadOnlyMemory<byte> value, EntryOptions options = default, CancellationToken cancellationToken = default) =>
        Hosted.SetAsync(key, value, options, cancellationToken);

    /// <inheritdoc/>
    public ValueTask<ulong> LeaseAsync(string key, CancellationToken cancellationToken = default) =>
        Hosted.LeaseAsync(key, cancellationToken);

    /// <inheritdoc/>
    public ValueTask<bool> RemoveAsync(string key, CancellationToken cancellationToken = default) => Hosted.RemoveAsync(key, cancellationToken);

    /// <inheritdoc/>
    public ValueTask<SetResult> RemoveAsync(string key, ulong version, CancellationToken cancellationToken = default) => Hosted.RemoveAsync(key, version, cancellationToken);

    /// <inheritdoc/>
    public ValueTask<bool> TouchAsync(string key, CancellationToken cancellationToken = default) => Hosted.TouchAsync(key, cancellationToken);

    /// <inheritdoc/>
    public ValueTask<SetResult> ExpireAsync(string key, TimeSpan ttl, ExpireCondition condition = ExpireCondition.None, CancellationToken cancellationToken = default) =>
        Hosted.ExpireAsync(key, ttl, condition, cancellationToken);

    /// <inheritdoc/>
    public ValueTask<SetResult> PersistAsync(string key, CancellationToken cancellationToken = default) => Hosted.PersistAsync(key, cancellationToken);

    /// <inheritdoc/>
    public ValueTask<NumberResult<long>> AppendAsync(string key, ReadOnlyMemory<byte> value, CancellationToken cancellationToken = default) => Hosted.AppendAsync(key, value, cancellationToken);

    /// <inheritdoc/>
    public ValueTask<NumberResult<long>> IncrementAsync(string key, long by = 1, CancellationToken cancellationToken = default) => Hosted.IncrementAsync(key, by, cancellationToken);

    /// <inheritdoc/>
    public ValueTask<NumberResult<double>> IncrementAsync(string key, double by, CancellationToken cancellationToken = default) => Hosted.IncrementAsync(key, by, cancellationToken);

    /// <inheritdoc/>
    public ValueTask<byte[]?[]> GetManyAsync(IReadOnlyList<string> keys, CancellationToken cancellationToken = default) => Hosted.GetManyAsync(keys, cancellationToken);

    /// <inheritdoc/>
    public ValueTask<SetResult[]> SetManyAsync(IReadOnlyCollection<KeyValuePair<string, ReadOnlyMemory<byte>>> entries, EntryOptions options = default, CancellationToken cancellationToken = default) =>
        Hosted.SetManyAsync(entries, options, cancellationToken);

    /// <inheritdoc/>
    public ValueTask<int> RemoveManyAsync(IReadOnlyCollection<string> keys, CancellationToken cancellationToken = default) => Hosted.RemoveManyAsync(keys, cancellationToken);

    /// <inheritdoc/>
    public ValueTask<int> PrefetchAsync(IReadOnlyCollection<string> keys, int priority = IPrefetchControl.DefaultPriority, CancellationToken cancellationToken = default) =>
        Hosted.PrefetchAsync(keys, priority, cancellationToken);

    /// <inheritdoc/>
    public IAsyncEnumerable<CacheKey> ScanAsync(string prefix = "", CancellationToken cancellationToken = default) => Hosted.ScanAsync(prefix, cancellationToken);

    /// <inheritdoc/>
    public ValueTask RemoveByTagAsync(string tag, CancellationToken cancellationToken = default) => Hosted.RemoveByTagAsync(tag, cancellationToken);

    /// <inheritdoc/>
    public ValueTask<long> ClearAsync(CancellationToken cancellationToken = default) => Hosted.ClearAsync(cancellationToken);

    /// <inheritdoc/>
    public ValueTask<PartitionStatistics> GetStatisticsAsync(CancellationToken cancellationToken = default) => Hosted.GetStatisticsAsync(cancellationToken);

    /// <summary>The result of what has completed: all partitions are in this process and nothing lies below them.</summary>
    private static T Now<T>(ValueTask<T> completed)
    {
        Debug.Assert(completed.IsCompleted, "a cache in the process answers at once");
        return completed.GetAwaiter().GetResult();
    }

    private static void Now(ValueTask completed)
    {
        Debug.Assert(completed.IsCompleted, "a cache in the process answers at once");
        completed.GetAwaiter().GetResult();
    }
}
