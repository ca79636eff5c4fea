using System.CommandLine;
using System.CommandLine.Help;
using System.CommandLine.Parsing;
using Levee.Cli.Bench;
using Levee.Cli.Client;
using Levee.Cli.Replay;
using Levee.Cli.Serve;
using Levee.Serving;

namespace Levee.Cli;

/// <summary>The <c>levee</c> command: its subcommands, and what all of them do about wrong usage, errors and Ctrl-C.</summary>
internal static class CommandRoot
{
    /// <summary>The command with all subcommands. No RootCommand: that takes its name from the assembly, which cannot be called levee.</summary>
    public static Command Create() => new("levee", "Levee, a self-tuning cache.")
    {
        new HelpOption(),
        new VersionOption(),
        ServeCommand.Create(),
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

    /// <summary>Runs a command line to its end.</summary>
    /// <returns>One of <see cref="ExitCode"/>.</returns>
    public static async Task<int> InvokeAsync(string[] args, TextWriter output, TextWriter error, CancellationToken cancellation = default)
    {
        var parsed = Create().Parse(args);
        if (parsed.Errors.Count > 0)
        {
            foreach (var wrong in parsed.Errors)
            {
                await error.WriteLineAsync($"levee: {wrong.Message}");
            }

            await error.WriteLineAsync($"Try 'levee {PathOf(parsed)}--help'.");
            return ExitCode.Usage;
        }

        try
        {
            // A signal cancels the command, which then ends by itself: how long a server may take for that is its own option. The parser's own handler would end the process after a time-out, and keep others from being called.
            using var signals = new StopSignals();
            using var ended = CancellationTokenSource.CreateLinkedTokenSource(cancellation, signals.Told);
            var configuration = new InvocationConfiguration { Output = output, Error = error, EnableDefaultExceptionHandler = false, ProcessTerminationTimeout = null };
            return await parsed.InvokeAsync(configuration, ended.Token);
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
