using System.Text.Json;
using Levee.Operations;
using Levee.Orleans.Grains;
using Orleans.Concurrency;

namespace Levee.Orleans.Silo;

/// <summary>
/// A cache's one prefetcher as front doors elsewhere in the cluster, or clients outside, see it. Hints go to it in batches, one after the other; where they come faster than they go, those for which there is no room are dropped.
/// </summary>
internal sealed class RemotePrefetching(IPrefetchGrain grain, TimeSpan patience, Action<Exception>? dropped = null) : IPrefetchControl
{
    private readonly Lock gate = new();
    private readonly HintBatch waiting = new();
    private Task switching = Task.CompletedTask;
    private bool isSending;
    private bool isLearning = true;

    /// <summary>As it was last told, or last told here; a report asks anew.</summary>
    public bool IsLearning
    {
        get => Volatile.Read(ref isLearning);
        set
        {
            Volatile.Write(ref isLearning, value);
            Volatile.Write(ref switching, Task.Run(() => grain.Learn(value).AsTask()));
        }
    }

    public bool TryHint(ReadOnlySpan<byte> key, ulong hash, int priority)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(priority, IPrefetchControl.LowestPriority);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(priority, IPrefetchControl.HighestPriority);
        lock (gate)
        {
            if (!waiting.TryAdd(key, hash, priority))
            {
                return false;
            }

            if (isSending)
            {
                return true;
            }

            isSending = true;
        }

        _ = Task.Run(SendAsync);
        return true;
    }

    public async ValueTask<PrefetchReport> ReportAsync(int maxQueued, CancellationToken cancellation)
    {
        try
        {
            await Volatile.Read(ref switching).WaitAsync(patience, cancellation).ConfigureAwait(false);
            var packed = await Task.Run(() => grain.Status(maxQueued).AsTask(), cancellation).WaitAsync(patience, cancellation).ConfigureAwait(false);
            var report = Unpack(packed.Value);
            Volatile.Write(ref isLearning, report.IsLearning);
            return report;
        }
        catch (Exception failure) when (failure is OrleansException or JsonException)
        {
            throw new TimeoutException("The cache's prefetcher could not be asked.", failure);
        }
    }

    /// <summary>A report as it travels.</summary>
    public static byte[] Pack(PrefetchReport report) => JsonSerializer.SerializeToUtf8Bytes(report, PrefetchReportJson.Default.PrefetchReport);

    /// <summary>A report that has travelled.</summary>
    /// <exception cref="JsonException">It is of a version that this one does not know.</exception>
    public static PrefetchReport Unpack(byte[] packed) => JsonSerializer.Deserialize(packed, PrefetchReportJson.Default.PrefetchReport) ?? throw new JsonException("A report is null.");

    /// <summary>Hints that are lost are no error: whoever wanted the key waits for it, as without.</summary>
    private async Task SendAsync()
    {
        while (Take() is { } batch)
        {
            try
            {
                await grain.Hint(new Immutable<byte[]>(batch)).AsTask().WaitAsync(patience).ConfigureAwait(false);
            }
            catch (Exception failure)
            {
                dropped?.Invoke(failure);
            }
        }
    }

    private byte[]? Take()
    {
        lock (gate)
        {
            var batch = waiting.Take();
            isSending = batch is not null;
            return batch;
        }
    }
}
