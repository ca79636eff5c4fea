using System.Buffers.Text;
using System.Globalization;
using System.Text;
using Levee.Operations;
using Levee.Resp;

namespace Levee.Server.Resp;

/// <summary>Writes answers as replies (RESP specification, "RESP protocol description"). Error texts are Redis' own where Redis has one.</summary>
internal static class ReplyFormatter
{
    /// <summary>Longest value that is copied into the reply rather than sent by reference.</summary>
    private const int MaxCopiedBytes = Limits.MaxInlineBytes;

    /// <summary>Writes the reply of a command to its answer.</summary>
    /// <param name="output">Where to.</param>
    /// <param name="kind">What the command makes of the answer.</param>
    /// <param name="answer">The answer.</param>
    /// <param name="version">The protocol the client speaks.</param>
    /// <param name="now">The time, for TTLs, in Unix milliseconds.</param>
    /// <param name="range">Begin and end of a <see cref="ReplyKind.Range"/>.</param>
    public static void Write(ReplyBuffer output, ReplyKind kind, scoped in Answer answer, RespVersion version, long now, (long Begin, long End) range)
    {
        switch (answer.Outcome)
        {
            case Outcome.Stored when kind == ReplyKind.Ok:
                WriteOk(output);
                return;
            case Outcome.Hit when kind == ReplyKind.Value && answer.Entry.Kind == EntryKind.Bytes:
                WriteValue(output, answer.Entry);
                return;
            case Outcome.Hit or Outcome.Stored or Outcome.Removed or Outcome.Miss or Outcome.ConditionFailed:
                WriteResult(output, kind, answer, version, now, range);
                return;
            case Outcome.Done when answer.Explanation is { } explanation:
                ExplanationFormatter.Write(output, explanation, version, now);
                return;
            default:
                WriteError(output, Error(answer, kind));
                return;
        }
    }

    /// <summary>Writes an entry's value as a bulk string.</summary>
    public static void WriteValue(ReplyBuffer output, scoped in EntryView entry)
    {
        if (entry.Large is { } large)
        {
            output.Advance(RespWriter.WriteBulkHeader(output.GetSpan(RespWriter.MaxHeaderBytes), large.Length));
            output.Write(large, 0, large.Length);
            output.Write("\r\n"u8);
            return;
        }

        WriteBulk(output, entry.Value);
    }

    /// <summary>Writes a bulk string.</summary>
    public static void WriteBulk(ReplyBuffer output, scoped ReadOnlySpan<byte> value) =>
        output.Advance(RespWriter.WriteBulkString(output.GetSpan(RespWriter.BulkStringBytes(value.Length)), value));

    /// <summary>Writes a bulk string.</summary>
    public static void WriteBulk(ReplyBuffer output, string value) => WriteBulk(output, Encoding.UTF8.GetBytes(value));

    /// <summary>Writes an integer.</summary>
    public static void WriteInteger(ReplyBuffer output, long value) =>
        output.Advance(RespWriter.WriteInteger(output.GetSpan(RespWriter.MaxIntegerBytes), value));

    /// <summary>Writes a double, in RESP2 as a bulk string.</summary>
    public static void WriteDouble(ReplyBuffer output, double value, RespVersion version) =>
        output.Advance(RespWriter.WriteDouble(output.GetSpan(RespWriter.MaxDoubleBytes), value, version));

    /// <summary>Writes a figure: a long, a double, or else a string.</summary>
    public static void WriteValue(ReplyBuffer output, object value, RespVersion version)
    {
        switch (value)
        {
            case long number:
                WriteInteger(output, number);
                break;
            case double number:
                WriteDouble(output, number, version);
                break;
            default:
                WriteBulk(output, (string)value);
                break;
        }
    }

    /// <summary>Writes a null.</summary>
    public static void WriteNull(ReplyBuffer output, RespVersion version) =>
        output.Advance(RespWriter.WriteNull(output.GetSpan(RespWriter.MaxNullBytes), version));

    /// <summary>Writes an array's header.</summary>
    public static void WriteArray(ReplyBuffer output, int count) =>
        output.Advance(RespWriter.WriteArrayHeader(output.GetSpan(RespWriter.MaxHeaderBytes), count));

    /// <summary>Writes a map's header, in RESP2 that of an array of twice the length.</summary>
    public static void WriteMap(ReplyBuffer output, int pairs, RespVersion version) =>
        output.Advance(RespWriter.WriteMapHeader(output.GetSpan(RespWriter.MaxHeaderBytes), pairs, version));

    /// <summary>Writes a simple string.</summary>
    public static void WriteSimple(ReplyBuffer output, ReadOnlySpan<byte> text) =>
        output.Advance(RespWriter.WriteSimpleString(output.GetSpan(RespWriter.LineBytes(text.Length)), text));

    /// <summary>Writes +OK.</summary>
    public static void WriteOk(ReplyBuffer output) => output.Write("+OK\r\n"u8);

    /// <summary>Writes an error; the text begins with its code, for example "ERR".</summary>
    public static void WriteError(ReplyBuffer output, string text)
    {
        var bytes = Encoding.UTF8.GetBytes(text);
        output.Advance(RespWriter.WriteError(output.GetSpan(RespWriter.LineBytes(bytes.Length)), bytes));
    }

    /// <summary>The error text for an answer that is a refusal.</summary>
    public static string Error(scoped in Answer answer, ReplyKind kind = ReplyKind.Ok) => answer.Outcome switch
    {
        Outcome.TooLarge => $"ERR value too large: at most {answer.Number} bytes",
        Outcome.OutOfMemory => "OOM no memory could be freed in time for this write, try again",
        Outcome.WrongKind => "WRONGTYPE Operation against a key holding the wrong kind of value",
        Outcome.NotANumber => kind == ReplyKind.NewValue ? "ERR value is not a valid float" : "ERR value is not an integer or out of range",
        Outcome.Overflow => kind == ReplyKind.NewValue ? "ERR increment would produce NaN or Infinity" : "ERR increment or decrement would overflow",
        Outcome.Unavailable => "TRYAGAIN what holds the key (its partition, or a lower tier) did not answer; nothing is known of the operation",
        Outcome.BadKey => $"ERR key or tags too long: at most {answer.Number} bytes",
        _ => $"ERR unexpected outcome {answer.Outcome}",
    };

    private static void WriteResult(ReplyBuffer output, ReplyKind kind, scoped in Answer answer, RespVersion version, long now, (long Begin, long End) range)
    {
        var entry = answer.Entry;
        switch (kind)
        {
            case ReplyKind.Value:
                if (answer.Outcome == Outcome.Miss)
                {
                    WriteNull(output, version);
                }
                else if (entry.Kind != EntryKind.Bytes)
                {
                    WriteError(output, Error(new Answer(Outcome.WrongKind)));
                }
                else
                {
                    WriteValue(output, entry);
                }

                return;
            case ReplyKind.ValueOrNull:
                if (answer.Outcome == Outcome.Miss || entry.Kind != EntryKind.Bytes)
                {
                    WriteNull(output, version);
                }
                else
                {
                    WriteValue(output, entry);
                }

                return;
            case ReplyKind.Ok:
                if (answer.Outcome == Outcome.Stored)
                {
                    WriteOk(output);
                }
                else
                {
                    WriteNull(output, version);
                }

                return;
            case ReplyKind.Previous:
                WriteNull(output, version);
                return;
            case ReplyKind.Flag:
                WriteInteger(output, answer.Outcome is Outcome.Hit or Outcome.Stored or Outcome.Removed ? 1 : 0);
                return;
            case ReplyKind.Number:
                WriteInteger(output, answer.Number);
                return;
            case ReplyKind.NewValue:
                WriteValue(output, entry);
                return;
            case ReplyKind.Removed:
                if (answer.Outcome == Outcome.Removed)
                {
                    WriteValue(output, entry);
                }
                else
                {
                    WriteNull(output, version);
                }

                return;
            case ReplyKind.Type:
                WriteSimple(output, answer.Outcome == Outcome.Miss ? "none"u8 : entry.Kind == EntryKind.Hash ? "hash"u8 : "string"u8);
                return;
            case ReplyKind.Size or ReplyKind.References or ReplyKind.Encoding or ReplyKind.Version when answer.Outcome == Outcome.Miss:
                WriteNull(output, version);
                return;
            case ReplyKind.Size:
                WriteInteger(output, entry.SizeBytes);
                return;
            case ReplyKind.Version:
                WriteBulk(output, entry.Version.ToString(CultureInfo.InvariantCulture));
                return;
            case ReplyKind.References:
                WriteInteger(output, 1);
                return;
            case ReplyKind.Encoding:
                WriteBulk(output, Encoded(entry));
                return;
            case ReplyKind.Length or ReplyKind.Range when answer.Outcome == Outcome.Hit && entry.Kind != EntryKind.Bytes:
                WriteError(output, Error(new Answer(Outcome.WrongKind)));
                return;
            case ReplyKind.Length:
                WriteInteger(output, answer.Outcome == Outcome.Miss ? 0 : entry.ValueLength);
                return;
            case ReplyKind.Range:
                WriteRange(output, answer, range);
                return;
            default:
                WriteInteger(output, answer.Outcome == Outcome.Miss ? -2 : entry.ExpiresAt == Limits.Never ? -1 : Time(kind, entry.ExpiresAt, now));
                return;
        }
    }

    private static ReadOnlySpan<byte> Encoded(scoped in EntryView entry)
    {
        const int embeddedBytes = 44;
        if (entry.Kind == EntryKind.Hash)
        {
            return "listpack"u8;
        }

        var value = entry.Value;
        return entry.Large is null && Utf8Parser.TryParse(value, out long _, out var consumed) && consumed == value.Length ? "int"u8
            : entry.ValueLength <= embeddedBytes ? "embstr"u8
            : "raw"u8;
    }

    private static long Time(ReplyKind kind, long expiresAt, long now) => kind switch
    {
        ReplyKind.TtlSeconds => (Math.Max(0, expiresAt - now) + 500) / 1000,
        ReplyKind.TtlMs => Math.Max(0, expiresAt - now),
        ReplyKind.ExpireSeconds => (expiresAt / 1000) + (expiresAt % 1000 >= 500 ? 1 : 0),
        _ => expiresAt,
    };

    private static void WriteRange(ReplyBuffer output, scoped in Answer answer, (long Begin, long End) range)
    {
        var length = answer.Outcome == Outcome.Miss ? 0 : answer.Entry.ValueLength;
        var begin = Math.Max(0, range.Begin < 0 ? range.Begin + length : range.Begin);
        var end = Math.Min(length - 1, Math.Max(0, range.End < 0 ? range.End + length : range.End));
        if (length == 0 || begin > end || (range.Begin < 0 && range.End < 0 && range.Begin > range.End))
        {
            WriteBulk(output, ReadOnlySpan<byte>.Empty);
            return;
        }

        var count = (int)(end - begin + 1);
        if (answer.Entry.Large is { } large && count > MaxCopiedBytes)
        {
            output.Advance(RespWriter.WriteBulkHeader(output.GetSpan(RespWriter.MaxHeaderBytes), count));
            output.Write(large, (int)begin, count);
            output.Write("\r\n"u8);
        }
        else if (answer.Entry.Large is { } source)
        {
            Span<byte> bytes = stackalloc byte[count];
            source.CopyTo((int)begin, bytes);
            WriteBulk(output, bytes);
        }
        else
        {
            WriteBulk(output, answer.Entry.Value.Slice((int)begin, count));
        }
    }
}
