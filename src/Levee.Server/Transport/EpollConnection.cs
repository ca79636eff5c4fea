using System.Net;
using System.Runtime.InteropServices;

namespace Levee.Server.Transport;

/// <summary>A connection of an epoll loop.</summary>
internal sealed unsafe class EpollConnection(EpollLoop loop, int socket, EndPoint? remote, ConnectionLedger ledger) : Connection(ledger, remote)
{
    public int Socket { get; } = socket;

    /// <summary>Its place among the loop's connections, and its token; -1 until the loop has taken it in.</summary>
    public int Slot { get; set; } = -1;

    /// <summary>The next in the loop's list of posted connections.</summary>
    public EpollConnection? NextPosted { get; set; }

    protected override void Schedule() => loop.Push(this);

    protected override bool TryHandleNow(Signals signal) => Slot >= 0 && loop.TryHandleNow(this, signal);

    protected override int Receive(Span<byte> room)
    {
        fixed (byte* bytes = room)
        {
            while (true)
            {
                var count = Libc.Receive(Socket, bytes, room.Length, 0);
                if (count >= 0)
                {
                    return (int)count;
                }

                switch (Marshal.GetLastPInvokeError())
                {
                    case Libc.Again: return NotNow;
                    case Libc.Interrupted: break;
                    default: return Broken;
                }
            }
        }
    }

    protected override int Send(ReadOnlySpan<byte> bytes)
    {
        fixed (byte* first = bytes)
        {
            while (true)
            {
                var count = Libc.Send(Socket, first, bytes.Length, Libc.NoSignal);
                if (count >= 0)
                {
                    return (int)count;
                }

                switch (Marshal.GetLastPInvokeError())
                {
                    case Libc.Again: return NotNow;
                    case Libc.Interrupted: break;
                    default: return Broken;
                }
            }
        }
    }

    protected override void Await(Interest interest)
    {
        if (interest != Awaited)
        {
            loop.Await(this, interest);
            Awaited = interest;
        }
    }

    protected override void EndSending() => _ = Libc.Shutdown(Socket, Libc.ShutdownSend);

    protected override void Release() => loop.Release(this);
}
