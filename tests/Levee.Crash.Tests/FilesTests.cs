using Levee.CrashChild;
using Xunit;

namespace Levee.Crash.Tests;

/// <summary>Memory over files.</summary>
public sealed class FilesTests(ITestOutputHelper output)
{
    [Fact]
    public Task Files_under_evict() => Scenario.RunAsync(new ChildOptions { Folder = "" }, kills: 60, output);

    [Fact]
    public Task Files_under_through() => Scenario.RunAsync(new ChildOptions { Folder = "", WritesThrough = true, CapacityBytes = 4L << 30, Scale = 20 }, kills: 40, output, ["seal:", "recover:", "rotate:"]);

    [Fact]
    public Task Files_compressed_and_encrypted() => Scenario.RunAsync(new ChildOptions { Folder = "", IsEncoded = true }, kills: 40, output);
}
