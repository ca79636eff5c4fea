using System.CommandLine;
using System.CommandLine.Help;
using Microsoft.Extensions.Configuration;

namespace Levee.Serving.Hosting;

/// <summary>The command that runs the server: <c>levee serve</c>, and the whole of the silo program.</summary>
public static class ServerCommand
{
    private const string Program = "levee";
    private const int Ok = 0;
    private const int Failed = 1;
    private const int WrongUsage = 2;

    /// <summary>
    /// The command. Making it loads nothing of Orleans, so that a tool may list it beside others. It takes SIGINT and SIGTERM itself while it runs:
    /// its caller invokes it without a time-out for termination.
    /// </summary>
    /// <param name="name">What the user types: "serve".</param>
    /// <param name="help">What lists the options, for refusals: "levee serve --help".</param>
    public static Command Create(string name, string help)
    {
        var command = new Command(
            name,
            "Runs the server: RESP for redis-cli and Redis clients, HTTP, and Orleans for .NET clients and further silos. Each option is also an environment variable and a key of levee.json; "
            + "providers of a cluster are configured as Orleans does it, in the section \"Orleans\" of the same file, of appsettings.json or of the environment.");
        var flags = new OptionFlags(command, ClusterOption.All, help, "Orleans", "ConnectionStrings");
        command.SetAction(async (parsed, _) =>
        {
            var configuration = Configuration(flags.FileOf(parsed));
            var read = flags.Read(parsed);
            var given = ClusterSettings.Read(read, configuration);
            var (serve, cluster) = given.WithPorts(
                ServeSettings.Read(read, GC.GetGCMemoryInfo().TotalAvailableMemoryBytes).WithPartitions(),
                ClusterProvider.IsLocalhost(given, configuration),
                FrontDoors.IsFree);
            configuration.AddInMemoryCollection(ClusterProvider.Fill(cluster, configuration));
            await ServerRun.RunAsync(serve, cluster, configuration, parsed.InvocationConfiguration.Output, parsed.InvocationConfiguration.Error);
            return Ok;
        });
        return command;
    }

    /// <summary>Runs the silo program: this command alone.</summary>
    /// <returns>0; 1 where the server could not start; 2 where an option is wrong.</returns>
    public static async Task<int> InvokeAsync(string[] args, TextWriter output, TextWriter error)
    {
        ArgumentNullException.ThrowIfNull(output);
        ArgumentNullException.ThrowIfNull(error);
        var command = Create("silo", "silo --help");
        command.Add(new HelpOption());
        command.Add(new VersionOption());
        var parsed = command.Parse(args);
        if (parsed.Errors.Count > 0)
        {
            foreach (var wrong in OptionFlags.Errors(parsed))
            {
                await error.WriteLineAsync($"{Program}: {wrong}");
            }

            await error.WriteLineAsync("Try 'silo --help'.");
            return WrongUsage;
        }

        try
        {
            return await parsed.InvokeAsync(new InvocationConfiguration { Output = output, Error = error, EnableDefaultExceptionHandler = false, ProcessTerminationTimeout = null });
        }
        catch (OptionException refusal)
        {
            await error.WriteLineAsync($"{Program}: {refusal.Message}");
            return WrongUsage;
        }
        catch (StartException failure)
        {
            await error.WriteLineAsync($"{Program}: {failure.Message}");
            return Failed;
        }
    }

    private static ConfigurationManager Configuration(string? file)
    {
        var configuration = new ConfigurationManager();
        var appSettings = Path.GetFullPath("appsettings.json");
        foreach (var settings in new[] { File.Exists(appSettings) ? appSettings : null, file }.OfType<string>())
        {
            configuration.AddConfiguration(OptionFlags.ReadJson(settings));
        }

        configuration.AddEnvironmentVariables();
        return configuration;
    }
}
