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

    private readonly ILargeArgumentSource _source;
    private readonly int _largeThreshold;
    private readonly int _maxBulk;
    private readonly int _maxCommandBytes;
    private readonly List<Gathered> _arguments = [];
    private readonly byte[] _header = new byte[ProtocolLimits.MaxHeaderBytes];

    private Step _step;
    private int _headerLength;
    private int _remainingArguments;
    private int _remainingBytes;
    private int _smallBytes;
    private bool _isUnauthenticated;
    private byte[] _small = [];
    private ILargeArgument? _large;

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
        _source = source;
        _largeThreshold = largeThreshold;
        _maxBulk = maxBulk;
        _maxCommandBytes = maxCommandBytes;
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
    public int Count => _arguments.Count;

    /// <summary>While room is needed: for how many bytes.</summary>
    public int LargeLength => _step == Step.Room ? _remainingBytes : 0;

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
            _smallBytes += argument.Length + ArgumentOverheadBytes;
            _arguments.Add(new Gathered(argument, null));
        }

        _isUnauthenticated = parser.IsUnauthenticated;
        _remainingArguments = parser.RemainingArguments;
        _remainingBytes = parser.LargeLength;
        _step = Step.Room;
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
        while (Status == AssemblerStatus.Incomplete && (position < input.Length || _step == Step.Room))
        {
            position += _step switch
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
        _small = [];
        _arguments.RemoveAll(static argument => argument.IsLarge);
        if (_step is Step.Room or Step.Small or Step.Large)
        {
            _step = Step.Swallow;
        }

        Status = AssemblerStatus.Incomplete;
    }

    /// <summary>Whether an argument is a large one.</summary>
    /// <param name="index">Below <see cref="Count"/>.</param>
    public bool IsLarge(int index) => _arguments[index].IsLarge;

    /// <summary>The bytes of a small argument.</summary>
    /// <param name="index">Below <see cref="Count"/>, and not of a large argument.</param>
    public ReadOnlyMemory<byte> Argument(int index)
        => _arguments[index].Bytes ?? throw new InvalidOperationException($"Argument {index} is a large one.");

    /// <summary>Hands a large argument over: from now on it is the caller's to dispose.</summary>
    /// <param name="index">Below <see cref="Count"/>, and of a large argument that was not taken yet.</param>
    public ILargeArgument TakeLarge(int index)
    {
        var taken = _arguments[index].Large ?? throw new InvalidOperationException($"Argument {index} is not a large one, or was taken before.");
        _arguments[index] = new Gathered(null, null);
        return taken;
    }

    /// <summary>Puts plain bytes in the place of a large argument that was taken: from now on it is a small one.</summary>
    /// <param name="index">Below <see cref="Count"/>, of an argument that <see cref="TakeLarge(int)"/> gave away.</param>
    /// <param name="bytes">Its bytes.</param>
    public void PutBack(int index, byte[] bytes) => _arguments[index] = new Gathered(bytes, null);

    /// <summary>Forgets the command and disposes the large arguments that nobody took.</summary>
    public void Reset()
    {
        DisposeLarge();
        _arguments.Clear();
        if (_arguments.Capacity > 1024)
        {
            _arguments.Capacity = 0;
        }

        _small = [];
        _step = Step.Header;
        _headerLength = 0;
        _remainingArguments = 0;
        _remainingBytes = 0;
        _smallBytes = 0;
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
            _header[_headerLength++] = input[taken++];
            if (_header[0] != (byte)'$')
            {
                Refuse(ProtocolErrors.ExpectedBulk(_header[0]));
                return taken;
            }

            var status = HeaderLine.Read(_header.AsSpan(0, _headerLength), 0, out var length, out _);
            if (status == CommandStatus.Incomplete && _headerLength < _header.Length)
            {
                continue;
            }

            _headerLength = 0;
            if (status != CommandStatus.Complete || length < 0 || length > _maxBulk)
            {
                Refuse(ProtocolErrors.InvalidBulkLength);
                return taken;
            }

            if (_isUnauthenticated && length > ProtocolLimits.MaxUnauthenticatedBulkBytes)
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
        _remainingBytes = length;
        if (IsDiscarded)
        {
            _step = length > 0 ? Step.Swallow : Step.LineEnd;
        }
        else if (length > _largeThreshold)
        {
            _step = Step.Room;
        }
        else if (_smallBytes + length + ArgumentOverheadBytes > _maxCommandBytes)
        {
            Refuse(ProtocolErrors.TooBigCommand(_maxCommandBytes));
        }
        else
        {
            _smallBytes += length + ArgumentOverheadBytes;
            _small = length > 0 ? new byte[length] : [];
            _step = length > 0 ? Step.Small : Step.LineEnd;
        }
    }

    private int TakeRoom()
    {
        _large = _source.TryCreate(_remainingBytes);
        if (_large is null)
        {
            Status = AssemblerStatus.NeedsRoom;
        }
        else
        {
            _step = Step.Large;
        }

        return 0;
    }

    private int TakeSmall(ReadOnlySpan<byte> input)
    {
        var taken = Math.Min(input.Length, _remainingBytes);
        input[..taken].CopyTo(_small.AsSpan(_small.Length - _remainingBytes));
        return Took(taken);
    }

    private int TakeLarge(ReadOnlySpan<byte> input)
    {
        var room = _large!.Unfilled();
        var taken = Math.Min(Math.Min(input.Length, room.Length), _remainingBytes);
        if (taken == 0)
        {
            throw new InvalidOperationException("A large argument has no room left before its end.");
        }

        input[..taken].CopyTo(room);
        _large.Advance(taken);
        return Took(taken);
    }

    private int Swallow(ReadOnlySpan<byte> input) => Took(Math.Min(input.Length, _remainingBytes));

    private int Took(int taken)
    {
        _remainingBytes -= taken;
        if (_remainingBytes == 0)
        {
            _step = Step.LineEnd;
        }

        return taken;
    }

    private int TakeLineEnd(ReadOnlySpan<byte> input)
    {
        // _headerLength counts the bytes of the line end that have come.
        var expected = _headerLength == 0 ? (byte)'\r' : (byte)'\n';
        if (input[0] != expected)
        {
            Refuse(ProtocolErrors.ExpectedLineEnd);
            return 1;
        }

        if (_headerLength == 0)
        {
            _headerLength = 1;
            return 1;
        }

        _headerLength = 0;
        _step = Step.Header;
        if (!IsDiscarded)
        {
            _arguments.Add(new Gathered(_large is null ? _small : null, _large));
            _large = null;
            _small = [];
        }

        _remainingArguments--;
        Status = _remainingArguments == 0 ? AssemblerStatus.Complete : AssemblerStatus.Incomplete;
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
        _large?.Dispose();
        _large = null;
        foreach (var argument in _arguments)
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
