using System.CommandLine;
using System.Text.RegularExpressions;
using Levee.Testing;
using Microsoft.Extensions.Configuration;
using Xunit;

namespace Levee.Serving.Tests;

/// <summary>What the documents and examples say of the cluster is what the silo takes.</summary>
public sealed partial class DocumentsTests
{
    [Fact]
    public void The_table_of_the_clusters_options_is_the_programs_own()
    {
        var expected = ClusterOption.Own.Select(option =>
            $"| `{option.Flag} {option.Value}` | `{option.Variable}` | {(option.Default.Length == 0 ? "" : $"`{option.Default}`")} | {option.Allowed} | {option.Description} |");
        var table = string.Join('\n', expected) + "\n";
        Assert.True(Repository.Read("docs/cluster.md").Contains(table, StringComparison.Ordinal), $"docs/cluster.md should have exactly these rows:\n{table}");
    }

    [Theory]
    [InlineData("aws.json", "DynamoDB", "DynamoDB")]
    [InlineData("azure.json", "AzureTableStorage", "AzureBlobStorage")]
    [InlineData("postgres.json", "AdoNet", "AdoNet")]
    [InlineData("redis.json", "Redis", "Redis")]
    public void An_example_is_a_file_of_options_that_a_silo_takes(string example, string clustering, string storage)
    {
        var path = Path.Combine(Repository.Root, "silo", "examples", example);
        var command = new Command("silo");
        var flags = new OptionFlags(command, ClusterOption.All, "silo --help", "Orleans", "ConnectionStrings");
        var configuration = new ConfigurationBuilder().AddJsonFile(path).Build();
        var read = flags.Read(command.Parse(["--config", path]));
        var settings = ClusterSettings.Read(read, configuration);
        Assert.Equal("production", settings.ClusterId);
        Assert.Empty(ClusterProvider.Fill(settings, configuration));
        Assert.False(ClusterProvider.IsLocalhost(settings, configuration));
        Assert.NotEmpty(ServeSettings.Read(read, 1L << 30).Tiers.Addresses);
        Assert.Equal((clustering, storage), (configuration["Orleans:Clustering:ProviderType"], configuration["Orleans:GrainStorage:levee:ProviderType"]));
        Assert.Contains(ClusterProvider.All, provider => provider.Clustering == clustering && provider.Storage == storage);
        foreach (var name in from section in new[] { "Orleans:Clustering", "Orleans:GrainStorage:levee" } from key in new[] { "ServiceKey", "ConnectionName" } select configuration[$"{section}:{key}"])
        {
            Assert.True(name is null || configuration.GetConnectionString(name) is not null, $"there is no connection string {name}");
        }

        Assert.Contains($"examples/{example}", Repository.Read("docs/cluster-providers.md"), StringComparison.Ordinal);
    }

    [Fact]
    public void Every_example_is_one_of_these() =>
        Assert.Equal(["aws.json", "azure.json", "postgres.json", "redis.json"], Directory.EnumerateFiles(Path.Combine(Repository.Root, "silo", "examples"), "*.json").Select(Path.GetFileName).Order(StringComparer.Ordinal));

    [Fact]
    public void The_variables_of_the_Kubernetes_example_are_options_with_values_that_are_allowed()
    {
        var manifest = Repository.Read("silo/examples/kubernetes/levee.yaml");
        var given = Variable().Matches(manifest).ToDictionary(match => match.Groups[1].Value, match => match.Groups[2].Value.Trim('"'));
        Assert.True(given.Count >= 6, "the manifest should set options by variables");
        Assert.Empty(ServeOption.UnknownVariables(Name().Matches(manifest).Select(match => match.Value), ClusterOption.All));
        given[ServeOption.Password.Variable] = "of the secret";
        Assert.Contains(ServeOption.Password.Variable + "\n              valueFrom:\n                secretKeyRef:", manifest, StringComparison.Ordinal);
        Func<ServeOption, (string Text, string Source)?> read = option => given.TryGetValue(option.Variable, out var text) ? (text, option.Variable) : null;
        var settings = ClusterSettings.Read(read, new ConfigurationManager());
        Assert.True(settings.IsInKubernetes);
        Assert.Equal("/data", ServeSettings.Read(read, 1L << 30).Tiers.DataDir);
        Assert.Contains("orleans/clusterId: " + settings.ClusterId, manifest, StringComparison.Ordinal);
        Assert.Contains("orleans/serviceId: " + settings.ServiceId, manifest, StringComparison.Ordinal);
    }

    [GeneratedRegex(@"name: (LEVEE__\w+)\n\s+value: (\S+)")]
    private static partial Regex Variable();

    [GeneratedRegex(@"\bLEVEE__\w+")]
    private static partial Regex Name();
}
