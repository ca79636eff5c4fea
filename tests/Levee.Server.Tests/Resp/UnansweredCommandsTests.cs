using System.Diagnostics.CodeAnalysis;
using System.Security.Cryptography;
using System.Text;
using Levee.Operations;
using Levee.Server.Resp;
using Levee.Testing;
using Xunit;

namespace Levee.Server.Tests.Resp;

/// <summary>
/// Nobody is told OK for what a partition did not do. Every command is run again and again, and each time another one of the operations
/// that it asks for is not answered: then its reply says so. A command that is not in this table fails the test.
/// </summary>
public sealed class UnansweredCommandsTests
{
    private const string TryAgain = "-TRYAGAIN ";
    private const string Partition1 = "partition 1 of the cache 'default' did not answer (its silo is gone)";

    private const string Release = "if\tredis.call('get',KEYS[1])==ARGV[1]\tthen\treturn\tredis.call('del',KEYS[1])\tend\treturn\t0";

    [SuppressMessage("Security", "CA5350", Justification = "SHA-1 is how the protocol names scripts.")]
    private static readonly string Hash = Convert.ToHexStringLower(SHA1.HashData(Encoding.UTF8.GetBytes(Release)));

    private static readonly string[] Asks =
    [
        "get k", "set k v", "set k v NX", "set k v IFEQ x", "set new v IFNE x", "setnx new v", "setex k 10 v", "psetex k 10 v",
        "getset k v", "getdel k", "getex k", "getex k EX 10", "mget k new",
        "mset k v new v", "msetnx new v newer v", "msetnx new v k v", "strlen k", "append k v", "getrange k 0 1", "substr k 0 1",
        "setrange k 0 v",
        "delex k", "delex k IFEQ x", "delex new IFEQ x", "delifeq k x", "digest k", $"eval {Release} 1 k x", $"evalsha {Hash} 1 k x",
        "incr n", "decr n", "incrby n 2", "decrby n 2", "incrbyfloat n 2",
        "del k", "del k n", "unlink k n", "exists k", "exists k n", "touch k n", "type k", "ttl k", "pttl k", "expiretime k",
        "pexpiretime k", "expire k 10", "pexpire k 10", "expireat k 99999999999",
        "pexpireat k 99999999999999", "persist k", "rename k new", "renamenx k new", "object ENCODING k", "memory USAGE k", "explain k",
        "hset h g v", "hmset h g v", "hsetnx h g v", "hget h f", "hmget h f", "hgetall h", "hkeys h", "hvals h", "hlen h", "hstrlen h f",
        "hexists h f", "hdel h f", "hincrby h n 1",
        "hincrbyfloat h n 1", "hscan h 0",
        "scan 0 COUNT 10000", "keys *", "dbsize", "randomkey", "flushdb", "flushall", "deltag t u", "tiers",
    ];

    private static readonly string[] AskNobody =
    [
        "command", "config GET save", "time", "wait 0 0", "cluster INFO", "ping", "echo a", "quit", "reset", "auth x", "hello", "select 0",
        "client ID", "script EXISTS a", "multi", "exec", "discard", "watch k", "unwatch",
        "prefetch k", "prefetch.status", "prefetch.queue",
    ];

    /// <summary>INFO says what is missing beside the numbers of those who answer: clients ask for it when they connect.</summary>
    private const string SaysWhatIsMissing = "info";

    [Fact]
    public void Every_command_is_here() => Assert.Equal(
        CommandTable.All.Select(command => command.Name).Order(StringComparer.Ordinal),
        Asks.Concat(AskNobody).Append(SaysWhatIsMissing).Select(line => line.Split(' ')[0]).Distinct().Order(StringComparer.Ordinal));

    [Fact]
    public async Task What_is_not_answered_is_told()
    {
        await using var rig = NewRig(out var host);
        foreach (var line in Asks)
        {
            var asked = Run(rig, host, line, failing: -1, out var reply);
            Assert.True(asked > 0, $"{line} asks for nothing");
            Assert.False(reply.StartsWith('-'), $"{line}: {reply}");
            for (var i = 0; i < asked; i++)
            {
                Run(rig, host, line, failing: i, out reply);
                var isTold = reply.Contains(TryAgain, StringComparison.Ordinal);
                Assert.True(isTold, $"{line} with operation {i} of {asked} unanswered: {reply}");
            }
        }
    }

    [Fact]
    public async Task Some_commands_ask_nobody()
    {
        await using var rig = NewRig(out var host);
        foreach (var line in AskNobody)
        {
            Assert.Equal((line, 0), (line, Run(rig, host, line, failing: -1, out _)));
        }
    }

    [Fact]
    public async Task Info_says_what_is_missing()
    {
        await using var rig = NewRig(out var host);
        var client = rig.Connect();
        client.Ask("SET k v");
        Assert.DoesNotContain("unanswered", client.Ask("INFO"), StringComparison.Ordinal);
        host.Fails = static (_, _, partition) => partition == 1;
        var info = client.Ask("INFO");
        Assert.Contains($"|unanswered:{Partition1}|", info, StringComparison.Ordinal);
        Assert.Matches(@"\|db0:keys=\d+,expires=0,avg_ttl=0,unanswered=1\|", info);
    }

    [Fact]
    public async Task Who_did_not_answer_is_named_and_the_others_have_done_it()
    {
        await using var rig = NewRig(out var host);
        var client = rig.Connect();
        Fill(client);
        host.Fails = static (_, _, partition) => partition == 1;
        Assert.Equal(
            $"-TRYAGAIN {Partition1}; 1 of 1 tags still have entries there; elsewhere all are invalidated|", client.Ask("DELTAG t"));
        Assert.Equal($"-TRYAGAIN {Partition1}; all else is cleared|", client.Ask("FLUSHALL"));
        Assert.StartsWith("-TRYAGAIN partition 1 ", client.Ask("DBSIZE"), StringComparison.Ordinal);
        Assert.StartsWith("-TRYAGAIN partition 1 ", client.Ask("KEYS *"), StringComparison.Ordinal);
        Assert.StartsWith("-TRYAGAIN partition 1 ", client.Ask("RANDOMKEY"), StringComparison.Ordinal);
        Assert.StartsWith("-TRYAGAIN partition 1 ", client.Ask("SCAN 0 COUNT 10000"), StringComparison.Ordinal);
        host.Fails = static (_, _, partition) => partition == FirstTier;
        Assert.Equal(
            "-TRYAGAIN tier 0 of the cache 'default' did not answer (its silo is gone); what the others say is in INFO tiers|",
            client.Ask("TIERS"));

        host.Fails = static (_, _, _) => false;
        var left = client.Ask("KEYS *").Split('|').Count(part => part.StartsWith("key", StringComparison.Ordinal));
        Assert.InRange(left, 1, 99); // Those of partition 1 are there, the others are not.
        Assert.Equal("+OK|", client.Ask("FLUSHALL"));
        Assert.Equal("*0|", client.Ask("KEYS *"));
    }

    private const int FirstTier = 2;

    private static void Fill(RespClient client)
    {
        for (var i = 0; i < 100; i++)
        {
            Assert.Equal("+OK|", client.Ask($"SET key{i} v TAG t"));
        }
    }

    /// <summary>Runs a command on a cache as it always is before.</summary>
    /// <returns>How many operations it asked for.</returns>
    private static int Run(RespRig rig, FailingHost host, string line, int failing, out string reply)
    {
        host.Fails = static (_, _, _) => false;
        var client = rig.Connect();
        foreach (var set in new[] { "FLUSHALL", $"SCRIPT LOAD {Release}", "SET k x", "SET n 1", "HSET h f v" })
        {
            if (line == "randomkey" && set != "FLUSHALL")
            {
                break; // With keys elsewhere it need not have them all.
            }

            Assert.False(client.Ask(set).StartsWith('-'));
        }

        host.Asked.Clear();
        host.Fails = (number, _, _) => number == failing;
        reply = client.Ask(line);
        host.Fails = static (_, _, _) => false;
        var asked = host.Asked.Count;
        client.Close();
        return asked;
    }

    private static RespRig NewRig(out FailingHost host)
    {
        FailingHost? made = null;
        var tier = new FakeTier { Holds = static _ => false, Statistics = [SampleTiers.Files, SampleTiers.Bucket] };
        var rig = new RespRig(tier: tier, wrap: inner => made = new FailingHost(inner));
        host = made!;
        return rig;
    }
}
