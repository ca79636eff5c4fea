using System.Net;
using System.Net.Http.Headers;
using System.Text;
using System.Text.Json;
using Levee.Server.Http;
using Microsoft.AspNetCore.Http;
using Xunit;

namespace Levee.Server.Tests.Http;

/// <summary>What a web page of another origin can have a browser send reaches no entry.</summary>
public sealed class WebGuardTests
{
    private const string Entry = "/caches/default/keys/precious";

    [Theory]
    [InlineData("127.0.0.1", "", "localhost:7380", true)]
    [InlineData("127.0.0.1", "", "LOCALHOST", true)]
    [InlineData("127.0.0.1", "", "127.0.0.1:7380", true)]
    [InlineData("127.0.0.1", "", "[::1]:7380", true)]
    [InlineData("127.0.0.1", "", "", true)]
    [InlineData("127.0.0.1", "", "evil.example:7380", false)]
    [InlineData("127.0.0.1", "", "localhost.evil.example", false)]
    [InlineData("127.0.0.1", "", "127.0.0.1.evil.example", false)]
    [InlineData("127.0.0.1", "", "10.0.0.4", false)]
    [InlineData("127.0.0.1", "cache.example,other", "Cache.Example:7380", true)]
    [InlineData("127.0.0.1", "cache.example", "cache.example.evil.example", false)]
    [InlineData("0.0.0.0", "", "10.0.0.4:7380", true)]
    [InlineData("10.0.0.4", "", "[2001:db8::1]:7380", true)]
    [InlineData("0.0.0.0", "", "evil.example", false)]
    [InlineData("0.0.0.0", "*", "evil.example", true)]
    public void A_request_is_served_for_localhost_addresses_and_configured_names(string bound, string names, string host, bool isServed) =>
        Assert.Equal(isServed, new WebGuard(IPAddress.Parse(bound), names.Split(',', StringSplitOptions.RemoveEmptyEntries)).Serves(new HostString(host)));

    [Theory]
    [InlineData(null, null, false)]
    [InlineData("http://localhost:7380", null, false)]
    [InlineData("https://localhost:7380", "same-origin", false)]
    [InlineData(null, "none", false)]
    [InlineData("http://localhost:3000", null, true)]
    [InlineData("http://localhost", null, true)]
    [InlineData("http://evil.example", null, true)]
    [InlineData("null", null, true)]
    [InlineData("nonsense", null, true)]
    [InlineData(null, "cross-site", true)]
    [InlineData(null, "same-site", true)]
    [InlineData("http://localhost:7380", "cross-site", true)]
    public void A_browser_says_for_whom_it_asks(string? origin, string? site, bool isForeign)
    {
        IHeaderDictionary headers = new HeaderDictionary();
        if (origin is not null)
        {
            headers.Origin = origin;
        }

        if (site is not null)
        {
            headers["Sec-Fetch-Site"] = site;
        }

        Assert.Equal(isForeign, WebGuard.IsForeign(headers, new HostString("localhost:7380")));
    }

    [Theory]
    [InlineData("GET")]
    [InlineData("PUT")]
    [InlineData("DELETE")]
    public async Task A_request_for_another_name_reaches_nothing(string method)
    {
        await using var server = await StartAsync();
        var request = new HttpRequestMessage(new HttpMethod(method), Entry);
        request.Headers.Host = "evil.example";
        using var answer = await server.SendAsync(request);
        Assert.Equal(HttpStatusCode.MisdirectedRequest, answer.StatusCode);
        Assert.Contains("unknown-host", await answer.TextAsync(), StringComparison.Ordinal);
        Assert.Equal("1", await server.GetTextAsync(Entry));
    }

    [Fact]
    public async Task Nothing_that_changes_something_is_done_for_a_page_of_another_origin()
    {
        await using var server = await StartAsync();
        var tried = 0;
        foreach (var (method, path) in await RoutesAsync(server))
        {
            if (method is "GET" or "HEAD")
            {
                continue;
            }

            tried++;
            foreach (var (name, value) in new[] { ("Origin", "http://evil.example"), ("Origin", "null"), ("Sec-Fetch-Site", "cross-site"), ("Sec-Fetch-Site", "same-site") })
            {
                using var answer = await server.SendAsync(new HttpMethod(method), Concrete(path), Json("""{"keys":["precious"],"entries":[{"key":"precious","value":"eA=="}]}"""), (name, value));
                Assert.Equal((method, path, HttpStatusCode.Forbidden), (method, path, answer.StatusCode));
            }
        }

        Assert.True(tried >= 8, $"only {tried} routes change something");
        Assert.Equal("1", await server.GetTextAsync(Entry));
    }

    [Fact]
    public async Task No_POST_takes_what_a_form_can_send()
    {
        await using var server = await StartAsync();
        var posts = (await RoutesAsync(server)).Where(static route => route.Method == "POST").ToList();
        Assert.True(posts.Count >= 4, "there should be POST routes");
        foreach (var (_, path) in posts)
        {
            foreach (var type in new[] { "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "text/plain", "text/plain; charset=\"application/json\"", null })
            {
                var body = new ByteArrayContent(Encoding.UTF8.GetBytes("""{"keys":["precious"],"entries":[{"key":"precious","value":"eA=="}]}"""));
                body.Headers.ContentType = type is null ? null : MediaTypeHeaderValue.Parse(type);
                using var answer = await server.PostRawAsync(Concrete(path), body);
                Assert.Equal((path, type, HttpStatusCode.UnsupportedMediaType), (path, type, answer.StatusCode));
            }
        }

        Assert.Equal("1", await server.GetTextAsync(Entry));
    }

    [Theory]
    [InlineData("application/x-www-form-urlencoded")]
    [InlineData("text/plain")]
    [InlineData(null)]
    public async Task A_PUT_takes_any_content_type_as_curl_sends_it(string? type)
    {
        await using var server = await StartAsync();
        var body = new ByteArrayContent("photo"u8.ToArray());
        body.Headers.ContentType = type is null ? null : MediaTypeHeaderValue.Parse(type);
        using var answer = await server.SendAsync(HttpMethod.Put, "/caches/default/keys/photo", body);
        Assert.Equal(HttpStatusCode.NoContent, answer.StatusCode);
        Assert.Equal("photo", await server.GetTextAsync("/caches/default/keys/photo"));
    }

    [Fact]
    public async Task A_page_of_the_server_itself_may_change_entries()
    {
        await using var server = await StartAsync();
        var origin = server.Client.BaseAddress!.GetLeftPart(UriPartial.Authority);
        using var answer = await server.SendAsync(HttpMethod.Delete, Entry, headers: [("Origin", origin), ("Sec-Fetch-Site", "same-origin")]);
        Assert.Equal(HttpStatusCode.NoContent, answer.StatusCode);
    }

    [Fact]
    public async Task A_query_parameter_that_a_route_does_not_take_is_refused_with_those_that_it_takes()
    {
        await using var server = await StartAsync();
        var tried = 0;
        foreach (var (method, path) in (await RoutesAsync(server)).Where(static route => route.Path.StartsWith("/caches", StringComparison.Ordinal)))
        {
            tried++;
            using var answer = await server.SendAsync(new HttpMethod(method), Concrete(path) + "?tll=5s", method is "GET" or "HEAD" or "DELETE" ? null : Json("{}"));
            Assert.Equal((method, path, HttpStatusCode.BadRequest), (method, path, answer.StatusCode));
        }

        Assert.True(tried >= 15, $"only {tried} routes were tried");
        using var put = await server.PutAsync("/caches/default/keys/new?ttl=5s&tll=5s", "x"u8.ToArray());
        Assert.Contains("'tll' is no query parameter of this request; allowed: ttl, sliding.", await put.TextAsync(), StringComparison.Ordinal);
        using var stored = await server.GetAsync("/caches/default/keys/new");
        Assert.Equal(HttpStatusCode.NotFound, stored.StatusCode);
    }

    [Theory]
    [InlineData("/metrics?format=prometheus")]
    [InlineData("/health/live?probe=1")]
    public async Task Probes_may_add_what_they_like(string path)
    {
        await using var server = await StartAsync();
        using var answer = await server.GetAsync(path);
        Assert.Equal(HttpStatusCode.OK, answer.StatusCode);
    }

    private static async Task<HttpServer> StartAsync()
    {
        var server = await HttpServer.StartAsync();
        using var put = await server.PutAsync(Entry, "1"u8.ToArray());
        Assert.Equal(HttpStatusCode.NoContent, put.StatusCode);
        return server;
    }

    private static StringContent Json(string text) => new(text, MediaTypeHeaderValue.Parse("application/json"));

    private static string Concrete(string path) =>
        path.Replace("{cache}", "default", StringComparison.Ordinal).Replace("{key}", "precious", StringComparison.Ordinal).Replace("{tag}", "t", StringComparison.Ordinal);

    private static async Task<List<(string Method, string Path)>> RoutesAsync(HttpServer server)
    {
        using var document = JsonDocument.Parse(await server.GetTextAsync("/openapi/v1.json"));
        return [.. from path in document.RootElement.GetProperty("paths").EnumerateObject() from method in path.Value.EnumerateObject() select (method.Name.ToUpperInvariant(), path.Name)];
    }
}
