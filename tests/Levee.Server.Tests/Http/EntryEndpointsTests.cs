using System.Net;
using System.Text;
using Xunit;

namespace Levee.Server.Tests.Http;

public sealed class EntryEndpointsTests : IAsyncLifetime
{
    private HttpServer server = null!;

    public async ValueTask InitializeAsync() => server = await HttpServer.StartAsync();

    public ValueTask DisposeAsync() => server.DisposeAsync();

    [Fact]
    public async Task A_value_comes_back_with_its_metadata()
    {
        var put = await server.PutAsync("/caches/default/keys/photo?ttl=60s", [1, 2, 3], ("Content-Type", "image/jpeg"), ("Levee-Tags", "a,b"), ("Levee-Tags", "caf%C3%A9"), ("Levee-Flags", "7"));
        Assert.Equal(HttpStatusCode.NoContent, put.StatusCode);

        var got = await server.GetAsync("/caches/default/keys/photo");

        Assert.Equal(HttpStatusCode.OK, got.StatusCode);
        Assert.Equal([1, 2, 3], await got.BytesAsync());
        Assert.Equal("image/jpeg", got.Content.Headers.ContentType!.ToString());
        Assert.Equal(put.Headers.ETag, got.Headers.ETag);
        Assert.Equal(got.Headers.ETag!.Tag, $"\"{got.Headers.GetValues("Levee-Version").Single()}\"");
        Assert.Equal("a,b,caf%C3%A9", got.Headers.GetValues("Levee-Tags").Single());
        Assert.Equal("7", got.Headers.GetValues("Levee-Flags").Single());
        var left = got.Headers.CacheControl!.MaxAge!.Value - got.Headers.Age!.Value;
        Assert.InRange(left.TotalSeconds, 30, 60);
    }

    [Fact]
    public async Task Without_metadata_a_value_is_octets_that_do_not_expire()
    {
        await server.PutAsync("/caches/default/keys/plain", "x"u8.ToArray(), ("Content-Type", "application/x-www-form-urlencoded"));
        var got = await server.GetAsync("/caches/default/keys/plain");
        Assert.Equal("application/octet-stream", got.Content.Headers.ContentType!.ToString());
        Assert.Null(got.Headers.CacheControl);
        Assert.Equal("0", got.Headers.GetValues("Age").Single()[..1]);
    }

    [Fact]
    public async Task Max_age_is_a_ttl_and_ttl_goes_before_it()
    {
        await server.PutAsync("/caches/default/keys/a", [1], ("Cache-Control", "max-age=600"));
        await server.PutAsync("/caches/default/keys/b?ttl=2h", [1], ("Cache-Control", "max-age=600"));
        await server.PutAsync("/caches/default/keys/c?sliding=5m", [1]);
        Assert.InRange((await server.GetAsync("/caches/default/keys/a")).Headers.CacheControl!.MaxAge!.Value.TotalSeconds, 590, 600);
        Assert.InRange((await server.GetAsync("/caches/default/keys/b")).Headers.CacheControl!.MaxAge!.Value.TotalSeconds, 7190, 7200);
        Assert.InRange((await server.GetAsync("/caches/default/keys/c")).Headers.CacheControl!.MaxAge!.Value.TotalSeconds, 290, 300);
    }

    [Fact]
    public async Task Head_tells_the_length_and_does_not_count_as_a_use()
    {
        await server.PutAsync("/caches/default/keys/k", new byte[100]);
        var head = await server.SendAsync(HttpMethod.Head, "/caches/default/keys/k");
        Assert.Equal(HttpStatusCode.OK, head.StatusCode);
        Assert.Equal(100, head.Content.Headers.ContentLength);
        Assert.Equal(HttpStatusCode.NotFound, (await server.SendAsync(HttpMethod.Head, "/caches/default/keys/absent")).StatusCode);
        Assert.Equal(0, (await server.GetJsonAsync("/caches/default")).GetProperty("hits").GetInt64());
    }

    [Fact]
    public async Task Delete_says_whether_there_was_an_entry()
    {
        await server.PutAsync("/caches/default/keys/k", [1]);
        Assert.Equal(HttpStatusCode.NoContent, (await server.DeleteAsync("/caches/default/keys/k")).StatusCode);
        Assert.Equal(HttpStatusCode.NotFound, (await server.DeleteAsync("/caches/default/keys/k")).StatusCode);
        Assert.Equal(HttpStatusCode.NotFound, (await server.GetAsync("/caches/default/keys/k")).StatusCode);
    }

    [Fact]
    public async Task Patch_changes_the_ttl_and_nothing_else()
    {
        var put = await server.PutAsync("/caches/default/keys/k", [1, 2]);
        var patch = await server.SendAsync(HttpMethod.Patch, "/caches/default/keys/k?ttl=1h");
        Assert.Equal(HttpStatusCode.NoContent, patch.StatusCode);
        var got = await server.GetAsync("/caches/default/keys/k");
        Assert.InRange(got.Headers.CacheControl!.MaxAge!.Value.TotalSeconds, 3590, 3600);
        Assert.Equal(put.Headers.ETag, got.Headers.ETag);
        await server.SendAsync(HttpMethod.Patch, "/caches/default/keys/k?ttl=none");
        Assert.Null((await server.GetAsync("/caches/default/keys/k")).Headers.CacheControl);
        Assert.Equal(HttpStatusCode.NotFound, (await server.SendAsync(HttpMethod.Patch, "/caches/default/keys/absent?ttl=1h")).StatusCode);
    }

    [Theory]
    [InlineData("with/slashes/in/it", "with/slashes/in/it")]
    [InlineData("a%2Fb", "a/b")]
    [InlineData("a%252Fb", "a%2Fb")]
    [InlineData("%C3%BC%E2%82%AC%F0%9F%90%98", "ü€🐘")]
    [InlineData("plus+and%20space", "plus+and space")]
    [InlineData("trailing/", "trailing/")]
    [InlineData("double//slash", "double//slash")]
    [InlineData("q%3Fm%23h", "q?m#h")]
    [InlineData("dots...in.name", "dots...in.name")]
    public async Task A_key_is_what_the_path_encodes(string encoded, string key)
    {
        var value = Encoding.UTF8.GetBytes(encoded);
        var put = await server.PutAsync($"/caches/default/keys/{encoded}", value);
        Assert.Equal(HttpStatusCode.NoContent, put.StatusCode);
        Assert.Equal(value, await server.GetBytesAsync($"/caches/default/keys/{encoded}"));
        var keys = (await server.GetJsonAsync("/caches/default/keys?count=1000")).GetProperty("keys");
        Assert.Equal([key], keys.EnumerateArray().Select(k => k.GetString()!));
    }

    [Fact]
    public async Task A_key_need_not_be_text()
    {
        await server.PutAsync("/caches/default/keys/%FF%FE", [1]);
        var page = await server.GetJsonAsync("/caches/default/keys");
        Assert.Equal("//4=", page.GetProperty("binaryKeys")[0].GetString());
        var many = await server.PostAsync("/caches/default/get-many", """{"keys":["absent"],"binaryKeys":["//4="]}""");
        Assert.Equal("miss", many.GetProperty("entries")[0].GetProperty("outcome").GetString());
        Assert.Equal("AQ==", many.GetProperty("entries")[1].GetProperty("value").GetString());
    }

    [Theory]
    [InlineData(0)]
    [InlineData(8 * 1024)]
    [InlineData((8 * 1024) + 1)]
    [InlineData(72 * 1024)]
    [InlineData((72 * 1024) + 1)]
    [InlineData(1024 * 1024)]
    public async Task Values_of_all_sizes_come_back_whole_however_they_were_sent(int length)
    {
        var value = new byte[length];
        new Random(length).NextBytes(value);
        Assert.Equal(HttpStatusCode.NoContent, (await server.PutAsync("/caches/default/keys/known", value)).StatusCode);
        var chunked = new StreamContent(new UnknownLengthStream(value));
        Assert.Equal(HttpStatusCode.NoContent, (await server.SendAsync(HttpMethod.Put, "/caches/default/keys/chunked", chunked)).StatusCode);
        Assert.Equal(value, await server.GetBytesAsync("/caches/default/keys/known"));
        Assert.Equal(value, await server.GetBytesAsync("/caches/default/keys/chunked"));
        var many = await server.PostAsync("/caches/default/get-many", """{"keys":["known","chunked"]}""");
        Assert.All(many.GetProperty("entries").EnumerateArray(), entry => Assert.Equal(value, entry.GetProperty("value").GetBytesFromBase64()));
    }

    [Fact]
    public async Task Large_values_leave_no_memory_behind()
    {
        var before = server.Cache.HeldBytes;
        for (var round = 0; round < 100; round++)
        {
            var put = await server.PutAsync("/caches/default/keys/big", new byte[1 << 20]);
            Assert.Equal(HttpStatusCode.NoContent, put.StatusCode);
            Assert.Equal(1 << 20, (await server.GetBytesAsync("/caches/default/keys/big")).Length);
        }

        Assert.Equal(HttpStatusCode.PreconditionFailed, (await server.PutAsync("/caches/default/keys/big", new byte[1 << 20], ("If-None-Match", "*"))).StatusCode);
        await server.DeleteAsync("/caches/default/keys/big");
        Assert.Equal(0, (await server.GetJsonAsync("/caches/default")).GetProperty("memory").GetProperty("largeBytes").GetInt64());
        Assert.InRange(server.Cache.HeldBytes - before, 0, 512 * 1024);
    }

    [Fact]
    public async Task Put_if_none_match_any_writes_once()
    {
        Assert.Equal(HttpStatusCode.Created, (await server.PutAsync("/caches/default/keys/k", [1], ("If-None-Match", "*"))).StatusCode);
        Assert.Equal(HttpStatusCode.PreconditionFailed, (await server.PutAsync("/caches/default/keys/k", [2], ("If-None-Match", "*"))).StatusCode);
        Assert.Equal([1], await server.GetBytesAsync("/caches/default/keys/k"));
    }

    [Fact]
    public async Task Conditions_are_on_the_etag()
    {
        Assert.Equal(HttpStatusCode.PreconditionFailed, (await server.PutAsync("/caches/default/keys/k", [0], ("If-Match", "*"))).StatusCode);
        var first = (await server.PutAsync("/caches/default/keys/k", [1])).Headers.ETag!.Tag;
        var second = (await server.PutAsync("/caches/default/keys/k", [2], ("If-Match", first))).Headers.ETag!.Tag;
        Assert.NotEqual(first, second);
        Assert.Equal(HttpStatusCode.PreconditionFailed, (await server.PutAsync("/caches/default/keys/k", [3], ("If-Match", first))).StatusCode);
        Assert.Equal(HttpStatusCode.PreconditionFailed, (await server.PutAsync("/caches/default/keys/k", [3], ("If-Match", $"W/{second}"))).StatusCode);
        Assert.Equal(HttpStatusCode.PreconditionFailed, (await server.PutAsync("/caches/default/keys/k", [3], ("If-None-Match", $"{first}, {second}"))).StatusCode);
        Assert.Equal(HttpStatusCode.NoContent, (await server.PutAsync("/caches/default/keys/k", [3], ("If-Match", $"{first}, {second}"))).StatusCode);
        Assert.Equal(HttpStatusCode.NoContent, (await server.PutAsync("/caches/default/keys/k", [4], ("If-None-Match", $"{first}, {second}"))).StatusCode);
        Assert.Equal([4], await server.GetBytesAsync("/caches/default/keys/k"));
    }

    [Fact]
    public async Task Delete_takes_conditions_too()
    {
        Assert.Equal(HttpStatusCode.PreconditionFailed, (await server.SendAsync(HttpMethod.Delete, "/caches/default/keys/k", null, ("If-Match", "*"))).StatusCode);
        var tag = (await server.PutAsync("/caches/default/keys/k", [1])).Headers.ETag!.Tag;
        Assert.Equal(HttpStatusCode.PreconditionFailed, (await server.SendAsync(HttpMethod.Delete, "/caches/default/keys/k", null, ("If-Match", "\"0000000000000001\""))).StatusCode);
        Assert.Equal(HttpStatusCode.PreconditionFailed, (await server.SendAsync(HttpMethod.Delete, "/caches/default/keys/k", null, ("If-None-Match", tag))).StatusCode);
        Assert.Equal(HttpStatusCode.NoContent, (await server.SendAsync(HttpMethod.Delete, "/caches/default/keys/k", null, ("If-Match", tag))).StatusCode);
        Assert.Equal(HttpStatusCode.NotFound, (await server.SendAsync(HttpMethod.Delete, "/caches/default/keys/k", null, ("If-None-Match", tag))).StatusCode);
    }

    [Fact]
    public async Task Get_with_the_present_etag_is_not_modified()
    {
        var tag = (await server.PutAsync("/caches/default/keys/k?ttl=60s", [1])).Headers.ETag!.Tag;
        var same = await server.SendAsync(HttpMethod.Get, "/caches/default/keys/k", null, ("If-None-Match", $"W/{tag}"));
        Assert.Equal(HttpStatusCode.NotModified, same.StatusCode);
        Assert.Equal(tag, same.Headers.ETag!.Tag);
        Assert.NotNull(same.Headers.CacheControl);
        Assert.Empty(await same.BytesAsync());
        Assert.Equal(HttpStatusCode.OK, (await server.SendAsync(HttpMethod.Get, "/caches/default/keys/k", null, ("If-None-Match", "\"other\""))).StatusCode);
        Assert.Equal(HttpStatusCode.PreconditionFailed, (await server.SendAsync(HttpMethod.Get, "/caches/default/keys/k", null, ("If-Match", "\"other\""))).StatusCode);
    }

    [Fact]
    public async Task Concurrent_conditional_writers_lose_no_update()
    {
        await server.PutAsync("/caches/default/keys/counter", "0"u8.ToArray());
        await Task.WhenAll(Enumerable.Range(0, 8).Select(async _ =>
        {
            for (var done = 0; done < 25;)
            {
                var got = await server.GetAsync("/caches/default/keys/counter");
                var next = int.Parse(await got.TextAsync()) + 1;
                var put = await server.PutAsync("/caches/default/keys/counter", Encoding.ASCII.GetBytes($"{next}"), ("If-Match", got.Headers.ETag!.Tag));
                done += put.StatusCode == HttpStatusCode.NoContent ? 1 : 0;
            }
        }));
        Assert.Equal("200", await server.GetTextAsync("/caches/default/keys/counter"));
    }

    [Fact]
    public async Task Concurrent_clients_get_whole_values()
    {
        await Task.WhenAll(Enumerable.Range(0, 16).Select(async client =>
        {
            var random = new Random(client);
            for (var round = 0; round < 40; round++)
            {
                var key = $"/caches/default/keys/k{random.Next(8)}";
                var fill = (byte)random.Next(256);
                var value = new byte[random.Next(1, 60_000)];
                value.AsSpan().Fill(fill);
                Assert.Equal(HttpStatusCode.NoContent, (await server.PutAsync(key, value)).StatusCode);
                var got = await server.GetBytesAsync(key);
                Assert.True(got.AsSpan().IndexOfAnyExcept(got[0]) < 0, "a value is one writer's");
            }
        }));
    }

    private sealed class UnknownLengthStream(byte[] bytes) : MemoryStream(bytes)
    {
        public override bool CanSeek => false;
    }
}
