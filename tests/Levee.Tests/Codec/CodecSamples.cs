using System.Text;
using Levee.Codec;
using Levee.Partitions;
using Levee.Segments;

namespace Levee.Tests.Codec;

/// <summary>Records and keys for the codec's tests.</summary>
internal static class CodecSamples
{
    public const long ExpiresAt = 1_800_000_000_000;

    public static EncryptionKey Key(string name, byte fill) => new(name, Enumerable.Repeat(fill, EncryptionKey.Bytes).ToArray());

    public static KeyRing Ring(params EncryptionKey[] keys) => new(keys);

    /// <summary>A sealed plain record.</summary>
    public static byte[] Record(ReadOnlySpan<byte> value, string key = "key:1")
    {
        var entry = new TierEntry
        {
            Hash = 0x0123_4567_89AB_CDEF,
            Version = 42,
            ExpiresAt = ExpiresAt,
            Key = Encoding.UTF8.GetBytes(key),
            Value = value,
            Flags = 7,
            ContentType = "text/plain"u8,
        };
        var record = new byte[TierRecord.PlainLength(entry)];
        TierRecord.Write(entry, record);
        TierRecord.Seal(record);
        return record;
    }

    /// <summary>A sealed plain record whose body has exactly this many bytes.</summary>
    public static byte[] Body(ReadOnlySpan<byte> body)
    {
        var record = new byte[TierRecord.HeaderBytes + body.Length];
        body.CopyTo(record.AsSpan(TierRecord.HeaderBytes));
        TierRecord.WriteHeader(record, TierRecordType.Entry, 1, 2, ExpiresAt);
        TierRecord.Seal(record);
        return record;
    }

    public static byte[] Encode(RecordCodec codec, byte[] plain)
    {
        var destination = new byte[codec.MaxEncodedLength(plain.Length)];
        return destination[..codec.Encode(plain, destination)];
    }

    public static bool TryDecode(RecordCodec codec, byte[] encoded, out byte[] plain)
    {
        var length = Math.Clamp(TierRecord.PlainBodyLength(encoded), 0, 16 * 1024 * 1024);
        plain = new byte[TierRecord.HeaderBytes + length];
        return codec.TryDecode(encoded, plain);
    }

    /// <summary>Text that compresses well.</summary>
    public static byte[] Text(int length)
    {
        var text = new byte[length];
        var random = new Random(length);
        ReadOnlySpan<byte> words = "{\"name\":\"levee\",\"count\":123,\"tags\":[\"a\",\"b\"],\"price\":9.95,\"stock\":true}"u8;
        for (var i = 0; i < length; i++)
        {
            text[i] = random.Next(40) == 0 ? (byte)random.Next('a', 'z') : words[i % words.Length];
        }

        return text;
    }

    public static byte[] Noise(int length)
    {
        var noise = new byte[length];
        new Random(length + 1).NextBytes(noise);
        return noise;
    }
}
