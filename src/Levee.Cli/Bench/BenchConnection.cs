using System.Net.Sockets;
using Levee.Resp;

namespace Levee.Cli.Bench;

/// <summary>One connection of a bench: commands waiting to be sent, and for each reply to come when its command was due and whether it reads.</summary>
internal sealed class BenchConnection : IDisposable
{
    private readonly byte[] _input = new byte[64 * 1024];
    private readonly (long Due, bool IsRead)[] _awaited;
    private byte[] _output = new byte[16 * 1024];
    private int _outputStart;
    private int _outputEnd;
    private int _inputEnd;
    private int _oldest;
    private ReplyScanner _scanner;

    public BenchConnection(Socket socket, int pipeline)
    {
        Socket = socket;
        socket.Blocking = false;
        _awaited = new (long, bool)[pipeline];
    }

    public Socket Socket { get; }

    public int InFlight { get; private set; }

    public bool HasRoom => InFlight < _awaited.Length;

    public bool HasUnsent => _outputStart < _outputEnd;

    public void Add(long due, bool isRead, ReadOnlySpan<byte> key, ReadOnlySpan<byte> value)
    {
        _awaited[(_oldest + InFlight) % _awaited.Length] = (due, isRead);
        InFlight++;
        var bound = (4 * RespWriter.MaxHeaderBytes) + key.Length + value.Length + 16;
        if (_output.Length - _outputEnd < bound)
        {
            MakeRoom(bound);
        }

        var output = _output.AsSpan(_outputEnd);
        var prefix = isRead ? "*2\r\n$3\r\nGET\r\n"u8 : "*3\r\n$3\r\nSET\r\n"u8;
        prefix.CopyTo(output);
        var position = prefix.Length;
        position += RespWriter.WriteBulkString(output[position..], key);
        if (!isRead)
        {
            position += RespWriter.WriteBulkString(output[position..], value);
        }

        _outputEnd += position;
    }

    /// <summary>Sends what the socket takes now.</summary>
    public void Flush()
    {
        while (HasUnsent)
        {
            var sent = Socket.Send(_output.AsSpan(_outputStart, _outputEnd - _outputStart), SocketFlags.None, out var error);
            if (error == SocketError.WouldBlock)
            {
                return;
            }

            if (error != SocketError.Success)
            {
                throw new CommandException($"a connection broke while sending: {new SocketException((int)error).Message}");
            }

            _outputStart += sent;
        }

        _outputStart = 0;
        _outputEnd = 0;
    }

    /// <summary>Reads what has come and gives each reply to the meter.</summary>
    public void Receive(BenchMeter meter)
    {
        while (true)
        {
            var received = Socket.Receive(_input.AsSpan(_inputEnd), SocketFlags.None, out var error);
            if (error == SocketError.WouldBlock)
            {
                return;
            }

            if (error != SocketError.Success || received == 0)
            {
                throw new CommandException(received == 0 && error == SocketError.Success
                    ? "the server closed a connection"
                    : $"a connection broke while reading: {new SocketException((int)error).Message}");
            }

            _inputEnd += received;
            var isFull = _inputEnd == _input.Length;
            Scan(meter);
            if (!isFull)
            {
                return;
            }
        }
    }

    /// <summary>Hands out the replies that never came, oldest first.</summary>
    public bool TryAbandon(out long due)
    {
        if (InFlight == 0)
        {
            due = 0;
            return false;
        }

        due = _awaited[_oldest].Due;
        _oldest = (_oldest + 1) % _awaited.Length;
        InFlight--;
        return true;
    }

    public void Dispose() => Socket.Dispose();

    private void Scan(BenchMeter meter)
    {
        var now = BenchMeter.Now();
        var position = 0;
        while (position < _inputEnd)
        {
            var reply = _scanner.Next(_input.AsSpan(position, _inputEnd - position), out var consumed);
            if (reply is ReplyScanner.Reply.Unknown || (reply != ReplyScanner.Reply.None && InFlight == 0))
            {
                throw new CommandException("the server sent something that is no reply to GET or SET");
            }

            if (reply == ReplyScanner.Reply.Error)
            {
                meter.Fail(_input.AsSpan(position, consumed));
            }

            position += consumed;
            if (reply == ReplyScanner.Reply.None)
            {
                break;
            }

            var (due, isRead) = _awaited[_oldest];
            _oldest = _oldest + 1 == _awaited.Length ? 0 : _oldest + 1;
            InFlight--;
            meter.Record(due, now, isRead, reply == ReplyScanner.Reply.Value);
        }

        _inputEnd -= position;
        if (_inputEnd == _input.Length)
        {
            throw new CommandException("the server sent a line without an end");
        }

        _input.AsSpan(position, _inputEnd).CopyTo(_input);
    }

    private void MakeRoom(int bytes)
    {
        var unsent = _output.AsSpan(_outputStart, _outputEnd - _outputStart);
        var grown = unsent.Length + bytes > _output.Length ? new byte[2 * (unsent.Length + bytes)] : _output;
        unsent.CopyTo(grown);
        _outputEnd = unsent.Length;
        _outputStart = 0;
        _output = grown;
    }
}
