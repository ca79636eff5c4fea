using System.Runtime.Versioning;
using Levee.Hosting;
using Levee.Keys;
using Levee.Operations;
using Levee.Tiers;
using Microsoft.Extensions.Logging;
using Xunit;

namespace Levee.Serving.Tests;

/// <summary>What is cached on the disk is its owner's alone.</summary>
[UnsupportedOSPlatform("windows")] // As far as modes are asked for: those tests skip there.
public sealed class PrivateFilesTests : IDisposable
{
    private const UnixFileMode Folder = UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute;
    private const UnixFileMode OfFile = UnixFileMode.UserRead | UnixFileMode.UserWrite;
    private const UnixFileMode Open = Folder | UnixFileMode.GroupRead | UnixFileMode.GroupExecute | UnixFileMode.OtherRead | UnixFileMode.OtherExecute;

    private readonly string folder = Directory.CreateTempSubdirectory("levee-private-").FullName;

    public void Dispose() => Directory.Delete(folder, recursive: true);

    [Theory]
    [InlineData("file", null)]
    [InlineData("file", "a.levee")]
    [InlineData("file://{folder}/own/store", null)]
    [InlineData("file redis://127.0.0.1:1/0", null)]
    public async Task All_that_a_server_creates_is_closed_to_others(string tier, string? silo)
    {
        Assert.SkipWhen(OperatingSystem.IsWindows(), "Windows has no modes");
        await RunAsync(tier, silo);
        AssertClosed(Path.Combine(folder, "data"), leastFiles: 2);
        if (tier.StartsWith("file://", StringComparison.Ordinal))
        {
            AssertClosed(Path.Combine(folder, "own"), leastFiles: 1);
        }
    }

    [Theory]
    [InlineData("file", null)]
    [InlineData("file", "a.levee")]
    [InlineData("file://{folder}/own/store", null)]
    public async Task What_an_earlier_version_left_open_is_closed_at_the_next_start(string tier, string? silo)
    {
        Assert.SkipWhen(OperatingSystem.IsWindows(), "Windows has no modes");
        await RunAsync(tier, silo);
        foreach (var entry in new DirectoryInfo(folder).EnumerateFileSystemInfos("*", SearchOption.AllDirectories))
        {
            entry.UnixFileMode = entry is DirectoryInfo ? Open : OfFile | UnixFileMode.GroupRead | UnixFileMode.OtherRead;
        }

        // A folder that was there before may hold what is not Levee's: it is left, and said.
        var logs = await RunAsync(tier, silo);
        Assert.Contains(Path.Combine(folder, "data"), logs, StringComparison.Ordinal);
        Assert.Equal(Open, File.GetUnixFileMode(Path.Combine(folder, "data")));
        AssertClosed(Path.Combine(folder, "data", silo ?? "default"), leastFiles: 1);
        if (tier != "file")
        {
            AssertClosed(Path.Combine(folder, "own", "store", "default"), leastFiles: 1);
        }
    }

    [Fact]
    public async Task A_folder_that_is_closed_is_not_spoken_of()
    {
        Assert.SkipWhen(OperatingSystem.IsWindows(), "Windows has no modes");
        await RunAsync("file", silo: null);
        Assert.DoesNotContain("chmod", await RunAsync("file", silo: null), StringComparison.Ordinal);
    }

    [Fact]
    public void A_link_out_of_the_folder_is_not_followed()
    {
        Assert.SkipWhen(OperatingSystem.IsWindows(), "Windows has no modes");
        var outside = Path.Combine(folder, "outside");
        Directory.CreateDirectory(outside, Open);
        var foreign = Path.Combine(outside, "foreign");
        File.WriteAllText(foreign, "");
        File.SetUnixFileMode(foreign, Open);
        var own = Path.Combine(folder, "own");
        Directory.CreateDirectory(own, Open);
        File.CreateSymbolicLink(Path.Combine(own, "link"), outside);
        PrivateFiles.Close(own);
        Assert.Equal((Open, Open, Folder), (File.GetUnixFileMode(outside), File.GetUnixFileMode(foreign), File.GetUnixFileMode(own)));
    }

    private static void AssertClosed(string top, int leastFiles)
    {
        Assert.Equal((top, Folder), (top, File.GetUnixFileMode(top)));
        var files = 0;
        foreach (var entry in new DirectoryInfo(top).EnumerateFileSystemInfos("*", SearchOption.AllDirectories))
        {
            files += entry is FileInfo ? 1 : 0;
            Assert.Equal((entry.FullName, entry is DirectoryInfo ? Folder : OfFile), (entry.FullName, entry.UnixFileMode));
        }

        Assert.True(files >= leastFiles, $"there are only {files} files below {top}");
    }

    private async Task<string> RunAsync(string tier, string? silo)
    {
        var said = new List<string>();
        using var logs = LoggerFactory.Create(builder => builder.AddProvider(new ListLogs(said)));
        var settings = Given.Serve(
            (ServeOption.Memory, "16mb"), (ServeOption.DataDir, Path.Combine(folder, "data")), (ServeOption.Tier, tier.Replace("{folder}", folder, StringComparison.Ordinal)), (ServeOption.TierCapacity, "64mb"));
        await using (var tiers = await ServedTiers.StartAsync(settings, silo, logs, TestContext.Current.CancellationToken))
        {
            await using var host = new LockHost(settings.Caches[0], TimeProvider.System, await tiers.OpenAsync(settings.Caches[0], TestContext.Current.CancellationToken));
            host.Submit(new Operation { Kind = OperationKind.Set, Key = "k"u8, Hash = KeyHash.Of("k"u8), Value = new byte[1000] }, new NoSink(), 0);
            using var stop = new CleanStop("levee", TimeSpan.FromMinutes(5), TextWriter.Null, TimeProvider.System);
            await tiers.StopAsync([await host.TakeDownAsync(null, stop.Deadline)], stop);
        }

        lock (said)
        {
            return string.Join('\n', said);
        }
    }

    private sealed class NoSink : IAnswerSink
    {
        public void Answer(long ticket, in Answer answer)
        {
        }
    }

    private sealed class ListLogs(List<string> said) : ILoggerProvider, ILogger
    {
        public ILogger CreateLogger(string categoryName) => this;

        public IDisposable? BeginScope<TState>(TState state)
            where TState : notnull => null;

        public bool IsEnabled(LogLevel logLevel) => logLevel >= LogLevel.Warning;

        public void Log<TState>(LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter)
        {
            lock (said)
            {
                said.Add(formatter(state, exception));
            }
        }

        public void Dispose()
        {
        }
    }
}
