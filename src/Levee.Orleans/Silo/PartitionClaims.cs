using Levee.Orleans.Grains;

namespace Levee.Orleans.Silo;

/// <summary>How this silo comes to own partitions of a cache: see docs/decisions/0009-the-cluster.md.</summary>
internal sealed class PartitionClaims(LeveeSilo silo, SiloCache cache, LeveeSiloOptions options, SiloClock clock, SiloPortClient ports, TimeProvider time)
{
    private static readonly TimeSpan RetryPause = TimeSpan.FromMilliseconds(200);

    /// <summary>Two machines' monotonic clocks run at slightly different speeds.</summary>
    private static readonly TimeSpan DriftMargin = TimeSpan.FromMilliseconds(50);

    private readonly string self = silo.Address.ToParsableString();
    private readonly bool[] waiting = new bool[cache.PartitionCount];
    private readonly long[] fences = new long[cache.PartitionCount];
    private long count;
    private long takeovers;
    private long arrivedEntries;
    private long lostEntries;

    /// <summary>Partitions that were claimed.</summary>
    public long Count => Interlocked.Read(ref count);

    /// <summary>Those of them that came from a dead silo.</summary>
    public long Takeovers => Interlocked.Read(ref takeovers);

    /// <summary>Entries that came from other silos.</summary>
    public long ArrivedEntries => Interlocked.Read(ref arrivedEntries);

    /// <summary>Entries that did not.</summary>
    public long LostEntries => Interlocked.Read(ref lostEntries);

    /// <summary>Whether a dead owner's lease is being waited out for a partition.</summary>
    public bool IsWaiting(int partition) => Volatile.Read(ref waiting[partition]);

    /// <summary>Stops a partition for the owner of a higher epoch. A claim of a lower epoch that is still under way here opens nothing any more.</summary>
    public async Task<StoppedPartition> FreezeAsync(int partition, long epoch)
    {
        lock (fences)
        {
            fences[partition] = Math.Max(fences[partition], epoch);
        }

        return await FreezeHereAsync(partition, epoch);
    }

    /// <summary>Makes this silo the owner of a partition and opens it here.</summary>
    public async Task ClaimAsync(int partition, IPersistentState<Ownership> record)
    {
        var before = record.State;
        if (before.Silo == self && cache.Local.IsHere(partition))
        {
            return;
        }

        // A record that is not there may have been lost with a storage in memory: then somebody may serve the partition, for an epoch that began earlier than now.
        var isNew = before.Epoch == 0;
        var epoch = isNew ? time.GetUtcNow().ToUnixTimeMilliseconds() : before.Epoch + 1;
        var isBack = options.NodeName.Length > 0 && before.Node == options.NodeName && before.Silo != self && before.Predecessors.Count == 0;
        string[] predecessors = isBack ? []
            : isNew ? [.. silo.View.MayServe(options.Lease + DriftMargin).Where(other => !other.Equals(silo.Address)).Select(other => other.ToParsableString())]
            : [.. before.Predecessors.Append(before.Silo).Distinct()];
        record.State = new Ownership { Epoch = epoch, Silo = self, Node = options.NodeName, Predecessors = predecessors };
        await record.WriteStateAsync();
        if (!clock.IsReserved)
        {
            await clock.ReserveAsync(0);
        }

        if (isBack)
        {
            Open(partition, epoch, "back on the same data", () => cache.Local.Reopen(partition, epoch));
        }
        else if (predecessors.Length == 0)
        {
            Open(partition, epoch, "new", () => cache.Local.Open(partition, epoch, floorMs: 0));
        }
        else
        {
            await TakeOverAsync(partition, epoch, predecessors);
            record.State = new Ownership { Epoch = epoch, Silo = self, Node = options.NodeName };
            await record.WriteStateAsync();
        }
    }

    /// <summary>Opens a partition when nobody else serves it any more: with what one of the owners before has frozen, or empty.</summary>
    private async Task TakeOverAsync(int partition, long epoch, IReadOnlyList<string> predecessors)
    {
        var floor = 0L;
        (byte[] Header, PortSource Source, SiloAddress Owner)? copy = null;
        foreach (var owner in predecessors.Select(SiloAddress.FromParsableString))
        {
            var source = new PortSource(ports.To(owner), cache.Name, partition, epoch);
            var stopped = await StopAsync(partition, owner, source);
            floor = Math.Max(floor, stopped.ReachedMs);
            if (stopped.Header is { } header)
            {
                copy = (header, source, owner);
            }
        }

        if (copy is { } found)
        {
            await clock.ReserveAsync(Math.Max(floor, Hosting.LockHost.ReachedMsOf(found.Header)));
            Open(partition, epoch, $"arriving from {found.Owner}", () => cache.Local.Open(partition, epoch, found.Header, found.Source));
            _ = ReportArrivalAsync(partition);
            return;
        }

        await clock.ReserveAsync(floor);
        cache.Feeds.Cleared(partition); // What was written and not told any more is not known.
        Open(partition, epoch, $"empty: {string.Join(", ", predecessors)} had given it up or is dead", () => cache.Local.Open(partition, epoch, floor));
    }

    /// <summary>Completes when a silo that may have served a partition does so no more.</summary>
    private async Task<StoppedPartition> StopAsync(int partition, SiloAddress owner, PortSource source)
    {
        if (owner.Equals(silo.Address))
        {
            // A claim of this silo that was broken off. By the port it would set the fence that stops the present one, each time anew.
            return await FreezeHereAsync(partition, source.Epoch);
        }

        while (await silo.View.IsAliveAsync(owner, CancellationToken.None))
        {
            try
            {
                return await source.FreezeAsync();
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
            while (options.Lease + DriftMargin - silo.View.DeadFor(owner) is { Ticks: > 0 } left)
            {
                await Task.Delay(left);
            }

            Interlocked.Increment(ref takeovers);
            return new StoppedPartition(null, await clock.FloorOfAsync(owner));
        }
        finally
        {
            Volatile.Write(ref waiting[partition], false);
        }
    }

    private async Task<StoppedPartition> FreezeHereAsync(int partition, long epoch) => new(await cache.Local.FreezeAsync(partition, epoch), cache.Local.ReachedMs);

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

        Interlocked.Increment(ref count);
        silo.Log.Claimed(cache.Name, partition, epoch, how);
    }

    private async Task ReportArrivalAsync(int partition)
    {
        if (await cache.Local.Arrived(partition) is { } report)
        {
            Interlocked.Add(ref arrivedEntries, report.Received);
            Interlocked.Add(ref lostEntries, report.Lost);
            silo.Log.Arrived(cache.Name, partition, report.Received, report.Entries, report.Lost, report.Bytes, report.Time.TotalMilliseconds, report.Problem);
        }
    }
}
