using Hangfire;
using Hangfire.Redis.StackExchange;
using Microsoft.AspNetCore.SignalR;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Orleans.Configuration;
using Orleans.Hosting;
using Orleans.Runtime;
using RedisRateLimiting;
using StackExchange.Redis;
using Xunit;

namespace Levee.Frameworks.Tests;

/// <summary>Frameworks that use Redis as more than a cache.</summary>
public sealed class OtherFrameworksTests : IAsyncLifetime
{
    private FrameworkServer server = null!;

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    public async ValueTask InitializeAsync() => server = await FrameworkServer.StartAsync();

    public ValueTask DisposeAsync() => server.DisposeAsync();

    [Fact]
    public async Task Orleans_membership_is_refused_at_the_first_row()
    {
        using var host = Host.CreateDefaultBuilder().UseOrleans(silo => silo.UseRedisClustering(server.Configuration)).Build();
        var table = host.Services.GetRequiredService<IMembershipTable>();
        await table.InitializeMembershipTableAsync(tryInitTableVersion: true, Cancellation).WorksAsync();
        var entry = new MembershipEntry { SiloAddress = SiloAddress.Zero, HostName = "host", SiloName = "silo", Status = SiloStatus.Joining };
        await table.InsertRowAsync(entry, new TableVersion(1, "0"), Cancellation).RefusedAsync("Levee runs no scripts");
        Assert.Empty((await table.ReadAllAsync(Cancellation).WorksAsync()).Members);
    }

    [Fact]
    public async Task Signalr_backplane_is_refused()
    {
        var services = new ServiceCollection();
        services.AddLogging();
        services.AddSignalR().AddStackExchangeRedis(server.Configuration);
        await using var provider = services.BuildServiceProvider();
        var hub = provider.GetRequiredService<IHubContext<Hub>>();
        await hub.Clients.All.SendAsync("message", Cancellation).RefusedAsync("Levee has no pub/sub");
    }

    [Fact]
    public async Task Hangfire_is_refused()
    {
        await using var connection = await server.ConnectAsync();
        var storage = new RedisStorage(connection);
        var client = new BackgroundJobClient(storage);
        await Task.Run(() => client.Enqueue(() => Console.WriteLine()), Cancellation).RefusedAsync("not supported");
    }

    [Fact]
    public async Task Rate_limiting_is_refused()
    {
        await using var connection = await server.ConnectAsync();
        var options = new RedisFixedWindowRateLimiterOptions
        {
            ConnectionMultiplexerFactory = () => connection, PermitLimit = 1, Window = TimeSpan.FromMinutes(1),
        };
        await using var limiter = new RedisFixedWindowRateLimiter<string>("partition", options);
        await limiter.AcquireAsync(1, Cancellation).AsTask().RefusedAsync("Levee runs no scripts");
    }
}
