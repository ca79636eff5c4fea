using Microsoft.Extensions.Configuration;
using Xunit;

namespace Levee.Serving.Tests;

public sealed class ClusterProviderTests
{
    private const string Storage = "Orleans:GrainStorage:levee";

    [Fact]
    public void On_one_machine_the_first_silo_keeps_the_records_and_Orleans_needs_no_provider() =>
        Assert.Empty(Fill([]));

    [Fact]
    public void A_short_name_stands_for_both_providers_and_their_connection() =>
        Assert.Equal(
            ["Orleans:Clustering:ConnectionString=host:1", "Orleans:Clustering:ProviderType=Redis", $"{Storage}:ConnectionString=host:1", $"{Storage}:ProviderType=Redis"],
            Fill([(ClusterOption.Clustering, "redis"), (ClusterOption.Connection, "host:1")]));

    [Fact]
    public void Postgres_is_the_database_that_adonet_means_unless_it_is_told() =>
        Assert.Contains("Orleans:Clustering:Invariant=Npgsql", Fill([(ClusterOption.Clustering, "adonet")]));

    [Fact]
    public void A_connection_is_not_given_to_a_store_of_another_kind() =>
        Assert.Equal(
            ["Orleans:Clustering:ConnectionString=host:1", "Orleans:Clustering:ProviderType=Redis"],
            Fill([(ClusterOption.Clustering, "redis"), (ClusterOption.Connection, "host:1")], ($"{Storage}:ProviderType", "AzureBlobStorage")));

    [Fact]
    public void What_Aspire_calls_a_service_is_the_connection_of_that_name() =>
        Assert.Equal(
            ["Orleans:Clustering:ConnectionName=cluster", "Orleans:Clustering:ServiceKey="],
            Fill([], ("Orleans:Clustering:ProviderType", "Redis"), ("Orleans:Clustering:ServiceKey", "cluster"), ("ConnectionStrings:cluster", "host:1"), ($"{Storage}:ProviderType", "Memory")));

    [Theory]
    [InlineData("localhost", "", "Orleans:Clustering:ProviderType", "Redis", "leave one of them out")]
    [InlineData("redis", "", "Orleans:Clustering:ProviderType", "AdoNet", "leave one of them out")]
    [InlineData("", "host:1", "Other", "", "needs --clustering")]
    [InlineData("", "", "Orleans:Clustering:ProviderType", "Redis", "Orleans:GrainStorage:levee")]
    [InlineData("redis", "", "Orleans:Clustering:ServiceKey", "cluster", "no ConnectionStrings:cluster")]
    public void A_contradiction_or_a_gap_is_refused(string clustering, string connection, string key, string value, string expected)
    {
        (string, string)[] configured = key.EndsWith("ServiceKey", StringComparison.Ordinal) ? [(key, value), ("Orleans:Clustering:ProviderType", "Redis")] : [(key, value)];
        var refusal = Assert.Throws<OptionException>(() => Fill([(ClusterOption.Clustering, clustering), (ClusterOption.Connection, connection)], configured));
        Assert.Contains(expected, refusal.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Joining_a_silo_is_for_a_cluster_without_a_store() =>
        Assert.Contains("--join", Assert.Throws<OptionException>(() => Fill([(ClusterOption.Clustering, "redis"), (ClusterOption.Join, "127.0.0.1:11111")])).Message, StringComparison.Ordinal);

    [Fact]
    public void The_clients_that_Azures_providers_ask_for_have_an_address()
    {
        var configuration = Given.Configuration((Storage + ":ProviderType", "AzureBlobStorage"), (Storage + ":ServiceKey", "owners"), ("ConnectionStrings:owners", "https://account.blob.core.windows.net"));
        Assert.Equal(new Uri("https://account.blob.core.windows.net"), Assert.Single(ClusterProvider.ClientAddresses(configuration, "AzureBlobStorage")).Value);
        Assert.Empty(ClusterProvider.ClientAddresses(configuration, "AzureTableStorage"));
        var without = Given.Configuration((Storage + ":ProviderType", "AzureBlobStorage"), (Storage + ":ServiceKey", "owners"));
        Assert.Contains("ConnectionStrings:owners", Assert.Throws<OptionException>(() => ClusterProvider.ClientAddresses(without, "AzureBlobStorage")).Message, StringComparison.Ordinal);
    }

    private static IEnumerable<string> Fill((ServeOption, string)[] options, params (string, string)[] configured)
    {
        var configuration = Given.Configuration(configured);
        return ClusterProvider.Fill(ClusterSettings.Read(Given.Options(options), configuration), configuration).Select(pair => $"{pair.Key}={pair.Value}").Order(StringComparer.Ordinal);
    }
}
