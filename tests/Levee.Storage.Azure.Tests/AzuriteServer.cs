using System.Security.Cryptography;
using Azure.Storage;
using Azure.Storage.Blobs;
using Levee.Storage.Azure.Tests;
using Levee.Testing;
using Xunit;

[assembly: AssemblyFixture(typeof(AzuriteServer))]

namespace Levee.Storage.Azure.Tests;

/// <summary>One Azurite for all tests, in memory, with an account and a key of its own, started by the first that needs it. Its log is the count of requests that reached it.</summary>
public sealed class AzuriteServer : IDisposable
{
    public const string Account = "leveetests";
    public const string Container = "levee-tests";

    private readonly SemaphoreSlim starting = new(1);
    private InstalledServer? server;

    public string Key { get; } = Convert.ToBase64String(RandomNumberGenerator.GetBytes(64));

    public string ConnectionString => $"DefaultEndpointsProtocol=http;AccountName={Account};AccountKey={Key};BlobEndpoint={Address};";

    public string Address => $"http://127.0.0.1:{server!.Port}/{Account}";

    /// <summary>What the store finds in its environment.</summary>
    public string? Environment(string variable) => variable == "AZURE_STORAGE_KEY" ? Key : null;

    public async Task StartAsync(CancellationToken cancellation)
    {
        var program = InstalledServer.Find("azurite-blob");
        Assert.SkipWhen(program is null, "azurite-blob is not installed (PATH, NODE_PATH, or artifacts/npm as .ci/run installs azurite)");
        await starting.WaitAsync(cancellation);
        try
        {
            if (server is null)
            {
                server = await InstalledServer.StartAsync(program, @"listens on .*?:(\d+)\s*$", new Dictionary<string, string> { ["AZURITE_ACCOUNTS"] = $"{Account}:{Key}" }, cancellation,
                    "--inMemoryPersistence", "--skipApiVersionCheck", "--disableTelemetry", "--blobPort", "0");
                await new BlobContainerClient(new Uri($"{Address}/{Container}"), new StorageSharedKeyCredential(Account, Key)).CreateAsync(cancellationToken: cancellation);
            }
        }
        finally
        {
            starting.Release();
        }
    }

    public async Task<AzureBlobSegmentStore> OpenAsync(string prefix, CancellationToken cancellation)
    {
        await StartAsync(cancellation);
        return new AzureBlobSegmentStore(AzureBlobStoreOptions.Parse($"azblob://{Account}/{Container}/{prefix}?endpoint=http://127.0.0.1:{server!.Port}"), Environment);
    }

    /// <summary>The log's lines about requests for blobs whose names begin so, once <paramref name="count"/> are there (the log comes after the answer).</summary>
    public async Task<string[]> RequestsAsync(string part, int count, CancellationToken cancellation)
    {
        for (var i = 0; ; i++)
        {
            string[] requests = [.. server!.Lines.Where(line => line.Contains($" /{Account}/{Container}/{part}", StringComparison.Ordinal))];
            if (requests.Length >= count || i == 200)
            {
                return requests;
            }

            await Task.Delay(25, cancellation);
        }
    }

    public void Dispose()
    {
        server?.Dispose();
        starting.Dispose();
    }
}
