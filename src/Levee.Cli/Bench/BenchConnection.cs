using System.Net.Sockets;
using Levee.Resp;

namespace Levee.Cli.Bench;

/// <summary>One connection of a bench: commands waiting to be sent, and for each reply to come when its command was due, whether it reads, and which key.</summary>
internal sealed class BenchConnection : IDisposable
{
    private readonly byte[] input = new byte[64 * 1024];
    private readonly (long Due, bool IsRead, long Key)[] awaited;
    private byte[] output = new byte[16 * 1024];
    private int outputStart;
    private int outputEnd;
    private int inputEnd;
    private int oldest;
    private ReplyScanner scanner;

    public BenchConnection(Socket socket, int pipeline)
    {
        Socket = socket;
        socket.Blocking = false;
        awaited = new (long, bool, long)[pipeline];
    }

    public Socket Socket { get; }

    public int InFlight { get; private set; }

    public bool HasRoom => InFlight < awaited.Length;

    public bool HasUnsent => outputStart < outputEnd;

    /// <summary>Keys whose reads have missed and that are to be written.</summary>
    public Queue<long>? Missed { get; init; }

    public void Add(long due, bool isRead, long keyNumber, ReadOnlySpan<byte> key, ReadOnlySpan<byte> value)
    {
        awaited[(oldest + InFlight) % awaited.Length] = (due, isRead, keyNumber);
        InFlight++;
        var bound = (4 * RespWriter.MaxHeaderBytes) + key.Length + value.Length + 16;
        if (this.output.Length - outputEnd < bound)
        {
            MakeRoom(bound);
        }

        var output = this.output.AsSpan(outputEnd);
        var prefix = isRead ? "*2\r\n$3\r\nGET\r\n"u8 : "*3\r\n$3\r\nSET\r\n"u8;
        prefix.CopyTo(output);
        var position = prefix.Length;
        position += RespWriter.WriteBulkString(output[position..], key);
        if (!isRead)
        {
            position += RespWriter.WriteBulkString(output[position..], value);
        }

        outputEnd += position;
    }

    /// <summary>Sends what the socket takes now.</summary>
    public void Flush()
    {
        while (HasUnsent)
        {
            var sent = Socket.Send(output.AsSpan(outputStart, outputEnd - outputStart), SocketFlags.None, out var error);
            if (error == SocketError.WouldBlock)
            {
                return;
            }

            if (error != SocketError.Success)
            {
                throw new CommandException($"a connection broke while sending: {new SocketException((int)error).Message}");
            }

            outputStart += sent;
        }

        outputStart = 0;
        outputEnd = 0;
    }

    /// <summary>Reads what has come and gives each reply to the meter.</summary>
    public void Receive(BenchMeter meter)
    {
        while (true)
        {
            var received = Socket.Receive(input.AsSpan(inputEnd), SocketFlags.None, out var error);
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

            inputEnd += received;
            var isFull = inputEnd == input.Length;
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

        due = awaited[oldest].Due;
        oldest = (oldest + 1) % awaited.Length;
        InFlight--;
        return true;
    }

    public void Dispose() => Socket.Dispose();

    private void Scan(BenchMeter meter)
    {
        var now = BenchMeter.Now();
        var position = 0;
        while (position < inputEnd)
        {
            var reply = scanner.Next(input.AsSpan(position, inputEnd - position), out var consumed);
            if (reply is ReplyScanner.Reply.Unknown || (reply != ReplyScanner.Reply.None && InFlight == 0))
            {
                throw new CommandException("the server sent something that is no reply to GET or SET");
            }

            if (reply == ReplyScanner.Reply.Error)
            {
                meter.Fail(input.AsSpan(position, consumed));
            }

            position += consumed;
            if (reply == ReplyScanner.Reply.None)
            {
                break;
            }

            var (due, isRead, keyNumber) = awaited[oldest];
            oldest = oldest + 1 == awaited.Length ? 0 : oldest + 1;
            InFlight--;
            meter.Record(due, now, isRead, reply == ReplyScanner.Reply.Value);
            if (isRead && reply == ReplyScanner.Reply.Null)
            {
                Missed?.Enqueue(keyNumber);
            }
        }

        inputEnd -= position;
        if (inputEnd == input.Length)
        {
            throw new CommandException("the server sent a line without an end");
        }

        input.AsSpan(position, inputEnd).CopyTo(input);
    }

    private void MakeRoom(int bytes)
    {
        var unsent = output.AsSpan(outputStart, outputEnd - outputStart);
        var grown = unsent.Length + bytes > output.Length ? new byte[2 * (unsent.Length + bytes)] : output;
        unsent.CopyTo(grown);
        outputEnd = unsent.Length;
        outputStart = 0;
        output = grown;
    }
}
