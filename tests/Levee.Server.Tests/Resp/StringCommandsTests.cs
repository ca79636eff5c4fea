using Levee.Operations;
using Xunit;

namespace Levee.Server.Tests.Resp;

/// <summary>Strings and counters as a client sees them; error texts are those of Redis 7.0.</summary>
public sealed class StringCommandsTests : IAsyncDisposable
{
    private readonly RespRig rig = new();
    private readonly RespClient client;

    public StringCommandsTests() => client = rig.Connect();

    public ValueTask DisposeAsync() => rig.DisposeAsync();

    [Fact]
    public void Values_are_written_and_read() => RespRig.Converse(client,
        "GET a", "$-1|",
        "SET a 1", "+OK|",
        "GET a", "$1|1|",
        "set a \"\"", "+OK|",
        "gEt a", "$0||",
        "SETNX a x", ":0|",
        "SETNX b x", ":1|",
        "GETSET b y", "$1|x|",
        "GETSET c y", "$-1|",
        "GETDEL b", "$1|y|",
        "GETDEL b", "$-1|",
        "STRLEN c", ":1|",
        "STRLEN none", ":0|",
        "APPEND c z", ":2|",
        "APPEND new \"\"", ":0|",
        "EXISTS new", ":1|",
        "MSET k1 v1 k2 v2 k1 v3", "+OK|",
        "MGET k1 none k2", "*3|$2|v3|$-1|$2|v2|",
        "MSETNX k3 a k1 b", ":0|",
        "EXISTS k3", ":0|",
        "MSETNX k3 a k4 b k3 c", ":1|",
        "MGET k3 k4", "*2|$1|c|$1|b|",
        "DEL k1 k2 none", ":2|",
        "UNLINK k3", ":1|",
        "EXISTS k3 k4 k4", ":2|",
        "TOUCH k4 none", ":1|",
        "TYPE k4", "+string|",
        "TYPE none", "+none|");

    [Fact]
    public void Set_has_the_options_of_redis() => RespRig.Converse(client,
        "SET a 1 XX", "$-1|",
        "SET a 1 NX", "+OK|",
        "SET a 2 NX", "$-1|",
        "SET a 2 XX", "+OK|",
        "SET a 3 GET", "$1|2|",
        "SET a 4 NX GET", "$1|3|",
        "SET b 1 NX GET", "$-1|",
        "GET b", "$1|1|",
        "SET a 5 XX GET EX 10", "$1|3|",
        "TTL a", ":10|",
        "SET a 6 KEEPTTL", "+OK|",
        "PTTL a", ":10000|",
        "SET a 7", "+OK|",
        "TTL a", ":-1|",
        "SET a 7 px 1500", "+OK|",
        "PTTL a", ":1500|",
        "SET a 7 EXAT 1700000100", "+OK|",
        "TTL a", ":100|",
        "SET a 7 PXAT 1700000000001", "+OK|",
        "PTTL a", ":1|",
        "SET a 7 PXAT 1", "+OK|",
        "GET a", "$-1|",
        "SET a 1 NX XX", "-ERR syntax error|",
        "SET a 1 EX", "-ERR syntax error|",
        "SET a 1 EX 10 PX 10", "-ERR syntax error|",
        "SET a 1 EX 10 KEEPTTL", "-ERR syntax error|",
        "SET a 1 KEEPTTL EX 10", "-ERR syntax error|",
        "SET a 1 SOON", "-ERR syntax error|",
        "SET a 1 EX ten SOON", "-ERR syntax error|",
        "SET a 1 EX ten", "-ERR value is not an integer or out of range|",
        "SET a 1 EX 0", "-ERR invalid expire time in 'set' command|",
        "SET a 1 PX -5", "-ERR invalid expire time in 'set' command|",
        "SET a 1 EX 9223372036854775807", "-ERR invalid expire time in 'set' command|",
        "SET a 1 EX 92233720368547758070", "-ERR value is not an integer or out of range|",
        "SET a 1 NX NX", "+OK|");

    [Fact]
    public void Levees_own_set_options()
    {
        RespRig.Converse(client,
            "SET s v SLIDING 1000", "+OK|",
            "PTTL s", ":1000|");
        rig.Time.Advance(600);
        RespRig.Converse(client, "PTTL s", ":400|", "GET s", "$1|v|", "PTTL s", ":1000|");
        rig.Time.Advance(1000);
        RespRig.Converse(client,
            "GET s", "$-1|",
            "SET s v SLIDING 1000 EX 1", "+OK|");
        rig.Time.Advance(600);
        RespRig.Converse(client, "GET s", "$1|v|", "PTTL s", ":400|");
        RespRig.Converse(client,
            "SET s v SLIDING 0", "-ERR sliding TTL is not a positive number of milliseconds|",
            "SET s v SLIDING", "-ERR syntax error|",
            "SET v 1 IFVERSION 5", "$-1|",
            "SET v 1 IFVERSION x", "-ERR version is not an unsigned integer|",
            "SET v 1 NX IFVERSION 5", "-ERR syntax error|",
            "SET t1 a TAG red TAG round", "+OK|",
            "SET t2 a TAG red EX 10", "+OK|",
            "SET t3 a EX 10 TAG round", "+OK|",
            "SET t4 a TAG EX EX 10", "+OK|",
            "SET t5 a TAG", "-ERR syntax error|",
            "SET t5 a TAG \"\"", "-ERR a tag is 1 to 255 bytes, all tags of an entry together at most 2048|",
            "TTL t4", ":10|",
            "DELTAG red", "+OK|",
            "MGET t1 t2 t3 t4", "*4|$-1|$-1|$1|a|$1|a|",
            "DELTAG EX round none", "+OK|",
            "EXISTS t1 t2 t3 t4", ":0|");
    }

    [Fact]
    public void A_write_under_a_version_succeeds_once()
    {
        var version = (ulong)rig.Time.Milliseconds << 16;
        RespRig.Converse(client,
            "SET v 1", "+OK|",
            "OBJECT VERSION v", $"${version.ToString().Length}|{version}|",
            "OBJECT VERSION none", "$-1|",
            $"SET v 2 IFVERSION {version}", "+OK|",
            $"SET v 3 IFVERSION {version}", "$-1|",
            "GET v", "$1|2|");
    }

    [Fact]
    public void Wrong_use_is_told_in_redis_words() => RespRig.Converse(client,
        "GET", "-ERR wrong number of arguments for 'get' command|",
        "GET a b", "-ERR wrong number of arguments for 'get' command|",
        "SET a", "-ERR wrong number of arguments for 'set' command|",
        "MSET a", "-ERR wrong number of arguments for 'mset' command|",
        "MSET a b c", "-ERR wrong number of arguments for 'mset' command|",
        "MSETNX a b c", "-ERR wrong number of arguments for 'msetnx' command|",
        "SETEX a 0 x", "-ERR invalid expire time in 'setex' command|",
        "SETEX a x x", "-ERR value is not an integer or out of range|",
        "PSETEX a -1 x", "-ERR invalid expire time in 'psetex' command|",
        "GETEX a EX", "-ERR syntax error|",
        "GETEX a FOO 1", "-ERR syntax error|",
        "GETEX a EX x", "-ERR value is not an integer or out of range|",
        "GETEX a EX 0", "-ERR invalid expire time in 'getex' command|",
        "GEOADDS l 1", "-ERR unknown command 'GEOADDS', with args beginning with: 'l' '1' |",
        "foo", "-ERR unknown command 'foo', with args beginning with: |",
        "foo a b c d e", "-ERR unknown command 'foo', with args beginning with: 'a' 'b' 'c' 'd' 'e' |",
        "HSET h f v", ":1|",
        "GET h", "-WRONGTYPE Operation against a key holding the wrong kind of value|",
        "GETDEL h", "-WRONGTYPE Operation against a key holding the wrong kind of value|",
        "GETEX h", "-WRONGTYPE Operation against a key holding the wrong kind of value|",
        "GETEX h EX 10", "-WRONGTYPE Operation against a key holding the wrong kind of value|",
        "GETSET h x", "-WRONGTYPE Operation against a key holding the wrong kind of value|",
        "SET h x GET", "-WRONGTYPE Operation against a key holding the wrong kind of value|",
        "APPEND h x", "-WRONGTYPE Operation against a key holding the wrong kind of value|",
        "STRLEN h", "-WRONGTYPE Operation against a key holding the wrong kind of value|",
        "GETRANGE h 0 1", "-WRONGTYPE Operation against a key holding the wrong kind of value|",
        "SETRANGE h 0 x", "-WRONGTYPE Operation against a key holding the wrong kind of value|",
        "INCR h", "-WRONGTYPE Operation against a key holding the wrong kind of value|",
        "INCRBYFLOAT h 1", "-WRONGTYPE Operation against a key holding the wrong kind of value|",
        "MGET h a", "*2|$-1|$-1|",
        "HGET h f", "$1|v|",
        "SET h x", "+OK|",
        "HGET h f", "-WRONGTYPE Operation against a key holding the wrong kind of value|");

    [Fact]
    public void Parts_of_values_are_read_and_written() => RespRig.Converse(client,
        "SET a hello", "+OK|",
        "GETRANGE a 0 -1", "$5|hello|",
        "GETRANGE a 1 3", "$3|ell|",
        "GETRANGE a -3 -2", "$2|ll|",
        "GETRANGE a -2 -3", "$0||",
        "GETRANGE a 4 100", "$1|o|",
        "GETRANGE a 5 100", "$0||",
        "GETRANGE a -100 1", "$2|he|",
        "GETRANGE a 0 -100", "$1|h|",
        "GETRANGE a 9223372036854775807 9223372036854775807", "$0||",
        "GETRANGE a -9223372036854775808 9223372036854775807", "$5|hello|",
        "GETRANGE none 0 -1", "$0||",
        "GETRANGE a x 1", "-ERR value is not an integer or out of range|",
        "SUBSTR a 0 1", "$2|he|",
        "SETRANGE a 1 EY", ":5|",
        "GET a", "$5|hEYlo|",
        "SETRANGE a 7 x", ":8|",
        "GET a", "$8|hEYlo\0\0x|",
        "SETRANGE none 0 \"\"", ":0|",
        "SETRANGE none 5 \"\"", ":0|",
        "EXISTS none", ":0|",
        "SETRANGE none 2 x", ":3|",
        "SETRANGE a -1 x", "-ERR offset is out of range|",
        "SETRANGE a x x", "-ERR value is not an integer or out of range|",
        "SETRANGE a 9223372036854775807 x", "-ERR value too large: at most 2097152 bytes|",
        "SETRANGE a 9223372036854775807 \"\"", ":8|",
        "SETRANGE a 9000000 x", "-ERR value too large: at most 2097152 bytes|",
        "PING", "+PONG|");

    [Fact]
    public void Counters_count() => RespRig.Converse(client,
        "INCR n", ":1|",
        "INCRBY n 41", ":42|",
        "DECR n", ":41|",
        "DECRBY n -9", ":50|",
        "GET n", "$2|50|",
        "OBJECT ENCODING n", "$3|int|",
        "SET n 9223372036854775807", "+OK|",
        "INCR n", "-ERR increment or decrement would overflow|",
        "DECRBY n -9223372036854775808", "-ERR decrement would overflow|",
        "INCRBY n x", "-ERR value is not an integer or out of range|",
        "INCRBY n 01", "-ERR value is not an integer or out of range|",
        "INCRBY n +1", "-ERR value is not an integer or out of range|",
        "INCRBY n -0", "-ERR value is not an integer or out of range|",
        "INCRBY n \"\"", "-ERR value is not an integer or out of range|",
        "DECRBY n 9223372036854775807", ":0|",
        "SET n 012", "+OK|",
        "INCR n", "-ERR value is not an integer or out of range|",
        "SET n \"\"", "+OK|",
        "INCR n", "-ERR value is not an integer or out of range|",
        "INCRBYFLOAT f 10.5", "$4|10.5|",
        "INCRBYFLOAT f -0.1", "$4|10.4|",
        "INCRBYFLOAT f 5e1", "$4|60.4|",
        "INCRBYFLOAT f x", "-ERR value is not a valid float|",
        "INCRBYFLOAT f nan", "-ERR value is not a valid float|",
        "SET f 1e400", "+OK|",
        "INCRBYFLOAT f 1", "-ERR value is not a valid float|",
        "SET f 1.7e308", "+OK|",
        "INCRBYFLOAT f 1.7e308", "-ERR increment would produce NaN or Infinity|");

    [Fact]
    public void Expiry_is_set_read_and_kept()
    {
        RespRig.Converse(client,
            "TTL a", ":-2|",
            "EXPIRE a 10", ":0|",
            "SET a 1", "+OK|",
            "TTL a", ":-1|",
            "EXPIRE a 10", ":1|",
            "TTL a", ":10|",
            "EXPIRE a 20 NX", ":0|",
            "EXPIRE a 20 XX", ":1|",
            "EXPIRE a 10 GT", ":0|",
            "EXPIRE a 10 LT", ":1|",
            "EXPIRE a 30 XX GT", ":1|",
            "PEXPIRE a 1500", ":1|",
            "PTTL a", ":1500|",
            "TTL a", ":2|",
            "EXPIREAT a 1700000100", ":1|",
            "EXPIRETIME a", ":1700000100|",
            "PEXPIREAT a 1700000100001", ":1|",
            "PEXPIRETIME a", ":1700000100001|",
            "PERSIST a", ":1|",
            "PERSIST a", ":0|",
            "EXPIRETIME a", ":-1|",
            "EXPIRETIME none", ":-2|",
            "EXPIRE a 10 LT", ":1|",
            "PEXPIREAT a 9223372036854775807", ":1|",
            "EXPIRETIME a", ":9223372036854776|",
            "EXPIRE a 10", ":1|",
            "EXPIRE a 10 NX XX", "-ERR NX and XX, GT or LT options at the same time are not compatible|",
            "EXPIRE a 10 GT LT", "-ERR GT and LT options at the same time are not compatible|",
            "EXPIRE a 10 FOO", "-ERR Unsupported option FOO|",
            "EXPIRE a x", "-ERR value is not an integer or out of range|",
            "EXPIRE a 9223372036854775807", "-ERR invalid expire time in 'expire' command|",
            "EXPIRE a -9223372036854775808", "-ERR invalid expire time in 'expire' command|",
            "PEXPIRE a 9223372036854775807", "-ERR invalid expire time in 'pexpire' command|",
            "TTL a", ":10|",
            "APPEND a 2", ":2|",
            "INCR a", ":13|",
            "SETRANGE a 0 2", ":2|",
            "TTL a", ":10|",
            "GETEX a", "$2|23|",
            "TTL a", ":10|",
            "GETEX a PERSIST", "$2|23|",
            "TTL a", ":-1|",
            "GETEX a EX 5", "$2|23|",
            "TTL a", ":5|",
            "SETEX b 3 x", "+OK|",
            "PSETEX c 3000 x", "+OK|",
            "PTTL c", ":3000|");
        rig.Time.Advance(4000);
        RespRig.Converse(client, "MGET a b c", "*3|$2|23|$-1|$-1|", "EXPIRE a -1", ":1|", "GET a", "$-1|");
    }

    [Fact]
    public void Keys_are_renamed_with_all_that_belongs_to_them()
    {
        RespRig.Converse(client,
            "RENAME a b", "-ERR no such key|",
            "SET a 1 EX 10 TAG t", "+OK|",
            "RENAME a b", "+OK|",
            "EXISTS a", ":0|",
            "TTL b", ":10|",
            "RENAMENX b b", ":0|",
            "RENAME b b", "+OK|",
            "SET c 2", "+OK|",
            "RENAMENX b c", ":0|",
            "RENAME b c", "+OK|",
            "GET c", "$1|1|",
            "DELTAG t", "+OK|",
            "GET c", "$-1|",
            "HSET h f v", ":1|",
            "RENAMENX h g", ":1|",
            "HGET g f", "$1|v|",
            "TTL g", ":-1|",
            "SET s 1 SLIDING 1000", "+OK|",
            "RENAME s z", "+OK|");
        rig.Time.Advance(900);
        RespRig.Converse(client, "GET z", "$1|1|", "PTTL z", ":1000|");
    }

    [Fact]
    public void Too_long_keys_and_tags_are_refused_and_the_connection_goes_on()
    {
        var key = new string('k', Limits.MaxKeyBytes + 1);
        Assert.StartsWith("-ERR key or tags too long", client.Call("SET", key, "v"), StringComparison.Ordinal);
        Assert.StartsWith("-ERR key or tags too long", client.Call("GET", key), StringComparison.Ordinal);
        Assert.Equal("+OK|", client.Call("SET", key[1..], "v"));
        Assert.Equal("$1|v|", client.Call("GET", key[1..]));
        Assert.StartsWith("-ERR a tag is 1 to 255 bytes", client.Call("SET", "a", "v", "TAG", new string('t', 256)), StringComparison.Ordinal);
        Assert.StartsWith("-ERR a tag is 1 to 255 bytes", client.Call("DELTAG", new string('t', 256)), StringComparison.Ordinal);
        Assert.Equal("+PONG|", client.Ask("PING"));
    }
}
