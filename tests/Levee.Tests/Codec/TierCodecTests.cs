using System.Collections.Concurrent;
using System.Text;
using Levee.Codec;
using Levee.Segments;
using Xunit;
using static Levee.Tests.Codec.CodecSamples;

namespace Levee.Tests.Codec;

public sealed class TierCodecTests
{
    private static readonly KeyRing TestRing = Ring(Key("now", 1));

    public static TheoryData<CompressionAlgorithm, bool, int> Combinations()
    {
        const int threshold = CompressionOptions.DefaultThresholdBytes;
        TheoryData<CompressionAlgorithm, bool, int> data = [];
        foreach (var algorithm in Enum.GetValues<CompressionAlgorithm>())
        {
            foreach (var length in (int[])[0, 1, threshold - 1, threshold, 64 * 1024, 8 * 1024 * 1024])
            {
                data.Add(algorithm, false, length);
                data.Add(algorithm, true, length);
            }
        }

        return data;
    }

    [Theory]
    [MemberData(nameof(Combinations))]
    public void A_record_comes_back_as_it_went(CompressionAlgorithm algorithm, bool isEncrypted, int bodyLength)
    {
        var codec = Codec(algorithm, isEncrypted);
        foreach (var body in (byte[][])[Text(bodyLength), Noise(bodyLength), new byte[bodyLength]])
        {
            var plain = Body(body);
            var encoded = Encode(codec, plain);
            Assert.True(TierRecord.IsSound(encoded));
            Assert.Equal((TierRecord.Hash(plain), TierRecord.Version(plain), TierRecord.ExpiresAt(plain)), (TierRecord.Hash(encoded), TierRecord.Version(encoded), TierRecord.ExpiresAt(encoded)));
            Assert.Equal(bodyLength, TierRecord.PlainBodyLength(encoded));
            Assert.True(TryDecode(codec, encoded, out var decoded));
            Assert.True(plain.AsSpan().SequenceEqual(decoded));
        }
    }

    [Theory]
    [InlineData(CompressionAlgorithm.Brotli, 0)]
    [InlineData(CompressionAlgorithm.Brotli, 5)]
    [InlineData(CompressionAlgorithm.Brotli, 11)]
    [InlineData(CompressionAlgorithm.Zlib, 1)]
    [InlineData(CompressionAlgorithm.Zlib, 9)]
    public void Every_level_comes_back(CompressionAlgorithm algorithm, int level)
    {
        var codec = new TierCodec(new CodecOptions { Compression = new CompressionOptions(algorithm, level) });
        var plain = Record(Text(20_000));
        var encoded = Encode(codec, plain);
        Assert.InRange(encoded.Length, 100, plain.Length / 2);
        Assert.True(TryDecode(codec, encoded, out var decoded));
        Assert.Equal(plain, decoded);
    }

    [Fact]
    public void Without_options_it_does_what_the_plain_codec_does()
    {
        var plain = Record(Text(3000));
        plain.AsSpan(0, 4).Clear();
        var codec = new TierCodec(new CodecOptions());
        var encoded = Encode(codec, plain);
        Assert.Equal(Encode(RecordCodec.Plain, plain), encoded);
        Assert.True(TryDecode(RecordCodec.Plain, encoded, out var byPlain));
        Assert.True(TryDecode(codec, encoded, out var byOurs));
        Assert.Equal(byPlain, byOurs);
        Assert.True(TierRecord.TryRead(byOurs, out var entry));
        Assert.True(entry.Value.SequenceEqual(Text(3000)));
    }

    [Fact]
    public void The_threshold_decides_what_is_tried()
    {
        var codec = Codec(CompressionAlgorithm.Brotli, false);
        Assert.Equal(0, TierRecord.Codec(Encode(codec, Body(Text(CompressionOptions.DefaultThresholdBytes - 1)))));
        Assert.Equal(1, TierRecord.Codec(Encode(codec, Body(Text(CompressionOptions.DefaultThresholdBytes)))));
        Assert.Equal(2, TierRecord.Codec(Encode(Codec(CompressionAlgorithm.Zlib, false), Body(Text(CompressionOptions.DefaultThresholdBytes)))));
        Assert.Equal(0x81, TierRecord.Codec(Encode(Codec(CompressionAlgorithm.Brotli, true), Body(Text(CompressionOptions.DefaultThresholdBytes)))));
        Assert.Equal(1, codec.GetStatistics().CompressionTried);
    }

    [Theory]
    [InlineData(CompressionAlgorithm.Brotli)]
    [InlineData(CompressionAlgorithm.Zlib)]
    public void What_does_not_shrink_stays_plain_and_is_counted(CompressionAlgorithm algorithm)
    {
        var codec = Codec(algorithm, false);
        var plain = Body(Noise(100_000));
        Assert.Equal(plain, Encode(codec, plain));
        var squeezed = Encode(codec, Body(Text(100_000)));
        var statistics = codec.GetStatistics();
        Assert.Equal((2, 2, 1), (statistics.Encoded, statistics.CompressionTried, statistics.CompressionKept));
        Assert.Equal(200_000, statistics.CompressionInBytes);
        Assert.Equal(100_000 + squeezed.Length - TierRecord.HeaderBytes, statistics.CompressionOutBytes);
        Assert.True(statistics.CompressionTime > TimeSpan.Zero);
        Assert.True(statistics.CompressionRatio > 1.5);
    }

    [Fact]
    public void After_many_bodies_that_do_not_shrink_few_are_tried_until_one_shrinks()
    {
        var codec = Codec(CompressionAlgorithm.Brotli, false);
        for (var i = 0; i < 16 + 160; i++)
        {
            Encode(codec, Body(Noise(2000)));
        }

        Assert.Equal((26, 150), (codec.GetStatistics().CompressionTried, codec.GetStatistics().CompressionSkipped));
        for (var i = 0; i < 16 + 100; i++)
        {
            Encode(codec, Body(Text(2000)));
        }

        Assert.Equal((101, 127, 165), (codec.GetStatistics().CompressionKept, codec.GetStatistics().CompressionTried, codec.GetStatistics().CompressionSkipped));
    }

    [Theory]
    [InlineData(CompressionAlgorithm.Brotli)]
    [InlineData(CompressionAlgorithm.Zlib)]
    public void A_bomb_or_a_wrong_plain_length_is_refused(CompressionAlgorithm algorithm)
    {
        var codec = Codec(algorithm, false);
        var encoded = Encode(codec, Body(new byte[1_000_000]));
        foreach (var claimed in (int[])[0, 1, 999_999, 1_000_001, int.MaxValue, -1])
        {
            var lie = Resealed(encoded, record => BitConverter.TryWriteBytes(record[32..], claimed));
            Assert.False(TryDecode(codec, lie, out _));
        }

        Assert.False(codec.TryDecode(encoded, new byte[TierRecord.HeaderBytes + 999_999]));
        var statistics = codec.GetStatistics();
        Assert.Equal((7, 7, 0), (statistics.Refused, statistics.RefusedBody, statistics.Decoded));
        Assert.True(TryDecode(codec, encoded, out _));
    }

    [Theory]
    [InlineData(CompressionAlgorithm.Brotli)]
    [InlineData(CompressionAlgorithm.Zlib)]
    public void A_damaged_compressed_body_never_throws(CompressionAlgorithm algorithm)
    {
        var codec = Codec(algorithm, false);
        var plain = Body(Text(2000));
        var encoded = Encode(codec, plain);
        var refused = 0;
        for (var cut = TierRecord.HeaderBytes; cut < encoded.Length; cut++)
        {
            var record = encoded[..cut];
            BitConverter.TryWriteBytes(record.AsSpan(4), cut);
            if (TryDecode(codec, record, out var decoded))
            {
                // The framework does not miss zlib's own checksum, which comes last; the record's CRC-32C has been checked by then.
                Assert.Equal(plain, decoded);
            }
            else
            {
                refused++;
            }
        }

        Assert.InRange(refused, encoded.Length - TierRecord.HeaderBytes - 8, encoded.Length);

        for (var bit = TierRecord.HeaderBytes * 8; bit < encoded.Length * 8; bit++)
        {
            TryDecode(codec, Flipped(encoded, bit), out _);
        }
    }

    [Fact]
    public void Unknown_codecs_and_lengths_are_refused()
    {
        var codec = Codec(CompressionAlgorithm.None, false);
        var plain = Record("v"u8);
        Assert.False(TryDecode(codec, Resealed(plain, record => record[37] = 3), out _));
        Assert.False(TryDecode(codec, Resealed(plain, record => record[37] = TierCodec.EncryptedBit), out _));
        Assert.Equal(2, codec.GetStatistics().RefusedCodec);
        Assert.False(codec.TryDecode(plain.AsSpan(0, 20), new byte[100]));
        Assert.False(codec.TryDecode(plain.AsSpan(0, plain.Length - 1), new byte[200]));
        Assert.Equal(2, codec.GetStatistics().RefusedBody);
    }

    [Theory]
    [InlineData(CompressionAlgorithm.None, 40)]
    [InlineData(CompressionAlgorithm.Brotli, 400)]
    public void No_flipped_bit_of_an_encrypted_record_yields_data(CompressionAlgorithm algorithm, int valueLength)
    {
        var codec = new TierCodec(new CodecOptions { Compression = new CompressionOptions(algorithm, thresholdBytes: 0), Keys = () => TestRing });
        var encoded = Encode(codec, Record(Text(valueLength)));
        Assert.Equal(TierCodec.EncryptedBit | (int)algorithm, TierRecord.Codec(encoded));
        for (var bit = 32; bit < encoded.Length * 8; bit++)
        {
            Assert.False(TryDecode(codec, Flipped(encoded, bit), out var decoded), $"bit {bit}");
            Assert.True(decoded.AsSpan(Math.Min(decoded.Length, TierRecord.HeaderBytes)).IndexOfAnyExcept((byte)0) < 0 || bit / 8 is 32 or 33 or 34 or 35, $"bit {bit} left something");
        }

        var statistics = codec.GetStatistics();
        Assert.Equal((encoded.Length * 8) - 32, statistics.Refused);
        Assert.True(statistics.RefusedTag > statistics.Refused / 2);
        Assert.Equal(64, statistics.RefusedKey);
        Assert.True(TryDecode(codec, encoded, out _));
    }

    [Fact]
    public void Garbage_never_throws_and_an_encrypting_codec_never_takes_it_for_an_entry()
    {
        Random random = new(20261121);
        var open = Codec(CompressionAlgorithm.Brotli, false);
        var closed = Codec(CompressionAlgorithm.Zlib, true);
        byte[] codecs = [0, 1, 2, 3, 0x80, 0x81, 0x82, 0x83, 0xFF];
        for (var i = 0; i < 20_000; i++)
        {
            var record = new byte[TierRecord.HeaderBytes + random.Next(200)];
            random.NextBytes(record);
            TierRecord.WriteHeader(record, TierRecordType.Entry, 1, 2, 3, codecs[random.Next(codecs.Length)], random.Next(400));
            if (random.Next(2) == 0 && record.Length > TierRecord.HeaderBytes + 8)
            {
                BitConverter.TryWriteBytes(record.AsSpan(TierRecord.HeaderBytes), TestRing.Active.Id);
            }

            TierRecord.Seal(record);
            TryDecode(open, record, out _);
            Assert.False(TryDecode(closed, record, out _));
        }

        Assert.True(closed.GetStatistics().RefusedTag > 1000);
        Assert.True(open.GetStatistics().RefusedBody > 1000);
    }

    [Theory]
    [InlineData("A0H54ZgAAADvzauJZ0UjASoAAAAAAAAAAFBcGKMBAACBAAAAAYEAAO1euaN+LYIxc9aHBn0TjfovLoZp+Tt18AEAAAAAAAAA1zE+QIbj8igG3VTlrDNeVyReY7O+TXzsyjdvjGsNPiaaHrCHsnDl34TWNkacSaWGnhBqT8r8XTHX2qc1mM/vC7Q9tfaJoBtziuWdXnMvdhQ=")]
    [InlineData("tzixZ4AAAADvzauJZ0UjASoAAAAAAAAAAFBcGKMBAACBAAAAAYIAAO1euaN+LYIxi7rqU/UYgqL0GUssPvsGGwEAAAAAAAAAjEmQD2TZN6grMuCV7NKRb0rqfKu/VRCEuD7Apzoi2f71uKC/U2s19tLljsf+OZ/AEIOQ1hM9YhY=")]
    public void What_an_earlier_version_wrote_is_read_forever(string payload)
    {
        var codec = new TierCodec(new CodecOptions { Keys = () => TestRing, Context = "pinned" });
        Assert.True(TryDecode(codec, Convert.FromBase64String(payload), out var plain), payload);
        Assert.Equal(Record(Encoding.UTF8.GetBytes(new string('x', 100) + "levee")), plain);
    }

    [Fact]
    public void A_tag_is_not_checked_on_half_a_record()
    {
        var codec = Codec(CompressionAlgorithm.None, true);
        var encoded = Encode(codec, Record("value"u8));
        for (var cut = TierRecord.HeaderBytes; cut < encoded.Length; cut++)
        {
            var record = encoded[..cut];
            BitConverter.TryWriteBytes(record.AsSpan(4), cut);
            Assert.False(TryDecode(codec, record, out _));
        }
    }

    [Fact]
    public void Without_keys_with_other_keys_or_in_another_context_nothing_is_read()
    {
        var encoded = Encode(Codec(CompressionAlgorithm.None, true), Record("secret value"u8));
        Assert.True(encoded.AsSpan().IndexOf("secret"u8) < 0);

        var without = Codec(CompressionAlgorithm.None, false);
        Assert.False(TryDecode(without, encoded, out _));
        Assert.Equal(1, without.GetStatistics().RefusedCodec);

        var other = new TierCodec(new CodecOptions { Keys = () => Ring(Key("other", 1)) });
        Assert.False(TryDecode(other, encoded, out _));
        Assert.Equal(1, other.GetStatistics().RefusedKey);

        var sameName = new TierCodec(new CodecOptions { Keys = () => Ring(Key("now", 2)) });
        Assert.False(TryDecode(sameName, encoded, out _));
        Assert.Equal(1, sameName.GetStatistics().RefusedTag);

        var elsewhere = new TierCodec(new CodecOptions { Keys = () => TestRing, Context = "another cache" });
        Assert.False(TryDecode(elsewhere, encoded, out _));
        Assert.Equal(1, elsewhere.GetStatistics().RefusedTag);

        Assert.True(TryDecode(Codec(CompressionAlgorithm.Zlib, true), encoded, out _));
    }

    [Fact]
    public void Rotation_writes_with_the_new_key_and_reads_the_older_ones_until_they_leave_the_ring()
    {
        var ring = Ring(Key("a", 1));
        var codec = new TierCodec(new CodecOptions { Keys = () => ring });
        var plain = Record("value"u8);
        var underA = Encode(codec, plain);

        ring = Ring(Key("b", 2), Key("a", 1));
        var underB = Encode(codec, plain);
        Assert.Equal(Key("b", 2).Id, BitConverter.ToUInt64(underB, TierRecord.HeaderBytes));
        Assert.True(TryDecode(codec, underA, out var fromA));
        Assert.True(TryDecode(codec, underB, out var fromB));
        Assert.Equal(plain, fromA);
        Assert.Equal(plain, fromB);

        ring = Ring(Key("b", 2));
        Assert.False(TryDecode(codec, underA, out _));
        Assert.True(TryDecode(codec, underB, out _));

        ring = Ring(Key("b", 9), Key("a", 1));
        Assert.False(TryDecode(codec, underB, out _));
        Assert.True(TryDecode(codec, underA, out _));
        Assert.True(TryDecode(codec, Encode(codec, plain), out _));
        Assert.Equal((1, 1), (codec.GetStatistics().RefusedKey, codec.GetStatistics().RefusedTag));
    }

    [Fact]
    public void With_keys_an_unencrypted_entry_is_refused_unless_it_is_allowed()
    {
        var plain = Record("planted"u8);
        var strict = Codec(CompressionAlgorithm.None, true);
        Assert.False(TryDecode(strict, plain, out _));
        Assert.Equal(1, strict.GetStatistics().RefusedUnencrypted);
        Assert.True(TryDecode(new TierCodec(new CodecOptions { Keys = () => TestRing, AllowUnencrypted = true }), plain, out var decoded));
        Assert.Equal(plain, decoded);

        var tombstone = new byte[TierRecord.HeaderBytes];
        TierRecord.WriteControl(tombstone, TierRecordType.Tombstone, 1, 2, default);
        Assert.True(TryDecode(strict, tombstone, out _));
    }

    [Fact]
    public void No_nonce_is_used_twice_by_threads_rotations_or_codecs()
    {
        var rings = new[] { Ring(Key("a", 1), Key("b", 2)), Ring(Key("b", 2), Key("a", 1)) };
        var turn = 0;
        CodecOptions options = new() { Keys = () => rings[Volatile.Read(ref turn) & 1] };
        TierCodec[] codecs = [new(options), new(options)];
        var plain = Record("v"u8);
        ConcurrentBag<string> nonces = [];
        using Barrier gate = new(4);
        var threads = Enumerable.Range(0, 4).Select(number => new Thread(() =>
        {
            var destination = new byte[codecs[0].MaxEncodedLength(plain.Length)];
            gate.SignalAndWait();
            for (var i = 0; i < 5000; i++)
            {
                codecs[number & 1].Encode(plain, destination);
                nonces.Add(Convert.ToBase64String(destination, TierRecord.HeaderBytes, 32));
                Interlocked.Increment(ref turn);
            }
        })).ToList();
        threads.ForEach(thread => thread.Start());
        threads.ForEach(thread => thread.Join());
        Assert.Equal(20_000, nonces.Count);
        Assert.Equal(20_000, nonces.Distinct().Count());
        Assert.Equal(2, nonces.Select(nonce => Convert.ToBase64String(Convert.FromBase64String(nonce), 8, 16)).Distinct().Count());
    }

    [Fact]
    public void Records_of_many_runs_are_read_and_few_subkeys_are_kept()
    {
        var reader = Codec(CompressionAlgorithm.None, true);
        var plain = Record("value"u8);
        var records = Enumerable.Range(0, 200).Select(_ => Encode(Codec(CompressionAlgorithm.None, true), plain)).ToList();
        foreach (var record in records.Concat(records))
        {
            Assert.True(TryDecode(reader, record, out _));
        }

        Assert.Equal(64, reader.ForeignSubkeys);
        Assert.False(TryDecode(reader, Flipped(records[0], (TierRecord.HeaderBytes + 8) * 8), out _));
        Assert.Equal(64, reader.ForeignSubkeys);
    }

    [Fact]
    public void Threads_share_one_codec()
    {
        var codec = new TierCodec(new CodecOptions { Compression = new CompressionOptions(CompressionAlgorithm.Zlib), Keys = () => TestRing });
        Parallel.For(0, 200, i =>
        {
            var plain = Record(Text(i * 50));
            Assert.True(TryDecode(codec, Encode(codec, plain), out var decoded));
            Assert.Equal(plain, decoded);
        });
        Assert.Equal((200, 200), (codec.GetStatistics().Encoded, codec.GetStatistics().Decoded));
    }

    [Theory]
    [InlineData(CompressionAlgorithm.None, false, 0)]
    [InlineData(CompressionAlgorithm.None, true, 0)]
    [InlineData(CompressionAlgorithm.Brotli, true, 0)]
    [InlineData(CompressionAlgorithm.Zlib, true, 2048)]
    public void Steady_encoding_and_decoding_allocates_at_most(CompressionAlgorithm algorithm, bool isEncrypted, int bytesPerRecord)
    {
        const int count = 200;
        var codec = Codec(algorithm, isEncrypted);
        var plain = Record(Text(4000));
        var encoded = new byte[codec.MaxEncodedLength(plain.Length)];
        var decoded = new byte[plain.Length];
        long before = 0;
        for (var i = -20; i < count; i++)
        {
            if (i == 0)
            {
                before = GC.GetAllocatedBytesForCurrentThread();
            }

            var length = codec.Encode(plain, encoded);
            if (!codec.TryDecode(encoded.AsSpan(0, length), decoded))
            {
                Assert.Fail("not decoded");
            }
        }

        Assert.InRange(GC.GetAllocatedBytesForCurrentThread() - before, 0, bytesPerRecord * count);
    }

    [Fact]
    public void Options_refuse_what_is_outside_their_range()
    {
        Assert.Throws<ArgumentOutOfRangeException>(() => new CompressionOptions((CompressionAlgorithm)3));
        Assert.Throws<ArgumentOutOfRangeException>(() => new CompressionOptions(CompressionAlgorithm.Brotli, 12));
        Assert.Throws<ArgumentOutOfRangeException>(() => new CompressionOptions(CompressionAlgorithm.Zlib, 0));
        Assert.Throws<ArgumentOutOfRangeException>(() => new CompressionOptions(CompressionAlgorithm.Zlib, thresholdBytes: -1));
    }

    private static TierCodec Codec(CompressionAlgorithm algorithm, bool isEncrypted) =>
        new(new CodecOptions { Compression = new CompressionOptions(algorithm), Keys = isEncrypted ? () => TestRing : null });

    private static byte[] Flipped(byte[] record, int bit) => Resealed(record, copy => copy[bit / 8] ^= (byte)(1 << (bit % 8)));

    /// <summary>Changes a record and makes its checksum right again, as an attacker would; a length that is wrong then keeps the old checksum.</summary>
    private static byte[] Resealed(byte[] record, Edit edit)
    {
        var copy = record.ToArray();
        edit(copy);
        TierRecord.Seal(copy);
        return copy;
    }

    private delegate void Edit(Span<byte> record);
}
