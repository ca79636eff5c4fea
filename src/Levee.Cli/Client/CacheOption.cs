using System.CommandLine;
using Levee.Resp;

namespace Levee.Cli.Client;

/// <summary>The option that says which of the server's caches a command asks.</summary>
internal sealed class CacheOption
{
    private readonly Option<string?> cache = new("--cache") { Description = "The cache, by its name or number; without it the default one.", HelpName = "name" };

    /// <summary>Adds the option to a command.</summary>
    public CacheOption(Command command) => command.Add(cache);

    /// <summary>The cache's name for messages.</summary>
    public string Name(ParseResult parsed) => parsed.GetValue(cache) ?? "default";

    /// <summary>Chooses the cache on a connection.</summary>
    public async ValueTask SelectAsync(ParseResult parsed, RespConnection connection, CancellationToken cancellation)
    {
        if (parsed.GetValue(cache) is { } name)
        {
            await connection.CallAsync(["SELECT", name], cancellation);
        }
    }
}
