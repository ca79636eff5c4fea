using System.Net;
using System.Net.Http.Headers;
using System.Text.Json;
using Levee.Testing;
using Microsoft.Extensions.DependencyInjection;
using Xunit;

namespace Levee.Server.Tests.Http;

/// <summary>
/// As over RESP: every route is asked again and again, each time with another operation that is not answered, and says so. A route that is
/// not in this table fails the test.
/// </summary>
public sealed class UnansweredRoutesTests : IAsyncLifetime
{
    private const string Keys = "/caches/{cache}/keys/{key}";

    /// <summary>Route, request, body, and what the answer then has: a status, or a text in an answer that speaks of many.</summary>
    private static readonly (string Route, string Path, string? Body, string Tells)[] Asks =
    [
        ("GET " + Keys, "/caches/default/keys/k", null, "503"),
        ("HEAD " + Keys, "/caches/default/keys/k", null, "503"),
        ("PUT " + Keys, "/caches/default/keys/k", "value", "503"),
        ("PATCH " + Keys, "/caches/default/keys/k?ttl=10", null, "503"),
        ("DELETE " + Keys, "/caches/default/keys/k", null, "503"),
        ("GET /caches/{cache}/keys", "/caches/default/keys?count=10000", null, "503"),
        ("DELETE /caches/{cache}/keys", "/caches/default/keys?all=true", null, "503"),
        ("DELETE /caches/{cache}/tags/{tag}", "/caches/default/tags/t", null, "503"),
        ("POST /caches/{cache}/get-many", "/caches/default/get-many", """{"keys":["k","n"]}""", "\"unavailable\""),
        ("POST /caches/{cache}/set-many", "/caches/default/set-many", """{"entries":[{"key":"k","text":"v"},{"key":"n","text":"v"}]}""",
            "\"tier-unavailable\""),
        ("POST /caches/{cache}/delete-many", "/caches/default/delete-many", """{"keys":["k","n"]}""", "\"unavailable\":1"),
        ("GET /caches", "/caches", null, "\"unanswered\":\""),
        ("GET /caches/{cache}", "/caches/default", null, "\"unanswered\":\""),
        ("GET /caches/{cache}/tiers", "/caches/default/tiers", null, "503"),
        ("GET /caches/{cache}/explain", "/caches/default/explain?key=k", null, "503"),
        ("GET /health", "/health", null, "Degraded"),
    ];

    /// <summary>The prefetcher is asked by itself; metrics show the last whole numbers, below.</summary>
    private static readonly string[] AskNobodyOrOlder =
    [
        "POST /caches/{cache}/prefetch", "GET /caches/{cache}/prefetch", "PATCH /caches/{cache}/prefetch", "GET /metrics",
        "GET /health/live", "GET /health/ready",
    ];

    private FailingHost host = null!;
    private HttpServer server = null!;

    public async ValueTask InitializeAsync()
    {
        var tier = new FakeTier { Holds = static _ => false, Statistics = [SampleTiers.Files] };
        server = await HttpServer.StartAsync(inner => host = new FailingHost(inner), tiers: tier);
        server.Services.GetRequiredService<ReadinessState>().SetReady();
    }

    public ValueTask DisposeAsync() => server.DisposeAsync();

    [Fact]
    public async Task Every_route_is_here()
    {
        using var document = JsonDocument.Parse(await server.GetTextAsync("/openapi/v1.json"));
        var routes = from path in document.RootElement.GetProperty("paths").EnumerateObject()
                     from method in path.Value.EnumerateObject()
                     select $"{method.Name.ToUpperInvariant()} {path.Name}";
        var here = Asks.Select(ask => ask.Route).Concat(AskNobodyOrOlder);
        Assert.Equal(routes.Order(StringComparer.Ordinal), here.Order(StringComparer.Ordinal));
    }

    [Fact]
    public async Task What_is_not_answered_is_told()
    {
        foreach (var (route, path, body, tells) in Asks)
        {
            var (asked, status, text) = await RunAsync(route, path, body, failing: -1);
            Assert.True(asked > 0, $"{route} asks for nothing");
            Assert.True((int)status < 400 && !text.Contains(tells, StringComparison.Ordinal), $"{route}: {status} {text}");
            for (var i = 0; i < asked; i++)
            {
                (_, status, text) = await RunAsync(route, path, body, failing: i);
                var isTold = tells == "503" ? status == HttpStatusCode.ServiceUnavailable : text.Contains(tells, StringComparison.Ordinal);
                Assert.True(isTold, $"{route} with operation {i} of {asked} unanswered: {status} {text}");
            }
        }
    }

    [Fact]
    public async Task The_problem_names_who_did_not_answer_and_what_became_of_the_rest()
    {
        host.Fails = static (_, _, partition) => partition == 1;
        using var response = await server.DeleteAsync("/caches/default/keys?all=true");
        Assert.Equal(HttpStatusCode.ServiceUnavailable, response.StatusCode);
        Assert.Equal("1", response.Headers.RetryAfter?.ToString());
        var problem = JsonDocument.Parse(await response.TextAsync()).RootElement;
        Assert.Equal("urn:levee:problem:partition-unavailable", problem.GetProperty("type").GetString());
        Assert.Equal(
            "Not done: partition 1 of the cache 'default' did not answer (its silo is gone). All else is cleared. Try again.",
            problem.GetProperty("detail").GetString());
    }

    [Fact]
    public async Task Counters_do_not_go_back_while_a_partition_does_not_answer()
    {
        for (var i = 0; i < 20; i++)
        {
            using var put = await server.PutAsync($"/caches/default/keys/k{i}", [1]);
        }

        var whole = await server.GetTextAsync("/metrics");
        Assert.Contains("levee_stores_total{cache=\"default\"} 20", whole, StringComparison.Ordinal);
        Assert.Contains("levee_unanswered{cache=\"default\"} 0", whole, StringComparison.Ordinal);
        host.Fails = static (_, _, partition) => partition == 1;
        var part = await server.GetTextAsync("/metrics");
        Assert.Contains("levee_stores_total{cache=\"default\"} 20", part, StringComparison.Ordinal);
        Assert.Contains("levee_unanswered{cache=\"default\"} 1", part, StringComparison.Ordinal);
    }

    private async Task<(int Asked, HttpStatusCode Status, string Text)> RunAsync(string route, string path, string? body, int failing)
    {
        host.Fails = static (_, _, _) => false;
        using var put = await server.PutAsync("/caches/default/keys/k", [1]);
        host.Asked.Clear();
        host.Fails = (number, _, _) => number == failing;
        var content = body is null ? null : new StringContent(body, body[0] == '{' ? MediaTypeHeaderValue.Parse("application/json") : null);
        using var response = await server.SendAsync(new HttpMethod(route.Split(' ')[0]), path, content);
        var text = await response.TextAsync();
        host.Fails = static (_, _, _) => false;
        return (host.Asked.Count, response.StatusCode, text);
    }
}
