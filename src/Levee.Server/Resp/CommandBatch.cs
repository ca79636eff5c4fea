using Levee.Keys;
using Levee.Operations;
using Levee.Resp;

namespace Levee.Server.Resp;

/// <summary>
/// A few commands that were parsed ahead, so that the memory their keys need can be fetched for all of them together (<see cref="ICacheHost.Approach"/>) before the first one runs.
/// One per thread: it lives within a turn.
/// </summary>
internal sealed class CommandBatch
{
    /// <summary>Most commands in a batch: enough to hide the latency of memory, few enough to stay in the first-level cache.</summary>
    public const int MaxCommands = 32;

    private const int MaxArguments = 8;

    [ThreadStatic]
    private static CommandBatch? ofThisThread;

    private readonly int[] ranges = new int[2 * MaxArguments * MaxCommands];
    private readonly ParsedCommand[] items = new ParsedCommand[MaxCommands];
    private readonly KeyHint[] keys = new KeyHint[MaxCommands];
    private int keyCount;

    /// <summary>The batch of the calling thread.</summary>
    public static CommandBatch OfThisThread => ofThisThread ??= new CommandBatch();

    /// <summary>Commands in the batch.</summary>
    public int Count { get; private set; }

    /// <summary>Empties the batch.</summary>
    public void Clear() => Count = keyCount = 0;

    /// <summary>Adds the command that a parser has just found.</summary>
    /// <param name="parser">The parser.</param>
    /// <param name="input">What it parsed, from the command's first byte on.</param>
    /// <param name="offset">Where that byte stands in the batch's input.</param>
    /// <returns>False where the command must run by itself: it has many arguments, or some that are not in the input as they are.</returns>
    public bool TryAdd(CommandParser parser, ReadOnlySpan<byte> input, int offset)
    {
        if (parser.Count > MaxArguments)
        {
            return false;
        }

        var first = 2 * MaxArguments * Count;
        for (var i = 0; i < parser.Count; i++)
        {
            if (!parser.TryGetRange(i, out var start, out var length))
            {
                return false;
            }

            ranges[first + (2 * i)] = offset + start;
            ranges[first + (2 * i) + 1] = length;
        }

        var command = CommandTable.Find(parser.Argument(input, 0));
        var hasKey = command?.Keys.First == 1 && parser.Count > 1;
        items[Count++] = new ParsedCommand(command, parser.Count, offset, offset + parser.ConsumedBytes, hasKey ? keyCount : -1);
        if (hasKey)
        {
            keys[keyCount++] = new KeyHint { Start = ranges[first + 2], Length = ranges[first + 3], Hash = KeyHash.Of(parser.Argument(input, 1)) };
        }

        return true;
    }

    /// <summary>Fetches what the keys' lookups will touch.</summary>
    public void Approach(ICacheHost cache, ReadOnlySpan<byte> input)
    {
        if (keyCount > 1)
        {
            cache.Approach(input, keys.AsSpan(0, keyCount));
        }
    }

    /// <summary>One command.</summary>
    public ref readonly ParsedCommand this[int index] => ref items[index];

    /// <summary>Its arguments.</summary>
    public Arguments Arguments(int index, ReadOnlySpan<byte> input) =>
        new(input, ranges.AsSpan(2 * MaxArguments * index, 2 * items[index].Arguments), items[index].Key >= 0 ? keys[items[index].Key] : default);

    /// <summary>A command in a batch.</summary>
    /// <param name="Command">What it is; null: unknown.</param>
    /// <param name="Arguments">How many arguments, with the name.</param>
    /// <param name="Begin">Its first byte.</param>
    /// <param name="End">The first byte after it.</param>
    /// <param name="Key">Its key's number; -1: none.</param>
    internal readonly record struct ParsedCommand(Command? Command, int Arguments, int Begin, int End, int Key);
}
