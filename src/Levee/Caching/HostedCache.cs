using System.Buffers.Text;
using System.Numerics;
using System.Runtime.CompilerServices;
using Levee.Operations;

namespace Levee.Caching;

/// <summary>
/// The asynchronous cache over any host: partitions in this process, whose answers come at once, or on other machines. What is answered during the call completes it without a wait, and a hit then allocates the array that it
/// returns and nothing else.
/// <para>
/// Nobody's code runs while a partition is held: what is answered later is continued from the thread pool. No result is given before the host says that it may be acknowledged (<see cref="ICacheHost.CommitAsync"/>).
/// </para>
/// </summary>
public sealed partial class HostedCache : ILeveeCache
{
    private const int StackBytes = CacheArguments.StackBytes;
    private const int ScanNodesPerSlice = 256;

    private readonly ICacheHost host;
    private readonly Func<long> now;
    private readonly Func<bool>? reclaim;
    private readonly int shift;

    /// <param name="host">Where the partitions are. Disposing of it is its owner's.</param>
    /// <param name="time">The source of time, for TTLs; null: the system's.</param>
    public HostedCache(ICacheHost host, TimeProvider? time = null)
        : this(host, () => (time ?? TimeProvider.System).GetUtcNow().ToUnixTimeMilliseconds(), null)
    {
    }

    internal HostedCache(ICacheHost host, Func<long> now, Func<bool>? reclaim)
    {
        ArgumentNullException.ThrowIfNull(host);
        this.host = host;
        this.now = now;
        this.reclaim = reclaim;
        shift = 64 - BitOperations.Log2((uint)host.PartitionCount);
    }

    /// <inheritdoc/>
    public string Name => host.Name;

    /// <inheritdoc/>
    public int MaxValueBytes => host.LargeValues.MaxValueBytes;

    /// <inheritdoc/>
    public ValueTask<byte[]?> GetAsync(string key, CancellationToken cancellationToken = default) =>
        Start(key, OperationKind.Get, Want.Value, static (cache, replies) => cache.Only(replies).Outcome == Outcome.Hit ? replies.All[0].ToArray() : null, cancellationToken);

    /// <inheritdoc/>
    public ValueTask<CacheEntry?> GetEntryAsync(string key, CancellationToken cancellationToken = default) =>
        Start(key, OperationKind.Get, Want.Entry, static (cache, replies) => cache.Only(replies).Entry is { } entry ? entry with { Value = replies.All[0].ToArray() } : null, cancellationToken);

    /// <inheritdoc/>
    public ValueTask<bool> ExistsAsync(string key, CancellationToken cancellationToken = default) =>
        Start(key, OperationKind.Peek, Want.Outcome, static (cache, replies) => cache.Only(replies).Outcome == Outcome.Hit, cancellationToken);

    /// <inheritdoc/>
    public ValueTask<SetResult> SetAsync(string key, ReadOnlyMemory<byte> value, EntryOptions options = default, CancellationToken cancellationToken = default)
    {
        using var bytes = new Utf8(key, stackalloc byte[StackBytes]);
        Span<byte> tags = stackalloc byte[options.Tags is null ? 0 : Limits.MaxPackedTagsBytes];
        Span<byte> contentType = stackalloc byte[options.ContentType is null ? 0 : Limits.MaxContentTypeBytes];
        scoped var operation = CacheArguments.Set(bytes.Span, options, now(), tags, contentType);
        var refusal = SetValue(ref operation, value.Span);
        return refusal.Outcome == Outcome.None ? Start(operation, Want.Outcome, SetResultOf, cancellationToken) : new(new SetResult(refusal.Outcome, 0, refusal.Limit));
    }

    /// <inheritdoc/>
    public ValueTask<ulong> LeaseAsync(string key, CancellationToken cancellationToken = default) =>
        Start(key, OperationKind.Lease, Want.Outcome, static (cache, replies) => (ulong)cache.Only(replies).Number, cancellationToken);

    /// <inheritdoc/>
    public ValueTask<bool> RemoveAsync(string key, CancellationToken cancellationToken = default) =>
        Start(key, OperationKind.Delete, Want.Outcome, static (cache, replies) => cache.Only(replies).Outcome == Outcome.Removed, cancellationToken);

    /// <inheritdoc/>
    public ValueTask<SetResult> RemoveAsync(string key, ulong version, CancellationToken cancellationToken = default)
    {
        using var bytes = new Utf8(key, stackalloc byte[StackBytes]);
        scoped var operation = CacheArguments.On(bytes.Span, OperationKind.Delete);
        operation.Condition = Condition.IfVersion;
        operation.Version = version;
        return Start(operation, Want.Outcome, SetResultOf, cancellationToken);
    }

    /// <inheritdoc/>
    public ValueTask<bool> TouchAsync(string key, CancellationToken cancellationToken = default) =>
        Start(key, OperationKind.Get, Want.Outcome, static (cache, replies) => cache.Only(replies).Outcome == Outcome.Hit, cancellationToken);

    /// <inheritdoc/>
    public ValueTask<SetResult> ExpireAsync(string key, TimeSpan ttl, ExpireCondition condition = ExpireCondition.None, CancellationToken cancellationToken = default)
    {
        using var bytes = new Utf8(key, stackalloc byte[StackBytes]);
        scoped var operation = CacheArguments.On(bytes.Span, OperationKind.Expire);
        operation.ExpiresAt = CacheArguments.Instant(ttl, now());
        operation.ExpireCondition = condition;
        return Start(operation, Want.Outcome, SetResultOf, cancellationToken);
    }

    /// <inheritdoc/>
    public ValueTask<SetResult> PersistAsync(string key, CancellationToken cancellationToken = default) => ExpireAsync(key, Timeout.InfiniteTimeSpan, ExpireCondition.IfSome, cancellationToken);

    /// <inheritdoc/>
    public ValueTask<NumberResult<long>> IncrementAsync(string key, long by = 1, CancellationToken cancellationToken = default)
    {
        using var bytes = new Utf8(key, stackalloc byte[StackBytes]);
        scoped var operation = CacheArguments.On(bytes.Span, OperationKind.Increment);
        operation.Number = by;
        return Start(operation, Want.Outcome, NumberOf, cancellationToken);
    }

    /// <inheritdoc/>
    public ValueTask<NumberResult<double>> IncrementAsync(string key, double by, CancellationToken cancellationToken = default)
    {
        using var bytes = new Utf8(key, stackalloc byte[StackBytes]);
        scoped var operation = CacheArguments.On(bytes.Span, OperationKind.IncrementFloat);
        operation.Addend = by;
        return Start(operation, Want.Value, static (cache, replies) =>
        {
            ref readonly var reply = ref cache.Only(replies);
            return new NumberResult<double>(reply.Outcome, reply.Outcome == Outcome.Stored && Utf8Parser.TryParse(reply.Value, out double sum, out _) ? sum : 0, reply.Version);
        }, cancellationToken);
    }

    private static SetResult SetResultOf(HostedCache cache, Replies replies) => SetResultOf(cache.Only(replies));

    private static SetResult SetResultOf(in Reply reply) => new(reply.Outcome, reply.Version, reply.Outcome == Outcome.TooLarge ? reply.Number : 0);

    private static NumberResult<long> NumberOf(HostedCache cache, Replies replies)
    {
        ref readonly var reply = ref cache.Only(replies);
        return new NumberResult<long>(reply.Outcome, reply.Number, reply.Version);
    }

    private int PartitionOf(scoped in Operation operation) => operation.Kind switch
    {
        OperationKind.Scan or OperationKind.RemoveByTag or OperationKind.Clear or OperationKind.Statistics => operation.Partition,
        _ => host.PartitionCount == 1 ? 0 : (int)(operation.Hash >> shift),
    };

    /// <summary>The reply to the one operation of a call.</summary>
    private ref readonly Reply Only(Replies replies)
    {
        ref readonly var reply = ref replies.All[0];
        ThrowIfUnavailable(reply);
        return ref reply;
    }

    private void ThrowIfUnavailable(in Reply reply)
    {
        if (reply.Outcome == Outcome.Unavailable)
        {
            throw new CacheUnavailableException(host.Name, reply.Partition, host.DescribeFailure(reply.Partition));
        }
    }

    /// <summary>Gives a set its value.</summary>
    /// <returns>Why not, where that is not possible; else <see cref="Outcome.None"/>.</returns>
    private (Outcome Outcome, long Limit) SetValue(scoped ref Operation operation, ReadOnlySpan<byte> value)
    {
        if (value.Length > MaxValueBytes)
        {
            return (Outcome.TooLarge, MaxValueBytes);
        }

        if (value.Length <= Limits.MaxInlineBytes)
        {
            operation.Value = value;
            return (Outcome.None, 0);
        }

        operation.Large = CacheArguments.TryCreateLarge(host.LargeValues, value.Length, reclaim);
        operation.Large?.Append(value);
        return (operation.Large is null ? Outcome.OutOfMemory : Outcome.None, 0);
    }

    private ValueTask<T> Start<T>(string key, OperationKind kind, Want want, Func<HostedCache, Replies, T> take, CancellationToken cancellation)
    {
        using var bytes = new Utf8(key, stackalloc byte[StackBytes]);
        return Start(CacheArguments.On(bytes.Span, kind), want, take, cancellation);
    }

    private ValueTask<T> Start<T>(scoped in Operation operation, Want want, Func<HostedCache, Replies, T> take, CancellationToken cancellation)
    {
        if (cancellation.IsCancellationRequested)
        {
            operation.Large?.Release();
            return ValueTask.FromCanceled<T>(cancellation);
        }

        var replies = Replies.Rent(want);
        Submit(operation, replies, 0);
        host.Flush(replies);
        return Finish(replies, take, cancellation);
    }

    private void Submit(scoped in Operation operation, Replies replies, int index)
    {
        replies.Expect(index, PartitionOf(operation), operation.Large);
        var isSubmitted = false;
        try
        {
            host.Submit(operation, replies, index);
            isSubmitted = true;
        }
        finally
        {
            if (!isSubmitted)
            {
                replies.Withdraw(index);
            }
        }
    }

    private ValueTask<T> Finish<T>(Replies replies, Func<HostedCache, Replies, T> take, CancellationToken cancellation) =>
        replies.IsAnswered && host.IsCommitted ? new(Take(replies, take)) : FinishAsync(replies, take, cancellation);

    [AsyncMethodBuilder(typeof(PoolingAsyncValueTaskMethodBuilder<>))]
    private async ValueTask<T> FinishAsync<T>(Replies replies, Func<HostedCache, Replies, T> take, CancellationToken cancellation)
    {
        try
        {
            await replies.WaitAsync(cancellation).ConfigureAwait(false);
        }
        finally
        {
            replies.EndWait();
        }

        if (!host.IsCommitted)
        {
            await CommitAsync(replies, cancellation).ConfigureAwait(false);
        }

        return Take(replies, take);
    }

    private async ValueTask CommitAsync(Replies replies, CancellationToken cancellation)
    {
        var isCommitted = false;
        try
        {
            await host.CommitAsync().AsTask().WaitAsync(cancellation).ConfigureAwait(false);
            isCommitted = true;
        }
        finally
        {
            if (!isCommitted)
            {
                replies.Return();
            }
        }
    }

    private T Take<T>(Replies replies, Func<HostedCache, Replies, T> take)
    {
        try
        {
            return take(this, replies);
        }
        finally
        {
            replies.Return();
        }
    }
}
