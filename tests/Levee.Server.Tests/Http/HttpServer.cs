using System.Net;
using System.Net.Http.Headers;
using System.Text.Json;
using Levee.Hosting;
using Levee.Operations;
using Levee.Partitions;
using Levee.Server.Http;
using Levee.Server.Resp;
using Microsoft.AspNetCore.Builder;
using Microsoft.Extensions.Logging.Abstractions;
using Xunit;

namespace Levee.Server.Tests.Http;

/// <summary>A real Kestrel on a free port in front of small caches, and a client for it.</summary>
internal sealed class HttpServer : IAsyncDisposable
{
    private readonly WebApplication app;
    private readonly LockHost[] hosts;

    private HttpServer(WebApplication app, LockHost[] hosts)
    {
        this.app = app;
        this.hosts = hosts;
        Client = new HttpClient { BaseAddress = new Uri($"http://{HttpApplication.EndPointOf(app)}"), Timeout = TimeSpan.FromSeconds(30) };
    }

    public HttpClient Client { get; }

    public IServiceProvider Services => app.Services;

    public LockHost Cache => hosts[0];

    /// <param name="wrap">Puts something in front of the default cache.</param>
    /// <param name="partitions">Partitions of the default cache.</param>
    /// <param name="credentials">Who may come in; null: everybody.</param>
    /// <param name="tiers">The lower tiers of the default cache.</param>
    public static async Task<HttpServer> StartAsync(Func<ICacheHost, ICacheHost>? wrap = null, int partitions = 2, Credentials? credentials = null, ITierChain? tiers = null, string policy = "arc")
    {
        LockHost[] hosts =
        [
            new(new CacheOptions { MemoryBytes = 48L << 20, Partitions = partitions, Policy = policy }, TimeProvider.System, tiers),
            new(new CacheOptions { Name = "sessions", MemoryBytes = 16L << 20 }, TimeProvider.System),
        ];
        var catalog = new CacheCatalog([wrap?.Invoke(hosts[0]) ?? hosts[0], hosts[1]]);
        var app = HttpApplication.Create(catalog, new ServerOptions { Http = new IPEndPoint(IPAddress.Loopback, 0), RespOptions = new RespOptions { Credentials = credentials ?? Credentials.None } }, TimeProvider.System, NullLoggerFactory.Instance);
        await app.StartAsync(TestContext.Current.CancellationToken);
        return new HttpServer(app, hosts);
    }

    public Task<HttpResponseMessage> PutAsync(string path, byte[] value, params (string Name, string Value)[] headers) =>
        SendAsync(HttpMethod.Put, path, new ByteArrayContent(value), headers);

    public async Task<HttpResponseMessage> SendAsync(HttpMethod method, string path, HttpContent? content = null, params (string Name, string Value)[] headers)
    {
        var request = new HttpRequestMessage(method, path) { Content = content };
        foreach (var (name, value) in headers)
        {
            if (name == "Content-Type")
            {
                content!.Headers.ContentType = MediaTypeHeaderValue.Parse(value);
            }
            else
            {
                request.Headers.TryAddWithoutValidation(name, value);
            }
        }

        return await SendAsync(request);
    }

    public Task<HttpResponseMessage> SendAsync(HttpRequestMessage request) => Client.SendAsync(request, TestContext.Current.CancellationToken);

    public Task<HttpResponseMessage> GetAsync(string path) => Client.GetAsync(path, TestContext.Current.CancellationToken);

    public Task<byte[]> GetBytesAsync(string path) => Client.GetByteArrayAsync(path, TestContext.Current.CancellationToken);

    public Task<string> GetTextAsync(string path) => Client.GetStringAsync(path, TestContext.Current.CancellationToken);

    public Task<HttpResponseMessage> DeleteAsync(string path) => Client.DeleteAsync(path, TestContext.Current.CancellationToken);

    public Task<HttpResponseMessage> PostRawAsync(string path, HttpContent content) => Client.PostAsync(path, content, TestContext.Current.CancellationToken);

    public async Task<JsonElement> PostAsync(string path, string json)
    {
        using var response = await PostRawAsync(path, new StringContent(json, MediaTypeHeaderValue.Parse("application/json")));
        Assert.Equal(HttpStatusCode.OK, response.StatusCode);
        return JsonDocument.Parse(await response.TextAsync()).RootElement;
    }

    public async Task<JsonElement> GetJsonAsync(string path) => JsonDocument.Parse(await GetTextAsync(path)).RootElement;

    public async ValueTask DisposeAsync()
    {
        Client.Dispose();
        await app.DisposeAsync();
        foreach (var host in hosts)
        {
            host.CheckInvariants();
            await host.DisposeAsync();
        }
    }
}

internal static class HttpResponses
{
    public static Task<string> TextAsync(this HttpResponseMessage response) => response.Content.ReadAsStringAsync(TestContext.Current.CancellationToken);

    public static Task<byte[]> BytesAsync(this HttpResponseMessage response) => response.Content.ReadAsByteArrayAsync(TestContext.Current.CancellationToken);
}
