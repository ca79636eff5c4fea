using System.Buffers.Binary;
using System.Numerics;

namespace Levee.Keys;

/// <summary>
/// The keyed hash of a partition's index: SipHash-1-3 (Aumasson and Bernstein, INDOCRYPT 2012, with the reduced rounds that hash tables use).
/// Its key is secret and random per partition, so that nobody who chooses keys can choose their chains.
/// </summary>
internal readonly struct IndexHash(ulong key0, ulong key1)
{
    /// <summary>The 64-bit hash of a key.</summary>
    public ulong Of(ReadOnlySpan<byte> key)
    {
        var v0 = key0 ^ 0x736f6d6570736575;
        var v1 = key1 ^ 0x646f72616e646f6d;
        var v2 = key0 ^ 0x6c7967656e657261;
        var v3 = key1 ^ 0x7465646279746573;
        var last = (ulong)key.Length << 56;
        while (key.Length >= 8)
        {
            var word = BinaryPrimitives.ReadUInt64LittleEndian(key);
            v3 ^= word;
            Round(ref v0, ref v1, ref v2, ref v3);
            v0 ^= word;
            key = key[8..];
        }

        for (var i = key.Length - 1; i >= 0; i--)
        {
            last |= (ulong)key[i] << (8 * i);
        }

        v3 ^= last;
        Round(ref v0, ref v1, ref v2, ref v3);
        v0 ^= last;
        v2 ^= 0xff;
        Round(ref v0, ref v1, ref v2, ref v3);
        Round(ref v0, ref v1, ref v2, ref v3);
        Round(ref v0, ref v1, ref v2, ref v3);
        return v0 ^ v1 ^ v2 ^ v3;
    }

    private static void Round(ref ulong v0, ref ulong v1, ref ulong v2, ref ulong v3)
    {
        v0 += v1;
        v1 = BitOperations.RotateLeft(v1, 13) ^ v0;
        v0 = BitOperations.RotateLeft(v0, 32);
        v2 += v3;
        v3 = BitOperations.RotateLeft(v3, 16) ^ v2;
        v0 += v3;
        v3 = BitOperations.RotateLeft(v3, 21) ^ v0;
        v2 += v1;
        v1 = BitOperations.RotateLeft(v1, 17) ^ v2;
        v2 = BitOperations.RotateLeft(v2, 32);
    }
}
