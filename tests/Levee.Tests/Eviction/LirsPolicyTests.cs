using Levee.Eviction;
using Levee.Testing;
using Xunit;

namespace Levee.Tests.Eviction;

/// <summary>LIRS: steps worked out by hand, then random operations beside a slow model with a real stack.</summary>
public sealed class LirsPolicyTests
{
    [Fact]
    public void What_comes_first_is_LIR_and_what_comes_when_LIR_is_full_goes_through_the_queue()
    {
        using var owner = new PolicyOwner("lirs", 4);
        Access(owner, 1, 2, 3, 4, 5);
        AssertLists(owner, lir: [1, 2, 3], queue: [5], ghosts: [4]);
    }

    [Fact]
    public void A_loop_larger_than_the_cache_keeps_a_part_of_itself()
    {
        using var owner = new PolicyOwner("lirs", 10);
        var hits = 0;
        for (var i = 0; i < 1200; i++)
        {
            hits += owner.Access((ulong)(i % 12)) ? 1 : 0;
            owner.CheckInvariants();
        }

        Assert.Equal(99 * 9, hits);
    }

    [Fact]
    public void A_ghost_in_the_stack_returns_as_LIR_and_the_bottom_is_demoted()
    {
        using var owner = new PolicyOwner("lirs", 4);
        Access(owner, 1, 2, 3, 4, 5, 4);
        AssertLists(owner, lir: [2, 3, 4], queue: [1], ghosts: [5]);
    }

    [Fact]
    public void A_queued_entry_used_again_is_LIR_where_it_is_in_the_stack_and_stays_where_it_is_not()
    {
        using var owner = new PolicyOwner("lirs", 4);
        Access(owner, 1, 2, 3, 4, 4);
        AssertLists(owner, lir: [2, 3, 4], queue: [1], ghosts: []);

        // 1 was demoted, so it is out of the stack: its next use only brings it back there, the one after makes it LIR.
        Access(owner, 1);
        AssertLists(owner, lir: [2, 3, 4], queue: [1], ghosts: []);
        Access(owner, 1);
        AssertLists(owner, lir: [3, 4, 1], queue: [2], ghosts: []);
    }

    [Fact]
    public void A_ghost_below_the_bottom_of_the_stack_is_forgotten_with_the_next_arrival()
    {
        using var owner = new PolicyOwner("lirs", 4);
        Access(owner, 1, 2, 3, 4, 5);
        AssertLists(owner, lir: [1, 2, 3], queue: [5], ghosts: [4]);
        Access(owner, 1, 2, 3);
        AssertLists(owner, lir: [1, 2, 3], queue: [5], ghosts: [4]);
        Access(owner, 6);
        Assert.Equal([4UL], owner.Forgotten);
        AssertLists(owner, lir: [1, 2, 3], queue: [6], ghosts: []);
    }

    [Fact]
    public void A_heavy_arrival_takes_from_LIR_and_what_comes_next_does_not_fill_it_up()
    {
        using var owner = new PolicyOwner("lirs", 10);
        Access(owner, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10);
        owner.Access(99, 6);
        AssertLists(owner, lir: [6, 7, 8, 9], queue: [99], ghosts: [10]);
        owner.Remove(99);
        owner.Access(98, 5);
        owner.Access(11);
        AssertLists(owner, lir: [6, 7, 8, 9, 98], queue: [11], ghosts: [10]);
    }

    [Fact]
    public void A_use_stays_cheap_where_one_heavy_entry_stands_against_many_light_ones()
    {
        using var owner = new PolicyOwner("lirs", 2000);
        var model = new LirsModel(2000);
        for (ulong key = 1; key <= 1980; key++)
        {
            Assert.Equal(model.Access(key, 1), owner.Access(key));
        }

        Assert.Equal(model.Access(5000, 20), owner.Access(5000, 20));
        Assert.Equal(model.Access(5000, 20), owner.Access(5000));
        var lirs = (LirsPolicy)owner.Policy;
        Assert.Equal(1980 - LirsPolicy.Few + 1, lirs.Lir.Count);
        Assert.Equal(model.Lir, owner.KeysOf(lirs.Lir));
        Assert.Equal(model.Q, owner.KeysOf(lirs.Queue));

        // The rest follows with the next one.
        owner.Access(5001);
        owner.Access(5001);
        Assert.Equal(lirs.LirLimit, lirs.Lir.Weight);
        owner.CheckInvariants();
    }

    [Fact]
    public void Without_residents_or_ghosts_there_is_nothing_to_evict_or_forget()
    {
        using var owner = new PolicyOwner("lirs", 3);
        Assert.Equal(NodeTable.None, owner.Policy.Evict());
        Assert.Equal(NodeTable.None, owner.Policy.ForgetAny());
        Assert.Equal(NodeTable.None, owner.Policy.Forget());
        Assert.Equal(NodeTable.None, owner.Policy.NextVictim);
    }

    [Fact]
    public void An_abandoned_arrival_leaves_no_trace()
    {
        using var owner = new PolicyOwner("lirs", 4);
        Access(owner, 1, 2, 3, 4, 5);
        owner.Abandon(6, 1);
        owner.CheckInvariants();
        AssertLists(owner, lir: [1, 2, 3], queue: [], ghosts: [4, 5]);
    }

    [Fact]
    public void Handed_over_in_their_order_entries_keep_it_and_their_kind()
    {
        using var from = new PolicyOwner("lirs", 8);
        Access(from, 1, 2, 3, 4, 5, 6, 7, 8, 9);
        var source = (LirsPolicy)from.Policy;
        using var to = new PolicyOwner("lirs", 8);
        foreach (var list in source.NodeLists)
        {
            foreach (var key in from.KeysOf(list).Reverse())
            {
                Assert.True(to.TryImport(key, source.PlaceOf(from.NodeOf(key)), 1));
            }
        }

        AssertLists(to, lir: [1, 2, 3, 4, 5, 6, 7], queue: [9], ghosts: [8]);
        Access(to, 8);
        AssertLists(to, lir: [2, 3, 4, 5, 6, 7, 8], queue: [1], ghosts: []);
    }

    [Fact]
    public void What_another_policy_hands_over_comes_at_the_cold_end_of_its_kind()
    {
        using var owner = new PolicyOwner("lirs", 4);
        Access(owner, 1, 2);
        owner.Import(3, 1, isHot: true);
        owner.Import(4, 1, isHot: false);
        AssertLists(owner, lir: [3, 1, 2], queue: [4], ghosts: []);
        Assert.Equal((true, false), (owner.IsHot(3), owner.IsHot(4)));

        // It was not used here, so one use is not enough.
        Access(owner, 4);
        AssertLists(owner, lir: [3, 1, 2], queue: [4], ghosts: []);
        Access(owner, 4);
        AssertLists(owner, lir: [1, 2, 4], queue: [3], ghosts: []);
    }

    [Fact]
    public void What_another_policy_hands_over_fills_lir_first()
    {
        using var owner = new PolicyOwner("lirs", 10);
        Access(owner, 1, 2);
        owner.Import(3, 1, isHot: false);
        owner.Import(4, 1, isHot: true);
        AssertLists(owner, lir: [4, 3, 1, 2], queue: [], ghosts: []);
    }

    [Fact]
    public void Random_weighted_operations_agree_with_the_paper_list_by_list()
    {
        Dictionary<string, int> reached = [];
        for (var seed = 1; seed <= 80; seed++)
        {
            foreach (var (what, times) in RunBesideModel(seed, steps: 1200))
            {
                reached[what] = reached.GetValueOrDefault(what) + times;
            }
        }

        string[] cases =
        [
            "hit in LIR", "hit in Q and S", "hit in Q", "fresh", "fresh, LIR has room", "ghost in S", "ghost out of S", "Q to N", "Q, no ghost", "LIR leaves", "demoted",
            "stale ghost forgotten", "not all stale ghosts forgotten at once", "all over the bound", "ghost given up", "resized entry spared", "import to 1", "import to 2", "import to 3",
        ];
        foreach (var what in cases)
        {
            Assert.True(reached.GetValueOrDefault(what) >= 3, $"The generator reached '{what}' {reached.GetValueOrDefault(what)} times.");
        }
    }

    private static Dictionary<string, int> RunBesideModel(int seed, int steps)
    {
        var random = new Random(seed);
        var capacity = seed % 3 == 0 ? random.Next(100, 400) : random.Next(1, 60);
        var model = new LirsModel(capacity);
        using var owner = new PolicyOwner("lirs", capacity);
        for (var step = 0; step < steps; step++)
        {
            var now = (int)model.Capacity;
            var key = NextKey(random, step, capacity);
            var weight = seed % 4 == 0 ? 1 : random.Next(1, Math.Max(1, random.Next(20) == 0 ? now / 2 : now / 16) + 1);
            switch (random.Next(100))
            {
                case < 9 when model.IsResident(key):
                    model.Overwrite(key, weight);
                    owner.Overwrite(key, weight);
                    break;
                case < 12 when model.IsKnown(key):
                    model.Remove(key);
                    owner.Remove(key);
                    break;
                case 12 or 13:
                    model.Evict();
                    owner.Evict();
                    break;
                case 14:
                    model.ForgetAny();
                    owner.ForgetAny();
                    break;
                case 15 or 16 when !model.IsKnown(key):
                    var home = (byte)random.Next(1, 4);
                    Assert.Equal(model.TryImport(key, home, weight), owner.TryImport(key, home, weight));
                    break;
                case 17 when random.Next(8) == 0:
                    var wanted = random.Next(Math.Max(1, capacity / 2), capacity + 1);
                    model.ChangeCapacity(wanted);
                    owner.ChangeCapacity(wanted);
                    break;
                case 18 when random.Next(8) == 0:
                    model.Reserved = owner.Policy.Reserved = random.Next(0, (now / 10) + 1);
                    break;
                case 19 when random.Next(20) == 0:
                    foreach (var all in model.Lir.ToArray())
                    {
                        model.Remove(all);
                        owner.Remove(all);
                    }

                    break;
                default:
                    weight = Math.Min(weight, Math.Max(1, now - (int)model.Reserved));
                    Assert.Equal(model.Access(key, weight), owner.Access(key, weight));
                    break;
            }

            var lirs = (LirsPolicy)owner.Policy;
            AssertSame(seed, step, "LIR", model.Lir, owner.KeysOf(lirs.Lir));
            AssertSame(seed, step, "Q", model.Q, owner.KeysOf(lirs.Queue));
            AssertSame(seed, step, "N", model.N, owner.KeysOf(lirs.Ghosts));
            var inStack = model.Lir.Concat(model.Q).Concat(model.N).Where(known => lirs.IsInStack(owner.NodeOf(known)));
            AssertSame(seed, step, "S", model.S.Order(), [.. inStack.Order()]);
            Assert.Equal(model.LowestCapacity, lirs.LowestCapacity);
            owner.CheckInvariants();
        }

        return model.Reached;
    }

    private static void AssertSame(int seed, int step, string list, IEnumerable<ulong> expected, ulong[] actual)
    {
        if (!expected.SequenceEqual(actual))
        {
            Assert.Fail($"Seed {seed}, step {step}, {list}: expected [{string.Join(' ', expected)}], found [{string.Join(' ', actual)}].");
        }
    }

    /// <summary>A skewed working set, then a loop a little too large, then a wide spread, in turn.</summary>
    private static ulong NextKey(Random random, int step, int capacity) => (step / 100 % 3) switch
    {
        0 => (ulong)(random.NextDouble() * random.NextDouble() * capacity * 2),
        1 => (ulong)(1000 + (step % ((capacity / 4) + 2))),
        _ => (ulong)random.Next(capacity * 3),
    };

    private static void Access(PolicyOwner owner, params ReadOnlySpan<ulong> keys)
    {
        foreach (var key in keys)
        {
            owner.Access(key);
            owner.CheckInvariants();
        }
    }

    private static void AssertLists(PolicyOwner owner, ulong[] lir, ulong[] queue, ulong[] ghosts)
    {
        var lirs = (LirsPolicy)owner.Policy;
        Assert.Equal(lir, owner.KeysOf(lirs.Lir));
        Assert.Equal(queue, owner.KeysOf(lirs.Queue));
        Assert.Equal(ghosts, owner.KeysOf(lirs.Ghosts));
        owner.CheckInvariants();
    }
}
