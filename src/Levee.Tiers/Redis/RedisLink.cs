using System.Diagnostics;
using System.Net.Sockets;
using Levee.Resp;

namespace Levee.Tiers.Redis;

/// <summary>
/// One connection to a server that many share: commands are encoded straight into the output buffer, which a loop sends whenever there is something in it, and replies are matched to
/// them in order. No object per write, a pooled one per read.
/// <para>
/// A ring holds what is under way: whoever sends adds to it under the gate, in the order of the bytes; the reader alone takes from it. A command that is not answered in time ends the
/// connection, as does anything that cannot be followed; then everything under way fails as <see cref="RedisErrorKind.Unknown"/>, and the link is never used again.
/// </para>
/// </summary>
internal sealed partial class RedisLink : IAsyncDisposable
{
    // Held back beyond this, reads fail: the server does not take what it is sent.
    private const int MaxOutputBytes = 8 << 20;
    private const int KeptOutputBytes = 1 << 20;

    // Room in the ring that reads leave to writes, so that many reads cannot keep tombstones from being sent.
    private const int ReservedForWrites = 512;

    private readonly Stream stream;
    private readonly TimeProvider time;
    private readonly IRedisReplies replies;
    private readonly CancellationTokenSource closing = new();
    private readonly Lock gate = new();
    private readonly AsyncSignal sendable = new();
    private readonly InFlight[] ring;
    private readonly long timeoutTicks;
    private byte[] output = new byte[64 * 1024];
    private int outputBytes;

    // Commands added and answered since the beginning; added under the gate, answered by the reader.
    private long added;
    private long answered;
    private int corks;
    private string? failure;
    private Task loops = Task.CompletedTask;
    private ITimer? watch;

    private RedisLink(Stream stream, RedisOptions options, TimeProvider time, IRedisReplies replies)
    {
        this.stream = stream;
        this.time = time;
        this.replies = replies;
        ring = new InFlight[options.MaxInFlight];
        timeoutTicks = (long)(options.CommandTimeout.TotalSeconds * time.TimestampFrequency);
    }

    /// <summary>Completes when the link has ended and all that was under way has failed.</summary>
    public Task Ended => loops;

    /// <summary>Whether it can still be used.</summary>
    public bool IsOpen => Volatile.Read(ref failure) is null;

    /// <summary>Why it has ended, for people.</summary>
    public string Failure => Volatile.Read(ref failure) ?? "";

    /// <summary>The server's number for this connection.</summary>
    public long ClientId { get; private set; }

    /// <summary>The server's name for its present life; another one after each of its starts.</summary>
    public string RunId { get; private set; } = "";

    /// <summary>How many more writes may be under way.</summary>
    public int FreePlaces => ring.Length - (int)(Volatile.Read(ref added) - Volatile.Read(ref answered));

    /// <summary>Sends a GET.</summary>
    /// <returns>False where the link has ended or too much is under way; then the read was not taken over.</returns>
    public bool TryGet(RedisNames names, ulong hash, ReadCall read)
    {
        lock (gate)
        {
            if (failure is not null || FreePlaces <= ReservedForWrites || outputBytes > MaxOutputBytes)
            {
                return false;
            }

            var room = Room(names.Length + RedisCommands.GetOverheadBytes);
            outputBytes += RedisCommands.WriteGet(room, names, hash);
            Add(RedisCommandKind.Get, 0, read);
        }

        if (Volatile.Read(ref corks) == 0)
        {
            sendable.Raise();
        }

        return true;
    }

    /// <summary>Sends writes that are encoded already.</summary>
    /// <returns>False where the link has ended or too much is under way; then nothing was sent.</returns>
    public bool TryWrite(ReadOnlySpan<byte> encoded, RedisCommandKind kind, ReadOnlySpan<long> tickets)
    {
        lock (gate)
        {
            if (failure is not null || FreePlaces < tickets.Length || outputBytes > MaxOutputBytes)
            {
                return false;
            }

            encoded.CopyTo(Room(encoded.Length));
            outputBytes += encoded.Length;
            foreach (var ticket in tickets)
            {
                Add(kind, ticket, null);
            }
        }

        sendable.Raise();
        return true;
    }

    /// <summary>Sends any command and awaits its reply.</summary>
    /// <exception cref="RedisException">The server refused it, or the link has ended.</exception>
    public async Task<RespValue> CallAsync(params RespArgument[] command)
    {
        var call = new TaskCompletionSource<RespValue>(TaskCreationOptions.RunContinuationsAsynchronously);
        lock (gate)
        {
            if (failure is not null || FreePlaces == 0)
            {
                throw new RedisException(RedisErrorKind.Unknown, failure ?? "too many commands are under way");
            }

            var most = RespWriter.MaxHeaderBytes;
            foreach (var argument in command)
            {
                most += RespWriter.BulkStringBytes(argument.LengthBytes);
            }

            var room = Room(most);
            var written = RespWriter.WriteArrayHeader(room, command.Length);
            foreach (var argument in command)
            {
                written += WriteArgument(room[written..], argument);
            }

            outputBytes += written;
            Add(RedisCommandKind.Call, 0, call);
        }

        sendable.Raise();
        var reply = await call.Task.ConfigureAwait(false);
        if (reply.IsError)
        {
            var kind = RedisErrors.Classify(reply.Bytes.Span);
            throw new RedisException(kind, RedisErrors.Describe(kind, reply.Bytes.Span));
        }

        return reply;
    }

    /// <summary>Holds reads back until <see cref="Uncork"/>, to be sent together. Not for long.</summary>
    public void Cork() => Interlocked.Increment(ref corks);

    /// <summary>Sends what was held back.</summary>
    public void Uncork()
    {
        Interlocked.Decrement(ref corks);
        sendable.Raise();
    }

    /// <summary>Ends the link; what is under way fails.</summary>
    public void End(string reason)
    {
        lock (gate)
        {
            if (failure is not null)
            {
                return;
            }

            Volatile.Write(ref failure, reason);
        }

        // Not here: whoever ends the link may hold a lock.
        _ = closing.CancelAsync();
        sendable.Raise();
    }

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        End("the connection was closed");
        await loops.ConfigureAwait(false);
        if (watch is not null)
        {
            await watch.DisposeAsync().ConfigureAwait(false);
        }

        await stream.DisposeAsync().ConfigureAwait(false);
        closing.Dispose();
    }

    private void Start(TimeSpan commandTimeout)
    {
        loops = Task.WhenAll(SendLoopAsync(), ReceiveLoopAsync());
        var period = TimeSpan.FromMilliseconds(Math.Clamp(commandTimeout.TotalMilliseconds / 8, 5, 250));
        watch = time.CreateTimer(static link => ((RedisLink)link!).Watch(), this, period, period);
    }

    // The time-out counts from when a command was handed over, not from when it was sent: a server that takes nothing is as silent as one that answers nothing.
    private void Watch()
    {
        var next = Volatile.Read(ref answered);
        if (next < Volatile.Read(ref added) && time.GetTimestamp() - Volatile.Read(ref ring[next & (ring.Length - 1)].Since) > timeoutTicks && next == Volatile.Read(ref answered))
        {
            End("no answer came in time");
        }
    }

    private Span<byte> Room(int bytes)
    {
        if (output.Length - outputBytes < bytes)
        {
            Array.Resize(ref output, Math.Max(2 * output.Length, outputBytes + bytes));
        }

        return output.AsSpan(outputBytes);
    }

    private void Add(RedisCommandKind kind, long ticket, object? call)
    {
        Debug.Assert(gate.IsHeldByCurrentThread, "The ring is in the order of the output.");
        ref var place = ref ring[added & (ring.Length - 1)];
        place.Kind = kind;
        place.Ticket = ticket;
        place.Call = call;
        Volatile.Write(ref place.Since, time.GetTimestamp());
        Volatile.Write(ref added, added + 1);
    }

    private async Task SendLoopAsync()
    {
        var sending = new byte[64 * 1024];
        try
        {
            while (IsOpen)
            {
                await sendable.WaitAsync().ConfigureAwait(false);
                while (IsOpen)
                {
                    int count;
                    lock (gate)
                    {
                        (sending, output) = (output, sending);
                        count = outputBytes;
                        outputBytes = 0;
                    }

                    if (count == 0)
                    {
                        break;
                    }

                    await stream.WriteAsync(sending.AsMemory(0, count), closing.Token).ConfigureAwait(false);
                    if (sending.Length > KeptOutputBytes)
                    {
                        sending = new byte[64 * 1024];
                    }
                }
            }
        }
        catch (OperationCanceledException)
        {
            // Ended: the reader fails what is under way.
        }
        catch (Exception broken) when (broken is IOException or ObjectDisposedException or SocketException)
        {
            End($"the connection broke while sending: {broken.Message}");
        }
    }

    private static int WriteArgument(Span<byte> destination, RespArgument argument)
    {
        var position = RespWriter.WriteBulkHeader(destination, argument.LengthBytes);
        position += argument.Write(destination[position..]);
        return position + RespWriter.WriteLineEnd(destination[position..]);
    }

    private struct InFlight
    {
        public object? Call;
        public long Ticket;
        public long Since;
        public RedisCommandKind Kind;
    }
}
