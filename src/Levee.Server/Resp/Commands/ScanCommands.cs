using System.Buffers.Text;
using Levee.Operations;
using static Levee.Server.Resp.Commands.Parsing;

namespace Levee.Server.Resp.Commands;

/// <summary>
/// Commands over whole caches. A scan's cursor is the partition, or the tier behind the last partition, and the node or position to go on at. An entry keeps its node while it is resident, so one
/// that stays in memory is given exactly once; one that lies in a tier, or moves, at least once.
/// </summary>
internal static class ScanCommands
{
    /// <summary>The low bits of a cursor: a node, or a tier's position. The rest counts partitions and tiers, and leaves the sign bit alone.</summary>
    private const int PositionBits = 52;

    private const int NodesPerStep = 1024;
    private const int TagsPerTurn = 16;
    private const int MaxKeysPerReply = 10_000;
    private const int MaxNodesPerReply = 16 * 1024;

    public static readonly Command[] All =
    [
        new("scan", -2, Scan) { IsBarrier = true },
        new("keys", 2, Keys) { IsBarrier = true },
        new("dbsize", 1, DbSize) { IsBarrier = true },
        new("randomkey", 1, RandomKey) { IsBarrier = true },
        new("flushdb", -1, (RespConversation c, scoped in Arguments a) => Flush(c, a, all: false)) { IsBarrier = true, IsWrite = true },
        new("flushall", -1, (RespConversation c, scoped in Arguments a) => Flush(c, a, all: true)) { IsBarrier = true, IsWrite = true },
        new("deltag", -2, DeleteTags) { IsBarrier = true, IsWrite = true },
    ];

    private static bool Scan(RespConversation c, scoped in Arguments a)
    {
        if (!Utf8Parser.TryParse(a[1], out ulong cursor, out var consumed) || consumed != a[1].Length)
        {
            return Refuse(c, "ERR invalid cursor");
        }

        var filter = new KeyFilter();
        var count = 10L;
        for (var i = 2; i < a.Count; i += 2)
        {
            if (i + 1 == a.Count)
            {
                return Refuse(c, SyntaxError);
            }

            if (Is(a[i], "MATCH"u8))
            {
                filter.Pattern = new GlobPattern(a[i + 1]);
            }
            else if (Is(a[i], "TYPE"u8))
            {
                filter.HasKind = true;
                filter.Kind = Is(a[i + 1], "string"u8) ? EntryKind.Bytes : Is(a[i + 1], "hash"u8) ? EntryKind.Hash : (EntryKind)byte.MaxValue;
            }
            else if (!Is(a[i], "COUNT"u8))
            {
                return Refuse(c, SyntaxError);
            }
            else if (!TryInteger(a[i + 1], out count))
            {
                return Refuse(c, NotAnInteger);
            }
            else if (count < 1)
            {
                return Refuse(c, SyntaxError);
            }
        }

        c.RunSteps(ScanAsync(c, cursor, (int)Math.Min(count, MaxKeysPerReply), filter));
        return true;
    }

    private static async Task ScanAsync(RespConversation c, ulong cursor, int count, KeyFilter filter)
    {
        var keys = new List<byte[]>();
        var partition = (long)(cursor >> PositionBits);
        var node = (long)(cursor & ((1UL << PositionBits) - 1));
        var end = c.Cache.PartitionCount + c.Cache.TierCount;

        // Count is a hint, as in Redis: about so many keys, fewer where entries lie thinly, and never more work than a turn's.
        var step = Math.Min(NodesPerStep, count);
        for (var looked = 0; keys.Count < count && looked < MaxNodesPerReply && partition < end;)
        {
            node = await ScanStepAsync(c, (int)partition, node, step, filter, keys);
            looked += step;
            if (node == 0)
            {
                partition++;
            }
        }

        var next = partition >= end ? 0UL : ((ulong)partition << PositionBits) | (ulong)node;
        ReplyFormatter.WriteArray(c.Output, 2);
        ReplyFormatter.WriteBulk(c.Output, next.ToString());
        WriteKeys(c, keys);
    }

    private static bool Keys(RespConversation c, scoped in Arguments a)
    {
        c.RunSteps(KeysAsync(c, new KeyFilter { Pattern = new GlobPattern(a[1]) }));
        return true;
    }

    private static async Task KeysAsync(RespConversation c, KeyFilter filter)
    {
        var keys = new List<byte[]>();
        for (var partition = 0; partition < c.Cache.PartitionCount + c.Cache.TierCount; partition++)
        {
            var node = 0L;
            do
            {
                node = await ScanStepAsync(c, partition, node, NodesPerStep, filter, keys);
                if (keys.Count > c.Server.Options.MaxKeysListed)
                {
                    ReplyFormatter.WriteError(c.Output, $"ERR KEYS lists at most {c.Server.Options.MaxKeysListed} keys; use SCAN");
                    return;
                }

                await c.NextTurn();
            }
            while (node != 0);
        }

        WriteKeys(c, keys);
    }

    private static async ValueTask<long> ScanStepAsync(RespConversation c, int partition, long node, int count, KeyFilter filter, List<byte[]> keys)
    {
        using var done = await c.Ask(
            new Operation { Kind = OperationKind.Scan, Partition = partition, Number = node, Count = count },
            (scoped in Answer item) =>
            {
                if (filter.Accepts(item.Entry))
                {
                    keys.Add(item.Entry.Key.ToArray());
                }
            });
        return done.Answer.Number;
    }

    private static void WriteKeys(RespConversation c, List<byte[]> keys)
    {
        ReplyFormatter.WriteArray(c.Output, keys.Count);
        foreach (var key in keys)
        {
            ReplyFormatter.WriteBulk(c.Output, key);
        }
    }

    private static bool DbSize(RespConversation c, scoped in Arguments a)
    {
        c.RunSteps(DbSizeAsync(c));
        return true;
    }

    private static async Task DbSizeAsync(RespConversation c) =>
        ReplyFormatter.WriteInteger(c.Output, (await ServerCommands.StatisticsAsync(c, c.Cache)).AllEntries);

    private static bool RandomKey(RespConversation c, scoped in Arguments a)
    {
        c.RunSteps(RandomKeyAsync(c));
        return true;
    }

    /// <summary>Begins at a random place and gives the first entry from there on: not quite uniform where entries lie thinly.</summary>
    private static async Task RandomKeyAsync(RespConversation c)
    {
        var keys = new List<byte[]>();
        var first = c.NextRandom(c.Cache.PartitionCount);
        for (var i = 0; i < c.Cache.PartitionCount && keys.Count == 0; i++)
        {
            var partition = (first + i) % c.Cache.PartitionCount;
            using var statistics = await c.Ask(new Operation { Kind = OperationKind.Statistics, Partition = partition });
            var entries = statistics.Answer.Statistics?.Entries ?? 0;
            var node = entries == 0 ? 0 : (long)c.NextRandom((int)Math.Min(entries, int.MaxValue));
            while (keys.Count == 0 && (node = await ScanStepAsync(c, partition, node, 64, new KeyFilter(), keys)) != 0)
            {
            }

            if (keys.Count == 0 && entries > 0)
            {
                await ScanStepAsync(c, partition, 0, NodesPerStep, new KeyFilter(), keys);
            }
        }

        if (keys.Count == 0)
        {
            ReplyFormatter.WriteNull(c.Output, c.Version);
        }
        else
        {
            ReplyFormatter.WriteBulk(c.Output, keys[0]);
        }
    }

    private static bool Flush(RespConversation c, scoped in Arguments a, bool all)
    {
        if (a.Count > 2 || (a.Count == 2 && !Is(a[1], "ASYNC"u8) && !Is(a[1], "SYNC"u8)))
        {
            return Refuse(c, SyntaxError);
        }

        c.RunSteps(FlushAsync(c, all));
        return true;
    }

    private static async Task FlushAsync(RespConversation c, bool all)
    {
        var chosen = c.Cache;
        foreach (var cache in all ? c.Server.Catalog.Caches : [chosen])
        {
            c.Cache = cache;
            for (var partition = 0; partition < cache.PartitionCount; partition++)
            {
                using var cleared = await c.Ask(new Operation { Kind = OperationKind.Clear, Partition = partition });
            }
        }

        c.Cache = chosen;
        ReplyFormatter.WriteOk(c.Output);
    }

    private static bool DeleteTags(RespConversation c, scoped in Arguments a)
    {
        for (var i = 1; i < a.Count; i++)
        {
            if (a[i].Length is 0 or > Limits.MaxTagBytes)
            {
                return Refuse(c, $"ERR a tag is 1 to {Limits.MaxTagBytes} bytes");
            }
        }

        c.RunSteps(DeleteTagsAsync(c, a.ToArrays()));
        return true;
    }

    private static async Task DeleteTagsAsync(RespConversation c, byte[][] a)
    {
        for (var i = 1; i < a.Length; i++)
        {
            for (var partition = 0; partition < c.Cache.PartitionCount; partition++)
            {
                using var done = await c.Ask(new Operation { Kind = OperationKind.RemoveByTag, Partition = partition, Key = a[i] });
            }

            if (i % TagsPerTurn == 0)
            {
                await c.NextTurn();
            }
        }

        ReplyFormatter.WriteOk(c.Output);
    }

    private sealed class KeyFilter
    {
        public GlobPattern? Pattern { get; set; }

        public bool HasKind { get; set; }

        public EntryKind Kind { get; set; }

        public bool Accepts(scoped in EntryView entry) =>
            (!HasKind || entry.Kind == Kind) && Pattern?.Matches(entry.Key) != false;
    }
}
