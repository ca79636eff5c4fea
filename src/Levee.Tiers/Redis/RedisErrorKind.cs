using System.Text;

namespace Levee.Tiers.Redis;

/// <summary>What a server's refusal means to the tier.</summary>
internal enum RedisErrorKind : byte
{
    /// <summary>It was carried out.</summary>
    None,

    /// <summary>The server holds all that it may (OOM).</summary>
    NoMemory,

    /// <summary>The server is, or has become, a replica (READONLY): what it holds may have been replaced by another's.</summary>
    Replica,

    /// <summary>The server still reads its data (LOADING), or a script keeps it (BUSY), or its primary is away (MASTERDOWN, TRYAGAIN).</summary>
    NotReady,

    /// <summary>It asks for other credentials (NOAUTH, WRONGPASS, NOPERM).</summary>
    Credentials,

    /// <summary>It does not write because it cannot save (MISCONF) or too few replicas follow (NOREPLICAS).</summary>
    NotSaving,

    /// <summary>It is a node of a Redis Cluster (MOVED, ASK, CROSSSLOT, CLUSTERDOWN).</summary>
    Cluster,

    /// <summary>A key of the tier's names holds something else (WRONGTYPE).</summary>
    WrongType,

    /// <summary>Anything else.</summary>
    Other,

    /// <summary>The connection ended before the answer: whether the command was carried out is not known.</summary>
    Unknown,
}

/// <summary>Errors of servers, told apart by their first word, and in words for people.</summary>
internal static class RedisErrors
{
    /// <summary>Classifies an error's text, without its minus.</summary>
    public static RedisErrorKind Classify(ReadOnlySpan<byte> error)
    {
        var blank = error.IndexOf((byte)' ');
        var word = blank < 0 ? error : error[..blank];
        return word switch
        {
            _ when word.SequenceEqual("OOM"u8) => RedisErrorKind.NoMemory,
            _ when word.SequenceEqual("READONLY"u8) => RedisErrorKind.Replica,
            _ when word.SequenceEqual("LOADING"u8) || word.SequenceEqual("BUSY"u8) || word.SequenceEqual("MASTERDOWN"u8) || word.SequenceEqual("TRYAGAIN"u8) => RedisErrorKind.NotReady,
            _ when word.SequenceEqual("NOAUTH"u8) || word.SequenceEqual("WRONGPASS"u8) || word.SequenceEqual("NOPERM"u8) => RedisErrorKind.Credentials,
            _ when word.SequenceEqual("MISCONF"u8) || word.SequenceEqual("NOREPLICAS"u8) => RedisErrorKind.NotSaving,
            _ when word.SequenceEqual("MOVED"u8) || word.SequenceEqual("ASK"u8) || word.SequenceEqual("CROSSSLOT"u8) || word.SequenceEqual("CLUSTERDOWN"u8) => RedisErrorKind.Cluster,
            _ when word.SequenceEqual("WRONGTYPE"u8) => RedisErrorKind.WrongType,
            _ => RedisErrorKind.Other,
        };
    }

    /// <summary>What is wrong and what would be right, for people; the server's own text stands behind it.</summary>
    public static string Describe(RedisErrorKind kind, ReadOnlySpan<byte> error)
    {
        var words = kind switch
        {
            RedisErrorKind.NoMemory => "Redis has no memory left: raise its maxmemory, lower the tier's capacity, or let it evict (maxmemory-policy allkeys-lru)",
            RedisErrorKind.Replica => "Redis is a read-only replica: name its primary",
            RedisErrorKind.NotReady => "Redis is not ready to answer",
            RedisErrorKind.Credentials => "Redis refuses the credentials or the command: check user, password and the user's rights (GET, SET, UNLINK, GETRANGE, SCAN, PING, INFO, SELECT, CLIENT)",
            RedisErrorKind.NotSaving => "Redis refuses writes because it cannot save or replicate them",
            RedisErrorKind.Cluster => "Redis is a node of a Redis Cluster, which the tier does not speak to: name a single server",
            RedisErrorKind.WrongType => "a key of the tier's prefix holds something that is not the tier's: choose another prefix",
            RedisErrorKind.Unknown => "Redis did not answer",
            _ => "Redis refused a command",
        };
        var text = Encoding.UTF8.GetString(error[..Math.Min(error.Length, 160)]);
        return text.Length == 0 ? words : $"{words} (it says: {text})";
    }
}
