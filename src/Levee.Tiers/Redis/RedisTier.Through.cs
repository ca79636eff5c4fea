using Levee.Partitions;

namespace Levee.Tiers.Redis;

/// <content>Writes that count only when Redis has answered, and what is to be on the disk before an answer may leave.</content>
public sealed partial class RedisTier
{
    private readonly List<Waiter> waiters = [];
    private readonly SemaphoreSlim flushing = new(1);
    private long lastThrough;
    private long endedThrough;
    private long failedAt = long.MinValue;
    private long loggedRemovals;
    private long flushedRemovals;
    private long flushedTombstones;

    /// <inheritdoc/>
    public bool IsCommitted => Volatile.Read(ref lastThrough) == Volatile.Read(ref endedThrough) && !HasJustFailed() && !IsToFlush();

    /// <inheritdoc/>
    public bool TryWriteThrough(scoped in TierEntry entry)
    {
        lock (gate)
        {
            if (link is not { IsOpen: true } || breaker.IsOpen || !tombstones.HasReserve || !TryTake(entry, out var ticket))
            {
                return false;
            }

            throughTickets.Enqueue(ticket);
            Volatile.Write(ref lastThrough, ticket);
            return true;
        }
    }

    /// <inheritdoc/>
    public async ValueTask CommitAsync()
    {
        Task? written = null;
        long target;
        lock (gate)
        {
            target = lastThrough;
            if (endedThrough < target)
            {
                var waiter = new Waiter(target);
                waiters.Add(waiter);
                written = waiter.Task;
            }
        }

        if (HasJustFailed())
        {
            throw Unwritten();
        }

        if (written is not null)
        {
            try
            {
                await written.WaitAsync(2 * options.CommandTimeout, time).ConfigureAwait(false);
            }
            catch (TimeoutException)
            {
                lock (gate)
                {
                    FailWriteThroughs();
                }

                throw Unwritten();
            }
        }

        if (IsToFlush())
        {
            await FlushLogsAsync().ConfigureAwait(false);
        }
    }

    private static IOException Unwritten() => new("Redis did not take what was written.");

    // A failure is told to everybody who could wait for it: whoever commits soon after, though it may not be his own.
    private bool HasJustFailed()
    {
        var at = Volatile.Read(ref failedAt);
        return at != long.MinValue && time.GetElapsedTime(at) < options.CommandTimeout;
    }

    private bool IsToFlush() => context.Fsync && (Volatile.Read(ref flushedTombstones) < tombstones.Next - 1 || Volatile.Read(ref flushedRemovals) < Volatile.Read(ref loggedRemovals));

    private async Task FlushLogsAsync()
    {
        await flushing.WaitAsync().ConfigureAwait(false);
        try
        {
            if (IsToFlush())
            {
                await Task.Run(FlushLogs).ConfigureAwait(false);
            }
        }
        finally
        {
            flushing.Release();
        }
    }

    private void FlushLogs()
    {
        long tombstone;
        long removal;
        IReadOnlyList<Segments.MappedFile> files;
        lock (gate)
        {
            if (isStopped)
            {
                return;
            }

            tombstone = tombstones.Next - 1;
            removal = loggedRemovals;
            files = [.. tombstones.Files, .. removals.Files];
        }

        // A file that was given up meanwhile holds nothing that counts any more.
        foreach (var file in files)
        {
            try
            {
                file.Flush();
            }
            catch (ObjectDisposedException)
            {
            }
        }

        Volatile.Write(ref flushedTombstones, tombstone);
        Volatile.Write(ref flushedRemovals, removal);
    }

    private void EndWriteThrough(long ticket, bool isWritten)
    {
        if (!isWritten)
        {
            Volatile.Write(ref failedAt, time.GetTimestamp());
        }

        Volatile.Write(ref endedThrough, ticket);
        for (var i = waiters.Count - 1; i >= 0; i--)
        {
            var waiter = waiters[i];
            if (!isWritten)
            {
                waiter.TrySetException(Unwritten());
            }
            else if (waiter.Target <= ticket)
            {
                waiter.TrySetResult();
            }

            if (waiter.Task.IsCompleted)
            {
                waiters.RemoveAt(i);
            }
        }
    }

    // Whether Redis has them is not known: they are voided, so that none comes back that nobody was told of.
    private void FailWriteThroughs()
    {
        while (throughTickets.TryDequeue(out var ticket))
        {
            if (buffer.TryRead(ticket, out var record))
            {
                var hash = Levee.Segments.TierRecord.Hash(record.Record);
                if (presence.TryFind(hash, out var entry) && IsAt(entry, ticket))
                {
                    MakeVoid(hash, ulong.MaxValue);
                }
            }

            EndWriteThrough(ticket, isWritten: false);
        }
    }

    private sealed class Waiter(long target) : TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously)
    {
        public long Target { get; } = target;
    }
}
