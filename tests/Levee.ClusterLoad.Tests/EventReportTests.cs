using Xunit;

namespace Levee.ClusterLoad.Tests;

public sealed class EventReportTests
{
    [Fact]
    public void A_dip_is_measured_from_the_event_until_the_ratio_stays_near_what_it_was()
    {
        // 10 seconds at 90 %, then 50 %, 89.5 %, 70 %, and 90 % again.
        SecondRow[] rows = [.. Enumerable.Range(0, 20).Select(second => Row(second, second switch { 10 => 500, 11 => 895, 12 => 700, _ => 900 }))];
        var report = Assert.Single(EventReport.Of([new ServerEvent(10.4, "stop")], rows, [], []));
        Assert.Equal(0.9, report.Before.HitRatio, 6);
        Assert.Equal(0.5, report.WorstHitRatio, 6);
        Assert.Equal(0.9, report.After.HitRatio, 6);
        Assert.Equal(2.6, report.SecondsToRecover!.Value, 6);
    }

    [Fact]
    public void An_event_ends_where_the_next_begins()
    {
        SecondRow[] rows = [.. Enumerable.Range(0, 20).Select(second => Row(second, second switch { < 5 => 900, < 10 => 600, < 15 => 300, _ => 600 }))];
        var reports = EventReport.Of([new ServerEvent(5.1, "first"), new ServerEvent(10.1, "second")], rows, [], []);
        Assert.Null(reports[0].SecondsToRecover);
        Assert.Equal(0.6, reports[0].WorstHitRatio, 6);
        Assert.Equal(0.3, reports[1].WorstHitRatio, 6);
        Assert.Equal(4.9, reports[1].SecondsToRecover!.Value, 6);
    }

    [Fact]
    public void A_second_without_any_read_is_no_recovery()
    {
        SecondRow[] rows = [.. Enumerable.Range(0, 10).Select(second => second == 6 ? new SecondRow(6, 0, 0, 0, 0, 0, 0, 0) : Row(second, 900))];
        Assert.Equal(1.5, Assert.Single(EventReport.Of([new ServerEvent(5.5, "stop")], rows, [], [])).SecondsToRecover!.Value, 6);
    }

    [Fact]
    public void Failures_count_for_fifteen_seconds_and_silences_where_they_overlap()
    {
        SecondRow[] rows = [.. Enumerable.Range(0, 40).Select(second => Row(second, 900))];
        FailedRequest[] failures = [new(9.9, Failure.Error), new(10.1, Failure.Error), new(24, Failure.TimedOut), new(26, Failure.Error)];
        Silence[] silences = [new(1, false, 2, 9), new(2, false, 9.5, 11), new(3, true, 12, 14), new(3, true, 15, 15.2)];
        var report = Assert.Single(EventReport.Of([new ServerEvent(10, "kill")], rows, silences, failures));
        Assert.Equal(new Dictionary<Failure, int> { [Failure.Error] = 1, [Failure.TimedOut] = 1 }, report.Failures);
        Assert.Equal(new PartitionSilence(1.5, 1), report.LongestSilence);
        Assert.Equal(new PartitionSilence(2, 1), report.LongestWriteSilence);
    }

    [Fact]
    public void The_log_gives_each_second_its_answers_and_each_partition_its_silences()
    {
        var log = new SecondLog(2);
        log.Ask(0, RequestKind.Get, Ms(100));
        log.Ask(1, RequestKind.Get, Ms(200));
        log.Answer(0, RequestKind.Get, isHit: true, due: Ms(100), now: Ms(102));
        log.Answer(1, RequestKind.Get, isHit: false, due: Ms(200), now: Ms(250));
        log.Ask(1, RequestKind.Set, Ms(1300));
        log.Ask(1, RequestKind.Set, Ms(2300));
        log.Answer(1, RequestKind.Set, isHit: true, due: Ms(2300), now: Ms(2301));
        log.Ask(0, RequestKind.Get, Ms(2350));
        log.Fail(Failure.Broken, Ms(2400));
        var (rows, silences, failures) = log.End(Ms(3500));
        Assert.Equal([2, 0, 1], rows.Select(row => row.Answers));
        Assert.Equal([0, 0, 1], rows.Select(row => row.Failures));
        Assert.Equal(0.5, rows[0].HitRatio);
        Assert.Equal(50, rows[0].Max);
        Assert.Equal(2.4, Assert.Single(failures).At, 6);
        Assert.Equal(
            ["1 False 1.300-2.301", "1 True 1.300-2.301", "0 False 2.350-3.500"],
            silences.Select(silence => FormattableString.Invariant($"{silence.Partition} {silence.IsOfWrites} {silence.From:0.000}-{silence.Until:0.000}")));
    }

    private static SecondRow Row(int second, long hits) => new(second, 1000, hits, 1000 - hits, 0, 1, 2, 3);

    private static long Ms(long ms) => ms * 1_000_000;
}
