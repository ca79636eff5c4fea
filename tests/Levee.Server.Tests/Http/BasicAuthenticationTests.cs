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

    [Fact]
    public async Task Guesses_wait_and_the_right_password_comes_in_among_them()
    {
        await using var server = await HttpServer.StartAsync(credentials: Guard);
        for (var i = 0; i <= PasswordGuesses.FreeFailures; i++)
        {
            using var wrong = await AskAsync(server, Basic($"anna:{i}"));
            Assert.Equal(HttpStatusCode.Unauthorized, wrong.StatusCode);
        }

        var began = System.Diagnostics.Stopwatch.GetTimestamp();
        using var right = await AskAsync(server, Basic("anna:s:cret ü"));
        Assert.Equal(HttpStatusCode.NotFound, right.StatusCode);
        Assert.True(System.Diagnostics.Stopwatch.GetElapsedTime(began) >= PasswordGuesses.FirstDelay - TimeSpan.FromMilliseconds(20));
    }

    [Fact]
    public async Task Too_many_guesses_at_a_time_are_refused_unseen()
    {
        await using var server = await HttpServer.StartAsync(credentials: Guard);
        for (var i = 0; i < 6; i++)
        {
            using var wrong = await AskAsync(server, Basic("anna:wrong"));
        }

        var answers = await Task.WhenAll(Enumerable.Range(0, 3 * PasswordGuesses.MostWaitingOfAddress).Select(_ => AskAsync(server, Basic("anna:wrong"))));
        var refused = answers.Where(static answer => answer.StatusCode == HttpStatusCode.TooManyRequests).ToList();
        Assert.NotEmpty(refused);
        Assert.All(refused, static answer => Assert.True(answer.Headers.Contains("Retry-After")));
        Assert.Contains("too-many-guesses", await refused[0].TextAsync(), StringComparison.Ordinal);
        Assert.All(answers.Except(refused), static answer => Assert.Equal(HttpStatusCode.Unauthorized, answer.StatusCode));
        using var open = await server.GetAsync("/health/live");
        Assert.Equal(HttpStatusCode.OK, open.StatusCode);
    }

    private static string Basic(string given) => "Basic " + Convert.ToBase64String(Encoding.UTF8.GetBytes(given));

    private static Task<HttpResponseMessage> AskAsync(HttpServer server, string? authorization) =>
        authorization is null
            ? server.GetAsync("/caches/default/keys/none")
            : server.SendAsync(HttpMethod.Get, "/caches/default/keys/none", headers: ("Authorization", authorization));
}
