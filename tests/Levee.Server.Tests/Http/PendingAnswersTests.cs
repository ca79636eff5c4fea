using System.Diagnostics;
using System.Net;
using Xunit;

namespace Levee.Server.Tests.Http;

public sealed class PendingAnswersTests : IAsyncLifetime
{
    private HttpServer server = null!;
    private HeldCache cache = null!;

    public async ValueTask InitializeAsync() => server = await HttpServer.StartAsync(inner => cache = new HeldCache(inner));

    public ValueTask DisposeAsync() => server.DisposeAsync();

    [Fact]
    public async Task An_answer_may_come_later_from_another_thread()
    {
        await server.PutAsync("/caches/default/keys/small", [1, 2]);
        await server.PutAsync("/caches/default/keys/large", new byte[100_000]);
        cache.Holds = true;
        var small = server.GetBytesAsync("/caches/default/keys/small");
        var large = server.GetBytesAsync("/caches/default/keys/large");
        var many = server.PostAsync("/caches/default/get-many", """{"keys":["small","absent","large"]}""");
        var put = server.PutAsync("/caches/default/keys/new", new byte[50_000]);
        await cache.ArrivedAsync(6);
        Assert.False(small.IsCompleted || large.IsCompleted || many.IsCompleted || put.IsCompleted);
        Assert.Equal("Healthy", await server.GetTextAsync("/health/live"));

        await cache.ReleaseAsync();

        Assert.Equal([1, 2], await small);
        Assert.Equal(100_000, (await large).Length);
        Assert.Equal(3, (await many).GetProperty("entries").GetArrayLength());
        Assert.Equal(HttpStatusCode.NoContent, (await put).StatusCode);
        cache.Holds = false;
        Assert.Equal(50_000, (await server.GetBytesAsync("/caches/default/keys/new")).Length);
    }

    [Fact]
    public async Task A_client_that_leaves_breaks_nothing()
    {
        var before = server.Cache.HeldBytes;
        await server.PutAsync("/caches/default/keys/large", new byte[1 << 20]);
        cache.Holds = true;
        using var leaving = new CancellationTokenSource();
        var get = server.Client.GetAsync("/caches/default/keys/large", leaving.Token);
        var put = server.Client.PutAsync("/caches/default/keys/other", new ByteArrayContent(new byte[1_000_000]), leaving.Token);
        await cache.ArrivedAsync(2);
        await leaving.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => get);
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => put);
        cache.Holds = false;
        await AbandonedAsync("get");
        await AbandonedAsync("set");

        await cache.ReleaseAsync();

        Assert.Equal(1_000_000, (await server.GetBytesAsync("/caches/default/keys/other")).Length);
        await server.DeleteAsync("/caches/default/keys/other");
        await server.DeleteAsync("/caches/default/keys/large");
        Assert.Equal(0, (await server.GetJsonAsync("/caches/default")).GetProperty("memory").GetProperty("largeBytes").GetInt64());
        Assert.InRange(server.Cache.HeldBytes - before, 0, 512 * 1024);
    }

    /// <summary>Waits until the server has noticed that a client left.</summary>
    private async Task AbandonedAsync(string operation)
    {
        var deadline = Stopwatch.StartNew();
        while (!(await server.GetTextAsync("/metrics")).Contains($"operation=\"{operation}\",outcome=\"abandoned\"}} 1", StringComparison.Ordinal))
        {
            Assert.True(deadline.Elapsed < TimeSpan.FromSeconds(20), $"the abandoned {operation} was not counted");
        }
    }
}
