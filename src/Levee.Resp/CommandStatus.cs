namespace Levee.Resp;

/// <summary>What <see cref="CommandParser.Parse"/> found at the start of its input.</summary>
public enum CommandStatus
{
    /// <summary>The command goes on behind the input: call again with the same bytes and more behind them.</summary>
    Incomplete,

    /// <summary>One whole command, of <see cref="CommandParser.ConsumedBytes"/> bytes.</summary>
    Complete,

    /// <summary>The next argument is longer than the parser takes: a <see cref="CommandAssembler"/> goes on behind <see cref="CommandParser.ConsumedBytes"/>.</summary>
    Large,

    /// <summary>Not RESP, or beyond a limit: <see cref="CommandParser.Error"/> says what. The stream cannot be followed any further.</summary>
    Invalid,
}
