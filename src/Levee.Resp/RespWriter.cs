using System.Buffers.Binary;
using System.Buffers.Text;

namespace Levee.Resp;

/// <summary>
/// Writes replies (and a client's commands) into a span and returns how many bytes they took (RESP specification, "RESP protocol description"). A span that is too short throws;
/// the constants and <see cref="BulkStringBytes"/> say what is enough.
/// </summary>
/// <remarks>Write front to back: a header may scribble over up to 3 bytes behind itself, within the span.</remarks>
public static class RespWriter
{
    /// <summary>The most bytes of any header: type, 20 characters of a number, CR LF.</summary>
    public const int MaxHeaderBytes = 23;

    /// <summary>The most bytes of an integer reply.</summary>
    public const int MaxIntegerBytes = MaxHeaderBytes;

    /// <summary>The most bytes of a double, in RESP2 too: <c>$24\r\n-1.2345678901234567e-308\r\n</c>, rounded up.</summary>
    public const int MaxDoubleBytes = 40;

    /// <summary>The most bytes of a null or a boolean.</summary>
    public const int MaxNullBytes = 5;

    /// <summary>What a verbatim string has beside a bulk string's bytes: <c>txt:</c>.</summary>
    public const int VerbatimPrefixBytes = 4;

    private const ushort LineEnd = 0x0A0D;

    /// <summary>The bytes that a bulk string of this length takes, at most.</summary>
    /// <param name="length">The value's length.</param>
    public static int BulkStringBytes(int length) => MaxHeaderBytes + length + 2;

    /// <summary>The bytes that a simple string or an error of this length takes.</summary>
    /// <param name="length">The text's length in bytes.</param>
    public static int LineBytes(int length) => length + 3;

    /// <summary>A simple string, <c>+OK\r\n</c> ("Simple strings"). Line ends in the text become blanks.</summary>
    /// <param name="destination">Where to write.</param>
    /// <param name="text">The text.</param>
    public static int WriteSimpleString(Span<byte> destination, ReadOnlySpan<byte> text) => WriteLine(destination, (byte)'+', text);

    /// <summary>An error, <c>-ERR text\r\n</c> ("Simple errors"). Line ends in the text become blanks: what a client sent may be quoted in it.</summary>
    /// <param name="destination">Where to write.</param>
    /// <param name="text">The text with its code, without the minus.</param>
    public static int WriteError(Span<byte> destination, ReadOnlySpan<byte> text) => WriteLine(destination, (byte)'-', text);

    /// <summary>An integer, <c>:7\r\n</c> ("Integers").</summary>
    /// <param name="destination">Where to write.</param>
    /// <param name="value">The integer.</param>
    public static int WriteInteger(Span<byte> destination, long value) => WriteNumber(destination, (byte)':', value);

    /// <summary>A bulk string's header, <c>$100\r\n</c> ("Bulk strings"); its bytes and CR LF follow.</summary>
    /// <param name="destination">Where to write.</param>
    /// <param name="length">The value's length.</param>
    public static int WriteBulkHeader(Span<byte> destination, int length) => WriteHeader(destination, (byte)'$', length);

    /// <summary>A whole bulk string ("Bulk strings").</summary>
    /// <param name="destination">Where to write.</param>
    /// <param name="value">The value.</param>
    public static int WriteBulkString(Span<byte> destination, ReadOnlySpan<byte> value)
    {
        var position = WriteHeader(destination, (byte)'$', value.Length);
        value.CopyTo(destination[position..]);
        position += value.Length;
        return position + WriteLineEnd(destination[position..]);
    }

    /// <summary>CR LF, as it ends a bulk string.</summary>
    /// <param name="destination">Where to write.</param>
    public static int WriteLineEnd(Span<byte> destination)
    {
        BinaryPrimitives.WriteUInt16LittleEndian(destination, LineEnd);
        return 2;
    }

    /// <summary>The absence of a value: <c>$-1\r\n</c> in RESP2 ("Null bulk strings"), <c>_\r\n</c> in RESP3 ("Nulls").</summary>
    /// <param name="destination">Where to write.</param>
    /// <param name="version">The connection's version.</param>
    public static int WriteNull(Span<byte> destination, RespVersion version) => Write(destination, version == RespVersion.Resp3 ? "_\r\n"u8 : "$-1\r\n"u8);

    /// <summary>The absence of an array: <c>*-1\r\n</c> in RESP2 ("Null arrays"), <c>_\r\n</c> in RESP3 ("Nulls").</summary>
    /// <param name="destination">Where to write.</param>
    /// <param name="version">The connection's version.</param>
    public static int WriteNullArray(Span<byte> destination, RespVersion version) => Write(destination, version == RespVersion.Resp3 ? "_\r\n"u8 : "*-1\r\n"u8);

    /// <summary>An array's header, <c>*3\r\n</c> ("Arrays").</summary>
    /// <param name="destination">Where to write.</param>
    /// <param name="count">Its elements.</param>
    public static int WriteArrayHeader(Span<byte> destination, int count) => WriteHeader(destination, (byte)'*', count);

    /// <summary>A map's header: <c>%n\r\n</c> in RESP3 ("Maps"), an array of twice as many in RESP2.</summary>
    /// <param name="destination">Where to write.</param>
    /// <param name="pairs">Its pairs of key and value.</param>
    /// <param name="version">The connection's version.</param>
    public static int WriteMapHeader(Span<byte> destination, int pairs, RespVersion version)
        => version == RespVersion.Resp3 ? WriteHeader(destination, (byte)'%', pairs) : WriteHeader(destination, (byte)'*', checked(2 * pairs));

    /// <summary>A set's header: <c>~n\r\n</c> in RESP3 ("Sets"), an array in RESP2.</summary>
    /// <param name="destination">Where to write.</param>
    /// <param name="count">Its elements.</param>
    /// <param name="version">The connection's version.</param>
    public static int WriteSetHeader(Span<byte> destination, int count, RespVersion version) => WriteHeader(destination, version == RespVersion.Resp3 ? (byte)'~' : (byte)'*', count);

    /// <summary>The header of a message out of turn: <c>&gt;n\r\n</c> in RESP3 ("Pushes"), an array in RESP2.</summary>
    /// <param name="destination">Where to write.</param>
    /// <param name="count">Its elements.</param>
    /// <param name="version">The connection's version.</param>
    public static int WritePushHeader(Span<byte> destination, int count, RespVersion version) => WriteHeader(destination, version == RespVersion.Resp3 ? (byte)'>' : (byte)'*', count);

    /// <summary>A double: <c>,1.5\r\n</c> in RESP3 ("Doubles"), a bulk string in RESP2. The shortest text that reads back as the same number; <c>inf</c>, <c>-inf</c>, <c>nan</c>.</summary>
    /// <param name="destination">Where to write.</param>
    /// <param name="value">The number.</param>
    /// <param name="version">The connection's version.</param>
    public static int WriteDouble(Span<byte> destination, double value, RespVersion version)
    {
        Span<byte> text = stackalloc byte[32];
        var length = FormatDouble(text, value);
        if (version == RespVersion.Resp2)
        {
            return WriteBulkString(destination, text[..length]);
        }

        return WriteLine(destination, (byte)',', text[..length]);
    }

    /// <summary>A boolean: <c>#t\r\n</c> or <c>#f\r\n</c> in RESP3 ("Booleans"), 1 or 0 in RESP2.</summary>
    /// <param name="destination">Where to write.</param>
    /// <param name="value">The boolean.</param>
    /// <param name="version">The connection's version.</param>
    public static int WriteBoolean(Span<byte> destination, bool value, RespVersion version)
        => Write(destination, version == RespVersion.Resp3 ? (value ? "#t\r\n"u8 : "#f\r\n"u8) : (value ? ":1\r\n"u8 : ":0\r\n"u8));

    /// <summary>A text for people: <c>=n\r\ntxt:...\r\n</c> in RESP3 ("Verbatim strings"), a bulk string in RESP2.</summary>
    /// <param name="destination">Where to write; <see cref="VerbatimPrefixBytes"/> longer than for a bulk string.</param>
    /// <param name="text">The text in UTF-8.</param>
    /// <param name="version">The connection's version.</param>
    public static int WriteVerbatimString(Span<byte> destination, ReadOnlySpan<byte> text, RespVersion version)
    {
        if (version == RespVersion.Resp2)
        {
            return WriteBulkString(destination, text);
        }

        var position = WriteHeader(destination, (byte)'=', text.Length + VerbatimPrefixBytes);
        position += Write(destination[position..], "txt:"u8);
        text.CopyTo(destination[position..]);
        position += text.Length;
        return position + WriteLineEnd(destination[position..]);
    }

    /// <summary>A number's shortest text that reads back as the same number.</summary>
    /// <param name="destination">Where to write; 32 bytes are enough.</param>
    /// <param name="value">The number.</param>
    public static int FormatDouble(Span<byte> destination, double value)
    {
        if (!double.IsFinite(value))
        {
            return Write(destination, double.IsNaN(value) ? "nan"u8 : value > 0 ? "inf"u8 : "-inf"u8);
        }

        if (!value.TryFormat(destination, out var written, "r", System.Globalization.CultureInfo.InvariantCulture))
        {
            throw TooShort();
        }

        return written;
    }

    private static int WriteHeader(Span<byte> destination, byte type, int number)
    {
        // Lengths of up to three digits, which are nearly all, as one word.
        if ((uint)number < 10 && destination.Length >= 4)
        {
            BinaryPrimitives.WriteUInt32LittleEndian(destination, 0x0A0D0000u | ((uint)('0' + number) << 8) | type);
            return 4;
        }

        if ((uint)number < 1000 && destination.Length >= 8)
        {
            var (tens, ones) = Math.DivRem((uint)number, 10u);
            if (tens < 10)
            {
                BinaryPrimitives.WriteUInt64LittleEndian(destination, 0x0A_0D00_0000UL | (('0' + ones) << 16) | (('0' + tens) << 8) | type);
                return 5;
            }

            var (hundreds, rest) = Math.DivRem(tens, 10u);
            BinaryPrimitives.WriteUInt64LittleEndian(destination, 0x0A0D_0000_0000UL | ((ulong)('0' + ones) << 24) | (('0' + rest) << 16) | (('0' + hundreds) << 8) | type);
            return 6;
        }

        return WriteNumber(destination, type, number);
    }

    private static int WriteNumber(Span<byte> destination, byte type, long number)
    {
        destination[0] = type;
        if (!Utf8Formatter.TryFormat(number, destination[1..], out var written))
        {
            throw TooShort();
        }

        return 1 + written + WriteLineEnd(destination[(1 + written)..]);
    }

    private static int WriteLine(Span<byte> destination, byte type, ReadOnlySpan<byte> text)
    {
        destination[0] = type;
        var line = destination.Slice(1, text.Length);
        text.CopyTo(line);
        if (line.IndexOfAny((byte)'\r', (byte)'\n') >= 0)
        {
            line.Replace((byte)'\r', (byte)' ');
            line.Replace((byte)'\n', (byte)' ');
        }

        return 1 + text.Length + WriteLineEnd(destination[(1 + text.Length)..]);
    }

    private static int Write(Span<byte> destination, ReadOnlySpan<byte> bytes)
    {
        bytes.CopyTo(destination);
        return bytes.Length;
    }

    private static ArgumentException TooShort() => new("The span is too short for the reply.", "destination");
}
