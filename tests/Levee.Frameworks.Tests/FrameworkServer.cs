using System.Collections.Concurrent;
using System.Net;
using Levee.Hosting;
using Levee.Server;
using Microsoft.Extensions.Logging;
using StackExchange.Redis;
using Xunit;

namespace Levee.Frameworks.Tests;

/// <summary>A Levee server in this process, on free ports, as libraries meet it: over sockets. It keeps what it logs.</summary>
internal sealed class FrameworkServer : IAsyncDisposable, ILoggerFactory, ILogger
{
    private readonly LockHost cache;
    private readonly LeveeServer server;

    private FrameworkServer()
    {
        cache = new LockHost(new CacheOptions { MemoryBytes = 64L << 20 }, TimeProvider.System);
        var anyPort = new IPEndPoint(IPAddress.Loopback, 0);
        var options = new ServerOptions { Resp = anyPort, Http = anyPort, MemoryBytes = 64L << 20, IoThreads = 1 };
        server = new LeveeServer(new CacheCatalog([cache]), options, cache.Clock, TimeProvider.System, this);
    }

    /// <summary>Warnings and errors that the server has logged.</summary>
    public ConcurrentQueue<string> Warnings { get; } = new();

    public string EndPoint => server.RespEndPoint.ToString();

    public int Port => server.RespEndPoint.Port;

    /// <summary>How a user connects: with what the library does by default.</summary>
    public string Configuration => $"{EndPoint},allowAdmin=true";

    public static async Task<FrameworkServer> StartAsync()
    {
        var started = new FrameworkServer();
        await started.server.StartAsync(TestContext.Current.CancellationToken);
        return started;
    }

    public Task<ConnectionMultiplexer> ConnectAsync() => ConnectionMultiplexer.ConnectAsync(Configuration);

    public async ValueTask DisposeAsync()
    {
        await server.StopAsync(CancellationToken.None);
        await server.DisposeAsync();
        await cache.DisposeAsync();
    }

    public ILogger CreateLogger(string categoryName) => this;

    public void AddProvider(ILoggerProvider provider)
    {
    }

    public IDisposable? BeginScope<TState>(TState state)
        where TState : notnull => null;

    public bool IsEnabled(LogLevel logLevel) => logLevel >= LogLevel.Warning;

    public void Log<TState>(
        LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter)
    {
        if (IsEnabled(logLevel))
        {
            Warnings.Enqueue(formatter(state, exception));
        }
    }

    void IDisposable.Dispose()
    {
    }
}

internal static class Refusals
{
    /// <summary>Longer than any call here takes; shorter than what users would call a hang.</summary>
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(20);

    /// <summary>Has a call fail at once, with a message that names what to use instead.</summary>
    public static async Task<string> RefusedAsync(this Task call, string alternative)
    {
        var failure = await Assert.ThrowsAnyAsync<Exception>(() => call.WaitAsync(Patience, TestContext.Current.CancellationToken));
        Assert.IsNotType<TimeoutException>(failure);
        for (var inner = failure; inner is not null; inner = inner.InnerException)
        {
            if (inner.Message.Contains(alternative, StringComparison.Ordinal))
            {
                return inner.Message;
            }
        }

        Assert.Fail($"'{alternative}' is not in: {failure}");
        return "";
    }

    /// <summary>Has a call end well, and not hang.</summary>
    public static Task<T> WorksAsync<T>(this Task<T> call) => call.WaitAsync(Patience, TestContext.Current.CancellationToken);

    /// <summary>Has a call end well, and not hang.</summary>
    public static Task WorksAsync(this Task call) => call.WaitAsync(Patience, TestContext.Current.CancellationToken);
}
