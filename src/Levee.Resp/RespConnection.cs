using System.Buffers;
using System.Diagnostics;
using System.Net.Sockets;

namespace Levee.Resp;

/// <summary>
/// A client's connection to a RESP server. Many calls may be under way; they are sent in the order of their calls, in batches, and answered in that order (RESP specification,
/// "Multiple commands and pipelining").
/// </summary>
/// <remarks>
/// <para>Two loops: one sends what waits, one reads replies and completes the oldest call. A call that is cancelled before it is sent is never sent; one that is cancelled later leaves its
/// place in the queue, and its reply is read and dropped. So no caller can break the stream for the others.</para>
/// <para>When the stream breaks, all calls fail, and so does each later one: reconnecting is the owner's decision.</para>
/// </remarks>
public sealed class RespConnection : IAsyncDisposable
{
    private const int BatchBytes = 64 * 1024;

    private readonly Stream stream;
    private readonly string endpoint;
    private readonly int maxInFlight;
    private readonly ReplyParser parser;
    private readonly CancellationTokenSource closing = new();
    private readonly Lock gate = new();
    private readonly LinkedList<Call> waiting = [];
    private readonly Queue<Call> sent = [];

    // Released when calls wait and places are free; at most once ahead.
    private readonly SemaphoreSlim sendable = new(0);
    private bool isSignalled;
    private RespConnectionException? failure;
    private Task loops = Task.CompletedTask;
    private int isDisposed;

    private RespConnection(Stream stream, string endpoint, RespConnectionOptions options)
    {
        this.stream = stream;
        this.endpoint = endpoint;
        maxInFlight = options.MaxInFlight;
        parser = new ReplyParser(options.MaxReplyBytes);
    }

    /// <summary>Whether calls can still succeed.</summary>
    public bool IsOpen
    {
        get
        {
            lock (gate)
            {
                return failure is null;
            }
        }
    }

    /// <summary>Connects over TCP and, when the options say so, authenticates and chooses the protocol's version.</summary>
    /// <param name="host">A name or an address.</param>
    /// <param name="port">The port.</param>
    /// <param name="options">Timeout, authentication, limits.</param>
    /// <param name="cancellationToken">Gives up connecting.</param>
    /// <exception cref="RespConnectionException">There is no connection to be had within the timeout.</exception>
    /// <exception cref="RespServerException">The server refused the handshake.</exception>
    public static async Task<RespConnection> ConnectAsync(string host, int port, RespConnectionOptions? options = null, CancellationToken cancellationToken = default)
    {
        ArgumentException.ThrowIfNullOrEmpty(host);
        options ??= new RespConnectionOptions();
        var endpoint = host.Contains(':', StringComparison.Ordinal) ? $"[{host}]:{port}" : $"{host}:{port}";
        using var deadline = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        deadline.CancelAfter(options.ConnectTimeout);
        var socket = new Socket(SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
        try
        {
            await socket.ConnectAsync(host, port, deadline.Token).ConfigureAwait(false);
            return await StartAsync(new NetworkStream(socket, ownsSocket: true), endpoint, options, deadline.Token).ConfigureAwait(false);
        }
        catch (SocketException failure)
        {
            socket.Dispose();
            throw new RespConnectionException($"Cannot connect to {endpoint}: {failure.Message}", mayHaveBeenSent: false, failure);
        }
        catch (OperationCanceledException timeout) when (!cancellationToken.IsCancellationRequested)
        {
            socket.Dispose();
            throw new RespConnectionException($"Cannot connect to {endpoint}: no answer within {options.ConnectTimeout.TotalSeconds:0.###} s", mayHaveBeenSent: false, timeout);
        }
        catch (OperationCanceledException)
        {
            socket.Dispose();
            throw;
        }
    }

    /// <summary>Speaks over a stream that is connected already, for example a TLS one; the connection disposes it.</summary>
    /// <param name="stream">The stream.</param>
    /// <param name="endpoint">The server's name in messages.</param>
    /// <param name="options">Authentication and limits.</param>
    /// <param name="cancellationToken">Gives up the handshake.</param>
    public static async Task<RespConnection> StartAsync(Stream stream, string endpoint, RespConnectionOptions options, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(stream);
        ArgumentNullException.ThrowIfNull(options);
        ArgumentOutOfRangeException.ThrowIfLessThan(options.MaxInFlight, 1);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(options.MaxInFlight, 1_000_000);
        var connection = new RespConnection(stream, endpoint, options);
        connection.loops = Task.WhenAll(connection.SendLoopAsync(), connection.ReceiveLoopAsync());
        try
        {
            await connection.ShakeHandsAsync(options, cancellationToken).ConfigureAwait(false);
            return connection;
        }
        catch
        {
            await connection.DisposeAsync().ConfigureAwait(false);
            throw;
        }
    }

    /// <summary>Sends a command and awaits its reply.</summary>
    /// <param name="command">Name and arguments: <c>["SET", key, value]</c>. Read before the call returns.</param>
    /// <param name="cancellationToken">Gives up waiting; whether the server carries out a command that was sent is then not known.</param>
    /// <exception cref="RespServerException">The server replied with an error.</exception>
    /// <exception cref="RespConnectionException">The connection broke before the reply.</exception>
    public ValueTask<RespValue> CallAsync(ReadOnlySpan<RespArgument> command, CancellationToken cancellationToken = default)
    {
        if (command.IsEmpty)
        {
            throw new ArgumentException("A command has at least a name.", nameof(command));
        }

        if (cancellationToken.IsCancellationRequested)
        {
            return ValueTask.FromCanceled<RespValue>(cancellationToken);
        }

        var call = new Call(this, command);
        lock (gate)
        {
            if (failure is not null)
            {
                call.Release();
                return ValueTask.FromException<RespValue>(Broken(call, wasSent: false, failure));
            }

            call.Place = waiting.AddLast(call);
            SignalIfSendable();
        }

        // Registered when the call has its place: a token that fires at once must find it there.
        call.Watch(cancellationToken);
        return new ValueTask<RespValue>(call.Task);
    }

    /// <summary>Closes the connection; calls under way fail.</summary>
    public async ValueTask DisposeAsync()
    {
        if (Interlocked.Exchange(ref isDisposed, 1) != 0)
        {
            await loops.ConfigureAwait(false);
            return;
        }

        Fail(new RespConnectionException($"The connection to {endpoint} was closed", mayHaveBeenSent: false));
        await stream.DisposeAsync().ConfigureAwait(false);
        await loops.ConfigureAwait(false);
        closing.Dispose();
        sendable.Dispose();
    }

    private async Task ShakeHandsAsync(RespConnectionOptions options, CancellationToken cancellationToken)
    {
        if (options.Version == RespVersion.Resp3)
        {
            RespArgument[] hello = options.Password is { } secret ? ["HELLO", "3", "AUTH", options.User ?? "default", secret] : ["HELLO", "3"];
            await CallAsync(hello, cancellationToken).ConfigureAwait(false);
        }
        else if (options.Password is { } password)
        {
            RespArgument[] auth = options.User is { } user ? ["AUTH", user, password] : ["AUTH", password];
            await CallAsync(auth, cancellationToken).ConfigureAwait(false);
        }
    }

    private async Task SendLoopAsync()
    {
        var batch = ArrayPool<byte>.Shared.Rent(BatchBytes);
        var taken = new List<Call>();
        try
        {
            while (true)
            {
                await sendable.WaitAsync(closing.Token).ConfigureAwait(false);
                TakeSendable(taken);
                var filled = 0;
                foreach (var call in taken)
                {
                    if (filled > 0 && filled + call.Encoded.Length > batch.Length)
                    {
                        await stream.WriteAsync(batch.AsMemory(0, filled), closing.Token).ConfigureAwait(false);
                        filled = 0;
                    }

                    if (call.Encoded.Length > batch.Length)
                    {
                        await stream.WriteAsync(call.Encoded, closing.Token).ConfigureAwait(false);
                    }
                    else
                    {
                        call.Encoded.CopyTo(batch.AsMemory(filled));
                        filled += call.Encoded.Length;
                    }
                }

                if (filled > 0)
                {
                    await stream.WriteAsync(batch.AsMemory(0, filled), closing.Token).ConfigureAwait(false);
                }

                foreach (var call in taken)
                {
                    call.Release();
                }

                taken.Clear();
            }
        }
        catch (OperationCanceledException)
        {
            // Closing: whoever asked for it has failed the calls.
        }
        catch (Exception failure) when (failure is IOException or ObjectDisposedException or SocketException)
        {
            Fail(new RespConnectionException($"The connection to {endpoint} broke while sending: {failure.Message}", mayHaveBeenSent: true, failure));
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(batch);
        }
    }

    private async Task ReceiveLoopAsync()
    {
        var buffer = ArrayPool<byte>.Shared.Rent(BatchBytes);
        try
        {
            while (true)
            {
                var received = await stream.ReadAsync(buffer, closing.Token).ConfigureAwait(false);
                if (received == 0)
                {
                    Fail(new RespConnectionException($"The connection to {endpoint} was closed by the server", mayHaveBeenSent: true));
                    return;
                }

                for (var position = 0; position < received;)
                {
                    position += parser.Feed(buffer.AsSpan(position, received - position));
                    if (parser.Status == ReplyStatus.Invalid)
                    {
                        Fail(new RespConnectionException($"The connection to {endpoint} cannot be followed: {parser.Error}", mayHaveBeenSent: true));
                        return;
                    }

                    if (parser.Status == ReplyStatus.Complete && !TryAnswer(parser.Value))
                    {
                        Fail(new RespConnectionException($"The connection to {endpoint} cannot be followed: a reply that no call asked for: {parser.Value}", mayHaveBeenSent: true));
                        return;
                    }
                }
            }
        }
        catch (OperationCanceledException)
        {
            // Closing: whoever asked for it has failed the calls.
        }
        catch (Exception failure) when (failure is IOException or ObjectDisposedException or SocketException)
        {
            Fail(new RespConnectionException($"The connection to {endpoint} broke while reading: {failure.Message}", mayHaveBeenSent: true, failure));
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(buffer);
        }
    }

    private void TakeSendable(List<Call> taken)
    {
        lock (gate)
        {
            isSignalled = false;
            var bytes = 0;
            while (waiting.First is { } first && sent.Count < maxInFlight && bytes < BatchBytes)
            {
                waiting.RemoveFirst();
                first.Value.Place = null;
                sent.Enqueue(first.Value);
                taken.Add(first.Value);
                bytes += first.Value.Encoded.Length;
            }

            SignalIfSendable();
        }
    }

    private void SignalIfSendable()
    {
        Debug.Assert(gate.IsHeldByCurrentThread, "The queues are read under the gate.");
        if (!isSignalled && waiting.Count > 0 && sent.Count < maxInFlight && failure is null)
        {
            isSignalled = true;
            sendable.Release();
        }
    }

    private bool TryAnswer(RespValue reply)
    {
        if (reply.Kind == RespKind.Push)
        {
            return true;
        }

        Call? call;
        lock (gate)
        {
            if (!sent.TryDequeue(out call))
            {
                return false;
            }

            SignalIfSendable();
        }

        call.Answer(reply);
        return true;
    }

    // A call that nobody has sent gives its place up at once: a stalled server must not make a queue of cancelled calls.
    private void Abandon(Call call)
    {
        lock (gate)
        {
            if (call.Place is null)
            {
                return;
            }

            waiting.Remove(call.Place);
            call.Place = null;
        }

        call.Release();
    }

    private void Fail(RespConnectionException failure)
    {
        List<(Call Call, bool WasSent)> failed = [];
        lock (gate)
        {
            if (this.failure is not null)
            {
                return;
            }

            this.failure = failure;
            while (this.sent.TryDequeue(out var sent))
            {
                failed.Add((sent, true));
            }

            foreach (var waiting in this.waiting)
            {
                waiting.Place = null;
                failed.Add((waiting, false));
            }

            this.waiting.Clear();
        }

        // A server that cannot be followed is left at once, not when the owner gets round to it.
        closing.Cancel();
        stream.Dispose();
        foreach (var (call, wasSent) in failed)
        {
            call.Fail(Broken(call, wasSent, failure));
        }
    }

    private static RespConnectionException Broken(Call call, bool wasSent, RespConnectionException failure)
        => new($"{call.Name} failed: {failure.Message}", wasSent, failure);

    /// <summary>One command on its way: its bytes until they are sent, its caller until it is answered.</summary>
    private sealed class Call : TaskCompletionSource<RespValue>
    {
        private readonly RespConnection owner;
        private byte[] rented;
        private CancellationTokenRegistration registration;

        public Call(RespConnection owner, ReadOnlySpan<RespArgument> command)
            : base(TaskCreationOptions.RunContinuationsAsynchronously)
        {
            this.owner = owner;
            Name = command[0].ToString();
            long bound = RespWriter.MaxHeaderBytes;
            foreach (var argument in command)
            {
                bound += RespWriter.BulkStringBytes(0) + argument.LengthBytes;
            }

            if (bound > Array.MaxLength)
            {
                throw new ArgumentException($"{Name} would be a command of {bound} bytes.", nameof(command));
            }

            rented = ArrayPool<byte>.Shared.Rent((int)bound);
            var position = RespWriter.WriteArrayHeader(rented, command.Length);
            foreach (var argument in command)
            {
                position += RespWriter.WriteBulkHeader(rented.AsSpan(position), argument.LengthBytes);
                position += argument.Write(rented.AsSpan(position));
                position += RespWriter.WriteLineEnd(rented.AsSpan(position));
            }

            Encoded = rented.AsMemory(0, position);
        }

        /// <summary>The command's name, for messages; its arguments may be secret.</summary>
        public string Name { get; }

        public ReadOnlyMemory<byte> Encoded { get; private set; }

        /// <summary>Where the call waits to be sent; null from then on. Guarded by the owner's gate.</summary>
        public LinkedListNode<Call>? Place { get; set; }

        public void Watch(CancellationToken cancellationToken)
        {
            if (!cancellationToken.CanBeCanceled)
            {
                return;
            }

            registration = cancellationToken.UnsafeRegister(
                static (state, token) =>
                {
                    var call = (Call)state!;
                    if (call.TrySetCanceled(token))
                    {
                        call.owner.Abandon(call);
                    }
                },
                this);

            // Completed meanwhile: who completed it may not have seen the registration, so it must not stay on a token that lives long. The fence pairs with the completion's own.
            Interlocked.MemoryBarrier();
            if (Task.IsCompleted)
            {
                registration.Unregister();
            }
        }

        public void Answer(RespValue reply)
        {
            if (reply.IsError)
            {
                var words = reply.ToString();
                TrySetException(new RespServerException($"{Name} was refused by {owner.endpoint}: {words}", words));
            }
            else
            {
                TrySetResult(reply);
            }

            registration.Unregister();
        }

        public void Fail(Exception failure)
        {
            TrySetException(failure);
            registration.Unregister();
        }

        /// <summary>Gives the encoded bytes back. Only their last holder calls this: the send loop, or who took the call out of the queue before it.</summary>
        public void Release()
        {
            var rented = Interlocked.Exchange(ref this.rented, []);
            Encoded = default;
            if (rented.Length > 0)
            {
                ArrayPool<byte>.Shared.Return(rented);
            }
        }
    }
}
