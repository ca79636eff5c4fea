using Levee.Keys;
using Xunit;

namespace Levee.Tests.Keys;

/// <summary>SipHash-1-3 against a literal reading of the paper (c = 1 compression round, d = 3 finalization rounds).</summary>
public sealed class IndexHashTests
{
    [Fact]
    public void Every_length_agrees_with_the_paper()
    {
        var random = new Random(1);
        for (var length = 0; length <= 80; length++)
        {
            var key = new byte[length];
            random.NextBytes(key);
            var k0 = (ulong)random.NextInt64();
            var k1 = (ulong)random.NextInt64();
            Assert.Equal(SipHash(1, 3, k0, k1, key), new IndexHash(k0, k1).Of(key));
        }
    }

    [Fact]
    public void The_literal_reading_computes_the_papers_own_vector_for_2_4()
    {
        // Appendix A: key 00 01 .. 0f, message 00 01 .. 0e.
        var message = Enumerable.Range(0, 15).Select(i => (byte)i).ToArray();
        Assert.Equal(0xa129ca6149be45e5, SipHash(2, 4, 0x0706050403020100, 0x0f0e0d0c0b0a0908, message));
    }

    [Fact]
    public void Another_secret_gives_another_hash()
    {
        Assert.NotEqual(new IndexHash(1, 2).Of("key"u8), new IndexHash(1, 3).Of("key"u8));
        Assert.NotEqual(new IndexHash(1, 2).Of("key"u8), new IndexHash(2, 2).Of("key"u8));
    }

    private static ulong SipHash(int c, int d, ulong k0, ulong k1, byte[] message)
    {
        ulong[] v = [k0 ^ 0x736f6d6570736575, k1 ^ 0x646f72616e646f6d, k0 ^ 0x6c7967656e657261, k1 ^ 0x7465646279746573];
        var padded = new byte[(message.Length / 8 * 8) + 8];
        message.CopyTo(padded, 0);
        padded[^1] = (byte)message.Length;
        for (var i = 0; i < padded.Length; i += 8)
        {
            var m = BitConverter.ToUInt64(padded, i);
            v[3] ^= m;
            Rounds(v, c);
            v[0] ^= m;
        }

        v[2] ^= 0xff;
        Rounds(v, d);
        return v[0] ^ v[1] ^ v[2] ^ v[3];
    }

    private static void Rounds(ulong[] v, int count)
    {
        while (count-- > 0)
        {
            HalfRound(v, 0, 1, 2, 3, 13, 16);
            HalfRound(v, 2, 1, 0, 3, 17, 21);
        }
    }

    private static void HalfRound(ulong[] v, int a, int b, int c, int d, int s, int t)
    {
        v[a] += v[b];
        v[c] += v[d];
        v[b] = ulong.RotateLeft(v[b], s) ^ v[a];
        v[d] = ulong.RotateLeft(v[d], t) ^ v[c];
        v[a] = ulong.RotateLeft(v[a], 32);
    }
}
