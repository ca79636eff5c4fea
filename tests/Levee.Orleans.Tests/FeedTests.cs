using System.Collections.Concurrent;
using System.Text;
using Levee.Clustering;
using Levee.Hosting;
using Levee.Keys;
using Levee.Learning;
using Levee.Operations;
using Levee.Orleans.Grains;
using Levee.Partitions;
using Levee.Testing;
using Microsoft.Extensions.DependencyInjection;
using Orleans;
using Orleans.Concurrency;
using Orleans.Hosting;
using Orleans.Runtime;
using Orleans.Streams;
using Xunit;

namespace Levee.Orleans.Tests;

/// <summary>What silos tell beside answers: accesses to the prefetcher and to streams, and what near caches must forget.</summary>
public sealed class FeedTests
{
    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    [Fact]
    public async Task AccessesOfAllFrontDoorsReachThePrefetcherAndWhatItPredictsIsBroughtUp()
    {
        var learnt = new ConcurrentQueue<string>();
        var tiers = new ConcurrentBag<HangingTier>();
        await using var rig = await ClusterRig.StartAsync(silos: 2, configure: options =>
        {
            options.CreatePrefetcher = _ => new Pairs(learnt, "trigger", "predicted");
            options.OpenTiers = (_, _, _) =>
            {
                var tier = new HangingTier("predicted");
                tiers.Add(tier);
                return Task.FromResult<ITierChain?>(tier);
            };
        });
        await rig.BalancedAsync();
        var doors = rig.Cluster.Silos.Select(rig.CacheOn).ToArray();
        for (var i = 0; i < 40; i++)
        {
            Assert.Null(await doors[i % 2].GetAsync($"missed:{i}", Cancellation));
        }

        var grain = rig.Cluster.Client.GetGrain<IPrefetchGrain>("default");
        await Eventually.HoldsAsync(() => learnt.Count >= 40);
        Assert.Equal(Enumerable.Range(0, 40).Select(i => $"missed:{i}").Order(), learnt.Order());
        var prefetching = rig.Levee(rig.Cluster.Silos[0]).Caches[0].Prefetching!;
        var report = await prefetching.ReportAsync(0, Cancellation);
        Assert.Equal((40L, 0L, 0L, true), (report.Reported, report.Lost, report.Asked, report.IsLearning));
        Assert.Equal(FakePrefetching.Sample.Learnt!.Buckets, report.Learnt!.Buckets);

        // What is predicted is loaded on its owner before anybody asks, and is a hit then.
        Assert.Null(await doors[0].GetAsync("trigger", Cancellation));
        await Eventually.HoldsAsync(() => tiers.Sum(tier => tier.Waiting) == 1);
        foreach (var tier in tiers)
        {
            tier.Release("there"u8.ToArray());
        }

        Assert.Equal("there", Encoding.UTF8.GetString((await doors[1].GetAsync("predicted", Cancellation))!));
        Assert.Equal(1, (await prefetching.ReportAsync(0, Cancellation)).Asked);
        await grain.Observe(new Immutable<byte[]>([1, 2, 3]));
        for (report = await prefetching.ReportAsync(0, Cancellation); report.Lost == 0;)
        {
            report = await prefetching.ReportAsync(0, Cancellation);
        }

        // What is switched off learns nothing, and says so wherever it is asked.
        prefetching.IsLearning = false;
        Assert.False((await prefetching.ReportAsync(0, Cancellation)).IsLearning);
        var other = rig.Levee(rig.Cluster.Silos[1]).Caches[0].Prefetching!;
        Assert.False((await other.ReportAsync(0, Cancellation)).IsLearning);
        Assert.False(other.IsLearning);
    }

    [Fact]
    public async Task APrefetcherThatHangsOrFailsHoldsNobodyUpAndWhatItMissesIsCounted()
    {
        using var stuck = new ManualResetEventSlim();
        var prefetcher = new Stubborn(stuck);
        await using var rig = await ClusterRig.StartAsync(silos: 2, configure: options => options.CreatePrefetcher = _ => prefetcher);
        await rig.BalancedAsync();
        var cache = rig.CacheOn(rig.Cluster.Silos[0]);
        for (var i = 0; i < 3000; i++)
        {
            Assert.Null(await cache.GetAsync($"missed:{i}", Cancellation).AsTask().WaitAsync(Eventually.Patience, Cancellation));
        }

        stuck.Set();
        for (var i = 0; prefetcher.Batches <= 4; i++)
        {
            await cache.GetAsync($"missed:{i}", Cancellation);
        }

        // What never came is known as lost as soon as something comes after it.
        var prefetching = rig.Levee(rig.Cluster.Silos[0]).Caches[0].Prefetching!;
        while ((await prefetching.ReportAsync(0, Cancellation)).Reported < 3000)
        {
            await cache.GetAsync("another", Cancellation);
        }
    }

    [Fact]
    public async Task ASubscriberOfTheStreamSeesTheSameBatches()
    {
        await using var rig = await ClusterRig.StartAsync(
            silos: 2,
            configure: options => options.AccessStreamProvider = "accesses",
            silo: silo => silo.AddMemoryStreams("accesses").AddMemoryGrainStorage("PubSubStore"));
        await rig.BalancedAsync();
        var seen = new ConcurrentBag<string>();
        var provider = rig.Cluster.Silos[0].ServiceProvider.GetRequiredKeyedService<IStreamProvider>("accesses");
        await provider.GetStream<byte[]>(StreamId.Create(IPrefetchGrain.StreamNamespace, "default")).SubscribeAsync((packed, _) =>
        {
            var batch = new AccessBatchReader(packed);
            while (batch.TryRead(out var key, out var hash, out AccessKind _))
            {
                Assert.Equal(KeyHash.Of(key), hash);
                seen.Add(Encoding.UTF8.GetString(key));
            }

            return Task.CompletedTask;
        });
        for (var i = 0; i < 30; i++)
        {
            await rig.CacheOn(rig.Cluster.Silos[i % 2]).GetAsync($"missed:{i}", Cancellation);
        }

        await Eventually.HoldsAsync(() => seen.Count >= 30);
        Assert.Equal(Enumerable.Range(0, 30).Select(i => $"missed:{i}").Order(), seen.Order());
    }

    [Fact]
    public async Task SubscribersHearWhatTheyMustForget()
    {
        await using var rig = await ClusterRig.StartAsync(silos: 2, partitions: 4, configure: options => options.Lease = TimeSpan.FromSeconds(1));
        await rig.BalancedAsync();
        var grain = rig.Cluster.Client.GetGrain<ICacheGrain>("default");
        Assert.False((await grain.Read()).HasSubscribers);
        var near = new NearCache();
        var observer = rig.Cluster.Client.CreateObjectReference<IInvalidationObserver>(near);
        await grain.Subscribe(observer);
        Assert.True((await grain.Read()).HasSubscribers);

        // Each silo begins with "everything": nobody knows what was written before it heard of the subscription.
        await Eventually.HoldsAsync(() => near.Everything >= 2);
        var everything = near.Everything;
        for (var i = 0; i < 100; i++)
        {
            await (i % 2 == 0 ? rig.Client : rig.CacheOn(rig.Cluster.Silos[0])).SetAsync($"k{i}", new byte[1], cancellationToken: Cancellation);
        }

        // A batch that cannot be sent on a busy machine is replaced by "everything". Calls of observers may overtake each other, now and
        // then, which a near cache takes for a gap: it forgets everything too, and is safe.
        await Eventually.HoldsAsync(() => near.Everything > everything || Enumerable.Range(0, 100).All(i => near.Hashes.ContainsKey(KeyHash.Of(Encoding.UTF8.GetBytes($"k{i}")))));
        everything = near.Everything;
        await rig.Client.RemoveByTagAsync("red", Cancellation);
        await Eventually.HoldsAsync(() => near.Everything > everything || near.Tags.ContainsKey("red"));
        everything = near.Everything;
        await rig.Client.ClearAsync(Cancellation);
        await Eventually.HoldsAsync(() => near.Everything > everything || near.Partitions.Count == 4);
        everything = near.Everything;

        // A silo that comes later reports too.
        await rig.Cluster.StartAdditionalSiloAsync();
        await rig.BalancedAsync();
        await Eventually.HoldsAsync(() => near.Everything > everything);
        everything = near.Everything;
        near.Hashes.Clear();
        for (var i = 0; i < 100; i++)
        {
            await rig.Client.RemoveAsync($"k{i}", Cancellation);
            await rig.Client.SetAsync($"n{i}", new byte[1], cancellationToken: Cancellation);
        }

        await Eventually.HoldsAsync(() => near.Everything > everything || Enumerable.Range(0, 100).All(i => near.Hashes.ContainsKey(KeyHash.Of(Encoding.UTF8.GetBytes($"n{i}")))));

        // What a killed silo had not told any more is forgotten with its partitions; or what its gateway took along is missed; or the grain was on it, and the subscription with it, and it is renewed.
        var victim = rig.Cluster.Silos[1];
        var lost = rig.PartitionsOf(victim);
        near.Partitions.Clear();
        var gaps = near.Gaps;
        everything = near.Everything;
        await rig.Cluster.KillSiloAsync(victim, Cancellation);
        await rig.BalancedAsync();
        await grain.Subscribe(observer);
        await Eventually.HoldsAsync(() => lost.All(near.Partitions.ContainsKey) || near.Everything > everything || near.Gaps > gaps);

        await grain.Unsubscribe(observer);
        Assert.False((await grain.Read()).HasSubscribers);
        near.Hashes.Clear();
        await rig.Client.SetAsync("k1", new byte[1], cancellationToken: Cancellation);
        Assert.Empty(near.Hashes);
    }

    /// <summary>After one key comes another.</summary>
    private sealed class Pairs(ConcurrentQueue<string> learnt, string first, string next) : IPrefetcher
    {
        private bool isDue;

        public PrefetchStatistics Statistics => FakePrefetching.Sample.Learnt!;

        public void Observe(scoped AccessBatchReader batch, long now, bool isPrompt)
        {
            while (batch.TryRead(out var key, out _, out _))
            {
                var text = Encoding.UTF8.GetString(key);
                learnt.Enqueue(text);
                isDue |= text == first;
            }
        }

        public bool TryPredict(Span<byte> key, out Prediction prediction)
        {
            var bytes = Encoding.UTF8.GetBytes(next);
            bytes.CopyTo(key);
            prediction = new Prediction(1, bytes.Length, KeyHash.Of(bytes), 0);
            var isPredicted = isDue;
            isDue = false;
            return isPredicted;
        }

        public void Ended(ulong id, PrefetchOutcome outcome, long latency) => Assert.Equal(1UL, id);
    }

    /// <summary>Hangs first, then fails each other time.</summary>
    private sealed class Stubborn(ManualResetEventSlim stuck) : IPrefetcher
    {
        private int batches;

        public int Batches => Volatile.Read(ref batches);

        public PrefetchStatistics Statistics => FakePrefetching.Sample.Learnt!;

        public void Observe(scoped AccessBatchReader batch, long now, bool isPrompt)
        {
            stuck.Wait(TimeSpan.FromSeconds(30));
            if (Interlocked.Increment(ref batches) % 2 == 0)
            {
                throw new InvalidOperationException("The prefetcher fails.");
            }
        }

        public bool TryPredict(Span<byte> key, out Prediction prediction)
        {
            prediction = default;
            return false;
        }

        public void Ended(ulong id, PrefetchOutcome outcome, long latency)
        {
        }
    }

    private sealed class NearCache : IInvalidationObserver
    {
        private readonly Dictionary<ulong, InvalidationCursor> cursors = [];
        private int everything;
        private int gaps;

        public ConcurrentDictionary<ulong, bool> Hashes { get; } = [];

        public ConcurrentDictionary<string, bool> Tags { get; } = [];

        public ConcurrentDictionary<int, bool> Partitions { get; } = [];

        public int Everything => Volatile.Read(ref everything);

        public int Gaps => Volatile.Read(ref gaps);

        public ValueTask Invalidated(Immutable<byte[]> packed)
        {
            var batch = new InvalidationReader(packed.Value);
            lock (cursors)
            {
                if (!cursors.TryGetValue(batch.Source, out var cursor))
                {
                    cursors.Add(batch.Source, cursor = new InvalidationCursor());
                    cursor.TryFollow(batch);
                }
                else if (!cursor.TryFollow(batch))
                {
                    Interlocked.Increment(ref gaps);
                }
            }

            if (batch.IsEverything)
            {
                Interlocked.Increment(ref everything);
            }

            while (batch.TryReadHash(out var hash))
            {
                Hashes[hash] = true;
            }

            while (batch.TryReadTag(out var tag))
            {
                Tags[Encoding.UTF8.GetString(tag)] = true;
            }

            while (batch.TryReadPartition(out var partition))
            {
                Partitions[partition] = true;
            }

            return ValueTask.CompletedTask;
        }
    }
}
