using Levee.Keys;
using Levee.Operations;
using static Levee.Server.Resp.Commands.Parsing;

namespace Levee.Server.Resp.Commands;

/// <summary>Commands on a cache's prefetcher: hints, what it has learnt, what waits.</summary>
internal static class PrefetchCommands
{
    public const string NoPrefetcher = "ERR this cache has no prefetcher: the server runs with --prefetch off, or the cache has no lower tier to bring entries up from";

    public static readonly Command[] All =
    [
        new("prefetch", -2, Prefetch),
        new("prefetch.status", 1, (RespConversation c, scoped in Arguments a) => Status(c)) { IsBarrier = true },
        new("prefetch.queue", -1, Queue) { IsBarrier = true },
    ];

    private const string NoAnswer = "ERR the prefetcher did not answer in time; try again";
    private const int DefaultQueued = 10;

    /// <summary>What a cache's prefetcher says of itself; null where there is none, or it lies elsewhere and does not answer.</summary>
    public static async ValueTask<PrefetchReport?> ReportAsync(RespConversation c, ICacheHost cache)
    {
        if (cache.Prefetching is not { } prefetching)
        {
            return null;
        }

        var asked = AskAsync(prefetching, 0);
        await c.Until(asked);
        return await asked;
    }

    /// <summary>PREFETCH [PRIORITY n] key ...: the option comes first, so a key may be named like it anywhere behind.</summary>
    private static bool Prefetch(RespConversation c, scoped in Arguments a)
    {
        var first = 1;
        var priority = (long)IPrefetchControl.DefaultPriority;
        if (Is(a[1], "PRIORITY"u8))
        {
            if (a.Count < 4)
            {
                return Refuse(c, "ERR wrong number of arguments for 'prefetch' command: PRIORITY takes a number and at least one key");
            }

            if (!TryInteger(a[2], out priority))
            {
                return Refuse(c, $"ERR PRIORITY is no whole number; allowed: {IPrefetchControl.LowestPriority} to {IPrefetchControl.HighestPriority}");
            }

            if (priority is < IPrefetchControl.LowestPriority or > IPrefetchControl.HighestPriority)
            {
                return Refuse(c, $"ERR PRIORITY is {priority}; allowed: {IPrefetchControl.LowestPriority} to {IPrefetchControl.HighestPriority}");
            }

            first = 3;
        }

        if (c.Cache.Prefetching is not { } prefetching)
        {
            return Refuse(c, NoPrefetcher);
        }

        var taken = 0;
        for (var i = first; i < a.Count; i++)
        {
            taken += a[i].Length <= Limits.MaxKeyBytes && prefetching.TryHint(a[i], KeyHash.Of(a[i]), (int)priority) ? 1 : 0;
        }

        ReplyFormatter.WriteInteger(c.Output, taken);
        return true;
    }

    private static bool Status(RespConversation c) => Report(c, 0, static (c, report) =>
    {
        List<(string Name, object Value)> fields = [.. PrefetchFields.Of(report)];
        ReplyFormatter.WriteMap(c.Output, fields.Count + 1, c.Version);
        Write(c, fields);
        ReplyFormatter.WriteBulk(c.Output, "buckets"u8);
        var buckets = report.Learnt?.Buckets ?? [];
        ReplyFormatter.WriteArray(c.Output, buckets.Count);
        foreach (var bucket in buckets)
        {
            List<(string Name, object Value)> figures = [.. PrefetchFields.Of(bucket)];
            ReplyFormatter.WriteMap(c.Output, figures.Count, c.Version);
            Write(c, figures);
        }
    });

    private static bool Queue(RespConversation c, scoped in Arguments a)
    {
        var count = (long)DefaultQueued;
        if (a.Count > 2)
        {
            return Refuse(c, "ERR wrong number of arguments for 'prefetch.queue' command");
        }

        if (a.Count == 2 && (!TryInteger(a[1], out count) || count is < 0 or > IPrefetchControl.MaxQueued))
        {
            return Refuse(c, $"ERR count must be an integer from 0 to {IPrefetchControl.MaxQueued}");
        }

        return Report(c, (int)count, static (c, report) =>
        {
            ReplyFormatter.WriteArray(c.Output, report.Queue.Count);
            foreach (var waiting in report.Queue)
            {
                ReplyFormatter.WriteMap(c.Output, 4, c.Version);
                ReplyFormatter.WriteBulk(c.Output, "key"u8);
                ReplyFormatter.WriteBulk(c.Output, waiting.Key.Span);
                Write(c, [("hash", $"{waiting.Hash:x16}"), ("priority", (long)waiting.Priority), ("age_ms", (long)waiting.Age.TotalMilliseconds)]);
            }
        });
    }

    private static bool Report(RespConversation c, int maxQueued, Action<RespConversation, PrefetchReport> write)
    {
        if (c.Cache.Prefetching is not { } prefetching)
        {
            return Refuse(c, NoPrefetcher);
        }

        c.RunSteps(ReportAsync(c, prefetching, maxQueued, write));
        return true;
    }

    private static async Task ReportAsync(RespConversation c, IPrefetchControl prefetching, int maxQueued, Action<RespConversation, PrefetchReport> write)
    {
        var asked = AskAsync(prefetching, maxQueued);
        await c.Until(asked);
        if (await asked is { } report)
        {
            write(c, report);
        }
        else
        {
            ReplyFormatter.WriteError(c.Output, NoAnswer);
        }
    }

    /// <summary>Null where the prefetcher lies elsewhere and does not answer.</summary>
    private static async Task<PrefetchReport?> AskAsync(IPrefetchControl prefetching, int maxQueued)
    {
        try
        {
            return await prefetching.ReportAsync(maxQueued, CancellationToken.None).ConfigureAwait(false);
        }
        catch (TimeoutException)
        {
            return null;
        }
    }

    private static void Write(RespConversation c, List<(string Name, object Value)> fields)
    {
        foreach (var (name, value) in fields)
        {
            ReplyFormatter.WriteBulk(c.Output, name);
            ReplyFormatter.WriteValue(c.Output, value, c.Version);
        }
    }
}
