using System.Globalization;
using Levee.Resp;
using Levee.Testing;
using Levee.Tiers.Tests.Redis;
using Xunit;

namespace Levee.Orleans.Tests;

/// <summary>What a silo says of a store that it cannot use, and stores that take more than the example file.</summary>
public sealed class ProviderTests
{
    private static readonly IReadOnlyDictionary<string, string> nothing = new Dictionary<string, string>();

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    [Fact]
    public async Task APostgresWithoutTablesIsOneSentenceThatNamesTheScript()
    {
        await using var postgres = await PostgresServer.StartAsync();
        var (exitCode, printed) = await SiloProcess.FailAsync(new Dictionary<string, string> { ["ConnectionStrings__cluster"] = postgres.ConnectionString }, "--config", Example("postgres.json"));
        Assert.Equal(1, exitCode);
        AssertOneSentence(printed, "PostgreSQL has no tables");
        Assert.Contains(SiloProcess.PostgresScript, printed, StringComparison.Ordinal);
        Assert.True(File.Exists(SiloProcess.PostgresScript), $"{SiloProcess.PostgresScript} is not there");
    }

    [Fact]
    public async Task TheScriptForPostgresMayBeRunAgain()
    {
        await using var postgres = await PostgresServer.StartAsync();
        await postgres.ApplyAsync(SiloProcess.PostgresScript);
        await postgres.ApplyAsync(SiloProcess.PostgresScript);
    }

    [Theory]
    [InlineData("redis", "127.0.0.1:{0},connectTimeout=500,connectRetry=0", "redis")]
    [InlineData("adonet", "Host=127.0.0.1;Port={0};Database=levee;Username=levee", "Failed to connect to 127.0.0.1:{0}")]
    public async Task AStoreThatIsNotThereIsOneSentence(string clustering, string connection, string words)
    {
        var port = RedisServer.FreePort();
        var (exitCode, printed) = await SiloProcess.FailAsync(nothing, "--clustering", clustering, "--clustering-connection", string.Format(CultureInfo.InvariantCulture, connection, port));
        Assert.Equal(1, exitCode);
        AssertOneSentence(printed, string.Format(CultureInfo.InvariantCulture, words, port));
    }

    [Fact]
    public async Task KubernetesOutsideOfAPodIsOneSentence()
    {
        var outside = new Dictionary<string, string> { ["POD_NAMESPACE"] = "", ["POD_NAME"] = "", ["POD_IP"] = "" };
        var (exitCode, printed) = await SiloProcess.FailAsync(outside, "--kubernetes", "yes", "--clustering", "redis", "--clustering-connection", "127.0.0.1:1");
        Assert.Equal(1, exitCode);
        AssertOneSentence(printed, "POD_NAMESPACE");
    }

    /// <summary>A tier of blobs is below memory: what a silo that is stopped had in memory is read from there by the next one of its name.</summary>
    [Fact]
    public async Task ATierOfBlobsOutlivesTheSilo()
    {
        const int keys = 200;
        Assert.SkipWhen(OperatingSystem.IsWindows(), "Windows has no signals to send");
        await using var account = await AzuriteAccount.StartAsync();
        await account.AddContainerAsync("levee");
        var folder = Directory.CreateTempSubdirectory("levee-blobs-");
        try
        {
            var environment = new Dictionary<string, string> { ["AZURE_STORAGE_KEY"] = account.Key };
            string[] options = ["--name", "one", "--data-dir", folder.FullName, "--tier", $"azblob://{AzuriteAccount.Name}/levee/silos?endpoint={account.BlobEndpoint}"];
            await using (var before = await SiloProcess.StartAsync(environment, options))
            {
                await using var door = await before.ConnectAsync();
                for (var i = 0; i < keys; i++)
                {
                    Assert.Equal("OK", (await door.CallAsync(["SET", Key(i), Value(i)], Cancellation)).ToString());
                }

                await before.SignalAsync("TERM");
                await before.EndedAsync();
                Assert.True(before.ExitCode == 0, before.Printed);
            }

            Assert.True(await account.CountBlobsAsync("levee", "silos/") > 0, "the silo has written no blob");
            await using var after = await SiloProcess.StartAsync(environment, options);
            await using var again = await after.ConnectAsync();
            for (var i = 0; i < keys; i++)
            {
                Assert.Equal(Value(i), (await again.CallAsync(["GET", Key(i)], Cancellation)).ToString());
            }
        }
        finally
        {
            folder.Delete(recursive: true);
        }

        static string Key(int i) => string.Create(CultureInfo.InvariantCulture, $"key:{i}");
        static string Value(int i) => new((char)('a' + (i % 26)), 1000 + i);
    }

    private static string Example(string file) => Path.Combine(Repository.Root, "silo", "examples", file);

    /// <summary>One line, which says these words, and no stack trace.</summary>
    private static void AssertOneSentence(string printed, string words)
    {
        var line = Assert.Single(printed.Split('\n', StringSplitOptions.RemoveEmptyEntries));
        Assert.Contains("the silo did not start: ", line, StringComparison.Ordinal);
        Assert.Contains(words, line, StringComparison.OrdinalIgnoreCase);
        Assert.DoesNotContain("   at ", line, StringComparison.Ordinal);
    }
}
