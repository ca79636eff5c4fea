namespace Levee.Server.Resp;

/// <summary>What a command makes of its answer.</summary>
internal enum ReplyKind : byte
{
    /// <summary>The value, or null (GET).</summary>
    Value,

    /// <summary>The value, or null also where it is of another kind (MGET).</summary>
    ValueOrNull,

    /// <summary>OK, or null where the condition failed (SET).</summary>
    Ok,

    /// <summary>The entry that was there before, or null (SET with GET, GETSET).</summary>
    Previous,

    /// <summary>1 where something was done or found, else 0 (SETNX, DEL, EXISTS, EXPIRE, PERSIST).</summary>
    Flag,

    /// <summary>The number in the answer (INCR, APPEND).</summary>
    Number,

    /// <summary>The value as it now stands (INCRBYFLOAT).</summary>
    NewValue,

    /// <summary>The value that was removed, or null (GETDEL).</summary>
    Removed,

    /// <summary>The value's length, 0 where there is none (STRLEN).</summary>
    Length,

    /// <summary>Part of the value (GETRANGE); the slot holds begin and end.</summary>
    Range,

    /// <summary>string, hash or none (TYPE).</summary>
    Type,

    /// <summary>Seconds left, -1 without expiry, -2 without entry (TTL).</summary>
    TtlSeconds,

    /// <summary>Milliseconds left (PTTL).</summary>
    TtlMs,

    /// <summary>Unix second of the expiry (EXPIRETIME).</summary>
    ExpireSeconds,

    /// <summary>Unix millisecond of the expiry (PEXPIRETIME).</summary>
    ExpireMs,

    /// <summary>Bytes that the entry takes, or null (MEMORY USAGE).</summary>
    Size,

    /// <summary>How Redis would hold the value (OBJECT ENCODING).</summary>
    Encoding,

    /// <summary>1 where there is an entry (OBJECT REFCOUNT).</summary>
    References,

    /// <summary>The entry's version, in decimal (OBJECT VERSION).</summary>
    Version,

    /// <summary>Where the entry lies (EXPLAIN).</summary>
    Explanation,
}
