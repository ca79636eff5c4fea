using System.Text;

namespace Levee.Resp;

/// <summary>One argument of a command that a client sends: a text (sent as UTF-8), bytes, or a number.</summary>
public readonly struct RespArgument
{
    private readonly string? text;
    private readonly ReadOnlyMemory<byte> bytes;

    private RespArgument(string? text, ReadOnlyMemory<byte> bytes)
    {
        this.text = text;
        this.bytes = bytes;
    }

    /// <summary>The argument's length as sent, in bytes.</summary>
    public int LengthBytes => text is null ? bytes.Length : Encoding.UTF8.GetByteCount(text);

    /// <summary>A text, sent as UTF-8.</summary>
    /// <param name="text">The text.</param>
    public static implicit operator RespArgument(string text) => FromString(text);

    /// <summary>Bytes, sent as they are.</summary>
    /// <param name="bytes">The bytes; read before the call returns.</param>
    public static implicit operator RespArgument(byte[] bytes) => new(null, bytes);

    /// <summary>Bytes, sent as they are.</summary>
    /// <param name="bytes">The bytes; read before the call returns.</param>
    public static implicit operator RespArgument(ReadOnlyMemory<byte> bytes) => new(null, bytes);

    /// <summary>A number, sent as decimal text.</summary>
    /// <param name="number">The number.</param>
    public static implicit operator RespArgument(long number) => FromInt64(number);

    /// <summary>A text, sent as UTF-8.</summary>
    /// <param name="text">The text.</param>
    public static RespArgument FromString(string text)
    {
        ArgumentNullException.ThrowIfNull(text);
        return new(text, default);
    }

    /// <summary>A number, sent as decimal text.</summary>
    /// <param name="number">The number.</param>
    public static RespArgument FromInt64(long number) => new(number.ToString(System.Globalization.CultureInfo.InvariantCulture), default);

    /// <summary>The argument as text, for messages.</summary>
    public override string ToString() => text ?? Encoding.UTF8.GetString(bytes.Span);

    internal int Write(Span<byte> destination)
    {
        if (text is not null)
        {
            return Encoding.UTF8.GetBytes(text, destination);
        }

        bytes.Span.CopyTo(destination);
        return bytes.Length;
    }
}
