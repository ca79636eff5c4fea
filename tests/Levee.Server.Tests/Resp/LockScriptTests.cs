using System.Diagnostics.CodeAnalysis;
using System.Text;
using Levee.Server.Resp;
using Xunit;

namespace Levee.Server.Tests.Resp;

/// <summary>The scripts with which libraries release and extend locks are known without an interpreter; all others are refused.</summary>
public sealed class LockScriptTests
{
    private const string Release = "if redis.call('get', KEYS[1]) == ARGV[1] then return redis.call('del', KEYS[1]) else return 0 end";

    private const string Extend =
        "if redis.call('get', KEYS[1]) == ARGV[1] then return redis.call('pexpire', KEYS[1], ARGV[2]) end return 0";

    /// <summary>As RedLock.net has it.</summary>
    private const string ExtendOrTake = """
        local currentVal = redis.call('get', KEYS[1])
        if (currentVal == false) then
            return redis.call('set', KEYS[1], ARGV[1], 'PX', ARGV[2]) and 1 or 0
        elseif (currentVal == ARGV[1]) then
            return redis.call('pexpire', KEYS[1], ARGV[2])
        else
            return -1
        end
        """;

    [Theory]
    [InlineData(Release, false)]
    [InlineData("if redis.call(\"GET\",KEYS[1])==ARGV[1] then\r\n return redis.call(\"DEL\",KEYS[1]);\r\nelse\r\n return 0;\r\nend --done", false)]
    [InlineData("if redis.call('get', KEYS[1]) == ARGV[1] then return redis.call('del', KEYS[1]) end return 0", false)]
    [InlineData("if redis.call('get', ARGV[1]) == ARGV[2] then return redis.call('del', ARGV[1]) end return 0", false)]
    [InlineData("local t = redis.call('get', KEYS[1])\nif not t or t ~= ARGV[1] then\n return 0\nend\nredis.call('del', KEYS[1])\nreturn 1", false)]
    [InlineData(
        "local t = redis.call('get', KEYS[1])\nif not t or t ~= ARGV[1] then\n return 0\nend\nredis.call('pexpire', KEYS[1], ARGV[2])\nreturn 1",
        true)]
    [InlineData(Extend, true)]
    [InlineData("if redis.call('get', KEYS[1]) == ARGV[1] then return redis.call('expire', KEYS[1], ARGV[2]) else return 0 end", true)]
    [InlineData(ExtendOrTake, true)]
    public void Known_forms_are_read(string script, bool extends)
    {
        Assert.True(LockScript.TryRead(Encoding.UTF8.GetBytes(script), out var known));
        Assert.Equal(extends, known.Extends);
    }

    [Theory]
    [InlineData("")]
    [InlineData("return 1")]
    [InlineData("if redis.call('get', KEYS[1]) == ARGV[1] then return redis.call('del', KEYS[2]) else return 0 end")] // Another key.
    [InlineData("if redis.call('get', KEYS[1]) ~= ARGV[1] then return redis.call('del', KEYS[1]) else return 0 end")] // The opposite.
    [InlineData("if redis.call('get', KEYS[1]) == ARGV[1] then return redis.call('del', KEYS[1]) else return 1 end")] // Another answer.
    [InlineData("if redis.call('get', KEYS[1]) == ARGV[1] then return redis.call('del', KEYS[1]) else return 0 end return 2")]
    [InlineData("local a = redis.call('get', KEYS[1]) if not a or b ~= ARGV[1] then return 0 end redis.call('del', KEYS[1]) return 1")]
    [InlineData("if redis.call('get', KEYS[99999]) == ARGV[1] then return redis.call('del', KEYS[99999]) else return 0 end")]
    public void Others_are_not(string script) => Assert.False(LockScript.TryRead(Encoding.UTF8.GetBytes(script), out _));

    [Fact]
    public void A_long_script_is_not_read() =>
        Assert.False(LockScript.TryRead(Encoding.UTF8.GetBytes(Release + new string(' ', 1024)), out _));

    [Fact]
    public async Task They_release_and_extend()
    {
        await using var rig = new RespRig();
        var client = rig.Connect();
        client.Ask("SET lock me PX 1000");
        Assert.Equal(":0|", client.Call("EVAL", Extend, "1", "lock", "you", "9000"));
        Assert.Equal(":1|", client.Call("EVAL", Extend, "1", "lock", "me", "9000"));
        Assert.Equal(":9000|", client.Ask("PTTL lock"));
        Assert.Equal(":-1|", client.Call("EVAL", ExtendOrTake, "1", "lock", "you", "5000"));
        Assert.Equal(":1|", client.Call("EVAL", ExtendOrTake, "1", "lock", "me", "5000"));
        Assert.Equal(":5000|", client.Ask("PTTL lock"));
        Assert.Equal(":0|", client.Call("EVAL", Release, "1", "lock", "you"));
        Assert.Equal(":1|", client.Call("EVAL", Release, "1", "lock", "me"));
        Assert.Equal(":0|", client.Call("EVAL", Release, "1", "lock", "me"));
        Assert.Equal(":0|", client.Call("EVAL", Extend, "1", "lock", "me", "9000"));
        Assert.Equal(":1|", client.Call("EVAL", ExtendOrTake, "1", "lock", "me", "7000"));
        Assert.Equal(":7000|", client.Ask("PTTL lock"));
    }

    [Fact]
    [SuppressMessage("Security", "CA5350", Justification = "SHA-1 is how the protocol names scripts.")]
    public async Task They_are_known_by_their_hash_once_they_were_sent()
    {
        await using var rig = new RespRig();
        var client = rig.Connect();
        var hash = Convert.ToHexStringLower(System.Security.Cryptography.SHA1.HashData(Encoding.UTF8.GetBytes(Release)));
        client.Ask("SET lock me");
        Assert.Equal("-NOSCRIPT No matching script. Please use EVAL.|", client.Ask($"EVALSHA {hash} 1 lock me"));
        Assert.Equal($"$40|{hash}|", client.Call("SCRIPT", "LOAD", Release));
        Assert.Equal("*2|:1|:0|", client.Ask($"SCRIPT EXISTS {hash.ToUpperInvariant()} {new string('0', 40)}"));
        Assert.Equal(":1|", client.Ask($"EVALSHA {hash} 1 lock me"));
        Assert.Equal("+OK|", client.Ask("SCRIPT FLUSH"));
        Assert.Equal("*1|:0|", client.Ask($"SCRIPT EXISTS {hash}"));
        Assert.StartsWith("-ERR unknown subcommand", client.Ask("SCRIPT KILL"), StringComparison.Ordinal);
    }

    [Fact]
    public async Task What_is_wrong_is_refused()
    {
        await using var rig = new RespRig();
        var client = rig.Connect();
        client.Ask("SET lock me");
        Assert.StartsWith("-ERR Levee runs no scripts but those", client.Call("EVAL", "return 1", "0"), StringComparison.Ordinal);
        Assert.StartsWith("-ERR Levee runs no scripts but those", client.Call("SCRIPT", "LOAD", "return 1"), StringComparison.Ordinal);
        Assert.Equal("-ERR value is not an integer or out of range|", client.Call("EVAL", Release, "x", "lock", "me"));
        Assert.Equal("-ERR Number of keys can't be negative|", client.Call("EVAL", Release, "-1", "lock", "me"));
        Assert.Equal("-ERR Number of keys can't be greater than number of args|", client.Call("EVAL", Release, "3", "lock", "me"));
        const string absent = "-ERR the script names a key or argument that the command does not have|";
        Assert.Equal(absent, client.Call("EVAL", Release, "1", "lock"));
        Assert.Equal(absent, client.Call("EVAL", Release, "0", "lock", "me"));
        Assert.Equal("-ERR invalid expire time in 'pexpire' command|", client.Call("EVAL", Extend, "1", "lock", "me", "0"));
        Assert.Equal("$2|me|", client.Ask("GET lock"));
    }
}
