using System.Globalization;
using System.Security.Cryptography;
using Azure.Storage.Blobs;
using Azure.Storage.Blobs.Models;
using Levee.Testing;
using Levee.Tiers.Tests.Redis;
using Xunit;

namespace Levee.Orleans.Tests;

/// <summary>A storage account of Azurite's, in memory, with blobs, tables and a key of its own.</summary>
internal sealed class AzuriteAccount : IAsyncDisposable
{
    public const string Name = "leveetests";

    private const string Listens = @"successfully (?:listens|started) on .*?:(\d+)\s*$";

    private readonly InstalledServer blobs;
    private readonly InstalledServer tables;

    private AzuriteAccount(string key, InstalledServer blobs, InstalledServer tables)
    {
        Key = key;
        this.blobs = blobs;
        this.tables = tables;
    }

    public string Key { get; }

    /// <summary>Where its blobs are, without the account's name.</summary>
    public string BlobEndpoint => $"http://127.0.0.1:{blobs.Port}";

    public string ConnectionString =>
        $"DefaultEndpointsProtocol=http;AccountName={Name};AccountKey={Key};BlobEndpoint={BlobEndpoint}/{Name};TableEndpoint=http://127.0.0.1:{tables.Port}/{Name};";

    /// <summary>Starts it; skips the test where Azurite is not installed.</summary>
    public static async Task<AzuriteAccount> StartAsync()
    {
        var key = Convert.ToBase64String(RandomNumberGenerator.GetBytes(64));
        var blobs = await StartAsync("azurite-blob", "--blobPort", 0, key);
        try
        {
            // The service of tables does not say which port it has chosen.
            return new AzuriteAccount(key, blobs, await StartAsync("azurite-table", "--tablePort", RedisServer.FreePort(), key));
        }
        catch
        {
            blobs.Dispose();
            throw;
        }
    }

    /// <summary>Makes a container: Levee makes none for a tier.</summary>
    public Task AddContainerAsync(string name) =>
        new BlobContainerClient(ConnectionString, name).CreateAsync(cancellationToken: TestContext.Current.CancellationToken);

    /// <summary>How many blobs of a container have names that begin so.</summary>
    public async Task<int> CountBlobsAsync(string container, string prefix) => await new BlobContainerClient(ConnectionString, container)
        .GetBlobsAsync(new GetBlobsOptions { Prefix = prefix }, TestContext.Current.CancellationToken).CountAsync(TestContext.Current.CancellationToken);

    public ValueTask DisposeAsync()
    {
        blobs.Dispose();
        tables.Dispose();
        return ValueTask.CompletedTask;
    }

    private static Task<InstalledServer> StartAsync(string service, string portOption, int port, string key)
    {
        var program = InstalledServer.Find(service);
        Assert.SkipWhen(program is null, $"{service} is not installed (PATH, NODE_PATH, or artifacts/npm as .ci/run installs azurite)");
        return InstalledServer.StartAsync(program, Listens, new Dictionary<string, string> { ["AZURITE_ACCOUNTS"] = $"{Name}:{key}" }, TestContext.Current.CancellationToken,
            "--inMemoryPersistence", "--skipApiVersionCheck", "--disableTelemetry", portOption, port.ToString(CultureInfo.InvariantCulture));
    }
}
