using System.Buffers.Text;
using System.Globalization;
using System.Text;
using Levee.Keys;
using Levee.Operations;

namespace Levee.Server.Resp.Commands;

/// <summary>Reading arguments, and the errors for those that cannot be read.</summary>
internal static class Parsing
{
    public const string SyntaxError = "ERR syntax error";
    public const string NotAnInteger = "ERR value is not an integer or out of range";

    /// <summary>An operation on a key.</summary>
    public static Operation On(OperationKind kind, ReadOnlySpan<byte> key) => new() { Kind = kind, Key = key, Hash = KeyHash.Of(key) };

    /// <summary>An operation on the key that is argument 1, with what is known of that key.</summary>
    public static Operation On(RespConversation c, OperationKind kind, scoped in Arguments a)
    {
        var hint = a.Hint;
        return hint.Length == 0
            ? On(kind, a[1])
            : new Operation { Kind = kind, Key = a[1], Hash = hint.Hash, IndexHint = c.IsApproached ? hint.IndexHint : 0 };
    }

    /// <summary>Reads a 64-bit integer as one is printed: no plus sign, no leading zeros, no minus zero.</summary>
    public static bool TryInteger(ReadOnlySpan<byte> text, out long value)
    {
        if (!Utf8Parser.TryParse(text, out value, out var consumed) || consumed != text.Length)
        {
            return false;
        }

        var digits = value < 0 || text[0] == (byte)'-' ? text[1..] : text;
        return digits[0] is not ((byte)'+' or (byte)'0') || text.Length == 1;
    }

    /// <summary>Reads a finite number.</summary>
    public static bool TryFloat(ReadOnlySpan<byte> text, out double value) =>
        double.TryParse(text, NumberStyles.Float & ~NumberStyles.AllowLeadingWhite & ~NumberStyles.AllowTrailingWhite, CultureInfo.InvariantCulture, out value) && double.IsFinite(value);

    /// <summary>Whether an argument is a word, in any case; the word is given in upper case.</summary>
    public static bool Is(ReadOnlySpan<byte> argument, ReadOnlySpan<byte> word) => Ascii.EqualsIgnoreCase(argument, word);

    /// <summary>
    /// The Unix millisecond of an expiry given in Redis' ways.
    /// </summary>
    /// <param name="text">The number.</param>
    /// <param name="isSeconds">Whether it counts seconds.</param>
    /// <param name="isAbsolute">Whether it is an instant.</param>
    /// <param name="now">The time, in Unix milliseconds.</param>
    /// <param name="expiresAt">The result.</param>
    /// <returns>False where it is not a number or beyond what can be represented.</returns>
    public static bool TryExpiry(ReadOnlySpan<byte> text, bool isSeconds, bool isAbsolute, long now, out long expiresAt)
    {
        expiresAt = 0;
        if (!TryInteger(text, out var value) || (isSeconds && value is > long.MaxValue / 1000 or < long.MinValue / 1000))
        {
            return false;
        }

        value = isSeconds ? value * 1000 : value;
        if (!isAbsolute && value > long.MaxValue - now - 1)
        {
            return false;
        }

        // Instants before the epoch are as past as any; 0 would mean "the default".
        expiresAt = Math.Clamp(isAbsolute ? value : now + value, 1, Limits.Never - 1);
        return true;
    }

    /// <summary>Refuses a command.</summary>
    public static bool Refuse(RespConversation conversation, string error)
    {
        ReplyFormatter.WriteError(conversation.Output, error);
        return true;
    }
}
