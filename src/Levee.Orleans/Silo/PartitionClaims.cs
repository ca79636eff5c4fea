using Levee.Hosting;
using Levee.Orleans.Grains;

namespace Levee.Orleans.Silo;

/// <summary>
/// How this silo comes to own partitions of a cache: see docs/decisions/0009-the-cluster.md and docs/decisions/0014-three-answers.md.
/// </summary>
internal sealed class PartitionClaims(LeveeSilo silo, SiloCache cache, LeveeSiloOptions options, SiloClock clock, SiloPortClient ports, TimeProvider time)
{
    private static readonly TimeSpan RetryPause = TimeSpan.FromMilliseconds(200);

    /// <summary>How often an owner before is asked in vain between two lines in the log.</summary>
    private const int TriesPerLine = 25;

    /// <summary>Two machines' monotonic clocks run at slightly different speeds.</summary>
    private static readonly TimeSpan DriftMargin = TimeSpan.FromMilliseconds(50);

    private readonly string self = silo.Address.ToParsableString();
    private readonly bool[] waiting = new bool[cache.PartitionCount];
    private readonly string?[] obstacles = new string?[cache.PartitionCount];
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

    /// <summary>Why this silo, which is to own a partition, has not opened it yet; null where it has, or was not asked to.</summary>
    public string? ObstacleOf(int partition) => Volatile.Read(ref obstacles[partition]);

    /// <summary>Stops a partition for the owner of a higher epoch. A claim of a lower epoch that is still under way here opens nothing any more.</summary>
    public async Task<StoppedPartition> FreezeAsync(int partition, long epoch)
    {
        var answer = await cache.Local.FreezeAsync(partition, epoch);
        return StoppedPartition.Of(answer, cache.Local.ReachedMs);
    }

    /// <summary>Makes this silo the owner of a partition and opens it here.</summary>
    /// <param name="partition">The partition.</param>
    /// <param name="record">Who owns it, as it was read.</param>
    /// <param name="cancellation">Ends the claim; the owners before are left to the next one.</param>
    /// <exception cref="InvalidOperationException">Another silo has claimed the partition meanwhile.</exception>
    public async Task ClaimAsync(int partition, IPersistentState<Ownership> record, CancellationToken cancellation)
    {
        try
        {
            await ClaimOnceAsync(partition, record, cancellation);
        }
        catch (Exception failure)
        {
            Note(partition, $"silo {silo.Address} could not claim it: {failure.Message}");
            throw;
        }

        Note(partition, null);
    }

    private async Task ClaimOnceAsync(int partition, IPersistentState<Ownership> record, CancellationToken cancellation)
    {
        var before = record.State;
        if (before.Silo == self && cache.Local.IsHere(partition))
        {
            return;
        }

        cancellation.ThrowIfCancellationRequested();

        // A record that is not there may have been lost with a storage in memory: then somebody may serve the partition, for an epoch that began earlier than now.
        var isNew = before.Epoch == 0;
        var epoch = isNew ? time.GetUtcNow().ToUnixTimeMilliseconds() : before.Epoch + 1;
        var isBack = options.NodeName.Length > 0 && before.Node == options.NodeName && before.Silo != self && before.Predecessors.Count == 0;
        string[] predecessors = isBack ? []
            : isNew ? [.. silo.View.MayServe(options.Lease + DriftMargin).Where(MayHaveServed).Select(other => other.ToParsableString())]
            : [.. before.Predecessors.Append(before.Silo).Distinct()];
        record.State = new Ownership { Epoch = epoch, Silo = self, Node = options.NodeName, Predecessors = predecessors };
        await record.WriteStateAsync(cancellation);
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
            await TakeOverAsync(partition, record, cancellation);
            record.State = new Ownership { Epoch = record.State.Epoch, Silo = self, Node = options.NodeName };
            await record.WriteStateAsync(cancellation);
        }

        bool MayHaveServed(SiloAddress other) => !other.Equals(silo.Address) || cache.Local.WasHere(partition);
    }

    /// <summary>Opens a partition when nobody else serves it any more: with what one of the owners before has frozen, or empty.</summary>
    private async Task TakeOverAsync(int partition, IPersistentState<Ownership> record, CancellationToken cancellation)
    {
        var owners = record.State.Predecessors.Select(SiloAddress.FromParsableString).ToArray();
        while (true)
        {
            var epoch = record.State.Epoch;
            var stopped = await Task.WhenAll(owners.Select(owner => StopAsync(partition, epoch, owner, cancellation)));
            var known = stopped.Max(owner => owner.Answer is { Outcome: FreezeOutcome.Refused } refused ? refused.KnownEpoch : 0);
            if (known > 0)
            {
                // A later claim changes the record, and then this write fails. Else the record was lost, and epochs begin anew above those
                // that were counted up before.
                var left = record.State.Predecessors;
                record.State = new Ownership { Epoch = known + 1, Silo = self, Node = options.NodeName, Predecessors = left };
                await record.WriteStateAsync(cancellation);
                continue;
            }

            var chosen = Succession.Choose([.. stopped.Select(owner => owner.Answer)]);
            if (chosen is { } place && !owners[place].Equals(silo.Address) && !await silo.View.IsAliveAsync(owners[place], cancellation))
            {
                // It died after it had answered, and somebody may have taken over from it before: now its lease is waited out like any
                // other's.
                continue;
            }

            var floor = stopped.Max(owner => owner.ReachedMs);
            if (chosen is { } newest)
            {
                var copy = stopped[newest].Answer!;
                await clock.ReserveAsync(Math.Max(floor, LockHost.ReachedMsOf(copy.Header!)));
                var source = new PortSource(ports.To(owners[newest]), cache.Name, partition, copy.CopyEpoch);
                Open(partition, epoch, $"arriving from {owners[newest]}", () => cache.Local.Open(partition, epoch, copy, source));
                _ = ReportArrivalAsync(partition);
                return;
            }

            await clock.ReserveAsync(floor);
            cache.Feeds.Cleared(partition); // What was written and not told any more is not known.
            var before = string.Join(", ", record.State.Predecessors);
            Open(partition, epoch, $"empty: nothing of it is left at {before}", () => cache.Local.Open(partition, epoch, floor));
            return;
        }
    }

    /// <summary>
    /// Completes when a silo that may have served a partition does so no more, or refuses to be replaced. What it cannot say it is asked
    /// again, for as long as it lives.
    /// </summary>
    private async Task<(FreezeAnswer? Answer, long ReachedMs)> StopAsync(
        int partition, long epoch, SiloAddress owner, CancellationToken cancellation)
    {
        for (var tries = 1; owner.Equals(silo.Address) || await silo.View.IsAliveAsync(owner, cancellation); tries++)
        {
            var (answer, reachedMs) = await AskAsync(partition, epoch, owner);
            if (answer.Outcome != FreezeOutcome.CannotSay)
            {
                return (answer, reachedMs);
            }

            Note(partition, $"silo {owner} may still serve it and cannot say: {answer.Reason}");
            if (tries % TriesPerLine == 0)
            {
                silo.Log.CannotSay(cache.Name, partition, owner.ToString(), answer.Reason);
            }

            // Alive, dead or hung: the membership will tell.
            silo.View.Refresh();
            await Task.Delay(RetryPause, cancellation);
        }

        Note(partition, $"silo {owner} is dead, and its lease is waited out");
        Volatile.Write(ref waiting[partition], true);
        try
        {
            while (options.Lease + DriftMargin - silo.View.DeadFor(owner) is { Ticks: > 0 } left)
            {
                await Task.Delay(left, cancellation);
            }

            Interlocked.Increment(ref takeovers);
            return (null, await clock.FloorOfAsync(owner));
        }
        finally
        {
            Volatile.Write(ref waiting[partition], false);
        }
    }

    /// <summary>Asks once. A call that fails says nothing of the partition, whatever it fails with.</summary>
    private async Task<(FreezeAnswer Answer, long ReachedMs)> AskAsync(int partition, long epoch, SiloAddress owner)
    {
        if (owner.Equals(silo.Address))
        {
            return (await cache.Local.FreezeAsync(partition, epoch), cache.Local.ReachedMs);
        }

        try
        {
            var stopped = await ports.To(owner).Freeze(cache.Name, partition, epoch);
            return (stopped.ToAnswer(), stopped.ReachedMs);
        }
        catch (Exception failure)
        {
            return (new FreezeAnswer { Outcome = FreezeOutcome.CannotSay, Reason = failure.Message }, 0);
        }
    }

    private void Note(int partition, string? obstacle) => Volatile.Write(ref obstacles[partition], obstacle);

    private void Open(int partition, long epoch, string how, Action open)
    {
        open();
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
