using Levee.Partitions;

namespace Levee.Hosting;

/// <content>A clean stop: what is in memory goes down to the tiers, which end afterwards.</content>
public sealed partial class LockHost
{
    private const int TakenPerSlice = 256;

    /// <summary>A tier that has had no room for so long, although it was waited for, is not waited for any longer.</summary>
    private static readonly TimeSpan StallPatience = TimeSpan.FromSeconds(10);

    private static readonly TimeSpan RoomPace = TimeSpan.FromMilliseconds(20);
    private static readonly TimeSpan ProgressPeriod = TimeSpan.FromSeconds(5);

    private readonly Lock takingDown = new();
    private Task<TakeDownReport>? takenDown;

    /// <summary>
    /// Takes all that is in memory down to the tiers, the coldest first, so that the next start is warm. Front doors have been closed: from here on the partitions answer nothing, and the host's clock does not ask the
    /// tiers for more. The tiers are stopped afterwards. Where the tiers have no room for what waits it waits for them, and drops nothing. Done once: a second call gives the result of the first.
    /// </summary>
    /// <param name="progress">Is told every few seconds how far it is.</param>
    /// <param name="cancellation">Ends it: what is in memory then is left, and counted.</param>
    /// <returns>What went down and what did not. A failure of the tiers is said there and not thrown.</returns>
    public Task<TakeDownReport> TakeDownAsync(IProgress<TakeDownReport>? progress, CancellationToken cancellation)
    {
        lock (takingDown)
        {
            return takenDown ??= Task.Run(() => TakeDownOnceAsync(progress, cancellation), CancellationToken.None);
        }
    }

    private async Task<TakeDownReport> TakeDownOnceAsync(IProgress<TakeDownReport>? progress, CancellationToken cancellation)
    {
        await EndMaintenanceAsync().ConfigureAwait(false);
        if (tiers is null)
        {
            return new TakeDownReport { Cache = Name };
        }

        var began = time.GetTimestamp();
        var dropsBefore = tiers.GetStatistics(0).Drops;
        var left = CloseSlots();
        var (entries, bytes) = InMemory(left);
        var report = new TakeDownReport { Cache = Name, Entries = entries, Bytes = bytes };
        var all = left.ToArray();
        var (movedAt, saidAt) = (began, began);
        try
        {
            await tiers.DrainAsync(cancellation).ConfigureAwait(false);
            while (left.Count > 0)
            {
                cancellation.ThrowIfCancellationRequested();
                var taken = TakeSlices(left);
                report = report with { Taken = report.Taken + taken.Entries, TakenBytes = report.TakenBytes + taken.Bytes };
                movedAt = taken.Evicted > 0 ? time.GetTimestamp() : movedAt;
                if (progress is not null && time.GetElapsedTime(saidAt) >= ProgressPeriod)
                {
                    saidAt = time.GetTimestamp();
                    progress.Report(report with { Time = time.GetElapsedTime(began) });
                }

                if (left.Count > 0 && (taken.Evicted == 0 || !tiers.HasRoom))
                {
                    if (time.GetElapsedTime(movedAt) >= StallPatience)
                    {
                        report = report with { Problem = StallReason() };
                        break;
                    }

                    await tiers.DrainAsync(cancellation).ConfigureAwait(false);
                    if (taken.Evicted == 0)
                    {
                        await Task.Delay(RoomPace, time, cancellation).ConfigureAwait(false);
                    }
                }
            }
        }
        catch (OperationCanceledException)
        {
            report = report with { Problem = "the time for the stop was over" };
        }
        catch (Exception failure) when (failure is IOException or UnauthorizedAccessException)
        {
            report = report with { Problem = failure.Message };
        }

        return report with { Left = InMemory(all).Entries, Dropped = tiers.GetStatistics(0).Drops - dropsBefore, Time = time.GetElapsedTime(began) };
    }

    private string StallReason()
    {
        var tier = tiers!.GetStatistics(0);
        return $"{tier.Name} takes nothing: {(tier.Problem.Length > 0 ? tier.Problem : "it has no room for more")}";
    }

    /// <summary>Takes the partitions that serve out of service: what they would acknowledge from now on nobody would take down.</summary>
    private List<Slot> CloseSlots()
    {
        var closed = new List<Slot>();
        foreach (var slot in slots)
        {
            lock (slot.Gate)
            {
                if (slot.Serving is not null)
                {
                    slot.Serving = null;
                    closed.Add(slot);
                }
            }
        }

        return closed;
    }

    private static (long Entries, long Bytes) InMemory(IEnumerable<Slot> among)
    {
        var sum = (Entries: 0L, Bytes: 0L);
        foreach (var slot in among)
        {
            lock (slot.Gate)
            {
                if (slot.Partition is { } partition)
                {
                    var held = partition.GetStatistics();
                    sum = (sum.Entries + held.Entries, sum.Bytes + held.PayloadBytes);
                }
            }
        }

        return sum;
    }

    /// <summary>One slice of each partition. One that is empty, and for which no load is under way that might write to it, is done.</summary>
    private TakenDown TakeSlices(List<Slot> left)
    {
        var sum = default(TakenDown);
        for (var i = left.Count - 1; i >= 0; i--)
        {
            lock (left[i].Gate)
            {
                var taken = left[i].Partition?.TakeDown(TakenPerSlice, Clock.Now) ?? default;
                sum = new TakenDown(sum.Evicted + taken.Evicted, sum.Entries + taken.Entries, sum.Bytes + taken.Bytes);
                if (left[i].Partition is not { } partition || (partition.GetStatistics().Entries == 0 && partition.LoadCount == 0))
                {
                    left.RemoveAt(i);
                }
            }
        }

        return sum;
    }

    /// <summary>Ends what works beside the operations: nothing of this host reserves the clock, moves shares or brings entries up any more.</summary>
    private async Task EndMaintenanceAsync()
    {
        await stopping.CancelAsync().ConfigureAwait(false);
        await maintenance.ConfigureAwait(false);
        await EndArrivalsAsync().ConfigureAwait(false);
    }
}
