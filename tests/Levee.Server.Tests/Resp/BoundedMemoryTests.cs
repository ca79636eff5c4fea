using System.Text;
using Levee.Operations;
using Levee.Server.Resp;
using Levee.Server.Transport;
using Xunit;

namespace Levee.Server.Tests.Resp;

/// <summary>What one client can begin, name, ask for and leave unread takes bounded memory.</summary>
public sealed class BoundedMemoryTests : IAsyncLifetime
{
    private const int LargestReply = 512 * 1024;

    private readonly RespRig rig = new();
    private readonly RespClient client;

    public BoundedMemoryTests() => client = rig.Connect();

    public ValueTask InitializeAsync() => default;

    public ValueTask DisposeAsync() => rig.DisposeAsync();

    [Fact]
    public void Values_that_were_announced_take_nothing_and_what_has_come_is_taken_page_by_page()
    {
        var before = rig.Cache.HeldBytes;
        var announced = Enumerable.Range(0, 100).Select(_ => rig.Connect()).ToList();
        announced.ForEach(one => one.Send("*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$1000000\r\nabc"));
        Assert.Equal(before, rig.Cache.HeldBytes);
        Assert.Equal("+OK|", client.Call("SET", "big", new string('x', 1_000_000)));
        client.Ask("DEL big");
        before = rig.Cache.HeldBytes;
        announced[0].Send(new byte[100_000]);
        Assert.InRange(rig.Cache.HeldBytes - before, 65_536, 3 * 65_536);
        Assert.InRange(announced[0].Conversation.HeldBytes, 65_536, 3 * 65_536);
        announced[0].Send(new byte[1_000_000 - 100_003]);
        announced[0].Send("\r\n");
        Assert.Equal("+OK|", announced[0].TakeText());
        Assert.Equal(0, announced[0].Conversation.HeldBytes);
    }

    [Fact]
    public async Task Strangers_get_no_memory_for_large_arguments()
    {
        await using var guarded = new RespRig(new RespOptions { Credentials = new Credentials("default", "secret") });
        var stranger = guarded.Connect();
        var before = guarded.Cache.HeldBytes;
        stranger.Send("*2\r\n$4\r\nAUTH\r\n$16000\r\n");
        stranger.Send(new byte[15_999]);
        Assert.Equal(before, guarded.Cache.HeldBytes);
        Assert.InRange(stranger.Conversation.HeldBytes, 0, StagingArea.FreeBytes);
        stranger.Send("x\r\n");
        Assert.Equal("-NOAUTH Authentication required.|", stranger.TakeText());
        Assert.Equal("+OK|", stranger.Ask("AUTH secret"));
    }

    [Fact]
    public void A_command_that_gives_way_is_answered_so_and_the_connection_goes_on()
    {
        client.Send("*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$100000\r\n");
        client.Send(new byte[90_000]);
        Assert.True(client.Conversation.TryGiveWay());
        Assert.InRange(client.Conversation.HeldBytes, 0, StagingArea.FreeBytes);
        client.Send(new byte[10_000]);
        client.Send("\r\nPING\r\n");
        Assert.Equal($"-OOM the command was given up: {StagingArea.GaveWay}|+PONG|", client.TakeText());

        // What is not in the assembler cannot be followed any further.
        client.Send("*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$5000\r\nabc");
        Assert.True(client.Conversation.TryGiveWay());
        Assert.Equal(ConversationState.Closing, client.State);
        client.Pump();
        Assert.Equal($"-OOM the command was given up: {StagingArea.GaveWay}|", client.TakeText());
    }

    [Fact]
    public void A_client_that_does_not_read_is_not_asked_to_give_way()
    {
        client.Call("SET", "a", new string('x', 8000));
        client.Reads = false;
        client.Send("GET a\r\n");
        Assert.False(client.Conversation.TryGiveWay());
    }

    [Theory]
    [InlineData("a b")]
    [InlineData("a\nid=9")]
    [InlineData("a\tb")]
    [InlineData("a\u007f")]
    [InlineData("é")]
    [InlineData("\0")]
    public void No_text_that_a_client_sets_of_itself_parts_the_list(string text)
    {
        const string refusal = " cannot contain spaces, newlines or special characters.|";
        Assert.Equal("-ERR Client names" + refusal, client.Call("CLIENT", "SETNAME", text));
        Assert.Equal("-ERR Client names" + refusal, client.Call("HELLO", "3", "SETNAME", text));
        Assert.Equal("-ERR lib-name" + refusal, client.Call("CLIENT", "SETINFO", "LIB-NAME", text));
        Assert.Equal("-ERR lib-ver" + refusal, client.Call("CLIENT", "SETINFO", "lib-ver", text));
        Assert.Equal("$-1|", client.Ask("CLIENT GETNAME"));
        Assert.Equal(2, client.Ask("CLIENT LIST").Split("id=").Length);
    }

    [Fact]
    public void Texts_that_a_client_sets_of_itself_have_a_limit()
    {
        var longest = new string('n', ClientText.MaxBytes);
        Assert.Equal("+OK|", client.Call("CLIENT", "SETNAME", longest));
        Assert.Equal($"-ERR Client names cannot be longer than {ClientText.MaxBytes} bytes.|", client.Call("CLIENT", "SETNAME", longest + "n"));
        Assert.StartsWith("-ERR Client names cannot be longer", client.Call("HELLO", "2", "SETNAME", longest + "n"), StringComparison.Ordinal);
        Assert.StartsWith("-ERR lib-ver cannot be longer", client.Call("CLIENT", "SETINFO", "LIB-VER", longest + "n"), StringComparison.Ordinal);
        Assert.Equal($"${ClientText.MaxBytes}|{longest}|", client.Ask("CLIENT GETNAME"));
        Assert.Equal("+OK|", client.Call("CLIENT", "SETNAME", ""));
        Assert.Equal("$-1|", client.Ask("CLIENT GETNAME"));
    }

    [Fact]
    public void Many_clients_are_listed_in_turns_each_once()
    {
        for (var i = 0; i < 500; i++)
        {
            rig.Connect();
        }

        var list = client.Ask("CLIENT LIST");
        var lines = list.Split('\n');
        Assert.StartsWith($"${lines.Sum(line => line.Length + 1) - list.IndexOf('|', StringComparison.Ordinal) - 3}|", list, StringComparison.Ordinal);
        Assert.Equal(Enumerable.Range(1, 501), lines[..501].Select(line => int.Parse(line[(line.IndexOf("id=", StringComparison.Ordinal) + 3)..].Split(' ')[0])));
    }

    [Fact]
    public void Scan_ends_its_reply_where_keys_are_long_and_still_gives_each_key_once()
    {
        var keys = Enumerable.Range(0, 500).Select(i => i.ToString("d4").PadRight(4000, 'k')).ToHashSet();
        foreach (var key in keys)
        {
            client.Call("SET", key, "v");
        }

        var found = new List<string>();
        var cursor = "0";
        do
        {
            var reply = client.Ask($"SCAN {cursor} COUNT 10000");
            Assert.InRange(reply.Length, 1, 200_000);
            var parts = reply.Split('|');
            cursor = parts[2];
            found.AddRange(parts.Where(part => part.Length == 4000));
        }
        while (cursor != "0");

        Assert.Equal(keys.Order(), found.Order());
    }

    [Fact]
    public void Keys_beyond_what_all_replies_may_take_are_refused()
    {
        for (var i = 0; i < 800; i++)
        {
            client.Call("SET", i.ToString("d4").PadRight(4000, 'k'), "v");
        }

        Assert.Equal($"-ERR the reply of KEYS is longer than what is free of {rig.Server.Staging.CapacityBytes} bytes for all replies; use SCAN|", client.Ask("KEYS *"));
        Assert.StartsWith("*10|", client.Ask("KEYS 001?kkk*"), StringComparison.Ordinal);
        Assert.Equal(GlobPattern.TooLong, client.Call("KEYS", new string('a', GlobPattern.MaxBytes + 1))[1..^1]);
        Assert.Equal(GlobPattern.TooLong, client.Call("SCAN", "0", "MATCH", new string('a', GlobPattern.MaxBytes + 1))[1..^1]);
        Assert.Equal(GlobPattern.TooLong, client.Call("HSCAN", "h", "0", "MATCH", new string('a', GlobPattern.MaxBytes + 1))[1..^1]);
        Assert.Equal(GlobPattern.TooLong, client.Call("CONFIG", "GET", new string('a', GlobPattern.MaxBytes + 1))[1..^1]);
    }

    [Theory]
    [InlineData("HGETALL h", 1_500_000)]
    [InlineData("HVALS h", 1_400_000)]
    [InlineData("HSCAN h 0", 1_500_000)]
    [InlineData("HMGET h {f0*3000}", 3_000_000)]
    [InlineData("MGET {b*50}", 50_000_000)]
    [InlineData("MGET {s*1000}", 7_000_000)]
    public void A_long_reply_is_written_as_it_is_read(string command, int leastBytes)
    {
        for (var i = 0; i < 1500; i += 500)
        {
            client.Call(["HSET", "h", .. Enumerable.Range(i, 500).SelectMany(n => new[] { $"f{n}", new string((char)('a' + (n % 26)), 1000) })]);
        }

        client.Call("SET", "b", new string('b', 1_000_000));
        client.Call("SET", "s", new string('s', 7000));
        var text = command;
        if (command.IndexOf('{', StringComparison.Ordinal) is > 0 and var open)
        {
            var (name, times) = (command[(open + 1)..^1].Split('*')[0], int.Parse(command[(open + 1)..^1].Split('*')[1]));
            text = command[..open] + string.Join(' ', Enumerable.Repeat(name, times));
        }

        client.Reads = false;
        client.Send(RespClient.Command([.. text.Split(' ')]));
        Assert.Equal(ConversationState.Paused, client.State);
        Assert.InRange(client.Conversation.HeldBytes, 1, LargestReply);

        var bytes = 0L;
        while (client.Conversation.HasPending || !client.Conversation.Unsent.IsEmpty || client.UnconsumedBytes > 0)
        {
            var unsent = client.Conversation.Unsent.Length;
            client.Conversation.Sent(unsent);
            bytes += unsent;
            client.Pump();
            Assert.InRange(client.Conversation.HeldBytes, 0, LargestReply);
        }

        Assert.InRange(bytes, leastBytes, 2L * leastBytes);
        client.Reads = true;
        Assert.Equal("+PONG|", client.Ask("PING"));
        Assert.InRange(client.Conversation.HeldBytes, 0, StagingArea.FreeBytes);
    }

    [Fact]
    public void A_large_hash_reads_the_same_as_a_small_one()
    {
        var value = new string('v', 20_000);
        RespRig.Converse(client, "HSET h a 1 b 2", ":2|");
        Assert.Equal(":1|", client.Call("HSET", "h", "big", value));
        RespRig.Converse(client,
            "HGET h a", "$1|1|",
            "HGET h none", "$-1|",
            "HMGET h b none a b", "*4|$1|2|$-1|$1|1|$1|2|",
            "HLEN h", ":3|",
            "HSTRLEN h big", ":20000|",
            "HSTRLEN h none", ":0|",
            "HEXISTS h b", ":1|",
            "HKEYS h", "*3|$1|a|$1|b|$3|big|",
            "HVALS h", $"*3|$1|1|$1|2|$20000|{value}|",
            "HGETALL h", $"*6|$1|a|$1|1|$1|b|$1|2|$3|big|$20000|{value}|",
            "HGET h big", $"$20000|{value}|",
            "HSCAN h 0 MATCH b*", $"*2|$1|0|*4|$1|b|$1|2|$3|big|$20000|{value}|",
            "HSCAN h 0 NOVALUES", "*2|$1|0|*3|$1|a|$1|b|$3|big|",
            "HGETALL none", "*0|",
            "HMGET none a b", "*2|$-1|$-1|");
    }

    [Fact]
    public void An_idle_client_holds_nothing_whatever_it_has_sent()
    {
        client.Send("ECHO \"" + new string('q', 60_000) + "\"\r\n");
        Assert.Equal("$60000||".Length + 60_000, client.TakeText().Length);
        Assert.Equal(0, client.Conversation.HeldBytes);
        client.Call(["DEL", .. Enumerable.Repeat("a", 50_000)]);
        Assert.Equal(0, client.Conversation.HeldBytes);
    }

    [Fact]
    public void A_few_unread_bytes_do_not_hold_a_chunk()
    {
        client.Reads = false;
        client.Send("PING\r\n");
        Assert.InRange(client.Conversation.HeldBytes, 60_000, 70_000);
        client.Conversation.Compact();
        Assert.InRange(client.Conversation.HeldBytes, 7, 1000);
        client.Send("PING\r\n");
        client.Reads = true;
        client.Pump();
        Assert.Equal("+PONG|+PONG|", client.TakeText());
    }

    [Fact]
    public async Task Who_reads_what_the_cache_has_dropped_lets_go_where_the_memory_is_needed()
    {
        // Values that the cache holds cost nothing for being read.
        var readers = Enumerable.Range(0, 24).Select(_ => rig.Connect()).ToList();
        client.Call("SET", "v", new string('v', 500_000));
        foreach (var reader in readers)
        {
            reader.Reads = false;
            reader.Send("GET v\r\n");
        }

        readers.ForEach(reader => reader.Pump());
        Assert.DoesNotContain(readers, reader => reader.IsClosed);

        // Each is in the midst of another value that was dropped.
        var late = Enumerable.Range(0, 24).Select(_ => rig.Connect()).ToList();
        foreach (var reader in late)
        {
            client.Call("SET", "v", new string('w', 500_000));
            reader.Reads = false;
            reader.Send("GET v\r\n");
        }

        Assert.True(rig.Cache.LargeValues.IsPressed);
        for (var i = 0; i < 2000 && rig.Cache.LargeValues.IsPressed; i++)
        {
            await Task.Delay(5, TestContext.Current.CancellationToken);
            readers.ForEach(reader => reader.Pump());
            late.ForEach(reader => reader.Pump());
        }

        Assert.False(rig.Cache.LargeValues.IsPressed);
        Assert.Contains(late, reader => reader.IsClosed);
        Assert.False(late[^1].IsClosed);
        Assert.Equal("+OK|", client.Call("SET", "v", new string('x', 1_000_000)));
    }
}
