namespace Levee.Server.Metrics;

/// <summary>What a request over HTTP asked for.</summary>
internal enum RequestOperation
{
    /// <summary>Anything that is not counted on its own: connection set-up, health, documents.</summary>
    Other,

    /// <summary>Reads an entry.</summary>
    Get,

    /// <summary>Asks for an entry's metadata.</summary>
    Peek,

    /// <summary>Writes an entry.</summary>
    Set,

    /// <summary>Removes an entry.</summary>
    Delete,

    /// <summary>Changes a TTL.</summary>
    Expire,

    /// <summary>Reads many entries.</summary>
    GetMany,

    /// <summary>Writes many entries.</summary>
    SetMany,

    /// <summary>Removes many entries.</summary>
    DeleteMany,

    /// <summary>Lists keys.</summary>
    Scan,

    /// <summary>Invalidates a tag.</summary>
    RemoveByTag,

    /// <summary>Removes everything.</summary>
    Clear,

    /// <summary>Reads counters.</summary>
    Statistics,

    /// <summary>Asks where an entry lies.</summary>
    Explain,

    /// <summary>Names keys that will be wanted, or switches the prefetcher.</summary>
    Prefetch,
}

/// <summary>How a request over HTTP ended.</summary>
internal enum RequestOutcome
{
    /// <summary>Done, where there is no more to say.</summary>
    Ok,

    /// <summary>There was an entry.</summary>
    Hit,

    /// <summary>There was none.</summary>
    Miss,

    /// <summary>Written.</summary>
    Stored,

    /// <summary>Removed.</summary>
    Removed,

    /// <summary>A condition did not hold.</summary>
    ConditionFailed,

    /// <summary>Refused: too large.</summary>
    TooLarge,

    /// <summary>Refused: the entry is of another kind.</summary>
    WrongKind,

    /// <summary>Refused for now: no memory, or no answer from a lower tier.</summary>
    Unavailable,

    /// <summary>Refused: the request was wrong.</summary>
    BadRequest,

    /// <summary>The client left before the answer.</summary>
    Abandoned,

    /// <summary>The server failed.</summary>
    Failed,
}
