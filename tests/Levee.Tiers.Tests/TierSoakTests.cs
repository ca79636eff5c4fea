using System.Globalization;
using System.Text;
using Levee.Hosting;
using Levee.Keys;
using Levee.Operations;
using Levee.Testing;
using Levee.Tiers.Segments;
using Levee.Tiers.Stores;
using Microsoft.Extensions.Logging.Abstractions;
using Xunit;

namespace Levee.Tiers.Tests;

/// <summary>
/// Threads from one gate on one cache with a tier of files below it, each with keys and tags of its own and all with clears: what a thread reads is the last it wrote, or nothing. Then the same of what
/// the next owner finds, which has another number of partitions.
/// </summary>
public sealed class TierSoakTests
{
    private const int Threads = 4;

    [Fact]
    public Task What_is_read_is_the_latest_or_nothing_also_for_the_next_owner_with_fewer_partitions() => RunAsync(partitions: 2, partitionsNext: 1, isThrough: false);

    [Fact]
    public Task So_it_is_with_more_partitions_and_writes_that_go_through() => RunAsync(partitions: 1, partitionsNext: 2, isThrough: true);

    private static async Task RunAsync(int partitions, int partitionsNext, bool isThrough)
    {
        var seed = Environment.TickCount;
        var seconds = Environment.GetEnvironmentVariable("LEVEE_LONG") == "1" ? 60 : 5;
        TestContext.Current.TestOutputHelper?.WriteLine($"seed {seed}");
        var folder = Directory.CreateTempSubdirectory("levee-soak-").FullName;
        var clears = new Clears();
        var workers = Enumerable.Range(0, Threads).Select(number => new Worker(number, seed + number, clears)).ToArray();
        await using (var cache = await Cache.OpenAsync(folder, partitions, isThrough))
        {
            Run(workers, cache, TimeSpan.FromSeconds(seconds));
            cache.Check();
            await cache.StopAsync();
        }

        await using (var next = await Cache.OpenAsync(folder, partitionsNext, isThrough))
        {
            await next.RecoveredAsync();
            Array.ForEach(workers, worker => worker.CheckAll(next));
            Assert.True(workers.Sum(static worker => worker.FoundAgain) > 500, $"seed {seed}: only {workers.Sum(static worker => worker.FoundAgain)} were found again");
            Run(workers, next, TimeSpan.FromSeconds(1));
            await next.EmptyAsync();
            next.Check();
            await next.StopAsync();
        }

        Assert.All(workers, worker => Assert.True(worker.Hits > 1000, $"seed {seed}: {worker.Hits} hits"));
        TestContext.Current.TestOutputHelper?.WriteLine(string.Join('\n', workers.Select(static worker => $"{worker.Hits} hits, {worker.FoundAgain} found again")));
        Array.ForEach(workers, static worker => worker.Dispose());
        Directory.Delete(folder, recursive: true);
    }

    private static void Run(Worker[] workers, Cache cache, TimeSpan duration)
    {
        using var gate = new ManualResetEventSlim();
        using var end = new CancellationTokenSource();
        var threads = workers.Select(worker => new Thread(() =>
        {
            gate.Wait();
            worker.Run(cache, end.Token);
        })).ToArray();
        Array.ForEach(threads, static thread => thread.Start());
        end.CancelAfter(duration);
        gate.Set();
        Array.ForEach(threads, static thread => thread.Join());
        Array.ForEach(workers, static worker => Assert.True(worker.Failure is null, worker.Failure));
    }

    /// <summary>When the last clear began of those that have ended: what was acknowledged before that is gone.</summary>
    private sealed class Clears
    {
        private long clock;
        private long completed;

        public long Completed => Interlocked.Read(ref completed);

        public long Tick() => Interlocked.Increment(ref clock);

        public void Complete(long began)
        {
            for (var seen = Completed; seen < began; seen = Completed)
            {
                Interlocked.CompareExchange(ref completed, began, seen);
            }
        }
    }

    private sealed class Cache : IAsyncDisposable
    {
        private readonly TierChain chain;
        private readonly SegmentTier tier;

        private Cache(TierChain chain, SegmentTier tier, LockHost host) => (this.chain, this.tier, Host) = (chain, tier, host);

        public LockHost Host { get; }

        public static async Task<Cache> OpenAsync(string folder, int partitions, bool isThrough)
        {
            var state = Directory.CreateDirectory(Path.Combine(folder, "state")).FullName;
            var context = new TierContext { StateFolder = state, CapacityBytes = 32 << 20, Logger = NullLogger.Instance };
            var options = new SegmentTierOptions { SegmentBytes = 1 << 20, BufferBytes = 4 << 20, LargeBytes = 1 << 20, OwnsStore = true };
            var tier = new SegmentTier(new FileSegmentStore(Path.Combine(folder, "segments")), context, options);
            var chain = new TierChain("soak", partitions, [tier], TimeProvider.System, NullLogger.Instance);
            await chain.StartAsync(CancellationToken.None);
            var cache = new CacheOptions { Name = "soak", MemoryBytes = 16L << 20, Partitions = partitions, WritesThrough = isThrough };
            return new Cache(chain, tier, new LockHost(cache, TimeProvider.System, chain));
        }

        public async Task RecoveredAsync()
        {
            while (tier.GetStatistics().Health != TierHealth.Healthy)
            {
                await Task.Delay(10, TestContext.Current.CancellationToken);
            }
        }

        public void Check()
        {
            Host.CheckInvariants();
            lock (tier.Log.Gate)
            {
                tier.Log.CheckInvariants();
                tier.Log.Buffer.CheckInvariants();
            }

            Assert.True(Host.HeldBytes <= 16L << 20, $"{Host.HeldBytes} bytes are held");
            Assert.InRange(tier.GetStatistics().HeldBytes, 0, 40L << 20);
            Assert.Equal(0, tier.Log.Counters.GenerationsGivenUp);
            Assert.True(tier.GetStatistics().Hits > 1000, $"only {tier.GetStatistics().Hits} reads found anything below");
        }

        /// <summary>Clears all, and sees that all memory comes back, that of large values too.</summary>
        public async Task EmptyAsync()
        {
            for (var partition = 0; partition < Host.PartitionCount; partition++)
            {
                Host.Submit(new Operation { Kind = OperationKind.Clear, Partition = partition }, new CopyingSink(), 0);
            }

            await chain.DrainAsync(CancellationToken.None);
            for (var round = 0; round < 500 && (Host.HeldBytes > 3L << 20 || tier.GetStatistics().Entries > 0); round++)
            {
                await Task.Delay(10, TestContext.Current.CancellationToken);
            }

            Assert.Equal(0, tier.GetStatistics().Entries);
            Assert.True(Host.HeldBytes <= 3L << 20, $"{Host.HeldBytes} bytes are held of an empty cache");
        }

        public async Task StopAsync()
        {
            var taken = await Host.TakeDownAsync(null, CancellationToken.None);
            Assert.Equal(("", 0L), (taken.Problem, taken.Lost));
            Assert.Empty(await chain.StopAsync(CancellationToken.None));
            tier.Log.CheckInvariants();
            Assert.Equal(0, tier.Log.Buffer.Count);
        }

        public async ValueTask DisposeAsync()
        {
            await chain.DisposeAsync();
            await Host.DisposeAsync();
        }
    }

    private sealed class Worker(int number, int seed, Clears clears) : IAnswerSink, IDisposable
    {
        private const int Keys = 7000;
        private const int Tags = 5;
        private static readonly TimeSpan Patience = TimeSpan.FromSeconds(30);
        private readonly Random random = new(seed);
        private readonly Truth?[] truths = new Truth?[Keys];
        private readonly SemaphoreSlim answered = new(0);
        private Outcome outcome;
        private long sum;
        private CopiedEntry? entry;
        private long sequence;

        public long Hits { get; private set; }

        public long FoundAgain { get; private set; }

        public string? Failure { get; private set; }

        public void Answer(long ticket, in Answer answer)
        {
            (outcome, sum, entry) = (answer.Outcome, answer.Number, CopiedEntry.Of(answer.Entry));
            answered.Release();
        }

        public void Run(Cache cache, CancellationToken end)
        {
            try
            {
                while (!end.IsCancellationRequested)
                {
                    Act(cache);
                }
            }
            catch (Exception failure) when (failure is InvalidOperationException or TimeoutException or IOException)
            {
                Failure = $"seed {seed}, worker {number}: {failure}";
            }
        }

        public void Dispose() => answered.Dispose();

        public void CheckAll(Cache cache)
        {
            for (var i = 0; i < Keys; i++)
            {
                FoundAgain += Read(cache, i, OperationKind.Get) ? 1 : 0;
            }
        }

        private void Act(Cache cache)
        {
            var index = (int)(Keys * Math.Pow(random.NextDouble(), 2));
            switch (random.Next(10_000))
            {
                case < 5000:
                    Read(cache, index, random.Next(10) == 0 ? OperationKind.Peek : OperationKind.Get);
                    break;
                case < 8500:
                    Set(cache, index);
                    break;
                case < 9000:
                    Delete(cache, index);
                    break;
                case < 9980:
                    Increment(cache, Keys - 1 - (index / 20));
                    break;
                case < 9999:
                    RemoveTag(cache, random.Next(Tags));
                    break;
                default:
                    if (random.Next(10) == 0)
                    {
                        Clear(cache);
                    }

                    break;
            }
        }

        private bool Read(Cache cache, int index, OperationKind kind)
        {
            var before = clears.Completed;
            var now = cache.Host.Clock.Now;
            Submit(cache, new Operation { Kind = kind }, index);
            if (outcome is Outcome.Miss or Outcome.Unavailable)
            {
                return false;
            }

            Expect(outcome == Outcome.Hit, index, $"answer {outcome}");
            CheckShown(index, before, now);
            Hits++;
            return true;
        }

        private void CheckShown(int index, long clearedBefore, long now)
        {
            var truth = truths[index];
            Expect(truth is not null, index, "nothing is there");
            Expect(truth!.At >= clearedBefore, index, $"it was written at {truth.At} and cleared at {clearedBefore}");
            Expect(truth.ExpiresAt == Limits.Never || truth.ExpiresAt + 100 > now, index, $"it expired {now - truth.ExpiresAt} ms ago");
            Expect(entry!.Value.AsSpan().SequenceEqual(truth.Value(KeyOf(index))), index, $"{entry.Value.Length} bytes, {Encoding.ASCII.GetString(entry.Value.AsSpan(0, Math.Min(40, entry.Value.Length)))}, instead of {truth}");
        }

        private void Set(Cache cache, int index)
        {
            var length = random.Next(200) == 0 ? random.Next(70_000, 300_000) : random.Next(20) == 0 ? random.Next(9000) : random.Next(1500);
            var tag = random.Next(4) == 0 ? random.Next(Tags) : -1;
            var ttl = random.Next(5) == 0 ? random.Next(1, 3000) : 0;
            var truth = new Truth(++sequence, length, At: 0, tag, ttl == 0 ? Limits.Never : cache.Host.Clock.Now + ttl, Sum: 0);
            var value = truth.Value(KeyOf(index));
            var operation = new Operation { Kind = OperationKind.Set, ExpiresAt = truth.ExpiresAt, Tags = tag < 0 ? [] : TestBed.Pack(TagOf(tag)) };
            if (value.Length > Limits.MaxInlineBytes)
            {
                operation.Large = cache.Host.LargeValues.TryCreate(value);
                if (operation.Large is null)
                {
                    return;
                }
            }
            else
            {
                operation.Value = value;
            }

            Submit(cache, operation, index);
            if (outcome == Outcome.Stored)
            {
                truths[index] = truth with { At = clears.Tick() };
                return;
            }

            operation.Large?.Release();
            Expect(outcome is Outcome.OutOfMemory or Outcome.Unavailable, index, $"a set was answered {outcome}");
        }

        private void Delete(Cache cache, int index)
        {
            var before = clears.Completed;
            var now = cache.Host.Clock.Now;
            Submit(cache, new Operation { Kind = OperationKind.Delete }, index);
            if (outcome == Outcome.Removed)
            {
                CheckShown(index, before, now);
            }

            truths[index] = outcome == Outcome.Unavailable ? truths[index] : null;
        }

        private void Increment(Cache cache, int index)
        {
            if (truths[index] is { Sum: 0 })
            {
                Delete(cache, index);
                return;
            }

            var before = clears.Completed;
            Submit(cache, new Operation { Kind = OperationKind.Increment, Number = 1, ExpiresAt = Limits.Never }, index);
            if (outcome is Outcome.OutOfMemory or Outcome.Unavailable)
            {
                return;
            }

            var truth = truths[index];
            Expect(outcome == Outcome.Stored, index, $"an increment was answered {outcome}");
            Expect(sum == 1 || (truth is not null && truth.At >= before && sum == truth.Sum + 1), index, $"{sum} after {truth}, cleared at {before}");
            truths[index] = new Truth(++sequence, 0, clears.Tick(), -1, Limits.Never, sum);
        }

        private void RemoveTag(Cache cache, int tag)
        {
            for (var partition = 0; partition < cache.Host.PartitionCount; partition++)
            {
                cache.Host.Submit(new Operation { Kind = OperationKind.RemoveByTag, Key = Encoding.ASCII.GetBytes(TagOf(tag)), Partition = partition }, this, 0);
                Await(Patience);
            }

            for (var i = 0; i < Keys; i++)
            {
                truths[i] = truths[i]?.Tag == tag ? null : truths[i];
            }
        }

        private void Clear(Cache cache)
        {
            var began = clears.Tick();
            for (var partition = 0; partition < cache.Host.PartitionCount; partition++)
            {
                cache.Host.Submit(new Operation { Kind = OperationKind.Clear, Partition = partition }, this, 0);
                Await(Patience);
            }

            clears.Complete(began);
        }

        private void Submit(Cache cache, scoped Operation operation, int index)
        {
            var key = KeyOf(index);
            operation.Key = key;
            operation.Hash = KeyHash.Of(key);
            cache.Host.Submit(operation, this, 0);
            Await(Patience);

            if (!cache.Host.IsCommitted)
            {
                cache.Host.CommitAsync().AsTask().GetAwaiter().GetResult();
            }
        }

        private void Await(TimeSpan patience)
        {
            if (!answered.Wait(patience))
            {
                throw new TimeoutException("no answer came");
            }
        }

        private void Expect(bool holds, int index, string what)
        {
            if (!holds)
            {
                throw new InvalidOperationException($"{Encoding.ASCII.GetString(KeyOf(index))}: {what}");
            }
        }

        private byte[] KeyOf(int index) => Encoding.ASCII.GetBytes(string.Create(CultureInfo.InvariantCulture, $"worker-{number}-key-{index}"));

        private string TagOf(int tag) => $"worker-{number}-tag-{tag}";

        private sealed record Truth(long Sequence, int Length, long At, int Tag, long ExpiresAt, long Sum)
        {
            public byte[] Value(byte[] key)
            {
                if (Sum > 0)
                {
                    return Encoding.ASCII.GetBytes(Sum.ToString(CultureInfo.InvariantCulture));
                }

                byte[] head = [.. key, .. Encoding.ASCII.GetBytes(string.Create(CultureInfo.InvariantCulture, $"={Sequence}:"))];
                var value = new byte[head.Length + Length];
                value.AsSpan().Fill((byte)Sequence);
                head.CopyTo(value, 0);
                return value;
            }
        }
    }
}
