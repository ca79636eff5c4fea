using System.Buffers.Text;
using System.Net.Sockets;

namespace Levee.Cli.Bench;

/// <summary>
/// One thread of a bench with its share of the connections. Closed loop: a connection sends a full pipeline when all its replies have come. Paced: operation k is due at start + k * interval,
/// whatever the replies do; it goes out on the next connection with room, and its latency counts from when it was due, so a stalled server cannot hide the operations that it kept from being
/// sent (coordinated omission).
/// </summary>
internal sealed class BenchWorker
{
    // How long replies are awaited when the time is up.
    private const long GraceNanoseconds = 2_000_000_000;

    // How long a wait lasts at most, so that cancelling is noticed.
    private const long LongestWaitNanoseconds = 100_000_000;

    private readonly BenchOptions options;
    private readonly BenchConnection[] connections;
    private readonly SocketPoll poll;
    private readonly bool[] isWriting;
    private readonly Random random;
    private readonly ZipfGenerator? zipf;
    private readonly byte[] value;
    private readonly byte[] key;
    private int keyLength;
    private readonly int index;
    private int nextConnection;
    private long tracePosition;

    // Keys that a preload still has to write; below zero when it is over.
    private long preloadNext;

    // Where in the trace each of its keys stands first, during a preload.
    private int[] firstPlaces = [];

    public BenchWorker(BenchOptions options, Socket[] sockets, int index)
    {
        this.options = options;
        connections = [.. sockets.Select(socket => new BenchConnection(socket, options.Pipeline) { Missed = options.FillsMisses ? new Queue<long>() : null })];
        poll = new SocketPoll(sockets);
        isWriting = new bool[sockets.Length];
        this.index = index;
        random = new Random(options.Seed + index);
        zipf = options.Distribution.ZipfExponent > 0 ? new ZipfGenerator(options.Keys, options.Distribution.ZipfExponent) : null;
        value = new byte[options.MaxValueBytes];
        random.NextBytes(value);
        key = options.TraceKeys.IsEmpty ? "key:000000000000"u8.ToArray() : "trace:00000000000000000000"u8.ToArray();
        keyLength = key.Length;

        // Threads walk the trace from evenly spaced places, together once per round.
        tracePosition = (long)options.TraceKeys.Length * index / options.Threads;
    }

    public BenchMeter Meter { get; } = new();

    /// <summary>Writes this thread's share of the keys once.</summary>
    public void Preload(CancellationToken cancellation)
    {
        preloadNext = index;
        firstPlaces = options.TraceKeys.IsEmpty ? [] : FirstPlaces(options.TraceKeys.Span);
        var count = options.TraceKeys.IsEmpty ? options.Keys : firstPlaces.Length;
        RunClosed(() => preloadNext < count, cancellation);
        preloadNext = -1;
        firstPlaces = [];
    }

    /// <summary>Warms up and measures.</summary>
    public void Run(long start, CancellationToken cancellation)
    {
        preloadNext = -1;
        SocketPoll.SharpenTimer();
        var end = start + (long)((options.Warmup + options.Duration).TotalMilliseconds * 1e6);
        Meter.From = start + (long)(options.Warmup.TotalMilliseconds * 1e6);
        Meter.Until = end;
        if (options.Rate > 0)
        {
            RunPaced(start, end, cancellation);
        }
        else if (options.IsOnce)
        {
            Meter.From = 0;
            Meter.Until = long.MaxValue;
            RunClosed(() => tracePosition < options.TraceKeys.Length, cancellation);
        }
        else
        {
            RunClosed(() => BenchMeter.Now() < end, cancellation);
        }
    }

    private void RunClosed(Func<bool> goesOn, CancellationToken cancellation)
    {
        var grace = long.MaxValue;
        var isCounted = preloadNext >= 0 || options.IsOnce;
        while (true)
        {
            cancellation.ThrowIfCancellationRequested();
            var isOver = !goesOn();
            var inFlight = 0;
            foreach (var connection in connections)
            {
                if (connection.InFlight == 0 && !isOver)
                {
                    var now = BenchMeter.Now();
                    while (connection.HasRoom && (!isCounted || goesOn()))
                    {
                        Add(connection, now);
                    }

                    connection.Flush();
                }

                inFlight += connection.InFlight;
            }

            if (isOver)
            {
                if (inFlight == 0)
                {
                    return;
                }

                grace = Math.Min(grace, BenchMeter.Now() + GraceNanoseconds);
                if (BenchMeter.Now() > grace)
                {
                    if (preloadNext >= 0)
                    {
                        throw new CommandException($"the server left {inFlight} writes of the preload unanswered");
                    }

                    Abandon();
                    return;
                }
            }

            WaitAndReceive(LongestWaitNanoseconds);
        }

    }

    private void RunPaced(long start, long end, CancellationToken cancellation)
    {
        var interval = 1e9 * options.Threads / options.Rate;

        // Threads take turns: operation k of thread t is due at (k + t / threads) intervals.
        var offset = interval * index / options.Threads;
        long sent = 0;
        while (true)
        {
            cancellation.ThrowIfCancellationRequested();
            var now = BenchMeter.Now();
            var due = start + (long)(offset + (sent * interval));
            while (due <= now && due < end && TryPickConnection(out var connection))
            {
                Add(connection, due);
                sent++;
                due = start + (long)(offset + (sent * interval));
            }

            var inFlight = 0;
            foreach (var connection in connections)
            {
                connection.Flush();
                inFlight += connection.InFlight;
            }

            if (due >= end && inFlight == 0)
            {
                return;
            }

            if (now > end + GraceNanoseconds)
            {
                for (; due < end; due = start + (long)(offset + (sent * interval)))
                {
                    Meter.Abandon(due, now);
                    sent++;
                }

                Abandon();
                return;
            }

            // A full house waits for replies, not for the next due time, which has passed.
            var isFull = due <= now || due >= end;
            WaitAndReceive(isFull ? LongestWaitNanoseconds : Math.Min(due - BenchMeter.Now(), LongestWaitNanoseconds));
        }
    }

    private bool TryPickConnection(out BenchConnection connection)
    {
        for (var tried = 0; tried < connections.Length; tried++)
        {
            connection = connections[nextConnection];
            nextConnection = nextConnection + 1 == connections.Length ? 0 : nextConnection + 1;
            if (connection.HasRoom)
            {
                return true;
            }
        }

        connection = connections[0];
        return false;
    }

    private void WaitAndReceive(long nanoseconds)
    {
        for (var index = 0; index < connections.Length; index++)
        {
            isWriting[index] = connections[index].HasUnsent;
        }

        poll.Wait(isWriting, nanoseconds);
        for (var index = 0; index < connections.Length; index++)
        {
            if (poll.IsReady(index))
            {
                connections[index].Flush();
                connections[index].Receive(Meter);
            }
        }
    }

    private void Abandon()
    {
        var now = BenchMeter.Now();
        foreach (var connection in connections)
        {
            while (connection.TryAbandon(out var due))
            {
                Meter.Abandon(due, now);
            }
        }
    }

    private void Add(BenchConnection connection, long due)
    {
        var isFill = connection.Missed is { Count: > 0 };
        var isRead = !isFill && preloadNext < 0 && (options.ReadShare >= 1 || (options.ReadShare > 0 && random.NextDouble() < options.ReadShare));
        var number = isFill ? connection.Missed!.Dequeue() : NextKey();
        FormatKey(number);
        var length = options.MinValueBytes == options.MaxValueBytes ? options.MaxValueBytes : random.Next(options.MinValueBytes, options.MaxValueBytes + 1);
        connection.Add(due, isRead, number, key.AsSpan(0, keyLength), value.AsSpan(0, length));
    }

    /// <summary>The next key's number, or, with a trace, its place in it.</summary>
    private long NextKey()
    {
        if (preloadNext >= 0)
        {
            var next = preloadNext;
            preloadNext += options.Threads;
            return firstPlaces.Length == 0 ? next : firstPlaces[next];
        }

        return !options.TraceKeys.IsEmpty ? tracePosition++ % options.TraceKeys.Length : zipf is null ? random.Next(options.Keys) : zipf.Next(random);
    }

    private void FormatKey(long number)
    {
        if (!options.TraceKeys.IsEmpty)
        {
            Utf8Formatter.TryFormat(options.TraceKeys.Span[(int)number], key.AsSpan(6), out var digits);
            keyLength = 6 + digits;
            return;
        }

        for (var digit = key.Length - 1; digit >= 4; digit--)
        {
            (number, var rest) = Math.DivRem(number, 10);
            key[digit] = (byte)('0' + rest);
        }
    }

    private static int[] FirstPlaces(ReadOnlySpan<ulong> keys)
    {
        var seen = new HashSet<ulong>();
        List<int> places = [];
        for (var place = 0; place < keys.Length; place++)
        {
            if (seen.Add(keys[place]))
            {
                places.Add(place);
            }
        }

        return [.. places];
    }
}
