using Levee.Cli.Client;
using Levee.Serving;
using Xunit;

namespace Levee.Cli.Tests;

public sealed class CommandLineTests
{
    [Theory]
    [InlineData("set k", "set: give either a value or --file.")]
    [InlineData("set k v --file f", "set: give either a value or --file.")]
    [InlineData("set k v --nx --xx", "--nx and --xx: use one of both.")]
    [InlineData("set k v --ttl 5y", "--ttl: '5y' is not allowed; allowed is a number above 0")]
    [InlineData("get k --port 70000", "--port: '70000' is not allowed; allowed is 1 to 65535.")]
    [InlineData("get", "Required argument missing")]
    [InlineData("prefetch hint a --priority 10", "--priority: '10' is not allowed; allowed is 0 to 9.")]
    [InlineData("prefetch hint", "Required argument missing")]
    [InlineData("prefetch hint a --priority 11", "Try 'levee prefetch hint --help'.")]
    [InlineData("prefetch --queue 1001", "--queue: '1001' is not allowed; allowed is 0 to 1000.")]
    [InlineData("bench --read-share 1.5", "--read-share: '1.5' is not allowed; allowed is a number from 0 to 1.")]
    [InlineData("bench --distribution zipf:0", "--distribution: 'zipf:0' is not allowed; allowed is uniform")]
    [InlineData("bench --distribution normal", "--distribution: 'normal' is not allowed")]
    [InlineData("bench --value-size 10-5", "--value-size: '10-5' is not allowed")]
    [InlineData("bench --pipeline 0", "--pipeline: '0' is not allowed; allowed is a whole number from 1 to 10000.")]
    [InlineData("bench --duration 0", "--duration: '0' is not allowed")]
    [InlineData("bench --op incr", "incr")]
    [InlineData("bench --once", "--once: there is no trace; name one with --distribution trace:FILE.")]
    [InlineData("bench --once --distribution trace:a.txt --threads 2", "--once: several threads do not keep the order of the trace; use --threads 1.")]
    [InlineData("bench --once --distribution trace:a.txt --rate 10", "--once: cannot be combined with --rate.")]
    [InlineData("bench --threads 60", "--threads: 60 threads for 50 connections")]
    public async Task A_wrong_value_is_named_with_what_is_allowed(string line, string message)
    {
        var error = new StringWriter();
        var code = await CommandRoot.InvokeAsync(line.Split(' '), TextWriter.Null, error, TestContext.Current.CancellationToken);
        Assert.Equal(ExitCode.Usage, code);
        Assert.Contains(message, error.ToString(), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("500ms", 0.5)]
    [InlineData("60", 60.0)]
    [InlineData("1.5s", 1.5)]
    [InlineData("5M", 300.0)]
    [InlineData("2h", 7200.0)]
    [InlineData("1d", 86400.0)]
    [InlineData("", null)]
    [InlineData("0s", null)]
    [InlineData("-5s", null)]
    [InlineData("5 s", null)]
    [InlineData("5sms", null)]
    [InlineData("1e9d", null)]
    [InlineData("99999d", null)]
    [InlineData("NaN", null)]
    [InlineData("Infinitys", null)]
    public void A_duration_is_a_number_and_a_unit(string text, double? seconds)
    {
        Assert.Equal(seconds is not null, Duration.TryParse(text, out var duration));
        Assert.Equal(seconds ?? 0, duration.TotalSeconds);
    }

    [Fact]
    public void Info_prints_as_tables_and_as_json()
    {
        var report = InfoReport.Parse("# Server\r\nredis_version:7.4.0\r\n\r\n# Levee\r\narc_t1_entries:12\r\narc_t1_bytes:2048\r\nratio:0.50\r\n");
        Assert.Equal(
            string.Join(Environment.NewLine, "Server", "  redis_version  7.4.0", "", "Levee", "  arc_t1_entries  12", "  arc_t1_bytes    2048  (2.0 KiB)", "  ratio           0.50"),
            report.ToTables());
        using var json = System.Text.Json.JsonDocument.Parse(report.ToJson());
        Assert.Equal(2048, json.RootElement.GetProperty("levee").GetProperty("arc_t1_bytes").GetInt64());
        Assert.Equal("0.50", json.RootElement.GetProperty("levee").GetProperty("ratio").GetString());
    }
}
