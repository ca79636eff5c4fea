using System.Text.Json;
using Levee.Testing;
using Xunit;

namespace Levee.Cli.Tests.Client;

public sealed class PrefetchCommandTests : IAsyncLifetime
{
    private ServerWithTiers server = null!;

    public async ValueTask InitializeAsync() => server = await ServerWithTiers.StartAsync(new FakeTier { Holds = static _ => false });

    public ValueTask DisposeAsync() => server.DisposeAsync();

    [Fact]
    public async Task The_report_is_figures_and_a_row_for_each_bucket()
    {
        Assert.Equal(
            """
            learning         on
            accesses         201 reported, 202 of them lost
            hints            203 taken; 204 hints and predictions found the queue full, 213 waited already, 212 waited too long
            loads            205 asked for, 206 entries brought up (207 from the origin), 208 failed
            under way        209 of at most 210, 211 wait; a load takes 2.5 ms
            would-be misses  241
            predictions      242 issued, 243 used, 244 late, 245 wasted, 246 failed, 247 dropped
            threshold        a bucket opens at a precision of 62.5 %
            look-ahead       248 steps
            area             249 entries
            waste            0.25 per would-be miss
            pollution        0.5 misses of the latest period
            memory           250 bytes

            bucket                  issued  used  late  wasted  tested  precision
            stride 1, sure  open       221   222   223     224     225     75.0 %
            log, doubtful   closed     231   232   233     234     235     12.5 %

            waits                   priority  since
            user:42                        9    1 s
            hash 0000000000000def  predicted  20 ms
            """,
            await server.RunAsync("prefetch", "--queue", "5"));
    }

    [Fact]
    public async Task Without_anybody_who_learns_it_says_so()
    {
        server.Prefetching.Report = FakePrefetching.Sample with { Learnt = null, IsLearning = false };
        var report = await server.RunAsync("prefetch");
        Assert.StartsWith("learning   nobody learns: hints are followed\n", report, StringComparison.Ordinal);
        Assert.DoesNotContain("bucket", report, StringComparison.Ordinal);
        Assert.Contains("this cache has no prefetcher", await server.RunAsync("prefetch", "--cache", "second"), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Json_has_every_figure_the_buckets_and_the_queue()
    {
        using var json = JsonDocument.Parse(await server.RunAsync("prefetch", "--json", "--queue", "1"));
        var report = json.RootElement[0];
        Assert.Equal(201, report.GetProperty("reported").GetInt64());
        Assert.Equal(2.5, report.GetProperty("mean_load_ms").GetDouble());
        Assert.Equal(0.25, report.GetProperty("waste_rate").GetDouble());
        Assert.Equal("log, doubtful", report.GetProperty("buckets")[1].GetProperty("name").GetString());
        Assert.Equal(0.125, report.GetProperty("buckets")[1].GetProperty("precision").GetDouble());
        Assert.Equal("user:42", report.GetProperty("queue")[0].GetProperty("key").GetString());
        Assert.Equal(1, report.GetProperty("queue").GetArrayLength());
        using var without = JsonDocument.Parse(await server.RunAsync("prefetch", "--json"));
        Assert.False(without.RootElement[0].TryGetProperty("queue", out _));
    }

    [Fact]
    public async Task Hints_are_sent_with_their_priority()
    {
        server.Prefetching.Room = 3;
        Assert.Equal("2", await server.RunAsync("prefetch", "hint", "PRIORITY", "b", "--priority", "9"));
        Assert.Equal("1", await server.RunAsync("prefetch", "hint", "c", "d"));
        Assert.Equal([("PRIORITY", 9), ("b", 9), ("c", 5)], server.Prefetching.Hints.Select(hint => (hint.Key, hint.Priority)));
        Assert.Contains("none of the keys was taken", await server.RunAsync("prefetch", "hint", "e"), StringComparison.Ordinal);
    }
}
