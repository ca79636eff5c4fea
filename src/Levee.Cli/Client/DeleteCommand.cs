using System.CommandLine;
using Levee.Resp;

namespace Levee.Cli.Client;

/// <summary><c>levee del</c>: removes keys.</summary>
internal static class DeleteCommand
{
    /// <summary>The command, to be added to the root.</summary>
    public static Command Create()
    {
        var keys = new Argument<string[]>("keys") { Description = "The keys.", Arity = ArgumentArity.OneOrMore };
        var command = new Command("del", "Remove keys and print how many had an entry; exits with 1 when none had.") { keys };
        var server = new ServerOptions(command);
        command.SetAction(async (parsed, cancellation) =>
        {
            RespArgument[] words = ["DEL", .. parsed.GetValue(keys)!.Select(RespArgument.FromString)];
            var reply = await server.WithConnectionAsync(parsed, async connection => await connection.CallAsync(words, cancellation), cancellation);
            if (reply.AsInteger() == 0)
            {
                throw new CommandException("none of the keys had an entry");
            }

            await parsed.InvocationConfiguration.Output.WriteLineAsync(reply.ToString());
            return ExitCode.Ok;
        });
        return command;
    }
}
