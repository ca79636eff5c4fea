using System.Buffers.Binary;
using System.Globalization;
using System.Runtime.InteropServices;
using System.Text;

namespace Levee.CrashChild;

/// <summary>What keys there are and what their values look like: both follow from numbers, so that each value says whose it is and can be checked whole.</summary>
public static class KeySpace
{
    public const int TagsPerThread = 4;
    private const int HeadBytes = 16;

    public static byte[] Name(int key) => Encoding.ASCII.GetBytes(string.Create(CultureInfo.InvariantCulture, $"key-{key}"));

    public static byte[] TagName(int tag) => Encoding.ASCII.GetBytes(string.Create(CultureInfo.InvariantCulture, $"tag-{tag}"));

    /// <summary>Whether a key's value is a number.</summary>
    public static bool IsCounter(int key) => key % 10 == 9;

    /// <summary>Whether a key is written seldom.</summary>
    public static bool IsCold(int key) => key % 3 == 0;

    /// <summary>How long a value is: mostly some KiB, for some keys so long that it is large; together more than the memory.</summary>
    public static int ValueBytes(int key, long op, int scale)
    {
        var chance = (uint)(Mix((ulong)op) >> 33);
        return key % 5 == 0 ? (9 * 1024) + (int)(chance % (uint)(scale * 1024)) : 200 + (int)(chance % 6000);
    }

    /// <summary>What an increment adds.</summary>
    public static long Summand(long op) => (long)(Mix((ulong)op) & 0xFF_FFFF_FFFF) + 1;

    /// <summary>Writes the value of an operation.</summary>
    public static void Fill(Span<byte> value, int key, long op)
    {
        BinaryPrimitives.WriteInt64LittleEndian(value, key);
        BinaryPrimitives.WriteInt64LittleEndian(value[8..], op);
        var words = MemoryMarshal.Cast<byte, ulong>(value[HeadBytes..]);
        var state = Mix((ulong)op ^ ((ulong)key << 40));
        for (var i = 0; i < words.Length; i++)
        {
            // Every second word repeats, so that values can be compressed.
            words[i] = (i & 1) == 0 ? state : state = Mix(state);
        }

        value[(HeadBytes + (words.Length * 8))..].Fill((byte)op);
    }

    /// <summary>Reads a value.</summary>
    /// <returns>False where it is not whole, or another key's.</returns>
    public static bool TryRead(ReadOnlySpan<byte> value, int key, int scale, out long op)
    {
        op = 0;
        if (value.Length < HeadBytes)
        {
            return false;
        }

        op = BinaryPrimitives.ReadInt64LittleEndian(value[8..]);
        if (BinaryPrimitives.ReadInt64LittleEndian(value) != key || value.Length != ValueBytes(key, op, scale))
        {
            return false;
        }

        var expected = new byte[value.Length];
        Fill(expected, key, op);
        return value.SequenceEqual(expected);
    }

    private static ulong Mix(ulong x)
    {
        x += 0x9E3779B97F4A7C15;
        x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9;
        x = (x ^ (x >> 27)) * 0x94D049BB133111EB;
        return x ^ (x >> 31);
    }
}
