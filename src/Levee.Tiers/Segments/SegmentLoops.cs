namespace Levee.Tiers.Segments;

/// <summary>
/// The tier's work beside the partitions: writing what waits, handing segments to the store, making room, and finding out at the start what there is. Each has a loop of its own, so that a slow store
/// keeps only what needs it waiting. What fails is tried again after a wait that doubles.
/// </summary>
internal sealed class SegmentLoops(
    SegmentLog log, SegmentWriter writer, SegmentSealer sealer, SegmentReclaim reclaim, SegmentDeletions deletions, SegmentSweep sweep, TierContext context)
    : IDisposable
{
    private static readonly TimeSpan Pace = TimeSpan.FromMilliseconds(100);
    private const int TablesPerPass = 64;

    /// <summary>How soon it is tried again to create a segment on a full disk.</summary>
    private const long SpareRetryMs = 1000;

    private readonly CancellationTokenSource stopping = new();
    private readonly LoopSignal writes = new();
    private readonly LoopSignal seals = new();
    private readonly LoopSignal room = new();
    private readonly LoopSignal recoveries = new();
    private readonly SemaphoreSlim reclaimTurn = new(1, 1);
    private readonly List<Task> running = [];
    private SegmentRecovery? recovery;
    private string storeProblem = "";
    private long spareTriedAt = -SpareRetryMs;

    /// <summary>Why the store cannot be used, for people; empty where it can.</summary>
    public string StoreProblem => Volatile.Read(ref storeProblem);

    public void Start(SegmentRecovery? toRecover)
    {
        recovery = toRecover;
        if (!log.Options.RunsLoops)
        {
            return;
        }

        running.Add(Task.Run(() => LoopAsync("Writing to the log", writes, WriteAsync)));
        running.Add(Task.Run(() => LoopAsync("Handing a segment to the store", seals, SealAsync)));
        running.Add(Task.Run(() => LoopAsync("Making room", room, MakeRoomAsync)));
        if (toRecover is not null)
        {
            running.Add(Task.Run(() => LoopAsync("Recovery", recoveries, RecoverAsync)));
        }
    }

    /// <summary>Says that much waits to be written.</summary>
    public void WakeWriter()
    {
        writes.Set();
        room.Set();
    }

    /// <summary>Says that sealed segments wait.</summary>
    public void WakeSealer() => seals.Set();

    /// <summary>Does everything once. For tests, which own the time.</summary>
    public async ValueTask StepAsync(CancellationToken cancellation)
    {
        await RecoverAsync(cancellation).ConfigureAwait(false);
        await WriteAsync(cancellation).ConfigureAwait(false);
        await SealAsync(cancellation).ConfigureAwait(false);
        await MakeRoomAsync(cancellation).ConfigureAwait(false);
        await WriteAsync(cancellation).ConfigureAwait(false);
        await SealAsync(cancellation).ConfigureAwait(false);
    }

    /// <summary>Gives up one segment if room is needed.</summary>
    public async ValueTask<bool> ReclaimAsync(CancellationToken cancellation)
    {
        await reclaimTurn.WaitAsync(cancellation).ConfigureAwait(false);
        try
        {
            return await reclaim.ReclaimNextAsync(cancellation).ConfigureAwait(false);
        }
        finally
        {
            reclaimTurn.Release();
        }
    }

    /// <summary>Ends all loops and waits until they have ended.</summary>
    public async Task StopAsync()
    {
        if (!stopping.IsCancellationRequested)
        {
            await stopping.CancelAsync().ConfigureAwait(false);
        }

        await Task.WhenAll(running).ConfigureAwait(false);
        running.Clear();
        recovery?.ReleaseRest();
        recovery = null;
    }

    public void Dispose()
    {
        stopping.Dispose();
        reclaimTurn.Dispose();
        writes.Dispose();
        seals.Dispose();
        room.Dispose();
        recoveries.Dispose();
    }

    /// <summary>Waits for work, or for a while; then does it.</summary>
    private async Task LoopAsync(string work, LoopSignal signal, Func<CancellationToken, ValueTask> step)
    {
        var failures = 0;
        while (!stopping.IsCancellationRequested)
        {
            try
            {
                if (failures > 0)
                {
                    await Task.Delay(SegmentRules.BackOff(failures, log.Options.BackOff, log.Options.MaxBackOff), stopping.Token).ConfigureAwait(false);
                }

                await step(stopping.Token).ConfigureAwait(false);
                if (failures > 0)
                {
                    failures = 0;
                    Volatile.Write(ref storeProblem, "");
                }

                await signal.WaitAsync(Pace, stopping.Token).ConfigureAwait(false);
            }
            catch (OperationCanceledException) when (stopping.IsCancellationRequested)
            {
                return;
            }
            catch (Exception failure) when (failure is IOException or UnauthorizedAccessException or TimeoutException or OperationCanceledException)
            {
                if (failures++ == 0)
                {
                    TierLog.Failed(context.Logger, work, failure.Message);
                }

                Volatile.Write(ref storeProblem, $"{work} fails and is tried again: {failure.Message}");
            }
            catch (Exception failure)
            {
                TierLog.Broken(context.Logger, failure, work);
                failures++;
                lock (log.Gate)
                {
                    log.GiveUp($"{work} ended with an error that was not expected");
                }
            }
        }
    }

    private async ValueTask WriteAsync(CancellationToken cancellation)
    {
        SealWhatLingers();
        EnsureSpare();
        await writer.DrainAsync(long.MaxValue, cancellation).ConfigureAwait(false);
        EnsureSpare();
        seals.Set();
    }

    private async ValueTask SealAsync(CancellationToken cancellation)
    {
        while (await sealer.SealNextAsync(cancellation).ConfigureAwait(false))
        {
        }
    }

    private async ValueTask MakeRoomAsync(CancellationToken cancellation)
    {
        while (await ReclaimAsync(cancellation).ConfigureAwait(false))
        {
            writes.Set();
            if (log.MayOverfill)
            {
                break;
            }
        }

        sweep.Run(TablesPerPass);
        if (!log.IsRecovering)
        {
            await deletions.RunAsync(cancellation).ConfigureAwait(false);
        }
    }

    private async ValueTask RecoverAsync(CancellationToken cancellation)
    {
        if (recovery is { } unfinished)
        {
            await unfinished.RunAsync(cancellation).ConfigureAwait(false);
            recovery = null;
            unfinished.ReleaseRest();
            sweep.Hurry();
        }
    }

    private void SealWhatLingers()
    {
        lock (log.Gate)
        {
            if (log.Open is { FirstEntryMs: > 0 and var since } && log.NowMs - since >= log.Options.Linger.TotalMilliseconds && log.MayTakeEntries && log.Spare is not null)
            {
                log.TryRotate(0, mayCreate: false);
            }
        }
    }

    private void EnsureSpare()
    {
        lock (log.Gate)
        {
            var now = Environment.TickCount64;
            if (log.Spare is not null && log.Table.StagedCount < 2 * log.Options.MaxStaged)
            {
                log.Problem = "";
            }

            if (log.Spare is not null || (log.Problem.Length > 0 && now - spareTriedAt < SpareRetryMs))
            {
                return;
            }

            spareTriedAt = now;
        }

        var spare = log.TryCreate(log.Options.SegmentBytes);
        if (spare is null)
        {
            return;
        }

        lock (log.Gate)
        {
            if (log.Spare is null)
            {
                log.Spare = spare;
                return;
            }
        }

        spare.Discard();
    }
}
