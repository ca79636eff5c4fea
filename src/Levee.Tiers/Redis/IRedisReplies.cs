namespace Levee.Tiers.Redis;

/// <summary>What a command on the link was.</summary>
internal enum RedisCommandKind : byte
{
    /// <summary>SET; the ticket is the record's in the buffer.</summary>
    Set,

    /// <summary>UNLINK; the ticket is the number of the last tombstone in it.</summary>
    Unlink,

    /// <summary>GET, for a <see cref="ReadCall"/>.</summary>
    Get,

    /// <summary>Anything else, for a task.</summary>
    Call,
}

/// <summary>An answered write.</summary>
internal readonly record struct RedisAnswer(RedisCommandKind Kind, RedisErrorKind Error, long Ticket);

/// <summary>Takes the answers of SET and UNLINK, in the order in which the commands were sent. Called by the link's reader: to be quick.</summary>
internal interface IRedisReplies
{
    /// <summary>Takes some answers.</summary>
    void Answered(ReadOnlySpan<RedisAnswer> answers);

    /// <summary>Takes the text of an error that an answer has, without its minus.</summary>
    void Refused(RedisErrorKind kind, ReadOnlySpan<byte> error);
}
