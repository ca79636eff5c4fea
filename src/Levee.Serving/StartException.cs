namespace Levee.Serving;

/// <summary>The options are right, but a server cannot start with them: a port is taken, a folder is in use, a tier cannot be opened. The message says which, why, and what to do.</summary>
public sealed class StartException : Exception
{
    /// <summary>A failure without a message.</summary>
    public StartException()
    {
    }

    /// <param name="message">What, why, and what to do.</param>
    public StartException(string message)
        : base(message)
    {
    }

    /// <param name="message">What, why, and what to do.</param>
    /// <param name="cause">What the system said.</param>
    public StartException(string message, Exception cause)
        : base(message, cause)
    {
    }
}
