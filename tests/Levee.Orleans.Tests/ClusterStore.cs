using System.Globalization;
using Levee.Testing;
using Levee.Tiers.Tests.Redis;

namespace Levee.Orleans.Tests;

/// <summary>Where silos find each other and owners are written down, as a user has it: the example file of a provider, with its tiers, and with a real server that runs here in place of its addresses.</summary>
internal sealed class ClusterStore : IAsyncDisposable
{
    private readonly IAsyncDisposable? server;
    private readonly DirectoryInfo? folder;

    private ClusterStore()
    {
        Environment = new Dictionary<string, string>();
        Options = ["--cluster-id", ClusterId];
    }

    private ClusterStore(string example, IAsyncDisposable server, params (string Name, string Value)[] environment)
    {
        this.server = server;
        folder = Directory.CreateTempSubdirectory("levee-silos-");
        Environment = environment.ToDictionary(variable => variable.Name, variable => variable.Value);
        Options = ["--cluster-id", ClusterId, "--config", Path.Combine(Repository.Root, "silo", "examples", example), "--data-dir", folder.FullName];
    }

    /// <summary>Localhost clustering: the first silo is the store, and the others must be told where it is.</summary>
    public bool IsFirstSilo => server is null;

    /// <summary>What silos find in their environment.</summary>
    public IReadOnlyDictionary<string, string> Environment { get; }

    /// <summary>What silos are started with.</summary>
    public string[] Options { get; }

    private static string ClusterId => string.Create(CultureInfo.InvariantCulture, $"test-{System.Environment.ProcessId}");

    /// <summary>Starts one, ready for silos: localhost, redis, postgres or azure. Skips the test where its server is not installed.</summary>
    public static async Task<ClusterStore> StartAsync(string name)
    {
        switch (name)
        {
            case "localhost":
                return new ClusterStore();
            case "redis":
                var redis = await RedisServer.StartAsync();
                return new ClusterStore("redis.json", redis, ("ConnectionStrings__cluster", string.Create(CultureInfo.InvariantCulture, $"localhost:{redis.Port}")));
            case "postgres":
                var postgres = await PostgresServer.StartAsync();
                await postgres.ApplyAsync(SiloProcess.PostgresScript);
                return new ClusterStore("postgres.json", postgres, ("ConnectionStrings__cluster", postgres.ConnectionString));
            case "azure":
                // The file names the account by address and has the silo sign in as the machine; Azurite knows only keys.
                var azure = await AzuriteAccount.StartAsync();
                await azure.AddContainerAsync("levee");
                return new ClusterStore("azure.json", azure,
                    ("Orleans__Clustering__ServiceKey", ""), ("Orleans__Clustering__ConnectionName", "membership"), ("ConnectionStrings__membership", azure.ConnectionString),
                    ("Orleans__GrainStorage__levee__ServiceKey", ""), ("Orleans__GrainStorage__levee__ConnectionName", "owners"), ("ConnectionStrings__owners", azure.ConnectionString),
                    ("LEVEE__TIER", $"file azblob://{AzuriteAccount.Name}/levee?endpoint={azure.BlobEndpoint}"), ("AZURE_STORAGE_KEY", azure.Key));
            default:
                throw new ArgumentOutOfRangeException(nameof(name), name, "There is no such store.");
        }
    }

    public async ValueTask DisposeAsync()
    {
        if (server is not null)
        {
            await server.DisposeAsync();
        }

        folder?.Delete(recursive: true);
    }
}
