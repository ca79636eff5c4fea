using System.Text;
using Levee.Hosting;
using Levee.Operations;
using Levee.Testing;
using Xunit;

namespace Levee.Tests.Partitions;

/// <summary>What is brought up ahead of a use, and what a host learns of would-be misses.</summary>
public sealed class PrefetchTests : IAsyncDisposable
{
    private readonly FakeTier tier = new();
    private readonly CopyingSink sink = new();
    private readonly LockHost host;

    public PrefetchTests() => host = new LockHost(new CacheOptions { MemoryBytes = 16L << 20, Partitions = 1 }, new ManualTime(), tier, seed: 1, maintains: false);

    public ValueTask DisposeAsync() => host.DisposeAsync();

    [Fact]
    public void A_key_below_is_loaded_once_and_stored_and_nobody_waits_or_is_counted()
    {
        tier.Put("k", "v");
        Assert.Equal((Outcome.Done, 1L), Prefetch("k"));
        Assert.Equal((Outcome.Done, 1L), Prefetch("k"));
        Assert.Equal(1, tier.Loads);
        tier.Complete();
        Assert.Equal((Outcome.Done, 0L), Prefetch("k"));
        var statistics = Statistics();
        Assert.Equal((1, 0, 0, 0), (statistics.Entries, statistics.Hits, statistics.Misses, statistics.PendingLoads));
        Assert.Equal("v", Get("k"));
        Assert.Equal(1, tier.Loads);
        Assert.Empty(tier.Cancelled);
    }

    [Fact]
    public async Task There_is_nothing_to_load_where_no_tier_may_hold_the_key_or_there_is_none()
    {
        tier.Holds = static _ => false;
        Assert.Equal((Outcome.Done, 0L), Prefetch("k"));
        Assert.Equal(0, tier.Loads);
        await using var alone = new LockHost(new CacheOptions { MemoryBytes = 16L << 20, Partitions = 1 }, new ManualTime(), seed: 1, maintains: false);
        alone.Submit(TestBed.On("k", OperationKind.Prefetch), sink, 1);
        Assert.Equal((Outcome.Done, 0L), (sink.Last.Outcome, sink.Last.Number));
        alone.Submit(TestBed.On(new string('k', Limits.MaxKeyBytes + 1), OperationKind.Prefetch), sink, 1);
        Assert.Equal(Outcome.BadKey, sink.Last.Outcome);
    }

    [Fact]
    public void A_get_that_comes_meanwhile_joins_the_load()
    {
        tier.Put("k", "v");
        Prefetch("k");
        Assert.Null(Get("k"));
        Assert.Equal(1, tier.Loads);
        tier.Complete();
        Assert.Equal("v", Encoding.UTF8.GetString(sink.Last.Entry!.Value));
        Assert.Equal(1, Statistics().Hits);
    }

    [Fact]
    public void A_load_that_a_look_began_is_stored_once_it_is_prefetched()
    {
        tier.Put("looked at", "v");
        tier.Put("prefetched", "v");
        host.Submit(TestBed.On("looked at", OperationKind.Peek), sink, 1);
        host.Submit(TestBed.On("prefetched", OperationKind.Peek), sink, 2);
        Assert.Equal((Outcome.Done, 1L), Prefetch("prefetched"));
        tier.Complete();
        Assert.Equal(0, Statistics().Entries);
        tier.Complete();
        Assert.Equal(1, Statistics().Entries);
        Assert.Equal(2, tier.Loads);
    }

    [Fact]
    public void A_write_overtakes_it_and_is_what_stays()
    {
        tier.Put("k", "old");
        Prefetch("k");
        var set = TestBed.On("k", OperationKind.Set);
        set.Value = "new"u8;
        host.Submit(set, sink, 1);
        Assert.Equal(Outcome.Stored, sink.Last.Outcome);
        Assert.Single(tier.Cancelled);
        tier.Complete();
        Assert.Equal("new", Get("k"));
    }

    [Fact]
    public void A_load_that_fails_or_finds_nothing_leaves_nothing_behind()
    {
        Prefetch("a");
        Prefetch("b");
        tier.Complete(fails: true);
        tier.Complete();
        var statistics = Statistics();
        Assert.Equal((0, 0, 0), (statistics.Entries, statistics.Misses, statistics.PendingLoads));
        host.CheckInvariants();
    }

    [Fact]
    public void A_host_learns_what_was_a_would_be_miss()
    {
        tier.Put("below", "1");
        tier.Holds = static hash => hash == Levee.Keys.KeyHash.Of("below"u8);
        Assert.True(WasWouldBeMiss("absent", OperationKind.Get));
        Assert.False(WasWouldBeMiss("absent", OperationKind.Peek));
        Assert.False(WasWouldBeMiss("absent", OperationKind.Delete));
        Assert.False(WasWouldBeMiss("below", OperationKind.Prefetch));
        Assert.False(WasWouldBeMiss("below", OperationKind.Peek));
        Assert.True(WasWouldBeMiss("below", OperationKind.Get));
        Assert.True(WasWouldBeMiss("below", OperationKind.Increment));
        var before = Misses();
        tier.Complete();
        Assert.Equal(before, Misses());
        Assert.False(WasWouldBeMiss("below", OperationKind.Get));
        Assert.False(WasWouldBeMiss("below", OperationKind.Set));
    }

    private bool WasWouldBeMiss(string key, OperationKind kind)
    {
        var before = Misses();
        host.Submit(TestBed.On(key, kind), sink, 1);
        return Misses() switch { var now when now == before => false, var now when now == before + 1 => true, var now => throw new InvalidOperationException($"{now - before} for one operation") };
    }

    private long Misses() => host.Hold(0, 0, static (partition, _) => partition.WouldBeMisses);

    private (Outcome Outcome, long Number) Prefetch(string key)
    {
        var answers = sink.Answers.Count;
        host.Submit(TestBed.On(key, OperationKind.Prefetch), sink, 7);
        Assert.Equal(answers + 1, sink.Answers.Count);
        return (sink.Last.Outcome, sink.Last.Number);
    }

    private string? Get(string key)
    {
        var answers = sink.Answers.Count;
        host.Submit(TestBed.On(key, OperationKind.Get), sink, 8);
        return sink.Answers.Count > answers ? Encoding.UTF8.GetString(sink.Last.Entry!.Value) : null;
    }

    private PartitionStatistics Statistics()
    {
        host.Submit(new Operation { Kind = OperationKind.Statistics }, sink, 9);
        return sink.Last.Statistics!;
    }
}
