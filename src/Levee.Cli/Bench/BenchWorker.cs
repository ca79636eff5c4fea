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

    private readonly BenchOptions _options;
    private readonly BenchConnection[] _connections;
    private readonly SocketPoll _poll;
    private readonly bool[] _isWriting;
    private readonly Random _random;
    private readonly ZipfGenerator? _zipf;
    private readonly byte[] _value;
    private readonly byte[] _key;
    private readonly int _index;
    private int _nextConnection;
    private long _tracePosition;

    // Keys that a preload still has to write; below zero when it is over.
    private long _preloadNext;

    public BenchWorker(BenchOptions options, Socket[] sockets, int index)
    {
        _options = options;
        _connections = [.. sockets.Select(socket => new BenchConnection(socket, options.Pipeline))];
        _poll = new SocketPoll(sockets);
        _isWriting = new bool[sockets.Length];
        _index = index;
        _random = new Random(options.Seed + index);
        _zipf = options.Distribution.ZipfExponent > 0 ? new ZipfGenerator(options.Keys, options.Distribution.ZipfExponent) : null;
        _value = new byte[options.MaxValueBytes];
        _random.NextBytes(_value);
        _key = options.TraceKeys.IsEmpty ? "key:000000000000"u8.ToArray() : "trace:0000000000000000"u8.ToArray();

        // Threads walk the trace from evenly spaced places, together once per round.
        _tracePosition = (long)options.TraceKeys.Length * index / options.Threads;
    }

    public BenchMeter Meter { get; } = new();

    /// <summary>Writes this thread's share of the keys once.</summary>
    public void Preload(CancellationToken cancellation)
    {
        _preloadNext = _index;
        var count = _options.TraceKeys.IsEmpty ? _options.Keys : _options.TraceKeys.Length;
        RunClosed(() => _preloadNext < count, cancellation);
        _preloadNext = -1;
    }

    /// <summary>Warms up and measures.</summary>
    public void Run(long start, CancellationToken cancellation)
    {
        _preloadNext = -1;
        SocketPoll.SharpenTimer();
        var end = start + (long)((_options.Warmup + _options.Duration).TotalMilliseconds * 1e6);
        Meter.From = start + (long)(_options.Warmup.TotalMilliseconds * 1e6);
        Meter.Until = end;
        if (_options.Rate > 0)
        {
            RunPaced(start, end, cancellation);
        }
        else
        {
            RunClosed(() => BenchMeter.Now() < end, cancellation);
        }
    }

    private void RunClosed(Func<bool> goesOn, CancellationToken cancellation)
    {
        long grace = long.MaxValue;
        while (true)
        {
            cancellation.ThrowIfCancellationRequested();
            var isOver = !goesOn();
            var inFlight = 0;
            foreach (var connection in _connections)
            {
                if (connection.InFlight == 0 && !isOver)
                {
                    var now = BenchMeter.Now();
                    while (connection.HasRoom && goesOnWithPreload())
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
                    if (_preloadNext >= 0)
                    {
                        throw new CommandException($"the server left {inFlight} writes of the preload unanswered");
                    }

                    Abandon();
                    return;
                }
            }

            WaitAndReceive(LongestWaitNanoseconds);
        }

        bool goesOnWithPreload() => _preloadNext < 0 || goesOn();
    }

    private void RunPaced(long start, long end, CancellationToken cancellation)
    {
        var interval = 1e9 * _options.Threads / _options.Rate;

        // Threads take turns: operation k of thread t is due at (k + t / threads) intervals.
        var offset = interval * _index / _options.Threads;
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
            foreach (var connection in _connections)
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
        for (var tried = 0; tried < _connections.Length; tried++)
        {
            connection = _connections[_nextConnection];
            _nextConnection = _nextConnection + 1 == _connections.Length ? 0 : _nextConnection + 1;
            if (connection.HasRoom)
            {
                return true;
            }
        }

        connection = _connections[0];
        return false;
    }

    private void WaitAndReceive(long nanoseconds)
    {
        for (var index = 0; index < _connections.Length; index++)
        {
            _isWriting[index] = _connections[index].HasUnsent;
        }

        _poll.Wait(_isWriting, nanoseconds);
        for (var index = 0; index < _connections.Length; index++)
        {
            if (_poll.IsReady(index))
            {
                _connections[index].Flush();
                _connections[index].Receive(Meter);
            }
        }
    }

    private void Abandon()
    {
        var now = BenchMeter.Now();
        foreach (var connection in _connections)
        {
            while (connection.TryAbandon(out var due))
            {
                Meter.Abandon(due, now);
            }
        }
    }

    private void Add(BenchConnection connection, long due)
    {
        var isRead = _preloadNext < 0 && (_options.ReadShare >= 1 || (_options.ReadShare > 0 && _random.NextDouble() < _options.ReadShare));
        FormatKey();
        var length = _options.MinValueBytes == _options.MaxValueBytes ? _options.MaxValueBytes : _random.Next(_options.MinValueBytes, _options.MaxValueBytes + 1);
        connection.Add(due, isRead, _key, _value.AsSpan(0, length));
    }

    private void FormatKey()
    {
        if (!_options.TraceKeys.IsEmpty)
        {
            var place = _preloadNext >= 0 ? _preloadNext : _tracePosition++ % _options.TraceKeys.Length;
            Advance();
            Utf8Formatter.TryFormat(_options.TraceKeys.Span[(int)place], _key.AsSpan(6), out _, new System.Buffers.StandardFormat('x', 16));
            return;
        }

        var index = _preloadNext >= 0 ? _preloadNext : _zipf is null ? _random.Next(_options.Keys) : _zipf.Next(_random);
        Advance();
        for (var digit = _key.Length - 1; digit >= 4; digit--)
        {
            (index, var rest) = Math.DivRem(index, 10);
            _key[digit] = (byte)('0' + rest);
        }
    }

    private void Advance()
    {
        if (_preloadNext >= 0)
        {
            _preloadNext += _options.Threads;
        }
    }
}
