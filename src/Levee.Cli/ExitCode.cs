namespace Levee.Cli;

/// <summary>What the tool tells the shell.</summary>
internal static class ExitCode
{
    /// <summary>Done.</summary>
    public const int Ok = 0;

    /// <summary>Understood, but something went wrong: a file, a server, a cancellation.</summary>
    public const int Error = 1;

    /// <summary>Not understood: an option, its value or an argument is wrong.</summary>
    public const int Usage = 2;
}
