using Levee.Operations;
using static Levee.Server.Resp.Commands.Parsing;

namespace Levee.Server.Resp.Commands;

/// <summary>Commands on values that are numbers.</summary>
internal static class CounterCommands
{
    public static readonly Command[] All =
    [
        new("incr", 2, (RespConversation c, scoped in Arguments a) => Add(c, a, 1)) { Keys = (1, 1, 1), IsWrite = true },
        new("decr", 2, (RespConversation c, scoped in Arguments a) => Add(c, a, -1)) { Keys = (1, 1, 1), IsWrite = true },
        new("incrby", 3, IncrBy) { Keys = (1, 1, 1), IsWrite = true },
        new("decrby", 3, DecrBy) { Keys = (1, 1, 1), IsWrite = true },
        new("incrbyfloat", 3, IncrByFloat) { Keys = (1, 1, 1), IsWrite = true },
    ];

    private static bool Add(RespConversation c, scoped in Arguments a, long addend)
    {
        var operation = On(c, OperationKind.Increment, a);
        operation.Number = addend;
        c.Submit(operation, ReplyKind.Number);
        return true;
    }

    private static bool IncrBy(RespConversation c, scoped in Arguments a) =>
        TryInteger(a[2], out var addend) ? Add(c, a, addend) : Refuse(c, NotAnInteger);

    private static bool DecrBy(RespConversation c, scoped in Arguments a)
    {
        if (!TryInteger(a[2], out var subtrahend))
        {
            return Refuse(c, NotAnInteger);
        }

        return subtrahend == long.MinValue ? Refuse(c, "ERR decrement would overflow") : Add(c, a, -subtrahend);
    }

    private static bool IncrByFloat(RespConversation c, scoped in Arguments a)
    {
        if (!TryFloat(a[2], out var addend))
        {
            return Refuse(c, "ERR value is not a valid float");
        }

        var operation = On(c, OperationKind.IncrementFloat, a);
        operation.Addend = addend;
        c.Submit(operation, ReplyKind.NewValue);
        return true;
    }
}
