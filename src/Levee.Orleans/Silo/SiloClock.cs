using Microsoft.Extensions.DependencyInjection;
using Orleans.Storage;

namespace Levee.Orleans.Silo;

/// <summary>How far a silo's clock may go: the record that whoever takes over from it begins above.</summary>
[GenerateSerializer, Alias("levee.clock-record")]
internal sealed class ClockRecord
{
    [Id(0)]
    public long UntilMs { get; set; }
}

/// <summary>
/// Reserves this silo's clock in grain storage ahead of its use, and reads what others have reserved. The clock stands still rather than pass the reservation, so no version above it is ever given out, whatever the wall clocks say.
/// </summary>
internal sealed class SiloClock(IServiceProvider services, SiloAddress self, Func<long> reached, Action<long> limit, TimeProvider time, SiloLog log) : IDisposable
{
    private const string StateName = "clock";

    /// <summary>How much of the clock is reserved at a time.</summary>
    private const long ReservationMs = 4000;

    /// <summary>The clock stands still where this much is left: versions given out meanwhile take it.</summary>
    private const long CounterMs = 200;

    private static readonly TimeSpan Renewal = TimeSpan.FromSeconds(1);

    private readonly IGrainStorage storage = services.GetRequiredKeyedService<IGrainStorage>(LeveeSilo.StorageName);
    private readonly SemaphoreSlim gate = new(1, 1);
    private GrainState<ClockRecord> mine = new() { State = new ClockRecord() };
    private bool isRead;
    private volatile bool isReserved;

    /// <summary>Whether any of the clock was reserved: not before the first partition is claimed, as the storage may be the cluster's own.</summary>
    public bool IsReserved => isReserved;

    /// <summary>Renews the reservation until it is cancelled.</summary>
    public async Task RenewAsync(CancellationToken cancellation)
    {
        while (!cancellation.IsCancellationRequested)
        {
            await Task.Delay(Renewal, time, cancellation).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            try
            {
                if (isReserved)
                {
                    await ReserveAsync(reached()).WaitAsync(cancellation);
                }
            }
            catch (Exception failure) when (!cancellation.IsCancellationRequested)
            {
                log.ClockNotReserved(failure);
            }
        }
    }

    /// <summary>Reserves the clock from now on, and above what a partition that comes here has reached, in Unix milliseconds. Nothing may be given out before.</summary>
    public async Task ReserveAsync(long reachedMs)
    {
        await gate.WaitAsync();
        try
        {
            if (!isRead)
            {
                mine = new GrainState<ClockRecord> { State = new ClockRecord() };
                await storage.ReadStateAsync(StateName, IdOf(self), mine);
                isRead = true;
            }

            var until = Math.Max(mine.State?.UntilMs ?? 0, Math.Max(time.GetUtcNow().ToUnixTimeMilliseconds(), reachedMs) + ReservationMs);
            mine.State = new ClockRecord { UntilMs = until };
            isRead = false;
            await storage.WriteStateAsync(StateName, IdOf(self), mine);
            isRead = true;
            limit(until - CounterMs);
            isReserved = true;
        }
        finally
        {
            gate.Release();
        }
    }

    /// <summary>
    /// The highest clock, in Unix milliseconds, that a silo which is gone can have given out in a version. Where its record is gone too, all that it can have reserved from now.
    /// </summary>
    public async Task<long> FloorOfAsync(SiloAddress silo)
    {
        var record = new GrainState<ClockRecord> { State = new ClockRecord() };
        await storage.ReadStateAsync(StateName, IdOf(silo), record);
        return record.RecordExists && record.State is { } found ? found.UntilMs : time.GetUtcNow().ToUnixTimeMilliseconds() + ReservationMs;
    }

    /// <inheritdoc/>
    public void Dispose() => gate.Dispose();

    private static GrainId IdOf(SiloAddress silo) => GrainId.Create("levee.clock", silo.ToParsableString());
}
