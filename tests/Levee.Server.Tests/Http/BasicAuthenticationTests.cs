using System.Net;
using System.Text;
using Xunit;

namespace Levee.Server.Tests.Http;

/// <summary>One password guards the HTTP door as it guards RESP's.</summary>
public sealed class BasicAuthenticationTests
{
    private static readonly Credentials Guard = new("anna", "s:cret ü");

    [Theory]
    [InlineData("anna:s:cret ü", HttpStatusCode.NotFound)]
    [InlineData("default:s:cret ü", HttpStatusCode.NotFound)]
    [InlineData("anna:s:cret", HttpStatusCode.Unauthorized)]
    [InlineData("otto:s:cret ü", HttpStatusCode.Unauthorized)]
    [InlineData("anna", HttpStatusCode.Unauthorized)]
    [InlineData("", HttpStatusCode.Unauthorized)]
    public async Task Only_the_user_with_the_password_comes_in(string given, HttpStatusCode expected)
    {
        await using var server = await HttpServer.StartAsync(credentials: Guard);
        using var answer = await AskAsync(server, "Basic " + Convert.ToBase64String(Encoding.UTF8.GetBytes(given)));
        Assert.Equal(expected, answer.StatusCode);
    }

    [Theory]
    [InlineData(null)]
    [InlineData("Basic")]
    [InlineData("Basic !!!")]
    [InlineData("Bearer YW5uYTpz")]
    public async Task Without_a_password_one_is_told_how_to_give_it(string? header)
    {
        await using var server = await HttpServer.StartAsync(credentials: Guard);
        using var answer = await AskAsync(server, header);
        Assert.Equal(HttpStatusCode.Unauthorized, answer.StatusCode);
        Assert.Equal("Basic", Assert.Single(answer.Headers.WwwAuthenticate).Scheme);
        Assert.Equal("application/problem+json", answer.Content.Headers.ContentType?.MediaType);
        Assert.Contains("urn:levee:problem:unauthorized", await answer.Content.ReadAsStringAsync(TestContext.Current.CancellationToken), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Health_is_open_and_metrics_are_not()
    {
        await using var server = await HttpServer.StartAsync(credentials: Guard);
        using var live = await server.GetAsync("/health/live");
        using var metrics = await server.GetAsync("/metrics");
        Assert.Equal(HttpStatusCode.OK, live.StatusCode);
        Assert.Equal(HttpStatusCode.Unauthorized, metrics.StatusCode);
    }

    private static Task<HttpResponseMessage> AskAsync(HttpServer server, string? authorization) =>
        authorization is null
            ? server.GetAsync("/caches/default/keys/none")
            : server.SendAsync(HttpMethod.Get, "/caches/default/keys/none", headers: ("Authorization", authorization));
}
