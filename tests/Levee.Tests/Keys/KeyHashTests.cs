using System.Numerics;
using System.Text;
using Levee.Keys;
using Xunit;

namespace Levee.Tests.Keys;

/// <summary>XXH64: published vectors, and lengths on both sides of every branch against a literal reading of the specification.</summary>
public sealed class KeyHashTests
{
    [Theory]
    [InlineData("", 0xEF46DB3751D8E999)]
    [InlineData("a", 0xD24EC4F1A98C6E5B)]
    [InlineData("abc", 0x44BC2CF5AD770999)]
    [InlineData("Nobody inspects the spammish repetition", 0xFBCEA83C8A378BF1)]
    public void Published_vectors_hold(string key, ulong expected) => Assert.Equal(expected, KeyHash.Of(Encoding.ASCII.GetBytes(key)));

    /// <summary>The sanity buffer of the reference implementation: the high bytes of a running product.</summary>
    [Theory]
    [InlineData(1, 0xE934A84ADB052768)]
    [InlineData(4, 0x9136A0DCA57457EE)]
    [InlineData(14, 0x8282DCC4994E35C8)]
    [InlineData(222, 0xB641AE8CB691C174)]
    public void The_reference_implementations_own_test_data_holds(int length, ulong expected)
    {
        var buffer = new byte[length];
        ulong product = 2654435761;
        for (var i = 0; i < length; i++)
        {
            buffer[i] = (byte)(product >> 56);
            product *= 11400714785074694797;
        }

        Assert.Equal(expected, KeyHash.Of(buffer));
    }

    [Fact]
    public void Every_length_up_to_four_stripes_agrees_with_the_specification()
    {
        var random = new Random(1);
        for (var length = 0; length <= 130; length++)
        {
            var key = new byte[length];
            random.NextBytes(key);
            Assert.Equal(Literal(key), KeyHash.Of(key));
        }
    }

    private static ulong Literal(byte[] input)
    {
        // xxHash specification 0.1.1, "XXH64 algorithm description", step by step, seed 0.
        ulong[] prime = [0, 0x9E3779B185EBCA87, 0xC2B2AE3D27D4EB4F, 0x165667B19E3779F9, 0x85EBCA77C2B2AE63, 0x27D4EB2F165667C5];
        ulong Round(ulong acc, ulong lane) => BitOperations.RotateLeft(acc + (lane * prime[2]), 31) * prime[1];
        var position = 0;
        ulong hash;
        if (input.Length < 32)
        {
            hash = prime[5];
        }
        else
        {
            ulong[] acc = [prime[1] + prime[2], prime[2], 0, 0 - prime[1]];
            for (; input.Length - position >= 32; position += 32)
            {
                for (var lane = 0; lane < 4; lane++)
                {
                    acc[lane] = Round(acc[lane], BitConverter.ToUInt64(input, position + (8 * lane)));
                }
            }

            hash = BitOperations.RotateLeft(acc[0], 1) + BitOperations.RotateLeft(acc[1], 7) + BitOperations.RotateLeft(acc[2], 12) + BitOperations.RotateLeft(acc[3], 18);
            foreach (var one in acc)
            {
                hash = ((hash ^ Round(0, one)) * prime[1]) + prime[4];
            }
        }

        hash += (ulong)input.Length;
        for (; input.Length - position >= 8; position += 8)
        {
            hash = (BitOperations.RotateLeft(hash ^ Round(0, BitConverter.ToUInt64(input, position)), 27) * prime[1]) + prime[4];
        }

        if (input.Length - position >= 4)
        {
            hash = (BitOperations.RotateLeft(hash ^ (BitConverter.ToUInt32(input, position) * prime[1]), 23) * prime[2]) + prime[3];
            position += 4;
        }

        for (; position < input.Length; position++)
        {
            hash = BitOperations.RotateLeft(hash ^ (input[position] * prime[5]), 11) * prime[1];
        }

        hash = (hash ^ (hash >> 33)) * prime[2];
        hash = (hash ^ (hash >> 29)) * prime[3];
        return hash ^ (hash >> 32);
    }
}
