using System.Collections.Frozen;
using System.Diagnostics.CodeAnalysis;
using System.Text;

namespace Levee.Server.Resp;

/// <summary>
/// Commands of Redis that Levee does not have, and what does their work. So the first probe of a framework that needs them tells its user
/// where to go on.
/// </summary>
internal static class MissingCommands
{
    /// <summary>What is told of scripts: to EVAL and SCRIPT LOAD too, which know a few.</summary>
    public const string NoScripts =
        "Levee runs no scripts but those of the usual forms that release or extend a lock. To release a lock: DELEX key IFEQ token; " +
        "to extend one: SET key token IFEQ token PX ms; to count: INCRBY";

    private const int MaxNameBytes = 32;

    /// <summary>The commands, in upper case, by what is told of them.</summary>
    public static readonly IReadOnlyList<(string Alternative, string[] Names)> All =
    [
        (NoScripts, ["EVAL_RO", "EVALSHA_RO", "FUNCTION", "FCALL", "FCALL_RO"]),
        ("Levee has no pub/sub: use a message broker for messages; to invalidate entries for all clients, give them " +
         "tags (SET ... TAG name) and use DELTAG name",
            ["SUBSCRIBE", "UNSUBSCRIBE", "PSUBSCRIBE", "PUNSUBSCRIBE", "SSUBSCRIBE", "SUNSUBSCRIBE", "PUBLISH", "SPUBLISH", "PUBSUB"]),
        ("Levee has no sorted sets: to invalidate entries as a group, give them tags (SET ... TAG name) and use DELTAG name",
            [
                "ZADD", "ZREM", "ZSCORE", "ZMSCORE", "ZINCRBY", "ZCARD", "ZCOUNT", "ZLEXCOUNT", "ZRANGE", "ZRANGESTORE", "ZREVRANGE",
                "ZRANGEBYSCORE", "ZREVRANGEBYSCORE", "ZRANGEBYLEX",
                "ZREVRANGEBYLEX", "ZRANK", "ZREVRANK", "ZREMRANGEBYRANK", "ZREMRANGEBYSCORE", "ZREMRANGEBYLEX", "ZPOPMIN", "ZPOPMAX",
                "BZPOPMIN", "BZPOPMAX", "ZMPOP", "BZMPOP", "ZUNION",
                "ZUNIONSTORE", "ZINTER", "ZINTERSTORE", "ZINTERCARD", "ZDIFF", "ZDIFFSTORE", "ZRANDMEMBER", "ZSCAN",
            ]),
        ("Levee has no sets: to invalidate entries as a group, give them tags (SET ... TAG name) and use DELTAG name; a " +
         "small set can be the fields of a hash",
            [
                "SADD", "SREM", "SMEMBERS", "SISMEMBER", "SMISMEMBER", "SCARD", "SPOP", "SRANDMEMBER", "SMOVE", "SUNION", "SUNIONSTORE",
                "SINTER", "SINTERSTORE", "SINTERCARD", "SDIFF",
                "SDIFFSTORE", "SSCAN",
            ]),
        ("Levee has no lists: a queue belongs into a message broker or a database; a short list can be one value that " +
         "is rewritten with SET ... IFVERSION version",
            [
                "LPUSH", "RPUSH", "LPUSHX", "RPUSHX", "LPOP", "RPOP", "LRANGE", "LLEN", "LINDEX", "LSET", "LREM", "LTRIM", "LINSERT",
                "LPOS", "LMOVE", "RPOPLPUSH", "LMPOP", "BLPOP", "BRPOP",
                "BLMOVE", "BRPOPLPUSH", "BLMPOP",
            ]),
        ("Levee has no streams: a log or queue belongs into a message broker or a database",
            [
                "XADD", "XREAD", "XREADGROUP", "XRANGE", "XREVRANGE", "XLEN", "XTRIM", "XDEL", "XACK", "XGROUP", "XCLAIM", "XAUTOCLAIM",
                "XPENDING", "XINFO", "XSETID",
            ]),
        ("Fields of a hash have no TTL of their own: EXPIRE the hash, or give what must expire by itself a key of its own",
            [
                "HEXPIRE", "HPEXPIRE", "HEXPIREAT", "HPEXPIREAT", "HTTL", "HPTTL", "HEXPIRETIME", "HPEXPIRETIME", "HPERSIST", "HGETEX",
                "HSETEX", "HGETDEL",
            ]),
        ("Levee sets keys one by one: send SET key value EX seconds for each in a pipeline, or MSETNX for keys that must all be new",
            ["MSETEX"]),
        ("Levee has strings of bytes, counters and hashes",
            [
                "SETBIT", "GETBIT", "BITCOUNT", "BITPOS", "BITOP", "BITFIELD", "BITFIELD_RO", "PFADD", "PFCOUNT", "PFMERGE", "GEOADD",
                "GEOSEARCH", "GEODIST", "GEOPOS", "SORT", "SORT_RO",
            ]),
    ];

    private static readonly FrozenDictionary<string, (string Name, string Alternative)> ByName =
        All.SelectMany(family => family.Names.Select(name => (Name: name, family.Alternative)))
            .ToFrozenDictionary(command => command.Name, StringComparer.OrdinalIgnoreCase);

    /// <summary>Finds a command by its name in any case, and what to use instead of it.</summary>
    /// <returns>False where nothing is known of it.</returns>
    public static bool TryFind(ReadOnlySpan<byte> bytes, [NotNullWhen(true)] out string? name, [NotNullWhen(true)] out string? alternative)
    {
        var isShort = bytes.Length <= MaxNameBytes;
        (name, alternative) = isShort && ByName.TryGetValue(Encoding.ASCII.GetString(bytes), out var command) ? command : default;
        return name is not null && alternative is not null;
    }
}
