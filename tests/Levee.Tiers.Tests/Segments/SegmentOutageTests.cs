using System.Text;
using Levee.Operations;
using Levee.Partitions;
using Levee.Testing;
using Levee.Tiers.Segments;
using Levee.Tiers.Stores;
using Microsoft.Extensions.Logging.Abstractions;
using Xunit;

namespace Levee.Tiers.Tests.Segments;

/// <summary>A tier with its loops over a guarded store that hangs or answers with errors.</summary>
public sealed class SegmentOutageTests
{
    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Without_its_store_a_tier_fails_reads_fast_and_drops_and_is_back_when_the_store_is(bool hangs)
    {
        var cancellation = TestContext.Current.CancellationToken;
        var store = new FakeSegmentStore();
        var guard = new GuardOptions { ReadTimeout = TimeSpan.FromMilliseconds(50), WriteTimeout = TimeSpan.FromMilliseconds(50), BreakDuration = TimeSpan.FromMilliseconds(500), MinimumThroughput = 2 };
        var state = TierRig.NewFolder();
        await using (var tier = new SegmentTier(
            new GuardedStore(store, guard, TimeProvider.System),
            new TierContext { StateFolder = state, CapacityBytes = 64 << 20, Logger = NullLogger.Instance },
            new SegmentTierOptions { SegmentBytes = 64 << 10, BufferBytes = 256 << 10, MaxStaged = 2, MaxBackOff = TimeSpan.FromMilliseconds(200) }))
        {
            await tier.StartAsync(new TestHost(), cancellation);
            Demote(tier, "stored");
            for (var i = 0; store.Objects.Count < 2; i++)
            {
                Demote(tier, $"filler-{i}");
                await Task.Delay(1, cancellation);
            }

            var gate = new TaskCompletionSource();
            (store.IsBroken, store.Gate) = (!hangs, hangs ? gate.Task : Task.CompletedTask);
            while (tier.GetStatistics().Drops < 500)
            {
                Demote(tier, $"filler-{tier.GetStatistics().Demotions}");
                await Task.Delay(tier.GetStatistics().Drops == 0 ? 1 : 0, cancellation);
                Assert.InRange(tier.Log.Table.StagedCount, 0, 2);
            }

            for (var i = 0; i < 100; i++)
            {
                using var failed = await tier.ReadAsync(TierRig.HashOf("stored"), "stored"u8.ToArray(), cancellation);
                Assert.Equal(TierReadOutcome.Failed, failed.Outcome);
            }

            Assert.Equal(TierHealth.Degraded, tier.GetStatistics().Health);
            for (var i = 0; tier.RemoveByTag(0, "tag"u8, (ulong)i); i++)
            {
                Assert.True(i < 100_000, "the log is full at last");
                Assert.InRange(tier.Log.Table.StagedCount, 0, 4);
            }

            Assert.Equal(0, tier.Log.Counters.GenerationsGivenUp);
            (store.IsBroken, store.Gate) = (false, Task.CompletedTask);
            gate.SetResult();
            while (tier.GetStatistics().Health != TierHealth.Healthy)
            {
                await Task.Delay(10, cancellation);
            }

            Demote(tier, "again");

            Assert.Equal((0, ""), (tier.Log.Counters.GenerationsGivenUp, tier.GetStatistics().Problem));
            using (var kept = await tier.ReadAsync(TierRig.HashOf("stored"), "stored"u8.ToArray(), cancellation))
            {
                Assert.Equal(TierReadOutcome.Found, kept.Outcome);
            }

            using var found = await tier.ReadAsync(TierRig.HashOf("again"), "again"u8.ToArray(), cancellation);
            Assert.Equal(TierReadOutcome.Found, found.Outcome);
        }

        Directory.Delete(state, recursive: true);
    }

    private static void Demote(SegmentTier tier, string key) =>
        tier.Demote(new TierEntry { Hash = TierRig.HashOf(key), Key = Encoding.UTF8.GetBytes(key), Value = new byte[1000], Version = 1, ExpiresAt = Limits.Never });
}
