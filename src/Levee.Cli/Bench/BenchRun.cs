using System.Net.Sockets;
using Levee.Resp;
using Levee.Telemetry;

namespace Levee.Cli.Bench;

/// <summary>A bench from connecting to the result.</summary>
internal static class BenchRun
{
    private static readonly TimeSpan ProgressInterval = TimeSpan.FromSeconds(1);

    public static async Task<BenchResult> RunAsync(BenchOptions options, TextWriter? progress, CancellationToken cancellation)
    {
        var sockets = new List<Socket>();
        try
        {
            for (var index = 0; index < options.Connections; index++)
            {
                sockets.Add(await ConnectAsync(options, cancellation));
            }

            var workers = new BenchWorker[options.Threads];
            for (var index = 0; index < workers.Length; index++)
            {
                workers[index] = new BenchWorker(options, [.. sockets.Where((_, place) => place % options.Threads == index)], index);
            }

            if (options.IsPreloading)
            {
                await RunAllAsync(workers, static (worker, token) => worker.Preload(token), "preload", progress, cancellation);
            }

            // All threads start from the same moment, shortly from now.
            var start = BenchMeter.Now() + 10_000_000;
            if (options.IsOnce)
            {
                var before = Environment.CpuUsage.TotalTime;
                await RunAllAsync(workers, (worker, token) => worker.Run(start, token), "trace", progress, cancellation);
                return Sum(workers, TimeSpan.FromMicroseconds((BenchMeter.Now() - start) / 1e3), Environment.CpuUsage.TotalTime - before);
            }

            var cpu = MeasureCpuAsync(options.Warmup, options.Duration, cancellation);
            await RunAllAsync(workers, (worker, token) => worker.Run(start, token), "bench", progress, cancellation);
            return Sum(workers, options.Duration, await cpu);
        }
        finally
        {
            foreach (var socket in sockets)
            {
                socket.Dispose();
            }
        }
    }

    private static async Task<TimeSpan> MeasureCpuAsync(TimeSpan warmup, TimeSpan duration, CancellationToken cancellation)
    {
        await Task.Delay(warmup, cancellation);
        var before = Environment.CpuUsage.TotalTime;
        await Task.Delay(duration, cancellation);
        return Environment.CpuUsage.TotalTime - before;
    }

    private static async Task RunAllAsync(BenchWorker[] workers, Action<BenchWorker, CancellationToken> run, string phase, TextWriter? progress, CancellationToken cancellation)
    {
        // One broken thread ends all.
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(cancellation);
        var tasks = workers.Select(worker => Task.Factory.StartNew(() => run(worker, stop.Token), stop.Token, TaskCreationOptions.LongRunning, TaskScheduler.Default)).ToArray();
        var all = Task.WhenAll(tasks);
        using var timer = new PeriodicTimer(ProgressInterval);
        long before = workers.Sum(static worker => worker.Meter.Answered);
        while (!all.IsCompleted)
        {
            var tick = timer.WaitForNextTickAsync(CancellationToken.None).AsTask();
            await Task.WhenAny([all, tick, .. tasks.Where(static task => !task.IsCompleted)]);
            if (tasks.Any(static task => task.IsFaulted))
            {
                await stop.CancelAsync();
                await tasks.First(static task => task.IsFaulted);
            }

            if (!tick.IsCompleted)
            {
                await Task.WhenAny(all, tick);
            }

            var answered = workers.Sum(static worker => worker.Meter.Answered);
            if (progress is not null && tick.IsCompleted)
            {
                await progress.WriteAsync($"\r{phase}: {answered - before,12:#,##0} ops/s ");
            }

            before = answered;
        }

        if (progress is not null)
        {
            await progress.WriteAsync("\r" + new string(' ', 40) + "\r");
        }

        await all;
    }

    private static BenchResult Sum(BenchWorker[] workers, TimeSpan duration, TimeSpan cpu)
    {
        var latencies = new LatencyHistogram();
        foreach (var worker in workers)
        {
            latencies.Add(worker.Meter.Latencies);
        }

        return new BenchResult(
            duration.TotalSeconds,
            workers.Sum(static worker => worker.Meter.Reads),
            workers.Sum(static worker => worker.Meter.Hits),
            workers.Sum(static worker => worker.Meter.Writes),
            workers.Sum(static worker => worker.Meter.Errors),
            workers.Select(static worker => worker.Meter.FirstError).FirstOrDefault(static error => error is not null),
            workers.Sum(static worker => worker.Meter.Unanswered),
            latencies,
            cpu);
    }

    private static async Task<Socket> ConnectAsync(BenchOptions options, CancellationToken cancellation)
    {
        var socket = new Socket(SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
        try
        {
            using var deadline = CancellationTokenSource.CreateLinkedTokenSource(cancellation);
            deadline.CancelAfter(TimeSpan.FromSeconds(5));
            await socket.ConnectAsync(options.Host, options.Port, deadline.Token);
            if (options.Password is { } password)
            {
                await AuthenticateAsync(socket, options.User, password, deadline.Token);
            }

            return socket;
        }
        catch (Exception failure) when (failure is SocketException or OperationCanceledException or CommandException && !cancellation.IsCancellationRequested)
        {
            socket.Dispose();
            throw new CommandException($"cannot connect to {options.Host}:{options.Port}: {(failure is OperationCanceledException ? "no answer within 5 s" : failure.Message)}", failure);
        }
    }

    private static async Task AuthenticateAsync(Socket socket, string? user, string password, CancellationToken cancellation)
    {
        RespArgument[] words = user is null ? ["AUTH", password] : ["AUTH", user, password];
        var command = new byte[RespWriter.MaxHeaderBytes + words.Sum(static word => RespWriter.BulkStringBytes(word.LengthBytes))];
        var length = RespWriter.WriteArrayHeader(command, words.Length);
        foreach (var word in words)
        {
            length += RespWriter.WriteBulkString(command.AsSpan(length), System.Text.Encoding.UTF8.GetBytes(word.ToString()));
        }

        await socket.SendAsync(command.AsMemory(0, length), cancellation);
        var parser = new ReplyParser(64 * 1024);
        var buffer = new byte[1024];
        while (parser.Status == ReplyStatus.Incomplete)
        {
            var received = await socket.ReceiveAsync(buffer, cancellation);
            if (received == 0)
            {
                throw new CommandException("the server closed the connection");
            }

            parser.Feed(buffer.AsSpan(0, received));
        }

        if (parser.Status == ReplyStatus.Invalid || parser.Value.IsError)
        {
            throw new CommandException(parser.Error ?? parser.Value.ToString());
        }
    }
}
