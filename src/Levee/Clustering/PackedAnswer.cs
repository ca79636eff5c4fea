using System.Runtime.InteropServices;
using System.Text.Json;
using System.Text.Json.Serialization;
using Levee.Learning;
using Levee.Memory;
using Levee.Operations;
using Levee.Partitions;

namespace Levee.Clustering;

/// <summary>
/// How an answer lies in a reply. Little endian.
/// <code>
///  0 index    2   of the operation in its batch          entry:  version 8 · kind 1 · traits 1 · [expiry 8] · [sliding 8, cap 8] · [flags 4]
///  2 outcome  1   Outcome; 255: its partition is not     · [content type 1+n] · [tags 2+n] · [key 2+n] · value
///                 here and nothing was done              value, by bits 6-7 of the traits:  0: length 2, bytes · 1: a large one: number 8, length 4
///  3 traits   1                                                   2: the operation's own · 3: left out: length 4
///  then       [number 8] [record] [entry] [JSON: length 4, bytes]
/// </code>
/// A record is what most answers show: an entry that has a key, an inline value and nothing else. It is the entry's own record, whose slot does not count: -1 · value length 4 · version 8 · key length 2 · kind 1 · 0 · key · value.
/// An entry gives its key where that is not the operation's own.
/// </summary>
internal ref struct PackedAnswer
{
    public const byte NotHere = 255;
    public const int HeadBytes = 4;

    /// <summary>The bits of the parts from this one on are an <see cref="AccessKind"/>.</summary>
    public const int AccessShift = 5;

    /// <summary>The last outcome that version 1 knows.</summary>
    public const Outcome LastOutcome = Outcome.BadKey;

    [Flags]
    public enum Parts : byte
    {
        None = 0,
        Number = 1,
        Entry = 2,
        Statistics = 4,
        Explanation = 8,
        Record = 16,
        All = 31,
    }

    [Flags]
    public enum Traits : byte
    {
        None = 0,
        Expiry = 1,
        Sliding = 2,
        Flags = 4,
        ContentType = 8,
        Tags = 16,
        Key = 32,
        Large = 64,
        Own = 128,
        LeftOut = Large | Own,
    }

    /// <summary>The operation's index in its batch.</summary>
    public int Index { get; private set; }

    /// <summary>How the operation ended; without meaning where <see cref="IsNotHere"/>.</summary>
    public Outcome Outcome { get; private set; }

    /// <summary>What became of a get in memory.</summary>
    public AccessKind Access { get; private set; }

    /// <summary>Whether nothing was done because the partition is not there.</summary>
    public bool IsNotHere { get; private set; }

    /// <summary>Whether more answers to the operation follow.</summary>
    public readonly bool IsItem => Outcome == Outcome.Item && !IsNotHere;

    /// <summary>The answer's number.</summary>
    public long Number { get; private set; }

    /// <summary>Which parts there are.</summary>
    public Parts Given { get; private set; }

    /// <summary>The entry as it is packed: a view is decoded from it straight into a record, unless it is one.</summary>
    private ReadOnlySpan<byte> entry;

    /// <summary>The number of the large value.</summary>
    public long LargeNumber { get; private set; }

    /// <summary>The length of a value that is large or left out.</summary>
    public int ValueLength { get; private set; }

    /// <summary>Counters or an explanation.</summary>
    public ReadOnlySpan<byte> Json { get; private set; }

    /// <summary>Reads an answer at the start of what is left of a reply.</summary>
    /// <returns>Its length.</returns>
    /// <exception cref="FormatException">It is damaged.</exception>
    public static int Read(ReadOnlySpan<byte> bytes, out PackedAnswer result)
    {
        if (bytes.Length < HeadBytes)
        {
            throw new FormatException($"a packed answer is cut off after {bytes.Length} bytes");
        }

        var outcome = bytes[2];
        var answer = new PackedAnswer { Index = MemoryMarshal.Read<ushort>(bytes), Outcome = (Outcome)outcome, Given = (Parts)bytes[3] & Parts.All, Access = (AccessKind)(bytes[3] >> AccessShift), IsNotHere = outcome == NotHere };
        if (outcome is 0 or > (byte)LastOutcome and not NotHere || answer.Access > AccessKind.PollutedMiss)
        {
            throw new FormatException($"a packed answer has outcome {outcome} and access {(byte)answer.Access}, which are not known");
        }

        if (answer.Given == Parts.None)
        {
            result = answer;
            return HeadBytes;
        }

        if ((answer.Given & Parts.Record) != 0)
        {
            var length = EntryRecord.PlainLengthOf(bytes[HeadBytes..]);
            if (length == 0 || answer.Given != Parts.Record)
            {
                throw new FormatException($"a packed answer of {bytes.Length} bytes or less has a damaged record, or more than that");
            }

            answer.entry = bytes.Slice(HeadBytes, length);
            result = answer;
            return HeadBytes + length;
        }

        var reader = new SpanReader(bytes[HeadBytes..], "packed answer");
        if ((answer.Given & Parts.Number) != 0)
        {
            answer.Number = reader.Read<long>();
        }

        if ((answer.Given & Parts.Entry) != 0)
        {
            var start = bytes.Length - reader.Left;
            ReadEntry(ref reader, out _, out var largeNumber, out var valueLength);
            answer.entry = bytes[start..(bytes.Length - reader.Left)];
            answer.LargeNumber = largeNumber;
            answer.ValueLength = valueLength;
        }

        if ((answer.Given & (Parts.Statistics | Parts.Explanation)) != 0)
        {
            answer.Json = reader.Take(reader.Read<int>(), BatchLimits.MaxBytes, "JSON");
        }

        result = answer;
        return bytes.Length - reader.Left;
    }

    /// <summary>A look at the entry.</summary>
    /// <param name="operation">The packed operation that this answers.</param>
    /// <param name="large">The large value, where there is one and it is at hand.</param>
    /// <param name="scratch">Room for the record.</param>
    public readonly EntryView View(ReadOnlySpan<byte> operation, LargeValue? large, ref byte[] scratch)
    {
        if (entry.IsEmpty)
        {
            return default;
        }

        if (Given == Parts.Record)
        {
            return new EntryView(entry, null);
        }

        var reader = new SpanReader(entry, "packed answer");
        var form = ReadEntry(ref reader, out var parts, out _, out _);
        if ((form & Traits.Key) == 0)
        {
            parts.Key = PackedOperation.Key(operation);
        }

        var isLeftOut = false;
        switch (form & Traits.LeftOut)
        {
            case Traits.Own when (PackedOperation.TraitsOf(operation) & PackedOperation.Traits.Large) == 0:
                parts.Value = PackedOperation.Value(operation);
                break;
            case Traits.Own or Traits.Large when large is not null:
                parts.Large = large;
                break;
            case not Traits.None:
                isLeftOut = true;
                parts.Value = "\0\0\0\0"u8; // Where a large value's number would be.
                break;
        }

        var record = Room(ref scratch, parts.Length);
        parts.Write(record, Eviction.NodeTable.None);
        if (isLeftOut)
        {
            EntryRecord.LeaveValueOut(record, ValueLength);
        }

        return new EntryView(record, parts.Large);
    }

    private static Span<byte> Room(ref byte[] scratch, int length)
    {
        if (scratch.Length < length)
        {
            scratch = GC.AllocateUninitializedArray<byte>(Math.Max(1024, length));
        }

        return scratch.AsSpan(0, length);
    }

    private static Traits ReadEntry(scoped ref SpanReader reader, out RecordParts parts, out long largeNumber, out int valueLength)
    {
        largeNumber = 0;
        valueLength = 0;
        var read = new RecordParts { Version = reader.Read<ulong>(), Kind = (EntryKind)reader.Read<byte>() };
        var traits = (Traits)reader.Read<byte>();
        var expiresAt = (traits & Traits.Expiry) != 0 ? reader.Read<long>() : Limits.Never;
        long sliding = 0, cap = 0;
        if ((traits & Traits.Sliding) != 0)
        {
            sliding = reader.Read<long>();
            cap = reader.Read<long>();
        }

        read.Expiry = new Expiry(expiresAt, sliding, cap);
        read.Flags = (traits & Traits.Flags) != 0 ? reader.Read<uint>() : 0;
        if ((traits & Traits.ContentType) != 0)
        {
            read.ContentType = reader.Take(reader.Read<byte>(), Limits.MaxContentTypeBytes, "content type");
        }

        if ((traits & Traits.Tags) != 0)
        {
            read.Tags = reader.TakeTags();
        }

        if ((traits & Traits.Key) != 0)
        {
            read.Key = reader.Take(reader.Read<ushort>(), Limits.MaxKeyBytes, "key");
        }

        switch (traits & Traits.LeftOut)
        {
            case Traits.None:
                read.Value = reader.Take(reader.Read<ushort>(), Limits.MaxInlineBytes, "value");
                break;
            case Traits.Large:
                largeNumber = reader.Read<long>();
                valueLength = ReadLength(ref reader, 1);
                break;
            case Traits.LeftOut:
                valueLength = ReadLength(ref reader, 0);
                break;
        }

        parts = read;
        return traits & (Traits.LeftOut | Traits.Key);
    }

    private static int ReadLength(scoped ref SpanReader reader, int least)
    {
        var length = reader.Read<int>();
        return length >= least && length <= Limits.MaxValueBytes ? length : throw new FormatException($"a packed answer has a value of {length} bytes");
    }
}

/// <summary>Counters and explanations travel as JSON: they are rare, and gain members more often than the format should change.</summary>
[JsonSourceGenerationOptions(IgnoreReadOnlyProperties = true, DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingDefault, NumberHandling = JsonNumberHandling.AllowNamedFloatingPointLiterals)]
[JsonSerializable(typeof(PartitionStatistics))]
[JsonSerializable(typeof(EntryExplanation))]
internal sealed partial class AnswerJson : JsonSerializerContext
{
    /// <exception cref="FormatException">It is not what it claims to be.</exception>
    public static T Read<T>(ReadOnlySpan<byte> json, System.Text.Json.Serialization.Metadata.JsonTypeInfo<T> type)
        where T : class
    {
        try
        {
            return JsonSerializer.Deserialize(json, type) ?? throw new FormatException($"the {typeof(T).Name} of a packed answer is null");
        }
        catch (JsonException broken)
        {
            throw new FormatException($"the {typeof(T).Name} of a packed answer is damaged: {broken.Message}", broken);
        }
    }
}
