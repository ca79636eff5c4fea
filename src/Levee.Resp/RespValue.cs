using System.Buffers.Text;
using System.Text;

namespace Levee.Resp;

/// <summary>A reply, as a client sees it: one value, or an aggregate of values.</summary>
public readonly struct RespValue
{
    private readonly object? content;
    private readonly long bits;

    private RespValue(RespKind kind, object? content, long bits)
    {
        Kind = kind;
        this.content = content;
        this.bits = bits;
    }

    /// <summary>What the value is; the default value is a null.</summary>
    public RespKind Kind { get; }

    /// <summary>Whether there is no value.</summary>
    public bool IsNull => Kind == RespKind.Null;

    /// <summary>Whether the server refused the command.</summary>
    public bool IsError => Kind == RespKind.Error;

    /// <summary>The bytes of a string, an error or a big number; of all else none.</summary>
    public ReadOnlyMemory<byte> Bytes => content as byte[];

    /// <summary>The values of an array, a set or a push; of a map its keys and values in turn; of all else none.</summary>
    public ReadOnlyMemory<RespValue> Items => content as RespValue[];

    /// <summary>The number in an integer, a boolean, or a text that is one.</summary>
    /// <exception cref="InvalidOperationException">The value is no integer.</exception>
    public long AsInteger()
    {
        if (Kind is RespKind.Integer or RespKind.Boolean)
        {
            return bits;
        }

        return content is byte[] text && Utf8Parser.TryParse(text, out long number, out var used) && used == text.Length ? number : throw Mismatch("an integer");
    }

    /// <summary>The number in a double, an integer, or a text that is one.</summary>
    /// <exception cref="InvalidOperationException">The value is no number.</exception>
    public double AsDouble() => Kind switch
    {
        RespKind.Double => BitConverter.Int64BitsToDouble(bits),
        RespKind.Integer => bits,
        _ => content is byte[] text && TryParseDouble(text, out var number) ? number : throw Mismatch("a number"),
    };

    /// <summary>A boolean, or whether an integer is not 0.</summary>
    /// <exception cref="InvalidOperationException">The value is neither.</exception>
    public bool AsBoolean() => Kind is RespKind.Boolean or RespKind.Integer ? bits != 0 : throw Mismatch("a boolean");

    /// <summary>The value as text, for people: UTF-8 strings and numbers as they are, null as <c>(null)</c>, an aggregate as its kind and count.</summary>
    public override string ToString() => Kind switch
    {
        RespKind.Null => "(null)",
        RespKind.Integer => bits.ToString(System.Globalization.CultureInfo.InvariantCulture),
        RespKind.Boolean => bits != 0 ? "true" : "false",
        RespKind.Double => AsDouble().ToString("R", System.Globalization.CultureInfo.InvariantCulture),
        _ => content is byte[] text ? Encoding.UTF8.GetString(text) : $"({Kind} of {Items.Length})",
    };

    internal static RespValue Text(RespKind kind, byte[] bytes) => new(kind, bytes, 0);

    internal static RespValue Integer(long value) => new(RespKind.Integer, null, value);

    internal static RespValue Boolean(bool value) => new(RespKind.Boolean, null, value ? 1 : 0);

    internal static RespValue Double(double value) => new(RespKind.Double, null, BitConverter.DoubleToInt64Bits(value));

    internal static RespValue Aggregate(RespKind kind, RespValue[] items) => new(kind, items, 0);

    internal static bool TryParseDouble(ReadOnlySpan<byte> text, out double number)
    {
        if (text.SequenceEqual("inf"u8) || text.SequenceEqual("+inf"u8))
        {
            number = double.PositiveInfinity;
            return true;
        }

        if (text.SequenceEqual("-inf"u8))
        {
            number = double.NegativeInfinity;
            return true;
        }

        if (text.SequenceEqual("nan"u8) || text.SequenceEqual("-nan"u8))
        {
            number = double.NaN;
            return true;
        }

        return double.TryParse(text, System.Globalization.NumberStyles.Float, System.Globalization.CultureInfo.InvariantCulture, out number);
    }

    private InvalidOperationException Mismatch(string wanted) => new($"The reply is a {Kind}, not {wanted}.");
}
