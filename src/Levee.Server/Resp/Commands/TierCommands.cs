using Levee.Operations;
using static Levee.Server.Resp.Commands.Parsing;

namespace Levee.Server.Resp.Commands;

/// <summary>Commands on the tiers below memory: where an entry lies, and what each tier holds, does and costs.</summary>
internal static class TierCommands
{
    public static readonly Command[] All =
    [
        new("explain", 2, Explain) { Keys = (1, 1, 1) },
        new("tiers", 1, Tiers) { IsBarrier = true },
    ];

    /// <summary>What each tier of a cache says of itself, the warmest first.</summary>
    public static async ValueTask<List<TierStatistics>> StatisticsAsync(RespConversation c, ICacheHost cache)
    {
        var chosen = c.Cache;
        var tiers = new List<TierStatistics>();
        c.Cache = cache;
        for (var tier = 0; tier < cache.TierCount; tier++)
        {
            using var answer = await c.Ask(new Operation { Kind = OperationKind.Statistics, Partition = cache.PartitionCount + tier });
            if (answer.Answer.Statistics?.Tier is { } said)
            {
                tiers.Add(said);
            }
        }

        c.Cache = chosen;
        return tiers;
    }

    private static bool Explain(RespConversation c, scoped in Arguments a)
    {
        c.Submit(On(c, OperationKind.Explain, a), ReplyKind.Explanation);
        return true;
    }

    private static bool Tiers(RespConversation c, scoped in Arguments a)
    {
        c.RunSteps(TiersAsync(c));
        return true;
    }

    private static async Task TiersAsync(RespConversation c)
    {
        var tiers = await StatisticsAsync(c, c.Cache);
        ReplyFormatter.WriteArray(c.Output, tiers.Count);
        foreach (var tier in tiers)
        {
            Write(c, [.. TierFields.Of(tier)]);
        }
    }

    private static void Write(RespConversation c, List<(string Name, object Value)> fields)
    {
        ReplyFormatter.WriteMap(c.Output, fields.Count, c.Version);
        foreach (var (name, value) in fields)
        {
            ReplyFormatter.WriteBulk(c.Output, name);
            ReplyFormatter.WriteValue(c.Output, value, c.Version);
        }
    }
}
