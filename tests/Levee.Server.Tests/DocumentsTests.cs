using System.Text.RegularExpressions;
using Levee.Server.Metrics;
using Levee.Server.Resp;
using Levee.Server.Tests.Http;
using Levee.Testing;
using Microsoft.Extensions.DependencyInjection;
using Xunit;

namespace Levee.Server.Tests;

/// <summary>The documents name every command, metric, route and problem that there is, and none that there is not.</summary>
public sealed partial class DocumentsTests
{
    [Fact]
    public void Every_command_is_documented_and_every_documented_command_exists()
    {
        var documented = Repository.TableRows("docs/commands.md", "Command").Select(row => CommandName().Match(row[0]).Groups[1].Value.ToLowerInvariant()).ToList();
        Assert.Equal(CommandTable.All.Select(command => command.Name).Order(StringComparer.Ordinal), documented.Order(StringComparer.Ordinal));
    }

    [Fact]
    public void Every_command_that_is_not_there_is_documented_with_what_to_use_instead()
    {
        var documented = Repository.TableRows("docs/commands.md", "Not there").Select(row => $"{row[1]}: {row[0]}");
        Assert.Equal(MissingCommands.All.Select(family => $"{family.Alternative}: `{string.Join("`, `", family.Names)}`"), documented);
    }

    [Fact]
    public async Task Every_metric_is_documented()
    {
        await using var server = await HttpServer.StartAsync(FakePrefetching.Before, tiers: new FakeTier { Statistics = [SampleTiers.Files, SampleTiers.Bucket] }, policy: "auto");
        server.Services.GetRequiredService<MetricRegistry>().Add(new PauseMetrics(() => [new PauseCount("default", "expiry", 0)]));
        await server.GetTextAsync("/caches");

        // What auto has learnt is told by the maintenance, a moment after the start.
        string metrics;
        do
        {
            metrics = await server.GetTextAsync("/metrics");
        }
        while (!metrics.Contains("levee_policy_switches_total", StringComparison.Ordinal));

        var shown = MetricType().Matches(metrics).Select(match => match.Groups[1].Value).ToList();
        var documented = Repository.TableRows("docs/metrics.md", "Metric").Select(row => row[0].Trim('`')).ToList();
        Assert.NotEmpty(shown);
        Assert.Empty(shown.Except(documented));

        // The RESP front door's own are not shown where there is none, nor what auto has seen where it has seen nothing yet.
        Assert.All(documented.Except(shown).Except(["levee_policy_sampled_hit_ratio", "levee_policy_what_if_hit_ratio"]), name => Assert.StartsWith("levee_resp_", name, StringComparison.Ordinal));
    }

    [Fact]
    public async Task Every_route_and_every_problem_is_documented()
    {
        await using var server = await HttpServer.StartAsync();
        using var document = System.Text.Json.JsonDocument.Parse(await server.GetTextAsync("/openapi/v1.json"));
        var routes = from path in document.RootElement.GetProperty("paths").EnumerateObject()
                     from method in path.Value.EnumerateObject()
                     select $"{method.Name.ToUpperInvariant()} {path.Name}";
        var documented = Repository.TableRows("docs/http.md", "Route").Select(row => row[0].Trim('`'));
        Assert.Equal(routes.Order(StringComparer.Ordinal), documented.Order(StringComparer.Ordinal));

        var problems = ProblemType().Matches(Repository.Read("src/Levee.Server/Http/Problems.cs")).Select(match => match.Groups[1].Value).Distinct();
        var documentedProblems = Repository.TableRows("docs/http.md", "Problem").Select(row => row[0].Trim('`'));
        Assert.Equal(problems.Order(StringComparer.Ordinal), documentedProblems.Order(StringComparer.Ordinal));
    }

    [GeneratedRegex(@"^`([A-Z.]+)")]
    private static partial Regex CommandName();

    [GeneratedRegex(@"^# TYPE (\S+) ", RegexOptions.Multiline)]
    private static partial Regex MetricType();

    [GeneratedRegex(@"\bOf\(""([a-z-]+)""")]
    private static partial Regex ProblemType();
}
