using Levee.Keys;
using Levee.Testing;
using Xunit;

namespace Levee.Server.Tests.Resp;

/// <summary>Hints over RESP, and what it shows of the prefetcher.</summary>
public sealed class PrefetchCommandsTests : IAsyncDisposable
{
    private const string NoPrefetcher = "-ERR this cache has no prefetcher: the server runs with --prefetch off, or the cache has no lower tier to bring entries up from|";

    private readonly FakePrefetching prefetching = new();
    private readonly RespRig rig = new();
    private readonly RespClient client;

    public PrefetchCommandsTests()
    {
        rig.Deferring.Prefetching = prefetching;
        client = rig.Connect();
    }

    public ValueTask DisposeAsync() => rig.DisposeAsync();

    [Fact]
    public void Hints_are_taken_with_their_priority_and_counted()
    {
        prefetching.Room = 4;
        RespRig.Converse(
            client,
            "PREFETCH a b", ":2|",
            "prefetch priority 9 c", ":1|",
            "PREFETCH PRIORITY 0 d e f", ":1|",
            "PREFETCH g", ":0|");
        Assert.Equal([("a", 5), ("b", 5), ("c", 9), ("d", 0)], prefetching.Hints.Select(hint => (hint.Key, hint.Priority)));
        Assert.All(prefetching.Hints, hint => Assert.Equal(KeyHash.Of(System.Text.Encoding.UTF8.GetBytes(hint.Key)), hint.Hash));
    }

    [Fact]
    public void A_key_may_be_named_like_the_option()
    {
        RespRig.Converse(
            client,
            "PREFETCH PRIORITY 3 PRIORITY priority 4", ":3|",
            "PREFETCH a PRIORITY 7", ":3|");
        Assert.Equal([("PRIORITY", 3), ("priority", 3), ("4", 3), ("a", 5), ("PRIORITY", 5), ("7", 5)], prefetching.Hints.Select(hint => (hint.Key, hint.Priority)));
    }

    [Fact]
    public void What_is_wrong_is_refused_and_nothing_is_taken()
    {
        RespRig.Converse(
            client,
            "PREFETCH", "-ERR wrong number of arguments for 'prefetch' command|",
            "PREFETCH PRIORITY", "-ERR wrong number of arguments for 'prefetch' command: PRIORITY takes a number and at least one key|",
            "PREFETCH PRIORITY 5", "-ERR wrong number of arguments for 'prefetch' command: PRIORITY takes a number and at least one key|",
            "PREFETCH PRIORITY high a", "-ERR PRIORITY is no whole number; allowed: 0 to 9|",
            "PREFETCH PRIORITY 10 a", "-ERR PRIORITY is 10; allowed: 0 to 9|",
            "PREFETCH PRIORITY -1 a", "-ERR PRIORITY is -1; allowed: 0 to 9|",
            "PREFETCH.QUEUE 1001", "-ERR count must be an integer from 0 to 1000|",
            "PREFETCH.QUEUE x", "-ERR count must be an integer from 0 to 1000|",
            "PREFETCH.QUEUE 1 2", "-ERR wrong number of arguments for 'prefetch.queue' command|",
            "SELECT second", "+OK|",
            "PREFETCH a", NoPrefetcher,
            "PREFETCH.STATUS", NoPrefetcher,
            "PREFETCH.QUEUE", NoPrefetcher,
            "PING", "+PONG|");
        Assert.Empty(prefetching.Hints);
    }

    [Fact]
    public void Status_tells_every_figure()
    {
        var reply = client.Ask("PREFETCH.STATUS");
        Assert.StartsWith("*62|$8|learning|:1|$8|reported|:201|$4|lost|:202|$5|hints|:203|$7|dropped|:204|$5|asked|:205|$8|promoted|:206|$11|from_origin|:207|$6|failed|:208|", reply, StringComparison.Ordinal);
        Assert.Contains("$9|in_flight|:209|$13|max_in_flight|:210|$7|waiting|:211|$12|mean_load_ms|$3|2.5|$5|stale|:212|$10|duplicates|:213|$15|origin_failures|:214|$12|origin_skips|:215|", reply, StringComparison.Ordinal);
        Assert.Contains("$15|would_be_misses|:241|$6|issued|:242|$4|used|:243|$4|late|:244|$6|wasted|:245|$18|failed_predictions|:246|$19|dropped_predictions|:247|", reply, StringComparison.Ordinal);
        Assert.Contains("$9|threshold|$5|0.625|$10|look_ahead|:248|$12|area_entries|:249|$10|waste_rate|$4|0.25|$9|pollution|$3|0.5|$12|memory_bytes|:250|", reply, StringComparison.Ordinal);
        Assert.EndsWith(
            "$7|buckets|*2|*16|$4|name|$14|stride 1, sure|$4|open|:1|$6|issued|:221|$4|used|:222|$4|late|:223|$6|wasted|:224|$6|tested|:225|$9|precision|$4|0.75|"
            + "*16|$4|name|$13|log, doubtful|$4|open|:0|$6|issued|:231|$4|used|:232|$4|late|:233|$6|wasted|:234|$6|tested|:235|$9|precision|$5|0.125|",
            reply,
            StringComparison.Ordinal);
        client.Ask("HELLO 3");
        Assert.StartsWith("%31|$8|learning|:1|", client.Ask("PREFETCH.STATUS"), StringComparison.Ordinal);
        prefetching.Report = FakePrefetching.Sample with { Learnt = null, IsLearning = false };
        Assert.Matches(@"^%18\|\$8\|learning\|:0\|.*\$7\|buckets\|\*0\|$", client.Ask("PREFETCH.STATUS"));
    }

    [Fact]
    public void The_queue_can_be_looked_into()
    {
        Assert.Equal(
            "*2|*8|$3|key|$7|user:42|$4|hash|$16|0000000000000abc|$8|priority|:9|$6|age_ms|:1500|*8|$3|key|$0||$4|hash|$16|0000000000000def|$8|priority|:-1|$6|age_ms|:20|",
            client.Ask("PREFETCH.QUEUE"));
        Assert.StartsWith("*1|*8|$3|key|$7|user:42|", client.Ask("PREFETCH.QUEUE 1"), StringComparison.Ordinal);
        Assert.Equal("*0|", client.Ask("PREFETCH.QUEUE 0"));
    }

    [Fact]
    public void Info_has_a_section_of_it()
    {
        var info = client.Ask("INFO prefetch");
        Assert.Contains("# Prefetch|default_learning:1|default_reported:201|", info, StringComparison.Ordinal);
        Assert.Contains("|default_bucket1_name:log, doubtful|default_bucket1_open:0|", info, StringComparison.Ordinal);
        Assert.DoesNotContain("second_", info, StringComparison.Ordinal);
        Assert.Contains("# Prefetch|", client.Ask("INFO everything"), StringComparison.Ordinal);
        Assert.DoesNotContain("# Prefetch", client.Ask("INFO server"), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(true, "*62|$8|learning|")]
    [InlineData(false, "-ERR the prefetcher did not answer in time; try again|")]
    public async Task A_report_from_elsewhere_comes_in_its_place(bool comes, string begins)
    {
        prefetching.Answers = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        client.Send("PREFETCH.STATUS\r\nPING\r\n");
        Assert.Equal("", client.TakeText());
        var woken = client.WokenAsync();
        if (comes)
        {
            prefetching.Answers.SetResult();
        }
        else
        {
            prefetching.Answers.SetException(new TimeoutException());
        }

        await woken.WaitAsync(TimeSpan.FromSeconds(30), TestContext.Current.CancellationToken);
        client.Pump();
        var reply = client.TakeText();
        Assert.StartsWith(begins, reply, StringComparison.Ordinal);
        Assert.EndsWith("|+PONG|", reply, StringComparison.Ordinal);
    }
}
