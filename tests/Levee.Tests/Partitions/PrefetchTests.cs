using System.Text;
using Levee.Hosting;
using Levee.Learning;
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

    private readonly ListedAccesses accesses = new();

    public PrefetchTests() => host = new LockHost(new CacheOptions { MemoryBytes = 16L << 20, Partitions = 1 }, new ManualTime(), tier, seed: 1, maintains: false) { Accesses = accesses };

    public ValueTask DisposeAsync() => host.DisposeAsync();

    [Fact]
    public void A_key_below_is_loaded_once_and_stored_and_nobody_waits_or_is_counted()
    {
        tier.Put("k", "v");
        Assert.Null(Prefetch("k"));
        Assert.Equal(PrefetchOutcome.Resident, Prefetch("k"));
        Assert.Equal(1, tier.Loads);
        tier.Complete();
        Assert.Equal((7L, Outcome.Done, (long)PrefetchOutcome.Promoted), (sink.Last.Ticket, sink.Last.Outcome, sink.Last.Number));
        Assert.Equal(PrefetchOutcome.Resident, Prefetch("k"));
        var statistics = Statistics();
        Assert.Equal((1, 0, 0, 0), (statistics.Entries, statistics.Hits, statistics.Misses, statistics.PendingLoads));
        Assert.Equal((1, 1, 0, 0), (statistics.PrefetchedEntries, statistics.PrefetchesLanded, statistics.PrefetchesUsed, statistics.PrefetchesWasted));
        Assert.Equal("v", Get("k"));
        Assert.Equal(1, tier.Loads);
        Assert.Empty(tier.Cancelled);
        statistics = Statistics();
        Assert.Equal((0, 1, 1, 0), (statistics.PrefetchedEntries, statistics.PrefetchesLanded, statistics.PrefetchesUsed, statistics.PrefetchesWasted));
    }

    [Fact]
    public async Task There_is_nothing_to_load_where_no_tier_may_hold_the_key_or_there_is_none()
    {
        tier.Holds = static _ => false;
        Assert.Equal(PrefetchOutcome.Absent, Prefetch("k"));
        Assert.Equal(0, tier.Loads);
        await using var alone = new LockHost(new CacheOptions { MemoryBytes = 16L << 20, Partitions = 1 }, new ManualTime(), seed: 1, maintains: false);
        alone.Submit(TestBed.On("k", OperationKind.Prefetch), sink, 1);
        Assert.Equal((Outcome.Done, (long)PrefetchOutcome.Absent), (sink.Last.Outcome, sink.Last.Number));
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
        Assert.Equal("v", Encoding.UTF8.GetString(sink.Answers.Single(static answer => answer.Ticket == 8).Entry!.Value));
        Assert.Equal(PrefetchOutcome.Promoted, (PrefetchOutcome)sink.Last.Number);
        Assert.Equal(1, Statistics().Hits);
    }

    [Fact]
    public void A_load_that_a_look_began_is_stored_once_it_is_prefetched()
    {
        tier.Put("looked at", "v");
        tier.Put("prefetched", "v");
        host.Submit(TestBed.On("looked at", OperationKind.Peek), sink, 1);
        host.Submit(TestBed.On("prefetched", OperationKind.Peek), sink, 2);
        Assert.Equal(PrefetchOutcome.Resident, Prefetch("prefetched"));
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
    public void A_host_learns_what_became_of_each_access()
    {
        tier.Put("below", "1");
        tier.Put("ahead", "1");
        tier.Put("late", "1");
        tier.Holds = static hash => hash != Levee.Keys.KeyHash.Of("absent"u8);
        Assert.Equal(AccessKind.Miss, Access("absent", OperationKind.Get));
        Assert.Equal(AccessKind.Hit, Access("absent", OperationKind.Peek));
        Assert.Equal(AccessKind.Hit, Access("absent", OperationKind.Delete));
        Assert.Equal(AccessKind.Hit, Access("ahead", OperationKind.Prefetch));
        Assert.Equal(AccessKind.Hit, Access("below", OperationKind.Peek));
        Assert.Equal(AccessKind.Miss, Access("below", OperationKind.Get));
        Assert.Equal(AccessKind.Miss, Access("below", OperationKind.Increment));
        Assert.Equal(AccessKind.Hit, Access("late", OperationKind.Prefetch));
        Assert.Equal(AccessKind.Hit, Access("late", OperationKind.Peek));
        Assert.Equal(AccessKind.Late, Access("late", OperationKind.Get));
        Assert.Single(tier.Raised);
        var reported = accesses.Kinds.Count;
        tier.Complete();
        tier.Complete();
        tier.Complete();
        Assert.Equal(reported, accesses.Kinds.Count);
        Assert.Equal(AccessKind.Hit, Access("below", OperationKind.Get));
        Assert.Equal(AccessKind.Hit, Access("below", OperationKind.Set));
        Assert.Equal(AccessKind.Hit, Access("late", OperationKind.Get));
        Assert.Equal(AccessKind.Hit, Access("ahead", OperationKind.Peek));
        Assert.Equal(AccessKind.PrefetchHit, Access("ahead", OperationKind.Get));
        Assert.Equal(AccessKind.Hit, Access("ahead", OperationKind.Get));
        Assert.Equal(["absent Miss", "below Miss", "below Miss", "late Late", "ahead PrefetchHit"], accesses.Kinds);
        host.Accesses = null;
        Assert.Equal(AccessKind.Miss, Access("absent", OperationKind.Get));
        Assert.Equal(5, accesses.Kinds.Count);
    }

    [Theory]
    [InlineData(OperationKind.Increment, true)]
    [InlineData(OperationKind.Append, true)]
    [InlineData(OperationKind.Expire, true)]
    [InlineData(OperationKind.Delete, true)]
    [InlineData(OperationKind.Set, false)]
    public void Whoever_must_know_the_entry_uses_it_and_who_writes_over_it_wastes_it(OperationKind kind, bool isUse)
    {
        Land("k", "1");
        Assert.Equal(isUse ? AccessKind.PrefetchHit : AccessKind.Hit, Access("k", kind));
        var statistics = Statistics();
        Assert.Equal((0, isUse ? 1 : 0, isUse ? 0 : 1), (statistics.PrefetchedEntries, statistics.PrefetchesUsed, statistics.PrefetchesWasted));
        host.CheckInvariants();
    }

    [Fact]
    public void It_counts_as_a_use_of_one_list_only_when_it_is_used()
    {
        Land("k", "1");
        Assert.Equal((true, "prefetched, not used yet"), (Explain("k").IsPrefetched, Explain("k").List));
        Get("k");
        Assert.Equal((false, "T1"), (Explain("k").IsPrefetched, Explain("k").List));
        Get("k");
        Assert.Equal("T2", Explain("k").List);
    }

    [Fact]
    public void What_is_not_used_within_its_time_leaves_and_the_tier_keeps_it()
    {
        for (var i = 0; i < 20; i++)
        {
            Land($"k{i}", "1");
        }

        tier.Holds = static hash => !Enumerable.Range(0, 200).Any(i => hash == Levee.Keys.KeyHash.Of(Encoding.UTF8.GetBytes($"absent{i}")));
        for (var i = 0; i < 51; i++)
        {
            Access($"absent{i}", OperationKind.Get);
        }

        Assert.Equal(20, Statistics().PrefetchedEntries);
        for (var i = 51; i < 110; i++)
        {
            Access($"absent{i}", OperationKind.Get);
        }

        var statistics = Statistics();
        Assert.Equal((0, 20, 20), (statistics.PrefetchedEntries, statistics.PrefetchesWasted, statistics.Evictions));
        Assert.Equal(20, tier.Told.Count(static told => told.StartsWith("keep", StringComparison.Ordinal)));
        Assert.DoesNotContain(tier.Told, static told => told.StartsWith("demote", StringComparison.Ordinal));
        host.CheckInvariants();
    }

    [Fact]
    public void What_leaves_unused_is_taken_down_again_where_the_tiers_copy_is_about_to_go()
    {
        host.MaxPrefetched = 1;
        tier.Keeps = false;
        Land("k", "1");
        Land("l", "1");
        Assert.False(Explain("k").IsResident);
        Assert.Equal(["demote k"], tier.Told.Where(static told => told.StartsWith("demote", StringComparison.Ordinal)));
    }

    [Fact]
    public void The_area_is_bounded_in_entries_and_in_a_tenth_of_the_memory_and_the_first_makes_room()
    {
        host.MaxPrefetched = 3;
        for (var i = 0; i < 5; i++)
        {
            Land($"k{i}", "1");
        }

        Assert.Equal((3, 2), (Statistics().PrefetchedEntries, Statistics().PrefetchesWasted));
        Assert.Equal([false, false, true, true, true], Enumerable.Range(0, 5).Select(i => Explain($"k{i}").IsResident));
        host.MaxPrefetched = long.MaxValue;
        for (var i = 0; i < 2000; i++)
        {
            Land($"long{i}", new string('x', 1500));
        }

        var statistics = Statistics();
        Assert.InRange(statistics.PrefetchedBytes, (statistics.CapacityBytes / 10) - 4096, statistics.CapacityBytes / 10);
        Assert.Equal(statistics.PrefetchesLanded, statistics.PrefetchedEntries + statistics.PrefetchesWasted);
        host.CheckInvariants();
    }

    [Fact]
    public void Only_a_hash_is_enough_and_the_record_says_whose_it_is()
    {
        tier.Put("k", "v");
        PrefetchHash(Levee.Keys.KeyHash.Of("k"u8));
        Assert.Equal(PrefetchOutcome.Resident, Prefetch("k"));
        tier.Complete();
        Assert.Equal(PrefetchOutcome.Promoted, (PrefetchOutcome)sink.Last.Number);
        Assert.True(Explain("k").IsPrefetched);
        Assert.Equal(AccessKind.PrefetchHit, Access("k", OperationKind.Get));
        PrefetchHash(Levee.Keys.KeyHash.Of("k"u8));
        tier.Complete();
        Assert.Equal(PrefetchOutcome.Resident, (PrefetchOutcome)sink.Last.Number);
        Assert.Equal((1, 1), (Statistics().Entries, Statistics().PrefetchesLanded));
    }

    [Fact]
    public void Who_asks_for_a_key_joins_the_load_of_its_hash_and_is_not_shown_another_keys_value()
    {
        tier.Put("k", "v");
        PrefetchHash(Levee.Keys.KeyHash.Of("k"u8));
        Assert.Null(Get("k"));
        Assert.Equal((1, 1), (tier.Loads, tier.Raised.Count));
        tier.Complete();
        Assert.Equal(1, Statistics().Hits);
        Assert.False(Explain("k").IsPrefetched);

        tier.Put("l", "v");
        PrefetchHash(Levee.Keys.KeyHash.Of("l"u8));
        Assert.Null(Get("l"));
        tier.Complete(otherKey: "of the same hash");
        Assert.Equal((PrefetchOutcome.Absent, 1), ((PrefetchOutcome)sink.Last.Number, Statistics().Misses));
        Assert.Equal(1, Statistics().Entries);
    }

    [Fact]
    public void A_write_to_a_key_in_memory_ends_a_load_of_its_hash_or_an_older_value_could_come_back()
    {
        tier.Put("k", "old");
        Access("k", OperationKind.Get);
        tier.Complete();
        PrefetchHash(Levee.Keys.KeyHash.Of("k"u8));
        Access("k", OperationKind.Delete);
        Assert.Single(tier.Cancelled);
        tier.Complete();
        Assert.Equal((0, PrefetchOutcome.Resident), (Statistics().Entries, (PrefetchOutcome)sink.Answers[^2].Number));
    }

    [Fact]
    public void A_load_that_was_given_up_is_asked_for_again_where_somebody_waits()
    {
        tier.Put("a", "1");
        tier.Put("b", "1");
        Prefetch("a");
        Prefetch("b");
        Get("b");
        tier.Complete(drops: true);
        Assert.Equal(PrefetchOutcome.Dropped, (PrefetchOutcome)sink.Last.Number);
        tier.Complete(drops: true);
        Assert.Single(tier.Pending);
        tier.Complete();
        Assert.Equal((1, 1), (Statistics().Entries, Statistics().Hits));
    }

    [Fact]
    public void A_set_ahead_of_a_use_is_kept_apart_and_changes_nothing_that_is_there()
    {
        tier.Holds = static _ => false;
        var set = TestBed.On("k", OperationKind.Set);
        set.Condition = Condition.IfAbsent;
        set.IsAhead = true;
        set.Value = "v"u8;
        host.Submit(set, sink, 1);
        Assert.Equal(Outcome.Stored, sink.Last.Outcome);
        Assert.True(Explain("k").IsPrefetched);
        host.Submit(set, sink, 2);
        Assert.Equal(Outcome.ConditionFailed, sink.Last.Outcome);
        Assert.True(Explain("k").IsPrefetched);
        Assert.Empty(accesses.Kinds);
        Assert.True(host.IsResident("k"u8, Levee.Keys.KeyHash.Of("k"u8)));
        Assert.False(host.IsResident("l"u8, Levee.Keys.KeyHash.Of("l"u8)));
        Assert.Equal("v", Get("k"));
    }

    [Fact]
    public void Misses_that_prefetched_entries_caused_are_told_apart_while_that_is_wanted()
    {
        host.NotesPollution = true;
        tier.Holds = static _ => false;
        var key = 0;
        while (Statistics().Evictions == 0)
        {
            Set($"k{key++}", 1000);
        }

        tier.Holds = static _ => true;
        Land("ahead", new string('x', 1000));
        tier.Holds = static _ => false;
        var evictions = Statistics().Evictions;
        while (Statistics().Evictions == evictions)
        {
            Set($"k{key++}", 1000);
        }

        var victim = Enumerable.Range(0, key).Last(i => !Explain($"k{i}").IsResident);
        Assert.Equal(AccessKind.PollutedMiss, Access($"k{victim}", OperationKind.Get));
        Assert.Equal(AccessKind.Miss, Access($"k{victim}", OperationKind.Get));
        Assert.Equal(AccessKind.Miss, Access("k0", OperationKind.Get));
        host.NotesPollution = false;
        Assert.Equal(1, Statistics().PollutedMisses);
    }

    [Fact]
    public void A_ghost_stays_until_the_entry_that_came_back_is_used()
    {
        var key = 0;
        tier.Holds = static _ => false;
        while (Statistics().Evictions < 50)
        {
            Set($"k{key++}", 1000);
        }

        tier.Holds = static _ => true;
        var ghost = Enumerable.Range(0, key).First(i => Explain($"k{i}").IsGhost);
        Land($"k{ghost}", "1");
        Assert.Equal(0, Statistics().TargetBytes);
        Get($"k{ghost}");
        Assert.True(Statistics().TargetBytes > 0);
        Assert.Equal("T1", Explain($"k{ghost}").List);
        host.CheckInvariants();
    }

    [Fact]
    public void Less_memory_takes_from_the_area_too_and_clearing_empties_it()
    {
        for (var i = 0; i < 1000; i++)
        {
            Land($"k{i}", new string('x', 1000));
        }

        host.Configure(host.Options with { MemoryBytes = 16L << 20, IsTiny = true });
        host.Configure(host.Options with { MemoryBytes = 4L << 20 });
        while (host.MaintainOnce())
        {
        }

        var statistics = Statistics();
        Assert.InRange(statistics.PrefetchedBytes, 1, statistics.CapacityBytes / 10);
        Assert.Equal(1000, statistics.PrefetchedEntries + statistics.PrefetchesWasted);
        host.CheckInvariants();
        host.Submit(new Operation { Kind = OperationKind.Clear }, sink, 1);
        statistics = Statistics();
        Assert.Equal((0, 1000, 1000), (statistics.PrefetchedEntries, statistics.PrefetchesLanded, statistics.PrefetchesWasted));
        host.CheckInvariants();
    }

    private AccessKind Access(string key, OperationKind kind)
    {
        var operation = TestBed.On(key, kind);
        operation.ExpiresAt = Limits.Never;
        operation.Value = "1"u8;
        operation.Number = kind == OperationKind.Increment ? 1 : 0;
        Assert.True(host.TrySubmit(operation, sink, 1, out var access));
        return access;
    }

    private void Land(string key, string value)
    {
        tier.Put(key, value);
        Assert.Null(Prefetch(key));
        tier.Complete();
        Assert.Equal(PrefetchOutcome.Promoted, (PrefetchOutcome)sink.Last.Number);
    }

    private void Set(string key, int length)
    {
        var set = TestBed.On(key, OperationKind.Set);
        set.Value = new byte[length];
        host.Submit(set, sink, 1);
    }

    private EntryExplanation Explain(string key)
    {
        var bytes = Encoding.UTF8.GetBytes(key);
        return host.Hold(0, bytes, static (partition, key) => partition.Explain(key, 0));
    }

    private void PrefetchHash(ulong hash) => host.Submit(new Operation { Kind = OperationKind.Prefetch, Hash = hash }, sink, 7);

    private PrefetchOutcome? Prefetch(string key)
    {
        var answers = sink.Answers.Count;
        host.Submit(TestBed.On(key, OperationKind.Prefetch), sink, 7);
        return sink.Answers.Count == answers ? null : (PrefetchOutcome)sink.Last.Number;
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

    private sealed class ListedAccesses : IAccessSink
    {
        public List<string> Kinds { get; } = [];

        public void Report(ReadOnlySpan<byte> key, ulong hash, AccessKind kind)
        {
            Assert.Equal(Levee.Keys.KeyHash.Of(key), hash);
            Kinds.Add($"{Encoding.UTF8.GetString(key)} {kind}");
        }
    }
}
