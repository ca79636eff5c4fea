using Levee.Learning;
using Xunit;

namespace Levee.Tests.Learning;

/// <summary>The parts of the prefetcher, each against a slow literal reading.</summary>
public sealed class PredictorTests
{
    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    [InlineData(4)]
    public void Progressions_agree_with_the_literal_model(int seed)
    {
        var random = new Random(seed);
        var streams = new ArithmeticStreams();
        var model = new LiteralStreams();
        var predictions = new PredictionList(512);
        var scans = Enumerable.Range(0, 24).Select(_ => (At: 0UL, Stride: 1L)).ToArray();
        var held = new Queue<ulong>();
        var predicted = 0;
        for (var step = 0; step < 40_000; step++)
        {
            ref var scan = ref scans[random.Next(1 + random.Next(scans.Length))];
            if (random.Next(60) == 0 || scan.At == 0)
            {
                // Sometimes near the ends of a prefix, where a progression must stop.
                var place = random.Next(5) switch { 0 => (ulong)random.Next(300), 1 => uint.MaxValue - (ulong)random.Next(300), _ => (ulong)random.NextInt64(1L << 32) };
                scan = (((ulong)random.Next(3) << 32) | place, random.Next(-9, 10));
            }

            var id = scan.At;
            scan.At += (ulong)(scan.Stride * (random.Next(20) == 0 ? random.Next(6) : 1));
            if (random.Next(10) == 0)
            {
                // Some are asked for later than those that come after them.
                held.Enqueue(id);
                id = held.Count > random.Next(12) ? held.Dequeue() : id;
            }

            var isHit = random.Next(4) == 0;
            var lead = random.Next(8, 129);
            predictions.Clear();
            var horizon = random.Next(4, 1000);
            streams.Access(id, isHit, lead, horizon, predictions);
            Assert.Equal(model.Access(id, isHit, lead, horizon), All(predictions));
            predicted += predictions.Count;
        }

        Assert.InRange(predicted, 10_000, 1_000_000);
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    public void A_log_that_has_not_come_round_agrees_with_the_literal_model(int seed)
    {
        var random = new Random(seed);
        var log = new MissLog(200_000);
        var model = new LiteralLog();
        var predictions = new PredictionList(512);
        var predicted = 0;
        foreach (var id in Sequences(random, 15_000))
        {
            var lead = random.Next(8, 129);
            predictions.Clear();
            log.Access(id, lead, predictions);
            Assert.Equal(model.Access(id, lead), All(predictions));
            predicted += predictions.Count;
        }

        Assert.InRange(predicted, 10_000, 1_000_000);
    }

    [Theory]
    [InlineData(64)]
    [InlineData(1001)]
    public void A_log_that_comes_round_predicts_only_what_it_holds(int length)
    {
        var random = new Random(7);
        var log = new MissLog(length);
        var all = new List<ulong>();
        var predictions = new PredictionList(512);
        var (predicted, found) = (0, 0);
        var held = log.MemoryBytes;
        foreach (var id in Sequences(random, 30_000))
        {
            var since = log.MissesSince(id);
            if (since >= 0)
            {
                found++;
                Assert.InRange(since, 1, length);
                Assert.Equal(id, all[all.Count - (int)since]);
            }

            predictions.Clear();
            log.Access(id, 32, predictions);
            Assert.All(All(predictions), prediction => Assert.Contains(prediction.Id, all.TakeLast(length)));
            predicted += predictions.Count;
            all.Add(id);
        }

        Assert.True(predicted > 1000 && found > 1000, $"{predicted} predicted, {found} found");
        Assert.Equal(held, log.MemoryBytes);
        Assert.InRange(held, 8 * length, (MissLog.EntryBytes * length) + 500);
    }

    [Fact]
    public void A_longer_log_takes_over_what_a_shorter_one_holds()
    {
        var log = new MissLog(100);
        var predictions = new PredictionList(512);
        for (var id = 1000UL; id < 1250; id++)
        {
            log.Access(id * 7919, 8, predictions);
        }

        var longer = new MissLog(300);
        longer.CopyFrom(log);
        predictions.Clear();
        longer.Access(1200 * 7919, 8, predictions);
        Assert.Equal(Enumerable.Range(1201, 4).Select(i => (ulong)i * 7919), All(predictions).Select(prediction => prediction.Id));
    }

    [Fact]
    public void Issued_predictions_agree_with_dictionaries()
    {
        var random = new Random(5);
        var set = new IssuedSet(50);
        var model = new List<(ulong Id, IssuedState State)>();
        for (var step = 0; step < 50_000; step++)
        {
            var id = (ulong)random.Next(100) << 32;
            var node = set.Find(id);
            var place = model.FindIndex(entry => entry.Id == id);
            Assert.Equal(place < 0, node == IssuedSet.None);
            if (place < 0)
            {
                Assert.Equal(model.Count < 50, set.TryAdd(id, random.Next(40), (uint)step));
                if (model.Count < 50)
                {
                    model.Add((id, IssuedState.Queued));
                }
            }
            else if (random.Next(2) == 0)
            {
                set.Remove(node);
                model.RemoveAt(place);
            }
            else
            {
                var state = (IssuedState)random.Next(3);
                set.Move(node, state, (uint)step);
                model.RemoveAt(place);
                model.Add((id, state));
            }

            foreach (var state in Enum.GetValues<IssuedState>())
            {
                var here = model.FindAll(entry => entry.State == state);
                Assert.Equal(here.Count, set.Count(state));
                var oldest = set.Oldest(state);
                Assert.Equal(here.Count == 0, oldest == IssuedSet.None);
                Assert.True(here.Count == 0 || (set.IdOf(oldest) == here[0].Id && set.StateOf(oldest) == state));
            }
        }
    }

    [Fact]
    public void Tested_predictions_agree_with_a_queue()
    {
        var random = new Random(6);
        var set = new ShadowSet(37);
        var model = new Queue<(ulong Id, int Bucket, long Time)?>();
        var taken = 0;
        for (var step = 0; step < 50_000; step++)
        {
            var id = (ulong)random.Next(80) * 0x9E3779B97F4A7C15;
            var entry = model.LastOrDefault(candidate => candidate?.Id == id);
            Assert.Equal(entry is not null, set.Contains(id));
            if (entry is null)
            {
                var bucket = random.Next(40);
                set.Add(id, bucket, step);
                model.Enqueue((id, bucket, step));
                if (model.Count > 37)
                {
                    model.Dequeue();
                }
            }
            else if (random.Next(2) == 0)
            {
                Assert.True(set.TryTake(id, step, out var bucket, out var age));
                Assert.Equal((entry.Value.Bucket, step - entry.Value.Time), (bucket, age));
                Assert.False(set.TryTake(id, step, out _, out _));
                model = new(model.Select(candidate => candidate?.Id == id ? null : candidate));
                taken++;
            }
        }

        Assert.InRange(taken, 5000, 20_000);
    }

    [Fact]
    public void A_bucket_opens_by_what_was_right_and_closes_a_little_later()
    {
        var gate = new ConfidenceGate { Threshold = 0.5 };
        Run(gate, 31, 31);
        Assert.False(gate.IsOpen(3));
        Run(gate, 1, 1);
        Assert.True(gate.IsOpen(3));
        Run(gate, 40, 0); // 32 of 72
        Assert.True(gate.IsOpen(3));
        Run(gate, 9, 0); // 32 of 81, less than 0.4
        Assert.False(gate.IsOpen(3));
        Run(gate, 400, 300);
        Assert.True(gate.IsOpen(3));
        Run(gate, 2000, 0);
        Assert.False(gate.IsOpen(3));
        Run(gate, 600, 400); // What was long ago does not keep it closed.
        Assert.True(gate.IsOpen(3));
        Assert.All(Enumerable.Range(0, ConfidenceGate.Buckets).Where(bucket => bucket != 3), bucket => Assert.False(gate.IsOpen(bucket)));
        Assert.Equal(ConfidenceGate.Buckets, gate.Statistics().Select(bucket => bucket.Name).Distinct().Count());
    }

    [Fact]
    public void A_progression_that_comes_out_of_order_is_one()
    {
        var streams = new ArithmeticStreams();
        var predictions = new PredictionList(512);
        foreach (var id in (ulong[])[100, 110, 120, 140, 130, 150, 180, 170, 160, 190])
        {
            predictions.Clear();
            streams.Access(id, isHit: false, lead: 64, horizon: 1000, predictions);
        }

        // A run of 2 at 120; 2, 3 with the late one, 4, 3 after a leap, 5 with two late ones, 6.
        Assert.Contains((250UL, 4 * 2 + 1), All(predictions));
        Assert.DoesNotContain(All(predictions), prediction => prediction.Id > 250);
    }

    [Fact]
    public void A_bucket_that_is_never_right_is_tested_now_and_then_until_it_is()
    {
        var gate = new ConfidenceGate { Threshold = 0.4 };
        Assert.All(Enumerable.Range(0, 32), _ => Assert.True(gate.IsTestDue(3)));
        Run(gate, 100, 0);
        Assert.Equal(25, Enumerable.Range(0, 100).Count(_ => gate.IsTestDue(3)));
        Run(gate, 20, 20);
        Assert.Equal(100, Enumerable.Range(0, 100).Count(_ => gate.IsTestDue(3)));
    }

    [Fact]
    public void Waste_raises_the_threshold_and_pollution_halves_the_area()
    {
        var control = new PrefetchControl(10_000);
        Assert.Equal((1000, 0.5, 8), (control.Area, control.Threshold, control.Lead));
        Period(control, wasted: 900, polluted: 0, used: 0);
        Assert.Equal(0.58, control.Threshold, 3);
        for (var i = 0; i < 10; i++)
        {
            Period(control, wasted: 900, polluted: 0, used: 0);
        }

        Assert.Equal(0.90, control.Threshold, 3);
        for (var i = 0; i < 40; i++)
        {
            Period(control, wasted: 0, polluted: 0, used: 10);
        }

        Assert.Equal(0.30, control.Threshold, 3);
        Period(control, wasted: 0, polluted: 100, used: 10);
        Assert.Equal(500, control.Area);
        for (var i = 0; i < 10; i++)
        {
            Period(control, wasted: 0, polluted: 100, used: 10);
        }

        Assert.Equal(31, control.Area);
        for (var i = 0; i < 40; i++)
        {
            Period(control, wasted: 0, polluted: 0, used: 10);
        }

        Assert.Equal(1000, control.Area);
    }

    [Fact]
    public void The_lead_follows_latency_and_pace()
    {
        var control = new PrefetchControl(10_000);
        var now = 0L;
        for (var i = 0; i < 1024; i++, now += 10)
        {
            control.Loaded(100);
            control.Miss(isPolluted: false, now);
        }

        Assert.Equal(4 + (2 * 100 / 10), control.Lead);
        for (var i = 0; i < 10_000; i++, now += 10)
        {
            control.Loaded(100_000);
            control.Miss(isPolluted: false, now);
        }

        Assert.Equal(128, control.Lead);
    }

    [Fact]
    public void The_lead_reaches_beyond_what_is_learnt_together()
    {
        var control = new PrefetchControl(10_000);
        for (var i = 0; i < 1024; i++)
        {
            control.Together(40);
            control.Miss(isPolluted: false, 10 * i);
        }

        Assert.InRange(control.Lead, 40, 44);
        for (var i = 0; i < 1024; i++)
        {
            control.Together(0);
            control.Miss(isPolluted: false, 10 * (1024 + i));
        }

        Assert.Equal(8, control.Lead);
    }

    private static void Period(PrefetchControl control, int wasted, int polluted, int used)
    {
        for (var i = 0; i < 1024; i++)
        {
            if (i < wasted)
            {
                control.Wasted();
            }

            if (i < used)
            {
                control.Used();
            }

            control.Miss(isPolluted: i < polluted, 0);
        }
    }

    private static void Run(ConfidenceGate gate, int predicted, int right)
    {
        for (var i = 0; i < predicted; i++)
        {
            gate.Tested(3);
            if (i < right)
            {
                gate.Passed(3);
            }
        }
    }

    /// <summary>Pieces of a few sequences, repeated, cut short, interleaved with what never comes again.</summary>
    private static IEnumerable<ulong> Sequences(Random random, int count)
    {
        var sequences = Enumerable.Range(0, 12).Select(_ => Enumerable.Range(0, random.Next(5, 60)).Select(_ => (ulong)random.NextInt64()).ToArray()).ToArray();
        var (at, place) = (sequences[0], 0);
        for (var i = 0; i < count; i++)
        {
            if (place >= at.Length || random.Next(50) == 0)
            {
                (at, place) = (sequences[random.Next(sequences.Length)], random.Next(3) == 0 ? random.Next(5) : 0);
            }

            yield return random.Next(10) == 0 ? (ulong)random.NextInt64() : at[place++];
        }
    }

    private static List<(ulong Id, int Bucket)> All(PredictionList predictions) => [.. Enumerable.Range(0, predictions.Count).Select(place => predictions[place])];
}
