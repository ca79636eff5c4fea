using System.Diagnostics;

namespace Levee.Resp;

/// <summary>
/// Takes over from a <see cref="CommandParser"/> at a large argument and gathers the rest of that one command, in whatever pieces it arrives: small arguments into arrays,
/// large ones into the room that an <see cref="ILargeArgumentSource"/> gives (RESP specification, "Bulk strings").
/// </summary>
/// <remarks>
/// Small arguments are bounded together by the parser's limit on a command; large ones by their source. The assembler owns the large arguments until they are taken.
/// </remarks>
public sealed class CommandAssembler : IDisposable
{
    // What an array in a list costs beside its bytes; so that a million empty arguments meet the limit as well.
    private const int ArgumentOverheadBytes = 40;

    private readonly ILargeArgumentSource source;
    private readonly int largeThreshold;
    private readonly int maxBulk;
    private readonly int maxCommandBytes;
    private readonly List<Gathered> arguments = [];
    private readonly byte[] header = new byte[ProtocolLimits.MaxHeaderBytes];

    private Step step;
    private int headerLength;
    private int remainingArguments;
    private int remainingBytes;
    private int smallBytes;
    private bool isUnauthenticated;
    private byte[] small = [];
    private ILargeArgument? large;

    /// <summary>Creates an assembler; the limits are those of its <see cref="CommandParser"/>.</summary>
    /// <param name="source">Gives room for the large arguments.</param>
    /// <param name="largeThreshold">Arguments longer than this are large, in bytes.</param>
    /// <param name="maxBulk">The longest argument accepted, in bytes.</param>
    /// <param name="maxCommandBytes">The most bytes of all small arguments of a command together.</param>
    public CommandAssembler(ILargeArgumentSource source, int largeThreshold, int maxBulk, int maxCommandBytes)
    {
        ArgumentNullException.ThrowIfNull(source);
        ArgumentOutOfRangeException.ThrowIfLessThan(largeThreshold, 0);
        ArgumentOutOfRangeException.ThrowIfLessThan(maxBulk, largeThreshold);
        ArgumentOutOfRangeException.ThrowIfLessThanOrEqual(maxCommandBytes, largeThreshold);
        this.source = source;
        this.largeThreshold = largeThreshold;
        this.maxBulk = maxBulk;
        this.maxCommandBytes = maxCommandBytes;
    }

    // What the next byte belongs to.
    private enum Step
    {
        Header,
        Room,
        Small,
        Large,
        Swallow,
        LineEnd,
    }

    /// <summary>How far the command has come.</summary>
    public AssemblerStatus Status { get; private set; }

    /// <summary>Whether the command's large arguments were given up: it ends as complete, and only its first arguments are there.</summary>
    public bool IsDiscarded { get; private set; }

    /// <summary>How many arguments have been gathered, the command's name included; of a discarded command those before it was discarded.</summary>
    public int Count => arguments.Count;

    /// <summary>What the small arguments that have been gathered take, in bytes.</summary>
    public int SmallBytes => smallBytes;

    /// <summary>While an argument cannot begin for want of room: its length in bytes.</summary>
    public int LargeLength => step == Step.Room ? remainingBytes : 0;

    /// <summary>After <see cref="AssemblerStatus.Invalid"/>: what is wrong, ready for an error reply (without <c>-ERR</c>).</summary>
    public string? Error { get; private set; }

    /// <summary>Starts with what the parser found before the large argument. Then <see cref="Feed"/> takes the input behind the parser's <see cref="CommandParser.ConsumedBytes"/>.</summary>
    /// <param name="parser">A parser that has just reported <see cref="CommandStatus.Large"/>.</param>
    /// <param name="input">The input it was given.</param>
    public void Begin(CommandParser parser, ReadOnlySpan<byte> input)
    {
        ArgumentNullException.ThrowIfNull(parser);
        Reset();
        for (var index = 0; index < parser.Count; index++)
        {
            var argument = parser.Argument(input, index).ToArray();
            smallBytes += argument.Length + ArgumentOverheadBytes;
            arguments.Add(new Gathered(argument, null));
        }

        isUnauthenticated = parser.IsUnauthenticated;
        remainingArguments = parser.RemainingArguments;
        remainingBytes = parser.LargeLength;
        step = Step.Room;
        Status = AssemblerStatus.Incomplete;
    }

    /// <summary>Takes what belongs to the command from the front of the input.</summary>
    /// <param name="input">What has arrived and was not taken yet.</param>
    /// <returns>How many bytes were taken.</returns>
    public int Feed(ReadOnlySpan<byte> input)
    {
        if (Status is not (AssemblerStatus.Incomplete or AssemblerStatus.NeedsRoom))
        {
            return 0;
        }

        Status = AssemblerStatus.Incomplete;
        var position = 0;
        while (Status == AssemblerStatus.Incomplete && (position < input.Length || step == Step.Room))
        {
            position += step switch
            {
                Step.Header => TakeHeader(input[position..]),
                Step.Room => TakeRoom(),
                Step.Small => TakeSmall(input[position..]),
                Step.Large => TakeLarge(input[position..]),
                Step.Swallow => Swallow(input[position..]),
                Step.LineEnd => TakeLineEnd(input[position..]),
                _ => throw new UnreachableException(),
            };
        }

        return position;
    }

    /// <summary>Gives up the command's large arguments: those gathered are disposed, the rest of the command is swallowed as it comes.</summary>
    public void Discard()
    {
        if (IsDiscarded || Status is AssemblerStatus.Idle or AssemblerStatus.Complete or AssemblerStatus.Invalid)
        {
            return;
        }

        IsDiscarded = true;
        DisposeLarge();
        small = [];
        arguments.RemoveAll(static argument => argument.IsLarge);
        if (step is Step.Room or Step.Small or Step.Large)
        {
            step = Step.Swallow;
        }

        Status = AssemblerStatus.Incomplete;
    }

    /// <summary>Whether an argument is a large one.</summary>
    /// <param name="index">Below <see cref="Count"/>.</param>
    public bool IsLarge(int index) => arguments[index].IsLarge;

    /// <summary>The bytes of a small argument.</summary>
    /// <param name="index">Below <see cref="Count"/>, and not of a large argument.</param>
    public ReadOnlyMemory<byte> Argument(int index)
        => arguments[index].Bytes ?? throw new InvalidOperationException($"Argument {index} is a large one.");

    /// <summary>Hands a large argument over: from now on it is the caller's to dispose.</summary>
    /// <param name="index">Below <see cref="Count"/>, and of a large argument that was not taken yet.</param>
    public ILargeArgument TakeLarge(int index)
    {
        var taken = arguments[index].Large ?? throw new InvalidOperationException($"Argument {index} is not a large one, or was taken before.");
        arguments[index] = new Gathered(null, null);
        return taken;
    }

    /// <summary>Puts plain bytes in the place of a large argument that was taken: from now on it is a small one.</summary>
    /// <param name="index">Below <see cref="Count"/>, of an argument that <see cref="TakeLarge(int)"/> gave away.</param>
    /// <param name="bytes">Its bytes.</param>
    public void PutBack(int index, byte[] bytes) => arguments[index] = new Gathered(bytes, null);

    /// <summary>Forgets the command and disposes the large arguments that nobody took.</summary>
    public void Reset()
    {
        DisposeLarge();
        arguments.Clear();
        if (arguments.Capacity > 1024)
        {
            arguments.Capacity = 0;
        }

        small = [];
        step = Step.Header;
        headerLength = 0;
        remainingArguments = 0;
        remainingBytes = 0;
        smallBytes = 0;
        Status = AssemblerStatus.Idle;
        IsDiscarded = false;
        Error = null;
    }

    /// <inheritdoc/>
    public void Dispose() => Reset();

    private int TakeHeader(ReadOnlySpan<byte> input)
    {
        var taken = 0;
        while (taken < input.Length)
        {
            header[headerLength++] = input[taken++];
            if (header[0] != (byte)'$')
            {
                Refuse(ProtocolErrors.ExpectedBulk(header[0]));
                return taken;
            }

            var status = HeaderLine.Read(header.AsSpan(0, headerLength), 0, out var length, out _);
            if (status == CommandStatus.Incomplete && headerLength < header.Length)
            {
                continue;
            }

            headerLength = 0;
            if (status != CommandStatus.Complete || length < 0 || length > maxBulk)
            {
                Refuse(ProtocolErrors.InvalidBulkLength);
                return taken;
            }

            if (isUnauthenticated && length > ProtocolLimits.MaxUnauthenticatedBulkBytes)
            {
                Refuse(ProtocolErrors.UnauthenticatedBulkLength);
                return taken;
            }

            BeginArgument((int)length);
            return taken;
        }

        return taken;
    }

    private void BeginArgument(int length)
    {
        remainingBytes = length;
        if (IsDiscarded)
        {
            step = length > 0 ? Step.Swallow : Step.LineEnd;
        }
        else if (length > largeThreshold)
        {
            step = Step.Room;
        }
        else if (smallBytes + length + ArgumentOverheadBytes > maxCommandBytes)
        {
            Refuse(ProtocolErrors.TooBigCommand(maxCommandBytes));
        }
        else
        {
            smallBytes += length + ArgumentOverheadBytes;
            small = length > 0 ? new byte[length] : [];
            step = length > 0 ? Step.Small : Step.LineEnd;
        }
    }

    private int TakeRoom()
    {
        large = source.TryCreate(remainingBytes);
        if (large is null)
        {
            Status = AssemblerStatus.NeedsRoom;
        }
        else
        {
            step = Step.Large;
        }

        return 0;
    }

    private int TakeSmall(ReadOnlySpan<byte> input)
    {
        var taken = Math.Min(input.Length, remainingBytes);
        input[..taken].CopyTo(small.AsSpan(small.Length - remainingBytes));
        return Took(taken);
    }

    private int TakeLarge(ReadOnlySpan<byte> input)
    {
        var room = large!.Unfilled();
        var taken = Math.Min(Math.Min(input.Length, room.Length), remainingBytes);
        if (taken == 0)
        {
            Status = AssemblerStatus.NeedsRoom;
            return 0;
        }

        input[..taken].CopyTo(room);
        large.Advance(taken);
        return Took(taken);
    }

    private int Swallow(ReadOnlySpan<byte> input) => Took(Math.Min(input.Length, remainingBytes));

    private int Took(int taken)
    {
        remainingBytes -= taken;
        if (remainingBytes == 0)
        {
            step = Step.LineEnd;
        }

        return taken;
    }

    private int TakeLineEnd(ReadOnlySpan<byte> input)
    {
        // headerLength counts the bytes of the line end that have come.
        var expected = headerLength == 0 ? (byte)'\r' : (byte)'\n';
        if (input[0] != expected)
        {
            Refuse(ProtocolErrors.ExpectedLineEnd);
            return 1;
        }

        if (headerLength == 0)
        {
            headerLength = 1;
            return 1;
        }

        headerLength = 0;
        step = Step.Header;
        if (!IsDiscarded)
        {
            arguments.Add(new Gathered(large is null ? small : null, large));
            large = null;
            small = [];
        }

        remainingArguments--;
        Status = remainingArguments == 0 ? AssemblerStatus.Complete : AssemblerStatus.Incomplete;
        return 1;
    }

    private void Refuse(string error)
    {
        DisposeLarge();
        Error = error;
        Status = AssemblerStatus.Invalid;
    }

    private void DisposeLarge()
    {
        large?.Dispose();
        large = null;
        foreach (var argument in arguments)
        {
            argument.Large?.Dispose();
        }
    }

    // A large argument that was taken has neither.
    private readonly record struct Gathered(byte[]? Bytes, ILargeArgument? Large)
    {
        public bool IsLarge => Bytes is null;
    }
}
