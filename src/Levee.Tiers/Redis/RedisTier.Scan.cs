using Levee.Partitions;
using Levee.Segments;

namespace Levee.Tiers.Redis;

/// <content>SCAN over what the tier holds: the tables of the index, one after the other; the position is the next table's number.</content>
public sealed partial class RedisTier
{
    private const int EntriesPerScan = 128;

    /// <inheritdoc/>
    public async ValueTask<long> ScanAsync(long position, TierEntryVisitor visit, CancellationToken cancellation)
    {
        ArgumentNullException.ThrowIfNull(visit);
        while (Volatile.Read(ref isListing) && Volatile.Read(ref link) is not null)
        {
            await Task.Delay(TimeSpan.FromMilliseconds(5), time, cancellation).ConfigureAwait(false);
        }

        var table = (int)Math.Clamp(position, 0, presence.TableCount);
        var found = new List<IndexEntry>();
        while (table < presence.TableCount && found.Count < EntriesPerScan)
        {
            lock (gate)
            {
                presence.CopyTable(table++, found);
            }
        }

        for (var first = 0; first < found.Count; first += EntriesPerScan)
        {
            cancellation.ThrowIfCancellationRequested();
            var reads = found.GetRange(first, Math.Min(EntriesPerScan, found.Count - first)).ConvertAll(entry => ReadAsync(entry.Hash, null).AsTask());
            foreach (var pending in reads)
            {
                using var read = await pending.ConfigureAwait(false);
                Visit(read, visit);
            }
        }

        return table == presence.TableCount ? 0 : table;
    }

    private static void Visit(TierRead read, TierEntryVisitor visit)
    {
        if (read.Outcome == TierReadOutcome.Found && TierRecord.TryRead(read.Record, out var entry))
        {
            visit(entry);
        }
    }
}
