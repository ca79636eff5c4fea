using System.Text.Json;
using Levee.Cli.Client;
using Levee.Operations;
using Levee.Resp;
using Levee.Testing;
using Xunit;

namespace Levee.Cli.Tests.Client;

public sealed class TiersCommandTests : IAsyncLifetime
{
    private readonly FakeTier tier = new() { Holds = static _ => false, Statistics = [SampleTiers.Files with { CapacityBytes = 3L << 30 }, SampleTiers.Bucket] };
    private ServerWithTiers server = null!;

    public async ValueTask InitializeAsync() => server = await ServerWithTiers.StartAsync(tier);

    public ValueTask DisposeAsync() => server.DisposeAsync();

    [Fact]
    public async Task Tiers_stand_side_by_side_in_plain_columns()
    {
        var lines = (await server.RunAsync("tiers")).Split('\n');
        string[][] cells = [.. lines.Select(line => line.Split("  ", StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries))];
        foreach (var row in new string[][]
        {
            ["tier 0", "tier 1"], ["name", "file:./data", "s3://bucket/prefix"], ["health", "healthy", "degraded"], ["entries", "101", "0"], ["capacity", "3.0 GiB", "no bound"], ["mean read", "1.5 ms", "-"],
            ["dropped", "110", "0"], ["costs a day", "$0.88", "-"], ["saves a day", "$2.00", "-"], ["net a day", "$1.13", "-"], ["waiting saved a day", "60 min", "-"],
        })
        {
            Assert.Contains(cells, cell => cell.SequenceEqual(row));
        }

        Assert.Equal("tier 0: costs and savings at the traffic of the last 24 h; prices: S3 Standard, us-east-1, 2026-01", lines[^2]);
        Assert.Equal("tier 1 is degraded: the endpoint refuses connections", lines[^1]);
        Assert.Single(lines[..^2].Select(line => line.Length).Distinct());
    }

    [Fact]
    public async Task Json_has_every_figure()
    {
        using var json = JsonDocument.Parse(await server.RunAsync("tiers", "--json"));
        var first = json.RootElement[0];
        Assert.Equal(2, json.RootElement.GetArrayLength());
        Assert.Equal(101, first.GetProperty("entries").GetInt64());
        Assert.Equal(1.5, first.GetProperty("read_ms").GetDouble());
        Assert.Equal(0.875, first.GetProperty("dollars_per_day").GetDouble());
        Assert.Equal("file:./data", first.GetProperty("name").GetString());
        Assert.Equal("degraded", json.RootElement[1].GetProperty("health").GetString());
        Assert.False(json.RootElement[1].TryGetProperty("dollars_per_day", out _));
    }

    [Fact]
    public async Task A_cache_without_tiers_says_so_and_an_unknown_one_is_refused()
    {
        Assert.Equal("cache second lies in memory alone: it has no lower tiers", await server.RunAsync("tiers", "--cache", "second"));
        Assert.Equal("[]", await server.RunAsync("tiers", "--cache", "second", "--json"));
        Assert.Contains("no cache is named 'third'; there are: default, second", await server.RunAsync("tiers", "--cache", "third"), StringComparison.Ordinal);
    }

    [Fact]
    public async Task The_table_for_a_terminal_shows_the_same_and_takes_names_as_they_are()
    {
        tier.Statistics = [SampleTiers.Files with { Name = "file:./[red]", Kind = "file", Health = TierHealth.Recovering, Problem = "reads [1] of 2", Cost = null }];
        await using var connection = await RespConnection.ConnectAsync("127.0.0.1", server.Port, new RespConnectionOptions { Version = RespVersion.Resp3 }, TestContext.Current.CancellationToken);
        var reply = await connection.CallAsync(["TIERS"], TestContext.Current.CancellationToken);
        var output = new StringWriter();
        TiersReport.WriteTable(output, [.. reply.Items.ToArray().Select(ReplyFields.Read)]);
        var text = output.ToString();
        Assert.Contains("file:./[red]", text, StringComparison.Ordinal);
        Assert.Contains("tier 0 is recovering: reads [1] of 2", text, StringComparison.Ordinal);
        Assert.Contains("1.5 ms", text, StringComparison.Ordinal);
        Assert.DoesNotContain("costs a day", text, StringComparison.Ordinal);
    }
}
