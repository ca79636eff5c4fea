using System.Globalization;
using System.Text;

namespace Levee.Resp.Tests;

/// <summary>The protocol as its text reads, slow and obvious: the reference that the parser is compared with.</summary>
internal static class LiteralRequestReader
{
    public enum Outcome
    {
        Incomplete,
        Complete,
        Large,
        Invalid,
    }

    public sealed record Request(Outcome Outcome, List<byte[]> Arguments, int Consumed, int LargeLength = 0, int Remaining = 0);

    public static Request Read(byte[] input, int largeThreshold, int maxBulk, int maxCommandBytes)
    {
        var arguments = new List<byte[]>();
        if (input.Length == 0)
        {
            return new(Outcome.Incomplete, arguments, 0);
        }

        if (input[0] != '*')
        {
            var newline = Array.IndexOf(input, (byte)'\n');
            if ((newline < 0 ? input.Length : newline) > 65536)
            {
                return new(Outcome.Invalid, arguments, 0);
            }

            if (newline < 0)
            {
                return new(Outcome.Incomplete, arguments, 0);
            }

            return SplitInline(input[..newline], arguments) ? new(Outcome.Complete, arguments, newline + 1) : new(Outcome.Invalid, [], 0);
        }

        var position = 0;
        var outcome = Number(input, ref position, out var count);
        if (outcome != Outcome.Complete || count > 1048576)
        {
            return new(outcome == Outcome.Incomplete ? outcome : Outcome.Invalid, arguments, 0);
        }

        for (long index = 0; index < count; index++)
        {
            if (position >= maxCommandBytes)
            {
                return new(Outcome.Invalid, arguments, 0);
            }

            if (position == input.Length)
            {
                return new(Outcome.Incomplete, arguments, 0);
            }

            if (input[position] != '$')
            {
                return new(Outcome.Invalid, arguments, 0);
            }

            outcome = Number(input, ref position, out var length);
            if (outcome != Outcome.Complete || length < 0 || length > maxBulk)
            {
                return new(outcome == Outcome.Incomplete ? outcome : Outcome.Invalid, arguments, 0);
            }

            if (length > largeThreshold)
            {
                return new(Outcome.Large, arguments, position, (int)length, (int)(count - index));
            }

            if (position + length + 2 > maxCommandBytes)
            {
                return new(Outcome.Invalid, arguments, 0);
            }

            if (position + length + 2 > input.Length)
            {
                return new(Outcome.Incomplete, arguments, 0);
            }

            arguments.Add(input[position..(position + (int)length)]);
            position += (int)length;
            if (input[position] != '\r' || input[position + 1] != '\n')
            {
                return new(Outcome.Invalid, arguments, 0);
            }

            position += 2;
        }

        return new(Outcome.Complete, arguments, position);
    }

    private static Outcome Number(byte[] input, ref int position, out long number)
    {
        number = 0;
        var text = new StringBuilder();
        for (var at = position + 1; at < input.Length; at++)
        {
            if (at - position > 32)
            {
                return Outcome.Invalid;
            }

            if (input[at] != '\r')
            {
                text.Append((char)input[at]);
                continue;
            }

            var digits = text.ToString();
            var isCanonical = long.TryParse(digits, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out number)
                && number.ToString(CultureInfo.InvariantCulture) == digits && digits.TrimStart('-').Length <= 18;
            if (!isCanonical)
            {
                return Outcome.Invalid;
            }

            if (at + 1 == input.Length)
            {
                return at - position >= 32 ? Outcome.Invalid : Outcome.Incomplete;
            }

            position = at + 2;
            return input[at + 1] == '\n' ? Outcome.Complete : Outcome.Invalid;
        }

        return input.Length - position - 1 >= 32 ? Outcome.Invalid : Outcome.Incomplete;
    }

    private static bool SplitInline(byte[] line, List<byte[]> arguments)
    {
        var rest = new Queue<char>(line.Select(static value => (char)value));
        while (true)
        {
            while (rest.Count > 0 && IsBlank(rest.Peek()))
            {
                rest.Dequeue();
            }

            if (rest.Count == 0)
            {
                return true;
            }

            var argument = new List<byte>();
            while (rest.Count > 0 && !IsBlank(rest.Peek()))
            {
                var next = rest.Dequeue();
                if (next is not ('"' or '\''))
                {
                    argument.Add((byte)next);
                    continue;
                }

                while (true)
                {
                    if (!rest.TryDequeue(out var quoted))
                    {
                        return false;
                    }

                    if (quoted == next)
                    {
                        break;
                    }

                    if (quoted == '\\' && next == '\'' && rest.TryPeek(out var after) && after == '\'')
                    {
                        quoted = rest.Dequeue();
                    }
                    else if (quoted == '\\' && next == '"' && rest.TryDequeue(out var escaped))
                    {
                        var hex = new string([.. rest.Take(2)]);
                        if (escaped == 'x' && hex.Length == 2 && hex.All(char.IsAsciiHexDigit))
                        {
                            quoted = (char)byte.Parse(hex, NumberStyles.HexNumber, CultureInfo.InvariantCulture);
                            rest.Dequeue();
                            rest.Dequeue();
                        }
                        else
                        {
                            quoted = escaped switch { 'n' => '\n', 'r' => '\r', 't' => '\t', 'b' => '\b', 'a' => '\a', _ => escaped };
                        }
                    }

                    argument.Add((byte)quoted);
                }

                if (rest.Count > 0 && !IsBlank(rest.Peek()))
                {
                    return false;
                }
            }

            arguments.Add([.. argument]);
        }
    }

    private static bool IsBlank(char value) => value is ' ' or '\t' or '\n' or '\v' or '\f' or '\r';
}
