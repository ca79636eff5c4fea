using System.Diagnostics;
using System.Globalization;
using System.Text;
using Levee.Hosting;
using Levee.Keys;
using Levee.Operations;
using Levee.Testing;
using Levee.Tiers.Redis;
using Levee.Tiers.Segments;
using Levee.Tiers.Stores;
using Levee.Tiers.Tests.Redis;
using Microsoft.Extensions.Logging.Abstractions;
using Xunit;

namespace Levee.Tiers.Tests;

/// <summary>A cache over real tiers with small buffers: within their capacity everything that memory held is there after a clean stop, whatever its size.</summary>
public sealed class CleanStopTests : IDisposable
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(60);

    private readonly string folder = Directory.CreateTempSubdirectory("levee-stop-").FullName;

    public void Dispose()
    {
        if (Directory.Exists(folder))
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    [Theory]
    [InlineData(300, 100_000)]
    [InlineData(3000, 500)]
    [InlineData(12, 3_000_000)]
    public Task By_files(int count, int bytes) => RoundAsync(count, bytes, Files);

    [Theory]
    [InlineData(300, 100_000)]
    [InlineData(3000, 500)]
    [InlineData(12, 3_000_000)]
    public async Task By_Redis(int count, int bytes)
    {
        await using var server = await RedisServer.StartAsync();
        await RoundAsync(count, bytes, () => [Redis(server.Port)]);
    }

    /// <summary>What the first tier has no room for goes on to the second, which is waited for as well.</summary>
    [Fact]
    public Task By_a_small_tier_over_a_larger_one() => RoundAsync(3000, 5000, () => [File("first", 8 << 20), File("second", 256 << 20)]);

    [Fact]
    public async Task A_folder_that_is_gone_is_said_and_keeps_no_other_tier_from_stopping()
    {
        await using (var cache = await Cache.OpenAsync(() => [File("first", 64 << 20), File("second", 64 << 20)]))
        {
            cache.Fill(10, 100);
            Directory.Delete(Path.Combine(folder, "first"), recursive: true);
            var taken = await cache.Host.TakeDownAsync(null, CancellationToken.None);
            Assert.Equal((0L, 10L), (taken.Taken, taken.Lost));
            Assert.Contains("is gone", taken.Problem, StringComparison.Ordinal);
            Assert.Contains(Path.Combine(folder, "first"), Assert.Single(await cache.Chain.StopAsync(CancellationToken.None)), StringComparison.Ordinal);
        }

        using var state = TierState.OpenOrCreate(Path.Combine(folder, "second"), fsync: false, out _);
        Assert.True(state.WasClean);
    }

    [Fact]
    public async Task A_stop_whose_time_is_over_keeps_what_went_down_and_counts_the_rest()
    {
        using var over = new CancellationTokenSource();
        TakeDownReport taken;
        await using (var cache = await Cache.OpenAsync(Files))
        {
            cache.Fill(3000, 500);
            await over.CancelAsync();
            taken = await cache.Host.TakeDownAsync(null, over.Token);
            Assert.Equal(3000, taken.Taken + taken.Lost);
            Assert.True(taken.Lost > 0);
            Assert.Empty(await cache.Chain.StopAsync(over.Token));
        }

        await using var next = await Cache.OpenAsync(Files);
        Assert.Equal(taken.Taken, await next.CountAsync(3000, 500));
    }

    private async Task RoundAsync(int count, int bytes, Func<ITier[]> tiers)
    {
        await using (var cache = await Cache.OpenAsync(tiers))
        {
            cache.Fill(count, bytes);
            var taken = await cache.Host.TakeDownAsync(null, CancellationToken.None);
            Assert.Equal((count, count, 0L, ""), ((int)taken.Entries, (int)taken.Taken, taken.Lost, taken.Problem));
            Assert.Empty(await cache.Chain.StopAsync(CancellationToken.None));
            Assert.Equal(0, cache.Chain.Tiers.Sum(tier => tier.GetStatistics().Drops));
        }

        await using var next = await Cache.OpenAsync(tiers);
        Assert.Equal(count, await next.CountAsync(count, bytes));
    }

    private ITier[] Files() => [File("files", 256 << 20)];

    private SegmentTier File(string name, long capacityBytes) => new(
        new FileSegmentStore(Path.Combine(folder, "segments-" + name)),
        Context(name, capacityBytes),
        new SegmentTierOptions { SegmentBytes = 1 << 20, BufferBytes = 64 << 10, LargeBytes = 1 << 20, OwnsStore = true });

    private RedisTier Redis(int port) => new(new RedisOptions { Host = "127.0.0.1", Port = port, BufferBytes = 64 << 10 }, Context("redis", 256 << 20));

    private TierContext Context(string name, long capacityBytes) =>
        new() { StateFolder = Directory.CreateDirectory(Path.Combine(folder, name)).FullName, CapacityBytes = capacityBytes, Logger = NullLogger.Instance };

    private sealed class Cache : IAsyncDisposable
    {
        private Cache(TierChain chain, LockHost host) => (Chain, Host) = (chain, host);

        public TierChain Chain { get; }

        public LockHost Host { get; }

        public static async Task<Cache> OpenAsync(Func<ITier[]> tiers)
        {
            var chain = new TierChain("stop", 4, tiers(), TimeProvider.System, NullLogger.Instance);
            await chain.StartAsync(CancellationToken.None);
            var host = new LockHost(new CacheOptions { Name = "stop", MemoryBytes = 128L << 20, Partitions = 4 }, TimeProvider.System, chain);
            for (var began = Stopwatch.GetTimestamp(); chain.Tiers.Any(tier => tier.GetStatistics().Health != TierHealth.Healthy);)
            {
                Assert.True(Stopwatch.GetElapsedTime(began) < Patience, "the tiers recover");
                await Task.Delay(5, TestContext.Current.CancellationToken);
            }

            return new Cache(chain, host);
        }

        public void Fill(int count, int bytes)
        {
            for (var i = 0; i < count; i++)
            {
                var key = Key(i);
                var operation = new Operation { Kind = OperationKind.Set, Key = key, Hash = KeyHash.Of(key) };
                if (bytes > Limits.MaxInlineBytes)
                {
                    operation.Large = Host.LargeValues.TryCreate(Value(i, bytes));
                }
                else
                {
                    operation.Value = Value(i, bytes);
                }

                var sink = new FirstAnswer();
                Host.Submit(operation, sink, 0);
                Assert.Equal(Outcome.Stored, sink.Answered.Task.Result.Outcome);
            }
        }

        /// <summary>How many of the keys have their value.</summary>
        public async Task<long> CountAsync(int count, int bytes)
        {
            var found = 0L;
            for (var i = 0; i < count; i++)
            {
                var key = Key(i);
                var sink = new FirstAnswer();
                Host.Submit(new Operation { Kind = OperationKind.Get, Key = key, Hash = KeyHash.Of(key) }, sink, 0);
                var (outcome, value) = await sink.Answered.Task.WaitAsync(Patience, TestContext.Current.CancellationToken);
                if (outcome == Outcome.Hit)
                {
                    found++;
                    Assert.Equal(Value(i, bytes), value);
                }
            }

            return found;
        }

        public async ValueTask DisposeAsync()
        {
            await Chain.DisposeAsync();
            await Host.DisposeAsync();
        }

        private static byte[] Key(int number) => Encoding.UTF8.GetBytes(string.Create(CultureInfo.InvariantCulture, $"key-{number}"));

        private static byte[] Value(int number, int bytes)
        {
            var value = new byte[bytes];
            new Random(number).NextBytes(value);
            return value;
        }
    }

    private sealed class FirstAnswer : IAnswerSink
    {
        public TaskCompletionSource<(Outcome Outcome, byte[] Value)> Answered { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);

        public void Answer(long ticket, in Answer answer) =>
            Answered.TrySetResult((answer.Outcome, answer.Outcome != Outcome.Hit ? [] : answer.Entry.Large is { } large ? Bytes(large) : answer.Entry.Value.ToArray()));

        private static byte[] Bytes(Levee.Memory.LargeValue large)
        {
            var bytes = new byte[large.Length];
            large.CopyTo(0, bytes);
            return bytes;
        }
    }
}
