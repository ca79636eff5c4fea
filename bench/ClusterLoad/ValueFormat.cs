using System.Buffers.Text;

namespace Levee.ClusterLoad;

/// <summary>
/// Keys and values as they travel. A key is <c>load:</c> and its number in 8 digits; a value is key, blank, version in 10 digits, blank, and letters that follow from both: so a value tells whose it is, and
/// a value that was mixed from two is found.
/// </summary>
internal static class ValueFormat
{
    public const int KeyBytes = 13;
    public const int LeastBytes = KeyBytes + 12;
    private const int VersionAt = KeyBytes + 1;
    private const int FillerAt = VersionAt + 11;

    public static void WriteKey(Span<byte> destination, int key)
    {
        "load:"u8.CopyTo(destination);
        Utf8Formatter.TryFormat(key, destination[5..], out _, new('D', 8));
    }

    public static void Write(Span<byte> destination, int key, int version)
    {
        WriteKey(destination, key);
        destination[KeyBytes] = (byte)' ';
        Utf8Formatter.TryFormat(version, destination[VersionAt..], out _, new('D', 10));
        destination[FillerAt - 1] = (byte)' ';
        var state = (ulong)key << 32 | (uint)version;
        for (var i = FillerAt; i < destination.Length; i++)
        {
            state = (state * 6364136223846793005) + 1442695040888963407;
            destination[i] = (byte)('a' + (state >> 60));
        }
    }

    /// <summary>Reads the version of a value.</summary>
    /// <returns>False: these are not the bytes of any version of this key at this length.</returns>
    public static bool TryRead(ReadOnlySpan<byte> value, int key, int length, out int version)
    {
        version = 0;
        if (value.Length != length || !Utf8Parser.TryParse(value[VersionAt..(FillerAt - 1)], out version, out var consumed) || consumed != 10)
        {
            return false;
        }

        var expected = length <= 1024 ? stackalloc byte[length] : new byte[length];
        Write(expected, key, version);
        return value.SequenceEqual(expected);
    }
}
