using System.Net;
using Levee.Hosting;
using Levee.Server;
using Levee.Testing;
using Microsoft.Extensions.Logging.Abstractions;
using Xunit;

namespace Levee.Cli.Tests.Client;

/// <summary>A server on free ports whose default cache lies above a fake tier, and the tool run against it.</summary>
internal sealed class ServerWithTiers : IAsyncDisposable
{
    private readonly LockHost cache;
    private readonly LockHost second;
    private readonly LeveeServer server;

    private ServerWithTiers(FakeTier tier)
    {
        cache = new LockHost(new CacheOptions { MemoryBytes = 32L << 20 }, TimeProvider.System, tier);
        second = new LockHost(new CacheOptions { Name = "second", MemoryBytes = CacheOptions.MinMemoryBytes }, TimeProvider.System);
        server = new LeveeServer(
            new CacheCatalog([new DeferringHost(cache) { Defers = false, Prefetching = Prefetching }, second]),
            new ServerOptions { Resp = new IPEndPoint(IPAddress.Loopback, 0), Http = new IPEndPoint(IPAddress.Loopback, 0), MemoryBytes = 48L << 20, IoThreads = 1 },
            cache.Clock,
            TimeProvider.System,
            NullLoggerFactory.Instance);
    }

    public FakePrefetching Prefetching { get; } = new();

    public int Port => server.RespEndPoint.Port;

    public static async Task<ServerWithTiers> StartAsync(FakeTier tier)
    {
        var rig = new ServerWithTiers(tier);
        await rig.server.StartAsync(TestContext.Current.CancellationToken);
        return rig;
    }

    /// <summary>What a command prints, or the error that it ends with.</summary>
    public async Task<string> RunAsync(params string[] arguments)
    {
        var output = new StringWriter();
        var error = new StringWriter();
        var code = await CommandRoot.InvokeAsync([.. arguments, "--port", $"{Port}"], output, error, TestContext.Current.CancellationToken);
        Assert.Equal(code == ExitCode.Ok, error.ToString().Length == 0);
        return (code == ExitCode.Ok ? output : error).ToString().ReplaceLineEndings("\n").TrimEnd();
    }

    public async ValueTask DisposeAsync()
    {
        await server.StopAsync(CancellationToken.None);
        await server.DisposeAsync();
        await cache.DisposeAsync();
        await second.DisposeAsync();
    }
}
