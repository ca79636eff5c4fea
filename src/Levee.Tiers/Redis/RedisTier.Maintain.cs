using Levee.Segments;
using Polly.CircuitBreaker;

namespace Levee.Tiers.Redis;

/// <content>
/// Work on the side, a table of the index at a time so that the lock is never held for long: the oldest groups go when the capacity is reached, clears and expiries are swept, marks of a
/// listing are taken away, the log of removals is kept short, and the breaker is probed.
/// </content>
public sealed partial class RedisTier
{
    private const int TablesPerSecond = 64;

    // The index takes about this many bytes per entry; measured by its tests.
    private const int IndexBytesPerEntry = 32;

    private static readonly TimeSpan MaintenancePeriod = TimeSpan.FromMilliseconds(100);
    private static readonly TimeSpan HoldsFromPeriod = TimeSpan.FromSeconds(30);

    private readonly AsyncSignal maintenance = new();
    private readonly List<IndexEntry> visited = [];
    private bool isToSweepVoids;
    private int expiryTable;
    private double expiryBudget;

    private async Task MaintainAsync(CancellationToken cancellation)
    {
        using var clock = new Timer(static signal => ((AsyncSignal)signal!).Raise(), maintenance, MaintenancePeriod, MaintenancePeriod);
        while (!cancellation.IsCancellationRequested)
        {
            await maintenance.WaitAsync().ConfigureAwait(false);
            try
            {
                await ReclaimAsync(cancellation).ConfigureAwait(false);
                KeepTombstoneSpare();
                SweepVoids();
                SweepClears();
                SweepExpired();
                RewriteRemovals();
                NoteHoldsFrom();
                await ProbeAsync(cancellation).ConfigureAwait(false);
            }
            catch (OperationCanceledException)
            {
                return;
            }
            catch (Exception failure) when (!cancellation.IsCancellationRequested)
            {
                LogBroken(logger, failure, Name, "maintenance");
            }
        }
    }

    /// <summary>Gives up the oldest groups until the capacity is kept: what was read since it came stays, unless it has tags; the rest is offered to the tier below.</summary>
    private async Task ReclaimAsync(CancellationToken cancellation)
    {
        while (!cancellation.IsCancellationRequested)
        {
            long through;
            lock (gate)
            {
                var over = Math.Max(presence.StoredBytes - context.CapacityBytes, (presence.Count * IndexBytesPerEntry) - context.MaxIndexBytes);
                if (over <= 0 || link is null || !HasRoomForTombstones())
                {
                    return;
                }

                through = groups.BeginReclaim(Math.Max(over, context.CapacityBytes / 64), HeldSince());
            }

            if (through == 0)
            {
                return;
            }

            var offered = new List<IndexEntry>();
            for (var table = 0; table < presence.TableCount; table++)
            {
                lock (gate)
                {
                    ReclaimTable(table, through, offered);
                }

                if (offered.Count > 0)
                {
                    await OfferAsync(offered).ConfigureAwait(false);
                    offered.Clear();
                }

                if (!await WaitForTombstonesAsync(cancellation).ConfigureAwait(false))
                {
                    return;
                }
            }

            lock (gate)
            {
                groups.EndReclaim(through, tombstones.Next - 1, lastTicket);
            }

            context.Failpoint?.Invoke("redis:reclaimed");
        }
    }

    private void ReclaimTable(int table, long through, List<IndexEntry> offered)
    {
        visited.Clear();
        presence.CopyTable(table, visited);
        foreach (var entry in visited)
        {
            if (entry.Location.IsInBuffer || entry.Location.Sequence > through)
            {
                continue;
            }

            var flags = entry.Location.Flags;
            if (!IsLive(entry))
            {
                MakeVoid(entry.Hash, ulong.MaxValue);
            }
            else if ((flags & (LocationFlags.Referenced | LocationFlags.Tagged)) == LocationFlags.Referenced)
            {
                // No tag removal can concern it, so it may count as having come now.
                presence.Move(entry.Hash, entry.Location, groups.Add(entry.Location.LengthAtMost, flags & ~LocationFlags.Referenced, HeldSince()));
                carriedOver++;
            }
            else if (Below is not null && (flags & LocationFlags.Promoted) == 0)
            {
                offered.Add(entry);
            }
            else
            {
                MakeVoid(entry.Hash, ulong.MaxValue);
            }
        }
    }

    /// <summary>Reads entries back and gives those that are still true to the tier below; none of them is here any more afterwards.</summary>
    private async Task OfferAsync(List<IndexEntry> entries)
    {
        var reads = entries.ConvertAll(entry => ReadAsync(entry.Hash, null).AsTask());
        for (var i = 0; i < entries.Count; i++)
        {
            using var read = await reads[i].ConfigureAwait(false);
            if (read.Outcome == TierReadOutcome.Found)
            {
                await TierRoom.MakeAsync(Below, CancellationToken.None).ConfigureAwait(false);
                Offer(entries[i], read.Record);
            }

            lock (gate)
            {
                if (presence.TryFind(entries[i].Hash, out var entry) && entry.Location.SamePlace(entries[i].Location))
                {
                    MakeVoid(entry.Hash, ulong.MaxValue);
                }
            }
        }
    }

    private void Offer(IndexEntry entry, ReadOnlySpan<byte> record)
    {
        if (TierRecord.TryRead(record, out var offered))
        {
            host.IfTrue(offered, (Tier: this, Entry: entry, Record: record.ToArray()), static offer => offer.Tier.TryHandDown(offer.Entry, offer.Record));
        }
    }

    // Called while the entry's partition is held.
    private bool TryHandDown(IndexEntry entry, byte[] record)
    {
        lock (gate)
        {
            if (!presence.TryFind(entry.Hash, out var now) || !now.Location.SamePlace(entry.Location))
            {
                return false;
            }

            MakeVoid(entry.Hash, ulong.MaxValue);
        }

        if (Below is not { } below || !TierRecord.TryRead(record, out var offered))
        {
            return false;
        }

        below.Demote(offered);
        return true;
    }

    private void KeepTombstoneSpare()
    {
        lock (gate)
        {
            if (!isStopped)
            {
                tombstones.KeepSpare();
            }
        }
    }

    private bool HasRoomForTombstones() => tombstones.Unanswered < tombstones.Capacity / 4;

    /// <summary>Waits until Redis has answered enough, so that no tombstone of a write finds the log full because of what is only being tidied.</summary>
    /// <returns>False where the connection was lost meanwhile.</returns>
    private async Task<bool> WaitForTombstonesAsync(CancellationToken cancellation)
    {
        while (true)
        {
            lock (gate)
            {
                if (HasRoomForTombstones())
                {
                    return true;
                }

                if (link is null)
                {
                    return false;
                }
            }

            await Task.Delay(TimeSpan.FromMilliseconds(1), time, cancellation).ConfigureAwait(false);
        }
    }

    /// <summary>After a listing: marks of void hashes whose UNLINK has been answered are not needed any more.</summary>
    private void SweepVoids()
    {
        if (!isToSweepVoids)
        {
            return;
        }

        isToSweepVoids = false;
        for (var table = 0; table < presence.TableCount; table++)
        {
            lock (gate)
            {
                visited.Clear();
                presence.CopyTable(table, visited);
                foreach (var entry in visited)
                {
                    if (IsVoid(entry) && entry.Location.Ticket <= (tombstones.Answered & SegmentLocation.TicketMask))
                    {
                        presence.Remove(entry.Hash);
                    }
                }
            }
        }
    }

    private void SweepClears()
    {
        for (var partition = 0; partition < clears.Length; partition++)
        {
            lock (gate)
            {
                if (!clears[partition].IsToSweep || !HasRoomForTombstones())
                {
                    continue;
                }

                clears[partition].IsToSweep = false;
            }

            var tables = Math.Max(1, presence.TableCount / clears.Length);
            var first = (int)((long)partition * presence.TableCount / clears.Length);
            for (var table = first; table < first + tables; table++)
            {
                SweepTable(table, entry => PartitionOf(entry.Hash) == partition && !IsLive(entry));
                if (!HasRoomForTombstones())
                {
                    lock (gate)
                    {
                        clears[partition].IsToSweep = true;
                    }

                    return;
                }
            }
        }
    }

    // Redis lets them go by itself; here they would only take memory.
    private void SweepExpired()
    {
        expiryBudget = Math.Min(expiryBudget + (TablesPerSecond * MaintenancePeriod.TotalSeconds), presence.TableCount);
        for (; expiryBudget >= 1; expiryBudget--)
        {
            var now = NowMs();
            lock (gate)
            {
                visited.Clear();
                presence.CopyTable(expiryTable, visited);
                foreach (var entry in visited)
                {
                    if (!IsVoid(entry) && !entry.Location.IsInBuffer && entry.IsExpired(now))
                    {
                        ForgetMissing(entry.Hash);
                    }
                }
            }

            expiryTable = (expiryTable + 1) % presence.TableCount;
        }
    }

    private void SweepTable(int table, Func<IndexEntry, bool> isDead)
    {
        lock (gate)
        {
            visited.Clear();
            presence.CopyTable(table, visited);
            foreach (var entry in visited)
            {
                if (!IsVoid(entry) && isDead(entry))
                {
                    MakeVoid(entry.Hash, ulong.MaxValue);
                }
            }
        }
    }

    private void RewriteRemovals()
    {
        RemovalLog.RewriteWork rewrite;
        lock (gate)
        {
            if (!removals.IsWorthRewriting || isListing || isStopped)
            {
                return;
            }

            removals.Forget(HoldsFrom());
            rewrite = removals.BeginRewrite();
        }

        if (removals.Rewrite(rewrite) is not { } written)
        {
            return;
        }

        if (context.Fsync)
        {
            written.ForEach(file => file.Flush());
        }

        context.Failpoint?.Invoke("redis:rewriting");
        IReadOnlyList<Segments.MappedFile> old;
        lock (gate)
        {
            old = removals.EndRewrite(rewrite, written);
        }

        foreach (var file in old)
        {
            RemovalLog.Delete(file);
        }
    }

    private void NoteHoldsFrom()
    {
        lock (gate)
        {
            var noted = RedisNote.Parse(note);
            var holds = Math.Min(HoldsFrom(), NowMs());
            if (link is not null && !isListing && noted.RunId.Length > 0 && holds - noted.HoldsFromMs > HoldsFromPeriod.TotalMilliseconds)
            {
                WriteNote(noted with { HoldsFromMs = holds });
            }
        }
    }

    private async Task ProbeAsync(CancellationToken cancellation)
    {
        if (!breaker.IsOpen)
        {
            return;
        }

        if (Volatile.Read(ref link) is not { } connected)
        {
            return;
        }

        try
        {
            await breaker.RunAsync(async _ => await connected.CallAsync("PING").ConfigureAwait(false), cancellation).ConfigureAwait(false);
            work.Raise();
        }
        catch (BrokenCircuitException)
        {
            // Its pause is not over.
        }
        catch (RedisException)
        {
            // Counted by the breaker.
        }
    }
}
