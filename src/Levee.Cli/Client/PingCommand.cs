using System.CommandLine;
using System.Diagnostics;

namespace Levee.Cli.Client;

/// <summary><c>levee ping</c>: asks whether a server answers, and how fast.</summary>
internal static class PingCommand
{
    /// <summary>The command, to be added to the root.</summary>
    public static Command Create()
    {
        var command = new Command("ping", "Ask whether the server answers; exits with 1 when it does not.");
        var server = new ServerOptions(command);
        command.SetAction(async (parsed, cancellation) =>
        {
            var (reply, took) = await server.WithConnectionAsync(
                parsed,
                async connection =>
                {
                    var start = Stopwatch.GetTimestamp();
                    var pong = await connection.CallAsync(["PING"], cancellation);
                    return (pong, Stopwatch.GetElapsedTime(start));
                },
                cancellation);
            await parsed.InvocationConfiguration.Output.WriteLineAsync($"{reply} from {server.Host(parsed)}:{server.Port(parsed)} in {took.TotalMilliseconds:0.00} ms");
            return ExitCode.Ok;
        });
        return command;
    }
}
