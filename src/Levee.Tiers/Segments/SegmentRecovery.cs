using System.Diagnostics;
using Levee.Segments;
using Levee.Tiers.Stores;

namespace Levee.Tiers.Segments;

/// <summary>
/// Finds out what an earlier owner's log holds: footers from the newest segment to the oldest, in each from its end. The first mention of a hash wins, tombstones stay in the index as void until the end.
/// What is missing without a Retired record, or cannot be read whole, is a hole: it may have held tombstones, so it and everything older is dropped.
/// </summary>
internal sealed class SegmentRecovery(SegmentLog log, ISegmentStore store, ITierHost host, SegmentDeletions deletions, TierContext context)
{
    private const int EntriesPerHold = 256;
    private const int ReadAhead = 4;

    private readonly HashSet<long> retired = [];
    private readonly Dictionary<long, OpenSegment> local = [];
    private readonly Dictionary<long, StoredSegment> stored = [];
    private readonly Dictionary<long, VoidMap> maps = [];
    private long newest;
    private int segments;

    /// <summary>Whether the folder holds segments that the state does not know: then the state is an old copy, and what it speaks of cannot be vouched for.</summary>
    public bool IsStateOld { get; private set; }

    /// <summary>Takes the files that an earlier owner of the generation left in the tier's folder, and deletes all others.</summary>
    /// <returns>The highest sequence number that was ever given.</returns>
    public long Adopt(Guid generation, long openSequence, IReadOnlyList<Guid> givenUp)
    {
        newest = openSequence;
        foreach (var path in Directory.EnumerateFiles(context.StateFolder, "*.seg"))
        {
            if (OpenSegment.GenerationOf(path) is { } other && other != generation && !givenUp.Contains(other))
            {
                IsStateOld = true;
            }

            var left = TryAdopt(path, generation);
            if (left is null || !local.TryAdd(left.Sequence, left))
            {
                left?.Release();
                File.Delete(path);
                continue;
            }

            newest = Math.Max(newest, left.Sequence);
        }

        AdoptMaps(generation);

        // A segment is noted as soon as it is begun, so that the state may be one behind.
        IsStateOld |= newest > openSequence + 1;
        return newest;
    }

    /// <summary>Deletes what was adopted: a new generation begins.</summary>
    public void Discard()
    {
        foreach (var sequence in local.Keys.ToArray())
        {
            DropLocal(sequence);
        }

        DropMaps(long.MaxValue);
        newest = 0;
    }

    /// <summary>Recovers everything.</summary>
    /// <exception cref="IOException">The store did not answer; what is recovered so far stays, and the call may be made again.</exception>
    public async Task RunAsync(CancellationToken cancellation)
    {
        var started = Stopwatch.GetTimestamp();
        int epoch;
        string prefix;
        lock (log.Gate)
        {
            epoch = log.Epoch;
            prefix = SegmentInfo.NameOf(host.CacheName, log.Generation, 0)[..^12];
        }

        context.Failpoint?.Invoke("recover:begin");
        await ListAsync(prefix, cancellation).ConfigureAwait(false);
        lock (log.Gate)
        {
            if (epoch == log.Epoch && stored.Keys.Any(sequence => sequence >= log.NextSequence))
            {
                log.GiveUp("the store holds segments that are newer than the tier's state, which must be an old copy");
                return;
            }
        }

        var ahead = new Queue<(long Sequence, Task<FooterContent?> Footer)>();
        var next = newest;
        while (next >= log.FloorSequence || ahead.Count > 0)
        {
            for (; next >= log.FloorSequence && ahead.Count < ReadAhead; next--)
            {
                ahead.Enqueue((next, ReadFooterAsync(next, cancellation)));
            }

            var (sequence, reading) = ahead.Dequeue();
            if (epoch != log.Epoch)
            {
                return;
            }

            if (!await TryTakeAsync(sequence, reading, epoch, cancellation).ConfigureAwait(false))
            {
                Drop(sequence);
                break;
            }

            newest = sequence - 1;
        }

        DropMaps(long.MaxValue);
        context.Failpoint?.Invoke("recover:before-end");
        lock (log.Gate)
        {
            if (epoch != log.Epoch)
            {
                return;
            }

            log.EndRecovery();
        }

        context.Failpoint?.Invoke("recover:end");
        var took = Stopwatch.GetElapsedTime(started);
        TierLog.Recovered(context.Logger, log.Entries, segments, took);
    }

    /// <summary>Lets go of files that were not reached.</summary>
    public void ReleaseRest()
    {
        foreach (var left in local.Values)
        {
            left.Release();
        }

        local.Clear();
    }

    private static OpenSegment? TryAdopt(string path, Guid generation)
    {
        try
        {
            return OpenSegment.TryAdopt(path, generation);
        }
        catch (IOException)
        {
            // A file that cannot be mapped is as good as missing: a hole, if it was a segment.
            return null;
        }
    }

    /// <summary>A map that is ahead of every segment belongs to one that was never begun.</summary>
    private void AdoptMaps(Guid generation)
    {
        foreach (var path in Directory.EnumerateFiles(context.StateFolder, "*" + VoidMap.Suffix))
        {
            if (VoidMap.TryAdopt(path, generation, out var sequence) is not { } map || sequence > newest || !maps.TryAdd(sequence, map))
            {
                File.Delete(path);
            }
        }
    }

    /// <summary>Deletes the maps of segments that were not taken, up to a number.</summary>
    private void DropMaps(long upTo)
    {
        foreach (var (sequence, map) in maps)
        {
            if (sequence <= upTo)
            {
                map.Delete();
                maps.Remove(sequence);
            }
        }
    }

    private async Task ListAsync(string prefix, CancellationToken cancellation)
    {
        await foreach (var found in store.ListAsync(prefix, cancellation).ConfigureAwait(false))
        {
            if (SegmentInfo.SequenceOf(found.Name) is var sequence and > 0)
            {
                if (sequence < log.FloorSequence)
                {
                    deletions.Add(found.Name);
                }
                else
                {
                    stored[sequence] = found;
                }
            }
        }
    }

    private async Task<FooterContent?> ReadFooterAsync(long sequence, CancellationToken cancellation)
    {
        if (!stored.TryGetValue(sequence, out var found))
        {
            return null;
        }

        var footer = await SegmentFooterSource.ReadAsync(log, store, found.Name, found.Length, found.Length / 6, cancellation).ConfigureAwait(false);
        return footer ?? await SegmentFooterSource.RebuildAsync(log, store, found.Name, found.Length, cancellation).ConfigureAwait(false);
    }

    /// <returns>False: the segment is a hole.</returns>
    private async ValueTask<bool> TryTakeAsync(long sequence, Task<FooterContent?> reading, int epoch, CancellationToken cancellation)
    {
        var content = await reading.ConfigureAwait(false);
        if (retired.Contains(sequence))
        {
            if (stored.TryGetValue(sequence, out var left))
            {
                deletions.Add(left.Name);
            }

            DropLocal(sequence);
            return true;
        }

        if (content is not null && content.Trailer.Header is var header && header.Sequence == sequence && header.Generation == log.Generation)
        {
            DropLocal(sequence);
            return TryApply(content, epoch, voids => log.AddStored(
                stored[sequence].Name, sequence, header.OpenedAtMs, stored[sequence].Length, content.Trailer.FooterOffset, content.Footer.Count, voids));
        }

        if (!local.Remove(sequence, out var open))
        {
            return false;
        }

        if (!open.TryRebuild())
        {
            open.Release();
            File.Delete(open.Path);
            return false;
        }

        if (open.Records == 0)
        {
            Retire(open, epoch);
            return true;
        }

        cancellation.ThrowIfCancellationRequested();
        var trailer = open.FooterBytes();
        if (TryApply(SegmentFooterSource.Parse(trailer, open.RecordsEnd)!, epoch, voids => log.AddStaged(open, voids)))
        {
            return true;
        }

        open.Release();
        File.Delete(open.Path);
        return false;
    }

    /// <returns>False where records of the segment may be marked void, and what marks them is lost: then it cannot be vouched for.</returns>
    private bool TryApply(FooterContent content, int epoch, Func<VoidMap?, SegmentInfo> add)
    {
        var sequence = content.Trailer.Header.Sequence;
        var footer = content.Footer;
        maps.Remove(sequence, out var map);
        VoidMap.VoidBits? voids = null;
        if (log.State.HasVoids)
        {
            voids = map?.TryRead(log.Generation, sequence);
            if (voids is null)
            {
                return false;
            }
        }

        ApplyControls(footer, sequence);
        context.Failpoint?.Invoke("recover:controls");
        lock (log.Gate)
        {
            if (epoch != log.Epoch)
            {
                return true;
            }

            add(map);
        }

        segments++;
        for (var place = footer.Count - 1; place >= 0;)
        {
            lock (log.Gate)
            {
                var now = log.NowMs;
                for (var count = 0; epoch == log.Epoch && place >= 0 && count < EntriesPerHold; count++, place--)
                {
                    Take(footer[place], sequence, now, voids);
                }

                if (epoch != log.Epoch)
                {
                    return true;
                }
            }
        }

        context.Failpoint?.Invoke("recover:segment");
        return true;
    }

    private void ApplyControls(SegmentFooter footer, long sequence)
    {
        var controls = footer.ControlRecords;
        while (controls.MoveNext())
        {
            var record = controls.Record;
            var subject = TierRecord.Hash(record);
            if (TierRecord.Type(record) == TierRecordType.Retired)
            {
                retired.Add((long)subject);
                continue;
            }

            var today = PartitionMark.Today((int)subject, host.PartitionCount);
            for (var partition = today.Start.Value; partition < today.End.Value; partition++)
            {
                ApplyRemoval(record, partition, sequence);
            }
        }
    }

    private void ApplyRemoval(ReadOnlySpan<byte> record, int partition, long sequence)
    {
        if (TierRecord.Type(record) == TierRecordType.TagRemoval)
        {
            host.RecoverTagRemoval(partition, TierRecord.Body(record), TierRecord.Version(record));
            return;
        }

        host.RecoverClear(partition, TierRecord.Version(record));
        if (TierRecord.Body(record).IsEmpty)
        {
            // Where in the segment it lay is not known: what came before it there is void by its version.
            lock (log.Gate)
            {
                log.Clears.Set(partition, SegmentLocation.InSegment(sequence, 0, 0), 0);
            }
        }
    }

    private void Take(in FooterEntry mention, long sequence, long nowMs, VoidMap.VoidBits? voids)
    {
        var location = SegmentLocation.InSegment(sequence, mention.Offset, mention.Length);
        if (log.TryFind(mention.Hash, out _))
        {
            log.Recovered(mention.Hash, sequence, mention.Offset, mention.Type == TierRecordType.Entry);
            return;
        }

        if (log.Clears.IsCleared(mention.Hash, location))
        {
            return;
        }

        var entry = new IndexEntry(mention.Hash, location, mention.ExpiresAtSeconds);
        var isDead = mention.Type == TierRecordType.Tombstone || entry.IsExpired(nowMs) || voids?.IsVoid(mention.Offset) == true;
        log.Put(isDead ? entry with { Location = location.With(LocationFlags.Void) } : entry);
    }

    /// <summary>An open segment into which nothing was written. Where the log has no room to say that it is gone it stays, and is handed to the store as it is.</summary>
    private void Retire(OpenSegment empty, int epoch)
    {
        lock (log.Gate)
        {
            if (epoch == log.Epoch)
            {
                Span<byte> record = stackalloc byte[TierRecord.HeaderBytes];
                TierRecord.WriteControl(record, TierRecordType.Retired, (ulong)empty.Sequence, 0, default);
                if (!log.TryAppendControl(record, out _))
                {
                    maps.Remove(empty.Sequence, out var map);
                    log.AddStaged(empty, map);
                    return;
                }
            }
        }

        empty.Release();
        File.Delete(empty.Path);
    }

    /// <summary>Nothing up to a hole holds any more.</summary>
    private void Drop(long hole)
    {
        TierLog.Hole(context.Logger, hole);
        lock (log.Gate)
        {
            log.RaiseFloor(hole + 1);
        }

        foreach (var (sequence, found) in stored)
        {
            if (sequence <= hole)
            {
                deletions.Add(found.Name);
            }
        }

        foreach (var sequence in local.Keys.ToArray())
        {
            DropLocal(sequence);
        }

        DropMaps(hole);
    }

    private void DropLocal(long sequence)
    {
        if (local.Remove(sequence, out var left))
        {
            left.Release();
            File.Delete(left.Path);
        }
    }
}
