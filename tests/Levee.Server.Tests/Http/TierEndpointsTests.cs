using System.Net;
using System.Text.Json;
using Levee.Operations;
using Levee.Server.Http;
using Levee.Testing;
using Microsoft.AspNetCore.Http;
using Xunit;

namespace Levee.Server.Tests.Http;

/// <summary>What HTTP shows of the tiers below memory.</summary>
public sealed class TierEndpointsTests : IAsyncLifetime
{
    private readonly FakeTier tier = new() { Holds = static _ => false, Statistics = [SampleTiers.Files, SampleTiers.Bucket] };
    private HttpServer server = null!;

    public async ValueTask InitializeAsync() => server = await HttpServer.StartAsync(tiers: tier);

    public ValueTask DisposeAsync() => server.DisposeAsync();

    [Fact]
    public async Task Tiers_show_every_figure_and_leave_out_what_is_not_known()
    {
        var tiers = (await server.GetJsonAsync("/caches/default/tiers")).GetProperty("tiers");
        Assert.Equal(2, tiers.GetArrayLength());
        foreach (var figure in typeof(TierStatistics).GetProperties().Where(p => p.PropertyType == typeof(long)))
        {
            Assert.Equal(figure.GetValue(SampleTiers.Files), tiers[0].GetProperty(JsonNamingPolicy.CamelCase.ConvertName(figure.Name)).GetInt64());
        }

        Assert.Equal("file:./data", tiers[0].GetProperty("name").GetString());
        Assert.Equal("healthy", tiers[0].GetProperty("health").GetString());
        Assert.Equal(1.5, tiers[0].GetProperty("readMs").GetDouble());
        Assert.Equal(0.875, tiers[0].GetProperty("cost").GetProperty("dollarsPerDay").GetDouble());
        Assert.Equal("degraded", tiers[1].GetProperty("health").GetString());
        Assert.Equal("the endpoint refuses connections", tiers[1].GetProperty("problem").GetString());
        Assert.All(["cost", "readMs", "capacityBytes"], name => Assert.False(tiers[1].TryGetProperty(name, out _)));
        Assert.Equal(0, (await server.GetJsonAsync("/caches/sessions/tiers")).GetProperty("tiers").GetArrayLength());
        Assert.Equal(HttpStatusCode.NotFound, (await server.GetAsync("/caches/none/tiers")).StatusCode);
        var status = await server.GetJsonAsync("/caches/default");
        Assert.Equal(102, status.GetProperty("entriesBelow").GetInt64());
        Assert.Equal(2, status.GetProperty("tiers").GetInt32());
    }

    [Fact]
    public async Task An_entry_is_explained_without_counting_as_used()
    {
        await server.PutAsync("/caches/default/keys/a/b%20c?ttl=1h", [1, 2, 3]);
        tier.Places = [new TierPlace("file:./data", "segment 17, offset 4096", 248, 1_700_000_000_000, true), new TierPlace("s3://bucket", "open segment", 0, 0, false)];
        await server.GetJsonAsync("/caches/default/explain?key=a/b%20c");
        var explained = await server.GetJsonAsync("/caches/default/explain?key=a%2Fb+c");
        Assert.Equal("a/b%20c", explained.GetProperty("key").GetString());
        Assert.True(explained.GetProperty("inMemory").GetBoolean());
        Assert.Equal("T1", explained.GetProperty("list").GetString());
        Assert.Equal(3, explained.GetProperty("valueBytes").GetInt32());
        Assert.True(explained.GetProperty("memoryBytes").GetInt32() > 3);
        Assert.InRange(explained.GetProperty("expiresAt").GetInt64() - explained.GetProperty("writtenAt").GetInt64(), 3_599_000, 3_601_000);
        var places = explained.GetProperty("places");
        Assert.Equal(["file:./data", "s3://bucket"], places.EnumerateArray().Select(place => place.GetProperty("tier").GetString()!));
        Assert.Equal("segment 17, offset 4096", places[0].GetProperty("where").GetString());
        Assert.Equal(248, places[0].GetProperty("storedBytes").GetInt64());
        Assert.Equal(1_700_000_000_000, places[0].GetProperty("since").GetInt64());
        Assert.True(places[0].GetProperty("isPromoted").GetBoolean());
        Assert.False(places[1].TryGetProperty("storedBytes", out _));
        using var head = await server.SendAsync(HttpMethod.Head, "/caches/default/keys/a/b%20c");
        Assert.Equal(head.Headers.GetValues("Levee-Version").Single(), explained.GetProperty("version").GetString());
    }

    [Fact]
    public async Task A_key_without_an_entry_is_explained_too_and_a_wrong_one_refused()
    {
        var explained = await server.GetJsonAsync("/caches/default/explain?key=%00%ff%25");
        Assert.Equal("%00%FF%25", explained.GetProperty("key").GetString());
        Assert.False(explained.GetProperty("inMemory").GetBoolean());
        Assert.Equal(0, explained.GetProperty("places").GetArrayLength());
        Assert.All(["version", "writtenAt", "expiresAt", "valueBytes", "memoryBytes", "list"], name => Assert.False(explained.TryGetProperty(name, out _)));
        foreach (var (path, problem) in new[]
        {
            ("/caches/default/explain", "bad-key"), ("/caches/default/explain?key=", "bad-key"), ("/caches/default/explain?keys=a", "unknown-parameter"),
            ($"/caches/default/explain?key={new string('x', Limits.MaxKeyBytes + 1)}", "bad-key"), ("/caches/none/explain?key=a", "unknown-cache"),
        })
        {
            using var refused = await server.GetAsync(path);
            Assert.Contains($"urn:levee:problem:{problem}", await refused.TextAsync(), StringComparison.Ordinal);
        }
    }

    // No client sends such a thing by itself.
    [Fact]
    public void A_wrong_percent_encoding_is_refused() =>
        Assert.Equal("urn:levee:problem:bad-value", RawQuery.ReadKey(new DefaultHttpContext { Request = { QueryString = new QueryString("?key=%2") } }.Request, out _)!.Type);

    [Fact]
    public async Task A_load_under_way_shows_and_is_not_waited_for()
    {
        tier.Holds = static _ => true;
        var read = server.GetAsync("/caches/default/keys/cold");
        await Eventually(async () => (await server.GetJsonAsync("/caches/default/explain?key=cold")).GetProperty("isLoading").GetBoolean());
        tier.Complete();
        Assert.Equal(HttpStatusCode.NotFound, (await read).StatusCode);
    }

    [Fact]
    public async Task Health_names_the_tier_that_is_degraded_and_the_cache_works()
    {
        var readiness = (ReadinessState)server.Services.GetService(typeof(ReadinessState))!;
        Assert.Equal(HttpStatusCode.ServiceUnavailable, (await server.GetAsync("/health")).StatusCode);
        readiness.SetReady();
        using var degraded = await server.GetAsync("/health");
        Assert.Equal(HttpStatusCode.OK, degraded.StatusCode);
        Assert.Equal("Degraded\ncache default: tier s3://bucket/prefix is degraded: the endpoint refuses connections", await degraded.TextAsync());
        Assert.Equal("Healthy", await server.GetTextAsync("/health/ready"));
        Assert.Equal("Healthy", await server.GetTextAsync("/health/live"));
        tier.Statistics = [SampleTiers.Files with { Health = TierHealth.Recovering, Problem = "12 of 40 segments read" }];
        Assert.Equal("Healthy\ncache default: tier file:./data is recovering: 12 of 40 segments read", await server.GetTextAsync("/health"));
        tier.Statistics = [SampleTiers.Files];
        Assert.Equal("Healthy", await server.GetTextAsync("/health"));
    }

    private static async Task Eventually(Func<Task<bool>> isTrue)
    {
        for (var attempt = 0; attempt < 1000; attempt++)
        {
            if (await isTrue())
            {
                return;
            }

            await Task.Delay(10, TestContext.Current.CancellationToken);
        }

        Assert.Fail("It does not come true.");
    }
}
