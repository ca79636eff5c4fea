using System.Diagnostics;
using System.Net;
using System.Net.Sockets;
using Levee.Resp;

namespace Levee.ClusterLoad;

internal enum RequestKind : byte
{
    Get,
    Set,
    Delete,
}

/// <summary>A request under way.</summary>
/// <param name="Kind">What it does.</param>
/// <param name="Key">The key's number.</param>
/// <param name="Version">Of a write: its version.</param>
/// <param name="KnownAtStart">Of a read: what the key's history gave when it began.</param>
/// <param name="Due">When it was meant to start, in nanoseconds since the run began.</param>
/// <param name="Sent">When it was handed to its connection.</param>
internal readonly record struct Request(RequestKind Kind, int Key, int Version, long KnownAtStart, long Due, long Sent);

/// <summary>What becomes of requests.</summary>
internal interface IOutcomes
{
    void Answered(LoadConnection connection, in Request request, in RespValue reply);

    void Failed(in Request request, Failure failure);

    void Disconnected(LoadConnection connection, int underWay);
}

/// <summary>Why a request had no answer.</summary>
internal enum Failure
{
    /// <summary>The server replied with an error.</summary>
    Error,

    /// <summary>The connection broke while the request was under way.</summary>
    Broken,

    /// <summary>There was no answer in time.</summary>
    TimedOut,

    /// <summary>No connection was open.</summary>
    Unreachable,
}

/// <summary>
/// A connection to one of several servers: requests are sent in order, replies come in order. When it breaks, all that was under way fails, and it connects to the next server of its list until one takes it.
/// </summary>
internal sealed class LoadConnection(IReadOnlyList<DnsEndPoint> servers, int first, int valueBytes, IOutcomes outcomes, TimeProvider time) : IAsyncDisposable
{
    private static readonly TimeSpan ConnectTimeout = TimeSpan.FromSeconds(1);
    private static readonly TimeSpan RoundPause = TimeSpan.FromMilliseconds(50);

    private readonly Lock gate = new();
    private readonly Queue<Request> underWay = [];
    private readonly CancellationTokenSource closing = new();
    private readonly byte[] key = new byte[ValueFormat.KeyBytes];
    private readonly byte[] value = new byte[valueBytes];
    private byte[] pending = new byte[64 * 1024];
    private byte[] leaving = new byte[64 * 1024];
    private int pendingBytes;
    private bool isSending;
    private Socket? socket;
    private Task running = Task.CompletedTask;

    public bool IsOpen => Volatile.Read(ref socket) is not null;

    public int UnderWay
    {
        get
        {
            lock (gate)
            {
                return underWay.Count;
            }
        }
    }

    public void Start() => running = RunAsync();

    /// <summary>Puts a request into what the next flush sends.</summary>
    /// <returns>False: no connection is open; nothing was done.</returns>
    public bool TryAdd(in Request request)
    {
        lock (gate)
        {
            if (socket is null)
            {
                return false;
            }

            underWay.Enqueue(request);
            Write(request);
            return true;
        }
    }

    /// <summary>Sends what was added.</summary>
    public void Flush()
    {
        Socket? taker;
        lock (gate)
        {
            taker = socket;
            if (taker is null || isSending || pendingBytes == 0)
            {
                return;
            }

            isSending = true;
        }

        _ = SendAsync(taker);
    }

    /// <summary>Gives the connection up when its oldest request was sent before a time.</summary>
    public void GiveUpWhenOlder(long sentBefore)
    {
        Socket? late = null;
        lock (gate)
        {
            if (underWay.TryPeek(out var oldest) && oldest.Sent < sentBefore)
            {
                late = socket;
            }
        }

        if (late is not null)
        {
            Break(late, Failure.TimedOut);
        }
    }

    public async ValueTask DisposeAsync()
    {
        await closing.CancelAsync();
        await running;
        closing.Dispose();
    }

    private async Task RunAsync()
    {
        var next = first;
        while (!closing.IsCancellationRequested)
        {
            var opened = await ConnectAsync(servers[next % servers.Count]);
            if (opened is not null)
            {
                lock (gate)
                {
                    pendingBytes = 0;
                    isSending = false;
                    socket = opened;
                }

                await ReceiveAsync(opened);
                Break(opened, Failure.Broken);
            }

            next++;
            if (opened is null && (next - first) % servers.Count == 0)
            {
                await Task.Delay(RoundPause, time, closing.Token).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            }
        }
    }

    private async Task<Socket?> ConnectAsync(DnsEndPoint server)
    {
        using var deadline = CancellationTokenSource.CreateLinkedTokenSource(closing.Token);
        deadline.CancelAfter(ConnectTimeout);
        var opening = new Socket(SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
        try
        {
            await opening.ConnectAsync(server, deadline.Token);
            return opening;
        }
        catch (Exception failure) when (failure is SocketException or OperationCanceledException)
        {
            opening.Dispose();
            return null;
        }
    }

    private async Task ReceiveAsync(Socket source)
    {
        var parser = new ReplyParser(64 << 20);
        var buffer = new byte[64 * 1024];
        try
        {
            while (await source.ReceiveAsync(buffer, closing.Token) is var received and > 0)
            {
                for (var position = 0; position < received;)
                {
                    position += parser.Feed(buffer.AsSpan(position, received - position));
                    if (parser.Status == ReplyStatus.Invalid)
                    {
                        return;
                    }

                    if (parser.Status == ReplyStatus.Complete && !TryAnswer(source, parser.Value))
                    {
                        return;
                    }
                }

                // What answers have led to, such as the write after a miss.
                Flush();
            }
        }
        catch (Exception failure) when (failure is SocketException or OperationCanceledException or ObjectDisposedException)
        {
            // The requests under way fail with the connection.
        }
    }

    private bool TryAnswer(Socket source, RespValue reply)
    {
        Request request;
        lock (gate)
        {
            if (socket != source || !underWay.TryDequeue(out request))
            {
                return false;
            }
        }

        outcomes.Answered(this, request, reply);
        return true;
    }

    private async Task SendAsync(Socket taker)
    {
        try
        {
            while (true)
            {
                int count;
                lock (gate)
                {
                    if (socket != taker)
                    {
                        return;
                    }

                    count = pendingBytes;
                    isSending = count > 0;
                    if (count == 0)
                    {
                        return;
                    }

                    (pending, leaving) = (leaving, pending);
                    pendingBytes = 0;
                }

                for (var sent = 0; sent < count;)
                {
                    sent += await taker.SendAsync(leaving.AsMemory(sent, count - sent), closing.Token);
                }
            }
        }
        catch (Exception failure) when (failure is SocketException or OperationCanceledException or ObjectDisposedException)
        {
            Break(taker, Failure.Broken);
        }
    }

    private void Break(Socket broken, Failure failure)
    {
        Request[] lost;
        lock (gate)
        {
            if (socket != broken)
            {
                return;
            }

            socket = null;
            lost = [.. underWay];
            underWay.Clear();
        }

        broken.Dispose();
        foreach (var request in lost)
        {
            outcomes.Failed(request, failure);
        }

        outcomes.Disconnected(this, lost.Length);
    }

    private void Write(in Request request)
    {
        Debug.Assert(gate.IsHeldByCurrentThread, "What is sent has the order of what is under way.");
        var bound = valueBytes + ValueFormat.KeyBytes + 64;
        if (pending.Length - pendingBytes < bound)
        {
            Array.Resize(ref pending, Math.Max(2 * pending.Length, pendingBytes + bound));
        }

        ValueFormat.WriteKey(key, request.Key);
        var output = pending.AsSpan(pendingBytes);
        var name = request.Kind switch
        {
            RequestKind.Get => "*2\r\n$3\r\nGET\r\n"u8,
            RequestKind.Set => "*3\r\n$3\r\nSET\r\n"u8,
            _ => "*2\r\n$3\r\nDEL\r\n"u8,
        };
        name.CopyTo(output);
        var written = name.Length;
        written += RespWriter.WriteBulkString(output[written..], key);
        if (request.Kind == RequestKind.Set)
        {
            ValueFormat.Write(value, request.Key, request.Version);
            written += RespWriter.WriteBulkString(output[written..], value);
        }

        pendingBytes += written;
    }
}
