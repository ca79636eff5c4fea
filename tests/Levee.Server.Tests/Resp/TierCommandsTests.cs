using Levee.Operations;
using Levee.Testing;
using Xunit;

namespace Levee.Server.Tests.Resp;

/// <summary>What RESP shows of the tiers below memory.</summary>
public sealed class TierCommandsTests : IAsyncDisposable
{
    private readonly FakeTier tier = new() { Holds = static _ => false, Statistics = [SampleTiers.Files, SampleTiers.Bucket] };
    private readonly RespRig rig;
    private readonly RespClient client;

    public TierCommandsTests()
    {
        rig = new RespRig(tier: tier);
        client = rig.Connect();
    }

    public ValueTask DisposeAsync() => rig.DisposeAsync();

    [Fact]
    public void Explain_tells_where_an_entry_lies()
    {
        client.Ask("SET a value PX 5000");
        var version = Content(client.Ask("OBJECT VERSION a"));
        var now = rig.Time.Milliseconds;
        rig.Time.Advance(1000);
        tier.Places = [new TierPlace("file:./data", "segment 17, offset 4096", 248, now, true), new TierPlace("s3://bucket", "open segment", 0, 0, false)];
        var explained = Fields(client.Ask("EXPLAIN a"));
        Assert.Equal("1", explained["in_memory"]);
        Assert.Equal("T1", explained["list"]);
        Assert.Equal("0", explained["ghost"]);
        Assert.Equal(version, explained["version"]);
        Assert.Equal($"{now}", explained["written_at"]);
        Assert.Equal($"{now + 5000}", explained["expires_at"]);
        Assert.Equal("5", explained["value_bytes"]);
        Assert.True(int.Parse(explained["memory_bytes"], System.Globalization.CultureInfo.InvariantCulture) > 5);
        Assert.Equal("0", explained["loading"]);
        Assert.Equal($"{now + 1000}", explained["now"]);
        Assert.EndsWith(
            $"|$6|places|*2|*10|$4|tier|$11|file:./data|$5|where|$23|segment 17, offset 4096|$12|stored_bytes|:248|$5|since|:{now}|$8|promoted|:1|"
            + "*10|$4|tier|$11|s3://bucket|$5|where|$12|open segment|$12|stored_bytes|:0|$5|since|:0|$8|promoted|:0|",
            client.Ask("EXPLAIN a"),
            StringComparison.Ordinal);
        Assert.Equal("1", Fields(client.Ask("EXPLAIN a"))["in_memory"]);
        Assert.Equal("T1", Fields(client.Ask("EXPLAIN a"))["list"]);
    }

    [Fact]
    public void What_is_known_of_residents_alone_is_null_elsewhere()
    {
        Assert.Contains("$9|in_memory|:0|", client.Ask("EXPLAIN none"), StringComparison.Ordinal);
        Assert.Contains("$7|version|$-1|$10|written_at|$-1|$10|expires_at|$-1|$11|value_bytes|$-1|$12|memory_bytes|$-1|", client.Ask("EXPLAIN none"), StringComparison.Ordinal);
        Assert.EndsWith("$6|places|*0|", client.Ask("EXPLAIN none"), StringComparison.Ordinal);
        client.Ask("SET forever 1");
        Assert.Contains("$10|expires_at|:-1|", client.Ask("EXPLAIN forever"), StringComparison.Ordinal);
        client.Ask("HELLO 3");
        Assert.StartsWith("%13|$9|in_memory|:0|", client.Ask("EXPLAIN none"), StringComparison.Ordinal);
        Assert.Contains("$7|version|_|", client.Ask("EXPLAIN none"), StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_load_under_way_shows_and_is_not_waited_for()
    {
        var slow = new FakeTier();
        await using var pending = new RespRig(tier: slow);
        var reader = pending.Connect();
        reader.Send("GET cold\r\n");
        Assert.Contains("$7|loading|:1|", pending.Connect().Ask("EXPLAIN cold"), StringComparison.Ordinal);
        Assert.Single(slow.Pending);
        slow.Complete();
        reader.Pump();
        Assert.Equal("$-1|", reader.TakeText());
    }

    [Fact]
    public void An_explanation_from_elsewhere_comes_in_its_place()
    {
        rig.Deferring.Defers = true;
        client.Send("EXPLAIN a\r\nPING\r\n");
        Assert.Equal("", client.TakeText());
        rig.Deferring.Deliver();
        client.Pump();
        Assert.Matches(@"^\*26\|\$9\|in_memory\|:0\|.*\+PONG\|$", client.TakeText());
    }

    [Fact]
    public void Tiers_tells_every_figure_of_every_tier()
    {
        var reply = client.Ask("TIERS");
        Assert.StartsWith("*2|*64|$4|name|$11|file:./data|$4|kind|$4|file|$6|health|$7|healthy|$7|problem|$0||$7|entries|:101|$13|entries_below|:102|", reply, StringComparison.Ordinal);
        Assert.Contains("$20|given_up_generations|:118|$7|read_ms|$3|1.5|$23|request_dollars_per_day|$3|0.5|", reply, StringComparison.Ordinal);
        Assert.Contains("$15|dollars_per_day|$5|0.875|", reply, StringComparison.Ordinal);
        Assert.Contains("$19|net_dollars_per_day|$5|1.125|", reply, StringComparison.Ordinal);
        Assert.Contains("*46|$4|name|$18|s3://bucket/prefix|$4|kind|$2|s3|$6|health|$8|degraded|$7|problem|$32|the endpoint refuses connections|", reply, StringComparison.Ordinal);
        foreach (var figure in typeof(TierStatistics).GetProperties().Where(p => p.PropertyType == typeof(long)))
        {
            Assert.Contains($"|:{figure.GetValue(SampleTiers.Files)}|", reply, StringComparison.Ordinal);
        }

        client.Ask("HELLO 3");
        Assert.StartsWith("*2|%32|$4|name|", client.Ask("TIERS"), StringComparison.Ordinal);
        Assert.Contains("$7|read_ms|,1.5|", client.Ask("TIERS"), StringComparison.Ordinal);
        client.Ask("SELECT second");
        Assert.Equal("*0|", client.Ask("TIERS"));
    }

    [Fact]
    public void Info_shows_the_tiers_of_all_caches()
    {
        var info = client.Ask("INFO tiers");
        Assert.Contains("# Tiers|default_tier0_name:file:./data|default_tier0_kind:file|default_tier0_health:healthy|", info, StringComparison.Ordinal);
        Assert.Contains("|default_tier0_read_ms:1.5|", info, StringComparison.Ordinal);
        Assert.Contains("|default_tier1_problem:the endpoint refuses connections|", info, StringComparison.Ordinal);
        Assert.Contains("# Tiers|", client.Ask("INFO"), StringComparison.Ordinal);
        Assert.DoesNotContain("# Tiers", client.Ask("INFO server"), StringComparison.Ordinal);
    }

    private static string Content(string bulk) => bulk.Split('|')[1];

    /// <summary>The pairs of a flat array of bulk strings and integers.</summary>
    private static Dictionary<string, string> Fields(string reply)
    {
        var lines = reply.Split('|').Skip(1).Where(line => !line.StartsWith('$')).ToArray();
        return lines.Chunk(2).TakeWhile(pair => pair[0] != "places").ToDictionary(pair => pair[0], pair => pair[1].TrimStart(':'));
    }
}
