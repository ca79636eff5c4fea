using System.Text;
using Levee.Server.Resp;
using Levee.Server.Transport;
using Levee.Testing;
using Xunit;

namespace Levee.Server.Tests.Resp;

/// <summary>Answers that come late, from other threads and out of order: a lower tier's, or a partition's on another machine.</summary>
public sealed class PendingRepliesTests
{
    private const string Wrongtype = "-WRONGTYPE Operation against a key holding the wrong kind of value|";

    [Fact]
    public async Task A_load_holds_up_neither_other_keys_nor_the_order_of_replies()
    {
        var tier = new FakeTier();
        tier.Put("cold", "from the tier");
        await using var rig = new RespRig(tier: tier);
        var client = rig.Connect();
        client.Send("SET a 1\r\nGET cold\r\nSET b 2\r\nGET b\r\nGET absent\r\nGET a\r\n");
        Assert.Equal("+OK|", client.TakeText());
        Assert.Equal(2, tier.Pending.Count);
        tier.Complete(1);
        client.Pump();
        Assert.Equal("", client.TakeText());
        tier.Complete();
        client.Pump();
        Assert.Equal("$13|from the tier|+OK|$1|2|$-1|$1|1|", client.TakeText());
        Assert.False(client.Conversation.HasPending);
        Assert.Equal("$13|from the tier|", client.Ask("GET cold"));
    }

    [Fact]
    public async Task A_write_of_another_connection_answers_a_pending_read()
    {
        var tier = new FakeTier();
        await using var rig = new RespRig(tier: tier);
        var reader = rig.Connect();
        var writer = rig.Connect();
        reader.Send("GET k\r\n");
        writer.Send("SET k written\r\n");
        while (tier.Pending.Count > 0)
        {
            tier.Complete();
        }

        reader.Pump();
        writer.Pump();
        Assert.Equal("+OK|", writer.TakeText());
        Assert.Matches(@"^\$(-1|7\|written)\|$", reader.TakeText());
        Assert.False(reader.Conversation.HasPending);
        Assert.Equal("$7|written|", reader.Ask("GET k"));
    }

    [Fact]
    public async Task A_tier_that_fails_is_told()
    {
        var tier = new FakeTier();
        await using var rig = new RespRig(tier: tier);
        var client = rig.Connect();
        client.Send("GET a\r\nINCR b\r\nSET c 1 GET\r\nMGET a b c\r\nHGET h f\r\nPING\r\n");
        while (tier.Pending.Count > 0)
        {
            tier.Complete(fails: true);
            client.Pump();
        }

        // A read takes a failed tier for a miss; what would change an unknown entry is refused.
        const string tryAgain = "-TRYAGAIN what holds the key (its partition, or a lower tier) did not answer; nothing is known of the operation|";
        Assert.Equal("$-1|" + tryAgain + tryAgain + "*3|$-1|$-1|$-1|$-1|+PONG|", client.TakeText());
        Assert.False(client.Conversation.HasPending);
    }

    [Fact]
    public async Task Replies_are_the_same_whether_answers_come_at_once_or_late_and_in_any_order()
    {
        string[] script =
        [
            "SET a 1", "GET a", "INCR a", "GET none", "SET a x GET", "SET none2 y GET", "GETSET a z", "SET a q NX GET", "APPEND a more", "STRLEN a", "GETRANGE a 1 2", "SETRANGE a 1 Q",
            "MSET k1 1 k2 2 k3 3", "MGET k1 none k2 k3", "DEL k1 k2 none", "EXISTS k1 k3", "TTL a", "EXPIRE a 100", "TTL a", "PERSIST a", "TYPE a", "HSET h f1 v1 f2 v2", "HGET h f1", "HGETALL h",
            "GET h", "MGET h a", "HDEL h f1", "HINCRBY h n 5", "RENAME h g", "HGETALL g", "MSETNX m1 1 m2 2", "MSETNX m3 1 m2 2", "GETEX a EX 100", "TTL a", "GETDEL a", "SELECT 0", "PING", "FOO",
            "OBJECT ENCODING k3", "SCAN 0 COUNT 1000 MATCH k*", "KEYS m1", "DBSIZE", "SET t 1 TAG red", "DELTAG red", "GET t", "INCRBYFLOAT f 1.5", "SETNX f 1", "RANDOMKEY x", "FLUSHALL", "DBSIZE",
        ];
        var sent = Encoding.UTF8.GetBytes(string.Concat(script.Select(c => c + "\r\n")));
        await using var prompt = new RespRig();
        var expected = prompt.Connect();
        expected.Send(sent);
        var wanted = expected.TakeText();
        Assert.Contains(Wrongtype, wanted, StringComparison.Ordinal);
        for (var step = 1; step < 40; step += 3)
        {
            await using var rig = new RespRig(defers: true);
            var client = rig.Connect();
            client.Piece = step * 7;
            client.Send(sent);
            for (var rounds = 0; client.Conversation.HasPending || client.UnconsumedBytes > 0; rounds++)
            {
                Assert.True(rounds < 10_000, "Stuck");
                rig.Deferring.Deliver(step % 5 + 1);
                client.Pump();
            }

            Assert.Equal(wanted, client.TakeText());
        }
    }

    [Fact]
    public async Task Commands_over_thousands_of_keys_wait_for_late_answers()
    {
        await using var rig = new RespRig(defers: true);
        var client = rig.Connect();
        var keys = Enumerable.Range(0, 5000).Select(i => $"key{i}").ToArray();
        client.Send([.. RespClient.Command(["MSET", .. keys.SelectMany(k => new[] { k, "v" + k })]), .. RespClient.Command(["MGET", .. keys]), .. RespClient.Command(["DEL", "none", .. keys]), .. "PING\r\n"u8]);
        for (var rounds = 0; client.Conversation.HasPending || client.UnconsumedBytes > 0; rounds++)
        {
            Assert.True(rounds < 1000, "Stuck");
            Assert.InRange(rig.Deferring.Waiting, 0, 1024);
            rig.Deferring.Deliver();
            client.Pump();
        }

        Assert.Equal("+OK|*5000|" + string.Concat(keys.Select(k => $"${k.Length + 1}|v{k}|")) + ":5000|+PONG|", client.TakeText());
    }

    [Fact]
    public async Task A_command_that_becomes_prompt_halfway_still_replies()
    {
        await using var rig = new RespRig(defers: true);
        var client = rig.Connect();
        var keys = Enumerable.Range(0, 2000).Select(i => $"key{i}").ToArray();
        client.Send(RespClient.Command(["DEL", .. keys]));
        rig.Deferring.Defers = false;
        rig.Deferring.Deliver();
        client.Pump();
        Assert.Equal(":0|", client.TakeText());
        Assert.Equal("+PONG|", client.Ask("PING"));
    }

    [Fact]
    public async Task Quit_lets_earlier_replies_come_first()
    {
        await using var rig = new RespRig(defers: true);
        var client = rig.Connect();
        client.Send("GET a\r\nQUIT\r\n");
        Assert.False(client.IsClosed);
        rig.Deferring.Deliver();
        client.Pump();
        Assert.Equal("$-1|+OK|", client.TakeText());
        Assert.True(client.IsClosed);
        client = rig.Connect();
        client.Send("GET a\r\n*1\r\n:broken\r\n");
        rig.Deferring.Deliver();
        client.Pump();
        Assert.Equal("$-1|-ERR Protocol error: expected '$', got ':'|", client.TakeText());
        Assert.True(client.IsClosed);
    }

    [Fact]
    public async Task Reading_stops_at_the_bound_of_pending_replies_and_goes_on_below()
    {
        await using var rig = new RespRig(new RespOptions { MaxPending = 10 }, defers: true);
        var client = rig.Connect();
        client.Send(string.Concat(Enumerable.Range(0, 100).Select(i => $"SET k{i} {i}\r\n")));
        Assert.Equal(ConversationState.Paused, client.State);
        Assert.Equal(10, rig.Deferring.Waiting);
        for (var rounds = 0; client.Conversation.HasPending; rounds++)
        {
            Assert.True(rounds < 100, "Stuck");
            rig.Deferring.Deliver();
            client.Pump();
        }

        Assert.Equal(string.Concat(Enumerable.Repeat("+OK|", 100)), client.TakeText());
    }

    [Fact]
    public async Task Reading_stops_at_the_bound_of_unsent_bytes_whatever_waits_behind_a_pending_reply()
    {
        await using var rig = new RespRig(new RespOptions { MaxUnsentBytes = 100_000 });
        var client = rig.Connect();
        client.Call("SET", "a", new string('x', 8000));
        client.Reads = false;
        client.Send(string.Concat(Enumerable.Repeat("GET a\r\n", 1000)));
        Assert.Equal(ConversationState.Paused, client.State);
        Assert.InRange(client.UnconsumedBytes, 7 * 900, 7 * 1000);
        client.Reads = true;
        client.Pump();
        Assert.Equal(1000 * (8000 + 9), client.Take().Length);

        // A pending reply in front, and others between: what waits behind each counts.
        client.Send(string.Concat(Enumerable.Range(0, 200).Select(i => i % 10 == 0 ? $"GET cold{i}\r\n" : "PING\r\n")));
        client.Take();
        rig.Deferring.Defers = true;
        client.Send("GET cold\r\n");
        var fill = new string('x', 1000);
        for (var i = 0; i < 20; i++)
        {
            client.Send(string.Concat(Enumerable.Repeat($"ECHO {fill}\r\n", 10)) + "GET cold\r\n");
        }

        Assert.Equal(ConversationState.Paused, client.State);
        Assert.InRange(rig.Deferring.Waiting, 8, 12);
        for (var rounds = 0; client.Conversation.HasPending || client.UnconsumedBytes > 0; rounds++)
        {
            Assert.True(rounds < 100, "Stuck");
            rig.Deferring.Deliver();
            client.Pump();
        }

        Assert.Equal(21 * 5 + 200 * (1000 + 9), client.Take().Length);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task Leaving_while_replies_are_pending_leaks_nothing(bool fails)
    {
        var big = new string('x', 100_000);
        string[][] commands =
        [
            ["SET", "big", big], ["SET", "big", big, "GET"], ["GET", "big"], ["MGET", "big", "big"], ["MSET", "big", big, "other", big], ["APPEND", "big", big], ["SETRANGE", "big", "5", big],
            ["RENAME", "big", "other"], ["MSETNX", "x1", big, "x2", big], ["HSET", "h", "f", big, "g", big], ["GETEX", "big", "EX", "100"], ["GETDEL", "big"], ["KEYS", "*"], ["GETRANGE", "big", "0", "-1"],
            ["SET", "big", big, "NX"], ["INFO"], ["DELTAG", "a"], ["FLUSHALL"],
        ];
        foreach (var command in commands)
        {
            for (var rounds = 0; rounds < 4; rounds++)
            {
                await using var rig = new RespRig();
                var client = rig.Connect();
                client.Call("SET", "big", big);
                rig.Deferring.Defers = true;
                if (fails)
                {
                    rig.Deferring.FailingKeys.UnionWith(["big", "other", "h", "x2"]);
                }

                client.Send(RespClient.Command(command));
                for (var i = 0; i < rounds; i++)
                {
                    rig.Deferring.Deliver();
                    client.Pump();
                }

                rig.Deferring.Deliver();
                client.Close();

                // What is under way is carried through without its client, on other threads.
                rig.Deferring.Defers = false;
                for (var i = 0; i < 200 && (client.Conversation.HasPending || rig.Deferring.Waiting > 0); i++)
                {
                    rig.Deferring.Deliver();
                    await Task.Delay(1, TestContext.Current.CancellationToken);
                }
            }
        }
    }

    [Fact]
    public async Task A_rename_is_carried_through_when_its_client_leaves()
    {
        await using var rig = new RespRig();
        var client = rig.Connect();
        client.Ask("SET a 1");
        rig.Deferring.Defers = true;
        client.Send("RENAME a b\r\n");
        client.Close();
        rig.Deferring.Defers = false;
        rig.Deferring.Deliver();
        var other = rig.Connect();
        for (var i = 0; i < 1000 && other.Ask("EXISTS a") == ":1|"; i++)
        {
            await Task.Delay(1, TestContext.Current.CancellationToken);
        }

        Assert.Equal("*2|$-1|$1|1|", other.Ask("MGET a b"));
    }
}
