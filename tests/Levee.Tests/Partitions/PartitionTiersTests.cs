using System.Text;
using Levee.Keys;
using Levee.Memory;
using Levee.Operations;
using Levee.Partitions;
using Levee.Testing;
using Xunit;

namespace Levee.Tests.Partitions;

/// <summary>What a partition and the tier below owe each other, case by case.</summary>
public sealed class PartitionTiersTests : IEffectHost, IDisposable
{
    private const long Start = 1_700_000_000_000;

    private readonly MemoryTier tier;
    private readonly CopyingSink sink = new();
    private readonly List<PageArena> arenas = [];
    private PageArena arena = null!;
    private PageShare share = null!;
    private Partition partition = null!;
    private long now = Start;
    private long ticket;

    public PartitionTiersTests()
    {
        tier = new MemoryTier { Clock = () => now };
        tier.Attach(this);
        Open();
    }

    public LargeValueStore LargeValues { get; private set; } = null!;

    public int PartitionOf(ulong hash) => 0;

    public bool Complete(int partition, long ticket, scoped in LoadResult result)
    {
        var isPromoted = this.partition.Complete(ticket, result, now);
        RunEffects();
        return isPromoted;
    }

    public bool HoldIfTrue<TState>(scoped in TierEntry entry, TState state, Func<TState, bool> action) => partition.IsTrue(entry, now) && action(state);

    public TResult Hold<TState, TResult>(int partition, TState state, Func<Partition, TState, TResult> action) => action(this.partition, state);

    public void Dispose() => arenas.ForEach(arena => arena.Dispose());

    [Fact]
    public void An_unchanged_entry_that_is_evicted_again_is_kept_and_a_changed_one_is_demoted()
    {
        Set("k", "v");
        Evict("k");
        Assert.Equal("Hit v", Get("k", wanted: true));
        var demoted = Demotions("k");
        Evict("k");
        Assert.Equal(demoted, Demotions("k"));
        Assert.True(tier.Reached["keep"] > 0);
        Assert.Equal("Hit v", Get("k", wanted: true));
        Set("k", "w");
        Assert.DoesNotContain(tier.Held, held => held.Key == "k");
        Evict("k");
        Assert.Equal("Hit w", Get("k"));
    }

    [Fact]
    public void An_entry_whose_expiry_slid_is_demoted_anew()
    {
        Set("k", "v", slidingMs: 10_000);
        Evict("k");
        now += 6000;
        Assert.Equal("Hit v", Get("k"));
        Evict("k");
        Assert.Equal(Start + 16_000, Assert.Single(tier.Held, held => held.Key == "k").ExpiresAt);
        now += 6000;
        Assert.Equal("Hit v", Get("k"));
    }

    [Fact]
    public void A_read_of_an_entry_whose_expiry_slides_is_a_use_wherever_it_lies()
    {
        Set("k", "v", slidingMs: 10_000);
        Evict("k");
        Fill("others", 400);
        for (var i = 0; i < 5; i++)
        {
            now += 6000;
            Assert.Equal("Hit v", Get("k"));
            Evict("k");
        }
    }

    /// <summary>The first read of what is neither wanted, remembered nor has room is answered from the tier; the second finds no ghost either, because nothing came.</summary>
    [Fact]
    public void What_needs_anothers_place_is_promoted_only_where_it_is_wanted_or_was_evicted_lately()
    {
        Open(policy: "arc");
        for (var i = 0; i < 60; i++)
        {
            Set($"hot{i}", new string('h', 2000));
            Get($"hot{i}");
        }

        Set("old", "v");
        Fill("pushes old out, and its ghost", 3000);
        Assert.Equal("Hit v", Get("old"));
        Assert.False(IsResident("old"));
        Assert.Equal("Hit v", Peek("old"));
        Assert.False(IsResident("old"));
        Assert.Equal("Hit v", Get("old", wanted: true));
        Assert.True(IsResident("old"));
        var ghost = Enumerable.Range(0, 3000).Select(i => $"pushes old out, and its ghost{i}").Last(key => partition.Explain(Encoding.UTF8.GetBytes(key), now).IsGhost);
        Peek(ghost);
        Assert.False(IsResident(ghost));
        Get(ghost);
        Assert.True(IsResident(ghost), "a ghost comes back at once");
    }

    [Fact]
    public void A_load_that_read_before_a_tag_removal_does_not_outlive_its_record()
    {
        tier.Defers = true;
        tier.ReadsEarly = true;
        Set("k", "v", tags: "red");
        Evict("k");
        Do(TestBed.On("k", OperationKind.Get));
        now += 10;
        Do(TestBed.On("red", OperationKind.RemoveByTag));
        now += 10;
        tier.Capacity = 1;
        Fill("others", 300);
        Assert.DoesNotContain(tier.Held, held => held.Key == "k");
        now += 5000;
        Maintain();
        sink.Answers.Clear();
        tier.CompleteAll();
        Assert.Equal(Outcome.Miss, sink.Last.Outcome);
        tier.Defers = false;
        Assert.Equal("Miss", Get("k"));
        Assert.False(IsResident("k"));
    }

    [Fact]
    public void A_tag_removal_is_remembered_until_the_tier_holds_nothing_older()
    {
        Set("k", "v", tags: "red");
        Evict("k");
        now += 10;
        Do(TestBed.On("red", OperationKind.RemoveByTag));
        for (var i = 0; i < 5; i++)
        {
            now += 2000;
            Maintain();
            Assert.Equal("Miss", Get("k"));
        }

        Set("k", "w", tags: "red");
        Assert.Equal("Hit w", Get("k"));
    }

    [Fact]
    public void A_reader_that_was_overtaken_does_not_see_what_overtook_it()
    {
        Set("k", "old");
        Evict("k");
        tier.Defers = true;
        Do(TestBed.On("k", OperationKind.Get));
        var reader = ticket;
        Set("k", "new");
        Evict("k");
        sink.Answers.Clear();
        tier.CompleteAll();
        Assert.Equal(Outcome.Miss, Assert.Single(sink.Answers, answer => answer.Ticket == reader).Outcome);
        tier.Defers = false;
        Assert.Equal("Hit new", Get("k"));
    }

    [Fact]
    public void A_new_owner_begins_above_all_that_was_reserved()
    {
        tier.Reserve(now + 1);
        now += 1;
        var last = 0UL;
        for (var i = 0; i < 100; i++)
        {
            last = Set("k", "v").Entry!.Version;
        }

        tier.Crash(0);
        now -= 3_600_000;
        Open();
        Assert.True(Set("k", "w").Entry!.Version > last, "versions rise across owners");
    }

    [Fact]
    public void A_wall_clock_that_is_set_back_revives_nothing_for_the_next_owner()
    {
        Set("k", "v", expiresAt: now + 1000);
        Evict("k");
        now += 2000;
        tier.Reserve(now);
        Assert.Equal("Miss", Get("k"));
        tier.Crash(0);
        now -= 2000;
        Open();
        Assert.Equal("Miss", Get("k"));
    }

    [Fact]
    public void After_a_crash_nothing_that_was_removed_by_tag_or_cleared_comes_back()
    {
        Set("cleared", "v");
        Evict("cleared");
        Do(new Operation { Kind = OperationKind.Clear });
        Set("tagged", "v", tags: "red");
        Set("free", "v", tags: "blue");
        Evict("tagged");
        Evict("free");
        now += 1;
        Do(TestBed.On("red", OperationKind.RemoveByTag));
        tier.Reserve(now);
        tier.Crash(0);
        Open();
        tier.Recover(0, partition);
        Maintain();
        Assert.Equal(["Miss", "Miss", "Hit v"], [Get("cleared"), Get("tagged"), Get("free")]);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void What_has_gone_through_is_stored_though_there_is_no_memory_for_it(bool replaces)
    {
        Open(writesThrough: true);
        if (replaces)
        {
            Set("k", "old");
        }

        var hogs = new List<LargeValue>();
        for (var size = 64 * 1024; size >= 1024; size /= 2)
        {
            while (LargeValues.TryCreate(size) is { } hog)
            {
                hogs.Add(hog);
            }
        }

        var value = new string('n', 7000);
        Assert.Equal(Outcome.Stored, Set("k", value).Outcome);
        hogs.ForEach(hog => hog.Release());
        Assert.Equal("Hit " + value, Get("k", wanted: true));
        Evict("k");
        Assert.Equal("Hit " + value, Get("k"));
    }

    [Fact]
    public void What_finds_no_place_in_memory_can_be_deleted_all_the_same()
    {
        var big = new string('b', 100_000);
        Set("k", big);
        Evict("k");
        Open(maxValueBytes: 50_000);
        Assert.Equal("Hit " + big, Get("k"));
        Assert.Equal(Outcome.WrongKind, Do(TestBed.On("k", OperationKind.Delete) with { RequiresKind = true, EntryKind = EntryKind.Hash }).Outcome);
        Assert.Equal(Outcome.ConditionFailed, Do(TestBed.On("k", OperationKind.Delete) with { Condition = Condition.IfVersion, Version = 1 }).Outcome);
        Assert.Equal(Outcome.Removed, Do(TestBed.On("k", OperationKind.Delete)).Outcome);
        Assert.Equal("Miss", Get("k"));
        AssertNoLargeValues();
    }

    [Fact]
    public void Large_values_are_let_go_exactly_once_whichever_way_they_take()
    {
        var big = new string('b', 20_000);
        for (var round = 0; round < 20; round++)
        {
            Set("k", big);
            Evict("k");
            Assert.Equal("Hit " + big, Peek("k"));
            Assert.Equal("Hit " + big, Get("k", wanted: true));
            Do(TestBed.On("k", OperationKind.Expire) with { ExpiresAt = now + 100_000 });
            Evict("k");
            tier.Defers = true;
            Do(TestBed.On("k", OperationKind.Get));
            Set("k", "small");
            tier.CompleteAll();
            Set("k", big);
            Evict("k");
            Do(TestBed.On("k", OperationKind.Get));
            Do(TestBed.On("k", OperationKind.Delete));
            tier.CompleteAll();
            Set("k", big);
            Evict("k");
            Do(TestBed.On("k", OperationKind.Get));
            Do(new Operation { Kind = OperationKind.Clear });
            tier.CompleteAll();
            tier.Defers = false;
        }

        AssertNoLargeValues();
    }

    private void Open(bool writesThrough = false, int maxValueBytes = 256 * 1024, string policy = "lru")
    {
        arena = new PageArena(1 << 20);
        arenas.Add(arena);
        share = new PageShare(arena, 1 << 19);
        LargeValues = new LargeValueStore(arena, 256 * 1024);
        partition = new Partition(share, new PartitionOptions { Seed = 1, Policy = policy, MaxValueBytes = maxValueBytes, WritesThrough = writesThrough }, tier);
    }

    private CopiedAnswer Do(scoped in Operation operation)
    {
        sink.Answers.Clear();
        partition.Execute(operation, now, sink, ++ticket);
        RunEffects();
        return sink.Answers.Count == 0 ? new CopiedAnswer(ticket, Outcome.None, 0, null, null) : sink.Last;
    }

    private void RunEffects()
    {
        while (partition.HasEffects)
        {
            foreach (var effect in partition.TakeEffects())
            {
                tier.Run(this, 0, effect);
            }
        }
    }

    private CopiedAnswer Set(string key, string value, long expiresAt = 0, long slidingMs = 0, params ReadOnlySpan<string> tags)
    {
        var operation = TestBed.On(key, OperationKind.Set);
        operation.ExpiresAt = expiresAt;
        operation.SlidingMs = slidingMs;
        operation.Tags = TestBed.Pack(tags);
        var bytes = Encoding.UTF8.GetBytes(value);
        if (bytes.Length <= Limits.MaxInlineBytes)
        {
            operation.Value = bytes;
            return Do(operation);
        }

        operation.Large = LargeValues.TryCreate(bytes);
        var answer = Do(operation);
        if (answer.Outcome != Outcome.Stored)
        {
            operation.Large!.Release();
        }

        return answer;
    }

    private string Get(string key, bool wanted = false)
    {
        tier.IsWanted = wanted;
        var answer = Text(Do(TestBed.On(key, OperationKind.Get)));
        tier.IsWanted = false;
        return answer;
    }

    private string Peek(string key) => Text(Do(TestBed.On(key, OperationKind.Peek)));

    private static string Text(CopiedAnswer answer) => $"{answer.Outcome} {Encoding.UTF8.GetString(answer.Entry?.Value ?? [])}".TrimEnd();

    private bool IsResident(string key) => partition.Explain(Encoding.UTF8.GetBytes(key), now).IsResident;

    private int Demotions(string key) => tier.Demoted.GetValueOrDefault(key);

    /// <summary>Writes other entries until a key is no longer resident.</summary>
    private void Evict(string key)
    {
        for (var i = 0; IsResident(key); i++)
        {
            Assert.True(i < 10_000, $"{key} stays");
            Set($"fill{i % 400}", new string('f', 4000));
        }
    }

    private void Fill(string prefix, int count)
    {
        for (var i = 0; i < count; i++)
        {
            Set(prefix + i, new string('f', 2000));
        }
    }

    private void Maintain()
    {
        while (partition.Maintain(now) != MaintenanceWork.None)
        {
        }
    }

    private void AssertNoLargeValues()
    {
        Do(new Operation { Kind = OperationKind.Clear });
        Maintain();
        Assert.Equal(0, share.LargeBytesHeld);
        Assert.Equal(share.PageBytesHeld, arena.RentedPages * PageArena.PageBytes);
    }
}
