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

    private const int TagsPerTurn = 16;
    private const int MaxKeysPerReply = 10_000;
    private const int MaxNodesPerReply = 16 * 1024;

    /// <summary>From so many bytes of keys on SCAN's reply ends.</summary>
    private const int MaxScanReplyBytes = 64 * 1024;

    /// <summary>So much of a KEYS reply may be gathered whether or not the staging area has room.</summary>
    private const int LeastKeysReplyBytes = StagingArea.FreeBytes;

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
                if (!GlobPattern.TryCreate(a[i + 1], out var pattern))
                {
                    return Refuse(c, GlobPattern.TooLong);
                }

                filter.Pattern = pattern;
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
        using var keys = new FoundKeys(filter);
        var partition = (long)(cursor >> PositionBits);
        var node = (long)(cursor & ((1UL << PositionBits) - 1));
        var end = c.Cache.PartitionCount + c.Cache.TierCount;

        // Count is a hint, as in Redis: about so many keys, fewer where entries lie thinly or keys are long, and never more work than a
        // turn's.
        for (var looked = 0; keys.Count < count && keys.Reply.Length < MaxScanReplyBytes && looked < MaxNodesPerReply && partition < end;)
        {
            var step = Math.Min(keys.NodesPerStep, count);
            if (!(await ScanStepAsync(c, (int)partition, node, step, keys)).TryTake(out node, out var missing))
            {
                WriteIncomplete(c, missing, "go on at the same cursor");
                return;
            }

            looked += step;
            if (node == 0)
            {
                partition++;
            }
        }

        var next = partition >= end ? 0UL : ((ulong)partition << PositionBits) | (ulong)node;
        ReplyFormatter.WriteArray(c.Output, 2);
        ReplyFormatter.WriteBulk(c.Output, next.ToString());
        keys.WriteTo(c.Output);
    }

    private static bool Keys(RespConversation c, scoped in Arguments a)
    {
        if (a[1].Length > GlobPattern.MaxBytes)
        {
            return Refuse(c, GlobPattern.TooLong);
        }

        var pattern = a[1].ToArray();
        c.RunSteps(c.RunLong(() => KeysAsync(c, pattern)));
        return true;
    }

    /// <summary>
    /// The reply begins with the number of keys, so all are gathered before it: as much as the staging area has room for.
    /// </summary>
    private static async Task KeysAsync(RespConversation c, byte[] pattern)
    {
        GlobPattern.TryCreate(pattern, out var glob);
        var staging = c.Server.Staging;
        using var keys = new FoundKeys(new KeyFilter { Pattern = glob });
        for (var partition = 0; partition < c.Cache.PartitionCount + c.Cache.TierCount; partition++)
        {
            var node = 0L;
            do
            {
                if (!(await ScanStepAsync(c, partition, node, keys.NodesPerStep, keys)).TryTake(out node, out var missing))
                {
                    WriteIncomplete(c, missing, "no keys are given");
                    return;
                }

                c.StepBytes = keys.Reply.MemoryBytes;
                if (keys.Reply.Length > staging.CapacityBytes || (staging.IsFull && c.StepBytes > LeastKeysReplyBytes))
                {
                    var refusal = $"ERR the reply of KEYS is longer than what is free of {staging.CapacityBytes} bytes for all replies; use SCAN";
                    ReplyFormatter.WriteError(c.Output, refusal);
                    return;
                }

                if (keys.Count > c.Server.Options.MaxKeysListed)
                {
                    ReplyFormatter.WriteError(c.Output, $"ERR KEYS lists at most {c.Server.Options.MaxKeysListed} keys; use SCAN");
                    return;
                }

                await c.NextTurn();
            }
            while (node != 0 && await c.Drained());
        }

        keys.WriteTo(c.Output);
    }

    private static async ValueTask<Survey<long>> ScanStepAsync(RespConversation c, int partition, long node, int count, FoundKeys keys)
    {
        var survey = await Surveys.ScanAsync(c, partition, node, count, keys.Look);
        keys.EndStep();
        return survey;
    }

    /// <summary>Says that not every partition has done its part, which ones, and how that leaves the rest.</summary>
    private static void WriteIncomplete(RespConversation c, Unanswered missing, string rest) =>
        ReplyFormatter.WriteError(c.Output, $"TRYAGAIN {missing}; {rest}");

    private static bool DbSize(RespConversation c, scoped in Arguments a)
    {
        c.RunSteps(DbSizeAsync(c));
        return true;
    }

    private static async Task DbSizeAsync(RespConversation c)
    {
        if ((await Surveys.StatisticsAsync(c, c.Cache)).TryTake(out var statistics, out var missing))
        {
            ReplyFormatter.WriteInteger(c.Output, statistics.AllEntries);
        }
        else
        {
            WriteIncomplete(c, missing, "the number of keys is not known");
        }
    }

    private static bool RandomKey(RespConversation c, scoped in Arguments a)
    {
        c.RunSteps(RandomKeyAsync(c));
        return true;
    }

    /// <summary>Begins at a random place and gives the first entry from there on: not quite uniform where entries lie thinly.</summary>
    private static async Task RandomKeyAsync(RespConversation c)
    {
        byte[]? found = null;
        AnswerFold takeFirst = (scoped in Answer item) => found ??= item.Entry.Key.ToArray();
        var first = c.NextRandom(c.Cache.PartitionCount);
        Unanswered? missing = null;
        for (var i = 0; i < c.Cache.PartitionCount && found is null; i++)
        {
            missing = await RandomKeyAsync(c, (first + i) % c.Cache.PartitionCount, takeFirst, () => found is not null) ?? missing;
        }

        if (found is not null)
        {
            ReplyFormatter.WriteBulk(c.Output, found);
        }
        else if (missing is not null)
        {
            WriteIncomplete(c, missing, "the others have no key");
        }
        else
        {
            ReplyFormatter.WriteNull(c.Output, c.Version);
        }
    }

    /// <summary>Looks for a key in one partition, from a random place on and around.</summary>
    /// <returns>Null, or that the partition did not answer.</returns>
    private static async ValueTask<Unanswered?> RandomKeyAsync(RespConversation c, int partition, AnswerFold take, Func<bool> isFound)
    {
        if (!(await Surveys.StatisticsAsync(c, c.Cache, partition, 1)).TryTake(out var statistics, out var missing))
        {
            return missing;
        }

        var node = statistics.Entries == 0 ? 0 : (long)c.NextRandom((int)Math.Min(statistics.Entries, int.MaxValue));
        for (var ends = 0; statistics.Entries > 0 && ends < 2 && !isFound(); ends += node == 0 ? 1 : 0)
        {
            if (!(await Surveys.ScanAsync(c, partition, node, 64, take)).TryTake(out node, out missing))
            {
                return missing;
            }
        }

        return null;
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

    /// <summary>Clears what can be cleared, whatever cannot.</summary>
    private static async Task FlushAsync(RespConversation c, bool all)
    {
        var problems = new List<Unanswered>();
        foreach (var cache in all ? c.Server.Catalog.Caches : [c.Cache])
        {
            if (!(await Surveys.EverywhereAsync(c, cache, OperationKind.Clear, [])).TryTake(out _, out var missing))
            {
                problems.Add(missing);
            }
        }

        if (problems.Count == 0)
        {
            ReplyFormatter.WriteOk(c.Output);
        }
        else
        {
            ReplyFormatter.WriteError(c.Output, $"TRYAGAIN {string.Join("; ", problems)}; all else is cleared");
        }
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

    /// <summary>
    /// Removes all tags from all partitions that answer; the tags that were not removed everywhere are named by their places in the
    /// command.
    /// </summary>
    private static async Task DeleteTagsAsync(RespConversation c, byte[][] a)
    {
        Unanswered? missing = null;
        var incomplete = 0;
        for (var i = 1; i < a.Length; i++)
        {
            if (!(await Surveys.EverywhereAsync(c, c.Cache, OperationKind.RemoveByTag, a[i])).TryTake(out _, out var unanswered))
            {
                missing = unanswered;
                incomplete++;
            }

            if (i % TagsPerTurn == 0)
            {
                await c.NextTurn();
            }
        }

        if (missing is null)
        {
            ReplyFormatter.WriteOk(c.Output);
        }
        else
        {
            WriteIncomplete(c, missing, $"{incomplete} of {a.Length - 1} tags still have entries there; elsewhere all are invalidated");
        }
    }

    private sealed class KeyFilter
    {
        public GlobPattern? Pattern { get; set; }

        public bool HasKind { get; set; }

        public EntryKind Kind { get; set; }

        public bool Accepts(scoped in EntryView entry) =>
            (!HasKind || entry.Kind == Kind) && Pattern?.Matches(entry.Key) != false;
    }

    /// <summary>
    /// The keys that a scan has found, written as bulk strings already. A step looks at so many entries that it takes well below a
    /// millisecond, for the partition is held meanwhile: few where keys
    /// are long, whether they are accepted or not.
    /// </summary>
    private sealed class FoundKeys(KeyFilter filter) : IDisposable
    {
        private const int FirstChunkBytes = 512;
        private const int LeastNodesPerStep = 16;
        private const int MostNodesPerStep = 1024;
        private const int BytesPerStep = 32 * 1024;

        private int lookedBytes;

        public ReplyBuffer Reply { get; } = new(FirstChunkBytes);

        public int Count { get; private set; }

        public int NodesPerStep { get; private set; } = LeastNodesPerStep;

        public void Look(scoped in Answer item)
        {
            lookedBytes += item.Entry.Key.Length;
            if (filter.Accepts(item.Entry))
            {
                ReplyFormatter.WriteBulk(Reply, item.Entry.Key);
                Count++;
            }
        }

        public void EndStep()
        {
            var next = lookedBytes > BytesPerStep ? NodesPerStep / 2 : 2 * NodesPerStep;
            NodesPerStep = Math.Clamp(next, LeastNodesPerStep, MostNodesPerStep);
            lookedBytes = 0;
        }

        public void WriteTo(ReplyBuffer output)
        {
            ReplyFormatter.WriteArray(output, Count);
            output.TakeFrom(Reply);
        }

        public void Dispose() => Reply.Dispose();
    }
}
