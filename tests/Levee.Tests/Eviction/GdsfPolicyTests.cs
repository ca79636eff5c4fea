using Levee.Eviction;
using Levee.Testing;
using Xunit;

namespace Levee.Tests.Eviction;

/// <summary>GDSF: steps worked out by hand, then random operations beside a slow model with exact numbers.</summary>
public sealed class GdsfPolicyTests
{
    [Fact]
    public void Of_entries_used_alike_the_heaviest_leaves_first()
    {
        using var owner = new PolicyOwner("gdsf", 100);
        owner.Access(1, 10);
        owner.Access(2, 60);
        owner.Access(3, 20);
        owner.Access(4, 30);
        Assert.Equal(["2!"], owner.Evicted);
    }

    [Fact]
    public void Where_cost_grows_with_weight_uses_decide_and_weight_does_not()
    {
        using var owner = new PolicyOwner("gdsf", 100, MissCost.Bytes);
        owner.Access(1, 10);
        owner.Access(2, 60);
        owner.Access(2);
        owner.Access(3, 20);
        owner.Access(4, 30);
        Assert.Equal(["1!", "3!"], owner.Evicted);
    }

    [Fact]
    public void A_heavy_entry_used_often_outlives_a_light_one_used_once()
    {
        using var owner = new PolicyOwner("gdsf", 100);
        owner.Access(1, 40);
        for (var i = 0; i < 6; i++)
        {
            owner.Access(1);
        }

        owner.Access(2, 20);
        owner.Access(3, 20);
        owner.Access(4, 30);
        Assert.Equal(["2!"], owner.Evicted);
    }

    [Fact]
    public void What_was_used_often_ages_and_leaves_in_the_end()
    {
        using var owner = new PolicyOwner("gdsf", 10);
        for (var i = 0; i < 100; i++)
        {
            owner.Access(1);
        }

        for (ulong key = 2; key < 2000; key++)
        {
            owner.Access(key);
            owner.Access(key);
            owner.CheckInvariants();
        }

        Assert.Contains("1!", owner.Evicted);
        Assert.True(owner.Evicted.IndexOf("1!") > 50, "Sixteen uses outweigh two for several rounds of the cache.");
    }

    [Fact]
    public void An_entry_that_grows_evicts_others_and_never_itself()
    {
        using var owner = new PolicyOwner("gdsf", 10);
        for (ulong key = 1; key <= 10; key++)
        {
            owner.Access(key);
        }

        owner.Overwrite(5, 10);
        Assert.Equal(9, owner.Evicted.Count);
        Assert.True(owner.IsResident(5));
        owner.CheckInvariants();
    }

    [Fact]
    public void Classes_reach_from_the_heaviest_used_once_to_the_lightest_used_most()
    {
        foreach (var cost in new[] { MissCost.Objects, MissCost.Bytes, new(1, 0.001), new(0.0000004, 0.00000000002) })
        {
            using var owner = new PolicyOwner("gdsf", 10, cost);
            var gdsf = (GdsfPolicy)owner.Policy;
            Assert.Equal(0, gdsf.ClassFor(1, gdsf.ValueFor(Node.MaxWeight)));
            Assert.Equal(EvictionPolicy.MaxLists - 1, gdsf.ClassFor(GdsfPolicy.MaxFrequency, gdsf.ValueFor(1)));
            Assert.Equal(2, gdsf.NodeLists.Count(list => list.Home is 1 or EvictionPolicy.MaxLists));
        }
    }

    [Fact]
    public void Priorities_may_overflow()
    {
        // Each key leaves from the highest class, so L rises by its ratio: 2^38 of 48 bits.
        using var owner = new PolicyOwner("gdsf", 2);
        var model = new GdsfModel(2, 1, 0);
        var gdsf = (GdsfPolicy)owner.Policy;
        for (ulong key = 1; key < 2500; key++)
        {
            for (var i = 0; i < GdsfPolicy.MaxFrequency; i++)
            {
                Assert.Equal(model.Access(key, 1), owner.Access(key));
            }

            Assert.Equal((ulong)(model.PriorityOf(key) - model.Age), gdsf.Ahead(owner.NodeOf(key)));
            owner.CheckInvariants();
        }

        Assert.True(model.Age > System.Numerics.BigInteger.Pow(2, 48), "The run must be long enough.");
        Assert.Equal(model.Evicted.Select(key => $"{key}!"), owner.Evicted);
    }

    [Fact]
    public void What_another_policy_hands_over_comes_at_the_cold_end_of_what_was_used_as_often()
    {
        using var owner = new PolicyOwner("gdsf", 100);
        owner.Access(1, 4);
        owner.Access(2, 4);
        owner.Access(2);
        owner.Import(3, 4, isHot: true);
        owner.Import(4, 4, isHot: false);
        owner.CheckInvariants();
        Assert.Equal((true, false, true, false), (owner.IsHot(2), owner.IsHot(1), owner.IsHot(3), owner.IsHot(4)));
        for (var i = 0; i < 4; i++)
        {
            owner.Evict();
        }

        Assert.Equal(["4!", "1!", "3!", "2!"], owner.Evicted);
    }

    [Fact]
    public void Without_residents_there_is_nothing_to_evict_and_never_a_ghost()
    {
        using var owner = new PolicyOwner("gdsf", 3);
        Assert.Equal(NodeTable.None, owner.Policy.Evict());
        Assert.Equal(NodeTable.None, owner.Policy.ForgetAny());
        Assert.Equal(NodeTable.None, owner.Policy.Forget());
        Assert.Equal(NodeTable.None, owner.Policy.NextVictim);
    }

    [Fact]
    public void The_next_victim_is_told_ahead()
    {
        using var owner = new PolicyOwner("gdsf", 100);
        var random = new Random(3);
        for (var i = 0; i < 400; i++)
        {
            owner.Access((ulong)random.Next(200), random.Next(1, 12));
            var told = owner.Policy.NextVictim;
            if (i % 7 == 0)
            {
                Assert.Equal(told, owner.Evict());
            }
        }
    }

    [Theory]
    [InlineData(1, 0)]
    [InlineData(0, 1)]
    [InlineData(1000, 7)]
    public void Random_weighted_operations_agree_with_the_model(int fixedCost, int unitCost)
    {
        Dictionary<string, int> reached = [];
        for (var seed = 1; seed <= 20; seed++)
        {
            foreach (var (what, times) in RunBesideModel(seed, steps: 700, fixedCost, unitCost))
            {
                reached[what] = reached.GetValueOrDefault(what) + times;
            }
        }

        string[] cases = ["hit", "hit, counted enough", "evicted", "resized within its class", "resized into another class", "resized entry spared", "imported"];
        foreach (var what in cases.Where(what => unitCost != 1 || what != "resized into another class"))
        {
            Assert.True(reached.GetValueOrDefault(what) >= 3, $"The generator reached '{what}' {reached.GetValueOrDefault(what)} times.");
        }
    }

    private static Dictionary<string, int> RunBesideModel(int seed, int steps, int fixedCost, int unitCost)
    {
        var random = new Random(seed);
        var capacity = random.Next(1, 200);
        var model = new GdsfModel(capacity, fixedCost, unitCost);
        using var owner = new PolicyOwner("gdsf", capacity, new MissCost(fixedCost, unitCost));
        var gdsf = (GdsfPolicy)owner.Policy;
        for (var step = 0; step < steps; step++)
        {
            var key = (ulong)(random.NextDouble() * random.NextDouble() * random.NextDouble() * capacity);
            var weight = random.Next(1, Math.Max(1, (int)model.Capacity / random.Next(1, 20)) + 1);
            switch (random.Next(40))
            {
                case < 4 when model.IsResident(key):
                    model.Overwrite(key, weight);
                    owner.Overwrite(key, weight);
                    break;
                case < 5 when model.IsResident(key):
                    model.Remove(key);
                    owner.Remove(key);
                    break;
                case 6:
                    model.Evict();
                    owner.Evict();
                    break;
                case 7 when !model.IsResident(key):
                    var home = (byte)(model.ClassOf(random.Next(1, GdsfPolicy.MaxFrequency + 1), weight) + 1);
                    Assert.Equal(model.TryImport(key, home, weight), owner.TryImport(key, home, weight));
                    break;
                case 8 when random.Next(4) == 0:
                    var wanted = random.Next(Math.Max(1, capacity / 2), capacity + 1);
                    model.ChangeCapacity(wanted);
                    owner.ChangeCapacity(wanted);
                    break;
                default:
                    Assert.Equal(model.Access(key, weight), owner.Access(key, weight));
                    break;
            }

            for (var i = 0; i < model.Lists.Length; i++)
            {
                Assert.True(model.Lists[i].SequenceEqual(owner.KeysOf(gdsf.NodeLists[i])), $"Seed {seed}, step {step}: class {i} is [{string.Join(' ', owner.KeysOf(gdsf.NodeLists[i]))}] instead of [{string.Join(' ', model.Lists[i])}].");
                foreach (var listed in model.Lists[i])
                {
                    Assert.Equal((ulong)(model.PriorityOf(listed) - model.Age), gdsf.Ahead(owner.NodeOf(listed)));
                    Assert.Equal(model.FrequencyOf(listed), gdsf.FrequencyOf(owner.NodeOf(listed)));
                }
            }

            owner.CheckInvariants();
        }

        Assert.Equal(model.Evicted.Select(key => $"{key}!"), owner.Evicted);
        return model.Reached;
    }
}
