using Levee.Server.Resp;
using Levee.Testing;
using Xunit;

namespace Levee.Server.Tests.Resp;

/// <summary>Nothing leaves the server before it is as durable as was asked: neither the acknowledgement of a write nor what anybody read since.</summary>
public sealed class CommitTests
{
    private readonly MemoryTier tier = new() { NeedsCommit = true, IsUnknown = true, PartitionOf = static hash => (int)(hash >> 63) };

    [Fact]
    public async Task Replies_wait_for_the_commit_in_order_and_so_does_what_is_read_after()
    {
        await using var rig = new RespRig(tier: tier);
        var client = rig.Connect();
        client.Send("PING\r\n");
        Assert.Equal("+PONG|", client.TakeText());
        client.Send("SET a 1\r\nGET a\r\nPING\r\n");
        client.Send("GET a\r\n");
        var other = rig.Connect();
        other.Send("GET a\r\n");
        Assert.Equal(["", ""], [client.TakeText(), other.TakeText()]);
        Assert.True(client.Conversation.HasPending && other.Conversation.HasPending);
        Commit(client, other);
        Assert.Equal(["+OK|$1|1|+PONG|$1|1|", "$1|1|"], [client.TakeText(), other.TakeText()]);
        Assert.False(client.Conversation.HasPending || other.Conversation.HasPending);
        Assert.Equal("$1|1|", client.Ask("GET a"));
    }

    [Fact]
    public async Task What_is_written_during_a_commit_waits_for_the_next()
    {
        await using var rig = new RespRig(tier: tier);
        var client = rig.Connect();
        client.Send("SET a 1\r\n");
        client.Send("SET b 22\r\nGET b\r\n");
        Commit(client);
        Assert.Equal("+OK|", client.TakeText());
        Assert.True(tier.HasCommitUnderWay);
        Commit(client);
        Assert.Equal("+OK|$2|22|", client.TakeText());
    }

    [Fact]
    public async Task What_came_before_an_uncommitted_write_may_leave_and_a_part_of_it_too()
    {
        await using var rig = new RespRig(tier: tier);
        var client = rig.Connect();
        client.Reads = false;
        client.Send("PING\r\n");
        client.Send("SET a 1\r\n");
        Assert.Equal(7, client.Conversation.Unsent.Length);
        client.Conversation.Sent(3);
        Assert.Equal(4, client.Conversation.Unsent.Length);
        client.Send("GET a\r\n");
        client.Reads = true;
        client.Pump();
        Assert.Equal("NG|", client.TakeText());
        Commit(client);
        Assert.Equal("+OK|$1|1|", client.TakeText());
    }

    [Fact]
    public async Task Another_cache_does_not_let_replies_slip_through()
    {
        await using var rig = new RespRig(tier: tier);
        var client = rig.Connect();
        client.Send("SET a 1\r\nSELECT 1\r\nSET x 2\r\nGET x\r\nSELECT 0\r\n");
        client.Send("SELECT 1\r\nGET x\r\n");
        Assert.Equal("", client.TakeText());
        Commit(client);
        Assert.Equal("+OK|+OK|+OK|$1|2|+OK|+OK|$1|2|", client.TakeText());
    }

    [Fact]
    public async Task Large_values_wait_as_well()
    {
        await using var rig = new RespRig(tier: tier);
        var client = rig.Connect();
        var big = new string('b', 200_000);
        client.Send([.. RespClient.Command("SET", "big", big), .. RespClient.Command("GET", "big"), .. RespClient.Command("MGET", "big", "big"), .. "PING\r\n"u8]);
        Assert.Equal("", client.TakeText());
        Commit(client);
        Assert.Equal($"+OK|$200000|{big}|*2|$200000|{big}|$200000|{big}|+PONG|", client.TakeText());
    }

    [Fact]
    public async Task Commands_of_several_steps_and_pending_ones_wait_for_both()
    {
        await using var rig = new RespRig(tier: tier);
        var client = rig.Connect();
        client.Send("HSET h f v\r\nRENAME h g\r\nHGET g f\r\n");
        Assert.Equal("", client.TakeText());
        CommitAll(client);
        Assert.Equal(":1|+OK|$1|v|", client.TakeText());
        tier.Defers = true;
        client.Send("INCR n\r\nSET a 1\r\nGET cold\r\n");
        CommitAll(client);
        Assert.Equal("", client.TakeText());
        tier.CompleteAll();
        client.Pump();
        Assert.Equal("", client.TakeText());
        CommitAll(client);
        Assert.Equal(":1|+OK|$-1|", client.TakeText());
        Assert.False(client.Conversation.HasPending);
    }

    [Fact]
    public async Task A_commit_that_fails_ends_the_connection_without_an_acknowledgement()
    {
        await using var rig = new RespRig(tier: tier);
        var client = rig.Connect();
        var reader = rig.Connect();
        client.Send("SET a 1\r\n");
        reader.Send("GET a\r\n");
        tier.Commit(fails: true);
        Arrived(client);
        Arrived(reader);
        Assert.Equal(["", ""], [client.TakeText(), reader.TakeText()]);
        Assert.True(client.IsClosed && reader.IsClosed);
    }

    [Fact]
    public async Task A_client_that_says_goodbye_gets_its_replies_first()
    {
        await using var rig = new RespRig(tier: tier);
        var client = rig.Connect();
        client.Send("SET a 1\r\nQUIT\r\n");
        Assert.False(client.IsClosed);
        Assert.True(client.Conversation.HasPending, "a transport does not close on the client's half");
        Commit(client);
        Assert.Equal("+OK|+OK|", client.TakeText());
        Assert.True(client.IsClosed);
    }

    [Fact]
    public async Task A_held_client_is_not_read_beyond_its_bound_and_goes_on_after()
    {
        await using var rig = new RespRig(new RespOptions { MaxUnsentBytes = 50_000 }, tier);
        var client = rig.Connect();
        var value = new string('v', 5000);
        client.Send([.. RespClient.Command("SET", "a", value), .. System.Text.Encoding.ASCII.GetBytes(string.Concat(Enumerable.Repeat("GET a\r\n", 100)))]);
        Assert.True(client.UnconsumedBytes > 0);
        Assert.Equal("", client.TakeText());
        CommitAll(client);
        Assert.Equal(5 + (100 * (5000 + 9)), client.Take().Length);
    }

    /// <summary>Every command that asks about an entry answers as one cache, wherever the entry lies and however late the tier answers.</summary>
    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Demoted_entries_answer_as_resident_ones(bool defers)
    {
        tier.NeedsCommit = false;
        tier.IsUnknown = false;
        await using var rig = new RespRig(tier: tier);
        tier.Clock = () => rig.Time.Milliseconds;
        var client = rig.Connect();
        RespRig.Converse(client, "SET n 5 EX 100", "+OK|", "SET s text", "+OK|", "SET d gone", "+OK|", "HSET h f v", ":1|", "SET t tagged TAG red", "+OK|");
        var filler = new string('f', 8000);
        var fillers = 0;
        string[] watched = ["n", "s", "d", "h", "t"];
        while (watched.Any(key => !tier.Demoted.ContainsKey(key)))
        {
            Assert.True(fillers < 20_000, "they are never demoted");
            client.Call("SET", $"fill{fillers++}", filler);
        }

        tier.Defers = defers;
        (string Command, string Reply)[] script =
        [
            ("EXISTS n s none", ":2|"), ("TTL n", ":100|"), ("SETNX s other", ":0|"), ("INCR n", ":6|"), ("TTL n", ":100|"), ("APPEND s !", ":5|"), ("GET s", "$5|text!|"), ("DEL d none", ":1|"),
            ("GET d", "$-1|"), ("SETNX d new", ":1|"), ("HGET h f", "$1|v|"), ("TYPE h", "+hash|"), ("DBSIZE", $":{fillers + 5}|"), ("DELTAG red", "+OK|"), ("GET t", "$-1|"), ("SET t again XX", "$-1|"),
        ];
        foreach (var (command, reply) in script)
        {
            Assert.Equal(command + " => " + reply, command + " => " + Ask(client, command));
        }

        var seen = new HashSet<string>();
        var cursor = "0";
        do
        {
            var parts = Ask(client, $"SCAN {cursor} COUNT 500").Split('|');
            cursor = parts[2];
            seen.UnionWith(parts[4..].Where((_, i) => i % 2 == 1));
        }
        while (cursor != "0");
        Assert.Empty(Enumerable.Range(0, fillers).Select(i => $"fill{i}").Concat(["n", "s", "d", "h"]).Except(seen));
        Assert.DoesNotContain("t", seen);
    }

    private string Ask(RespClient client, string command)
    {
        client.Send(RespClient.Command(command.Split(' ')));
        for (var rounds = 0; tier.Pending.Count > 0 || client.Conversation.HasPending; rounds++)
        {
            Assert.True(rounds < 1000, $"{command} is stuck");
            tier.CompleteAll();
            client.Pump();
        }

        return client.TakeText();
    }

    private void Commit(params ReadOnlySpan<RespClient> clients)
    {
        tier.Commit();
        foreach (var client in clients)
        {
            Arrived(client);
        }
    }

    /// <summary>The end of a commit wakes a conversation from another thread.</summary>
    private static void Arrived(RespClient client)
    {
        var hasArrived = SpinWait.SpinUntil(
            () =>
            {
                client.Pump();
                return client.ReceivedBytes > 0 || client.IsClosed;
            },
            TimeSpan.FromSeconds(20));
        Assert.True(hasArrived, "nothing comes after the commit");
    }

    private void CommitAll(RespClient client)
    {
        for (var rounds = 0; tier.HasCommitUnderWay; rounds++)
        {
            Assert.True(rounds < 1000, "commits have no end");
            Commit(client);
        }
    }
}
