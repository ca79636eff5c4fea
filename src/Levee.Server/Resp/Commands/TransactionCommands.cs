using static Levee.Server.Resp.Commands.Parsing;

namespace Levee.Server.Resp.Commands;

/// <summary>
/// Transactions, which there are none. Clients send MULTI, the commands and EXEC together and look at the answers afterwards. So a refusal
/// of MULTI alone would leave the commands to run one by one, without the transaction that they were meant for. The refusal therefore holds
/// for all that follows, until EXEC, DISCARD, RESET or the connection's end.
/// </summary>
internal static class TransactionCommands
{
    /// <summary>The reply to a command that follows a refused MULTI.</summary>
    public const string NotRun =
        "ERR not run: it follows a MULTI that was refused, and nothing runs on this connection until EXEC, DISCARD or RESET";

    public static readonly Command[] All =
    [
        new("multi", 1, Multi) { RunsInRefusedTransaction = true },
        new("exec", 1, Exec) { RunsInRefusedTransaction = true },
        new("discard", 1, Discard) { RunsInRefusedTransaction = true },
        new("watch", -2, Watch) { Keys = (1, -1, 1), RunsInRefusedTransaction = true },
        new("unwatch", 1, Unwatch),
    ];

    private const string Alternative =
        "Use a pipeline without MULTI (redis-py: pipeline(transaction=False)), SET with NX, XX, IFEQ or IFVERSION, DELEX, " +
        "or a hash for what changes together";

    private const string NoTransactions = "ERR transactions are not supported, and nothing of this one is run. " + Alternative;

    private const string NoWatch =
        "ERR WATCH is not supported, as there are no transactions. To change a key only if nobody else has: " +
        "SET with IFEQ or IFVERSION, DELEX with IFEQ";

    private const string Aborted =
        "EXECABORT Transaction discarded because MULTI was refused: transactions are not supported, nothing was run. " + Alternative;

    private static bool Multi(RespConversation c, scoped in Arguments a)
    {
        c.BeginRefusedTransaction();
        c.Server.NoteRefused(c, "MULTI", Alternative);
        return Refuse(c, NoTransactions);
    }

    private static bool Exec(RespConversation c, scoped in Arguments a)
    {
        var wasRefused = c.IsInRefusedTransaction;
        c.EndRefusedTransaction();
        return Refuse(c, wasRefused ? Aborted : "ERR EXEC without MULTI");
    }

    /// <summary>OK is true: nothing was run, and what follows is.</summary>
    private static bool Discard(RespConversation c, scoped in Arguments a)
    {
        if (!c.IsInRefusedTransaction)
        {
            return Refuse(c, "ERR DISCARD without MULTI");
        }

        c.EndRefusedTransaction();
        ReplyFormatter.WriteOk(c.Output);
        return true;
    }

    private static bool Watch(RespConversation c, scoped in Arguments a) => Refuse(c, NoWatch);

    /// <summary>Nothing is watched, before or after.</summary>
    private static bool Unwatch(RespConversation c, scoped in Arguments a)
    {
        ReplyFormatter.WriteOk(c.Output);
        return true;
    }
}
