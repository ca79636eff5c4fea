using System.CommandLine;

namespace Levee.Cli.Client;

/// <summary><c>levee stats</c>: what a server says about itself.</summary>
internal static class StatsCommand
{
    /// <summary>The command, to be added to the root.</summary>
    public static Command Create()
    {
        var json = new Option<bool>("--json") { Description = "Print a JSON object of sections instead of tables." };
        var command = new Command("stats", "Print the server's figures: memory, hits, the eviction policy's lists and target.") { json };
        var server = new ServerOptions(command);
        command.SetAction(async (parsed, cancellation) =>
        {
            var reply = await server.WithConnectionAsync(parsed, async connection => await connection.CallAsync(["INFO"], cancellation), cancellation);
            var report = InfoReport.Parse(reply.ToString());
            var output = parsed.InvocationConfiguration.Output;
            await output.WriteLineAsync(parsed.GetValue(json) ? report.ToJson() : report.ToTables());
            return ExitCode.Ok;
        });
        return command;
    }
}
