namespace Levee.Serving;

/// <summary>An option is wrong. The message is all that the user sees: it names the option, its value, where it came from and what is allowed.</summary>
public sealed class OptionException : Exception
{
    /// <summary>A refusal without a message.</summary>
    public OptionException()
    {
    }

    /// <param name="message">Which option, its value, its source, and what is allowed.</param>
    public OptionException(string message)
        : base(message)
    {
    }

    /// <param name="message">Which option, its value, its source, and what is allowed.</param>
    /// <param name="cause">What the system said.</param>
    public OptionException(string message, Exception cause)
        : base(message, cause)
    {
    }
}
