using System.Runtime.CompilerServices;
using Levee.Storage.S3.Tests;
using Levee.Testing;
using Xunit;

[assembly: AssemblyFixture(typeof(S3Server))]

namespace Levee.Storage.S3.Tests;

/// <summary>One s3rver for all tests, started by the first that needs it. Its log is the count of requests that reached it.</summary>
public sealed class S3Server : IAsyncDisposable
{
    public const string Bucket = "levee-tests";

    // It cuts as many characters from its log's lines as colours take, and makes its continuation tokens with a cipher that OpenSSL 3 calls legacy.
    private static readonly Dictionary<string, string> Quirks = new() { ["FORCE_COLOR"] = "1", ["NODE_OPTIONS"] = "--openssl-legacy-provider" };

    private readonly SemaphoreSlim starting = new(1);
    private string? folder;
    private InstalledServer? server;

    public async Task<string> AddressAsync(CancellationToken cancellation)
    {
        var program = InstalledServer.Find("s3rver");
        Assert.SkipWhen(program is null, "s3rver is not installed (PATH, NODE_PATH, or artifacts/npm as .ci/run installs it)");
        await starting.WaitAsync(cancellation);
        try
        {
            folder ??= Directory.CreateTempSubdirectory("levee-s3rver-").FullName;
            server ??= await InstalledServer.StartAsync(program, @"listening on .*?:(\d+)\s*$", Quirks, cancellation,
                "-d", folder, "-a", "127.0.0.1", "-p", "0", "--no-vhost-buckets", "--configure-bucket", Bucket);
            return $"http://127.0.0.1:{server.Port}";
        }
        finally
        {
            starting.Release();
        }
    }

    public async Task<string> UriAsync(string prefix, CancellationToken cancellation) => $"s3://{Bucket}/{prefix}?endpoint={await AddressAsync(cancellation)}&region=us-east-1";

    /// <summary>The log's lines about requests for objects whose names begin so, once <paramref name="count"/> are there (the log comes after the answer).</summary>
    public async Task<string[]> RequestsAsync(string part, int count, CancellationToken cancellation)
    {
        for (var i = 0; ; i++)
        {
            string[] requests = [.. server!.Lines.Where(line => line.Contains($" /{Bucket}/{part}", StringComparison.Ordinal))];
            if (requests.Length >= count || i == 200)
            {
                return requests;
            }

            await Task.Delay(25, cancellation);
        }
    }

    public ValueTask DisposeAsync()
    {
        server?.Dispose();
        starting.Dispose();
        if (folder is not null)
        {
            Directory.Delete(folder, recursive: true);
        }

        return ValueTask.CompletedTask;
    }

    // The SDK's own chain finds these; they are what s3rver accepts, and reach no other service.
    [ModuleInitializer]
    internal static void SetCredentials()
    {
        Environment.SetEnvironmentVariable("AWS_ACCESS_KEY_ID", "S3RVER");
        Environment.SetEnvironmentVariable("AWS_SECRET_ACCESS_KEY", "S3RVER");
        Environment.SetEnvironmentVariable("AWS_SESSION_TOKEN", null);
        Environment.SetEnvironmentVariable("AWS_EC2_METADATA_DISABLED", "true");
    }
}
