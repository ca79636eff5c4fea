using Levee.Segments;

namespace Levee.Tiers.Segments;

/// <summary>Walks the index, one table at a time, and lets go what is dead: void after recovery, expired, or cleared. By one owner.</summary>
internal sealed class SegmentSweep(SegmentLog log)
{
    private readonly Lock gate = new();
    private int next;
    private int urgent;

    /// <summary>Asks for the whole index to be walked soon.</summary>
    public void Hurry()
    {
        lock (gate)
        {
            urgent = log.Index.TableCount;
        }
    }

    /// <summary>Walks some tables, or all where that was asked for.</summary>
    public void Run(int tables)
    {
        lock (gate)
        {
            tables = Math.Max(tables, urgent);
            urgent = 0;
        }

        for (; tables > 0; tables--)
        {
            lock (log.Gate)
            {
                if (log.IsRecovering || log.Index.Count == 0)
                {
                    return;
                }

                var visitor = new Dead(log, log.NowMs);
                log.Index.Visit(next, ref visitor);
                log.Changed();
                next = (next + 1) % log.Index.TableCount;
            }
        }
    }

    /// <summary>Lets everything go that lies in a segment whose footer cannot be read.</summary>
    public static void Forget(SegmentLog log, long sequence, int epoch)
    {
        for (var table = 0; table < log.Index.TableCount; table++)
        {
            lock (log.Gate)
            {
                if (epoch != log.Epoch)
                {
                    return;
                }

                var visitor = new OfSegment(log, sequence);
                log.Index.Visit(table, ref visitor);
                log.Changed();
            }
        }
    }

    private readonly struct Dead(SegmentLog log, long nowMs) : IIndexVisitor
    {
        public IndexAction Visit(ref IndexEntry entry)
        {
            if ((entry.Location.Flags & LocationFlags.Void) == 0 && !entry.IsExpired(nowMs) && !log.Clears.IsCleared(entry.Hash, entry.Location))
            {
                return IndexAction.Keep;
            }

            log.Removed(entry);
            return IndexAction.Remove;
        }
    }

    private readonly struct OfSegment(SegmentLog log, long sequence) : IIndexVisitor
    {
        public IndexAction Visit(ref IndexEntry entry)
        {
            if (entry.Location.IsInBuffer || entry.Location.Sequence != sequence)
            {
                return IndexAction.Keep;
            }

            log.Removed(entry);
            return IndexAction.Remove;
        }
    }
}
