using System.Text;

namespace Levee.Server.Resp;

/// <summary>
/// Text that a client says of itself: its name, its library's name and version. The lists in which others read it part it by blanks and
/// lines, so it has neither: 0 to 256 bytes of printable ASCII
/// without blanks. Whatever sets such a text reads it here.
/// </summary>
internal static class ClientText
{
    /// <summary>The longest text, in bytes.</summary>
    public const int MaxBytes = 256;

    /// <summary>Reads a text.</summary>
    /// <param name="bytes">What the client said.</param>
    /// <param name="what">What it is, for the error: "Client names".</param>
    /// <param name="text">The text.</param>
    /// <returns>Null, or the error.</returns>
    public static string? Read(ReadOnlySpan<byte> bytes, string what, out string text)
    {
        text = "";
        if (bytes.Length > MaxBytes)
        {
            return $"ERR {what} cannot be longer than {MaxBytes} bytes.";
        }

        if (bytes.ContainsAnyExceptInRange((byte)'!', (byte)'~'))
        {
            return $"ERR {what} cannot contain spaces, newlines or special characters.";
        }

        text = Encoding.ASCII.GetString(bytes);
        return null;
    }
}
