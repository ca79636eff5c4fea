namespace Levee.Cli;

/// <summary>Something that a command needs is not as it must be. Its message is all that the user sees, so it says what, where, and what was expected.</summary>
internal sealed class CommandException : Exception
{
    /// <summary>An error without a message.</summary>
    public CommandException()
    {
    }

    /// <param name="message">What, where, and what was expected.</param>
    public CommandException(string message)
        : base(message)
    {
    }

    /// <param name="message">What, where, and what was expected.</param>
    /// <param name="cause">What the system said.</param>
    public CommandException(string message, Exception cause)
        : base(message, cause)
    {
    }

    /// <param name="message">What, where, and what was expected.</param>
    /// <param name="exitCode">What the tool ends with.</param>
    public CommandException(string message, int exitCode)
        : base(message) => ExitCode = exitCode;

    /// <summary>What the tool ends with.</summary>
    public int ExitCode { get; } = Cli.ExitCode.Error;
}
