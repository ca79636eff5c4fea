namespace Levee.Tiers.Segments;

/// <summary>Brings the log to the disk: one flush at a time, and whoever waits meanwhile shares the next one.</summary>
internal sealed class SegmentFlusher(SegmentLog log) : IDisposable
{
    private readonly SemaphoreSlim turn = new(1, 1);
    private int failures;

    /// <summary>Completes when everything that had been appended is on the disk.</summary>
    /// <exception cref="IOException">It is not, and the generation was given up.</exception>
    public async Task FlushAsync(CancellationToken cancellation)
    {
        var target = log.AppendedBytes;
        var failuresBefore = Volatile.Read(ref failures);
        await turn.WaitAsync(cancellation).ConfigureAwait(false);
        try
        {
            if (Volatile.Read(ref failures) != failuresBefore)
            {
                throw new IOException("The tier's log could not be brought to the disk; its content was given up.");
            }

            if (log.FlushedBytes < target)
            {
                await Task.Run(Flush, cancellation).ConfigureAwait(false);
            }
        }
        finally
        {
            turn.Release();
        }
    }

    public void Dispose() => turn.Dispose();

    private void Flush()
    {
        var dirty = new List<OpenSegment>();
        long appended;
        lock (log.Gate)
        {
            appended = log.AppendedBytes;
            foreach (var info in log.Table.All)
            {
                if (info.Local is { IsDirty: true } local)
                {
                    local.IsDirty = false;
                    dirty.Add(local.Lease());
                }
            }
        }

        try
        {
            dirty.ForEach(static segment => segment.Flush());
            lock (log.Gate)
            {
                log.Flushed(appended);
            }
        }
        catch (IOException failure)
        {
            // The system may have dropped the pages that it could not write: nobody knows what is on the disk.
            Interlocked.Increment(ref failures);
            lock (log.Gate)
            {
                log.GiveUp($"the log could not be brought to the disk: {failure.Message}");
                log.Flushed(log.AppendedBytes);
            }

            throw;
        }
        finally
        {
            dirty.ForEach(static segment => segment.Release());
        }
    }
}
