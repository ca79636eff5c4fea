using System.CommandLine;

namespace Levee.Cli.Client;

/// <summary><c>levee tiers</c>: what the tiers below memory hold, do and cost.</summary>
internal static class TiersCommand
{
    /// <summary>The command, to be added to the root.</summary>
    public static Command Create()
    {
        var json = new Option<bool>("--json") { Description = "Print a JSON array with every figure instead of a table." };
        var command = new Command("tiers", "Print what the tiers below memory hold, do, cost and save.") { json };
        var cache = new CacheOption(command);
        var server = new ServerOptions(command);
        command.SetAction(async (parsed, cancellation) =>
        {
            var reply = await server.WithConnectionAsync(
                parsed,
                async connection =>
                {
                    await cache.SelectAsync(parsed, connection, cancellation);
                    return await connection.CallAsync(["TIERS"], cancellation);
                },
                cancellation);
            IReadOnlyList<ReplyFields> tiers = [.. reply.Items.ToArray().Select(ReplyFields.Read)];
            var output = parsed.InvocationConfiguration.Output;
            if (parsed.GetValue(json))
            {
                await output.WriteLineAsync(ReplyFields.ToJson(tiers));
            }
            else if (tiers.Count == 0)
            {
                await output.WriteLineAsync($"cache {cache.Name(parsed)} lies in memory alone: it has no lower tiers");
            }
            else if (ReferenceEquals(output, Console.Out) && !Console.IsOutputRedirected)
            {
                TiersReport.WriteTable(output, tiers);
            }
            else
            {
                TiersReport.WriteColumns(output, tiers);
            }

            return ExitCode.Ok;
        });
        return command;
    }
}
