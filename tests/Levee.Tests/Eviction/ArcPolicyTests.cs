using Levee.Eviction;
using Levee.Testing;
using Xunit;

namespace Levee.Tests.Eviction;

/// <summary>ARC against its equations: eviction orders worked out by hand, then random operations beside two slow models.</summary>
public sealed class ArcPolicyTests
{
    [Fact]
    public void A_key_enters_T1_and_its_second_use_moves_it_to_T2()
    {
        using var owner = new PolicyOwner("arc", 4);
        owner.Access(1);
        owner.Access(2);
        owner.Access(1);
        AssertLists(owner, t1: [2], t2: [1], b1: [], b2: [], target: 0);
    }

    [Fact]
    public void A_scan_through_a_full_T1_leaves_no_ghosts()
    {
        using var owner = new PolicyOwner("arc", 3);
        foreach (var key in new ulong[] { 1, 2, 3, 4, 5 })
        {
            owner.Access(key);
        }

        Assert.Equal(["1!", "2!"], owner.Evicted);
        AssertLists(owner, t1: [3, 4, 5], t2: [], b1: [], b2: [], target: 0);
    }

    [Fact]
    public void The_golden_sequence_of_the_paper_s_four_cases_is_followed()
    {
        using var owner = new PolicyOwner("arc", 3);
        Access(owner, 1, 1, 2, 2, 3);
        AssertLists(owner, t1: [3], t2: [1, 2], b1: [], b2: [], target: 0);

        // Fresh, IV B: |T1| = 1 > p = 0, so T1 gives.
        Access(owner, 4);
        AssertLists(owner, t1: [4], t2: [1, 2], b1: [3], b2: [], target: 0);

        // Ghost of B1, II: p = 1; |T1| = 1 is not above it, so T2 gives.
        Access(owner, 3);
        AssertLists(owner, t1: [4], t2: [2, 3], b1: [], b2: [1], target: 1);

        // Fresh: |T1| = 1 is not above p = 1, so T2 gives again.
        Access(owner, 5);
        AssertLists(owner, t1: [4, 5], t2: [3], b1: [], b2: [1, 2], target: 1);

        // Ghost of B2, III: p = 0; T1 gives.
        Access(owner, 1);
        AssertLists(owner, t1: [5], t2: [3, 1], b1: [4], b2: [2], target: 0);

        // Ghost of B1: p = 1 and |T1| = p, so T2 gives.
        Access(owner, 4);
        AssertLists(owner, t1: [5], t2: [1, 4], b1: [], b2: [2, 3], target: 1);
        Assert.Equal(["3", "1", "2", "4", "3"], owner.Evicted);
        Assert.Empty(owner.Forgotten);
    }

    [Fact]
    public void A_ghost_of_B2_that_finds_T1_exactly_at_its_target_takes_from_T1()
    {
        using var owner = new PolicyOwner("arc", 3);
        // As above up to p = 1 with T1 = [4, 5]; then p is raised once more, so that the return from B2 lowers it to |T1| exactly.
        Access(owner, 1, 1, 2, 2, 3, 4, 3, 5);
        AssertLists(owner, t1: [4, 5], t2: [3], b1: [], b2: [1, 2], target: 1);
        Access(owner, 6);
        AssertLists(owner, t1: [5, 6], t2: [3], b1: [4], b2: [1, 2], target: 1);
        Access(owner, 4);
        AssertLists(owner, t1: [5, 6], t2: [4], b1: [], b2: [1, 2, 3], target: 3);
        Access(owner, 2);
        AssertLists(owner, t1: [6], t2: [4, 2], b1: [5], b2: [1, 3], target: 2);
    }

    [Fact]
    public void A_full_L1_with_ghosts_forgets_its_oldest_ghost()
    {
        using var owner = new PolicyOwner("arc", 2);
        Access(owner, 1, 1, 2, 3);
        AssertLists(owner, t1: [3], t2: [1], b1: [2], b2: [], target: 0);
        Access(owner, 4);
        Assert.Equal([2UL], owner.Forgotten);
        AssertLists(owner, t1: [4], t2: [1], b1: [3], b2: [], target: 0);
    }

    [Fact]
    public void A_heavy_ghost_moves_the_target_by_its_weight()
    {
        using var owner = new PolicyOwner("arc", 100);
        owner.Access(1, 30);
        owner.Access(1);
        owner.Access(2, 40);
        owner.Access(3, 50);
        AssertLists(owner, t1: [3], t2: [1], b1: [2], b2: [], target: 0);
        owner.Access(2, 20);
        AssertLists(owner, t1: [3], t2: [1, 2], b1: [], b2: [], target: 20);
        Assert.Equal(20, owner.WeightOf(2));
    }

    [Fact]
    public void One_heavy_arrival_evicts_many_and_only_what_L1_can_hold_stays_as_ghosts()
    {
        using var owner = new PolicyOwner("arc", 10);
        for (ulong key = 1; key <= 10; key++)
        {
            owner.Access(key);
        }

        owner.Access(99, 7);
        Assert.Equal(["1!", "2!", "3!", "4!", "5!", "6!", "7!"], owner.Evicted);
        AssertLists(owner, t1: [8, 9, 10, 99], t2: [], b1: [], b2: [], target: 0);
    }

    [Fact]
    public void An_entry_that_grows_evicts_others_and_never_itself()
    {
        using var owner = new PolicyOwner("arc", 10);
        for (ulong key = 1; key <= 10; key++)
        {
            owner.Access(key);
        }

        owner.Overwrite(5, 10);
        AssertLists(owner, t1: [], t2: [5], b1: [1, 2, 3, 4, 6, 7, 8, 9, 10], b2: [], target: 0);
    }

    [Fact]
    public void Without_residents_or_ghosts_there_is_nothing_to_evict_or_forget()
    {
        using var owner = new PolicyOwner("arc", 3);
        Assert.Equal(NodeTable.None, owner.Policy.Evict());
        Assert.Equal(NodeTable.None, owner.Policy.ForgetAny());
        Assert.Equal(NodeTable.None, owner.Policy.Forget());
    }

    [Fact]
    public void An_abandoned_arrival_leaves_no_trace_in_later_decisions()
    {
        using var owner = new PolicyOwner("arc", 4);
        Access(owner, 1, 1, 2, 3, 4, 5);
        owner.Abandon(2, 1);
        Assert.Equal(0, owner.Policy.ArrivingWeight);
        owner.CheckInvariants();
        Assert.False(owner.Policy.IsOver);
        Access(owner, 6);
        owner.CheckInvariants();
    }

    [Fact]
    public void Statistics_name_the_paper_s_lists_in_bytes()
    {
        using var owner = new PolicyOwner("arc", 100);
        owner.Access(1, 30);
        owner.Access(1);
        owner.Access(2, 40);
        owner.Access(3, 50);
        Assert.Equal(
            [new("T1", 1, 400, false), new("T2", 1, 240, false), new("B1", 1, 320, true), new("B2", 0, 0, true)],
            owner.Policy.Lists(unitBytes: 8));
    }

    [Theory]
    [InlineData(1, 1)]
    [InlineData(2, 2)]
    [InlineData(3, 8)]
    [InlineData(4, 40)]
    public void With_unit_weights_every_step_is_the_paper_s(int seed, int capacity)
    {
        var random = new Random(seed);
        var paper = new PaperArc(capacity);
        using var owner = new PolicyOwner("arc", capacity);
        var arc = (ArcPolicy)owner.Policy;
        var hits = 0;
        for (var step = 0; step < 20_000; step++)
        {
            var key = NextKey(random, step, capacity);
            var hit = paper.Request((int)key);
            hits += hit ? 1 : 0;
            Assert.Equal(hit, owner.Access(key));
            AssertSame(seed, step, paper.T1.Select(k => (ulong)k), owner.KeysOf(arc.Recent));
            AssertSame(seed, step, paper.T2.Select(k => (ulong)k), owner.KeysOf(arc.Frequent));
            AssertSame(seed, step, paper.B1.Select(k => (ulong)k), owner.KeysOf(arc.RecentGhosts));
            AssertSame(seed, step, paper.B2.Select(k => (ulong)k), owner.KeysOf(arc.FrequentGhosts));
            Assert.Equal(paper.P, arc.ExactTarget, 1e-9);
            owner.CheckInvariants();
        }

        Assert.InRange(hits, 500, 19_500);
    }

    [Fact]
    public void Random_weighted_operations_agree_with_the_equations_list_by_list()
    {
        Dictionary<string, int> reached = [];
        for (var seed = 1; seed <= 60; seed++)
        {
            foreach (var (what, times) in RunBesideModel(seed, steps: 1500))
            {
                reached[what] = reached.GetValueOrDefault(what) + times;
            }
        }

        string[] cases =
        [
            "hit in T1", "hit in T2", "ghost in B1", "ghost in B2", "fresh", "T1 to B1", "T2 to B2", "eviction without a ghost", "B1 over its bound",
            "B2 over the bound of all", "B1 over the bound of all", "|T1| = p decides for a ghost of B2", "extra eviction", "eviction without arrival",
            "ghost of B1 given up", "ghost of B2 given up", "grown", "shrunk or same", "resized entry spared",
        ];
        foreach (var what in cases)
        {
            Assert.True(reached.GetValueOrDefault(what) >= 3, $"The generator reached '{what}' {reached.GetValueOrDefault(what)} times.");
        }
    }

    private static Dictionary<string, int> RunBesideModel(int seed, int steps)
    {
        var random = new Random(seed);
        var capacity = random.Next(1, 60);
        var heaviest = Math.Max(1, seed % 4 == 0 ? 1 : capacity / random.Next(1, 8));
        var model = new ArcModel(capacity);
        using var owner = new PolicyOwner("arc", capacity);
        for (var step = 0; step < steps; step++)
        {
            var key = NextKey(random, step, capacity);
            var weight = random.Next(1, heaviest + 1);
            switch (random.Next(100))
            {
                case < 9 when model.IsResident(key):
                    model.Overwrite(key, weight);
                    owner.Overwrite(key, weight);
                    break;
                case < 12 when model.IsResident(key) || model.IsGhost(key):
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
                case 15 or 16 or 17:
                    var extra = random.Next(1, 3);
                    Assert.Equal(model.Access(key, weight, extra), owner.Access(key, weight, extra));
                    break;
                default:
                    Assert.Equal(model.Access(key, weight), owner.Access(key, weight));
                    break;
            }

            AssertSameAsModel(seed, step, model, owner);
            owner.CheckInvariants();
        }

        return model.Reached;
    }

    private static void AssertSameAsModel(int seed, int step, ArcModel model, PolicyOwner owner)
    {
        var arc = (ArcPolicy)owner.Policy;
        AssertSame(seed, step, model.T1, owner.KeysOf(arc.Recent));
        AssertSame(seed, step, model.T2, owner.KeysOf(arc.Frequent));
        AssertSame(seed, step, model.B1, owner.KeysOf(arc.RecentGhosts));
        AssertSame(seed, step, model.B2, owner.KeysOf(arc.FrequentGhosts));
        Assert.Equal(model.P, arc.ExactTarget, 1e-9);
        Assert.Equal(model.WeightOf(model.T1), arc.Recent.Weight);
        Assert.Equal(model.WeightOf(model.T2), arc.Frequent.Weight);
        Assert.Equal(model.WeightOf(model.B1), arc.RecentGhosts.Weight);
        Assert.Equal(model.WeightOf(model.B2), arc.FrequentGhosts.Weight);
    }

    private static void AssertSame(int seed, int step, IEnumerable<ulong> expected, ulong[] actual)
    {
        if (!expected.SequenceEqual(actual))
        {
            Assert.Fail($"Seed {seed}, step {step}: expected [{string.Join(' ', expected)}], found [{string.Join(' ', actual)}].");
        }
    }

    /// <summary>A skewed working set, then a loop a little too large, then a wide spread, in turn: so both ghost lists get their returns.</summary>
    private static ulong NextKey(Random random, int step, int capacity) => (step / 100 % 3) switch
    {
        0 => (ulong)(random.NextDouble() * random.NextDouble() * capacity * 3),
        1 => (ulong)(1000 + (step % ((capacity * 5 / 4) + 1))),
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

    private static void AssertLists(PolicyOwner owner, ulong[] t1, ulong[] t2, ulong[] b1, ulong[] b2, long target)
    {
        var arc = (ArcPolicy)owner.Policy;
        Assert.Equal(t1, owner.KeysOf(arc.Recent));
        Assert.Equal(t2, owner.KeysOf(arc.Frequent));
        Assert.Equal(b1, owner.KeysOf(arc.RecentGhosts));
        Assert.Equal(b2, owner.KeysOf(arc.FrequentGhosts));
        Assert.Equal(target, arc.Target);
        owner.CheckInvariants();
    }
}
