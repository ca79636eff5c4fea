using System.Text;
using System.Threading.Channels;
using Levee.Caching;
using Levee.Hosting;
using Levee.Keys;
using Levee.Learning;
using Levee.Memory;
using Levee.Operations;
using Levee.Testing;
using Xunit;

namespace Levee.Tests.Hosting;

public sealed class PrefetchRunnerTests
{
    private static readonly PrefetchRunnerOptions AtOnce = new() { Pause = TimeSpan.Zero };

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    [Fact]
    public async Task What_is_reported_is_learnt_what_is_predicted_is_asked_for_and_how_it_ended_is_told()
    {
        var host = new ScriptedHost();
        var prefetcher = new ScriptedPrefetcher();
        await using var runner = new PrefetchRunner(host, prefetcher, AtOnce, TimeProvider.System);
        Report(runner, "a", AccessKind.Miss);
        Assert.Equal("a Miss", await prefetcher.Observed.Reader.ReadAsync(Cancellation));
        prefetcher.Predict(7, "next");
        Report(runner, "b", AccessKind.PrefetchHit);
        Assert.Equal("b PrefetchHit", await prefetcher.Observed.Reader.ReadAsync(Cancellation));
        var asked = await host.NextAsync();
        Assert.Equal(("next", KeyHash.Of("next"u8)), (asked.Key, asked.Hash));
        var report = await runner.ReportAsync(10, Cancellation);
        Assert.Equal((1, 1, 0, 2L, 0L), (report.InFlight, report.Asked, report.Waiting, report.Reported, report.Lost));
        asked.End(PrefetchOutcome.Promoted);
        var (id, outcome, latency) = await prefetcher.Ends.Reader.ReadAsync(Cancellation);
        Assert.Equal((7UL, PrefetchOutcome.Promoted), (id, outcome));
        Assert.InRange(latency, 0, 60_000_000);
        Assert.Equal((0, 1L), ((await runner.ReportAsync(10, Cancellation)).InFlight, (await runner.ReportAsync(10, Cancellation)).Promoted));

        prefetcher.PredictHash(8, 0x1234);
        Report(runner, "c", AccessKind.Miss);
        asked = await host.NextAsync();
        Assert.Equal(("", 0x1234UL), (asked.Key, asked.Hash));
        asked.End(PrefetchOutcome.Absent);
        Assert.Equal((8UL, PrefetchOutcome.Absent), (await prefetcher.Ends.Reader.ReadAsync(Cancellation)) is var (ended, how, _) ? (ended, how) : default);
    }

    [Fact]
    public async Task A_thread_that_takes_turns_learns_what_it_reports_itself_and_begins_so_many_loads()
    {
        var host = new ScriptedHost();
        var prefetcher = new ScriptedPrefetcher();
        await using var runner = new PrefetchRunner(host, prefetcher, AtOnce with { MaxConcurrency = 100 }, TimeProvider.System);
        OnOwnThread(() =>
        {
            Assert.False(runner.TakeTurn());
            Report(runner, "a", AccessKind.Miss);
            for (var i = 0UL; i < 40; i++)
            {
                prefetcher.Predict(i, $"next{i}");
            }

            Assert.True(runner.TakeTurn());
            Assert.Equal(32, host.Waiting);
            Assert.Equal((Environment.CurrentManagedThreadId, true), prefetcher.ObservedOn);
            Assert.False(runner.TakeTurn());
            Assert.Equal(40, host.Waiting);
        });
        Assert.Equal("a Miss", await prefetcher.Observed.Reader.ReadAsync(Cancellation));

        // Answers that come on other threads are taken all the same.
        (await host.NextAsync()).End(PrefetchOutcome.Promoted);
        Assert.Equal(0UL, (await prefetcher.Ends.Reader.ReadAsync(Cancellation)).Id);
    }

    [Fact]
    public async Task A_thread_that_takes_turns_waits_for_nobody_who_has_one()
    {
        using var release = new ManualResetEventSlim();
        var prefetcher = new ScriptedPrefetcher();
        await using var runner = new PrefetchRunner(new ScriptedHost(), prefetcher, AtOnce, TimeProvider.System);
        prefetcher.OnObserve = () => release.Wait(Cancellation);
        Report(runner, "a", AccessKind.Miss);
        Assert.Equal("a Miss", await prefetcher.Observed.Reader.ReadAsync(Cancellation));
        OnOwnThread(() =>
        {
            Assert.False(runner.TakeTurn());
            Report(runner, "b", AccessKind.Miss);
            Assert.False(runner.TakeTurn());
        });
        Assert.False(prefetcher.Observed.Reader.TryPeek(out _));
        release.Set();
        Assert.Equal("b Miss", await prefetcher.Observed.Reader.ReadAsync(Cancellation));
    }

    [Fact]
    public async Task What_was_asked_for_while_it_waited_is_not_loaded()
    {
        var host = new ScriptedHost();
        var prefetcher = new ScriptedPrefetcher();
        await using var runner = new PrefetchRunner(host, prefetcher, AtOnce with { MaxConcurrency = 1 }, TimeProvider.System);
        prefetcher.Predict(1, "first");
        prefetcher.Predict(2, "second");
        prefetcher.Predict(3, "third");
        Report(runner, "a", AccessKind.Miss);
        var first = await host.NextAsync();
        prefetcher.Unwanted = 2;
        first.End(PrefetchOutcome.Promoted);
        Assert.Equal("third", (await host.NextAsync()).Key);
        Assert.Equal((1, 0, 2L), (await runner.ReportAsync(0, Cancellation)) is var report ? (report.InFlight, report.Waiting, report.Asked) : default);
    }

    [Fact]
    public async Task A_prefetcher_that_fails_learns_no_more_and_holds_nobody_up()
    {
        var host = new ScriptedHost();
        var prefetcher = new ScriptedPrefetcher { OnObserve = static () => throw new InvalidOperationException("it fails") };
        var runner = new PrefetchRunner(host, prefetcher, AtOnce, TimeProvider.System);
        OnOwnThread(() =>
        {
            runner.TakeTurn();
            Report(runner, "a", AccessKind.Miss);
            Assert.False(runner.TakeTurn());
            Assert.False(runner.IsLearning);
            Report(runner, "b", AccessKind.Miss);
            Assert.False(runner.TakeTurn());
        });
        Assert.True(Hint(runner, "hinted", 5));
        Assert.Equal("hinted", (await host.NextAsync()).Key);
        Assert.Equal("InvalidOperationException: it fails", (await runner.ReportAsync(0, Cancellation)).Failure);
        await runner.DisposeAsync();
        OnOwnThread(() => Assert.False(runner.TakeTurn()));
    }

    [Fact]
    public async Task Loads_that_end_at_once_are_told_in_the_same_turn()
    {
        var host = new ScriptedHost { Answers = PrefetchOutcome.Promoted };
        var prefetcher = new ScriptedPrefetcher();
        await using var runner = new PrefetchRunner(host, prefetcher, AtOnce, TimeProvider.System);
        prefetcher.Predict(1, "next");
        OnOwnThread(() =>
        {
            runner.TakeTurn();
            Report(runner, "a", AccessKind.Miss);
            runner.TakeTurn();
            Assert.True(prefetcher.Ends.Reader.TryRead(out var end));
            Assert.Equal((1UL, PrefetchOutcome.Promoted), (end.Id, end.Outcome));
        });
    }

    [Fact]
    public async Task Hints_go_before_predictions_by_priority_and_only_so_many_at_a_time()
    {
        var host = new ScriptedHost();
        var prefetcher = new ScriptedPrefetcher();
        await using var runner = new PrefetchRunner(host, prefetcher, AtOnce with { MaxConcurrency = 1, QueueCapacity = 4 }, TimeProvider.System);
        Assert.True(Hint(runner, "first", 0));
        var first = await host.NextAsync();
        prefetcher.Predict(1, "predicted");
        Report(runner, "a", AccessKind.Miss);
        await prefetcher.Observed.Reader.ReadAsync(Cancellation);
        await prefetcher.Taken.Reader.ReadAsync(Cancellation);
        Assert.True(Hint(runner, "low", 1));
        Assert.True(Hint(runner, "high", 9));
        Assert.False(Hint(runner, "high", 9));
        Assert.True(Hint(runner, "higher than low", 2));
        Assert.True(Hint(runner, "lowest", 0));
        Assert.False(Hint(runner, "too many", 0));
        first.End(PrefetchOutcome.Resident);
        foreach (var expected in new[] { "high", "higher than low", "low", "lowest" })
        {
            var asked = await host.NextAsync();
            Assert.Equal(expected, asked.Key);
            asked.End(PrefetchOutcome.Promoted);
        }

        // The prediction had to leave for a hint.
        Assert.Equal((1UL, PrefetchOutcome.Dropped), (await prefetcher.Ends.Reader.ReadAsync(Cancellation)) is var (id, outcome, _) ? (id, outcome) : default);
        var report = await runner.ReportAsync(10, Cancellation);
        Assert.Equal((5L, 2L, 1L), (report.Hints, report.Dropped, report.Duplicates));
    }

    [Fact]
    public async Task The_queue_can_be_looked_at()
    {
        var host = new ScriptedHost();
        await using var runner = new PrefetchRunner(host, null, AtOnce with { MaxConcurrency = 1 }, TimeProvider.System);
        Assert.False(runner.IsLearning);
        Hint(runner, "under way", 5);
        await host.NextAsync();
        Hint(runner, "b", 3);
        Hint(runner, "a", 4);
        var report = await runner.ReportAsync(1, Cancellation);
        Assert.Equal((2, 1, 1), (report.Waiting, report.Queue.Count, report.MaxInFlight));
        Assert.Equal(("a", 4), (Encoding.UTF8.GetString(report.Queue[0].Key.Span), report.Queue[0].Priority));
        Assert.Null(report.Learnt);
        Assert.Throws<ArgumentOutOfRangeException>(() => Hint(runner, "c", 10));
        Assert.Throws<ArgumentOutOfRangeException>(() => Hint(runner, "c", -1));
    }

    [Fact]
    public async Task Switched_off_it_has_nothing_reported_gives_predictions_up_and_follows_hints()
    {
        await using var host = new LockHost(new CacheOptions { MemoryBytes = 16L << 20, Partitions = 1 }, TimeProvider.System, seed: 1);
        var scripted = new ScriptedHost();
        var prefetcher = new ScriptedPrefetcher();
        await using var runner = new PrefetchRunner(scripted, prefetcher, AtOnce with { MaxConcurrency = 1 }, TimeProvider.System, host);
        Assert.Same(runner, host.Accesses);
        Assert.True(host.NotesPollution);
        host.Submit(TestBed.On("missed", OperationKind.Get), new CopyingSink(), 1);
        Assert.Equal("missed Miss", await prefetcher.Observed.Reader.ReadAsync(Cancellation));
        Hint(runner, "blocks", 5);
        var blocks = await scripted.NextAsync();
        prefetcher.Predict(3, "predicted");
        host.Submit(TestBed.On("missed again", OperationKind.Get), new CopyingSink(), 1);
        await prefetcher.Taken.Reader.ReadAsync(Cancellation);
        runner.IsLearning = false;
        Assert.Equal((3UL, PrefetchOutcome.Dropped), (await prefetcher.Ends.Reader.ReadAsync(Cancellation)) is var (id, outcome, _) ? (id, outcome) : default);
        Assert.Null(host.Accesses);
        Assert.False(host.NotesPollution);
        Hint(runner, "hinted", 5);
        blocks.End(PrefetchOutcome.Failed);
        Assert.Equal("hinted", (await scripted.NextAsync()).Key);
        runner.IsLearning = true;
        Assert.Same(runner, host.Accesses);
        Assert.Equal(1, (await runner.ReportAsync(0, Cancellation)).Failed);
    }

    [Fact]
    public async Task What_no_tier_has_the_origin_brings_and_it_is_used_as_if_it_had_been_there()
    {
        await using var host = new LockHost(new CacheOptions { MemoryBytes = 16L << 20, Partitions = 1 }, TimeProvider.System, seed: 1);
        var prefetcher = new ScriptedPrefetcher();
        var options = AtOnce with
        {
            Origin = static (key, _) => key.ToString() switch
            {
                "broken" => throw new InvalidOperationException("The origin fails."),
                "absent" => ValueTask.FromResult<OriginEntry?>(null),
                "large" => ValueTask.FromResult<OriginEntry?>(new OriginEntry(new byte[20_000], default)),
                var text => ValueTask.FromResult<OriginEntry?>(new OriginEntry(Encoding.UTF8.GetBytes("value of " + text), new EntryOptions { Ttl = TimeSpan.FromHours(1), ContentType = "text/plain", Tags = ["red"] })),
            },
        };
        await using var runner = new PrefetchRunner(host, prefetcher, options, TimeProvider.System, host);
        host.Prefetching = runner;
        Assert.Equal(PrefetchOutcome.Promoted, await PredictAsync("known"));
        var sink = new CopyingSink();
        Assert.True(host.TrySubmit(TestBed.On("known", OperationKind.Get), sink, 1, out var access));
        Assert.Equal((AccessKind.PrefetchHit, "value of known", "text/plain"), (access, Encoding.UTF8.GetString(sink.Last.Entry!.Value), sink.Last.Entry.ContentType));
        Assert.Equal(PrefetchOutcome.Resident, await PredictAsync("known"));
        Assert.Equal(PrefetchOutcome.Failed, await PredictAsync("broken"));
        Assert.Equal(PrefetchOutcome.Absent, await PredictAsync("absent"));
        Assert.Equal(PrefetchOutcome.Promoted, await PredictAsync("large"));
        Assert.True(host.TrySubmit(TestBed.On("large", OperationKind.Get), sink, 1, out access));
        Assert.Equal((AccessKind.PrefetchHit, 20_000), (access, sink.Last.Entry!.Value.Length));
        var report = await host.Prefetching.ReportAsync(0, Cancellation);
        Assert.Equal((2L, 1L, 1L), (report.FromOrigin, report.OriginFailures, report.Failed));
        host.CheckInvariants();

        async Task<PrefetchOutcome> PredictAsync(string key)
        {
            prefetcher.Predict(1, key);
            Report(runner, "any", AccessKind.Miss);
            return (await prefetcher.Ends.Reader.ReadAsync(Cancellation)).Outcome;
        }
    }

    [Fact]
    public async Task The_origin_is_asked_for_no_more_than_so_many_at_a_time_and_an_end_ends_them()
    {
        var host = new ScriptedHost();
        var loading = Channel.CreateUnbounded<string>();
        var prefetcher = new ScriptedPrefetcher();
        var runner = new PrefetchRunner(
            host,
            prefetcher,
            AtOnce with
            {
                MaxOriginLoads = 1,
                Origin = async (key, cancellation) =>
                {
                    loading.Writer.TryWrite(key.ToString());
                    await Task.Delay(Timeout.Infinite, cancellation);
                    return null;
                },
            },
            TimeProvider.System);
        Hint(runner, "a", 5);
        (await host.NextAsync()).End(PrefetchOutcome.Absent);
        Assert.Equal("a", await loading.Reader.ReadAsync(Cancellation));
        prefetcher.Predict(2, "b");
        Report(runner, "any", AccessKind.Miss);
        (await host.NextAsync()).End(PrefetchOutcome.Absent);
        Assert.Equal(PrefetchOutcome.Absent, (await prefetcher.Ends.Reader.ReadAsync(Cancellation)).Outcome);
        Assert.Equal(1, (await runner.ReportAsync(0, Cancellation)).OriginSkips);
        Hint(runner, "under way", 5);
        var late = await host.NextAsync();
        await runner.DisposeAsync();
        await runner.DisposeAsync();
        late.End(PrefetchOutcome.Promoted);
        Report(runner, "too late", AccessKind.Miss);
        Assert.False(Hint(runner, "too late", 5));
        Assert.False(runner.IsLearning);
    }

    [Fact]
    public async Task Batches_of_others_are_taken_and_damaged_ones_counted()
    {
        var prefetcher = new ScriptedPrefetcher();
        await using var runner = new PrefetchRunner(new ScriptedHost(), prefetcher, AtOnce, TimeProvider.System);
        var stream = new AccessStream(1, 16);
        stream.Report("elsewhere"u8, KeyHash.Of("elsewhere"u8), AccessKind.Late);
        Assert.True(stream.TryTake(out var batch));
        runner.Take([1, 2, 3]);
        runner.Take(batch.Bytes);
        Assert.Equal("elsewhere Late", await prefetcher.Observed.Reader.ReadAsync(Cancellation));
        Assert.Equal((1L, 1L), ((await runner.ReportAsync(0, Cancellation)).Reported, (await runner.ReportAsync(0, Cancellation)).Lost));
    }

    [Fact]
    public async Task The_prefetcher_learns_what_the_memory_holds_and_sets_the_area()
    {
        await using var host = new LockHost(new CacheOptions { MemoryBytes = 16L << 20, Partitions = 1 }, TimeProvider.System, seed: 1);
        var sink = new CopyingSink();
        var stored = 0;
        void Fill(int upTo)
        {
            for (; stored < upTo; stored++)
            {
                var set = TestBed.On($"k{stored}", OperationKind.Set);
                set.Value = new byte[1000];
                host.Submit(set, sink, 1);
            }
        }

        // A memory that is nearly empty says little of how many it would hold.
        Fill(1000);
        await using (var early = new PrefetchRunner(host, new ScriptedPrefetcher { OnCapacity = static capacity => Assert.Equal(4096, capacity) }, AtOnce, TimeProvider.System, host))
        {
            Report(early, "any", AccessKind.Miss);
            while (host.MaxPrefetched == long.MaxValue)
            {
                Cancellation.ThrowIfCancellationRequested();
                Assert.Null((await early.ReportAsync(0, Cancellation)).Failure);
                await Task.Yield();
            }
        }

        Fill(8000);
        host.MaxPrefetched = long.MaxValue;
        var prefetcher = new ScriptedPrefetcher();
        await using var runner = new PrefetchRunner(host, prefetcher, AtOnce, TimeProvider.System, host);
        Report(runner, "any", AccessKind.Miss);
        Assert.InRange(await prefetcher.Capacities.Reader.ReadAsync(Cancellation), 9_000, 15_000);
        while (host.MaxPrefetched == long.MaxValue)
        {
            await Task.Yield();
        }

        Assert.Equal(77, host.MaxPrefetched);
    }

    [Fact]
    public async Task Where_nothing_is_foreseen_it_looks_away_for_longer_each_time_and_a_prediction_ends_that()
    {
        var time = new SteppedTime();
        var prefetcher = new ScriptedPrefetcher();
        var target = new Target();
        await using var runner = new PrefetchRunner(new ScriptedHost(), prefetcher, AtOnce, time, target);
        await LookAwayAsync();
        time.Advance(999);
        Assert.Equal((null, false), (target.Accesses, target.NotesPollution));
        time.Advance(1);
        Assert.Equal((runner, true), (target.Accesses, target.NotesPollution));

        await LookAwayAsync();
        time.Advance(1999);
        Assert.Null(target.Accesses);
        time.Advance(1);
        Assert.Same(runner, target.Accesses);

        prefetcher.Predict(1, "foreseen");
        Report(runner, "any", AccessKind.Miss);
        await prefetcher.Taken.Reader.ReadAsync(Cancellation);
        await LookAwayAsync();
        time.Advance(1000);
        Assert.Same(runner, target.Accesses);

        await LookAwayAsync();
        runner.IsLearning = false;
        time.Advance(100_000);
        Assert.Null(target.Accesses);
        runner.IsLearning = true;
        Assert.Same(runner, target.Accesses);

        // A second's worth of misses; what there is no room for has been reported too.
        async Task LookAwayAsync()
        {
            while (prefetcher.Observed.Reader.TryRead(out _))
            {
            }

            Report(runner, "before", AccessKind.Miss);
            await prefetcher.Observed.Reader.ReadAsync(Cancellation);
            time.Advance(1000);
            while (target.Accesses is not null)
            {
                Cancellation.ThrowIfCancellationRequested();
                for (var i = 0; i < 1 << 16; i++)
                {
                    Report(runner, "any", AccessKind.Miss);
                }

                await Task.Yield();
            }
        }
    }

    private static void Report(PrefetchRunner runner, string key, AccessKind kind)
    {
        var bytes = Encoding.UTF8.GetBytes(key);
        runner.Report(bytes, KeyHash.Of(bytes), kind);
    }

    private static bool Hint(PrefetchRunner runner, string key, int priority)
    {
        var bytes = Encoding.UTF8.GetBytes(key);
        return runner.TryHint(bytes, KeyHash.Of(bytes), priority);
    }

    /// <summary>A prefetch that a host was asked for.</summary>
    private sealed record Asked(string Key, ulong Hash, IAnswerSink Sink, long Ticket)
    {
        public void End(PrefetchOutcome outcome) => Sink.Answer(Ticket, new Answer(Outcome.Done, (long)outcome));
    }

    /// <summary>A host whose prefetches end when the test says so.</summary>
    private sealed class ScriptedHost : ICacheHost
    {
        private readonly Channel<Asked> asked = Channel.CreateUnbounded<Asked>();

        public string Name => "scripted";

        public int PartitionCount => 1;

        public LargeValueStore LargeValues => throw new InvalidOperationException("Nothing large is stored.");

        public void Submit(in Operation operation, IAnswerSink sink, long ticket)
        {
            if (operation.Kind == OperationKind.Statistics)
            {
                sink.Answer(ticket, new Answer(new PartitionStatistics()));
                return;
            }

            if (operation.Kind == OperationKind.Lease)
            {
                sink.Answer(ticket, new Answer(Outcome.Done, 1));
                return;
            }

            Assert.Equal(OperationKind.Prefetch, operation.Kind);
            if (Answers is { } outcome)
            {
                sink.Answer(ticket, new Answer(Outcome.Done, (long)outcome));
                return;
            }

            asked.Writer.TryWrite(new Asked(Encoding.UTF8.GetString(operation.Key), operation.Hash, sink, ticket));
        }

        public void Flush(IAnswerSink sink)
        {
        }

        /// <summary>How each ends at once; null: as the test says, later.</summary>
        public PrefetchOutcome? Answers { get; init; }

        /// <summary>How many were asked for that the test has not looked at.</summary>
        public int Waiting => asked.Reader.Count;

        public async Task<Asked> NextAsync() => await asked.Reader.ReadAsync(Cancellation);
    }

    /// <summary>Runs on a thread that nobody else uses afterwards: one that has taken a turn is expected to take more.</summary>
    private static void OnOwnThread(Action action)
    {
        var failure = default(Exception);
        var thread = new Thread(() =>
        {
            try
            {
                action();
            }
            catch (Exception caught)
            {
                failure = caught;
            }
        });
        thread.Start();
        thread.Join();
        if (failure is not null)
        {
            System.Runtime.ExceptionServices.ExceptionDispatchInfo.Throw(failure);
        }
    }

    private sealed class Target : IPrefetchTarget
    {
        public IAccessSink? Accesses { get => Volatile.Read(ref field); set => Volatile.Write(ref field, value); }

        public bool NotesPollution { get; set; }

        public long MaxPrefetched { get; set; }
    }

    /// <summary>Predicts what the test says, and says what it is told.</summary>
    private sealed class ScriptedPrefetcher : IPrefetcher
    {
        private readonly Queue<(Prediction Prediction, byte[] Key)> predictions = new();

        public Channel<string> Observed { get; } = Channel.CreateUnbounded<string>();

        /// <summary>The thread that observed last, and whether promptly.</summary>
        public (int Thread, bool IsPrompt) ObservedOn { get; private set; }

        /// <summary>What happens when something was observed.</summary>
        public Action? OnObserve { get; set; }

        public Channel<ulong> Taken { get; } = Channel.CreateUnbounded<ulong>();

        public Channel<int> Capacities { get; } = Channel.CreateUnbounded<int>();

        public Channel<(ulong Id, PrefetchOutcome Outcome, long Latency)> Ends { get; } = Channel.CreateUnbounded<(ulong, PrefetchOutcome, long)>();

        public PrefetchStatistics Statistics => new()
        {
            Buckets = [],
            WouldBeMisses = 0,
            Issued = 0,
            Used = 0,
            Late = 0,
            Wasted = 0,
            Failed = 0,
            Dropped = 0,
            Threshold = 0,
            Lead = 0,
            Area = 77,
            WasteRate = 0,
            Pollution = 0,
            MemoryBytes = 0,
        };

        public void Predict(ulong id, string key)
        {
            var bytes = Encoding.UTF8.GetBytes(key);
            lock (predictions)
            {
                predictions.Enqueue((new Prediction(id, bytes.Length, KeyHash.Of(bytes), 0), bytes));
            }
        }

        public void PredictHash(ulong id, ulong hash)
        {
            lock (predictions)
            {
                predictions.Enqueue((new Prediction(id, 0, hash, 0), []));
            }
        }

        /// <summary>A prediction that somebody has asked for.</summary>
        public ulong? Unwanted { get; set; }

        public bool IsWanted(ulong id) => id != Unwanted;

        /// <summary>What happens when it is told of a capacity.</summary>
        public Action<int>? OnCapacity { get; init; }

        public void SetCapacity(int capacity)
        {
            OnCapacity?.Invoke(capacity);
            Capacities.Writer.TryWrite(capacity);
        }

        public void Observe(scoped AccessBatchReader batch, long now, bool isPrompt)
        {
            while (batch.TryRead(out var key, out _, out var kind))
            {
                ObservedOn = (Environment.CurrentManagedThreadId, isPrompt);
                Observed.Writer.TryWrite($"{Encoding.UTF8.GetString(key)} {kind}");
            }

            OnObserve?.Invoke();
        }

        public bool TryPredict(Span<byte> key, out Prediction prediction)
        {
            lock (predictions)
            {
                prediction = default;
                if (!predictions.TryDequeue(out var next))
                {
                    return false;
                }

                next.Key.CopyTo(key);
                prediction = next.Prediction;
                Taken.Writer.TryWrite(prediction.Id);
                return true;
            }
        }

        public void Ended(ulong id, PrefetchOutcome outcome, long latency) => Ends.Writer.TryWrite((id, outcome, latency));
    }
}
