using System.Globalization;
using Levee.Operations;
using Levee.Server.Resp;
using Levee.Server.Transport;
using Xunit;

namespace Levee.Server.Tests.Resp;

/// <summary>Hashes, scans, and commands on connection and server.</summary>
public sealed class HashAndServerCommandsTests : IAsyncDisposable
{
    private readonly RespRig rig = new();
    private readonly RespClient client;

    public HashAndServerCommandsTests() => client = rig.Connect();

    public ValueTask DisposeAsync() => rig.DisposeAsync();

    [Fact]
    public void Hashes_hold_fields() => RespRig.Converse(client,
        "HSET h a 1 b 2", ":2|",
        "HSET h a 3 c 4 c 5", ":1|",
        "HGET h a", "$1|3|",
        "HGET h none", "$-1|",
        "HGET none a", "$-1|",
        "HMGET h a none c", "*3|$1|3|$-1|$1|5|",
        "HMGET none a", "*1|$-1|",
        "HGETALL h", "*6|$1|a|$1|3|$1|b|$1|2|$1|c|$1|5|",
        "HGETALL none", "*0|",
        "HKEYS h", "*3|$1|a|$1|b|$1|c|",
        "HVALS h", "*3|$1|3|$1|2|$1|5|",
        "HLEN h", ":3|",
        "HLEN none", ":0|",
        "HSTRLEN h a", ":1|",
        "HSTRLEN h none", ":0|",
        "HEXISTS h a", ":1|",
        "HEXISTS h none", ":0|",
        "HSETNX h a x", ":0|",
        "HSETNX h d long-value", ":1|",
        "HMSET h b 7", "+OK|",
        "HINCRBY h b 3", ":10|",
        "HINCRBY h new 3", ":3|",
        "HINCRBY h d 3", "-ERR hash value is not an integer|",
        "HINCRBY h b x", "-ERR value is not an integer or out of range|",
        "HINCRBY h b 9223372036854775807", "-ERR increment or decrement would overflow|",
        "HINCRBYFLOAT h b 0.5", "$4|10.5|",
        "HINCRBYFLOAT h d 0.5", "-ERR hash value is not a float|",
        "HINCRBYFLOAT h b x", "-ERR value is not a valid float|",
        "HSET h \"\" empty", ":1|",
        "HGET h \"\"", "$5|empty|",
        "HSET h a \"\"", ":0|",
        "HGET h a", "$0||",
        "HDEL h b none b", ":1|",
        "HDEL h a c d new \"\"", ":5|",
        "EXISTS h", ":0|",
        "HDEL h a", ":0|",
        "HSET h a", "-ERR wrong number of arguments for 'hset' command|",
        "HSET h a 1 b", "-ERR wrong number of arguments for 'hset' command|",
        "HMSET h a 1 b", "-ERR wrong number of arguments for 'hmset' command|",
        "SET s 1", "+OK|",
        "HSET s a 1", "-WRONGTYPE Operation against a key holding the wrong kind of value|",
        "HGETALL s", "-WRONGTYPE Operation against a key holding the wrong kind of value|",
        "HDEL s a", "-WRONGTYPE Operation against a key holding the wrong kind of value|",
        "HSET h a 1", ":1|",
        "TYPE h", "+hash|",
        "OBJECT ENCODING h", "$8|listpack|",
        "EXPIRE h 10", ":1|",
        "HSET h b 1", ":1|",
        "HDEL h a", ":1|",
        "TTL h", ":10|",
        "HSCAN h 0", "*2|$1|0|*2|$1|b|$1|1|",
        "HSCAN h 0 MATCH z*", "*2|$1|0|*0|",
        "HSCAN h x", "-ERR invalid cursor|",
        "HSCAN h 0 COUNT 0", "-ERR syntax error|",
        "HSCAN none 0", "*2|$1|0|*0|");

    [Fact]
    public void A_hash_has_bounds_and_many_fields_take_no_quadratic_time()
    {
        var fields = Enumerable.Range(0, HashValue.MaxFields).SelectMany(i => new[] { $"field{i}", new string('v', 200) }).ToArray();
        Assert.Equal($":{HashValue.MaxFields}|", client.Call(["HSET", "h", .. fields]));
        Assert.StartsWith("-ERR a hash is one cache entry", client.Ask("HSET h one-more x"), StringComparison.Ordinal);
        Assert.StartsWith("-ERR a hash is one cache entry", client.Ask("HSETNX h one-more x"), StringComparison.Ordinal);
        Assert.StartsWith("-ERR a hash is one cache entry", client.Ask("HINCRBY h one-more 1"), StringComparison.Ordinal);
        Assert.Equal($":{HashValue.MaxFields}|", client.Ask("HLEN h"));
        Assert.Equal(":0|", client.Ask("HSET h field7 x"));
        var tooMany = Enumerable.Range(0, 40_000).SelectMany(i => new[] { $"{i}", "" }).ToArray();
        Assert.StartsWith("-ERR a hash is one cache entry", client.Call(["HSET", "other", .. tooMany]), StringComparison.Ordinal);
        var all = fields.Where((_, i) => i % 2 == 0).ToArray();
        Assert.StartsWith($"*{all.Length}|$1|", client.Call(["HMGET", "h", "field7", .. all[1..]]), StringComparison.Ordinal);
        Assert.Equal($":{HashValue.MaxFields - 1}|", client.Call(["HDEL", "h", .. all[1..]]));
        Assert.Equal("*2|$6|field0|$200|" + new string('v', 200) + "|", client.Ask("HGETALL h"));
    }

    [Fact]
    public void Resp3_has_its_own_nulls_and_maps()
    {
        Assert.Equal("*14|$6|server|$5|redis|$7|version|$5|8.4.0|$5|proto|:2|$2|id|:1|$4|mode|$10|standalone|$4|role|$6|master|$7|modules|*0|", client.Ask("HELLO"));
        RespRig.Converse(client,
            "HELLO 4", "-NOPROTO unsupported protocol version|",
            "HELLO x", "-ERR Protocol version is not an integer or out of range|",
            "HELLO 3 FOO", "-ERR Syntax error in HELLO option 'FOO'|",
            "GET none", "$-1|",
            "HELLO 3 SETNAME me",
            "%7|$6|server|$5|redis|$7|version|$5|8.4.0|$5|proto|:3|$2|id|:1|$4|mode|$10|standalone|$4|role|$6|master|$7|modules|*0|",
            "CLIENT GETNAME", "$2|me|",
            "GET none", "_|",
            "MGET none", "*1|_|",
            "HSET h f v", ":1|",
            "HGETALL h", "%1|$1|f|$1|v|",
            "HGETALL none", "%0|",
            "HGET h none", "_|",
            "SET a 1 XX", "_|",
            "CONFIG GET save", "%1|$4|save|$0||",
            "OBJECT ENCODING none", "_|",
            "GETDEL none", "_|",
            "RANDOMKEY", "$1|h|",
            "RESET", "+RESET|",
            "GET none", "$-1|",
            "CLIENT GETNAME", "$-1|");
    }

    [Fact]
    public void A_scan_is_complete_under_changes()
    {
        for (var i = 0; i < 3000; i++)
        {
            client.Ask($"SET stays{i} {i}");
        }

        var seen = new List<string>();
        var cursor = "0";
        var random = new Random(3);
        do
        {
            var parts = client.Ask($"SCAN {cursor} MATCH stays* COUNT 50").Split('|');
            cursor = parts[2];
            seen.AddRange(parts.Where(p => p.StartsWith("stays", StringComparison.Ordinal)));
            for (var i = 0; i < 20; i++)
            {
                client.Ask($"SET comes{random.Next(5000)} x");
                client.Ask($"DEL comes{random.Next(5000)}");
                client.Ask($"APPEND stays{random.Next(3000)} xxxxxxxxxxxxxxxxxxxxxxxxxx");
            }
        }
        while (cursor != "0");

        Assert.Equal(3000, seen.Count);
        Assert.Equal(3000, seen.Distinct().Count());
        RespRig.Converse(client,
            "SCAN x", "-ERR invalid cursor|",
            "SCAN 0 COUNT 0", "-ERR syntax error|",
            "SCAN 0 COUNT x", "-ERR value is not an integer or out of range|",
            "SCAN 0 MATCH", "-ERR syntax error|",
            "SCAN 18446744073709551615", "*2|$1|0|*0|",
            "FLUSHALL", "+OK|",
            "HSET h f v", ":1|",
            "SET s 1", "+OK|",
            "SCAN 0 COUNT 10000 TYPE hash", "*2|$1|0|*1|$1|h|",
            "SCAN 0 COUNT 10000 TYPE list", "*2|$1|0|*0|",
            "KEYS s*", "*1|$1|s|",
            "KEYS [^s]", "*1|$1|h|",
            "DBSIZE", ":2|",
            "FLUSHDB ASYNC", "+OK|",
            "FLUSHDB NOW", "-ERR syntax error|",
            "DBSIZE", ":0|",
            "RANDOMKEY", "$-1|");
    }

    [Fact]
    public void Caches_are_selected_by_number_and_by_name()
    {
        RespRig.Converse(client,
            "SET a first", "+OK|",
            "SELECT 1", "+OK|",
            "GET a", "$-1|",
            "SET a other", "+OK|",
            "SELECT default", "+OK|",
            "GET a", "$5|first|",
            "SELECT second", "+OK|",
            "GET a", "$5|other|",
            "FLUSHDB", "+OK|",
            "DBSIZE", ":0|",
            "SELECT 0", "+OK|",
            "DBSIZE", ":1|",
            "SELECT 2", "-ERR DB index is out of range: caches are numbered 0 to 1|",
            "SELECT -1", "-ERR DB index is out of range: caches are numbered 0 to 1|",
            "SELECT third", "-ERR no cache is named 'third'; there are: default, second|",
            "GET a", "$5|first|",
            "SELECT 1", "+OK|",
            "SET a other", "+OK|",
            "FLUSHALL", "+OK|",
            "DBSIZE", ":0|",
            "SELECT 0", "+OK|",
            "DBSIZE", ":0|");
    }

    [Fact]
    public async Task A_password_is_asked_for()
    {
        await using var guarded = new RespRig(new RespOptions { Credentials = new Credentials("me", "secret") });
        var guest = guarded.Connect();
        RespRig.Converse(guest,
            "GET a", "-NOAUTH Authentication required.|",
            "PING", "-NOAUTH Authentication required.|",
            "foo", "-ERR unknown command 'foo', with args beginning with: |",
            "GET", "-ERR wrong number of arguments for 'get' command|",
            "HELLO 3", "-NOAUTH HELLO must be called with the client already authenticated, otherwise the HELLO <proto> AUTH <user> <pass> option can be used to authenticate the client and select the RESP protocol version at the same time|",
            "AUTH wrong", "-WRONGPASS invalid username-password pair or user is disabled.|",
            "AUTH you secret", "-WRONGPASS invalid username-password pair or user is disabled.|",
            "AUTH a b c", "-ERR syntax error|",
            "HELLO 3 AUTH me wrong", "-WRONGPASS invalid username-password pair or user is disabled.|",
            "GET a", "-NOAUTH Authentication required.|",
            "AUTH secret", "+OK|",
            "GET a", "$-1|",
            "AUTH me secret", "+OK|",
            "RESET", "+RESET|",
            "GET a", "-NOAUTH Authentication required.|");
        guest = guarded.Connect();
        Assert.StartsWith("%7|", guest.Ask("HELLO 3 AUTH me secret"), StringComparison.Ordinal);
        Assert.Equal("_|", guest.Ask("GET a"));

        // Before AUTH nobody may make the server gather much.
        guest = guarded.Connect();
        guest.Send("*3\r\n$3\r\nSET\r\n$1\r\na\r\n$100000\r\n");
        Assert.Equal("-ERR Protocol error: unauthenticated bulk length|", guest.TakeText());
        Assert.True(guest.IsClosed);
        Assert.StartsWith("-ERR AUTH <password> called without any password configured", client.Ask("AUTH x"), StringComparison.Ordinal);
    }

    [Fact]
    public void Clients_are_listed_named_and_killed()
    {
        var other = rig.Connect();
        RespRig.Converse(other, "CLIENT SETNAME other", "+OK|", "CLIENT ID", ":2|", "CLIENT SETINFO LIB-NAME lib", "+OK|");
        var list = client.Ask("CLIENT LIST");
        Assert.Contains("id=1 addr=127.0.0.1:40001 ", list, StringComparison.Ordinal);
        Assert.Contains("id=2 addr=127.0.0.1:40002 ", list, StringComparison.Ordinal);
        Assert.Contains(" name=other ", list, StringComparison.Ordinal);
        Assert.Contains("lib-name=lib", list, StringComparison.Ordinal);
        RespRig.Converse(client,
            "CLIENT SETNAME a\nb", "-ERR Client names cannot contain spaces, newlines or special characters.|",
            "CLIENT KILL 127.0.0.1:9", "-ERR No such client|",
            "CLIENT KILL ID 99", ":0|",
            "CLIENT KILL ID 2", ":1|");
        other.Pump();
        Assert.True(other.IsClosed);
        Assert.DoesNotContain("id=2 ", client.Ask("CLIENT LIST"), StringComparison.Ordinal);
        Assert.Equal("+OK|", client.Ask("CLIENT KILL 127.0.0.1:40001"));
        Assert.True(client.IsClosed);
    }

    [Fact]
    public void Info_and_config_tell_what_clients_ask()
    {
        client.Ask("SET a 1");
        client.Ask("GET a");
        client.Ask("GET none");
        var fields = client.Ask("INFO").Split('|').Where(l => l.Contains(':', StringComparison.Ordinal)).GroupBy(l => l.Split(':')[0]).ToDictionary(g => g.Key, g => g.First().Split(':', 2)[1]);
        foreach (var name in new[] { "redis_version", "redis_mode", "uptime_in_seconds", "connected_clients", "used_memory", "used_memory_rss", "maxmemory", "keyspace_hits", "keyspace_misses", "evicted_keys", "role", "cluster_enabled", "db0", "capacity_bytes", "arc_target_bytes" })
        {
            Assert.Contains(name, fields.Keys);
        }

        Assert.Equal("1", fields["keyspace_hits"]);
        Assert.Equal("1", fields["keyspace_misses"]);
        Assert.Equal("1", fields["connected_clients"]);
        Assert.Equal("keys=1,expires=0,avg_ttl=0", fields["db0"]);
        Assert.True(double.Parse(fields["used_cpu_user"], CultureInfo.InvariantCulture) >= 0);
        Assert.Contains("# Replication|role:master|", client.Ask("INFO replication"), StringComparison.Ordinal);
        Assert.DoesNotContain("# Server", client.Ask("INFO replication"), StringComparison.Ordinal);
        RespRig.Converse(client,
            "CONFIG GET save", "*2|$4|save|$0||",
            "CONFIG GET appendonly", "*2|$10|appendonly|$2|no|",
            "CONFIG GET databases", "*2|$9|databases|$1|2|",
            "CONFIG GET nothing", "*0|",
            "CONFIG GET timeout replica-read-only", "*4|$17|replica-read-only|$3|yes|$7|timeout|$1|0|",
            "CONFIG SET save x", "-ERR only CONFIG GET is supported: options are flags, environment variables and keys of levee.json, read at the start|",
            "TIME", "*2|$10|1700000000|$1|0|",
            "WAIT 0 0", ":0|",
            "ECHO hi", "$2|hi|",
            "PING hi", "$2|hi|",
            "PING a b", "-ERR wrong number of arguments for 'ping' command|",
            "COMMAND COUNT", $":{CommandTable.All.Count}|",
            "COMMAND INFO get none", "*2|*6|$3|get|:2|*1|+readonly|:1|:1|:1|$-1|",
            "CLUSTER INFO", "-ERR This instance has cluster support disabled|",
            "MEMORY USAGE none", "$-1|",
            "OBJECT REFCOUNT a", ":1|");
        Assert.StartsWith($"*{CommandTable.All.Count}|", client.Ask("COMMAND"), StringComparison.Ordinal);
        Assert.StartsWith(":", client.Ask("MEMORY USAGE a"), StringComparison.Ordinal);
    }

    [Fact]
    public void Every_command_refuses_too_few_arguments_and_huge_ones()
    {
        var big = new string('x', Limits.MaxInlineBytes + 1);
        foreach (var command in CommandTable.All.Where(c => c.Name is not ("quit" or "client")))
        {
            for (var count = 1; count < 6; count++)
            {
                // Any argument may be large, also one that is looked at twice.
                for (var large = 0; large <= count; large++)
                {
                    var arguments = Enumerable.Range(0, count).Select(i => i == 0 ? command.Name : i == large ? big : "1").ToArray();
                    var reply = client.Call(arguments);
                    Assert.True(reply.Length > 0 && client.State == ConversationState.Reading && !client.IsClosed, $"{command.Name} with {count} arguments, {large} large: '{reply}'");
                    if (!command.Accepts(count))
                    {
                        Assert.Equal($"-ERR wrong number of arguments for '{command.Name}' command|", reply);
                    }
                }
            }

            client.Ask("SELECT 0");
            client.Ask("FLUSHALL");
            client.Ask("HELLO 2");
        }

        Assert.StartsWith("-ERR unknown command 'xxxx", client.Call(big, "a"), StringComparison.Ordinal);
        foreach (var option in new[] { "HELLO 3 {0}", "CLIENT {0}", "CLIENT SETNAME {0}", "CLIENT SETINFO LIB-NAME {0}", "CLIENT KILL {0}", "EXPIRE a 1 {0}", "SCAN 0 {0} 1", "SCAN 0 MATCH {0}", "CONFIG GET {0}", "SET a 1 {0} 1", "SET a 1 TAG {0}", "GETEX a {0} 1" })
        {
            var reply = client.Ask(string.Format(CultureInfo.InvariantCulture, option, big));
            Assert.True(reply.Length > 0 && !client.IsClosed, option);
        }
    }
}
