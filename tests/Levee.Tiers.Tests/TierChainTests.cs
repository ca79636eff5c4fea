using Levee.Hosting;
using Levee.Keys;
using Levee.Operations;
using Levee.Partitions;
using Levee.Testing;
using Microsoft.Extensions.Logging.Abstractions;
using Xunit;

namespace Levee.Tiers.Tests;

public sealed class TierChainTests
{
    [Fact]
    public async Task A_write_that_goes_through_leaves_nothing_of_its_key_further_down_not_even_its_own_version()
    {
        var first = new ToldTier();
        var second = new ToldTier();
        await using var chain = new TierChain("default", 1, [first, second], TimeProvider.System, NullLogger.Instance);
        var key = "k"u8.ToArray();
        Assert.True(chain.TryWriteThrough(new TierEntry { Key = key, Hash = KeyHash.Of(key), Version = 7, ExpiresAt = 1000 }));
        Assert.Equal(["write 7"], first.Told);
        Assert.Equal(["invalidate 7"], second.Told);
    }

    [Fact]
    public async Task What_voids_a_key_is_told_to_all_tiers_and_what_leaves_memory_to_the_first()
    {
        var first = new ToldTier();
        var second = new ToldTier();
        await using var chain = new TierChain("default", 1, [first, second], TimeProvider.System, NullLogger.Instance);
        var key = "k"u8.ToArray();
        chain.Demote(new TierEntry { Key = key, Hash = KeyHash.Of(key), Version = 1, ExpiresAt = Limits.Never });
        chain.Invalidate(KeyHash.Of(key), 2);
        chain.RemoveByTag(0, "red"u8, 3);
        chain.Clear(0, 4);
        chain.Reserve(5);
        Assert.Equal(["demote 1", "invalidate 2", "remove 3", "clear 4", "reserve 5"], first.Told);
        Assert.Equal(["invalidate 2", "remove 3", "clear 4", "reserve 5"], second.Told);
    }

    [Fact]
    public async Task What_was_used_is_kept_by_the_first_tier_only_and_what_was_not_by_whichever_has_it()
    {
        var first = new ToldTier();
        var second = new ToldTier { Keeps = true };
        await using var chain = new TierChain("default", 1, [first, second], TimeProvider.System, NullLogger.Instance);
        Assert.False(chain.Keep(1));
        Assert.Empty(second.Told);
        Assert.True(chain.KeepUnused(1));
        Assert.Equal(["keep", "keep"], first.Told);
        Assert.Equal(["keep"], second.Told);
    }

    [Theory]
    [InlineData(OperationKind.Get)]
    [InlineData(OperationKind.Prefetch)]
    public async Task A_load_is_begun_on_the_thread_that_brings_it(OperationKind kind)
    {
        var tier = new ToldTier();
        await using var chain = new TierChain("default", 1, [tier], TimeProvider.System, NullLogger.Instance);
        await using var host = new LockHost(new CacheOptions { MemoryBytes = 16L << 20, Partitions = 1 }, TimeProvider.System, chain, seed: 1, maintains: false);
        var submitting = 0;
        var thread = new Thread(() =>
        {
            submitting = Environment.CurrentManagedThreadId;
            host.Submit(TestBed.On("k", kind), new CopyingSink(), 1);
        });
        thread.Start();
        thread.Join();
        Assert.Equal(submitting, await tier.ReadOn.Task.WaitAsync(TestContext.Current.CancellationToken));
        await chain.StopAsync(TestContext.Current.CancellationToken);
    }
}
