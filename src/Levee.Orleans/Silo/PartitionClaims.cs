using Levee.Orleans.Grains;
using Orleans.Runtime;

namespace Levee.Orleans.Silo;

/// <summary>How this silo comes to own partitions of a cache: see docs/decisions/0009-the-cluster.md.</summary>
internal sealed class PartitionClaims(LeveeSilo silo, SiloCache cache, LeveeSiloOptions options, SiloClock clock, SiloPortClient ports)
{
    private static readonly TimeSpan RetryPause = TimeSpan.FromMilliseconds(200);

    /// <summary>Two machines' monotonic clocks run at slightly different speeds.</summary>
    private static readonly TimeSpan DriftMargin = TimeSpan.FromMilliseconds(50);

    private readonly string self = silo.Address.ToParsableString();
    private readonly bool[] waiting = new bool[cache.PartitionCount];

    /// <summary>Whether a dead owner's lease is being waited out for a partition.</summary>
    public bool IsWaiting(int partition) => Volatile.Read(ref waiting[partition]);

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
        if (before.Epoch == 0)
        {
            Open(partition, epoch, floorMs: 0, "new");
        }
        else if (options.NodeName.Length > 0 && before.Node == options.NodeName && before.Silo != self)
        {
            cache.Local.Reopen(partition, epoch);
            silo.Log.Claimed(cache.Name, partition, epoch, "back on the same data");
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
                    cache.Local.Open(partition, epoch, header, source);
                    silo.Log.Claimed(cache.Name, partition, epoch, $"arriving from {owner}");
                    _ = ReportArrivalAsync(partition);
                }
                else
                {
                    Open(partition, epoch, await clock.FloorOfAsync(owner), $"{owner} had given it up");
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
            var floor = await clock.FloorOfAsync(owner);
            while (options.Lease + DriftMargin - silo.View.DeadFor(owner) is { Ticks: > 0 } left)
            {
                await Task.Delay(left);
            }

            Open(partition, epoch, floor, $"{owner} is dead");
        }
        finally
        {
            Volatile.Write(ref waiting[partition], false);
        }
    }

    private void Open(int partition, long epoch, long floorMs, string how)
    {
        cache.Local.Open(partition, epoch, floorMs);
        silo.Log.Claimed(cache.Name, partition, epoch, how);
    }

    private async Task ReportArrivalAsync(int partition)
    {
        await cache.Local.Arrived(partition);
        silo.Log.Arrived(cache.Name, partition, "all");
    }
}
