using System.Net;
using System.Text.Json;
using Xunit;

namespace Levee.Server.Tests.Http;

public sealed class CacheEndpointsTests : IAsyncLifetime
{
    private HttpServer server = null!;

    public async ValueTask InitializeAsync() => server = await HttpServer.StartAsync(partitions: 4);

    public ValueTask DisposeAsync() => server.DisposeAsync();

    [Fact]
    public async Task Statistics_show_the_policy_and_the_memory()
    {
        await server.PutAsync("/caches/default/keys/k", [1]);
        await server.GetAsync("/caches/default/keys/k");
        await server.GetAsync("/caches/default/keys/absent");
        var caches = (await server.GetJsonAsync("/caches")).GetProperty("caches");
        Assert.Equal(["default", "sessions"], caches.EnumerateArray().Select(cache => cache.GetProperty("name").GetString()!));
        var cache = await server.GetJsonAsync("/caches/default");
        Assert.Equal(1, cache.GetProperty("entries").GetInt64());
        Assert.Equal(0.5, cache.GetProperty("hitRatio").GetDouble());
        Assert.Equal(4, cache.GetProperty("partitions").GetInt32());
        Assert.True(cache.GetProperty("memory").GetProperty("heldBytes").GetInt64() > 0);
        Assert.Equal(["T1", "T2", "B1", "B2"], cache.GetProperty("policy").GetProperty("lists").EnumerateArray().Select(list => list.GetProperty("name").GetString()!));
    }

    [Fact]
    public async Task A_scan_lists_each_key_once_page_by_page()
    {
        var expected = new HashSet<string>();
        for (var i = 0; i < 5; i++)
        {
            var entries = Enumerable.Range(0, 500).Select(n => $$"""{"key":"{{(n % 5 == 0 ? "user:" : "item:")}}{{(i * 500) + n}}","text":"x"}""");
            var stored = await server.PostAsync("/caches/default/set-many", $$"""{"entries":[{{string.Join(',', entries)}}]}""");
            Assert.Equal(500, stored.GetProperty("stored").GetInt32());
            expected.UnionWith(Enumerable.Range(0, 500).Where(n => n % 5 == 0).Select(n => $"user:{(i * 500) + n}"));
        }

        var found = new List<string>();
        string? cursor = null;
        var pages = 0;
        do
        {
            var page = await server.GetJsonAsync($"/caches/default/keys?count=70&prefix=user:{(cursor is null ? "" : $"&cursor={cursor}")}");
            var keys = page.GetProperty("keys");
            Assert.InRange(keys.GetArrayLength(), 0, 70);
            found.AddRange(keys.EnumerateArray().Select(key => key.GetString()!));
            cursor = page.TryGetProperty("cursor", out var next) ? next.GetString() : null;
            pages++;
        }
        while (cursor is not null);

        Assert.Equal(500, found.Count);
        Assert.Equal(expected, [.. found]);
        Assert.InRange(pages, 500 / 70, 100);
    }

    [Fact]
    public async Task A_tag_takes_its_entries_along_and_no_others()
    {
        for (var i = 0; i < 40; i++)
        {
            await server.PutAsync($"/caches/default/keys/{i}", [1], ("Levee-Tags", i % 2 == 0 ? "even, a%2Cb" : "odd"));
        }

        Assert.Equal(HttpStatusCode.NoContent, (await server.DeleteAsync("/caches/default/tags/a%2Cb")).StatusCode);
        for (var i = 0; i < 40; i++)
        {
            Assert.Equal(i % 2 == 0 ? HttpStatusCode.NotFound : HttpStatusCode.OK, (await server.GetAsync($"/caches/default/keys/{i}")).StatusCode);
        }
    }

    [Fact]
    public async Task Clear_empties_the_cache_and_no_other()
    {
        await server.PutAsync("/caches/sessions/keys/s", [1]);
        for (var i = 0; i < 20; i++)
        {
            await server.PutAsync($"/caches/default/keys/{i}", [1]);
        }

        var cleared = await server.DeleteAsync("/caches/default/keys?all=true");
        Assert.Equal(20, JsonDocument.Parse(await cleared.TextAsync()).RootElement.GetProperty("removed").GetInt64());
        Assert.Equal(0, (await server.GetJsonAsync("/caches/default/keys")).GetProperty("keys").GetArrayLength());
        Assert.Equal([1], await server.GetBytesAsync("/caches/sessions/keys/s"));
    }

    [Fact]
    public async Task Many_entries_are_written_read_and_deleted()
    {
        var stored = await server.PostAsync("/caches/default/set-many",
            """{"entries":[{"key":"a","text":"hellö","ttl":"60s","tags":["x","y,z"],"flags":3},{"key":"b","value":"AQID","contentType":"image/png"},{"binaryKey":"//4=","value":""}]}""");
        Assert.Equal(3, stored.GetProperty("stored").GetInt32());
        var version = stored.GetProperty("entries")[0].GetProperty("version").GetString();

        var entries = (await server.PostAsync("/caches/default/get-many", """{"keys":["a","absent","b"],"binaryKeys":["//4="]}""")).GetProperty("entries");

        Assert.Equal(["hit", "miss", "hit", "hit"], entries.EnumerateArray().Select(entry => entry.GetProperty("outcome").GetString()!));
        Assert.Equal("hellö"u8.ToArray(), entries[0].GetProperty("value").GetBytesFromBase64());
        Assert.Equal("text/plain; charset=utf-8", entries[0].GetProperty("contentType").GetString());
        Assert.Equal(version, entries[0].GetProperty("version").GetString());
        Assert.Equal(3u, entries[0].GetProperty("flags").GetUInt32());
        Assert.InRange(entries[0].GetProperty("ttlMs").GetInt64(), 30_000, 60_000);
        Assert.Equal(["x", "y%2Cz"], entries[0].GetProperty("tags").EnumerateArray().Select(tag => tag.GetString()!));
        Assert.Equal("image/png", entries[2].GetProperty("contentType").GetString());
        Assert.False(entries[2].TryGetProperty("ttlMs", out _));
        Assert.Equal("", entries[3].GetProperty("value").GetString());
        var deleted = await server.PostAsync("/caches/default/delete-many", """{"keys":["a","absent"],"binaryKeys":["//4="]}""");
        Assert.Equal((2, 1), (deleted.GetProperty("removed").GetInt32(), deleted.GetProperty("absent").GetInt32()));
    }

    [Fact]
    public async Task The_document_names_every_route_with_a_summary()
    {
        var document = await server.GetJsonAsync("/openapi/v1.json");
        var routes = document.GetProperty("paths").EnumerateObject()
            .SelectMany(path => path.Value.EnumerateObject().Select(operation => (Name: $"{operation.Name} {path.Name}", Operation: operation.Value)))
            .ToDictionary(route => route.Name, route => route.Operation);
        string[] expected =
        [
            "get /caches", "get /caches/{cache}", "get /caches/{cache}/tiers", "get /caches/{cache}/explain", "get /caches/{cache}/keys", "delete /caches/{cache}/keys", "get /caches/{cache}/keys/{key}", "head /caches/{cache}/keys/{key}",
            "put /caches/{cache}/keys/{key}", "patch /caches/{cache}/keys/{key}", "delete /caches/{cache}/keys/{key}", "delete /caches/{cache}/tags/{tag}",
            "post /caches/{cache}/get-many", "post /caches/{cache}/set-many", "post /caches/{cache}/delete-many", "post /caches/{cache}/prefetch", "get /caches/{cache}/prefetch", "patch /caches/{cache}/prefetch", "get /metrics", "get /health", "get /health/live", "get /health/ready",
        ];
        Assert.Equal(expected.Order(), routes.Keys.Order());
        Assert.All(routes.Values, operation => Assert.NotEmpty(operation.GetProperty("summary").GetString()!));
        var put = routes["put /caches/{cache}/keys/{key}"];
        Assert.Equal(["cache", "key"], put.GetProperty("parameters").EnumerateArray().Where(p => p.GetProperty("in").GetString() == "path").Select(p => p.GetProperty("name").GetString()!));
        Assert.True(put.TryGetProperty("requestBody", out _));
        Assert.True(put.GetProperty("responses").TryGetProperty("412", out _));
    }

    [Fact]
    public async Task Health_follows_the_readiness_state()
    {
        var readiness = (ReadinessState)server.Services.GetService(typeof(ReadinessState))!;
        Assert.Equal("Healthy", await server.GetTextAsync("/health/live"));
        var notReady = await server.GetAsync("/health/ready");
        Assert.Equal(HttpStatusCode.ServiceUnavailable, notReady.StatusCode);
        Assert.Contains("starting", await notReady.TextAsync(), StringComparison.Ordinal);
        readiness.SetReady();
        Assert.Equal("Healthy", await server.GetTextAsync("/health/ready"));
        readiness.SetNotReady("stopping");
        Assert.Contains("stopping", await (await server.GetAsync("/health/ready")).TextAsync(), StringComparison.Ordinal);
    }
}
