using System.Net;
using System.Net.Http.Headers;
using System.Text;
using System.Text.Json;
using Levee.Keys;
using Levee.Testing;
using Xunit;

namespace Levee.Server.Tests.Http;

/// <summary>Hints over HTTP, and what it shows of the prefetcher.</summary>
public sealed class PrefetchEndpointsTests : IAsyncLifetime
{
    private const string Path = "/caches/default/prefetch";

    private readonly FakePrefetching prefetching = new();
    private HttpServer server = null!;

    public async ValueTask InitializeAsync() => server = await HttpServer.StartAsync(cache => new DeferringHost(cache) { Defers = false, Prefetching = prefetching });

    public ValueTask DisposeAsync() => server.DisposeAsync();

    [Fact]
    public async Task Hints_are_accepted_and_those_that_find_no_room_counted()
    {
        prefetching.Room = 3;
        using var first = await SendAsync(HttpMethod.Post, Path, """{"keys":["a","b/ü"],"priority":9}""");
        Assert.Equal(HttpStatusCode.Accepted, first.StatusCode);
        Assert.Equal("""{"taken":2,"dropped":0}""", await first.TextAsync());
        using var second = await SendAsync(HttpMethod.Post, Path, """{"keys":["c"],"binaryKeys":["AP8="]}""");
        Assert.Equal("""{"taken":1,"dropped":1}""", await second.TextAsync());
        Assert.Equal([("a", 9), ("b/ü", 9), ("c", 5)], prefetching.Hints.Select(hint => (hint.Key, hint.Priority)));
        Assert.All(prefetching.Hints, hint => Assert.Equal(KeyHash.Of(Encoding.UTF8.GetBytes(hint.Key)), hint.Hash));
    }

    [Theory]
    [InlineData("POST", Path, """{"keys":["a"],"priority":10}""", 400, "bad-value")]
    [InlineData("POST", Path, """{"keys":["a"],"priority":-1}""", 400, "bad-value")]
    [InlineData("POST", Path, """{"keys":["a"],"priority":1.5}""", 400, "bad-json")]
    [InlineData("POST", Path, """{"keys":["a"],"urgency":1}""", 400, "bad-json")]
    [InlineData("POST", Path, """{"keys":[null]}""", 400, "bad-json")]
    [InlineData("POST", Path, """{"keys":[""]}""", 400, "bad-key")]
    [InlineData("POST", "/caches/none/prefetch", """{"keys":["a"]}""", 404, "unknown-cache")]
    [InlineData("POST", "/caches/sessions/prefetch", """{"keys":["a"]}""", 404, "no-prefetcher")]
    [InlineData("PATCH", Path, "{}", 400, "bad-json")]
    [InlineData("PATCH", Path, """{"learning":"no"}""", 400, "bad-json")]
    [InlineData("PATCH", "/caches/sessions/prefetch", """{"learning":true}""", 404, "no-prefetcher")]
    [InlineData("GET", "/caches/sessions/prefetch", "", 404, "no-prefetcher")]
    [InlineData("GET", Path + "?queue=1001", "", 400, "bad-value")]
    [InlineData("GET", Path + "?queue=many", "", 400, "bad-value")]
    public async Task What_is_wrong_is_a_problem_and_nothing_is_taken(string method, string path, string body, int status, string problem)
    {
        using var refused = await SendAsync(new HttpMethod(method), path, body);
        Assert.Equal(status, (int)refused.StatusCode);
        Assert.Contains($"\"urn:levee:problem:{problem}\"", await refused.TextAsync(), StringComparison.Ordinal);
        Assert.Empty(prefetching.Hints);
        Assert.True(prefetching.IsLearning);
    }

    [Fact]
    public async Task More_keys_than_a_request_may_have_are_refused()
    {
        using var refused = await SendAsync(HttpMethod.Post, Path, JsonSerializer.Serialize(new { keys = Enumerable.Range(0, 1001).Select(i => $"k{i}") }));
        Assert.Equal(HttpStatusCode.RequestEntityTooLarge, refused.StatusCode);
        Assert.Contains("urn:levee:problem:too-many", await refused.TextAsync(), StringComparison.Ordinal);
        Assert.Empty(prefetching.Hints);
    }

    [Fact]
    public async Task The_report_has_every_figure()
    {
        var report = await server.GetJsonAsync(Path);
        foreach (var (name, value) in new[]
        {
            ("reported", 201), ("lost", 202), ("hints", 203), ("dropped", 204), ("asked", 205), ("promoted", 206), ("fromOrigin", 207), ("failed", 208), ("inFlight", 209), ("maxInFlight", 210),
            ("waiting", 211), ("stale", 212), ("duplicates", 213), ("originFailures", 214), ("originSkips", 215),
        })
        {
            Assert.Equal(value, report.GetProperty(name).GetInt32());
        }

        Assert.True(report.GetProperty("learning").GetBoolean());
        Assert.Equal(2.5, report.GetProperty("meanLoadMs").GetDouble());
        var learnt = report.GetProperty("learnt");
        foreach (var (name, value) in new[]
        {
            ("wouldBeMisses", 241), ("issued", 242), ("used", 243), ("late", 244), ("wasted", 245), ("failed", 246), ("dropped", 247), ("lookAhead", 248), ("areaEntries", 249), ("memoryBytes", 250),
        })
        {
            Assert.Equal(value, learnt.GetProperty(name).GetInt32());
        }

        Assert.Equal(0.625, learnt.GetProperty("threshold").GetDouble());
        Assert.Equal(0.25, learnt.GetProperty("wasteRate").GetDouble());
        Assert.Equal(0.5, learnt.GetProperty("pollution").GetDouble());
        Assert.Equal(
            """[{"name":"stride 1, sure","isOpen":true,"issued":221,"used":222,"late":223,"wasted":224,"tested":225,"precision":0.75},{"name":"log, doubtful","isOpen":false,"issued":231,"used":232,"late":233,"wasted":234,"tested":235,"precision":0.125}]""",
            learnt.GetProperty("buckets").GetRawText());
        Assert.Equal(
            """[{"key":"user:42","hash":"0000000000000abc","isPredicted":false,"priority":9,"ageMs":1500},{"hash":"0000000000000def","isPredicted":true,"ageMs":20}]""",
            report.GetProperty("queue").GetRawText());
        Assert.Equal(1, (await server.GetJsonAsync(Path + "?queue=1")).GetProperty("queue").GetArrayLength());
        Assert.Equal(0, (await server.GetJsonAsync(Path + "?queue=0")).GetProperty("queue").GetArrayLength());
    }

    [Fact]
    public async Task Learning_is_switched_at_run_time()
    {
        using var off = await SendAsync(HttpMethod.Patch, Path, """{"learning":false}""");
        Assert.Equal(HttpStatusCode.OK, off.StatusCode);
        Assert.Contains("\"learning\":false", await off.TextAsync(), StringComparison.Ordinal);
        Assert.False(prefetching.IsLearning);
        using var on = await SendAsync(HttpMethod.Patch, Path, """{"learning":true}""");
        Assert.True(prefetching.IsLearning);
    }

    [Fact]
    public async Task A_prefetcher_that_does_not_answer_is_a_problem()
    {
        prefetching.Answers = new TaskCompletionSource();
        prefetching.Answers.SetException(new TimeoutException());
        using var refused = await server.GetAsync(Path);
        Assert.Equal(HttpStatusCode.ServiceUnavailable, refused.StatusCode);
        Assert.Contains("urn:levee:problem:prefetcher-unavailable", await refused.TextAsync(), StringComparison.Ordinal);
        Assert.Contains("levee_entries{", await server.GetTextAsync("/metrics"), StringComparison.Ordinal);
    }

    private async Task<HttpResponseMessage> SendAsync(HttpMethod method, string path, string body) =>
        await server.SendAsync(method, path, body.Length == 0 ? null : new StringContent(body, MediaTypeHeaderValue.Parse("application/json")));
}
