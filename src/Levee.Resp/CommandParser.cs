using System.Diagnostics;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Text;

namespace Levee.Resp;

/// <summary>
/// Finds the commands in a connection's input, in place: arguments are ranges of the input, nothing is copied (RESP specification, "Sending commands to a Redis server" and "Inline commands").
/// </summary>
/// <remarks>
/// <para>One parser per connection. The caller passes its unconsumed bytes; after <see cref="CommandStatus.Complete"/> it drops <see cref="ConsumedBytes"/> of them and calls again.
/// After <see cref="CommandStatus.Incomplete"/> it calls again with the same bytes and more behind them. The parser remembers where it stopped, at an argument's header or within an
/// inline line, so a sender that trickles many arguments costs O(n).</para>
/// <para>Lines of an HTTP request are refused. Stricter than Redis in two places: the two bytes behind a header and behind a bulk string must be CR LF (Redis skips them unread), and a header line is at most 32 bytes.</para>
/// </remarks>
public sealed class CommandParser
{
    private const int FirstRanges = 2 * 16;

    // A connection that once sent a huge command gives its ranges back at its next one.
    private const int RetainedRanges = 2 * 8192;

    private const ushort LineEnd = 0x0A0D;

    private readonly int largeThreshold;
    private readonly int maxBulk;
    private readonly int maxCommandBytes;

    // Start and length of each argument. A start below zero is the complement of an offset in decoded: an inline argument that had quotes.
    private int[] ranges = new int[FirstRanges];
    private byte[]? decoded;

    // Where a multibulk command under way goes on: at the header of its next argument.
    private int position;

    // How much of an inline command under way has been searched for its line end; 0 between commands.
    private int searched;

    // Arguments of the multibulk command under way that are still to come; 0 between commands.
    private int pending;

    /// <summary>Creates a parser for one connection.</summary>
    /// <param name="largeThreshold">An argument longer than this, in bytes, is not waited for but reported as <see cref="CommandStatus.Large"/>; at least 1,024.</param>
    /// <param name="maxBulk">The longest argument accepted, in bytes; at least <paramref name="largeThreshold"/>.</param>
    /// <param name="maxCommandBytes">The most bytes of one command, framing included and large arguments not; above <paramref name="largeThreshold"/>, at most 1 GiB.</param>
    public CommandParser(int largeThreshold, int maxBulk, int maxCommandBytes)
    {
        // The fast path takes lengths of up to three digits without looking at any limit.
        ArgumentOutOfRangeException.ThrowIfLessThan(largeThreshold, 1024);
        ArgumentOutOfRangeException.ThrowIfLessThan(maxBulk, largeThreshold);
        ArgumentOutOfRangeException.ThrowIfLessThanOrEqual(maxCommandBytes, largeThreshold);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(maxCommandBytes, 1 << 30);
        this.largeThreshold = largeThreshold;
        this.maxBulk = maxBulk;
        this.maxCommandBytes = maxCommandBytes;
    }

    /// <summary>Whether the sender has not authenticated yet: then only short commands are read, as in Redis.</summary>
    public bool IsUnauthenticated { get; set; }

    /// <summary>How many arguments were found, the command's name included. An empty line and <c>*0</c> have none.</summary>
    public int Count { get; private set; }

    /// <summary>After <see cref="CommandStatus.Complete"/>: the command's bytes. After <see cref="CommandStatus.Large"/>: all up to the first byte of the large argument.</summary>
    public int ConsumedBytes { get; private set; }

    /// <summary>After <see cref="CommandStatus.Incomplete"/>: an input shorter than this cannot get any further. Lets the caller grow its buffer once.</summary>
    public int NeededBytes { get; private set; }

    /// <summary>After <see cref="CommandStatus.Large"/>: the length of the large argument.</summary>
    public int LargeLength { get; private set; }

    /// <summary>After <see cref="CommandStatus.Large"/>: how many arguments are to come, the large one included.</summary>
    public int RemainingArguments { get; private set; }

    /// <summary>After <see cref="CommandStatus.Invalid"/>: what is wrong, ready for an error reply (without <c>-ERR</c>).</summary>
    public string? Error { get; private set; }

    /// <summary>What the parser holds beyond a new one, in bytes.</summary>
    public int HeldBytes => ((ranges.Length - FirstRanges) * sizeof(int)) + (decoded?.Length ?? 0);

    /// <summary>Between commands: gives memory back that the next one will hardly need.</summary>
    public void Shrink()
    {
        if (pending == 0 && searched == 0)
        {
            ranges = ranges.Length > FirstRanges ? new int[FirstRanges] : ranges;
            decoded = null;
            Count = 0;
        }
    }

    /// <summary>Looks for a command at the start of the input.</summary>
    /// <param name="input">From the first unconsumed byte on.</param>
    public CommandStatus Parse(ReadOnlySpan<byte> input)
    {
        if (pending != 0)
        {
            return ParseArguments(input, position);
        }

        Count = 0;
        if (input.Length >= 4)
        {
            // "*d\r\n" with d from 1 to 9, as one word.
            var word = ReadWord32(ref MemoryMarshal.GetReference(input));
            var count = ((word >> 8) & 0xFF) - '0';
            if ((word & 0xFFFF00FF) == 0x0A0D002A && count - 1 <= 8)
            {
                pending = (int)count;
                return ParseArguments(input, 4);
            }
        }

        return ParseOther(input);
    }

    /// <summary>An argument of the command found, by its index; 0 is the command's name.</summary>
    /// <param name="input">The same bytes as passed to <see cref="Parse"/>.</param>
    /// <param name="index">Below <see cref="Count"/>.</param>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public ReadOnlySpan<byte> Argument(ReadOnlySpan<byte> input, int index)
    {
        Debug.Assert((uint)index < (uint)Count, "The command has no such argument.");
        var ranges = this.ranges;
        var start = ranges[2 * index];
        var length = ranges[(2 * index) + 1];
        return start >= 0 ? input.Slice(start, length) : decoded.AsSpan(~start, length);
    }

    /// <summary>Where an argument stands in the input, for callers that keep the buffer; an inline argument with quotes stands nowhere and answers false.</summary>
    /// <param name="index">Below <see cref="Count"/>.</param>
    /// <param name="start">Its first byte.</param>
    /// <param name="length">Its length.</param>
    public bool TryGetRange(int index, out int start, out int length)
    {
        start = ranges[2 * index];
        length = ranges[(2 * index) + 1];
        return start >= 0;
    }

    /// <summary>Forgets a command under way, and any memory beyond a new parser's.</summary>
    public void Reset()
    {
        ranges = ranges.Length > FirstRanges ? new int[FirstRanges] : ranges;
        decoded = null;
        position = 0;
        searched = 0;
        pending = 0;
        Count = 0;
        ConsumedBytes = 0;
        NeededBytes = 0;
        LargeLength = 0;
        RemainingArguments = 0;
        Error = null;
    }

    /// <summary>The hot path: arguments of up to 999 bytes whose header and payload have arrived. All else is handed to <see cref="ParseOtherArgument"/>.</summary>
    private CommandStatus ParseArguments(ReadOnlySpan<byte> input, int position)
    {
        ref var origin = ref MemoryMarshal.GetReference(input);
        var ranges = this.ranges;
        var next = 2 * Count;
        var pending = this.pending;
        do
        {
            if (next == ranges.Length)
            {
                Array.Resize(ref this.ranges, 2 * ranges.Length);
                ranges = this.ranges;
            }

            if (input.Length - position >= 8)
            {
                // "$d\r\n", "$dd\r\n" or "$ddd\r\n" lie within the next 8 bytes: compare the frame and take the digits out of one word.
                var word = ReadWord64(ref Unsafe.Add(ref origin, position));
                var first = ((uint)(word >> 8) & 0xFF) - '0';
                var second = ((uint)(word >> 16) & 0xFF) - '0';
                int payload;
                int length;
                if ((word & 0xFFFF00FF) == 0x0A0D0024 && first <= 9)
                {
                    payload = position + 4;
                    length = (int)first;
                }
                else if ((word & 0xFF_FF00_00FF) == 0x0A_0D00_0024 && first - 1 <= 8 && second <= 9)
                {
                    payload = position + 5;
                    length = (int)((first * 10) + second);
                }
                else
                {
                    var third = ((uint)(word >> 24) & 0xFF) - '0';
                    if ((word & 0xFFFF_0000_00FF) != 0x0A0D_0000_0024 || first - 1 > 8 || second > 9 || third > 9)
                    {
                        goto Other;
                    }

                    payload = position + 6;
                    length = (int)((first * 100) + (second * 10) + third);
                }

                var end = payload + length;
                if (end + 2 <= input.Length && ReadWord16(ref Unsafe.Add(ref origin, end)) == LineEnd)
                {
                    ranges[next] = payload;
                    ranges[next + 1] = length;
                    next += 2;
                    position = end + 2;
                    pending--;
                    continue;
                }
            }

        Other:
            Count = next >> 1;
            this.pending = pending;
            var status = ParseOtherArgument(input, ref position);
            if (status != CommandStatus.Complete)
            {
                return status;
            }

            next += 2;
            pending--;
        }
        while (pending != 0);

        this.pending = 0;
        if (position > maxCommandBytes)
        {
            return Refuse(ProtocolErrors.TooBigCommand(maxCommandBytes));
        }

        Count = next >> 1;
        ConsumedBytes = position;
        return CommandStatus.Complete;
    }

    /// <summary>One argument at a time, with every check: long ones, those at the input's end, and nonsense.</summary>
    private CommandStatus ParseOtherArgument(ReadOnlySpan<byte> input, ref int position)
    {
        this.position = position;
        if (position >= maxCommandBytes)
        {
            return Refuse(ProtocolErrors.TooBigCommand(maxCommandBytes));
        }

        if (position >= input.Length)
        {
            return AwaitMore(position + 6);
        }

        if (input[position] != (byte)'$')
        {
            return Refuse(ProtocolErrors.ExpectedBulk(input[position]));
        }

        var header = HeaderLine.Read(input, position, out var length, out var payload);
        if (header == CommandStatus.Incomplete)
        {
            return AwaitMore(input.Length + 1);
        }

        if (header == CommandStatus.Invalid || length < 0 || length > maxBulk)
        {
            return Refuse(ProtocolErrors.InvalidBulkLength);
        }

        if (IsUnauthenticated && length > ProtocolLimits.MaxUnauthenticatedBulkBytes)
        {
            return Refuse(ProtocolErrors.UnauthenticatedBulkLength);
        }

        if (length > largeThreshold)
        {
            LargeLength = (int)length;
            RemainingArguments = pending;
            ConsumedBytes = payload;
            pending = 0;
            return CommandStatus.Large;
        }

        var end = payload + (int)length;
        if (end + 2 > maxCommandBytes)
        {
            return Refuse(ProtocolErrors.TooBigCommand(maxCommandBytes));
        }

        if (end + 2 > input.Length)
        {
            return AwaitMore(end + 2);
        }

        if (input[end] != (byte)'\r' || input[end + 1] != (byte)'\n')
        {
            return Refuse(ProtocolErrors.ExpectedLineEnd);
        }

        ranges[2 * Count] = payload;
        ranges[(2 * Count) + 1] = (int)length;
        position = end + 2;
        return CommandStatus.Complete;
    }

    /// <summary>The start of a command that the fast path does not know: ten arguments and more, none, inline, or not enough bytes yet.</summary>
    private CommandStatus ParseOther(ReadOnlySpan<byte> input)
    {
        if (ranges.Length > RetainedRanges)
        {
            ranges = new int[FirstRanges];
        }

        if (input.IsEmpty)
        {
            return AwaitMore(1);
        }

        if (input[0] != (byte)'*')
        {
            return ParseInline(input);
        }

        var header = HeaderLine.Read(input, 0, out var count, out var end);
        if (header == CommandStatus.Incomplete)
        {
            return AwaitMore(input.Length + 1);
        }

        if (header == CommandStatus.Invalid || count > ProtocolLimits.MaxArguments)
        {
            return Refuse(ProtocolErrors.InvalidMultibulkLength);
        }

        if (IsUnauthenticated && count > ProtocolLimits.MaxUnauthenticatedArguments)
        {
            return Refuse(ProtocolErrors.UnauthenticatedMultibulkLength);
        }

        if (count <= 0)
        {
            ConsumedBytes = end;
            return CommandStatus.Complete;
        }

        pending = (int)count;
        return ParseArguments(input, end);
    }

    private CommandStatus ParseInline(ReadOnlySpan<byte> input)
    {
        var searched = this.searched;
        var newline = input[searched..].IndexOf((byte)'\n');
        if (newline < 0)
        {
            this.searched = input.Length;
            return input.Length > ProtocolLimits.MaxInlineBytes ? Refuse(ProtocolErrors.TooBigInlineRequest) : AwaitMore(input.Length + 1);
        }

        newline += searched;
        this.searched = 0;
        if (newline > ProtocolLimits.MaxInlineBytes)
        {
            return Refuse(ProtocolErrors.TooBigInlineRequest);
        }

        // A CR before the LF is white space like any other.
        if (!TrySplit(input[..newline]))
        {
            return Refuse(ProtocolErrors.UnbalancedQuotes);
        }

        if (IsHttp(input))
        {
            return Refuse(ProtocolErrors.HttpRequest);
        }

        ConsumedBytes = newline + 1;
        return CommandStatus.Complete;
    }

    /// <summary>
    /// Whether the line that was split is of an HTTP request: a web page, or a server that can be talked into a request, could have commands carried out that stand in the body. A request line ends in its version, whatever
    /// the method; POST and Host are refused alone, as Redis does. A client of Redis sends neither by an inline command.
    /// </summary>
    private bool IsHttp(ReadOnlySpan<byte> input) =>
        Count > 0
        && (Ascii.EqualsIgnoreCase(Argument(input, 0), "POST"u8)
            || Ascii.EqualsIgnoreCase(Argument(input, 0), "Host:"u8)
            || (Count > 2 && Argument(input, Count - 1).StartsWith("HTTP/"u8)));

    /// <summary>Splits an inline command at white space, with quotes as Redis' sdssplitargs reads them: a closing quote must end the argument.</summary>
    private bool TrySplit(ReadOnlySpan<byte> line)
    {
        var decodedLength = 0;
        var position = 0;
        while (true)
        {
            while (position < line.Length && IsBlank(line[position]))
            {
                position++;
            }

            if (position == line.Length)
            {
                return true;
            }

            var start = position;
            while (position < line.Length && !IsBlank(line[position]) && line[position] is not ((byte)'"' or (byte)'\''))
            {
                position++;
            }

            if (position == line.Length || IsBlank(line[position]))
            {
                AddRange(start, position - start);
                continue;
            }

            // Decoding only ever shrinks, so the line's length bounds all its arguments together.
            if (decoded is null || decoded.Length < line.Length)
            {
                Debug.Assert(decodedLength == 0, "The buffer is as long as the line from its first quote on.");
                decoded = new byte[Math.Max(256, line.Length)];
            }

            var decodedStart = decodedLength;
            position = start;
            if (!TryDecode(line, ref position, decoded, ref decodedLength))
            {
                Count = 0;
                return false;
            }

            AddRange(~decodedStart, decodedLength - decodedStart);
        }
    }

    private static bool TryDecode(ReadOnlySpan<byte> line, ref int position, Span<byte> decoded, ref int decodedLength)
    {
        while (position < line.Length && !IsBlank(line[position]))
        {
            var quote = line[position];
            if (quote is not ((byte)'"' or (byte)'\''))
            {
                decoded[decodedLength++] = quote;
                position++;
                continue;
            }

            position++;
            while (position < line.Length && line[position] != quote)
            {
                decoded[decodedLength++] = quote == (byte)'"' ? Unescape(line, ref position) : UnescapeSingle(line, ref position);
            }

            position++;
            return position == line.Length || (position < line.Length && IsBlank(line[position]));
        }

        return true;
    }

    private static byte Unescape(ReadOnlySpan<byte> line, ref int position)
    {
        var current = line[position++];
        if (current != (byte)'\\' || position == line.Length)
        {
            return current;
        }

        var escaped = line[position++];
        if (escaped == (byte)'x' && position + 2 <= line.Length && char.IsAsciiHexDigit((char)line[position]) && char.IsAsciiHexDigit((char)line[position + 1]))
        {
            var value = (HexDigit(line[position]) << 4) | HexDigit(line[position + 1]);
            position += 2;
            return (byte)value;
        }

        return escaped switch
        {
            (byte)'n' => (byte)'\n',
            (byte)'r' => (byte)'\r',
            (byte)'t' => (byte)'\t',
            (byte)'b' => (byte)'\b',
            (byte)'a' => (byte)'\a',
            _ => escaped,
        };
    }

    private static byte UnescapeSingle(ReadOnlySpan<byte> line, ref int position)
    {
        if (line[position] == (byte)'\\' && position + 1 < line.Length && line[position + 1] == (byte)'\'')
        {
            position++;
        }

        return line[position++];
    }

    private static int HexDigit(byte digit) => digit <= (byte)'9' ? digit - '0' : (digit | 0x20) - 'a' + 10;

    private static bool IsBlank(byte value) => value is (byte)' ' or (>= (byte)'\t' and <= (byte)'\r');

    private void AddRange(int start, int length)
    {
        if (2 * Count == ranges.Length)
        {
            Array.Resize(ref ranges, 2 * ranges.Length);
        }

        ranges[2 * Count] = start;
        ranges[(2 * Count) + 1] = length;
        Count++;
    }

    private CommandStatus AwaitMore(int neededBytes)
    {
        NeededBytes = neededBytes;
        return CommandStatus.Incomplete;
    }

    private CommandStatus Refuse(string error)
    {
        Error = error;
        Count = 0;
        pending = 0;
        searched = 0;
        return CommandStatus.Invalid;
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static ulong ReadWord64(ref byte source)
    {
        var word = Unsafe.ReadUnaligned<ulong>(ref source);
        return BitConverter.IsLittleEndian ? word : System.Buffers.Binary.BinaryPrimitives.ReverseEndianness(word);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static uint ReadWord32(ref byte source)
    {
        var word = Unsafe.ReadUnaligned<uint>(ref source);
        return BitConverter.IsLittleEndian ? word : System.Buffers.Binary.BinaryPrimitives.ReverseEndianness(word);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static ushort ReadWord16(ref byte source)
    {
        var word = Unsafe.ReadUnaligned<ushort>(ref source);
        return BitConverter.IsLittleEndian ? word : System.Buffers.Binary.BinaryPrimitives.ReverseEndianness(word);
    }
}
