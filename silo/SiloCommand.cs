using System.CommandLine;
using System.CommandLine.Help;
using Levee.Serving;
using Microsoft.Extensions.Configuration;

namespace Levee.Silo;

/// <summary>The command line of the silo.</summary>
internal static class SiloCommand
{
    private const int Ok = 0;
    private const int Failed = 1;
    private const int WrongUsage = 2;

    /// <summary>Runs a silo until it is told to stop.</summary>
    /// <returns>0; 1 where it could not start; 2 where an option is wrong.</returns>
    public static async Task<int> InvokeAsync(string[] args, TextWriter output, TextWriter error)
    {
        var command = new Command("silo", "Runs a silo of a Levee cluster: RESP and HTTP as 'levee serve', and the cluster. Each option is also an environment variable and a key of levee.json; "
            + "providers are configured as Orleans does it, in the section \"Orleans\" of the same file, of appsettings.json or of the environment.")
        {
            new HelpOption(),
            new VersionOption(),
        };
        var flags = new OptionFlags(command, ClusterOption.All, "silo --help", "Orleans", "ConnectionStrings");
        command.SetAction(async (parsed, cancellation) =>
        {
            var configuration = Configuration(flags.FileOf(parsed));
            var read = flags.Read(parsed);
            var (serve, cluster) = ClusterSettings.Read(read, configuration).WithPorts(
                ServeSettings.Read(read, GC.GetGCMemoryInfo().TotalAvailableMemoryBytes),
                FrontDoors.IsFree);
            configuration.AddInMemoryCollection(ClusterProvider.Fill(cluster, configuration));
            await SiloRun.RunAsync(serve, cluster, configuration, output, error);
        });

        var result = command.Parse(args);
        if (result.Errors.Count > 0)
        {
            foreach (var wrong in result.Errors)
            {
                await error.WriteLineAsync($"silo: {wrong.Message}");
            }

            await error.WriteLineAsync("Try 'silo --help'.");
            return WrongUsage;
        }

        try
        {
            // The run takes the signals itself: handing partitions over may take longer than the command line would wait.
            return await result.InvokeAsync(new InvocationConfiguration { Output = output, Error = error, EnableDefaultExceptionHandler = false, ProcessTerminationTimeout = null });
        }
        catch (OptionException refusal)
        {
            await error.WriteLineAsync($"silo: {refusal.Message}");
            return WrongUsage;
        }
        catch (StartException failure)
        {
            await error.WriteLineAsync($"silo: {failure.Message}");
            return Failed;
        }
        catch (OperationCanceledException)
        {
            await error.WriteLineAsync("silo: cancelled before it had started");
            return Failed;
        }
    }

    private static ConfigurationManager Configuration(string? file)
    {
        var configuration = new ConfigurationManager();
        try
        {
            configuration.AddJsonFile(Path.GetFullPath("appsettings.json"), optional: true);
            if (file is not null)
            {
                configuration.AddJsonFile(file);
            }
        }
        catch (InvalidDataException wrong)
        {
            throw new OptionException($"{wrong.Message} {wrong.InnerException?.Message}");
        }

        configuration.AddEnvironmentVariables();
        return configuration;
    }
}
