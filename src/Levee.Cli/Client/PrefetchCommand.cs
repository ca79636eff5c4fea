using System.CommandLine;
using Levee.Operations;
using Levee.Resp;

namespace Levee.Cli.Client;

/// <summary><c>levee prefetch</c>: what a cache's prefetcher has learnt and did, and what waits; <c>levee prefetch hint</c>: names keys that will be wanted.</summary>
internal static class PrefetchCommand
{
    /// <summary>The command, to be added to the root.</summary>
    public static Command Create()
    {
        var json = new Option<bool>("--json") { Description = "Print a JSON array with one object, every figure in it, and the keys that wait, instead of a table." };
        var queue = new Option<int>("--queue") { Description = "How many of the keys that wait to list, 0 to 1000.", HelpName = "count", DefaultValueFactory = static _ => 0 };
        queue.Validators.Add(result => Check(result, queue.Name, 0, IPrefetchControl.MaxQueued));
        var command = new Command("prefetch", "Print what the cache's prefetcher has learnt, what it did, and what waits.") { json, queue };
        var cache = new CacheOption(command);
        var server = new ServerOptions(command);
        command.Subcommands.Add(CreateHint());
        command.SetAction(async (parsed, cancellation) =>
        {
            var count = parsed.GetValue(queue);
            var (status, waiting) = await server.WithConnectionAsync(
                parsed,
                async connection =>
                {
                    await cache.SelectAsync(parsed, connection, cancellation);
                    var status = ReplyFields.Read(await connection.CallAsync(["PREFETCH.STATUS"], cancellation));
                    RespArgument[] words = ["PREFETCH.QUEUE", RespArgument.FromString($"{count}")];
                    var reply = count == 0 ? default(RespValue?) : await connection.CallAsync(words, cancellation);
                    return (status, reply);
                },
                cancellation);
            var output = parsed.InvocationConfiguration.Output;
            if (parsed.GetValue(json))
            {
                await output.WriteLineAsync(ReplyFields.ToJson([waiting is { } keys ? status.With("queue", keys) : status]));
            }
            else
            {
                PrefetchText.Write(output, status, waiting is { } keys ? [.. keys.Items.ToArray().Select(ReplyFields.Read)] : []);
            }

            return ExitCode.Ok;
        });
        return command;
    }

    private static Command CreateHint()
    {
        var keys = new Argument<string[]>("keys") { Description = "The keys.", Arity = ArgumentArity.OneOrMore };
        var priority = new Option<int>("--priority")
        {
            Description = "0 to 9, the highest first; all go before what is predicted.",
            HelpName = "number",
            DefaultValueFactory = static _ => IPrefetchControl.DefaultPriority,
        };
        priority.Validators.Add(result => Check(result, priority.Name, IPrefetchControl.LowestPriority, IPrefetchControl.HighestPriority));
        var command = new Command("hint", "Name keys that will be wanted, and print how many were taken into the queue; exits with 1 when none was.") { keys, priority };
        var cache = new CacheOption(command);
        var server = new ServerOptions(command);
        command.SetAction(async (parsed, cancellation) =>
        {
            RespArgument[] words = ["PREFETCH", "PRIORITY", RespArgument.FromString($"{parsed.GetValue(priority)}"), .. parsed.GetValue(keys)!.Select(RespArgument.FromString)];
            var reply = await server.WithConnectionAsync(
                parsed,
                async connection =>
                {
                    await cache.SelectAsync(parsed, connection, cancellation);
                    return await connection.CallAsync(words, cancellation);
                },
                cancellation);
            if (reply.AsInteger() == 0)
            {
                throw new CommandException("none of the keys was taken: they wait already, or the queue is full");
            }

            await parsed.InvocationConfiguration.Output.WriteLineAsync(reply.ToString());
            return ExitCode.Ok;
        });
        return command;
    }

    private static void Check(System.CommandLine.Parsing.OptionResult result, string option, int least, int most)
    {
        foreach (var token in result.Tokens)
        {
            if (int.TryParse(token.Value, out var value) && (value < least || value > most))
            {
                result.AddError($"{option}: '{token.Value}' is not allowed; allowed is {least} to {most}.");
            }
        }
    }
}
