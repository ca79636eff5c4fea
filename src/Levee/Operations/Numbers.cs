using System.Buffers.Text;
using System.Globalization;

namespace Levee.Operations;

/// <summary>Arithmetic on values that are decimal text.</summary>
public static class Numbers
{
    /// <summary>The longest text that a sum has.</summary>
    public const int MaxTextBytes = 352;

    /// <summary>Adds to a 64-bit integer; writes the sum's text. The text must be what an integer prints as: no spaces, no plus sign, no leading zeros.</summary>
    public static Outcome Add(ReadOnlySpan<byte> present, long addend, Span<byte> text, out long sum, out int length)
    {
        sum = 0;
        length = 0;
        if (!Utf8Parser.TryParse(present, out long value, out var consumed) || consumed != present.Length || !IsCanonical(present))
        {
            return Outcome.NotANumber;
        }

        sum = value + addend;
        if (((value ^ sum) & (addend ^ sum)) < 0)
        {
            return Outcome.Overflow;
        }

        Utf8Formatter.TryFormat(sum, text, out length);
        return Outcome.Stored;
    }

    /// <summary>Adds to a decimal number; writes the sum's text. Within 28 digits the sum is exact in decimal; beyond that it is that of IEEE doubles. Never in exponent form.</summary>
    public static Outcome Add(ReadOnlySpan<byte> present, double addend, Span<byte> text, out long sum, out int length)
    {
        sum = 0;
        length = 0;
        const NumberStyles style = NumberStyles.AllowLeadingSign | NumberStyles.AllowDecimalPoint | NumberStyles.AllowExponent;
        if (present.Length > MaxTextBytes || !double.TryParse(present, style, CultureInfo.InvariantCulture, out var value) || !double.IsFinite(value))
        {
            return Outcome.NotANumber;
        }

        var approximate = value + addend;
        if (!double.IsFinite(approximate))
        {
            return Outcome.Overflow;
        }

        const double decimalRange = 1e27;
        if (Math.Abs(value) < decimalRange && Math.Abs(addend) < decimalRange
            && decimal.TryParse(present, style, CultureInfo.InvariantCulture, out var exact))
        {
            exact += Exactly(addend, text);
            return exact.TryFormat(text, out length, "0.############################", CultureInfo.InvariantCulture) ? Outcome.Stored : Outcome.Overflow;
        }

        return approximate.TryFormat(text, out length, "F0", CultureInfo.InvariantCulture) ? Outcome.Stored : Outcome.Overflow;
    }

    /// <summary>The decimal number that a double prints as. The conversion operator rounds to 15 digits; a double has up to 17.</summary>
    private static decimal Exactly(double number, Span<byte> buffer)
    {
        number.TryFormat(buffer, out var length, "R", CultureInfo.InvariantCulture);
        return decimal.Parse(buffer[..length], NumberStyles.Float, CultureInfo.InvariantCulture);
    }

    private static bool IsCanonical(ReadOnlySpan<byte> text)
    {
        var digits = text[0] == (byte)'-' ? text[1..] : text;
        return digits[0] != (byte)'+' && (digits[0] != (byte)'0' || text.Length == 1);
    }
}
