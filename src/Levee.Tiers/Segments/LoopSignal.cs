namespace Levee.Tiers.Segments;

/// <summary>Wakes a loop. Setting it while it is set does nothing and costs next to nothing.</summary>
internal sealed class LoopSignal : IDisposable
{
    private readonly SemaphoreSlim semaphore = new(0);
    private int isSet;

    public void Set()
    {
        if (Volatile.Read(ref isSet) == 0 && Interlocked.Exchange(ref isSet, 1) == 0)
        {
            semaphore.Release();
        }
    }

    public void Dispose() => semaphore.Dispose();

    /// <summary>Waits until it is set, but not longer than a while.</summary>
    public async Task WaitAsync(TimeSpan longest, CancellationToken cancellation)
    {
        if (await semaphore.WaitAsync(longest, cancellation).ConfigureAwait(false))
        {
            Volatile.Write(ref isSet, 0);
        }
    }
}
