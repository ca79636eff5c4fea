using System.Net;
using System.Net.Sockets;
using System.Text;
using Xunit;

namespace Levee.Resp.Tests;

/// <summary>The client against a scripted server on loopback.</summary>
public sealed class RespConnectionTests
{
    private static CancellationToken Deadline => TestContext.Current.CancellationToken;

    [Fact(Timeout = 30_000)]
    public async Task Replies_meet_their_calls_in_order()
    {
        await using var server = new ScriptedServer();
        await using var connection = await server.ConnectAsync();
        using var session = await server.AcceptAsync();
        var calls = Enumerable.Range(0, 500).Select(index => connection.CallAsync(["ECHO", index], Deadline).AsTask()).ToArray();
        for (var index = 0; index < calls.Length; index++)
        {
            Assert.Equal($"ECHO {index}", await session.ReadCommandAsync());
            await session.SendAsync($":{index}\r\n");
        }

        for (var index = 0; index < calls.Length; index++)
        {
            Assert.Equal(index, (await calls[index]).AsInteger());
        }
    }

    [Fact(Timeout = 30_000)]
    public async Task A_large_value_goes_and_comes_whole()
    {
        await using var server = new ScriptedServer();
        await using var connection = await server.ConnectAsync();
        using var session = await server.AcceptAsync();
        var value = new byte[3_000_000];
        new Random(1).NextBytes(value);
        var call = connection.CallAsync(["SET", "k", value], Deadline).AsTask();
        var command = await session.ReadArgumentsAsync();
        Assert.Equal(value, command[2]);
        await session.SendAsync($"${value.Length}\r\n");
        await session.SendAsync(value);
        await session.SendAsync("\r\n");
        Assert.True((await call).Bytes.Span.SequenceEqual(value));
    }

    [Fact(Timeout = 30_000)]
    public async Task A_cancelled_caller_leaves_and_the_others_get_their_own_replies()
    {
        await using var server = new ScriptedServer();
        await using var connection = await server.ConnectAsync();
        using var session = await server.AcceptAsync();
        using var leaving = new CancellationTokenSource();
        var first = connection.CallAsync(["GET", "a"], leaving.Token).AsTask();
        var second = connection.CallAsync(["GET", "b"], Deadline).AsTask();
        Assert.Equal("GET a", await session.ReadCommandAsync());
        await leaving.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => first);
        Assert.Equal("GET b", await session.ReadCommandAsync());
        await session.SendAsync("$1\r\n1\r\n$1\r\n2\r\n");
        Assert.Equal("2", (await second).ToString());
    }

    [Fact(Timeout = 30_000)]
    public async Task Calls_beyond_the_bound_wait_and_a_cancelled_one_is_never_sent()
    {
        await using var server = new ScriptedServer();
        await using var connection = await server.ConnectAsync(new RespConnectionOptions { MaxInFlight = 1 });
        using var session = await server.AcceptAsync();
        using var leaving = new CancellationTokenSource();
        var first = connection.CallAsync(["GET", "a"], Deadline).AsTask();
        Assert.Equal("GET a", await session.ReadCommandAsync());
        var second = connection.CallAsync(["GET", "b"], leaving.Token).AsTask();
        var third = connection.CallAsync(["GET", "c"], Deadline).AsTask();
        await leaving.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => second);
        Assert.False(session.HasInput);
        await session.SendAsync(":1\r\n");
        Assert.Equal(1, (await first).AsInteger());
        Assert.Equal("GET c", await session.ReadCommandAsync());
        await session.SendAsync(":3\r\n");
        Assert.Equal(3, (await third).AsInteger());
    }

    [Fact(Timeout = 30_000)]
    public async Task A_refusal_names_command_and_endpoint_and_the_connection_goes_on()
    {
        await using var server = new ScriptedServer();
        await using var connection = await server.ConnectAsync();
        using var session = await server.AcceptAsync();
        var refused = connection.CallAsync(["INCR", "k"], Deadline).AsTask();
        var next = connection.CallAsync(["GET", "k"], Deadline).AsTask();
        await session.ReadCommandAsync();
        await session.ReadCommandAsync();
        await session.SendAsync("-WRONGTYPE Operation against a key\r\n>1\r\n+noise\r\n:5\r\n");
        var failure = await Assert.ThrowsAsync<RespServerException>(() => refused);
        Assert.Equal($"INCR was refused by 127.0.0.1:{server.Port}: WRONGTYPE Operation against a key", failure.Message);
        Assert.Equal(5, (await next).AsInteger());
        Assert.Equal("WRONGTYPE", failure.Code);
    }

    [Fact(Timeout = 30_000)]
    public async Task A_broken_stream_fails_all_calls_and_says_which_may_have_been_carried_out()
    {
        await using var server = new ScriptedServer();
        await using var connection = await server.ConnectAsync(new RespConnectionOptions { MaxInFlight = 1 });
        var session = await server.AcceptAsync();
        var sent = connection.CallAsync(["SET", "k", "secret"], Deadline).AsTask();
        var waiting = connection.CallAsync(["DEL", "k"], Deadline).AsTask();
        await session.ReadCommandAsync();
        session.Dispose();
        var first = await Assert.ThrowsAsync<RespConnectionException>(() => sent);
        var second = await Assert.ThrowsAsync<RespConnectionException>(() => waiting);
        var later = await Assert.ThrowsAsync<RespConnectionException>(() => connection.CallAsync(["PING"], Deadline).AsTask());
        Assert.Equal((true, false, false), (first.MayHaveBeenSent, second.MayHaveBeenSent, later.MayHaveBeenSent));
        Assert.StartsWith($"SET failed: The connection to 127.0.0.1:{server.Port} ", first.Message, StringComparison.Ordinal);
        Assert.DoesNotContain("secret", first.ToString(), StringComparison.Ordinal);
        Assert.False(connection.IsOpen);
    }

    [Theory(Timeout = 30_000)]
    [InlineData("hello\r\n", "cannot be followed")]
    [InlineData(":1\r\n:2\r\n", "a reply that no call asked for")]
    public async Task A_server_that_speaks_nonsense_is_left(string nonsense, string reason)
    {
        await using var server = new ScriptedServer();
        await using var connection = await server.ConnectAsync();
        using var session = await server.AcceptAsync();
        var first = connection.CallAsync(["PING"], Deadline).AsTask();
        await session.ReadCommandAsync();
        await session.SendAsync(nonsense);
        try
        {
            await first;
        }
        catch (RespConnectionException)
        {
            // In the first case.
        }

        await session.ReadToEndAsync();
        var failure = await Assert.ThrowsAsync<RespConnectionException>(() => connection.CallAsync(["PING"], Deadline).AsTask());
        Assert.Contains(reason, failure.Message, StringComparison.Ordinal);
    }

    [Fact(Timeout = 30_000)]
    public async Task The_handshake_authenticates_and_chooses_the_version()
    {
        await using var server = new ScriptedServer();
        var connecting = server.ConnectAsync(new RespConnectionOptions { Version = RespVersion.Resp3, User = "ada", Password = "pw" });
        using var session = await server.AcceptAsync();
        Assert.Equal("HELLO 3 AUTH ada pw", await session.ReadCommandAsync());
        await session.SendAsync("%1\r\n+proto\r\n:3\r\n");
        await (await connecting).DisposeAsync();

        connecting = server.ConnectAsync(new RespConnectionOptions { Password = "wrong" });
        using var other = await server.AcceptAsync();
        Assert.Equal("AUTH wrong", await other.ReadCommandAsync());
        await other.SendAsync("-WRONGPASS invalid username-password pair\r\n");
        var failure = await Assert.ThrowsAsync<RespServerException>(() => connecting);
        Assert.Equal("WRONGPASS", failure.Code);
    }

    [Fact(Timeout = 30_000)]
    public async Task A_server_that_does_not_answer_the_handshake_is_given_up()
    {
        await using var server = new ScriptedServer();
        var connecting = server.ConnectAsync(new RespConnectionOptions { Version = RespVersion.Resp3, ConnectTimeout = TimeSpan.FromMilliseconds(100) });
        using var session = await server.AcceptAsync();
        var failure = await Assert.ThrowsAsync<RespConnectionException>(() => connecting);
        Assert.Equal($"Cannot connect to 127.0.0.1:{server.Port}: no answer within 0.1 s", failure.Message);
    }

    [Fact(Timeout = 30_000)]
    public async Task A_port_without_a_server_is_named()
    {
        int port;
        await using (var server = new ScriptedServer())
        {
            port = server.Port;
        }

        var failure = await Assert.ThrowsAsync<RespConnectionException>(() => RespConnection.ConnectAsync("127.0.0.1", port, cancellationToken: Deadline));
        Assert.StartsWith($"Cannot connect to 127.0.0.1:{port}: ", failure.Message, StringComparison.Ordinal);
        Assert.False(failure.MayHaveBeenSent);
    }

    [Fact(Timeout = 30_000)]
    public async Task Disposing_fails_what_is_under_way()
    {
        await using var server = new ScriptedServer();
        var connection = await server.ConnectAsync();
        using var session = await server.AcceptAsync();
        var call = connection.CallAsync(["PING"], Deadline).AsTask();
        await connection.DisposeAsync();
        await connection.DisposeAsync();
        var failure = await Assert.ThrowsAsync<RespConnectionException>(() => call);
        Assert.EndsWith("was closed", failure.Message, StringComparison.Ordinal);
    }

    private sealed class ScriptedServer : IAsyncDisposable
    {
        private readonly TcpListener listener = new(IPAddress.Loopback, 0);

        public ScriptedServer() => listener.Start();

        public int Port => ((IPEndPoint)listener.LocalEndpoint).Port;

        public Task<RespConnection> ConnectAsync(RespConnectionOptions? options = null) => RespConnection.ConnectAsync("127.0.0.1", Port, options, Deadline);

        public async Task<Session> AcceptAsync() => new(await listener.AcceptSocketAsync(Deadline));

        public ValueTask DisposeAsync()
        {
            listener.Dispose();
            return default;
        }
    }

    private sealed class Session(Socket socket) : IDisposable
    {
        private readonly CommandParser parser = new(1 << 28, 1 << 28, 1 << 29);
        private readonly List<byte> unread = [];

        public bool HasInput => unread.Count > 0 || socket.Available > 0;

        public async Task<string> ReadCommandAsync() => string.Join(' ', (await ReadArgumentsAsync()).Select(Encoding.UTF8.GetString));

        public async Task<List<byte[]>> ReadArgumentsAsync()
        {
            var buffer = new byte[1 << 16];
            while (true)
            {
                byte[] input = [.. unread];
                if (unread.Count > 0 && parser.Parse(input) == CommandStatus.Complete)
                {
                    unread.RemoveRange(0, parser.ConsumedBytes);
                    return CommandParserTests.Arguments(parser, input);
                }

                var received = await socket.ReceiveAsync(buffer, Deadline);
                Assert.True(received > 0, "The client closed.");
                unread.AddRange(buffer[..received]);
            }
        }

        public async Task ReadToEndAsync()
        {
            var buffer = new byte[4096];
            while (await socket.ReceiveAsync(buffer, Deadline) > 0)
            {
            }
        }

        public Task SendAsync(string text) => SendAsync(Encoding.Latin1.GetBytes(text));

        public async Task SendAsync(byte[] bytes)
        {
            for (var sent = 0; sent < bytes.Length;)
            {
                sent += await socket.SendAsync(bytes.AsMemory(sent), Deadline);
            }
        }

        public void Dispose() => socket.Dispose();
    }
}
