using Levee.Orleans.Grains;

namespace Levee.Orleans.Silo;

/// <summary>How this silo comes to own partitions of a cache: see docs/decisions/0009-the-cluster.md.</summary>
internal sealed class PartitionClaims(LeveeSilo silo, SiloCache cache, LeveeSiloOptions options, SiloClock clock, SiloPortClient ports)
{
    private static readonly TimeSpan RetryPause = TimeSpan.FromMilliseconds(200);

    /// <summary>Two machines' monotonic clocks run at slightly different speeds.</summary>
    private static readonly TimeSpan DriftMargin = TimeSpan.FromMilliseconds(50);

    private readonly string self = silo.Address.ToParsableString();
    private readonly bool[] waiting = new bool[cache.PartitionCount];
    private readonly long[] fences = new long[cache.PartitionCount];

    /// <summary>Whether a dead owner's lease is being waited out for a partition.</summary>
    public bool IsWaiting(int partition) => Volatile.Read(ref waiting[partition]);

    /// <summary>Stops a partition for the owner of a higher epoch. A claim of a lower epoch that is still under way here opens nothing any more.</summary>
    /// <returns>Its header; null where it is not here.</returns>
    public Task<byte[]?> FreezeAsync(int partition, long epoch)
    {
        lock (fences)
        {
            fences[partition] = Math.Max(fences[partition], epoch);
        }

        return cache.Local.FreezeAsync(partition, epoch);
    }

    /// <summary>Makes this silo the owner of a partition and opens it here.</summary>
    public async Task ClaimAsync(int partition, IPersistentState<Ownership> record)
    {
        var before = record.State;
        if (before.Silo == self && cache.Local.IsOpen(partition))
        {
            return;
        }

        var epoch = before.Epoch + 1;
        record.State = new Ownership { Epoch = epoch, Silo = self, Node = options.NodeName };
        await record.WriteStateAsync();
        if (!clock.IsReserved)
        {
            await clock.ReserveAsync(0);
        }

        if (before.Epoch == 0)
        {
            Open(partition, epoch, "new", () => cache.Local.Open(partition, epoch, floorMs: 0));
        }
        else if (options.NodeName.Length > 0 && before.Node == options.NodeName && before.Silo != self)
        {
            Open(partition, epoch, "back on the same data", () => cache.Local.Reopen(partition, epoch));
        }
        else
        {
            await TakeOverAsync(partition, epoch, SiloAddress.FromParsableString(before.Silo));
        }
    }

    private async Task TakeOverAsync(int partition, long epoch, SiloAddress owner)
    {
        var source = new PortSource(ports.To(owner), cache.Name, partition, epoch);
        while (await silo.View.IsAliveAsync(owner, CancellationToken.None))
        {
            try
            {
                if (await source.FreezeAsync() is { } header)
                {
                    await clock.ReserveAsync(Hosting.LockHost.ReachedMsOf(header));
                    Open(partition, epoch, $"arriving from {owner}", () => cache.Local.Open(partition, epoch, header, source));
                    _ = ReportArrivalAsync(partition);
                }
                else
                {
                    var floor = await ReserveAboveAsync(owner);
                    Open(partition, epoch, $"{owner} had given it up", () => cache.Local.Open(partition, epoch, floor));
                }

                return;
            }
            catch (Exception failure) when (failure is SiloUnavailableException or TimeoutException or OrleansMessageRejectionException)
            {
                // Alive, dead or hung: the membership will tell.
                silo.View.Refresh();
                await Task.Delay(RetryPause);
            }
        }

        Volatile.Write(ref waiting[partition], true);
        try
        {
            var floor = await ReserveAboveAsync(owner);
            while (options.Lease + DriftMargin - silo.View.DeadFor(owner) is { Ticks: > 0 } left)
            {
                await Task.Delay(left);
            }

            Open(partition, epoch, $"{owner} is dead", () => cache.Local.Open(partition, epoch, floor));
        }
        finally
        {
            Volatile.Write(ref waiting[partition], false);
        }
    }

    /// <summary>Reserves this silo's clock above all that a silo which is gone can have given out.</summary>
    private async Task<long> ReserveAboveAsync(SiloAddress owner)
    {
        var floor = await clock.FloorOfAsync(owner);
        await clock.ReserveAsync(floor);
        return floor;
    }

    private void Open(int partition, long epoch, string how, Action open)
    {
        lock (fences)
        {
            if (fences[partition] >= epoch)
            {
                throw new InvalidOperationException($"Epoch {fences[partition]} has been claimed by another silo meanwhile.");
            }

            open();
        }

        silo.Log.Claimed(cache.Name, partition, epoch, how);
    }

    private async Task ReportArrivalAsync(int partition)
    {
        if (await cache.Local.Arrived(partition) is { } report)
        {
            silo.Log.Arrived(cache.Name, partition, report.Received, report.Entries, report.Lost, report.Bytes, report.Time.TotalMilliseconds, report.Problem);
        }
    }
}
