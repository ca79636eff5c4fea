using System.Collections.Concurrent;
using System.Net;
using System.Net.Sockets;
using Microsoft.Extensions.Logging;

namespace Levee.Server.Transport;

/// <summary>
/// The portable transport: asynchronous sockets of the base library on the thread pool. Simple rather than fast. It notices that a client has reset a paused
/// connection only when it next reads or sends there.
/// </summary>
public sealed class SocketTransport : ITransport
{
    private const int Backlog = 512;

    private static readonly TimeSpan AcceptBackOff = TimeSpan.FromMilliseconds(100);

    private readonly ConnectionLedger ledger;
    private readonly ConcurrentDictionary<SocketConnection, bool> connections = new();
    private readonly CancellationTokenSource stopping = new();
    private readonly TaskCompletionSource allClosed = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly Lock gate = new();
    private Task accepting = Task.CompletedTask;
    private ITimer? sweep;
    private Socket? listener;
    private Task? stopped;

    /// <summary>Creates a transport that does not listen yet.</summary>
    /// <param name="endPoint">Where to listen; port 0 for any free one.</param>
    /// <param name="factory">Makes each connection's conversation.</param>
    /// <param name="limits">Limits to keep.</param>
    /// <param name="time">The clock of the limits.</param>
    /// <param name="logger">Hears of closures and failures.</param>
    public SocketTransport(IPEndPoint endPoint, ConversationFactory factory, TransportLimits limits, TimeProvider time, ILogger logger)
    {
        ArgumentNullException.ThrowIfNull(endPoint);
        EndPoint = endPoint;
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
            if (listener is not null || stopped is not null)
            {
                throw new InvalidOperationException("A transport starts once.");
            }

            listener = ListeningSocket.Open(EndPoint, Backlog);
            EndPoint = (IPEndPoint)listener.LocalEndPoint!;
            sweep = ledger.Time.CreateTimer(static transport => ((SocketTransport)transport!).Sweep(), this, ledger.SweepInterval, ledger.SweepInterval);
            accepting = Accept(listener);
        }
    }

    /// <inheritdoc/>
    public Task StopAsync(CancellationToken cancellation)
    {
        lock (gate)
        {
            stopped ??= listener is null ? Task.CompletedTask : Stop();
        }

        return cancellation.CanBeCanceled ? AbortWhenCancelled(cancellation) : stopped;
    }

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        await StopAsync(new CancellationToken(canceled: true)).ConfigureAwait(false);
        stopping.Dispose();
    }

    internal void Forget(SocketConnection connection)
    {
        connections.TryRemove(connection, out _);
        CompleteWhenEmpty();
    }

    private async Task Accept(Socket socket)
    {
        while (!stopping.IsCancellationRequested)
        {
            try
            {
                Admit(await socket.AcceptAsync(stopping.Token).ConfigureAwait(false));
            }
            catch (OperationCanceledException)
            {
                return;
            }
            catch (SocketException e) when (e.SocketErrorCode is SocketError.ConnectionAborted or SocketError.ConnectionReset)
            {
                // That one connection was gone before it was accepted.
            }
            catch (SocketException e)
            {
                ledger.AcceptFailed(e.Message);
                await Task.Delay(AcceptBackOff, ledger.Time, stopping.Token).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            }
        }
    }

    private void Admit(Socket socket)
    {
        if (!ledger.TryEnter())
        {
            socket.Dispose();
            return;
        }

        EndPoint? remote = null;
        try
        {
            socket.NoDelay = true;
            remote = socket.RemoteEndPoint;
        }
        catch (SocketException)
        {
            // Reset already: the first receive says so.
        }

        var connection = new SocketConnection(this, socket, remote, ledger);
        connections[connection] = true;
        connection.Post(Signals.Arrived);
    }

    private void Sweep()
    {
        var now = ledger.Time.GetTimestamp();
        foreach (var (connection, _) in connections)
        {
            if (connection.IsOverdue(now))
            {
                connection.Post(Signals.Overdue);
            }
        }
    }

    private async Task Stop()
    {
        await stopping.CancelAsync().ConfigureAwait(false);
        await accepting.ConfigureAwait(false);
        listener!.Dispose();
        PostAll(Signals.Stopping);
        CompleteWhenEmpty();
        try
        {
            await allClosed.Task.WaitAsync(ledger.Limits.DrainTimeout, ledger.Time).ConfigureAwait(false);
        }
        catch (TimeoutException)
        {
            PostAll(Signals.Abort);
            await allClosed.Task.ConfigureAwait(false);
        }

        await sweep!.DisposeAsync().ConfigureAwait(false);
    }

    private async Task AbortWhenCancelled(CancellationToken cancellation)
    {
        await using var registration = cancellation.UnsafeRegister(static transport => ((SocketTransport)transport!).PostAll(Signals.Abort), this);
        await stopped!.ConfigureAwait(false);
    }

    private void PostAll(Signals signal)
    {
        foreach (var (connection, _) in connections)
        {
            connection.Post(signal);
        }
    }

    private void CompleteWhenEmpty()
    {
        if (stopping.IsCancellationRequested && accepting.IsCompleted && connections.IsEmpty)
        {
            allClosed.TrySetResult();
        }
    }
}
