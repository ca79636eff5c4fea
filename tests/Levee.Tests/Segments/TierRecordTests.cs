using Levee.Operations;
using Levee.Partitions;
using Levee.Segments;
using Xunit;

namespace Levee.Tests.Segments;

public sealed class TierRecordTests
{
    private const int TraitCombinations = 16;

    public static TheoryData<int> AllTraits => [.. Enumerable.Range(0, TraitCombinations)];

    [Theory]
    [MemberData(nameof(AllTraits))]
    public void An_entry_is_read_as_it_was_written_whatever_it_has(int traits)
    {
        foreach (var kind in Enum.GetValues<EntryKind>())
        {
            foreach (var (keyLength, valueLength) in new[] { (1, 0), (3, 5), (250, 100), (Limits.MaxKeyBytes, Limits.MaxInlineBytes) })
            {
                var entry = NewEntry(traits, kind, keyLength, valueLength);
                var record = WriteSealed(entry);
                Assert.True(TierRecord.IsSound(record));
                Assert.Equal(record.Length, TierRecord.Length(record));
                Assert.Equal(record.Length - TierRecord.HeaderBytes, TierRecord.PlainBodyLength(record));
                Assert.Equal((TierRecordType.Entry, 0), (TierRecord.Type(record), TierRecord.Codec(record)));
                Assert.True(TierRecord.TryRead(record, out var read));
                AssertSame(entry, read);
            }
        }
    }

    [Fact]
    public void A_value_of_any_length_is_told_from_what_precedes_it()
    {
        for (var length = 0; length < 200; length++)
        {
            var entry = NewEntry(length % TraitCombinations, default, 1 + (length % 7), length);
            Assert.True(TierRecord.TryRead(WriteSealed(entry), out var read));
            AssertSame(entry, read);
        }
    }

    [Theory]
    [MemberData(nameof(AllTraits))]
    public void A_record_with_any_bit_flipped_is_not_sound(int traits)
    {
        var record = WriteSealed(NewEntry(traits, default, 9, 30));
        for (var bit = 0; bit < record.Length * 8; bit++)
        {
            record[bit / 8] ^= (byte)(1 << (bit % 8));
            Assert.False(TierRecord.IsSound(record), $"bit {bit}");
            record[bit / 8] ^= (byte)(1 << (bit % 8));
        }

        Assert.True(TierRecord.IsSound(record));
    }

    [Theory]
    [MemberData(nameof(AllTraits))]
    public void A_record_that_is_cut_at_any_byte_is_not_sound(int traits)
    {
        var record = WriteSealed(NewEntry(traits, default, 9, 30));
        for (var length = 0; length < record.Length; length++)
        {
            Assert.False(TierRecord.IsSound(record.AsSpan(0, length)), $"{length} bytes");
        }

        Assert.True(TierRecord.IsSound([.. record, 1, 2, 3]));
    }

    [Theory]
    [MemberData(nameof(AllTraits))]
    public void A_body_that_ends_within_its_parts_is_refused_even_if_the_checksum_is_right(int traits)
    {
        var record = WriteSealed(NewEntry(traits, default, 9, 0));
        for (var length = TierRecord.HeaderBytes; length < record.Length; length++)
        {
            var cut = record[..length];
            TierRecord.WriteHeader(cut, TierRecordType.Entry, 1, 2, 3);
            TierRecord.Seal(cut);
            Assert.True(TierRecord.IsSound(cut));
            Assert.False(TierRecord.TryRead(cut, out _), $"{length} bytes");
        }
    }

    [Fact]
    public void Only_a_plain_entry_is_read_as_one()
    {
        var record = WriteSealed(NewEntry(0, default, 9, 30));
        TierRecord.WriteHeader(record, TierRecordType.Entry, 1, 2, 3, codec: 1, plainBodyLength: 77);
        Assert.False(TierRecord.TryRead(record, out _));
        Assert.Equal((1, 77), (TierRecord.Codec(record), TierRecord.PlainBodyLength(record)));
        TierRecord.WriteHeader(record, TierRecordType.Tombstone, 1, 2, 3);
        Assert.False(TierRecord.TryRead(record, out _));
    }

    [Fact]
    public void A_record_that_voids_others_says_which()
    {
        var record = new byte[TierRecord.HeaderBytes + 3];
        TierRecord.WriteControl(record, TierRecordType.TagRemoval, 17, 18, "tag"u8);
        Assert.True(TierRecord.IsSound(record));
        Assert.Equal((TierRecordType.TagRemoval, 17UL, 18UL, Limits.Never), (TierRecord.Type(record), TierRecord.Hash(record), TierRecord.Version(record), TierRecord.ExpiresAt(record)));
        Assert.True(TierRecord.Body(record).SequenceEqual("tag"u8));
    }

    [Fact]
    public void Zeros_and_noise_are_no_record()
    {
        Assert.False(TierRecord.IsSound(new byte[1024]));
        var random = new Random(4);
        var noise = new byte[256];
        for (var i = 0; i < 10_000; i++)
        {
            random.NextBytes(noise);
            Assert.False(TierRecord.IsSound(noise));
        }
    }

    [Fact]
    public void The_checksum_is_the_one_that_the_standard_gives()
    {
        Assert.Equal(0xE3069283, TierRecord.Crc32C("123456789"u8));
        Assert.Equal(0u, TierRecord.Crc32C([]));
        Assert.Equal(0x8A9136AAu, TierRecord.Crc32C(new byte[32])); // RFC 3720, B.4
    }

    [Fact]
    public void The_numbers_that_are_persisted_stay_what_they_are()
    {
        Assert.Equal((1, 2, 3, 4, 5), ((int)TierRecordType.Entry, (int)TierRecordType.Tombstone, (int)TierRecordType.TagRemoval, (int)TierRecordType.Clear, (int)TierRecordType.Retired));
        Assert.Equal((40, 8), (TierRecord.HeaderBytes, TierRecord.Alignment));
        Assert.Equal([0, 8, 8, 40, 48], new[] { 0, 1, 8, 40, 41 }.Select(TierRecord.Padded));
    }

    private static TierEntry NewEntry(int traits, EntryKind kind, int keyLength, int valueLength) => new()
    {
        Hash = 0x1122334455667788,
        Version = 0x99AABBCCDDEEFF00,
        ExpiresAt = (traits & 1) != 0 ? 1_700_000_000_123 : Limits.Never,
        SlidingMs = (traits & 1) != 0 ? 60_000 : 0,
        SlidingCap = (traits & 1) != 0 ? 1_800_000_000_000 : 0,
        Key = Bytes(keyLength, 1),
        Value = Bytes(valueLength, 2),
        Kind = kind,
        Flags = (traits & 2) != 0 ? 0xDEADBEEF : 0,
        ContentType = (traits & 4) != 0 ? Bytes(Limits.MaxContentTypeBytes, 3) : default,
        Tags = (traits & 8) != 0 ? Bytes(Limits.MaxPackedTagsBytes, 4) : default,
    };

    private static byte[] Bytes(int length, int seed)
    {
        var bytes = new byte[length];
        new Random(seed).NextBytes(bytes);
        return bytes;
    }

    private static byte[] WriteSealed(scoped in TierEntry entry)
    {
        var record = new byte[TierRecord.PlainLength(entry)];
        record.AsSpan().Fill(0xEE);
        TierRecord.Write(entry, record);
        TierRecord.Seal(record);
        return record;
    }

    private static void AssertSame(scoped in TierEntry expected, scoped in TierEntry actual)
    {
        Assert.Equal(
            (expected.Hash, expected.Version, expected.ExpiresAt, expected.SlidingMs, expected.SlidingCap, expected.Kind, expected.Flags),
            (actual.Hash, actual.Version, actual.ExpiresAt, actual.SlidingMs, actual.SlidingCap, actual.Kind, actual.Flags));
        Assert.True(actual.Key.SequenceEqual(expected.Key));
        Assert.True(actual.Value.SequenceEqual(expected.Value));
        Assert.True(actual.ContentType.SequenceEqual(expected.ContentType));
        Assert.True(actual.Tags.SequenceEqual(expected.Tags));
        Assert.Null(actual.Large);
    }
}
