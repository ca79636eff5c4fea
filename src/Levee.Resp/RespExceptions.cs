namespace Levee.Resp;

/// <summary>The connection to a server could not be made, or broke before the reply.</summary>
public sealed class RespConnectionException : IOException
{
    /// <summary>Creates the exception.</summary>
    /// <param name="message">Command, endpoint and cause.</param>
    /// <param name="mayHaveBeenSent">Whether the server may have carried the command out.</param>
    /// <param name="innerException">The cause.</param>
    public RespConnectionException(string message, bool mayHaveBeenSent, Exception? innerException = null)
        : base(message, innerException)
        => MayHaveBeenSent = mayHaveBeenSent;

    /// <summary>Whether the server may have carried the command out: then a write must not be repeated blindly.</summary>
    public bool MayHaveBeenSent { get; }
}

/// <summary>The server refused a command with an error reply (RESP specification, "Simple errors"); the connection goes on.</summary>
public sealed class RespServerException : Exception
{
    /// <summary>Creates the exception.</summary>
    /// <param name="message">Command, endpoint and the server's words.</param>
    /// <param name="reply">The server's words alone.</param>
    public RespServerException(string message, string reply)
        : base(message)
        => Reply = reply;

    /// <summary>The server's words, its code first: <c>WRONGTYPE Operation against ...</c></summary>
    public string Reply { get; }

    /// <summary>The error's code: the first word of the reply.</summary>
    public string Code => Reply.Split(' ', 2)[0];
}
