using System.Net;
using System.Net.Sockets;
using System.Text;
using Levee.Server.Resp;
using Levee.Server.Tests.Transport;
using Levee.Server.Transport;
using Levee.Testing;
using Xunit;

namespace Levee.Server.Tests.Resp;

/// <summary>The whole server over real sockets, with clients of good and ill will.</summary>
public sealed class ServerTests
{
    public static TheoryData<string> Kinds => TransportRig.Kinds;

    [Theory]
    [MemberData(nameof(Kinds))]
    public async Task Pipelines_of_many_clients_are_answered_in_order(string kind)
    {
        await using var rig = await ServerRig.StartAsync(kind);
        await Task.WhenAll(Enumerable.Range(0, 8).Select(n => Task.Run(() =>
        {
            using var client = rig.Connect();
            for (var round = 0; round < 5; round++)
            {
                var sent = new StringBuilder();
                var expected = new StringBuilder();
                for (var i = 0; i < 3000; i++)
                {
                    sent.Append(System.Globalization.CultureInfo.InvariantCulture, $"SET {n}-{i} {round}:{i}\r\nGET {n}-{i}\r\n");
                    expected.Append(System.Globalization.CultureInfo.InvariantCulture, $"+OK\r\n${$"{round}:{i}".Length}\r\n{round}:{i}\r\n");
                }

                var sending = Task.Run(() => client.Send(Encoding.ASCII.GetBytes(sent.ToString())));
                client.Expect(expected.ToString());
                sending.Wait();
            }
        })));
    }

    [Theory]
    [MemberData(nameof(Kinds))]
    public async Task Hostile_clients_get_an_error_and_harm_nobody(string kind)
    {
        await using var rig = await ServerRig.StartAsync(kind);
        using var bystander = rig.Connect();
        foreach (var (sent, error) in new[]
        {
            ("*3\r\n$3\r\nSET\r\n$-5\r\n", "-ERR Protocol error: invalid bulk length\r\n"),
            ("*99999999\r\n", "-ERR Protocol error: invalid multibulk length\r\n"),
            ("*1\r\n:1\r\n", "-ERR Protocol error: expected '$', got ':'\r\n"),
            (new string('g', 1 << 20), "-ERR Protocol error: too big inline request\r\n"),
        })
        {
            using var client = rig.Connect();
            try
            {
                client.Send(Encoding.ASCII.GetBytes(sent));
            }
            catch (SocketException)
            {
                // Closed while the garbage was still coming.
            }

            Assert.Equal(error, client.ReadUntilClosed());
            bystander.AssertPongs();
        }

        using var half = rig.Connect();
        half.Send("*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$10000000\r\nonly the beginning"u8);
        using var silent = rig.Connect();
        silent.Send("*2\r\n$3\r\nGE"u8);
        bystander.AssertPongs();
        half.Dispose();
        using var slow = rig.Connect();
        foreach (var letter in RespClient.Command("SET", "slow", "and steady"))
        {
            slow.Send([letter]);
        }

        slow.Expect("+OK\r\n");
        using var wordy = rig.Connect();
        wordy.Send(RespClient.Command(["DEL", .. Enumerable.Range(0, 100_000).Select(i => "k")]));
        wordy.Expect(":0\r\n");
        silent.Send("T\r\n$1\r\nx\r\n"u8);
        silent.Expect("$-1\r\n");
        bystander.AssertPongs();
    }

    [Theory]
    [MemberData(nameof(Kinds))]
    public async Task Connections_beyond_the_limit_are_closed(string kind)
    {
        await using var rig = await ServerRig.StartAsync(kind, new TransportLimits { MaxConnections = 3 });
        var clients = Enumerable.Range(0, 3).Select(_ => rig.Connect()).ToList();
        clients.ForEach(c => c.AssertPongs());
        using var oneMore = rig.Connect();
        Assert.Equal("", oneMore.ReadUntilClosed());
        clients.ForEach(c => c.AssertPongs());
        clients.ForEach(c => c.Dispose());
    }

    [Theory]
    [MemberData(nameof(Kinds))]
    public async Task Thousands_of_idle_connections_are_kept(string kind)
    {
        Assert.SkipUnless(Traces.LongTestsAreOn, "long: set LEVEE_LONG=1");
        await using var rig = await ServerRig.StartAsync(kind);
        var idle = Enumerable.Range(0, 5000).Select(_ => rig.Connect()).ToList();
        using var busy = rig.Connect();
        for (var i = 0; i < 1000; i++)
        {
            busy.AssertPongs();
        }

        idle.ForEach(c => c.AssertPongs());
        idle.ForEach(c => c.Dispose());
    }

    [Theory]
    [InlineData("get", "$5\r\nvalue\r\n")]
    [InlineData("set", "+OK\r\n")]
    [InlineData("incr", "")]
    [InlineData("ping", "+PONG\r\n")]
    [InlineData("large", "")]
    public async Task A_command_allocates_nothing_on_the_io_thread(string what, string reply)
    {
        const int batch = 100;
        var bytes = new long[1];
        await using var cache = new Levee.Hosting.LockHost(new Levee.Hosting.CacheOptions { MemoryBytes = 32L << 20 }, TimeProvider.System);
        using var resp = new RespServer(new CacheCatalog([cache]), new RespOptions(), cache.Clock, Microsoft.Extensions.Logging.Abstractions.NullLogger.Instance);
        await using var transport = Transports.Create(new IPEndPoint(IPAddress.Loopback, 0), (waker, remote) => new Measured(resp.Accept(waker, remote), bytes), new TransportLimits(), 1, TimeProvider.System, Microsoft.Extensions.Logging.Abstractions.NullLogger.Instance);
        transport.Start();
        using var client = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp) { NoDelay = true, ReceiveTimeout = 20_000 };
        client.Connect(transport.EndPoint);
        client.Send(RespClient.Command("SET", "key", "value"));
        client.Expect("+OK\r\n");
        client.Send(RespClient.Command("SET", "large", new string('x', 8192)));
        client.Expect("+OK\r\n");
        byte[] command = what switch
        {
            "get" => RespClient.Command("GET", "key"), "set" => RespClient.Command("SET", "key", "value"), "incr" => RespClient.Command("INCR", "n"), "ping" => RespClient.Command("PING"), _ => RespClient.Command("GET", "large"),
        };
        byte[] sent = [.. Enumerable.Repeat(command, batch).SelectMany(c => c)];
        var n = 0;
        Run(300);
        var before = Volatile.Read(ref bytes[0]);
        Run(1000);
        Assert.InRange((double)(Volatile.Read(ref bytes[0]) - before) / (1000 * batch), 0, what == "large" ? 2 : 0.5);

        void Run(int rounds)
        {
            for (var i = 0; i < rounds; i++)
            {
                client.Send(sent);
                client.Expect(what switch
                {
                    "incr" => string.Concat(Enumerable.Range(0, batch).Select(_ => $":{++n}\r\n")), "large" => string.Concat(Enumerable.Repeat($"$8192\r\n{new string('x', 8192)}\r\n", batch)), _ => string.Concat(Enumerable.Repeat(reply, batch)),
                });
            }
        }
    }

    /// <summary>Adds up what a conversation allocates on the thread that runs it.</summary>
    private sealed class Measured(IConversation inner, long[] bytes) : IConversation
    {
        public ConversationState State => inner.State;

        public ReadOnlySpan<byte> Unsent => inner.Unsent;

        public bool HasPending => inner.HasPending;

        public int Consume(ReadOnlySpan<byte> input)
        {
            var before = GC.GetAllocatedBytesForCurrentThread();
            var consumed = inner.Consume(input);
            bytes[0] += GC.GetAllocatedBytesForCurrentThread() - before;
            return consumed;
        }

        public void Continue() => inner.Continue();

        public void Sent(int count)
        {
            var before = GC.GetAllocatedBytesForCurrentThread();
            inner.Sent(count);
            bytes[0] += GC.GetAllocatedBytesForCurrentThread() - before;
        }

        public void Closed(string reason) => inner.Closed(reason);
    }
}
