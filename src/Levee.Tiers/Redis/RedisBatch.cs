using Levee.Codec;
using Levee.Memory;
using Levee.Segments;

namespace Levee.Tiers.Redis;

/// <summary>
/// What one turn of the sending loop writes: tombstones first, then records. Filled under the tier's lock with where the records lie in the demotion buffer, which does not release them
/// before they are answered; encoded outside of all locks.
/// </summary>
internal sealed unsafe class RedisBatch
{
    /// <summary>The most tombstones of a turn.</summary>
    public const int MaxTombstones = 1024;

    /// <summary>The most records of a turn.</summary>
    public const int MaxRecords = 256;

    private const int UnlinksPerCommand = 128;
    private const long MaxBytes = 256 * 1024;

    private readonly ulong[] hashes = new ulong[MaxTombstones];
    private readonly Waiting[] records = new Waiting[MaxRecords];
    private byte[] output = new byte[64 * 1024];
    private byte[] plain = [];
    private byte[] stored = new byte[16 * 1024];
    private long recordBytes;

    /// <summary>How the keys are named.</summary>
    public RedisNames Names { get; set; } = null!;

    /// <summary>The number of the last tombstone.</summary>
    public long LastTombstone { get; set; }

    /// <summary>Tombstones in the batch.</summary>
    public int TombstoneCount { get; private set; }

    /// <summary>Records in the batch.</summary>
    public int RecordCount { get; private set; }

    /// <summary>Whether no more records are to be added.</summary>
    public bool IsFull => RecordCount == MaxRecords || recordBytes >= MaxBytes;

    /// <summary>Empties it.</summary>
    public void Clear()
    {
        TombstoneCount = 0;
        RecordCount = 0;
        recordBytes = 0;
    }

    /// <summary>Adds a tombstone.</summary>
    public void AddTombstone(ulong hash) => hashes[TombstoneCount++] = hash;

    /// <summary>Adds a record.</summary>
    public void AddRecord(scoped in BufferedRecord record, long ticket, long ttlMs)
    {
        ref var place = ref records[RecordCount++];
        fixed (byte* start = record.Record)
        {
            place.Start = start;
        }

        place.Length = record.Record.Length;
        place.Large = record.Large;
        place.Ticket = ticket;
        place.TtlMs = ttlMs;
        recordBytes += record.PlainLength;
    }

    /// <summary>Encodes the tombstones; fills in the number of the last one of each command.</summary>
    public ReadOnlySpan<byte> EncodeTombstones(List<long> tickets)
    {
        var written = 0;
        var first = LastTombstone - TombstoneCount;
        for (var done = 0; done < TombstoneCount;)
        {
            var count = Math.Min(UnlinksPerCommand, TombstoneCount - done);
            Reserve(ref output, written + 64 + (count * (Names.Length + RedisCommands.GetOverheadBytes)), written);
            written += RedisCommands.WriteUnlink(output.AsSpan(written), Names, hashes.AsSpan(done, count));
            done += count;
            tickets.Add(first + done);
        }

        return output.AsSpan(0, written);
    }

    /// <summary>Encodes the records.</summary>
    public ReadOnlySpan<byte> EncodeRecords(RecordCodec codec, List<long> tickets, List<SentSet> sent)
    {
        var written = 0;
        for (var i = 0; i < RecordCount; i++)
        {
            ref var waiting = ref records[i];
            var record = new ReadOnlySpan<byte>(waiting.Start, waiting.Length);
            if (waiting.Large is not null)
            {
                var whole = record.Length + waiting.Large.Length;
                Reserve(ref plain, whole);
                record.CopyTo(plain);
                LargeRecord.Complete(plain.AsSpan(0, whole), waiting.Large);
                record = plain.AsSpan(0, whole);
            }

            Reserve(ref stored, codec.MaxEncodedLength(record.Length));
            var length = codec.Encode(record, stored);
            Reserve(ref output, written + Names.Length + RedisCommands.SetOverheadBytes + length, written);
            var hash = TierRecord.Hash(record);
            written += RedisCommands.WriteSet(output.AsSpan(written), Names, hash, stored.AsSpan(0, length), waiting.TtlMs);
            tickets.Add(waiting.Ticket);
            sent.Add(new SentSet(waiting.Ticket, hash, length));
            waiting.Large = null;
        }

        return output.AsSpan(0, written);
    }

    /// <summary>Lets go of memory that a large value needed.</summary>
    public void Trim()
    {
        const int Kept = 1 << 20;
        if (output.Length > Kept)
        {
            output = new byte[64 * 1024];
        }

        if (stored.Length > Kept)
        {
            stored = new byte[16 * 1024];
        }

        if (plain.Length > Kept)
        {
            plain = [];
        }
    }

    private static void Reserve(ref byte[] array, int length, int kept = 0)
    {
        if (array.Length < length)
        {
            var larger = new byte[Math.Max(length, 2 * array.Length)];
            array.AsSpan(0, kept).CopyTo(larger);
            array = larger;
        }
    }

    private struct Waiting
    {
        public byte* Start;
        public int Length;
        public LargeValue? Large;
        public long Ticket;
        public long TtlMs;
    }
}

/// <summary>A SET under way.</summary>
/// <param name="Ticket">The record's ticket in the buffer.</param>
/// <param name="Hash">Its hash.</param>
/// <param name="Length">Its length as it was sent.</param>
internal readonly record struct SentSet(long Ticket, ulong Hash, int Length);
