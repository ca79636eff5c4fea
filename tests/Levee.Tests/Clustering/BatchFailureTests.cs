using System.Text;
using Levee.Clustering;
using Levee.Operations;
using Levee.Testing;
using Xunit;

namespace Levee.Tests.Clustering;

public sealed class BatchFailureTests
{
    [Fact]
    public async Task What_a_reply_has_no_room_for_is_sent_again_in_order()
    {
        await using var rig = new RouterRig();
        var value = new string('v', 8000);
        var answers = new List<Task<CopiedAnswer>>();
        for (var i = 0; i < 60; i++)
        {
            answers.Add(rig.Submit(RouterRig.SetOf($"key{i % 20}", value + i)));
        }

        for (var i = 0; i < 60; i++)
        {
            answers.Add(rig.Submit(TestBed.On($"key{i % 20}", OperationKind.Get)));
        }

        rig.Router.Flush();
        for (var i = 0; i < 60; i++)
        {
            Assert.Equal(Outcome.Stored, (await answers[i]).Outcome);
            Assert.Equal(value + (40 + (i % 20)), Encoding.Latin1.GetString((await answers[60 + i]).Entry!.Value));
        }

        Assert.True(rig.Targets[0].Requests.Count > 12);
        Assert.Equal(0, rig.Router.Statistics.Retries);
    }

    [Fact]
    public async Task A_partition_that_is_not_here_is_reached_by_the_fallback()
    {
        await using var rig = new RouterRig(servers: 2);
        rig.Executors[0].Close(Enumerable.Range(0, RouterRig.Partitions));
        Assert.Equal(Outcome.Stored, (await rig.Set("key", "1")).Outcome);
        Assert.Equal((RouterRig.PartitionOf("key"), "silo1"), Assert.Single(rig.Routes.Moves));
        Assert.Empty(rig.Executors[0].Seen);
        Assert.Equal(1, rig.Router.Statistics.Retries);
    }

    [Fact]
    public async Task A_partition_that_is_nowhere_is_given_up_after_two_seconds()
    {
        await using var rig = new RouterRig(servers: 2);
        rig.Executors.ForEach(executor => executor.Close(Enumerable.Range(0, RouterRig.Partitions)));
        var began = rig.Time.GetTimestamp();
        var set = rig.Set("key", "1");
        var get = rig.Get("key");
        while (!get.IsCompleted && rig.Time.GetTimestamp() < began + 10_000)
        {
            rig.Time.Advance(10);
        }

        Assert.Equal(Outcome.Unavailable, (await set).Outcome);
        Assert.Equal(Outcome.Miss, (await get).Outcome);
        Assert.InRange(rig.Time.GetTimestamp() - began, 2000, 4500);
        Assert.Contains("not there", rig.Router.LastFailure(RouterRig.PartitionOf("key")), StringComparison.Ordinal);
        Assert.InRange(rig.Targets[1].Requests.Count, 10, 200);
    }

    [Fact]
    public async Task A_partition_that_comes_in_time_finds_its_operations_in_order()
    {
        await using var rig = new RouterRig(servers: 2);
        var partition = RouterRig.PartitionOf("key");
        rig.Executors.ForEach(executor => executor.Close(partition));
        var answers = Enumerable.Range(0, 20).Select(i => rig.Set("key", $"{i}")).ToList();
        rig.Time.Advance(100);
        Assert.DoesNotContain(answers, answer => answer.IsCompleted);
        rig.Executors[1].Open(partition);
        rig.Time.Advance(100);
        await Task.WhenAll(answers);
        Assert.Equal(Enumerable.Range(0, 20).Select(i => $"Set key {i}"), rig.Executors[1].Seen);
    }

    [Fact]
    public async Task What_was_not_delivered_goes_by_the_fallback_until_it_is_there_or_two_seconds_are_over()
    {
        await using var rig = new RouterRig(servers: 2);
        rig.Targets[0].Execution = (_, _) => throw new BatchNotDeliveredException("the silo is gone");
        Assert.Equal(Outcome.Stored, (await rig.Set("key", "1")).Outcome);

        rig.Targets[1].Execution = rig.Targets[0].Execution;
        var set = rig.Set("key", "2");
        var get = rig.Get("key");
        rig.Time.Advance(1000);
        Assert.False(set.IsCompleted || get.IsCompleted);
        rig.Targets[1].Execution = null;
        rig.Time.Advance(100);
        Assert.Equal(Outcome.Stored, (await set).Outcome);
        Assert.Equal("2", Encoding.Latin1.GetString((await get).Entry!.Value));

        rig.Targets[1].Execution = rig.Targets[0].Execution;
        set = rig.Set("key", "3");
        for (var i = 0; i < 30; i++)
        {
            rig.Time.Advance(100);
        }

        Assert.Equal(Outcome.Unavailable, (await set).Outcome);
        Assert.Equal("silo1: the silo is gone", rig.Router.LastFailure(RouterRig.PartitionOf("key")));
    }

    [Fact]
    public async Task A_cause_is_forgotten_when_the_partition_answers_and_a_time_out_does_not_hide_it()
    {
        await using var rig = new RouterRig();
        var partition = RouterRig.PartitionOf("key");
        rig.Targets[0].Execution = (_, _) => throw new IOException("the store refuses");
        Assert.Equal(Outcome.Unavailable, (await rig.Set("key", "1")).Outcome);
        Assert.Equal("silo0: the store refuses", rig.Router.LastFailure(partition));

        var never = new TaskCompletionSource<byte[]>();
        rig.Targets[0].Execution = (_, _) => new ValueTask<byte[]>(never.Task);
        var set = rig.Set("key", "2");
        rig.Time.Advance(1001);
        Assert.Equal(Outcome.Unavailable, (await set).Outcome);
        Assert.Equal("silo0: the store refuses", rig.Router.LastFailure(partition));

        rig.Targets[0].Execution = null;
        Assert.Equal(Outcome.Stored, (await rig.Set("key", "3")).Outcome);
        Assert.Null(rig.Router.LastFailure(partition));
    }

    [Fact]
    public async Task A_lane_to_which_no_way_is_known_is_given_up_and_the_others_go_on()
    {
        await using var rig = new RouterRig();
        var astray = RouterRig.Partitions + 1;
        rig.Routes.Target = lane => lane == astray ? throw new InvalidOperationException("nobody serves") : rig.Targets[0];
        var lost = rig.Submit(RouterRig.SetOf("key", "1"));
        rig.Router.Submit(astray, ScanOf(astray), rig.Sink, 77);
        rig.Router.Submit(astray, ScanOf(astray), rig.Sink, 78);
        rig.Router.Flush();
        Assert.Equal(Outcome.Stored, (await lost).Outcome);
        Assert.Equal((Outcome.Unavailable, Outcome.Unavailable), ((await rig.Sink.Of(77)).Outcome, (await rig.Sink.Of(78)).Outcome));
        Assert.Equal($"no way to partition {astray} is known: nobody serves", rig.Router.LastFailure(astray));
        Assert.Equal(0, rig.Router.Statistics.Waiting);

        // The way is known again, and the lane is as good as new.
        rig.Routes.Target = _ => rig.Targets[0];
        rig.Router.Submit(astray, ScanOf(0), rig.Sink, 79);
        rig.Router.Flush();
        Assert.Equal(Outcome.Done, (await rig.Sink.Of(79)).Outcome);
        Assert.Null(rig.Router.LastFailure(astray));

        static Operation ScanOf(int partition) => new() { Kind = OperationKind.Scan, Partition = partition };
    }

    [Theory]
    [InlineData("")]
    [InlineData("010203")]
    [InlineData("01000100000000")]
    [InlineData("010001000000050000")]
    [InlineData("01000100000000FFFF0100")]
    public async Task A_reply_that_is_garbage_leaves_writes_unknown_and_repeats_reads(string reply)
    {
        await using var rig = new RouterRig(servers: 2);
        rig.Targets[0].Execution = (_, _) => ValueTask.FromResult(Convert.FromHexString(reply));
        Assert.Equal(Outcome.Unavailable, (await rig.Set("key", "1")).Outcome);
        Assert.StartsWith("silo0: ", rig.Router.LastFailure(RouterRig.PartitionOf("key")), StringComparison.Ordinal);
        Assert.Equal(Outcome.Miss, (await rig.Get("key")).Outcome);
        Assert.Equal("Get key ", Assert.Single(rig.Executors[1].Seen));
    }

    [Fact]
    public async Task A_write_that_timed_out_does_not_overtake_a_later_one()
    {
        await using var rig = new RouterRig();
        var gate = new TaskCompletionSource();
        var late = new TaskCompletionSource<byte[]>();
        rig.Targets[0].Execution = async (_, through) =>
        {
            await gate.Task;
            late.SetResult(await through());
            return await late.Task;
        };
        var first = rig.Set("key", "1");
        rig.Time.Advance(1001);
        Assert.Equal(Outcome.Unavailable, (await first).Outcome);
        Assert.Equal("silo0: timed out after 1000 ms", rig.Router.LastFailure(RouterRig.PartitionOf("key")));

        rig.Targets[0].Execution = null;
        Assert.Equal(Outcome.Stored, (await rig.Set("key", "2")).Outcome);
        gate.SetResult();
        Assert.Equal(ReplyFlags.Voided, new AnswerBatchReader(await late.Task).Flags);
        Assert.Equal("2", Encoding.Latin1.GetString((await rig.Get("key")).Entry!.Value));
    }

    [Fact]
    public async Task A_target_that_never_answers_costs_reads_two_timeouts()
    {
        await using var rig = new RouterRig();
        rig.Targets[0].Execution = (_, _) => new ValueTask<byte[]>(new TaskCompletionSource<byte[]>().Task);
        var get = rig.Get("key");
        rig.Time.Advance(1001);
        await Settled(() => rig.Targets[0].Requests.Count == 2);
        Assert.False(get.IsCompleted);
        rig.Time.Advance(1001);
        Assert.Equal(Outcome.Miss, (await get).Outcome);
    }

    [Fact]
    public async Task Disposal_answers_what_waits_and_what_is_under_way()
    {
        var rig = new RouterRig();
        rig.Targets[0].Execution = (_, _) => new ValueTask<byte[]>(new TaskCompletionSource<byte[]>().Task);
        var underWay = rig.Get("key");
        var waiting = rig.Set("key", "1");
        await rig.DisposeAsync();
        Assert.Equal(Outcome.Unavailable, (await underWay).Outcome);
        Assert.Equal(Outcome.Unavailable, (await waiting).Outcome);
        Assert.Equal(Outcome.Unavailable, (await rig.Set("key", "2")).Outcome);
    }

    [Fact]
    public async Task Answers_are_held_until_they_are_committed()
    {
        await using var rig = new RouterRig();
        rig.Executors[0].Commit = new TaskCompletionSource();
        var set = rig.Set("key", "1");
        Assert.Single(rig.Executors[0].Seen);
        Assert.False(set.IsCompleted);
        rig.Executors[0].Commit!.SetResult();
        Assert.Equal(Outcome.Stored, (await set).Outcome);

        rig.Executors[0].Commit = new TaskCompletionSource();
        set = rig.Set("key", "2");
        rig.Executors[0].Commit!.SetException(new IOException("the disk is full"));
        Assert.Equal(Outcome.Unavailable, (await set).Outcome);
    }

    [Fact]
    public async Task Answers_that_are_not_committed_are_collected()
    {
        await using var rig = new RouterRig();
        rig.Targets[0].Execution = (request, _) => ValueTask.FromResult(rig.Targets[0].Server.Execute(request));
        rig.Executors[0].Commit = new TaskCompletionSource();
        var set = rig.Set("key", "1");
        Assert.Equal(1, rig.Targets[0].Server.Statistics.Batches);
        Assert.False(set.IsCompleted);
        rig.Executors[0].Commit!.SetResult();
        Assert.Equal(Outcome.Stored, (await set).Outcome);
        await Settled(() => rig.Targets[0].Server.Statistics.Batches == 0);
    }

    [Fact]
    public async Task A_scan_that_exceeds_a_reply_goes_on_where_it_ended()
    {
        await using var rig = new RouterRig();
        var expected = new SortedSet<string>();
        for (var i = 0; i < 800; i++)
        {
            await rig.Set($"key{i}", new string('v', 1000));
            if (RouterRig.PartitionOf($"key{i}") == 2)
            {
                expected.Add($"key{i}");
            }
        }

        var found = new List<string>();
        var calls = 0;
        for (long position = 0, ticket = -1; ; ticket--)
        {
            rig.Router.Submit(2, new Operation { Kind = OperationKind.Scan, Partition = 2, Count = 1024, Number = position }, rig.Sink, ticket);
            rig.Router.Flush();
            position = (await rig.Sink.Of(ticket)).Number;
            found.AddRange(rig.Sink.All(ticket).Where(answer => answer.Outcome == Outcome.Item).Select(answer => answer.Entry!.Key));
            calls++;
            if (position == 0)
            {
                break;
            }
        }

        Assert.Equal(expected, found.Order(StringComparer.Ordinal));
        Assert.InRange(calls, 3, 20);
    }

    [Fact]
    public async Task The_entry_before_a_set_comes_with_it_also_where_it_is_large()
    {
        await using var rig = new RouterRig();
        var large = new byte[100_000];
        new Random(1).NextBytes(large);
        var set = TestBed.On("key", OperationKind.Set);
        set.Large = rig.Larges.TryCreate(large);
        Assert.Equal(Outcome.Stored, (await rig.Do(set)).Outcome);
        var next = RouterRig.SetOf("key", "new");
        next.ReturnsPrevious = true;
        Assert.Equal(Outcome.Stored, (await rig.Do(next)).Outcome);
        var answers = rig.Sink.All(2);
        Assert.Equal([Outcome.Item, Outcome.Stored], answers.Select(answer => answer.Outcome));
        Assert.Equal(large, answers[0].Entry!.Value);
        Assert.Equal("new"u8, answers[1].Entry!.Value);
        Assert.Equal(0, rig.Arena.RentedPages);
    }

    [Fact]
    public async Task A_value_that_nobody_wants_stays_where_it_is()
    {
        await using var rig = new RouterRig();
        var set = TestBed.On("key", OperationKind.Set);
        set.Large = rig.Larges.TryCreate(new byte[100_000]);
        await rig.Do(set);
        var received = rig.Router.Statistics.ReceivedBytes;
        var delete = TestBed.On("key", OperationKind.Delete);
        delete.SkipsValue = true;
        var sink = new LookingSink();
        rig.Router.Submit((int)(delete.Hash >> 62), delete, sink, 0);
        rig.Router.Flush();
        Assert.Equal((Outcome.Removed, 100_000, 0, true), sink.Seen);
        Assert.InRange(rig.Router.Statistics.ReceivedBytes - received, 1, 100);
    }

    [Fact]
    public async Task What_callers_leave_behind_is_let_go_after_a_time()
    {
        await using var rig = new RouterRig();
        var server = rig.Targets[0].Server;
        var set = TestBed.On("key", OperationKind.Set);
        set.Large = rig.Larges.TryCreate(new byte[100_000]);
        await rig.Do(set);
        server.WriteLarge(5, 100_000, 0, new byte[1000]);
        rig.Targets[0].Reading = _ => throw new IOException("the line is down");
        Assert.Equal(Outcome.Miss, (await rig.Get("key")).Outcome);
        Assert.Equal((100_000L, 100_000L), (server.Statistics.StagedBytes, server.Statistics.NamedBytes));
        rig.Time.Advance(40_000);
        Assert.Equal(new BatchServerStatistics(0, 0, 0, 2), server.Statistics);
        Assert.Equal(0, rig.Arena.RentedPages);
    }

    [Fact]
    public async Task Large_values_beyond_the_bound_are_refused()
    {
        await using var rig = new RouterRig(serverOptions: new BatchServerOptions { MaxStagedBytes = 50_000, MaxNamedBytes = 30_000 });
        var large = rig.Larges.TryCreate(new byte[60_000])!;
        Assert.Equal(Outcome.OutOfMemory, (await rig.Do(new Operation { Kind = OperationKind.Set, Key = "key"u8, Large = large })).Outcome);
        large.Release();
        large = rig.Larges.TryCreate(new byte[40_000])!;
        Assert.Equal(Outcome.Stored, (await rig.Do(new Operation { Kind = OperationKind.Set, Key = "key"u8, Large = large })).Outcome);
        Assert.Equal(Outcome.Miss, (await rig.Do(new Operation { Kind = OperationKind.Get, Key = "key"u8 })).Outcome);
        Assert.Equal(0, rig.Arena.RentedPages);
    }

    [Fact]
    public async Task A_set_whose_large_value_cannot_be_brought_across_goes_by_the_fallback()
    {
        await using var rig = new RouterRig(servers: 2);
        rig.Targets[0].Writing = _ => throw new IOException("the line is down");
        var set = TestBed.On("key", OperationKind.Set);
        set.Large = rig.Larges.TryCreate(new byte[100_000]);
        Assert.Equal(Outcome.Stored, (await rig.Do(set)).Outcome);
        Assert.Empty(rig.Executors[0].Seen);
        Assert.Equal(0, rig.Arena.RentedPages);
    }

    [Fact]
    public async Task A_large_value_that_came_to_another_server_than_its_set_is_brought_anew()
    {
        await using var rig = new RouterRig(servers: 2);
        var moves = 0;
        rig.Targets[0].Execution = (request, through) => moves++ == 0 ? rig.Targets[1].Server.ExecuteAsync(request, TimeSpan.Zero) : through();
        rig.Routes.Fallback = _ => rig.Targets[0];
        var set = TestBed.On("key", OperationKind.Set);
        set.Large = rig.Larges.TryCreate(new byte[100_000]);
        Assert.Equal(Outcome.Stored, (await rig.Do(set)).Outcome);
        Assert.Equal(2, moves);
        Assert.Empty(rig.Executors[1].Seen);
        Assert.Single(rig.Executors[0].Seen);
    }

    [Fact]
    public async Task A_large_value_is_read_where_the_answer_came_from()
    {
        await using var rig = new RouterRig(servers: 2);
        var set = TestBed.On("key", OperationKind.Set);
        set.Large = rig.Larges.TryCreate(new byte[100_000]);
        Assert.Equal(Outcome.Stored, (await rig.Do(set)).Outcome);
        GoesAbout(rig);
        Assert.Equal(100_000, (await rig.Get("key")).Entry!.Value.Length);
    }

    [Fact]
    public async Task What_is_pending_is_collected_where_the_answer_came_from()
    {
        await using var rig = new RouterRig(servers: 2);
        var deferring = new DeferringHost(rig.Hosts[0]);
        await using var server = new BatchServer(new HostExecutor(deferring), rig.Hosts[0].LargeValues, rig.Time, "silo0");
        rig.Targets[0] = new ServerTarget("silo0", server);
        GoesAbout(rig);
        var set = rig.Set("key", "1");
        Assert.False(set.IsCompleted);
        deferring.Deliver();
        Assert.Equal(Outcome.Stored, (await set).Outcome);
        Assert.Null(rig.Router.LastFailure(RouterRig.PartitionOf("key")));
    }

    [Fact]
    public async Task Counters_and_explanations_travel()
    {
        await using var rig = new RouterRig();
        await rig.Set("key", "value");
        var partition = RouterRig.PartitionOf("key");
        var statistics = await rig.Do(new Operation { Kind = OperationKind.Statistics, Partition = partition });
        Assert.Equal((1L, 1L), (statistics.Statistics!.Entries, statistics.Statistics.Stores));
        var sink = new LookingSink();
        rig.Router.Submit(partition, TestBed.On("key", OperationKind.Explain), sink, 0);
        rig.Router.Flush();
        Assert.True(sink.Explanation!.IsResident);
    }

    [Fact]
    public async Task What_is_pending_is_collected_when_it_comes()
    {
        await using var rig = new RouterRig();
        var deferring = new DeferringHost(rig.Hosts[0]);
        await using var server = new BatchServer(new HostExecutor(deferring), rig.Hosts[0].LargeValues, rig.Time, "gateway");
        rig.Routes.Target = _ => new ServerTarget("gateway", server);
        var answers = Enumerable.Range(0, 30).Select(i => rig.Submit(RouterRig.SetOf($"key{i}", $"{i}"))).ToList();
        rig.Router.Flush();
        Assert.Equal(30, deferring.Waiting);
        Assert.DoesNotContain(answers, answer => answer.IsCompleted);
        deferring.Deliver(10);
        await Settled(() => answers.Count(answer => answer.IsCompleted) == 10);
        deferring.Deliver();
        Assert.All(await Task.WhenAll(answers), answer => Assert.Equal(Outcome.Stored, answer.Outcome));
        await Settled(() => server.Statistics.Batches == 0);
    }

    [Fact]
    public async Task A_gateway_lingers_for_what_is_pending()
    {
        await using var rig = new RouterRig();
        var deferring = new DeferringHost(rig.Hosts[0]);
        await using var server = new BatchServer(new HostExecutor(deferring), rig.Hosts[0].LargeValues, rig.Time, "gateway");
        rig.Routes.Target = _ => new ServerTarget("gateway", server) { Linger = TimeSpan.FromMilliseconds(200), Collection = (_, _) => throw new IOException("nothing is left to collect") };
        var answers = Enumerable.Range(0, 30).Select(i => rig.Submit(RouterRig.SetOf($"key{i}", $"{i}"))).ToList();
        rig.Router.Flush();
        deferring.Deliver();
        Assert.All(await Task.WhenAll(answers), answer => Assert.Equal(Outcome.Stored, answer.Outcome));
        Assert.Equal(0, server.Statistics.Batches);
    }

    [Fact]
    public async Task Pending_answers_that_cannot_be_collected_are_given_up()
    {
        await using var rig = new RouterRig();
        var deferring = new DeferringHost(rig.Hosts[0]);
        await using var server = new BatchServer(new HostExecutor(deferring), rig.Hosts[0].LargeValues, rig.Time, "gateway");
        rig.Routes.Target = _ => new ServerTarget("gateway", server) { Collection = (_, _) => throw new IOException("the line is down") };
        var set = rig.Submit(RouterRig.SetOf("key", "1"));
        var get = rig.Submit(TestBed.On("key", OperationKind.Get));
        rig.Router.Flush();
        Assert.Equal((Outcome.Unavailable, Outcome.Miss), ((await set).Outcome, (await get).Outcome));
        rig.Time.Advance(40_000);
        Assert.Equal(new BatchServerStatistics(0, 0, 0, 1), server.Statistics);
        deferring.Deliver();
    }

    /// <summary>Operations are sent to a grain that is with the first server when they come, and with the second one ever after.</summary>
    private static void GoesAbout(RouterRig rig)
    {
        var grain = new ServerTarget("grain", rig.Targets[1].Server) { Execution = (request, _) => rig.Targets[0].Server.ExecuteAsync(request, TimeSpan.Zero) };
        rig.Routes.Target = _ => grain;
        rig.Routes.Keeper = (asked, owner) => asked == grain ? rig.Targets.Single(target => target.Name == owner) : asked;
    }

    /// <summary>Waits for what other threads are about to do.</summary>
    private static async Task Settled(Func<bool> holds)
    {
        using var limit = new CancellationTokenSource(TimeSpan.FromSeconds(20));
        while (!holds())
        {
            limit.Token.ThrowIfCancellationRequested();
            await Task.Yield();
        }
    }

    private sealed class LookingSink : IAnswerSink
    {
        public (Outcome Outcome, int Length, int Shown, bool IsLargeNull) Seen { get; private set; }

        public EntryExplanation? Explanation { get; private set; }

        public void Answer(long ticket, in Answer answer)
        {
            Explanation = answer.Explanation;
            Seen = answer.Entry.IsEmpty ? (answer.Outcome, 0, 0, true) : (answer.Outcome, answer.Entry.ValueLength, answer.Entry.Value.Length, answer.Entry.Large is null);
        }
    }
}
