using System.Buffers;
using System.Diagnostics.CodeAnalysis;
using System.Net;
using System.Net.Sockets;

namespace Levee.Server.Transport;

/// <summary>
/// A connection of the portable transport. Its owner is whichever thread runs it; the Running signal, left in place while it runs, keeps others from running it too.
/// <para>
/// Sockets of the base library complete operations and do not report readiness, so: a receive of zero bytes completes when there is something to read, which is then
/// read without waiting; what the socket does not take at once is copied and sent asynchronously, and counts as sent when that completes.
/// </para>
/// </summary>
[SuppressMessage("Reliability", "CA1001", Justification = "Release disposes of the operations, on the owner's turn.")]
internal sealed class SocketConnection : Connection, IThreadPoolWorkItem
{
    private const int LentBytes = 64 * 1024;
    private const int SendCopyBytes = 64 * 1024;

    [ThreadStatic]
    private static byte[]? lentByThread;

    private readonly SocketTransport transport;
    private readonly Socket socket;
    private readonly ConnectionLedger ledger;
    private readonly SocketAsyncEventArgs receiving = new();
    private SocketAsyncEventArgs? sending;
    private byte[]? sendCopy;
    private bool isReceiving;
    private bool isSending;
    private bool isReleased;

    public SocketConnection(SocketTransport transport, Socket socket, EndPoint? remote, ConnectionLedger ledger)
        : base(ledger, remote)
    {
        this.transport = transport;
        this.socket = socket;
        this.ledger = ledger;
        socket.Blocking = false;
        receiving.UserToken = this;
        receiving.Completed += static (_, operation) => ((SocketConnection)operation.UserToken!).Completed(Signals.Readable);
        receiving.SetBuffer(Memory<byte>.Empty);
    }

    /// <summary>One turn of ownership.</summary>
    public void Execute()
    {
        var happened = TakeSignals(Signals.Running) & ~Signals.Running;
        if ((happened & Signals.Readable) != 0)
        {
            isReceiving = false;
            Awaited &= ~Interest.Read;
        }

        if ((happened & Signals.SendCompleted) != 0)
        {
            isSending = false;
            Awaited &= ~Interest.Write;
            happened = (happened & ~Signals.SendCompleted) | Signals.Writable;
        }

        if (!isReleased)
        {
            Handle(happened, lentByThread ??= new byte[LentBytes], ledger.Time.GetTimestamp());
        }
        else if (!isSending)
        {
            ReturnSendCopy();
        }

        if (!TryRest())
        {
            Schedule();
        }
    }

    protected override void Schedule() => ThreadPool.UnsafeQueueUserWorkItem(this, preferLocal: false);

    protected override int Receive(Span<byte> room)
    {
        var count = socket.Receive(room, SocketFlags.None, out var error);
        return error switch
        {
            SocketError.Success => count,
            SocketError.WouldBlock => NotNow,
            _ => Broken,
        };
    }

    protected override int Send(ReadOnlySpan<byte> bytes)
    {
        if (isSending)
        {
            return NotNow;
        }

        if (sendCopy is not null)
        {
            // An asynchronous send of the first of these bytes has completed.
            ReturnSendCopy();
            return sending!.SocketError == SocketError.Success ? sending.BytesTransferred : Broken;
        }

        var count = socket.Send(bytes, SocketFlags.None, out var error);
        return error switch
        {
            SocketError.Success => count,
            SocketError.WouldBlock => SendLater(bytes),
            _ => Broken,
        };
    }

    protected override void Await(Interest interest)
    {
        Awaited = interest;
        if ((interest & Interest.Read) != 0 && !isReceiving)
        {
            isReceiving = true;
            if (!socket.ReceiveAsync(receiving))
            {
                Post(Signals.Readable);
            }
        }

        if ((interest & Interest.Write) != 0 && !isSending)
        {
            // Something was taken, so more may be: ask again after the others have had their turn.
            Awaited &= ~Interest.Write;
            Post(Signals.Writable);
        }
    }

    protected override void EndSending()
    {
        try
        {
            socket.Shutdown(SocketShutdown.Send);
        }
        catch (SocketException)
        {
            // The client has gone first, which is what the caller is about to find out.
        }
    }

    protected override void Release()
    {
        isReleased = true;
        socket.Dispose();
        receiving.Dispose();
        sending?.Dispose();
        if (!isSending)
        {
            ReturnSendCopy();
        }

        transport.Forget(this);
    }

    private void Completed(Signals signal)
    {
        if (TryPostFirst(signal))
        {
            Execute();      // already on a pool thread: no second hop
        }
    }

    private int SendLater(ReadOnlySpan<byte> bytes)
    {
        if (sending is null)
        {
            sending = new SocketAsyncEventArgs { UserToken = this };
            sending.Completed += static (_, operation) => ((SocketConnection)operation.UserToken!).Completed(Signals.SendCompleted);
        }

        var count = Math.Min(bytes.Length, SendCopyBytes);
        sendCopy = ArrayPool<byte>.Shared.Rent(count);
        bytes[..count].CopyTo(sendCopy);
        sending.SetBuffer(sendCopy, 0, count);
        isSending = true;
        if (socket.SendAsync(sending))
        {
            return NotNow;
        }

        isSending = false;
        return Send(bytes);
    }

    private void ReturnSendCopy()
    {
        if (sendCopy is not null)
        {
            ArrayPool<byte>.Shared.Return(sendCopy);
            sendCopy = null;
        }
    }
}
