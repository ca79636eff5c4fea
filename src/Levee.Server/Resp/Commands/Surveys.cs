using Levee.Operations;

namespace Levee.Server.Resp.Commands;

/// <summary>
/// Asks the same of many partitions or tiers, one after the other. The only place where commands do that: what comes back is a <see
/// cref="Survey{T}"/>, so nobody passes over one that did not answer.
/// </summary>
internal static class Surveys
{
    /// <summary>The counters of a cache, added up over its partitions and tiers.</summary>
    public static ValueTask<Survey<PartitionStatistics>> StatisticsAsync(RespConversation c, ICacheHost cache) =>
        StatisticsAsync(c, cache, 0, cache.PartitionCount + cache.TierCount);

    /// <summary>The counters of some of a cache's partitions and tiers, added up.</summary>
    public static ValueTask<Survey<PartitionStatistics>> StatisticsAsync(RespConversation c, ICacheHost cache, int first, int count) =>
        AskAsync(
            c, cache, OperationKind.Statistics, [], first, count, new PartitionStatistics(),
            static (sum, _, answer) => sum + (answer.Statistics ?? new PartitionStatistics()));

    /// <summary>What each tier of a cache that answers says of itself, with its number, the warmest first.</summary>
    public static ValueTask<Survey<List<(int Number, TierStatistics Statistics)>>> TiersAsync(RespConversation c, ICacheHost cache)
    {
        var none = new List<(int Number, TierStatistics Statistics)>();
        return AskAsync(c, cache, OperationKind.Statistics, [], cache.PartitionCount, cache.TierCount, none, (tiers, number, answer) =>
        {
            if (answer.Statistics?.Tier is { } tier)
            {
                tiers.Add((number - cache.PartitionCount, tier));
            }

            return tiers;
        });
    }

    /// <summary>
    /// Has every partition do the same: <see cref="OperationKind.Clear"/>, <see cref="OperationKind.RemoveByTag"/>. Those that answer do
    /// it, whatever the others do.
    /// </summary>
    public static ValueTask<Survey<long>> EverywhereAsync(RespConversation c, ICacheHost cache, OperationKind kind, byte[] tag) =>
        AskAsync(c, cache, kind, tag, 0, cache.PartitionCount, 0L, static (sum, _, answer) => sum + answer.Number);

    /// <summary>Visits a slice of one partition, or tier, of the chosen cache.</summary>
    /// <param name="c">The conversation.</param>
    /// <param name="partition">The partition, or the tier behind the partitions.</param>
    /// <param name="position">Where to begin.</param>
    /// <param name="count">How many nodes to visit at the most.</param>
    /// <param name="fold">Takes each entry.</param>
    /// <returns>Where to go on; 0 at its end.</returns>
    public static async ValueTask<Survey<long>> ScanAsync(RespConversation c, int partition, long position, int count, AnswerFold fold)
    {
        using var done = await c.Ask(
            new Operation { Kind = OperationKind.Scan, Partition = partition, Number = position, Count = count }, fold);
        var missing = new Unanswered(c.Cache);
        missing.Note(partition, done.Outcome);
        return new Survey<long>(done.Answer.Number, missing);
    }

    private static async ValueTask<Survey<T>> AskAsync<T>(
        RespConversation c, ICacheHost cache, OperationKind kind, byte[] tag, int first, int count, T seed, Func<T, int, Answer, T> add)
    {
        var chosen = c.Cache;
        var missing = new Unanswered(cache);
        c.Cache = cache;
        try
        {
            for (var i = first; i < first + count; i++)
            {
                using var answer = await c.Ask(new Operation { Kind = kind, Partition = i, Key = tag });
                if (missing.Note(i, answer.Outcome))
                {
                    seed = add(seed, i, answer.Answer);
                }
            }
        }
        finally
        {
            c.Cache = chosen;
        }

        return new Survey<T>(seed, missing);
    }
}
