using System.Collections.Frozen;
using System.Runtime.InteropServices;
using System.Text;
using Levee.Server.Resp.Commands;

namespace Levee.Server.Resp;

/// <summary>Runs a command.</summary>
/// <returns>False where the turn is over before the command is: it is offered again.</returns>
internal delegate bool CommandHandler(RespConversation conversation, scoped in Arguments arguments);

/// <summary>One command.</summary>
/// <param name="name">Its name, in lower case.</param>
/// <param name="arity">Number of arguments with the name, as in Redis: negative means "at least".</param>
/// <param name="handler">What it does.</param>
internal sealed class Command(string name, int arity, CommandHandler handler)
{
    public string Name { get; } = name;

    public int Arity { get; } = arity;

    /// <summary>Whether it waits until nothing is pending and lets nothing start before it is done.</summary>
    public bool IsBarrier { get; init; }

    /// <summary>Whether it runs before AUTH.</summary>
    public bool RunsUnauthenticated { get; init; }

    /// <summary>Whether it runs between a MULTI that was refused and its EXEC or DISCARD.</summary>
    public bool RunsInRefusedTransaction { get; init; }

    /// <summary>Whether it changes entries.</summary>
    public bool IsWrite { get; init; }

    /// <summary>Where its keys stand, as COMMAND tells it.</summary>
    public (int First, int Last, int Step) Keys { get; init; }

    public bool Accepts(int count) => Arity >= 0 ? count == Arity : count >= -Arity;

    public bool Run(RespConversation conversation, scoped in Arguments arguments) => handler(conversation, arguments);
}

/// <summary>All commands by name.</summary>
internal static class CommandTable
{
    private const int MaxNameBytes = 16;

    // GET and SET, the hot ones, are found by one comparison; the rest by the name's bytes as one 128-bit number.
    private static readonly FrozenDictionary<UInt128, Command> ByName = AllCommands().ToFrozenDictionary(c => Fold(Encoding.ASCII.GetBytes(c.Name)));
    private static readonly Command Get = ByName[Fold("get"u8)];
    private static readonly Command Set = ByName[Fold("set"u8)];

    /// <summary>All commands.</summary>
    public static IReadOnlyCollection<Command> All => ByName.Values;

    /// <summary>The command with a name in any case; null where there is none.</summary>
    public static Command? Find(ReadOnlySpan<byte> name)
    {
        if (name.Length == 3)
        {
            var folded = (name[0] | (name[1] << 8) | (name[2] << 16)) & 0xDFDFDF;
            if (folded == ('G' | ('E' << 8) | ('T' << 16)))
            {
                return Get;
            }

            if (folded == ('S' | ('E' << 8) | ('T' << 16)))
            {
                return Set;
            }
        }

        return name.Length is > 0 and <= MaxNameBytes && ByName.TryGetValue(Fold(name), out var command) ? command : null;
    }

    /// <summary>What Redis says to an unknown command.</summary>
    /// <param name="arguments">The command.</param>
    /// <param name="alternative">What to use instead; null where that is not known.</param>
    public static string UnknownCommand(scoped in Arguments arguments, string? alternative)
    {
        const int shown = 128;
        var text = new StringBuilder("ERR unknown command '").Append(Printable(arguments[0], shown)).Append("', with args beginning with: ");
        var begin = text.Length;
        for (var i = 1; i < arguments.Count && text.Length - begin < shown; i++)
        {
            text.Append('\'').Append(Printable(arguments[i], shown - (text.Length - begin))).Append("' ");
        }

        return alternative is null ? text.ToString() : text.Append("- ").Append(alternative).ToString();
    }

    /// <summary>Bytes as text for an error line: no line ends, no control characters.</summary>
    public static string Printable(ReadOnlySpan<byte> bytes, int maxLength)
    {
        var text = new StringBuilder();
        foreach (var value in bytes[..Math.Min(bytes.Length, maxLength)])
        {
            text.Append(value is >= 0x20 and < 0x7f ? (char)value : '?');
        }

        return text.ToString();
    }

    private static IEnumerable<Command> AllCommands() =>
    [
        .. StringCommands.All, .. ConditionalCommands.All, .. KeyCommands.All, .. CounterCommands.All, .. HashCommands.All,
        .. ScanCommands.All, .. TierCommands.All, .. PrefetchCommands.All, .. TransactionCommands.All, .. ScriptCommands.All,
        .. ConnectionCommands.All, .. ServerCommands.All,
    ];

    private static UInt128 Fold(ReadOnlySpan<byte> name)
    {
        Span<byte> folded = stackalloc byte[MaxNameBytes];
        folded.Clear();
        for (var i = 0; i < name.Length; i++)
        {
            folded[i] = (byte)(name[i] & 0xDF);
        }

        return MemoryMarshal.Read<UInt128>(folded);
    }
}
