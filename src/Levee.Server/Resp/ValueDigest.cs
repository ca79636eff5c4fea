using System.Globalization;
using System.IO.Hashing;
using Levee.Operations;

namespace Levee.Server.Resp;

/// <summary>
/// The digest of a value as DIGEST, IFDEQ and IFDNE have it: XXH3 with 64 bits and no seed, as 16 hexadecimal characters. Not for secrets:
/// who can choose values can make two that share one.
/// </summary>
internal static class ValueDigest
{
    /// <summary>Length of the text.</summary>
    public const int Characters = 16;

    /// <summary>The digest of an entry's value.</summary>
    public static ulong Of(scoped in EntryView entry)
    {
        if (entry.Large is not { } large)
        {
            return XxHash3.HashToUInt64(entry.Value);
        }

        var hash = new XxHash3();
        for (var offset = 0; offset < large.Length;)
        {
            var block = large.Read(offset);
            hash.Append(block);
            offset += block.Length;
        }

        return hash.GetCurrentHashAsUInt64();
    }

    /// <summary>The text of a digest.</summary>
    public static string Text(ulong digest) => digest.ToString("x16", CultureInfo.InvariantCulture);

    /// <summary>Reads the text of a digest, in any case.</summary>
    public static bool TryParse(ReadOnlySpan<byte> text, out ulong digest)
    {
        digest = 0;
        return text.Length == Characters && ulong.TryParse(text, NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out digest);
    }
}
