using Levee.CrashChild;
using Levee.Storage.S3.Tests;
using Xunit;

namespace Levee.Crash.Tests;

/// <summary>Memory over files over an object store.</summary>
public sealed class ObjectStoreTests(S3Server server, ITestOutputHelper output)
{
    [Fact]
    public async Task Files_over_S3() =>
        await new Scenario
        {
            Options = new ChildOptions { Folder = "", Tiers = "file " + await server.UriAsync("crash", TestContext.Current.CancellationToken) },
            Kills = 20,
        }.RunAsync(output);
}
