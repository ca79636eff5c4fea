using Levee.Tiers.Stores;

namespace Levee.Tiers.Segments;

/// <summary>Gives segments that are complete their footers and hands them to the store, the oldest first, one request each.</summary>
internal sealed class SegmentSealer(SegmentLog log, ISegmentStore store, TierContext context)
{
    /// <summary>Hands over the oldest segment that waits.</summary>
    /// <returns>False where none waits.</returns>
    /// <exception cref="IOException">The store did not take it; it still waits.</exception>
    public async ValueTask<bool> SealNextAsync(CancellationToken cancellation)
    {
        if (TakeOldest() is not ({ } info, { } local))
        {
            return false;
        }

        try
        {
            context.Failpoint?.Invoke("seal:before-footer");
            var content = local.Complete();
            context.Failpoint?.Invoke("seal:after-footer");
            if (context.Fsync)
            {
                local.Flush();
            }

            await store.WriteAsync(info.Name, content, cancellation).ConfigureAwait(false);
            context.Failpoint?.Invoke("seal:after-store");
            await TurnAsync(info, local, content, cancellation).ConfigureAwait(false);
        }
        finally
        {
            local.Release();
        }

        return true;
    }

    private (SegmentInfo? Info, OpenSegment? Local) TakeOldest()
    {
        lock (log.Gate)
        {
            SegmentInfo? oldest = null;
            if (log.Table.StagedCount > 0)
            {
                foreach (var info in log.Table.All)
                {
                    if (info is { Home: SegmentHome.Staged, IsRetired: false } && (oldest is null || info.Sequence < oldest.Sequence))
                    {
                        oldest = info;
                    }
                }
            }

            return (oldest, oldest?.Local?.Lease());
        }
    }

    private async ValueTask TurnAsync(SegmentInfo info, OpenSegment local, SegmentContent content, CancellationToken cancellation)
    {
        bool isWanted;
        lock (log.Gate)
        {
            log.Counters.Writes++;
            log.Counters.WrittenBytes += content.Length;
            isWanted = log.Table.Find(info.Sequence) == info && !info.IsRetired;
            if (isWanted)
            {
                log.Table.Move(info, SegmentHome.Stored, content.Length);
                info.Local = null;
                info.Voids?.Close();
            }
        }

        if (isWanted)
        {
            local.Release();
            File.Delete(content.Path);
            context.Failpoint?.Invoke("seal:after-local");
        }
        else
        {
            // It was reclaimed, or its generation was given up, while it was on its way.
            await store.DeleteAsync(info.Name, cancellation).ConfigureAwait(false);
        }
    }
}
