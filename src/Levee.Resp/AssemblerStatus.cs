namespace Levee.Resp;

/// <summary>How far a <see cref="CommandAssembler"/> has come.</summary>
public enum AssemblerStatus
{
    /// <summary>No command under way.</summary>
    Idle,

    /// <summary>Everything fed was taken; more is to come.</summary>
    Incomplete,

    /// <summary>There was no room for a large argument: feed again later (nothing is fine too), or discard.</summary>
    NeedsRoom,

    /// <summary>The command is whole; bytes behind it were not taken.</summary>
    Complete,

    /// <summary>Not RESP, or beyond a limit; the stream cannot be followed any further.</summary>
    Invalid,
}
