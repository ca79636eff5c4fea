using System.CommandLine;
using Levee.Resp;
using Levee.Serving;

namespace Levee.Cli.Client;

/// <summary><c>levee set</c>: stores a value under a key.</summary>
internal static class SetCommand
{
    /// <summary>The command, to be added to the root.</summary>
    public static Command Create()
    {
        var key = new Argument<string>("key") { Description = "The key." };
        var value = new Argument<string?>("value") { Description = "The value, as text.", Arity = ArgumentArity.ZeroOrOne };
        var file = new Option<string?>("--file") { Description = "Take the value from a file.", HelpName = "file" };
        var ttl = new Option<TimeSpan?>("--ttl")
        {
            Description = "How long the entry lives: 500ms, 60s, 5m, 2h, 1d.",
            HelpName = "duration",
            CustomParser = static result =>
            {
                var text = result.Tokens[0].Value;
                if (Duration.TryParse(text, out var duration))
                {
                    return duration;
                }

                result.AddError($"--ttl: '{text}' is not allowed; allowed is {Duration.Allowed}.");
                return null;
            },
        };
        var onlyNew = new Option<bool>("--nx") { Description = "Only when the key has no entry." };
        var onlyExisting = new Option<bool>("--xx") { Description = "Only when the key has an entry." };
        var tags = new Option<string[]>("--tag") { Description = "A tag of the entry; may be given several times. An extension of Levee's server.", HelpName = "name" };
        var command = new Command("set", "Store a value under a key; exits with 1 when --nx or --xx keeps it from being stored.") { key, value, file, ttl, onlyNew, onlyExisting, tags };
        command.Validators.Add(result =>
        {
            if (result.GetValue(value) is null == (result.GetResult(file) is null))
            {
                result.AddError("set: give either a value or --file.");
            }

            if (result.GetValue(onlyNew) && result.GetValue(onlyExisting))
            {
                result.AddError("--nx and --xx: use one of both.");
            }
        });
        var server = new ServerOptions(command);
        command.SetAction(async (parsed, cancellation) =>
        {
            var name = parsed.GetValue(key)!;
            List<RespArgument> words = ["SET", name];
            words.Add(parsed.GetValue(file) is { } path ? await Files.ReadAsync(path, cancellation) : (RespArgument)parsed.GetValue(value)!);
            if (parsed.GetValue(ttl) is { } lifetime)
            {
                words.AddRange(["PX", (long)lifetime.TotalMilliseconds]);
            }

            if (parsed.GetValue(onlyNew) || parsed.GetValue(onlyExisting))
            {
                words.Add(parsed.GetValue(onlyNew) ? "NX" : "XX");
            }

            foreach (var tag in parsed.GetValue(tags) ?? [])
            {
                words.AddRange(["TAG", tag]);
            }

            var reply = await server.WithConnectionAsync(parsed, async connection => await connection.CallAsync(words.ToArray(), cancellation), cancellation);
            if (reply.IsNull)
            {
                throw new CommandException(parsed.GetValue(onlyNew) ? $"not stored: key '{name}' has an entry (--nx)" : $"not stored: key '{name}' has no entry (--xx)");
            }

            await parsed.InvocationConfiguration.Output.WriteLineAsync(reply.ToString());
            return ExitCode.Ok;
        });
        return command;
    }
}
