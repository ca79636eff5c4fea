using System.Buffers;
using System.Text;

namespace Levee.Server.Http;

/// <summary>Percent-encoding (RFC 3986, section 2.1) between bytes and ASCII text, any byte included.</summary>
internal static class PercentText
{
    private static readonly SearchValues<byte> Plain =
        SearchValues.Create("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~!$&'()*+/:;=?@"u8);

    /// <summary>The bytes that a text stands for; what is not ASCII in it stands for its UTF-8.</summary>
    /// <returns>False where a '%' is not followed by two hexadecimal digits.</returns>
    public static bool TryDecode(ReadOnlySpan<char> text, out byte[] bytes)
    {
        bytes = new byte[Encoding.UTF8.GetByteCount(text)];
        var length = Encoding.UTF8.GetBytes(text, bytes);
        var written = 0;
        for (var read = 0; read < length; read++, written++)
        {
            if (bytes[read] != '%')
            {
                bytes[written] = bytes[read];
                continue;
            }

            if (read + 2 >= length || !char.IsAsciiHexDigit((char)bytes[read + 1]) || !char.IsAsciiHexDigit((char)bytes[read + 2]))
            {
                return false;
            }

            bytes[written] = (byte)((Convert.FromHexString([(char)bytes[read + 1], (char)bytes[read + 2]]))[0]);
            read += 2;
        }

        Array.Resize(ref bytes, written);
        return true;
    }

    /// <summary>Adds the text of some bytes: printable ASCII as it is, the rest encoded. Never a comma, a quote or a space.</summary>
    public static void Append(StringBuilder text, ReadOnlySpan<byte> bytes)
    {
        foreach (var value in bytes)
        {
            if (Plain.Contains(value))
            {
                text.Append((char)value);
            }
            else
            {
                text.Append('%').Append(Convert.ToHexString([value]));
            }
        }
    }
}
