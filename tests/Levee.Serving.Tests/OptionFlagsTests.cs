using System.CommandLine;
using Xunit;

namespace Levee.Serving.Tests;

public sealed class OptionFlagsTests : IDisposable
{
    private readonly string file = Path.GetTempFileName();

    public void Dispose() => File.Delete(file);

    [Theory]
    [InlineData("", null)]
    [InlineData("--join", "127.0.0.1:11111")]
    [InlineData("--join --name b", "127.0.0.1:11111")]
    [InlineData("--join 10.0.0.4:5000", "10.0.0.4:5000")]
    public void A_flag_may_stand_for_a_value_of_its_own(string line, string? expected) =>
        Assert.Equal(expected, Read(line)(ClusterOption.Join)?.Text);

    [Fact]
    public void A_flag_goes_before_the_file_and_the_file_before_the_default()
    {
        File.WriteAllText(file, """{ "name": "from-file", "cluster-id": "c", "Orleans": { "Clustering": { "ProviderType": "Redis" } } }""");
        var read = Read($"--config {file} --name from-flag");
        Assert.Equal("from-flag", read(ClusterOption.Name)?.Text);
        Assert.Equal("c", read(ClusterOption.ClusterId)?.Text);
        Assert.Null(read(ClusterOption.ServiceId));
    }

    [Theory]
    [InlineData("""{ "nam": "x" }""", "\"nam\", which is no option; 'silo --help' lists them")]
    [InlineData("{", "is no JSON: what stands in line 1, column 2 cannot stand there")]
    [InlineData("{\n  \"name\": \"a\",\n  \"lease\": 1s\n}", "is no JSON: what stands in line 3, column 13")]
    [InlineData("[1]", "cannot be read")]
    [InlineData("""{ "name": ["a", "b"] }""", "is a list or an object; allowed: one string or number, 1 to 40 letters")]
    [InlineData("""{ "memory": { "default": "1gb" } }""", "is a list or an object; allowed: one string or number, a size")]
    public void A_file_that_is_wrong_is_refused(string text, string expected)
    {
        File.WriteAllText(file, text);
        Assert.Contains(expected, Assert.Throws<OptionException>(() => Read($"--config {file}")).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_value_of_the_file_is_blamed_on_the_file_that_was_named()
    {
        File.WriteAllText(file, """{ "partitions": 3 }""");
        var refusal = Assert.Throws<OptionException>(() => ServeSettings.Read(Read($"--config {file}"), 1L << 30));
        Assert.StartsWith($"partitions is '3' (from key \"partitions\" of {file}); allowed: ", refusal.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_list_in_the_file_is_a_flag_that_was_given_several_times()
    {
        File.WriteAllText(file, """{ "tier": ["file", "redis://host/1"] }""");
        Assert.Equal("file redis://host/1", Read($"--config {file}")(ServeOption.Tier)?.Text);
    }

    [Fact]
    public void A_hidden_file_is_a_file_too()
    {
        var folder = Directory.CreateTempSubdirectory("levee-flags-").FullName;
        try
        {
            var hidden = Path.Combine(folder, ".levee.json");
            File.WriteAllText(hidden, """{ "name": "hidden" }""");
            Assert.Equal("hidden", Read($"--config {hidden}")(ClusterOption.Name)?.Text);
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    [Fact]
    public void A_file_that_is_not_there_is_refused() =>
        Assert.Contains("does not exist", Assert.Throws<OptionException>(() => Read($"--config {file}.gone")).Message, StringComparison.Ordinal);

    private static Func<ServeOption, (string Text, string Source)?> Read(string line)
    {
        var command = new Command("silo");
        var flags = new OptionFlags(command, ClusterOption.All, "silo --help", "Orleans", "ConnectionStrings");
        var parsed = command.Parse(line);
        Assert.Empty(parsed.Errors);
        return flags.Read(parsed);
    }
}
