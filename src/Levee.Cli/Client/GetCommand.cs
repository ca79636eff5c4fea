using System.CommandLine;
using System.Text;

namespace Levee.Cli.Client;

/// <summary><c>levee get</c>: prints a key's value.</summary>
internal static class GetCommand
{
    /// <summary>The command, to be added to the root.</summary>
    public static Command Create()
    {
        var key = new Argument<string>("key") { Description = "The key." };
        var file = new Option<string?>("--out") { Description = "Write the value to a file instead.", HelpName = "file" };
        var command = new Command("get", "Print the value of a key; exits with 1 when there is none.") { key, file };
        var server = new ServerOptions(command);
        command.SetAction(async (parsed, cancellation) =>
        {
            var name = parsed.GetValue(key)!;
            var value = await server.WithConnectionAsync(parsed, async connection => await connection.CallAsync(["GET", name], cancellation), cancellation);
            if (value.IsNull)
            {
                throw new CommandException($"no entry for key '{name}'");
            }

            if (parsed.GetValue(file) is { } path)
            {
                await Files.WriteAsync(path, value.Bytes, cancellation);
            }
            else
            {
                await PrintAsync(parsed.InvocationConfiguration.Output, value.Bytes, cancellation);
            }

            return ExitCode.Ok;
        });
        return command;
    }

    // Bytes go out as they are; only a person at a terminal gets a line end.
    private static async Task PrintAsync(TextWriter output, ReadOnlyMemory<byte> value, CancellationToken cancellation)
    {
        if (!ReferenceEquals(output, Console.Out))
        {
            await output.WriteAsync(Encoding.UTF8.GetString(value.Span));
            return;
        }

        await using var raw = Console.OpenStandardOutput();
        await raw.WriteAsync(value, cancellation);
        if (!Console.IsOutputRedirected)
        {
            await raw.WriteAsync("\n"u8.ToArray(), cancellation);
        }
    }
}
