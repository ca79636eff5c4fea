namespace Levee.Resp;

/// <summary>How far a <see cref="ReplyParser"/> has come.</summary>
public enum ReplyStatus
{
    /// <summary>Everything fed was taken; more is to come.</summary>
    Incomplete,

    /// <summary>A whole reply is in <see cref="ReplyParser.Value"/>; bytes behind it were not taken.</summary>
    Complete,

    /// <summary>Not RESP, or beyond a limit; the stream cannot be followed any further.</summary>
    Invalid,
}
