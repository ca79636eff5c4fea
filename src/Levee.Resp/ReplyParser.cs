using System.Buffers.Text;
using System.Diagnostics;

namespace Levee.Resp;

/// <summary>
/// Reads a server's replies in RESP2 and RESP3, in whatever pieces they arrive (RESP specification, "RESP protocol description"). It takes all it is given up to the end of a reply, so its
/// caller needs no buffer that grows. Attributes are read and dropped; streamed strings and aggregates, which no server sends unasked, are refused.
/// </summary>
public sealed class ReplyParser
{
    /// <summary>The deepest nesting of aggregates.</summary>
    public const int MaxDepth = 32;

    private const int MaxLineBytes = 64 * 1024;

    // What an element takes in an aggregate, so that a header alone cannot ask for more memory than the limit on bytes allows.
    private const int ElementBytes = 24;

    private const int FirstElements = 64;

    private readonly int maxReplyBytes;
    private readonly Frame[] frames = new Frame[MaxDepth];
    private int depth;
    private Step step;

    // A line whose start came with an earlier piece.
    private byte[] line = [];
    private int lineLength;

    private byte bulkType;
    private byte[] bulk = [];
    private int filled;
    private long replyBytes;

    /// <summary>Creates a parser for one connection.</summary>
    /// <param name="maxReplyBytes">The most memory of one reply, in bytes.</param>
    public ReplyParser(int maxReplyBytes)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(maxReplyBytes, 1024);
        this.maxReplyBytes = maxReplyBytes;
    }

    private enum Step
    {
        Line,
        Bulk,
        CarriageReturn,
        LineFeed,
    }

    /// <summary>How far the reply has come.</summary>
    public ReplyStatus Status { get; private set; }

    /// <summary>After <see cref="ReplyStatus.Complete"/>: the reply.</summary>
    public RespValue Value { get; private set; }

    /// <summary>After <see cref="ReplyStatus.Invalid"/>: what is wrong.</summary>
    public string? Error { get; private set; }

    /// <summary>Takes bytes up to the end of one reply.</summary>
    /// <param name="input">What has arrived and was not taken yet.</param>
    /// <returns>How many bytes were taken.</returns>
    public int Feed(ReadOnlySpan<byte> input)
    {
        if (Status == ReplyStatus.Invalid)
        {
            return 0;
        }

        Status = ReplyStatus.Incomplete;
        Value = default;
        var position = 0;
        while (Status == ReplyStatus.Incomplete && position < input.Length)
        {
            position += step switch
            {
                Step.Line => TakeLine(input[position..]),
                Step.Bulk => TakeBulk(input[position..]),
                Step.CarriageReturn => TakeEnd(input[position], (byte)'\r'),
                Step.LineFeed => TakeEnd(input[position], (byte)'\n'),
                _ => throw new UnreachableException(),
            };
        }

        return position;
    }

    private int TakeLine(ReadOnlySpan<byte> input)
    {
        var feed = input.IndexOf((byte)'\n');
        var taken = feed < 0 ? input.Length : feed + 1;
        if (lineLength == 0 && feed >= 0)
        {
            TakeWholeLine(input[..taken]);
            return taken;
        }

        if (lineLength + taken > MaxLineBytes)
        {
            Refuse($"a line of more than {MaxLineBytes} bytes");
            return taken;
        }

        if (lineLength + taken > line.Length)
        {
            Array.Resize(ref line, Math.Max(64, 2 * (lineLength + taken)));
        }

        input[..taken].CopyTo(line.AsSpan(lineLength));
        lineLength += taken;
        if (feed >= 0)
        {
            var length = lineLength;
            lineLength = 0;
            TakeWholeLine(line.AsSpan(0, length));
        }

        return taken;
    }

    private void TakeWholeLine(ReadOnlySpan<byte> line)
    {
        if (line.Length < 3 || line[^2] != (byte)'\r')
        {
            Refuse("a line without a type or without CR LF");
            return;
        }

        var type = line[0];
        var text = line[1..^2];
        replyBytes += ElementBytes + text.Length;
        if (replyBytes > maxReplyBytes)
        {
            Refuse($"a reply of more than {maxReplyBytes} bytes");
            return;
        }

        switch (type)
        {
            case (byte)'+':
                Add(RespValue.Text(RespKind.SimpleString, text.ToArray()));
                break;
            case (byte)'-':
                Add(RespValue.Text(RespKind.Error, text.ToArray()));
                break;
            case (byte)'(':
                Add(RespValue.Text(RespKind.BigNumber, text.ToArray()));
                break;
            case (byte)':' when Utf8Parser.TryParse(text, out long integer, out var used) && used == text.Length:
                Add(RespValue.Integer(integer));
                break;
            case (byte)',' when RespValue.TryParseDouble(text, out var number):
                Add(RespValue.Double(number));
                break;
            case (byte)'#' when text.Length == 1 && text[0] is (byte)'t' or (byte)'f':
                Add(RespValue.Boolean(text[0] == (byte)'t'));
                break;
            case (byte)'_' when text.IsEmpty:
                Add(default);
                break;
            case (byte)'$' or (byte)'=' or (byte)'!' when HeaderLine.TryParseNumber(text, out var length):
                BeginBulk(type, length);
                break;
            case (byte)'*' or (byte)'%' or (byte)'~' or (byte)'>' or (byte)'|' when HeaderLine.TryParseNumber(text, out var count):
                BeginAggregate(type, count);
                break;
            default:
                Refuse($"a line that is no RESP: type '{(type is >= 0x20 and < 0x7f ? (char)type : '?')}', {line.Length} bytes");
                break;
        }
    }

    private void BeginBulk(byte type, long length)
    {
        if (length == -1 && type == (byte)'$')
        {
            Add(default);
            return;
        }

        if (length < 0 || replyBytes + length > maxReplyBytes)
        {
            Refuse($"a string of {length} bytes; a reply may have {maxReplyBytes}");
            return;
        }

        replyBytes += length;
        bulkType = type;
        bulk = length > 0 ? new byte[length] : [];
        filled = 0;
        step = length > 0 ? Step.Bulk : Step.CarriageReturn;
    }

    private int TakeBulk(ReadOnlySpan<byte> input)
    {
        var taken = Math.Min(input.Length, bulk.Length - filled);
        input[..taken].CopyTo(bulk.AsSpan(filled));
        filled += taken;
        if (filled == bulk.Length)
        {
            step = Step.CarriageReturn;
        }

        return taken;
    }

    private int TakeEnd(byte found, byte expected)
    {
        if (found != expected)
        {
            Refuse("a string that does not end with CR LF");
        }
        else if (step == Step.CarriageReturn)
        {
            step = Step.LineFeed;
        }
        else
        {
            step = Step.Line;
            var bulk = this.bulk;
            this.bulk = [];
            AddBulk(bulk);
        }

        return 1;
    }

    private void AddBulk(byte[] bulk)
    {
        switch (bulkType)
        {
            case (byte)'$':
                Add(RespValue.Text(RespKind.BulkString, bulk));
                break;
            case (byte)'!':
                Add(RespValue.Text(RespKind.Error, bulk));
                break;
            case (byte)'=' when bulk.Length >= RespWriter.VerbatimPrefixBytes && bulk[3] == (byte)':':
                Add(RespValue.Text(RespKind.VerbatimString, bulk[RespWriter.VerbatimPrefixBytes..]));
                break;
            default:
                Refuse("a verbatim string without a format");
                break;
        }
    }

    private void BeginAggregate(byte type, long count)
    {
        if (count == -1 && type == (byte)'*')
        {
            Add(default);
            return;
        }

        var elements = type is (byte)'%' or (byte)'|' ? 2 * count : count;
        if (count < 0 || elements > maxReplyBytes / ElementBytes)
        {
            Refuse($"an aggregate of {count} elements; a reply may have {maxReplyBytes} bytes");
            return;
        }

        if (depth == MaxDepth)
        {
            Refuse($"aggregates nested deeper than {MaxDepth}");
            return;
        }

        frames[depth++] = new Frame { Type = type, Expected = (int)elements, Items = elements == 0 ? [] : new RespValue[Math.Min(elements, FirstElements)] };
        Close();
    }

    private void Add(RespValue value)
    {
        if (depth == 0)
        {
            replyBytes = 0;
            Value = value;
            Status = ReplyStatus.Complete;
            return;
        }

        ref var frame = ref frames[depth - 1];
        if (frame.Count == frame.Items.Length)
        {
            Array.Resize(ref frame.Items, Math.Min(frame.Expected, 2 * frame.Count));
        }

        frame.Items[frame.Count++] = value;
        Close();
    }

    // Adds the innermost aggregate to the one around it when it is whole. The recursion with Add is as deep as the nesting.
    private void Close()
    {
        var frame = frames[depth - 1];
        if (frame.Count < frame.Expected)
        {
            return;
        }

        frames[--depth] = default;
        var kind = frame.Type switch
        {
            (byte)'*' => RespKind.Array,
            (byte)'%' => RespKind.Map,
            (byte)'~' => RespKind.Set,
            (byte)'>' => RespKind.Push,
            _ => RespKind.Null,
        };

        // An attribute stands before a value and is none itself.
        if (kind != RespKind.Null)
        {
            Add(RespValue.Aggregate(kind, frame.Items));
        }
    }

    private void Refuse(string what)
    {
        Error = $"The server sent {what}.";
        Status = ReplyStatus.Invalid;
    }

    private struct Frame
    {
        public byte Type;
        public int Expected;
        public int Count;
        public RespValue[] Items;
    }
}
