using System.Text;
using Levee.Operations;
using Levee.Server.Resp;
using Levee.Server.Transport;
using Xunit;

namespace Levee.Server.Tests.Resp;

/// <summary>Commands as bytes come: split anywhere, many at a time, inline, large, and refused.</summary>
public sealed class PipelineTests : IAsyncDisposable
{
    private readonly RespRig rig = new();

    public ValueTask DisposeAsync() => rig.DisposeAsync();

    [Fact]
    public void A_pipeline_split_at_every_byte_gives_the_same_replies()
    {
        var large = new string('L', Limits.MaxInlineBytes + 1);
        byte[] pipeline =
        [
            .. "\r\n*0\r\n"u8, .. "SET inline 'quoted value'\r\nGET inline\n"u8, .. RespClient.Command("SET", "a", ""), .. RespClient.Command("GET", "a"), .. RespClient.Command("GET", "none"),
            .. RespClient.Command("APPEND", "a", "x\r\ny"), .. RespClient.Command("GET", "a"), .. RespClient.Command("MSET", "b", "1", "c", "2"), .. RespClient.Command("MGET", "a", "b", "c"),
            .. RespClient.Command("NOSUCH", "a"), .. RespClient.Command("HSET", "h", "f", "v"), .. RespClient.Command("HGETALL", "h"), .. RespClient.Command("DEL", "a", "b"), .. "PING\r\n"u8,
        ];
        byte[] largePipeline = [.. RespClient.Command("SET", "l", large), .. RespClient.Command("STRLEN", "l"), .. RespClient.Command("MSET", "l", large, "m", "1"), .. RespClient.Command("GETRANGE", "l", "8190", "-1"), .. "PING\r\n"u8];
        foreach (var (sent, positions) in new[] { (pipeline, Enumerable.Range(0, pipeline.Length)), (largePipeline, Enumerable.Range(0, 60).Concat(Enumerable.Range(Limits.MaxInlineBytes, 200))) })
        {
            var whole = rig.Connect();
            whole.Ask("FLUSHALL");
            whole.Send(sent);
            var expected = whole.TakeText();
            Assert.EndsWith("+PONG|", expected, StringComparison.Ordinal);
            foreach (var split in positions)
            {
                whole.Ask("FLUSHALL");
                whole.Send(sent.AsSpan(0, split));
                whole.Send(sent.AsSpan(split));
                Assert.Equal(expected, whole.TakeText());
            }

            foreach (var piece in new[] { 1, 2, 3, 7, 64, 1000 })
            {
                whole.Ask("FLUSHALL");
                whole.Piece = piece;
                whole.Send(sent);
                Assert.Equal(expected, whole.TakeText());
                whole.Piece = int.MaxValue;
            }
        }
    }

    [Fact]
    public void Commands_over_thousands_of_keys_take_several_turns()
    {
        var client = rig.Connect();
        var keys = Enumerable.Range(0, 5000).Select(i => $"key{i}").ToArray();
        Assert.Equal("+OK|", client.Call(["MSET", .. keys.SelectMany(k => new[] { k, "v" + k })]));
        Assert.InRange(client.Yields, 4, 10);
        Assert.Equal("*5000|" + string.Concat(keys.Select(k => $"${k.Length + 1}|v{k}|")), client.Call(["MGET", .. keys]));
        Assert.Equal(":5000|", client.Call(["EXISTS", .. keys]));
        Assert.Equal(":5000|", client.Call(["TOUCH", .. keys]));
        Assert.Equal(":0|", client.Call(["MSETNX", "new", "x", .. keys.SelectMany(k => new[] { k, "w" })]));
        Assert.Equal("$-1|", client.Ask("GET new"));
        Assert.Equal(":5000|", client.Call(["DEL", "none", .. keys]));
        Assert.Equal(":1|", client.Call(["MSETNX", .. keys.SelectMany(k => new[] { k, "w" })]));
        Assert.Equal(":5000|", client.Ask("DBSIZE"));
        client.Take();
        var yields = client.Yields;
        client.Send(string.Concat(Enumerable.Repeat("PING\r\n", 10_000)));
        Assert.InRange(client.Yields - yields, 9, 20);
        Assert.Equal(70_000, client.Take().Length);
    }

    [Theory]
    [InlineData(Limits.MaxInlineBytes)]
    [InlineData(Limits.MaxInlineBytes + 1)]
    [InlineData(64 * 1024)]
    [InlineData((1 << 20) - 2)]
    public void Values_of_any_size_come_back_whole(int length)
    {
        var client = rig.Connect();
        var random = new Random(length);
        var value = string.Create(length, random, static (chars, random) =>
        {
            foreach (ref var c in chars)
            {
                c = (char)random.Next('!', '~');
            }
        });
        var command = RespClient.Command("SET", "v", value);
        foreach (var split in new[] { 0, 1, 20, 30, 31, 32, 33, command.Length / 2, command.Length - 3, command.Length - 2, command.Length - 1 })
        {
            client.Send(command.AsSpan(0, split));
            client.Send(command.AsSpan(split));
            Assert.Equal("+OK|", client.TakeText());
            Assert.Equal($"${length}|{value}|", client.Ask("GET v"));
        }

        client.Piece = 1000;
        Assert.Equal("+OK|", client.Call("MSET", "v", value, "w", value));
        Assert.Equal($"*2|${length}|{value}|${length}|{value}|", client.Ask("MGET v w"));
        Assert.Equal($"${length}|{value}|", client.Call("SET", "v", value, "GET"));
        Assert.Equal($"${length - 5}|{value[2..^3]}|", client.Ask("GETRANGE v 2 -4"));
        Assert.Equal($"$3|{value[^8..^5]}|", client.Ask("GETRANGE v -8 -6"));
        Assert.Equal($":{length + 4}|", client.Ask("APPEND v tail"));
        Assert.Equal($":{(2 * length) + 4}|", client.Call("APPEND", "v", value));
        Assert.Equal($":{(2 * length) + 4}|", client.Call("SETRANGE", "v", "3", value));
        Assert.Equal($":{(2 * length) + 4}|", client.Ask("STRLEN v"));
        Assert.Equal($"${(2 * length) + 4}|{value[..3]}{value}{"tail"[3..]}{value}|".Length, client.Ask("GET v").Length);
        Assert.Equal(":1|", client.Call("HSET", "h", "f", value));
        Assert.Equal($"${length}|{value}|", client.Ask("HGET h f"));
        Assert.Equal("+OK|", client.Ask("RENAME w u"));
        Assert.Equal(":0|", client.Call("SETNX", "u", value));
        Assert.Equal($"${length}|{value}|", client.Call("GETSET", "u", "small"));
        Assert.Equal($"${length}|{value}|", client.Call("ECHO", value));
        Assert.StartsWith("-ERR", client.Call("INCRBY", "n", value), StringComparison.Ordinal);
        Assert.Equal("+PONG|", client.Ask("PING"));
    }

    [Fact]
    public void A_value_that_is_too_large_is_refused_and_the_connection_goes_on()
    {
        var client = rig.Connect();
        var limit = rig.Cache.LargeValues.MaxValueBytes;
        var error = $"-ERR value too large: at most {limit} bytes|";
        var tooLarge = new string('x', limit + 1);
        Assert.Equal("+OK|", client.Call("SET", "k", tooLarge[1..]));
        client.Send([.. RespClient.Command("SET", "k", tooLarge), .. RespClient.Command("MSET", "a", "1", "k", tooLarge, "b", "2"), .. "PING\r\n"u8]);
        Assert.Equal(error + error + "+PONG|", client.TakeText());
        Assert.Equal(error, client.Ask("APPEND k x"));
        Assert.Equal("*2|$-1|$-1|", client.Ask("MGET a b"));
        Assert.Equal($":{limit}|", client.Ask("STRLEN k"));
        Assert.StartsWith("-ERR", client.Call("HSET", "h", "f", tooLarge), StringComparison.Ordinal);
        client.Send("*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$536870913\r\n");
        Assert.Equal("-ERR Protocol error: invalid bulk length|", client.TakeText());
        Assert.True(client.IsClosed);
    }

    [Theory]
    [InlineData("*3\r\n$3\r\nSET\r\n$-1\r\n", "-ERR Protocol error: invalid bulk length|")]
    [InlineData("*-5\r\nPING\r\n", "+PONG|")]
    [InlineData("*2000000\r\n", "-ERR Protocol error: invalid multibulk length|")]
    [InlineData("*1\r\n+PING\r\n", "-ERR Protocol error: expected '$', got '+'|")]
    [InlineData("SET \"a\r\n", "-ERR Protocol error: unbalanced quotes in request|")]
    [InlineData("*1\r\n$4\r\nPINGxx", "-ERR Protocol error: expected CRLF after bulk string|")]
    public void What_breaks_the_protocol_is_told(string sent, string reply)
    {
        var client = rig.Connect();
        client.Send(sent);
        Assert.Equal(reply, client.TakeText());
        Assert.Equal(!reply.StartsWith('+'), client.IsClosed);
    }

    [Fact]
    public void Garbage_of_a_megabyte_ends_with_an_error()
    {
        var random = new Random(5);
        for (var round = 0; round < 5; round++)
        {
            var garbage = new byte[1 << 20];
            random.NextBytes(garbage);
            garbage.AsSpan().Replace((byte)'\n', (byte)'x');
            var client = rig.Connect();
            for (var i = 0; i < garbage.Length && !client.IsClosed; i += 16 * 1024)
            {
                client.Send(garbage.AsSpan(i, 16 * 1024));
            }

            Assert.Equal("-ERR Protocol error: too big inline request|", client.TakeText());
            Assert.True(client.IsClosed);
        }
    }

    [Fact]
    public void A_command_of_a_hundred_thousand_arguments_is_answered_or_refused()
    {
        var client = rig.Connect();
        var keys = Enumerable.Range(0, 100_000).Select(i => $"{i % 1000:x}").ToArray();
        client.Send(RespClient.Command(["DEL", .. keys[..80_000]]));
        Assert.Equal(":0|", client.TakeText());
        client.Send(RespClient.Command(["MGET", .. keys]));
        Assert.Matches(@"^(\*100000\||-ERR Protocol error: command exceeds)", client.TakeText()[..40]);
    }

    [Fact]
    public async Task Large_values_wait_for_memory_and_are_refused_in_the_end()
    {
        await using var small = new RespRig(new RespOptions { MemoryWait = TimeSpan.FromMilliseconds(50) }, memoryBytes: 16 << 20);
        const int sent = (1 << 20) - 1000;
        var half = Encoding.UTF8.GetBytes($"*3\r\n$3\r\nSET\r\n$1\r\nk\r\n${1 << 20}\r\n{new string('x', sent)}");
        var waiting = default(RespClient);
        for (var i = 0; i < 40 && waiting is null; i++)
        {
            var other = small.Connect();
            other.Send(half);
            waiting = other.State == ConversationState.Paused ? other : null;
        }

        Assert.NotNull(waiting);
        Assert.Equal("+PONG|", small.Connect().Ask("PING"));
        small.Time.Advance(51);
        for (var i = 0; i < 1000 && waiting.State == ConversationState.Paused; i++)
        {
            await Task.Delay(2, TestContext.Current.CancellationToken);
            waiting.Pump();
        }

        waiting.Send(new byte[(1 << 20) - sent]);
        waiting.Send("\r\nPING\r\n");
        Assert.Equal("-OOM no memory could be freed in time for this write, try again|+PONG|", waiting.TakeText());
    }
}
