using System.Net;
using System.Net.Sockets;
using Levee.Cli.Bench;
using Levee.Resp;
using Xunit;

namespace Levee.Cli.Tests.Bench;

/// <summary>The bench against a small server on loopback that remembers keys and can stall.</summary>
public sealed class BenchRunTests
{
    [Theory(Timeout = 60_000)]
    [InlineData(0, 1)]
    [InlineData(0, 3)]
    [InlineData(2000, 2)]
    public async Task A_preloaded_bench_hits_and_counts_what_it_did(double rate, int threads)
    {
        await using var server = new SmallServer();
        var options = Options(server.Port) with { Rate = rate, Threads = threads, IsPreloading = true, ReadShare = 0.5 };
        var result = await BenchRun.RunAsync(options, null, TestContext.Current.CancellationToken);
        Assert.Equal(500, server.KeyCount);
        Assert.Equal(1, result.HitRatio);
        Assert.Equal((0, 0), (result.Errors, result.Unanswered));
        Assert.Equal(result.Operations, result.Latencies.Count);
        Assert.True(result.Reads > 20 && result.Writes > 20, $"{result.Reads} reads, {result.Writes} writes");
        if (rate > 0)
        {
            Assert.InRange(result.Operations, 598, 602);
        }
    }

    [Fact(Timeout = 60_000)]
    public async Task A_trace_is_walked_once_in_its_order_after_its_keys_were_written_once()
    {
        await using var server = new SmallServer();
        ulong[] trace = [.. Enumerable.Range(0, 5000).Select(static i => (ulong)(i * 7 % 600)), ulong.MaxValue, 3];
        var options = Options(server.Port) with { TraceKeys = trace, IsOnce = true, ReadShare = 1, IsPreloading = true, Threads = 1, Connections = 3, Pipeline = 1, Duration = TimeSpan.Zero };
        var result = await BenchRun.RunAsync(options, null, TestContext.Current.CancellationToken);
        Assert.Equal(601, server.KeyCount);
        Assert.Equal((trace.Length, trace.Length, 0, 0), (result.Reads, result.Hits, result.Writes, result.Errors));
        Assert.Contains("trace:18446744073709551615", server.Keys);
        Assert.Contains("trace:0", server.Keys);
        Assert.True(result.Seconds > 0);
    }

    [Fact(Timeout = 60_000)]
    public async Task A_stall_counts_for_every_operation_that_was_due_during_it()
    {
        await using var server = new SmallServer { StallAfterCommands = 300, Stall = TimeSpan.FromMilliseconds(200) };
        var options = Options(server.Port) with { Rate = 1000, Connections = 1, Threads = 1, Pipeline = 1, Duration = TimeSpan.FromSeconds(1) };
        var result = await BenchRun.RunAsync(options, null, TestContext.Current.CancellationToken);

        // 200 of 1000 operations were due during the stall; they waited 100 ms on average. Counted from the send, one operation alone would show it.
        Assert.True(result.Latencies.QuantileNanoseconds(0.9) > 50_000_000, $"p90 {result.Latencies.Quantile(0.9)}");
        Assert.True(result.Latencies.QuantileNanoseconds(1) >= 190_000_000, $"max {result.Latencies.Quantile(1)}");
    }

    [Fact(Timeout = 60_000)]
    public async Task A_server_that_goes_away_is_an_error_and_not_a_hang()
    {
        await using var server = new SmallServer { CloseAfterCommands = 200 };
        var failure = await Assert.ThrowsAsync<CommandException>(() => BenchRun.RunAsync(Options(server.Port), null, TestContext.Current.CancellationToken));
        Assert.Contains("connection", failure.Message, StringComparison.Ordinal);
    }

    private static BenchOptions Options(int port) => new()
    {
        Host = "127.0.0.1",
        Port = port,
        ReadShare = 0.9,
        Keys = 500,
        Distribution = KeyDistribution.Uniform,
        MinValueBytes = 10,
        MaxValueBytes = 3000,
        Connections = 4,
        Pipeline = 8,
        Threads = 1,
        Rate = 0,
        Duration = TimeSpan.FromMilliseconds(300),
        Warmup = TimeSpan.FromMilliseconds(50),
        IsPreloading = false,
        Seed = 3,
    };

    private sealed class SmallServer : IAsyncDisposable
    {
        private readonly TcpListener listener = new(IPAddress.Loopback, 0);
        private readonly Dictionary<string, byte[]> entries = [];
        private readonly Task accepting;
        private int commands;

        public SmallServer()
        {
            listener.Start();
            accepting = AcceptAsync();
        }

        public int Port => ((IPEndPoint)listener.LocalEndpoint).Port;

        public int StallAfterCommands { get; init; } = int.MaxValue;

        public TimeSpan Stall { get; init; }

        public int CloseAfterCommands { get; init; } = int.MaxValue;

        public int KeyCount => entries.Count;

        public IEnumerable<string> Keys => entries.Keys;

        public async ValueTask DisposeAsync()
        {
            listener.Dispose();
            await accepting;
        }

        private async Task AcceptAsync()
        {
            var sessions = new List<Task>();
            try
            {
                while (true)
                {
                    sessions.Add(ServeAsync(await listener.AcceptSocketAsync()));
                }
            }
            catch (Exception closed) when (closed is SocketException or ObjectDisposedException)
            {
                await Task.WhenAll(sessions);
            }
        }

        private async Task ServeAsync(Socket socket)
        {
            using var owned = socket;
            var parser = new CommandParser(10_000, 10_000, 100_000);
            var input = new byte[1 << 18];
            var end = 0;
            try
            {
                int received;
                while ((received = await socket.ReceiveAsync(input.AsMemory(end))) > 0)
                {
                    end += received;
                    var start = 0;
                    var replies = new List<byte>();
                    while (parser.Parse(input.AsSpan(start, end - start)) == CommandStatus.Complete)
                    {
                        var count = Interlocked.Increment(ref commands);
                        if (count > CloseAfterCommands)
                        {
                            return;
                        }

                        Answer(parser, input.AsSpan(start, end - start), replies);
                        start += parser.ConsumedBytes;
                        if (count == StallAfterCommands)
                        {
                            await Task.Delay(Stall);
                        }
                    }

                    input.AsSpan(start, end - start).CopyTo(input);
                    end -= start;
                    for (var sent = 0; sent < replies.Count;)
                    {
                        sent += await socket.SendAsync(replies.ToArray().AsMemory(sent));
                    }
                }
            }
            catch (SocketException)
            {
                // The bench has gone.
            }
        }

        private void Answer(CommandParser parser, ReadOnlySpan<byte> input, List<byte> replies)
        {
            var key = System.Text.Encoding.UTF8.GetString(parser.Argument(input, 1));
            lock (entries)
            {
                if (parser.Argument(input, 0).SequenceEqual("SET"u8))
                {
                    entries[key] = parser.Argument(input, 2).ToArray();
                    replies.AddRange("+OK\r\n"u8);
                }
                else if (entries.TryGetValue(key, out var value))
                {
                    var reply = new byte[RespWriter.BulkStringBytes(value.Length)];
                    replies.AddRange(reply.AsSpan(0, RespWriter.WriteBulkString(reply, value)));
                }
                else
                {
                    replies.AddRange("$-1\r\n"u8);
                }
            }
        }
    }
}
