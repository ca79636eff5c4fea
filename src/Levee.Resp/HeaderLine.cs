namespace Levee.Resp;

/// <summary>A header line's number: <c>*3\r\n</c>, <c>$100\r\n</c>.</summary>
internal static class HeaderLine
{
    /// <summary>
    /// Reads the number and line end behind a type byte at <paramref name="position"/>. Strict as Redis' string2ll: no plus sign, no leading zero, no blanks.
    /// </summary>
    /// <param name="input">What has arrived.</param>
    /// <param name="position">Where the type byte stands.</param>
    /// <param name="number">The number.</param>
    /// <param name="end">Behind the line's end.</param>
    public static CommandStatus Read(ReadOnlySpan<byte> input, int position, out long number, out int end)
    {
        number = 0;
        end = 0;
        var line = input[(position + 1)..];
        if (line.Length > ProtocolLimits.MaxHeaderBytes)
        {
            line = line[..ProtocolLimits.MaxHeaderBytes];
        }

        var length = line.IndexOf((byte)'\r');
        if (length < 0)
        {
            return line.Length < ProtocolLimits.MaxHeaderBytes ? CommandStatus.Incomplete : CommandStatus.Invalid;
        }

        if (!TryParseNumber(line[..length], out number))
        {
            return CommandStatus.Invalid;
        }

        if (length + 1 >= line.Length)
        {
            return line.Length < ProtocolLimits.MaxHeaderBytes ? CommandStatus.Incomplete : CommandStatus.Invalid;
        }

        end = position + 1 + length + 2;
        return line[length + 1] == (byte)'\n' ? CommandStatus.Complete : CommandStatus.Invalid;
    }

    /// <summary>A decimal integer of at most 18 digits; lengths and counts have no use for more.</summary>
    public static bool TryParseNumber(ReadOnlySpan<byte> text, out long number)
    {
        number = 0;
        var isNegative = text.Length > 0 && text[0] == (byte)'-';
        var digits = isNegative ? text[1..] : text;
        if (digits.Length is 0 or > 18 || (digits[0] == (byte)'0' && (digits.Length > 1 || isNegative)))
        {
            return false;
        }

        foreach (var digit in digits)
        {
            if (!char.IsAsciiDigit((char)digit))
            {
                return false;
            }

            number = (number * 10) + (digit - '0');
        }

        number = isNegative ? -number : number;
        return true;
    }
}
