using System.Collections.Concurrent;
using Levee.Cli.Bench;
using Levee.Keys;
using Levee.Resp;

namespace Levee.ClusterLoad;

/// <summary>
/// Paced load over several servers: requests start when they are due, whether or not earlier ones have been answered, and their latency counts from then, so that a stall shows as latency.
/// </summary>
internal sealed class LoadRun : IOutcomes, IAsyncDisposable
{
    private const int PreloadWindow = 256;
    private static readonly TimeSpan Tick = TimeSpan.FromMilliseconds(1);
    private static readonly TimeSpan CheckTimeouts = TimeSpan.FromMilliseconds(100);

    private readonly LoadOptions options;
    private readonly TimeProvider time;
    private readonly ReadChecker checker;
    private readonly LoadConnection[] connections;
    private readonly Watcher[] watchers;
    private readonly ushort[] partitions;
    private readonly ZipfGenerator? zipf;
    private readonly Random random;
    private readonly List<ServerEvent> events = [];
    private readonly ConcurrentDictionary<string, int> errors = new();
    private readonly long[] failures = new long[Enum.GetValues<Failure>().Length];
    private SecondLog log;
    private long origin;
    private int turn;
    private int inTurn;
    private long brokenBusy;
    private long closedIdle;

    public LoadRun(LoadOptions options, TimeProvider time)
    {
        this.options = options;
        this.time = time;
        origin = time.GetTimestamp();
        random = new Random(options.Seed);
        zipf = options.Zipf > 0 ? new ZipfGenerator(options.Keys, options.Zipf) : null;
        checker = new ReadChecker(options.Keys, options.ValueBytes);
        log = new SecondLog(options.Partitions);
        partitions = PartitionsOf(options.Keys, options.Partitions);
        connections = [.. Enumerable.Range(0, options.Connections).Select(i => new LoadConnection(options.Servers, i, options.ValueBytes, this, time))];
        watchers = [.. options.Watched.Select(server => new Watcher(server, options.ValueBytes, checker, Now, time))];
    }

    /// <summary>Writes every key once; then the load, a line per second.</summary>
    /// <param name="writeLine">Takes the lines.</param>
    /// <param name="cancellation">Ends the load early.</param>
    public async Task<LoadReport> RunAsync(Action<string> writeLine, CancellationToken cancellation)
    {
        foreach (var connection in connections)
        {
            connection.Start();
        }

        if (options.Preloads)
        {
            await PreloadAsync(cancellation);
            writeLine($"preloaded {options.Keys} keys in {Now() / 1e9:0.0} s");
        }

        Begin();
        using var ending = CancellationTokenSource.CreateLinkedTokenSource(cancellation);
        ending.CancelAfter(TimeSpan.FromSeconds(options.Seconds));
        Task[] tasks = [PaceAsync(ending.Token), PrintAsync(writeLine, ending.Token), EndTimeoutsAsync(ending.Token)];

        // Not awaited: reading a pipe that stays silent cannot be cancelled.
        var following = FollowEventsAsync(writeLine, ending.Token);
        await Task.WhenAll(tasks);
        if (following.IsFaulted)
        {
            await following;
        }

        var (rows, silences, failed) = log.End(Now());
        return new LoadReport(options, rows, EventReport.Of(events, rows, silences, failed), log.Latencies, checker, Totals(), [.. watchers.Select(watcher => watcher.ToString())]);
    }

    public void Answered(LoadConnection connection, in Request request, in RespValue reply)
    {
        var now = Now();
        if (reply.IsError)
        {
            errors.AddOrUpdate(reply.ToString(), 1, (_, count) => count + 1);
            End(request, Failure.Error, now);
            return;
        }

        log.Answer(partitions[request.Key], request.Kind, !reply.IsNull, request.Due, now);
        if (request.Kind != RequestKind.Get)
        {
            checker.EndWrite(request.Key, isAcknowledged: true, now);
        }
        else if (!reply.IsNull)
        {
            checker.EndRead(request, reply.Bytes.Span, now);
        }
        else
        {
            checker.EndRead(request.Key, isMiss: true, now);
            _ = TryWrite(connection, RequestKind.Set, request.Key, now);
        }
    }

    public void Failed(in Request request, Failure failure) => End(request, failure, Now());

    public void Disconnected(LoadConnection connection, int underWay) => Interlocked.Increment(ref underWay > 0 ? ref brokenBusy : ref closedIdle);

    public async ValueTask DisposeAsync()
    {
        foreach (var connection in connections)
        {
            await connection.DisposeAsync();
        }

        foreach (var watcher in watchers)
        {
            await watcher.DisposeAsync();
        }
    }

    private static ushort[] PartitionsOf(int keys, int partitions)
    {
        var of = new ushort[keys];
        Span<byte> name = stackalloc byte[ValueFormat.KeyBytes];
        for (var key = 0; key < keys; key++)
        {
            ValueFormat.WriteKey(name, key);
            of[key] = (ushort)(KeyHash.Of(name) / (ulong.MaxValue / (ulong)partitions + 1));
        }

        return of;
    }

    private long Now() => (long)time.GetElapsedTime(Volatile.Read(ref origin)).TotalNanoseconds;

    // The clock begins anew with what is measured. Nothing is under way.
    private void Begin()
    {
        log = new SecondLog(options.Partitions);
        Array.Clear(failures);
        errors.Clear();
        checker.Shift(-Now());
        Volatile.Write(ref origin, time.GetTimestamp());
    }

    private async Task PreloadAsync(CancellationToken cancellation)
    {
        using var timer = new PeriodicTimer(Tick, time);
        for (var key = 0; key < options.Keys || connections.Any(connection => connection.UnderWay > 0);)
        {
            foreach (var connection in connections)
            {
                for (var room = PreloadWindow - connection.UnderWay; room > 0 && key < options.Keys && TryWrite(connection, RequestKind.Set, key, Now()); room--)
                {
                    key++;
                }

                connection.Flush();
            }

            await timer.WaitForNextTickAsync(cancellation);
        }
    }

    private async Task PaceAsync(CancellationToken cancellation)
    {
        using var timer = new PeriodicTimer(Tick, time);
        var begun = 0L;
        var watched = 0L;
        while (await TicksAsync(timer, cancellation))
        {
            var now = Now();
            for (; begun < now / 1e9 * options.Rate; begun++)
            {
                Issue((long)(begun * 1e9 / options.Rate), now);
            }

            foreach (var connection in connections)
            {
                connection.Flush();
            }

            for (; watched < now / 1e9 * options.WatchRate; watched++)
            {
                foreach (var watcher in watchers)
                {
                    watcher.Read(DrawKey());
                }
            }

            foreach (var watcher in watchers)
            {
                watcher.Flush();
            }
        }
    }

    private void Issue(long due, long now)
    {
        var connection = NextConnection();
        if (connection is null)
        {
            Interlocked.Increment(ref failures[(int)Failure.Unreachable]);
            log.Fail(Failure.Unreachable, now);
            return;
        }

        var drawn = random.NextDouble();
        var key = DrawKey();
        var kind = drawn < options.DeleteShare ? RequestKind.Delete : drawn < options.DeleteShare + options.ReadShare ? RequestKind.Get : RequestKind.Set;

        // A key that is being written has its writer busy: another one is written, or, where popularity has it that all drawn are, read.
        for (var tries = 0; kind != RequestKind.Get && tries < 4; tries++)
        {
            if (TryWrite(connection, kind, key, due))
            {
                return;
            }

            key = DrawKey();
        }

        log.Ask(partitions[key], RequestKind.Get, due);
        var read = new Request(RequestKind.Get, key, 0, checker.BeginRead(key), due, now);
        if (!connection.TryAdd(read))
        {
            End(read, Failure.Unreachable, now);
        }
    }

    private bool TryWrite(LoadConnection connection, RequestKind kind, int key, long due)
    {
        var now = Now();
        if (!connection.IsOpen || checker.BeginWrite(key, kind == RequestKind.Delete, now) is not (> 0 and var version))
        {
            return false;
        }

        log.Ask(partitions[key], kind, due);
        var write = new Request(kind, key, version, 0, due, now);
        if (!connection.TryAdd(write))
        {
            End(write, Failure.Unreachable, now);
        }

        return true;
    }

    private LoadConnection? NextConnection()
    {
        for (var tries = 0; tries <= connections.Length; tries++)
        {
            var connection = connections[turn];
            if (inTurn < options.Pipeline && connection.IsOpen)
            {
                inTurn++;
                return connection;
            }

            inTurn = 0;
            turn = (turn + 1) % connections.Length;
        }

        return null;
    }

    private int DrawKey() => zipf is null ? random.Next(options.Keys) : (int)zipf.Next(random);

    private void End(in Request request, Failure failure, long now)
    {
        if (request.Kind == RequestKind.Get)
        {
            checker.EndRead(request.Key, isMiss: false, now);
        }
        else
        {
            checker.EndWrite(request.Key, isAcknowledged: false, now);
        }

        Interlocked.Increment(ref failures[(int)failure]);
        log.Fail(failure, now);
    }

    private async Task PrintAsync(Action<string> writeLine, CancellationToken cancellation)
    {
        using var timer = new PeriodicTimer(TimeSpan.FromMilliseconds(200), time);
        var printed = 0;
        while (await TicksAsync(timer, cancellation))
        {
            foreach (var row in log.RowsFrom(printed, Now()))
            {
                writeLine(FormattableString.Invariant(
                    $"{row.Second,5} s  {row.Answers,7} ops/s  hit {100 * row.HitRatio,6:0.00} %  p50 {row.P50,8:0.00} p99 {row.P99,8:0.00} max {row.Max,8:0.00} ms  failed {row.Failures,5}  misses {row.Misses,6}"));
                printed++;
            }
        }
    }

    private async Task EndTimeoutsAsync(CancellationToken cancellation)
    {
        using var timer = new PeriodicTimer(CheckTimeouts, time);
        while (await TicksAsync(timer, cancellation))
        {
            var oldest = Now() - (long)options.Timeout.TotalNanoseconds;
            foreach (var connection in connections)
            {
                connection.GiveUpWhenOlder(oldest);
            }
        }
    }

    private Task FollowEventsAsync(Action<string> writeLine, CancellationToken cancellation) =>
        options.EventsFile is null
            ? Task.CompletedTask
            : EventFile.FollowAsync(
                options.EventsFile,
                text =>
                {
                    events.Add(new ServerEvent(Now() / 1e9, text));
                    writeLine(FormattableString.Invariant($"{events[^1].At,7:0.00} s  {text}"));
                },
                time,
                cancellation);

    private LoadTotals Totals() => new(
        Enum.GetValues<Failure>().ToDictionary(cause => cause, cause => Interlocked.Read(ref failures[(int)cause])),
        new Dictionary<string, int>(errors),
        Interlocked.Read(ref brokenBusy),
        Interlocked.Read(ref closedIdle));

    private static async Task<bool> TicksAsync(PeriodicTimer timer, CancellationToken cancellation)
    {
        try
        {
            return await timer.WaitForNextTickAsync(cancellation);
        }
        catch (OperationCanceledException)
        {
            return false;
        }
    }
}
