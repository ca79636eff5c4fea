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
        if (!(await Surveys.TiersAsync(c, c.Cache)).TryTake(out var tiers, out var missing))
        {
            ReplyFormatter.WriteError(c.Output, $"TRYAGAIN {missing}; what the others say is in INFO tiers");
            return;
        }

        ReplyFormatter.WriteArray(c.Output, tiers.Count);
        foreach (var (_, statistics) in tiers)
        {
            Write(c, [.. TierFields.Of(statistics)]);
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
