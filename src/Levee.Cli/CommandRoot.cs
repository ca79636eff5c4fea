using System.CommandLine;
using System.CommandLine.Help;
using System.CommandLine.Parsing;
using Levee.Cli.Bench;
using Levee.Cli.Client;
using Levee.Cli.Replay;
using Levee.Serving;
using Levee.Serving.Hosting;

namespace Levee.Cli;

/// <summary>The <c>levee</c> command: its subcommands, and what all of them do about wrong usage, errors and Ctrl-C.</summary>
internal static class CommandRoot
{
    /// <summary>The command with all subcommands. No RootCommand: that takes its name from the assembly, which cannot be called levee.</summary>
    public static Command Create() => new("levee", "Levee, a self-tuning cache.")
    {
        new HelpOption(),
        new VersionOption(),
        ServerCommand.Create(Serve, "levee serve --help"),
        GetCommand.Create(),
        SetCommand.Create(),
        DeleteCommand.Create(),
        StatsCommand.Create(),
        TiersCommand.Create(),
        PrefetchCommand.Create(),
        ExplainCommand.Create(),
        PingCommand.Create(),
        ReplayCommand.Create(),
        BenchCommand.Create(),
    };

    private const string Serve = "serve";

    /// <summary>How long a command other than the server may take to end after a signal before the process ends anyway.</summary>
    private static readonly TimeSpan TerminationTimeout = TimeSpan.FromSeconds(2);

    /// <summary>Runs a command line to its end.</summary>
    /// <returns>One of <see cref="ExitCode"/>.</returns>
    public static async Task<int> InvokeAsync(string[] args, TextWriter output, TextWriter error, CancellationToken cancellation = default)
    {
        var parsed = Create().Parse(args);
        if (parsed.Errors.Count > 0)
        {
            foreach (var wrong in OptionFlags.Errors(parsed))
            {
                await error.WriteLineAsync($"levee: {wrong}");
            }

            await error.WriteLineAsync($"Try 'levee {PathOf(parsed)}--help'.");
            return ExitCode.Usage;
        }

        try
        {
            var configuration = new InvocationConfiguration
            {
                Output = output,
                Error = error,
                EnableDefaultExceptionHandler = false,

                // The server takes the signals itself: its stop takes as long as its own option allows.
                ProcessTerminationTimeout = parsed.CommandResult.Command.Name == Serve ? null : TerminationTimeout,
            };
            return await parsed.InvokeAsync(configuration, cancellation);
        }
        catch (CommandException refusal)
        {
            await error.WriteLineAsync($"levee: {refusal.Message}");
            return refusal.ExitCode;
        }
        catch (OptionException refusal)
        {
            await error.WriteLineAsync($"levee: {refusal.Message}");
            return ExitCode.Usage;
        }
        catch (StartException failure)
        {
            await error.WriteLineAsync($"levee: {failure.Message}");
            return ExitCode.Error;
        }
        catch (OperationCanceledException)
        {
            await error.WriteLineAsync("levee: cancelled");
            return ExitCode.Error;
        }
    }

    /// <summary>The names of the commands that were given, each with a space behind it: "prefetch hint ".</summary>
    private static string PathOf(ParseResult parsed)
    {
        var path = "";
        for (var command = parsed.CommandResult; command.Parent is CommandResult parent; command = parent)
        {
            path = $"{command.Command.Name} {path}";
        }

        return path;
    }
}
