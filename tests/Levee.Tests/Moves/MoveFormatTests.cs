using System.Text;
using Levee.Keys;
using Levee.Memory;
using Levee.Operations;
using Levee.Partitions;
using Levee.Testing;
using Xunit;

namespace Levee.Tests.Moves;

/// <summary>The messages of a move: what was written by version 1 stays readable, and nothing that is not sound is taken.</summary>
public sealed class MoveFormatTests
{
    private const long Now = 1_700_000_000_000;

    private const string HeaderSample =
        "0101000037F6FB152A0000000000000001000000000000000200000000000000030000000000000005000068E5CF8B010668E5CF8B0100000700000000000000000000000000"
        + "21400900000000000000036172630201000A000000000000000B0000000000000003010C000000000000000D00000000000000020000000E00000000000000037265640F0000"
        + "000000000001FF";

    private const string ChunkSample =
        "0102000089CE54C5030000000000000004000000000000000400000001025E000000000000005E0000003443E12D566277444D00000000000000E86BE5CF8B01000036000000"
        + "010000000300010F6B6579F401000000000000288BE5CF8B010000090000000A746578742F706C61696E09000372656404626C756576616C756503012F000000000000002F00"
        + "00001D275759D1ABAFEF4E00000000000000FFFFFFFFFFFFFF7F070000000100000003000000626967282300000200000031320402000000030000003334350203EFBEADDE15"
        + "000000";

    private const string KeySample =
        "010300004935BAD20101045E000000000000005E0000003443E12D566277444D00000000000000E86BE5CF8B01000036000000010000000300010F6B6579F401000000000000"
        + "288BE5CF8B010000090000000A746578742F706C61696E09000372656404626C756576616C7565";

    [Fact]
    public void A_header_of_version_1_is_read()
    {
        var header = PartitionHeader.Read(Convert.FromHexString(HeaderSample));
        Assert.Equal(42, header.Epoch);
        Assert.Equal((1UL, 2UL), header.HashKeys);
        Assert.Equal(3UL, header.Chance);
        Assert.Equal(((ulong)Now << 16) + 5, header.LastVersion);
        Assert.Equal(Now + 6, header.ClockMs);
        Assert.Equal(7UL, header.ClearedVersion);
        Assert.Equal(8.5, header.Target);
        Assert.Equal(9, header.PayloadBytes);
        Assert.Equal("arc", header.Policy);
        Assert.Equal([new HeaderList(1, false, 10, 11), new HeaderList(3, true, 12, 13)], header.Lists);
        Assert.Equal([new("red", 14UL), new("\u00ff", 15UL)], header.Tags);
        Assert.Equal((10, 12), (header.Entries, header.Ghosts));
        Assert.Equal(HeaderSample, Convert.ToHexString(SampleHeader().Write()));
    }

    [Fact]
    public void A_chunk_of_version_1_is_read()
    {
        var chunk = MoveChunk.Read(Convert.FromHexString(ChunkSample));
        Assert.Equal((3, 4, 4), (chunk.Position, chunk.Next, chunk.Count));
        var offset = 0;
        var entry = chunk.Item(ref offset);
        Assert.Equal((MoveItemKind.Entry, 2), (entry.Kind, entry.Home));
        Assert.Equal("key", Encoding.UTF8.GetString(entry.Entry.Key));
        Assert.Equal("value", Encoding.UTF8.GetString(entry.Entry.Value));
        Assert.Equal((77UL, Now + 1000, 500L, Now + 9000), (entry.Entry.Version, entry.Entry.ExpiresAt, entry.Entry.SlidingMs, entry.Entry.SlidingCap));
        Assert.Equal((9u, EntryKind.Hash, "text/plain"), (entry.Entry.Flags, entry.Entry.Kind, Encoding.ASCII.GetString(entry.Entry.ContentType)));
        Assert.Equal(TestBed.Pack("red", "blue"), entry.Entry.Tags.ToArray());
        var large = chunk.Item(ref offset);
        Assert.Equal((MoveItemKind.Large, 1, 9000), (large.Kind, large.Home, large.ValueLength));
        Assert.Equal("12", Encoding.ASCII.GetString(large.Piece));
        var piece = chunk.Item(ref offset);
        Assert.Equal((MoveItemKind.Piece, 2, "345"), (piece.Kind, piece.Offset, Encoding.ASCII.GetString(piece.Piece)));
        var ghost = chunk.Item(ref offset);
        Assert.Equal((MoveItemKind.Ghost, 3, 0xDEADBEEF, 21), (ghost.Kind, ghost.Home, ghost.Tag, ghost.Weight));
        Assert.Equal(ChunkSample, Convert.ToHexString(SampleChunk()));
    }

    [Fact]
    public void An_answer_about_a_key_of_version_1_is_read()
    {
        var answer = MoveKey.Read(Convert.FromHexString(KeySample));
        Assert.Equal(LoadOutcome.Found, answer.Outcome);
        Assert.Equal((4, "value"), (answer.Item.Home, Encoding.UTF8.GetString(answer.Item.Entry.Value)));
        Assert.Equal(KeySample, Convert.ToHexString(MoveKey.Write(4, SampleEntry(), 0)));
        Assert.Equal(LoadOutcome.Failed, MoveKey.Read(MoveKey.Write(LoadOutcome.Failed)).Outcome);
    }

    [Fact]
    public void What_is_damaged_anywhere_is_refused()
    {
        foreach (var sound in new[] { SampleHeader().Write(), SampleChunk(), MoveKey.Write(4, SampleEntry(), 0) })
        {
            for (var i = 0; i < sound.Length; i++)
            {
                var damaged = sound.ToArray();
                damaged[i] ^= 0x41;
                Assert.Throws<FormatException>(() => ReadAny(damaged));
                Assert.Throws<FormatException>(() => ReadAny(sound[..i]));
            }

            Assert.Throws<FormatException>(() => ReadAny([.. sound, 0]));
        }
    }

    /// <summary>Whoever can compute a checksum can say anything: then too nothing but a FormatException may come of it.</summary>
    [Fact]
    public void What_is_hostile_and_sealed_is_read_or_refused()
    {
        var random = new Random(11);
        var refused = 0;
        var read = 0;
        byte[][] sound = [SampleHeader().Write(), SampleChunk(), MoveKey.Write(4, SampleEntry(), 0)];
        for (var round = 0; round < 60_000; round++)
        {
            var kind = random.Next(3);
            var hostile = random.Next(20) == 0 ? new byte[random.Next(8, 200)] : sound[kind].ToArray();
            for (var changes = random.Next(1, 6); changes > 0; changes--)
            {
                var at = random.Next(MoveFrame.HeadBytes, hostile.Length + 1) - 1;
                hostile[at] = random.Next(3) switch { 0 => 0xff, 1 => 0, _ => (byte)random.Next(256) };
            }

            hostile = random.Next(4) == 0 ? hostile[..random.Next(MoveFrame.HeadBytes, hostile.Length + 1)] : hostile;
            MoveFrame.Seal(hostile, (MoveFrameKind)(kind + 1));
            try
            {
                ReadAny(hostile);
                read++;
            }
            catch (FormatException)
            {
                refused++;
            }
        }

        Assert.True(read > 500 && refused > 5000, $"{read} read, {refused} refused");
    }

    [Fact]
    public void Chunks_stay_short_and_are_the_same_each_time()
    {
        using var bed = new TestBed(32 << 20, 8 << 20);
        var random = new Random(3);
        for (var i = 0; i < 4000; i++)
        {
            var value = new byte[random.Next(100) == 0 ? random.Next(10_000, 200_000) : random.Next(3000)];
            bed.Set($"k{i}", value, tags: i % 3 == 0 ? ["red"] : []);
        }

        var export = new PartitionExport(bed.Partition);
        var first = new List<byte[]>();
        for (var position = 0L; position >= 0; position = MoveChunk.Read(first[^1]).Next)
        {
            first.Add(export.ReadChunk(position));
            Assert.InRange(first[^1].Length, 1, MoveFrame.MaxBytes);
        }

        Assert.True(first.Count > 100);
        Assert.All(Enumerable.Range(0, first.Count), i => Assert.Equal(first[i], export.ReadChunk(i)));
        var ahead = new PartitionExport(bed.Partition);
        Assert.Equal(first[5], ahead.ReadChunk(5));
        Assert.Equal(first[0], ahead.ReadChunk(0));
        Assert.Throws<ArgumentOutOfRangeException>(() => ahead.ReadChunk(1000));
        Assert.Throws<ArgumentOutOfRangeException>(() => ahead.ReadChunk(-1));
        var behind = MoveChunk.Read(export.ReadChunk(first.Count + 1));
        Assert.Equal((0, -1), (behind.Count, behind.Next));
    }

    private static void ReadAny(byte[] message)
    {
        switch (message.Length > 1 ? (MoveFrameKind)message[1] : MoveFrameKind.Header)
        {
            case MoveFrameKind.Chunk:
                MoveChunk.Read(message);
                return;
            case MoveFrameKind.Key:
                MoveKey.Read(message);
                return;
            default:
                PartitionHeader.Read(message);
                return;
        }
    }

    private static PartitionHeader SampleHeader() => new()
    {
        Epoch = 42,
        HashKeys = (1, 2),
        Chance = 3,
        LastVersion = ((ulong)Now << 16) + 5,
        ClockMs = Now + 6,
        ClearedVersion = 7,
        Target = 8.5,
        PayloadBytes = 9,
        Policy = "arc",
        Lists = [new HeaderList(1, false, 10, 11), new HeaderList(3, true, 12, 13)],
        Tags = [new("red", 14UL), new("\u00ff", 15UL)],
    };

    private static TierEntry SampleEntry() => new()
    {
        Hash = KeyHash.Of("key"u8),
        Version = 77,
        ExpiresAt = Now + 1000,
        SlidingMs = 500,
        SlidingCap = Now + 9000,
        Key = "key"u8,
        Value = "value"u8,
        Kind = EntryKind.Hash,
        Flags = 9,
        ContentType = "text/plain"u8,
        Tags = TestBed.Pack("red", "blue"),
    };

    private static byte[] SampleChunk()
    {
        using var arena = new PageArena(1 << 20);
        var value = new byte[9000];
        "12345"u8.CopyTo(value);
        var large = new LargeValueStore(arena, 1 << 20).TryCreate(value)!;
        var buffer = new byte[1000];
        var writer = new MoveWriter(buffer.AsSpan(MoveChunk.HeadBytes));
        MoveChunk.WriteEntry(ref writer, 2, SampleEntry());
        MoveChunk.WriteLarge(ref writer, 1, new TierEntry { Hash = KeyHash.Of("big"u8), Key = "big"u8, Version = 78, ExpiresAt = Limits.Never }, large, 2);
        MoveChunk.WritePiece(ref writer, large, 2, 3);
        MoveChunk.WriteGhost(ref writer, 3, 0xDEADBEEF, 21);
        return MoveChunk.Complete(buffer.AsSpan(0, MoveChunk.HeadBytes + writer.Length), 3, 4, 4);
    }
}
