using System.CommandLine;
using Levee.Resp;

namespace Levee.Cli.Client;

/// <summary>The options that say which server a command talks to, and the connection they lead to.</summary>
internal sealed class ServerOptions
{
    /// <summary>The environment variable that holds the password, so that it stands in no process list.</summary>
    public const string PasswordVariable = "LEVEE_PASSWORD";

    private readonly Option<string> host = new("--host") { Description = "The server's name or address.", DefaultValueFactory = static _ => "127.0.0.1", HelpName = "name" };
    private readonly Option<int> port = new("--port") { Description = "The server's RESP port.", DefaultValueFactory = static _ => 7379, HelpName = "number" };
    private readonly Option<string?> user = new("--user") { Description = "Who authenticates; without it the server's default user.", HelpName = "name" };
    private readonly Option<string?> password = new("--password") { Description = $"The password; better in the environment variable {PasswordVariable}.", HelpName = "secret" };

    /// <summary>Adds the options to a command.</summary>
    public ServerOptions(Command command)
    {
        this.port.Validators.Add(static result =>
        {
            if (result.Tokens.Count == 1 && int.TryParse(result.Tokens[0].Value, out var port) && port is < 1 or > 65535)
            {
                result.AddError($"--port: '{port}' is not allowed; allowed is 1 to 65535.");
            }
        });
        command.Add(host);
        command.Add(this.port);
        command.Add(user);
        command.Add(password);
    }

    public string Host(ParseResult parsed) => parsed.GetValue(host)!;

    public int Port(ParseResult parsed) => parsed.GetValue(port);

    public string? User(ParseResult parsed) => parsed.GetValue(user);

    // Read here and not as the option's default, which --help would print.
    public string? Password(ParseResult parsed) => parsed.GetValue(password) ?? Environment.GetEnvironmentVariable(PasswordVariable) switch { "" => null, var set => set };

    /// <summary>Connects, talks, and turns what the server or the network refuses into the user's message.</summary>
    public async Task<T> WithConnectionAsync<T>(ParseResult parsed, Func<RespConnection, Task<T>> talk, CancellationToken cancellation)
    {
        try
        {
            var options = new RespConnectionOptions { User = User(parsed), Password = Password(parsed) };
            await using var connection = await RespConnection.ConnectAsync(Host(parsed), Port(parsed), options, cancellation);
            return await talk(connection);
        }
        catch (RespConnectionException failure)
        {
            throw new CommandException(failure.Message, failure);
        }
        catch (RespServerException refusal)
        {
            throw new CommandException(refusal.Message, refusal);
        }
    }
}
