using System.Net;
using System.Net.Sockets;
using System.Text;
using System.Text.Json;
using Levee.Keys;
using Levee.Operations;
using Xunit;

namespace Levee.Server.Tests.Http;

public sealed class ProblemsTests : IAsyncLifetime
{
    private HttpServer server = null!;

    public async ValueTask InitializeAsync() => server = await HttpServer.StartAsync();

    public ValueTask DisposeAsync() => server.DisposeAsync();

    [Theory]
    [InlineData("GET", "/caches/nope/keys/k", 404, "unknown-cache", "default, sessions")]
    [InlineData("GET", "/caches/nope", 404, "unknown-cache", "'nope'")]
    [InlineData("GET", "/caches/nope/keys", 404, "unknown-cache", "'nope'")]
    [InlineData("DELETE", "/caches/nope/tags/t", 404, "unknown-cache", "'nope'")]
    [InlineData("GET", "/caches/default/keys/absent", 404, "no-entry", "no entry")]
    [InlineData("GET", "/nowhere", 404, "no-route", "/nowhere")]
    [InlineData("POST", "/caches/default/keys/k", 405, "bad-method", "POST")]
    [InlineData("GET", "/caches/default/get-many", 405, "bad-method", "GET")]
    [InlineData("DELETE", "/caches/default/keys", 400, "needs-all", "all=true")]
    [InlineData("DELETE", "/caches/default/keys?all=yes", 400, "needs-all", "all=true")]
    [InlineData("GET", "/caches/default/keys?count=0", 400, "bad-value", "count is '0'; allowed: a whole number from 1 to 10000")]
    [InlineData("GET", "/caches/default/keys?cursor=2-0", 400, "bad-value", "cursor is '2-0'")]
    [InlineData("GET", "/caches/default/keys?cursor=x", 400, "bad-value", "cursor is 'x'")]
    [InlineData("PUT", "/caches/default/keys/k?ttl=soon", 400, "bad-value", "ttl is 'soon'; allowed: a whole number and a unit (ms, s, m, h, d")]
    [InlineData("PUT", "/caches/default/keys/k?ttl=0s", 400, "bad-value", "ttl is '0s'")]
    [InlineData("PUT", "/caches/default/keys/k?ttl=-1s", 400, "bad-value", "ttl is '-1s'")]
    [InlineData("PUT", "/caches/default/keys/k?ttl=36501d", 400, "bad-value", "36500d")]
    [InlineData("PUT", "/caches/default/keys/k?ttl=99999999999999999999s", 400, "bad-value", "ttl is")]
    [InlineData("PUT", "/caches/default/keys/k?sliding=none", 400, "bad-value", "sliding is 'none'")]
    [InlineData("PATCH", "/caches/default/keys/k", 400, "bad-value", "ttl is ''")]
    [InlineData("GET", "/caches/default/keys/%2E%2E%2Fk", 404, "no-entry", "")]
    public async Task Errors_are_problem_details(string method, string path, int status, string type, string inDetail)
    {
        await ExpectAsync(await server.SendAsync(new HttpMethod(method), path), status, type, inDetail);
    }

    [Theory]
    [InlineData("Cache-Control", "max-age=0", "max-age is '0'")]
    [InlineData("Cache-Control", "no-transform, max-age=x", "max-age is 'x'")]
    [InlineData("Levee-Flags", "4294967296", "Levee-Flags is '4294967296'; allowed: a whole number from 0 to 4294967295")]
    [InlineData("Levee-Flags", "red", "Levee-Flags is 'red'")]
    [InlineData("If-Match", "bare", "If-Match is 'bare'")]
    [InlineData("If-None-Match", "\"open", "If-None-Match is '\"open'")]
    public async Task Wrong_headers_are_named(string name, string value, string inDetail)
    {
        await ExpectAsync(await server.PutAsync("/caches/default/keys/k", [1], (name, value)), 400, "bad-value", inDetail);
    }

    [Fact]
    public async Task Wrong_tags_are_named()
    {
        await ExpectAsync(await server.PutAsync("/caches/default/keys/k", [1], ("Levee-Tags", new string('t', 256))), 400, "bad-tag", "255");
        await ExpectAsync(await server.PutAsync("/caches/default/keys/k", [1], ("Levee-Tags", "%zz")), 400, "bad-tag", "'%zz'");
        await ExpectAsync(await server.PutAsync("/caches/default/keys/k", [1], ("Levee-Tags", string.Join(',', Enumerable.Repeat(new string('t', 200), 11)))), 400, "bad-tag", "2048");
    }

    [Fact]
    public async Task Patch_refuses_conditions_instead_of_ignoring_them()
    {
        await ExpectAsync(await server.SendAsync(HttpMethod.Patch, "/caches/default/keys/k?ttl=1s", null, ("If-Match", "*")), 400, "bad-request", "If-Match");
    }

    [Fact]
    public async Task A_value_over_the_limit_is_refused_with_the_limit()
    {
        var limit = server.Cache.LargeValues.MaxValueBytes;
        var problem = await ExpectAsync(await server.PutAsync("/caches/default/keys/k", new byte[limit + 1]), 413, "too-large", $"{limit}");
        Assert.Equal(limit, problem.GetProperty("limit").GetInt64());
        var chunked = new HttpRequestMessage(HttpMethod.Put, "/caches/default/keys/k") { Content = new ByteArrayContent(new byte[limit + 1]) };
        chunked.Headers.TransferEncodingChunked = true;
        await ExpectAsync(await server.SendAsync(chunked), 413, "too-large", $"{limit}");
    }

    [Fact]
    public async Task A_key_over_the_limit_is_refused_with_the_limit()
    {
        Assert.Equal(HttpStatusCode.NoContent, (await server.PutAsync($"/caches/default/keys/{new string('k', 4096)}", [1])).StatusCode);
        Assert.Equal(HttpStatusCode.NoContent, (await server.PutAsync("/caches/default/keys/" + string.Concat(Enumerable.Repeat("%C3%BC", 2048)), [1])).StatusCode);
        await ExpectAsync(await server.PutAsync($"/caches/default/keys/{new string('k', 4097)}", [1]), 400, "bad-key", "4097");
        await ExpectAsync(await server.PutAsync("/caches/default/keys/", [1]), 400, "bad-key", "0 bytes");
    }

    [Fact]
    public async Task Dot_segments_and_broken_escapes_are_refused()
    {
        Assert.Contains("bad-path", await RawAsync("PUT /caches/default/keys/a/../b HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"), StringComparison.Ordinal);
        Assert.Contains("bad-path", await RawAsync("PUT /caches/default/keys/a/%2e/b HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"), StringComparison.Ordinal);
        Assert.Contains("bad-path", await RawAsync("GET /caches/default/keys/100%zz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"), StringComparison.Ordinal);
        Assert.Contains("204 No Content", await RawAsync("PUT http://localhost/caches/default/keys/absolute HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"), StringComparison.Ordinal);
        Assert.Empty(await server.GetBytesAsync("/caches/default/keys/absolute"));
    }

    [Theory]
    [InlineData("get-many", "{", "line")]
    [InlineData("get-many", "null", "null")]
    [InlineData("get-many", """{"keys":[1]}""", "keys")]
    [InlineData("get-many", """{"keyz":[]}""", "keyz")]
    [InlineData("get-many", """{"keys":[null]}""", "'keys'")]
    [InlineData("set-many", """{"entries":[null]}""", "'entries'")]
    [InlineData("set-many", "{}", "'entries'")]
    [InlineData("set-many", """{"entries":[{"key":"a","text":"x"},{"key":"b"}]}""", "Entry 1")]
    public async Task Wrong_json_is_named(string route, string json, string inDetail)
    {
        var response = await server.PostRawAsync($"/caches/default/{route}", new StringContent(json, Encoding.UTF8, "application/json"));
        await ExpectAsync(response, 400, "bad-json", inDetail);
    }

    [Fact]
    public async Task Many_has_limits()
    {
        var keys = string.Join(',', Enumerable.Range(0, 1001).Select(i => $"\"{i}\""));
        await ExpectAsync(await server.PostRawAsync("/caches/default/get-many", new StringContent($$"""{"keys":[{{keys}}]}""", Encoding.UTF8, "application/json")), 413, "too-many", "1000 keys");
        await ExpectAsync(await server.PostRawAsync("/caches/default/set-many", new StringContent(new string(' ', 9 << 20), Encoding.UTF8, "application/json")), 413, "too-many", "bytes of JSON");
        await ExpectAsync(await server.PostRawAsync("/caches/default/get-many", new StringContent("{}", Encoding.UTF8, "text/plain")), 415, "bad-media-type", "text/plain");
    }

    [Fact]
    public async Task A_hash_has_no_single_value()
    {
        server.Cache.Submit(new Operation { Kind = OperationKind.Set, Key = "h"u8, Hash = KeyHash.Of("h"u8), Value = "packed"u8, EntryKind = EntryKind.Hash }, new IgnoringSink(), 0);
        await ExpectAsync(await server.GetAsync("/caches/default/keys/h"), 409, "wrong-kind", "HGETALL");
        var many = await server.PostAsync("/caches/default/get-many", """{"keys":["h"]}""");
        Assert.Equal("hash", many.GetProperty("entries")[0].GetProperty("outcome").GetString());
        Assert.Equal(HttpStatusCode.NoContent, (await server.PutAsync("/caches/default/keys/h", [1])).StatusCode);
        Assert.Equal([1], await server.GetBytesAsync("/caches/default/keys/h"));
    }

    [Fact]
    public async Task A_body_that_breaks_off_harms_nobody()
    {
        await RawAsync("PUT /caches/default/keys/half HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000000\r\n\r\nabc", shuts: true);
        Assert.Equal(HttpStatusCode.NotFound, (await server.GetAsync("/caches/default/keys/half")).StatusCode);
        Assert.Equal(HttpStatusCode.NoContent, (await server.PutAsync("/caches/default/keys/half", [1])).StatusCode);
    }

    private static async Task<JsonElement> ExpectAsync(HttpResponseMessage response, int status, string type, string inDetail)
    {
        var text = await response.TextAsync();
        Assert.True((int)response.StatusCode == status, $"{(int)response.StatusCode}: {text}");
        Assert.Equal("application/problem+json", response.Content.Headers.ContentType!.MediaType);
        var problem = JsonDocument.Parse(text).RootElement;
        Assert.DoesNotContain(@"\u0027", text, StringComparison.Ordinal);
        Assert.Equal($"urn:levee:problem:{type}", problem.GetProperty("type").GetString());
        Assert.Equal(status, problem.GetProperty("status").GetInt32());
        Assert.NotEmpty(problem.GetProperty("title").GetString()!);
        Assert.Contains(inDetail, problem.GetProperty("detail").GetString(), StringComparison.Ordinal);
        return problem;
    }

    private async Task<string> RawAsync(string request, bool shuts = false)
    {
        using var client = new TcpClient();
        await client.ConnectAsync(server.Client.BaseAddress!.Host, server.Client.BaseAddress.Port, TestContext.Current.CancellationToken);
        using var stream = client.GetStream();
        await stream.WriteAsync(Encoding.ASCII.GetBytes(request), TestContext.Current.CancellationToken);
        if (shuts)
        {
            client.Client.Shutdown(SocketShutdown.Send);
        }

        using var reader = new StreamReader(stream);
        if (shuts)
        {
            // The server may answer, close or reset; only that it goes on matters.
            await Task.WhenAny(reader.ReadToEndAsync(TestContext.Current.CancellationToken));
            return "";
        }

        return await reader.ReadToEndAsync(TestContext.Current.CancellationToken);
    }

    private sealed class IgnoringSink : IAnswerSink
    {
        public void Answer(long ticket, in Answer answer) => Assert.Equal(Outcome.Stored, answer.Outcome);
    }
}
