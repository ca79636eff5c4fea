using System.Buffers;
using System.Buffers.Binary;
using System.Text;
using System.Text.Json;
using Levee.Learning;
using Levee.Operations;
using static Levee.Clustering.PackedAnswer;

namespace Levee.Clustering;

/// <summary>What a reply says of its batch as a whole. Part of the wire.</summary>
[Flags]
internal enum ReplyFlags : byte
{
    None = 0,

    /// <summary>The batch is not known (any more): what was pending of it stays unanswered.</summary>
    Unknown = 1,

    /// <summary>The batch had been voided and did not run.</summary>
    Voided = 2,
}

/// <summary>How an entry's value goes into an answer.</summary>
/// <param name="WithKey">Whether the key is not the operation's own.</param>
/// <param name="OwnValue">Whether the value is the operation's own.</param>
/// <param name="SkipsValue">Whether nobody wants the value.</param>
/// <param name="LargeNumber">The number under which a large value waits.</param>
internal readonly record struct EntryForm(bool WithKey, bool OwnValue, bool SkipsValue, long LargeNumber);

/// <summary>
/// Packs answers into a reply. Used again and again; the reply is an array of its own. Not for several threads.
/// <code>
///  0 version   1   1                     4 pending  2   operations that ran, or are waiting to, and are not fully answered in this reply
///  1 flags     1   ReplyFlags            6 owner    1   length of who answers, UTF-8, which follows
///  2 executed  2   operations taken on   then the answers, as <see cref="PackedAnswer"/> says
/// </code>
/// </summary>
internal sealed class AnswerBatchWriter : IDisposable
{
    public const byte Version = 1;
    public const int HeadBytes = 7;
    private const int FirstBytes = 4096;

    private readonly int most;
    private byte[] buffer = [];
    private int length;

    /// <param name="ownerBytes">Length of the owner's name, for which room is kept.</param>
    public AnswerBatchWriter(int ownerBytes)
    {
        most = BatchLimits.MaxBytes - HeadBytes - ownerBytes;
    }

    /// <summary>Bytes of answers.</summary>
    public int Bytes => length;

    /// <summary>Room that is left in the reply, in bytes.</summary>
    public int Room => most - length;

    /// <summary>The answers.</summary>
    public ReadOnlySpan<byte> Answers => buffer.AsSpan(0, length);

    /// <summary>How many operations the answers settle.</summary>
    public int Finals { get; private set; }

    /// <summary>Begins anew.</summary>
    public void Clear()
    {
        length = 0;
        Finals = 0;
    }

    /// <summary>Adds that an operation's partition is not here.</summary>
    /// <returns>False where the reply is full.</returns>
    public bool TryAddNotHere(int index) => TryAdd(index, NotHere, Parts.None, AccessKind.Hit, PackedAnswer.HeadBytes, out _);

    /// <summary>Adds an answer.</summary>
    /// <returns>False where the reply is full; nothing was added.</returns>
    public bool TryAdd(int index, scoped in Answer answer, EntryForm form)
    {
        var parts = answer.Number != 0 ? Parts.Number : Parts.None;
        var bytes = PackedAnswer.HeadBytes + (answer.Number != 0 ? 8 : 0);
        if (answer.Statistics is not null || answer.Explanation is not null)
        {
            return TryAddJson(index, answer, parts, bytes);
        }

        var entry = answer.Entry;
        if (entry.IsEmpty)
        {
            if (!TryAdd(index, (byte)answer.Outcome, parts, answer.Access, bytes, out var room))
            {
                return false;
            }

            if (answer.Number != 0)
            {
                BinaryPrimitives.WriteInt64LittleEndian(room[PackedAnswer.HeadBytes..], answer.Number);
            }

            return true;
        }

        if (entry.IsPlain && form is { OwnValue: false, SkipsValue: false } && parts == Parts.None)
        {
            return TryAddPlain(index, answer.Outcome, answer.Access, entry);
        }

        var traits = TraitsOf(entry, form);
        bytes += EntryLength(entry, traits);
        if (!TryAdd(index, (byte)answer.Outcome, parts | Parts.Entry, answer.Access, bytes, out var packed))
        {
            return false;
        }

        var writer = new SpanWriter(packed[PackedAnswer.HeadBytes..]);
        if (answer.Number != 0)
        {
            writer.Write(answer.Number);
        }

        WriteEntry(ref writer, entry, traits, form.LargeNumber);
        return true;
    }

    /// <summary>Adds answers that were packed before.</summary>
    /// <returns>False where they do not fit.</returns>
    public bool TryAdd(AnswerBatchWriter answers)
    {
        if (answers.length > Room)
        {
            return false;
        }

        answers.Answers.CopyTo(Reserve(answers.length));
        Finals += answers.Finals;
        return true;
    }

    /// <summary>The reply.</summary>
    public byte[] ToArray(ReadOnlySpan<byte> owner, ReplyFlags flags, int executed, int pending)
    {
        var reply = GC.AllocateUninitializedArray<byte>(HeadBytes + owner.Length + length);
        reply[0] = Version;
        reply[1] = (byte)flags;
        BinaryPrimitives.WriteUInt16LittleEndian(reply.AsSpan(2), (ushort)executed);
        BinaryPrimitives.WriteUInt16LittleEndian(reply.AsSpan(4), (ushort)pending);
        reply[6] = (byte)owner.Length;
        owner.CopyTo(reply.AsSpan(HeadBytes));
        buffer.AsSpan(0, length).CopyTo(reply.AsSpan(HeadBytes + owner.Length));
        return reply;
    }

    /// <summary>Gives its memory back; it may be used again.</summary>
    public void Dispose()
    {
        if (buffer.Length > 0)
        {
            ArrayPool<byte>.Shared.Return(buffer);
            buffer = [];
        }

        Clear();
    }

    private bool TryAddJson(int index, scoped in Answer answer, Parts parts, int bytes)
    {
        var json = answer.Statistics is { } statistics
            ? JsonSerializer.SerializeToUtf8Bytes(statistics, AnswerJson.Default.PartitionStatistics)
            : JsonSerializer.SerializeToUtf8Bytes(answer.Explanation!, AnswerJson.Default.EntryExplanation);
        parts |= answer.Statistics is not null ? Parts.Statistics : Parts.Explanation;
        if (!TryAdd(index, (byte)answer.Outcome, parts, AccessKind.Hit, bytes + 4 + json.Length, out var room))
        {
            return false;
        }

        var writer = new SpanWriter(room[PackedAnswer.HeadBytes..]);
        if (answer.Number != 0)
        {
            writer.Write(answer.Number);
        }

        writer.Write(json.Length);
        writer.Write((ReadOnlySpan<byte>)json);
        return true;
    }

    /// <summary>Adds what most answers are: an entry that has a key, an inline value and nothing else, as its record lies.</summary>
    /// <returns>False where the reply is full.</returns>
    public bool TryAddPlain(int index, Outcome outcome, AccessKind access, EntryView entry)
    {
        var bytes = entry.PlainBytes;
        if (!TryAdd(index, (byte)outcome, Parts.Record, access, PackedAnswer.HeadBytes + bytes, out var room))
        {
            return false;
        }

        entry.CopyPlainTo(room[PackedAnswer.HeadBytes..]);
        return true;
    }

    private bool TryAdd(int index, byte outcome, Parts parts, AccessKind access, int bytes, out Span<byte> room)
    {
        if (bytes > Room)
        {
            room = default;
            return false;
        }

        Finals += outcome == (byte)Outcome.Item ? 0 : 1;
        room = Reserve(bytes);
        BinaryPrimitives.WriteUInt32LittleEndian(room, (ushort)index | ((uint)outcome << 16) | ((uint)parts << 24) | ((uint)access << (24 + AccessShift)));
        return true;
    }

    private Span<byte> Reserve(int bytes)
    {
        if (bytes > buffer.Length - length)
        {
            Grow(bytes);
        }

        var room = buffer.AsSpan(length, bytes);
        length += bytes;
        return room;
    }

    private void Grow(int bytes)
    {
        var larger = ArrayPool<byte>.Shared.Rent(Math.Max(FirstBytes, Math.Max(length + bytes, Math.Min(2 * buffer.Length, BatchLimits.MaxBytes))));
        buffer.AsSpan(0, length).CopyTo(larger);
        if (buffer.Length > 0)
        {
            ArrayPool<byte>.Shared.Return(buffer);
        }

        buffer = larger;
    }

    private static Traits TraitsOf(EntryView entry, EntryForm form) =>
        (entry.ExpiresAt != Limits.Never ? Traits.Expiry : 0) | (entry.SlidingMs > 0 ? Traits.Sliding : 0) | (entry.Flags != 0 ? Traits.Flags : 0)
        | (entry.ContentType.IsEmpty ? 0 : Traits.ContentType) | (entry.Tags.IsEmpty ? 0 : Traits.Tags) | (form.WithKey ? Traits.Key : 0)
        | (form.OwnValue ? Traits.Own : form.SkipsValue ? Traits.LeftOut : entry.IsLarge ? (entry.Large is null ? Traits.LeftOut : Traits.Large) : 0);

    private static int EntryLength(EntryView entry, Traits traits)
    {
        var bytes = 10 + ((traits & Traits.LeftOut) switch
        {
            Traits.None => 2 + entry.ValueLength,
            Traits.Large => 12,
            Traits.Own => 0,
            _ => 4,
        });
        if ((traits & ~Traits.LeftOut) == 0)
        {
            return bytes;
        }

        bytes += ((traits & Traits.Expiry) != 0 ? 8 : 0) + ((traits & Traits.Sliding) != 0 ? 16 : 0) + ((traits & Traits.Flags) != 0 ? 4 : 0);
        bytes += ((traits & Traits.ContentType) != 0 ? 1 + entry.ContentType.Length : 0) + ((traits & Traits.Tags) != 0 ? 2 + entry.Tags.Length : 0);
        return bytes + ((traits & Traits.Key) != 0 ? 2 + entry.Key.Length : 0);
    }

    private static void WriteEntry(ref SpanWriter writer, EntryView entry, Traits traits, long largeNumber)
    {
        writer.Write(entry.Version);
        writer.Write((byte)entry.Kind);
        writer.Write((byte)traits);
        if ((traits & ~Traits.LeftOut) != 0)
        {
            WriteRareParts(ref writer, entry, traits);
        }

        switch (traits & Traits.LeftOut)
        {
            case Traits.None:
                var value = entry.Value;
                writer.Write((ushort)value.Length);
                writer.Write(value);
                break;
            case Traits.Large:
                writer.Write(largeNumber);
                writer.Write(entry.ValueLength);
                break;
            case Traits.LeftOut:
                writer.Write(entry.ValueLength);
                break;
        }
    }

    private static void WriteRareParts(ref SpanWriter writer, EntryView entry, Traits traits)
    {
        if ((traits & Traits.Expiry) != 0)
        {
            writer.Write(entry.ExpiresAt);
        }

        if ((traits & Traits.Sliding) != 0)
        {
            writer.Write(entry.SlidingMs);
            writer.Write(entry.ExpiryCap);
        }

        if ((traits & Traits.Flags) != 0)
        {
            writer.Write(entry.Flags);
        }

        if ((traits & Traits.ContentType) != 0)
        {
            writer.Write((byte)entry.ContentType.Length);
            writer.Write(entry.ContentType);
        }

        if ((traits & Traits.Tags) != 0)
        {
            writer.Write((ushort)entry.Tags.Length);
            writer.Write(entry.Tags);
        }

        if ((traits & Traits.Key) != 0)
        {
            writer.Write((ushort)entry.Key.Length);
            writer.Write(entry.Key);
        }
    }
}

/// <summary>Reads a reply, or something that claims to be one.</summary>
internal ref struct AnswerBatchReader
{
    private readonly ReadOnlySpan<byte> reply;

    /// <exception cref="FormatException">It is no reply of a version that this program reads.</exception>
    public AnswerBatchReader(ReadOnlySpan<byte> reply)
    {
        this.reply = reply;
        if (reply.Length is < AnswerBatchWriter.HeadBytes or > BatchLimits.MaxBytes)
        {
            throw new FormatException($"a batch of answers is {reply.Length} bytes long; it must have {AnswerBatchWriter.HeadBytes} to {BatchLimits.MaxBytes}");
        }

        if (reply[0] != AnswerBatchWriter.Version)
        {
            throw new FormatException($"a batch of answers has version {reply[0]}; this program reads version {AnswerBatchWriter.Version}");
        }

        Position = AnswerBatchWriter.HeadBytes + reply[6];
        if (Position > reply.Length)
        {
            throw new FormatException($"a batch of answers of {reply.Length} bytes names an owner of {reply[6]}");
        }
    }

    /// <summary>What the reply says of its batch as a whole.</summary>
    public readonly ReplyFlags Flags => (ReplyFlags)reply[1];

    /// <summary>How many of the batch's operations were taken on.</summary>
    public readonly int Executed => BinaryPrimitives.ReadUInt16LittleEndian(reply[2..]);

    /// <summary>How many of them are not fully answered yet.</summary>
    public readonly int Pending => BinaryPrimitives.ReadUInt16LittleEndian(reply[4..]);

    /// <summary>Who answers.</summary>
    public readonly string Owner => Encoding.UTF8.GetString(OwnerUtf8);

    /// <summary>Who answers.</summary>
    public readonly ReadOnlySpan<byte> OwnerUtf8 => reply.Slice(AnswerBatchWriter.HeadBytes, reply[6]);

    /// <summary>Where the next answer begins in the reply.</summary>
    public int Position { get; private set; }

    /// <summary>Reads the next answer.</summary>
    /// <returns>False at the end.</returns>
    /// <exception cref="FormatException">It is damaged.</exception>
    public bool TryRead(out PackedAnswer answer)
    {
        if (Position == reply.Length)
        {
            answer = default;
            return false;
        }

        Position += Read(reply[Position..], out answer);
        return true;
    }
}
