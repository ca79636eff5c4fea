using System.IO.Hashing;
using System.Text;
using Levee.Operations;
using Levee.Testing;
using Xunit;

namespace Levee.Server.Tests.Resp;

/// <summary>
/// SET IFEQ, IFNE, IFDEQ, IFDNE, DELEX, DELIFEQ and DIGEST: what releases and extends locks, as Redis 8.4 and Valkey 9 have it.
/// </summary>
public sealed class ConditionalCommandsTests
{
    private const string Wrongtype = "-WRONGTYPE Operation against a key holding the wrong kind of value|";
    private const string BadDigest = "-ERR a digest must be exactly 16 hexadecimal characters, as DIGEST gives it|";
    private const string Syntax = "-ERR syntax error|";
    private const string DelexForm = "-ERR DELEX takes a key, then nothing or one of IFEQ value, IFNE value, IFDEQ digest, IFDNE digest|";

    [Fact]
    public async Task A_lock_is_taken_extended_and_released_by_its_owner_only()
    {
        await using var rig = new RespRig();
        RespRig.Converse(
            rig.Connect(),
            "SET lock me NX PX 1000", "+OK|",
            "SET lock you NX PX 1000", "$-1|",
            "SET lock you IFEQ you PX 9000", "$-1|",
            "SET lock me IFEQ me PX 9000", "+OK|",
            "PTTL lock", ":9000|",
            "DELEX lock IFEQ you", ":0|",
            "GET lock", "$2|me|",
            "DELEX lock IFEQ me", ":1|",
            "DELEX lock IFEQ me", ":0|",
            "SET lock me IFEQ me PX 9000", "$-1|",
            "EXISTS lock", ":0|");
    }

    [Fact]
    public async Task Conditions_compare_values_and_digests()
    {
        await using var rig = new RespRig();
        RespRig.Converse(
            rig.Connect(),
            "SET k a IFNE b", "+OK|", // What is not there differs.
            "SET k b IFNE a", "$-1|",
            "SET k b ifne c", "+OK|",
            "DIGEST k", $"$16|{Digest("b")}|",
            $"SET k c IFDEQ {Digest("a")}", "$-1|",
            $"SET k c IFDEQ {Digest("b").ToUpperInvariant()}", "+OK|",
            $"SET k d IFDNE {Digest("c")}", "$-1|",
            $"SET k d IFDNE {Digest("b")}", "+OK|",
            $"SET new d IFDEQ {Digest("d")}", "$-1|",
            $"SET new d IFDNE {Digest("d")}", "+OK|",
            "DELEX k IFNE d", ":0|",
            $"DELEX k IFDNE {Digest("d")}", ":0|",
            $"DELEX k IFDEQ {Digest("x")}", ":0|",
            $"DELEX k IFDEQ {Digest("d")}", ":1|",
            "DELEX new IFNE x", ":1|",
            "DELEX none IFNE x", ":0|",
            $"DELEX none IFDNE {Digest("x")}", ":0|",
            "SET k \"\"", "+OK|",
            "DELIFEQ k x", ":0|",
            "DELIFEQ k \"\"", ":1|",
            "DELIFEQ k \"\"", ":0|",
            "DIGEST k", "$-1|",
            "SET k 1", "+OK|",
            "DELEX k", ":1|",
            "DELEX k", ":0|");
    }

    [Fact]
    public async Task Get_gives_what_was_there_whether_it_was_written_or_not()
    {
        await using var rig = new RespRig();
        RespRig.Converse(
            rig.Connect(),
            "SET k a IFEQ a GET", "$-1|",
            "EXISTS k", ":0|",
            "SET k a IFNE a GET", "$-1|",
            "SET k b GET IFEQ x", "$1|a|",
            "SET k b GET IFEQ a", "$1|a|",
            "GET k", "$1|b|");
    }

    [Fact]
    public async Task The_other_options_go_with_it()
    {
        await using var rig = new RespRig();
        var client = rig.Connect();
        RespRig.Converse(
            client,
            "SET k a EX 100", "+OK|",
            "SET k b IFEQ a KEEPTTL TAG t TAG IFEQ", "+OK|",
            "TTL k", ":100|",
            "SET k c IFEQ b", "+OK|",
            "TTL k", ":-1|",
            "SET k d TAG t IFEQ c SLIDING 5000", "+OK|",
            "PTTL k", ":5000|",
            "DELTAG t", "+OK|",
            "EXISTS k", ":0|",
            "HELLO 3", client.Ask("HELLO 3"),
            "SET k a IFEQ a", "_|");
    }

    [Fact]
    public async Task What_is_wrong_is_refused_and_changes_nothing()
    {
        await using var rig = new RespRig();
        RespRig.Converse(
            rig.Connect(),
            "SET k a", "+OK|",
            "HSET h f v", ":1|",
            "SET k b IFEQ", Syntax,
            "SET k b IFEQ a NX", Syntax,
            "SET k b NX IFEQ a", Syntax,
            "SET k b XX IFEQ a", Syntax,
            "SET k b IFEQ a IFNE a", Syntax,
            "SET k b IFEQ a IFVERSION 1", Syntax,
            "SET k b IFVERSION 1 IFEQ a", Syntax,
            "SET k b IFDEQ a", BadDigest,
            "SET k b IFDEQ 000000000000000g", BadDigest,
            "SET k b IFEQ a EX 0", "-ERR invalid expire time in 'set' command|",
            "DELEX k IFEQ", DelexForm,
            "DELEX k NX a", DelexForm,
            "DELEX k IFEQ a IFEQ a", DelexForm,
            "DELEX k IFDNE 12", BadDigest,
            "DELEX", "-ERR wrong number of arguments for 'delex' command|",
            "DELIFEQ k", "-ERR wrong number of arguments for 'delifeq' command|",
            "SET h b IFEQ a", Wrongtype,
            "SET h b IFNE a GET", Wrongtype,
            "DELEX h IFNE a", Wrongtype,
            "DELIFEQ h a", Wrongtype,
            "DIGEST h", Wrongtype,
            "GET k", "$1|a|",
            "DELEX h", ":1|");
    }

    [Fact]
    public async Task Large_values_are_compared_and_digested_whole()
    {
        await using var rig = new RespRig();
        var client = rig.Connect();
        var large = new string('x', 300_000);
        var nearly = new string('x', 299_999) + "y";
        Assert.Equal("+OK|", client.Call("SET", "k", large));
        Assert.Equal("$-1|", client.Call("SET", "k", nearly, "IFEQ", nearly));
        Assert.Equal("+OK|", client.Call("SET", "k", nearly, "IFEQ", large));
        Assert.Equal($"$16|{Digest(nearly)}|", client.Ask("DIGEST k"));
        Assert.Equal("+OK|", client.Call("SET", "k", large, "IFDEQ", Digest(nearly)));
        Assert.Equal(":0|", client.Call("DELEX", "k", "IFEQ", nearly));
        Assert.Equal(":1|", client.Call("DELIFEQ", "k", large));
    }

    [Fact]
    public void Digests_are_redis() => Assert.Equal("b6acb9d84a38ff74", Digest("Hello world")); // From Redis' documentation of DIGEST.

    [Theory]
    [InlineData("DELEX lock IFEQ token", ":1|")]
    [InlineData("DELEX lock IFEQ other", ":0|")]
    [InlineData("SET lock token IFEQ token", "+OK|")]
    [InlineData("SET lock token IFNE token", "$-1|")]
    public async Task What_lies_in_a_lower_tier_is_asked_for(string command, string reply)
    {
        var tier = new FakeTier();
        tier.Put("lock", "token");
        await using var rig = new RespRig(tier: tier);
        var client = rig.Connect();
        client.Send(command + "\r\n");
        Assert.Equal("", client.TakeText());
        while (tier.Pending.Count > 0)
        {
            tier.Complete();
            client.Pump();
        }

        Assert.Equal(reply, client.TakeText());
    }

    [Theory]
    [InlineData("DELEX k IFEQ a", ":1|", ":0|")]
    [InlineData("DELEX k IFNE b", ":1|", ":0|")]
    [InlineData("SET k c IFEQ a", "+OK|", "$-1|")]
    [InlineData("SET k c IFEQ a GET", "$1|a|", "$1|b|")]
    public async Task A_write_in_between_is_compared_too(string command, string otherwise, string reply)
    {
        FailingHost? host = null;
        await using var rig = new RespRig(wrap: inner => host = new FailingHost(inner));
        var client = rig.Connect();
        var other = rig.Connect();
        Converse("SET k a", "+OK|", command, otherwise, "SET k a", "+OK|");
        host!.Asked.Clear();
        host.Before = (number, _) =>
        {
            if (number == 1)
            {
                other.Ask("SET k b");
            }
        };
        Assert.Equal(reply, client.Ask(command));
        Assert.Equal("$1|b|", client.Ask("GET k"));

        void Converse(params ReadOnlySpan<string> talk) => RespRig.Converse(client, talk);
    }

    [Fact]
    public async Task A_partition_that_cannot_be_asked_is_no_lock_that_is_gone()
    {
        // To a read it is a miss; the removal that confirms it finds out.
        FailingHost? host = null;
        await using var rig = new RespRig(wrap: inner => host = new FailingHost(inner));
        var client = rig.Connect();
        host!.Fails = static (_, kind, _) => kind == OperationKind.Delete;
        Assert.StartsWith("-TRYAGAIN", client.Ask("DELEX lock IFEQ me"), StringComparison.Ordinal);
        Assert.StartsWith("-TRYAGAIN", client.Ask("SET lock me IFEQ me"), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Of_many_releases_one_succeeds()
    {
        await using var rig = new RespRig(defers: true);
        var clients = Enumerable.Range(0, 8).Select(_ => rig.Connect()).ToArray();
        clients[0].Send("SET lock me\r\n");
        Settle(rig, clients);
        clients[0].TakeText();
        foreach (var client in clients)
        {
            client.Send("DELEX lock IFEQ me\r\n");
        }

        Settle(rig, clients);
        var replies = clients.Select(client => client.TakeText()).Order(StringComparer.Ordinal).ToArray();
        Assert.Equal([":0|", ":0|", ":0|", ":0|", ":0|", ":0|", ":0|", ":1|"], replies);
    }

    private static void Settle(RespRig rig, RespClient[] clients)
    {
        while (rig.Deferring.Waiting > 0)
        {
            rig.Deferring.Deliver();
            foreach (var client in clients)
            {
                client.Pump();
            }
        }
    }

    private static string Digest(string value) =>
        XxHash3.HashToUInt64(Encoding.UTF8.GetBytes(value)).ToString("x16", System.Globalization.CultureInfo.InvariantCulture);
}
