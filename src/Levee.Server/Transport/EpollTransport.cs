using System.Net;
using Microsoft.Extensions.Logging;

namespace Levee.Server.Transport;

/// <summary>A transport of a few threads with an epoll instance each. Linux only; docs/decisions/0003-transport.md has the measurements.</summary>
public sealed class EpollTransport : ITransport
{
    /// <summary>Bytes of the read buffer that the connections of a loop share.</summary>
    public const int DefaultReadBufferBytes = 64 * 1024;

    private const int Backlog = 1024;

    private readonly ConnectionLedger ledger;
    private readonly int loopCount;
    private readonly int readBufferBytes;
    private readonly Func<bool>? sideWork;
    private readonly Lock gate = new();
    private EpollLoop[] loops = [];
    private Task? stopped;

    /// <summary>Creates a transport that does not listen yet.</summary>
    /// <param name="endPoint">Where to listen; port 0 for any free one.</param>
    /// <param name="factory">Makes each connection's conversation, on the loop that owns it.</param>
    /// <param name="limits">Limits to keep.</param>
    /// <param name="loops">Threads, 1 or more.</param>
    /// <param name="time">The clock of the limits.</param>
    /// <param name="logger">Hears of closures and failures.</param>
    /// <param name="readBufferBytes">Bytes of the read buffer that the connections of a loop share.</param>
    /// <param name="sideWork">What each loop calls when it has served a few connections, and before it waits: it takes little time, and throws nothing; true: there is more to do.</param>
    public EpollTransport(
        IPEndPoint endPoint,
        ConversationFactory factory,
        TransportLimits limits,
        int loops,
        TimeProvider time,
        ILogger logger,
        int readBufferBytes = DefaultReadBufferBytes,
        Func<bool>? sideWork = null)
    {
        ArgumentNullException.ThrowIfNull(endPoint);
        ArgumentOutOfRangeException.ThrowIfLessThan(loops, 1);
        ArgumentOutOfRangeException.ThrowIfLessThan(readBufferBytes, 1024);
        EndPoint = endPoint;
        loopCount = loops;
        this.readBufferBytes = readBufferBytes;
        this.sideWork = sideWork;
        ledger = new ConnectionLedger(factory, limits, time, logger);
    }

    /// <inheritdoc/>
    public IPEndPoint EndPoint { get; private set; }

    /// <inheritdoc/>
    public int ConnectionCount => ledger.Count;

    /// <inheritdoc/>
    public long LimitClosures => ledger.LimitClosures;

    /// <inheritdoc/>
    public void Start()
    {
        lock (gate)
        {
            if (loops.Length > 0 || stopped is not null)
            {
                throw new InvalidOperationException("A transport starts once.");
            }

            var socket = ListeningSocket.Open(EndPoint, Backlog);
            EndPoint = (IPEndPoint)socket.LocalEndPoint!;
            loops = new EpollLoop[loopCount];
            for (var i = 0; i < loopCount; i++)
            {
                loops[i] = new EpollLoop(i, readBufferBytes, ledger, sideWork);
            }

            var listener = new EpollListener(socket, loops, ledger);
            foreach (var loop in loops)
            {
                loop.Start(loop == loops[0] ? listener : null);
            }
        }
    }

    /// <inheritdoc/>
    public Task StopAsync(CancellationToken cancellation)
    {
        lock (gate)
        {
            stopped ??= loops.Length == 0 ? Task.CompletedTask : Stop();
        }

        return cancellation.CanBeCanceled ? AbortWhenCancelled(cancellation) : stopped;
    }

    /// <inheritdoc/>
    public async ValueTask DisposeAsync() => await StopAsync(new CancellationToken(canceled: true)).ConfigureAwait(false);

    private async Task Stop()
    {
        // The listener first: a loop that has finished could not take a connection in.
        await loops[0].StopListening().ConfigureAwait(false);
        foreach (var loop in loops)
        {
            loop.Stop();
        }

        await Task.WhenAll(loops.Select(loop => loop.Finished)).ConfigureAwait(false);
    }

    private async Task AbortWhenCancelled(CancellationToken cancellation)
    {
        await using var registration = cancellation.UnsafeRegister(
            static transport =>
            {
                foreach (var loop in ((EpollTransport)transport!).loops)
                {
                    loop.Abort();
                }
            },
            this);
        await stopped!.ConfigureAwait(false);
    }
}
