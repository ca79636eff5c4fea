using System.CommandLine;

namespace Levee.Cli.Client;

/// <summary><c>levee explain</c>: where an entry lies, and why.</summary>
internal static class ExplainCommand
{
    /// <summary>The command, to be added to the root.</summary>
    public static Command Create()
    {
        var key = new Argument<string>("key") { Description = "The key." };
        var command = new Command("explain", "Say where the entry of a key lies, why, since when, and how large it is, without using it; exits with 1 when there is none.") { key };
        var cache = new CacheOption(command);
        var server = new ServerOptions(command);
        command.SetAction(async (parsed, cancellation) =>
        {
            var name = parsed.GetValue(key)!;
            var reply = await server.WithConnectionAsync(
                parsed,
                async connection =>
                {
                    await cache.SelectAsync(parsed, connection, cancellation);
                    return await connection.CallAsync(["EXPLAIN", name], cancellation);
                },
                cancellation);
            var explanation = ReplyFields.Read(reply);
            if (!Explanation.HasEntry(explanation))
            {
                throw new CommandException($"no entry for key '{name}': {string.Join("; ", Explanation.Lines(explanation))}");
            }

            foreach (var line in Explanation.Lines(explanation))
            {
                await parsed.InvocationConfiguration.Output.WriteLineAsync(line);
            }

            return ExitCode.Ok;
        });
        return command;
    }
}
