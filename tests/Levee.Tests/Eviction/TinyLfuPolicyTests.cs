using Levee.Eviction;
using Levee.Learning;
using Levee.Memory;
using Xunit;

namespace Levee.Tests.Eviction;

/// <summary>W-TinyLFU: what it is for, then random operations beside a slow model.</summary>
public sealed class TinyLfuPolicyTests
{
    [Fact]
    public void A_scan_leaves_the_main_space_alone()
    {
        using var owner = new PolicyOwner("w-tinylfu", 100);
        for (var round = 0; round < 5; round++)
        {
            Fill(owner, 1, 90);
        }

        // Not longer than an ageing period: what is not used for that long is meant to fade.
        Fill(owner, 1_000, 1_400);
        Assert.InRange(Enumerable.Range(1, 90).Count(key => owner.IsResident((ulong)key)), 85, 90);
    }

    [Fact]
    public void A_loop_larger_than_the_cache_still_hits()
    {
        using var simulation = new PolicySimulation("w-tinylfu", 1_000);
        using var lru = new PolicySimulation("lru", 1_000);
        for (var i = 0; i < 100_000; i++)
        {
            simulation.Access((ulong)(i % 1_500));
            lru.Access((ulong)(i % 1_500));
        }

        Assert.Equal(0, lru.Hits);
        Assert.True(simulation.HitRatio > 0.4, $"a hit ratio of {simulation.HitRatio}");
    }

    [Fact]
    public void A_heavy_candidate_must_beat_all_whose_room_it_would_take()
    {
        using var owner = new PolicyOwner("w-tinylfu", 100);
        for (var round = 0; round < 2; round++)
        {
            Fill(owner, 1, 98);
        }

        // Used three times, more often than each of the others and less than any two of them.
        owner.Access(500, 10);
        owner.Access(500);
        owner.Access(500);
        owner.Evicted.Clear();
        owner.Access(600);
        owner.Access(601);
        Assert.Contains("500!", owner.Evicted);
        Assert.False(owner.IsResident(500));

        // One as light as they are is let in.
        owner.Access(700);
        owner.Access(700);
        owner.Access(700);
        owner.Access(701);
        owner.Access(702);
        Assert.True(owner.IsResident(700));
    }

    [Fact]
    public void Random_weighted_operations_agree_with_the_model_list_by_list()
    {
        Dictionary<string, int> reached = [];
        for (var seed = 1; seed <= 40; seed++)
        {
            foreach (var (what, times) in RunBesideModel(seed))
            {
                reached[what] = reached.GetValueOrDefault(what) + times;
            }
        }

        string[] cases =
        [
            "hit in W", "hit in P", "hit in T", "demoted", "climb up", "climb down", "window grows", "window shrinks", "let in, as there is room", "P gives", "T gives", "W gives",
            "the spared one leaves", "resized entry spared", "too many to look at", "beats one", "beats many", "loses", "lucky", "imported",
        ];
        foreach (var what in cases)
        {
            Assert.True(reached.GetValueOrDefault(what) >= 1, $"The generator reached '{what}' {reached.GetValueOrDefault(what)} times.");
        }
    }

    [Fact]
    public void Hot_residents_of_another_policy_are_protected_as_far_as_there_is_room()
    {
        using var owner = new PolicyOwner("w-tinylfu", 100);
        for (ulong key = 1; key <= 90; key++)
        {
            owner.Import(key, 1, isHot: true);
        }

        owner.Import(91, 1, isHot: false);
        Assert.Equal(79, owner.Policy.NodeLists[2].Count);
        Assert.Equal(12, owner.Policy.NodeLists[1].Count);
        Assert.True(owner.IsHot(1));
        Assert.False(owner.IsHot(91));
        Assert.Equal(91UL, owner.KeysOf(owner.Policy.NodeLists[1])[0]);
        owner.CheckInvariants();
    }

    [Fact]
    public void The_window_s_target_is_taken_over_from_elsewhere_and_goes_with_the_capacity()
    {
        using var owner = new PolicyOwner("w-tinylfu", 1_000);
        Assert.Equal(10, owner.Policy.Target);
        owner.Policy.SetTarget(100);
        Assert.Equal(100, owner.Policy.ExactTarget);
        owner.ChangeCapacity(500);
        Assert.Equal(50, owner.Policy.ExactTarget);
        owner.Policy.SetTarget(10_000);
        Assert.Equal(401, owner.Policy.Target);
        owner.Policy.SetTarget(-1);
        Assert.Equal(1, owner.Policy.Target);
        owner.CheckInvariants();
    }

    [Fact]
    public void Without_memory_for_the_sketch_the_newest_stay()
    {
        using var arena = new PageArena(PageArena.PageBytes);
        var share = new PageShare(arena, PageArena.PageBytes);
        var nodes = new NodeTable(share);
        var policy = Policies.Create("w-tinylfu", nodes, 50);
        int[] all = [.. Enumerable.Range(0, 200).Select(i => Store(policy, nodes))];
        Assert.Equal(0, policy.HeldBytes);
        Assert.All(all[150..], node => Assert.True(policy.IsResident(node)));

        static int Store(EvictionPolicy policy, NodeTable nodes)
        {
            var node = nodes.TryAllocate();
            policy.Arrive(node, 1);
            while (policy.IsOver)
            {
                Assert.NotEqual(NodeTable.None, policy.Evict());
            }

            policy.Admit(node);
            policy.CheckInvariants();
            return node;
        }
    }

    [Fact]
    public void The_sketch_s_memory_is_counted_and_given_back()
    {
        using var arena = new PageArena(1 << 20);
        var share = new PageShare(arena, 1 << 20);
        var nodes = new NodeTable(share);
        var policy = Policies.Create("w-tinylfu", nodes, 100);
        Assert.True(policy.NeedsPage);
        var node = nodes.TryAllocate();
        policy.Arrive(node, 1);
        policy.Admit(node);
        Assert.False(policy.NeedsPage);
        Assert.Equal(PageArena.PageBytes, policy.HeldBytes);
        Assert.Equal(policy.HeldBytes + nodes.HeldBytes, share.HeldBytes);
        policy.Release();
        Assert.Equal(0, policy.HeldBytes);
        Assert.Equal(nodes.HeldBytes, share.HeldBytes);
    }

    private static Dictionary<string, int> RunBesideModel(int seed)
    {
        var random = new Random(seed);
        var capacity = random.Next(1, 100);
        var heaviest = seed % 3 == 0 ? 1 : Math.Max(1, capacity / (1 + (seed % 11)));
        using var model = new TinyLfuModel(capacity);
        using var owner = new PolicyOwner("w-tinylfu", capacity);
        for (var step = 0; step < 3000; step++)
        {
            var key = NextKey(random, step, capacity);
            var weight = random.Next(1, heaviest + 1);
            switch (random.Next(100))
            {
                case < 6 when model.IsResident(key):
                    model.Overwrite(key, weight);
                    owner.Overwrite(key, weight);
                    break;
                case < 9 when model.IsResident(key):
                    model.Remove(key);
                    owner.Remove(key);
                    break;
                case 10:
                    model.Evict();
                    owner.Evict();
                    break;
                case 11 or 12:
                    Assert.Equal(model.Access(key, weight, 2), owner.Access(key, weight, 2));
                    break;
                case 13 when !model.IsResident(key):
                    var place = random.Next(1, 4);
                    Assert.Equal(model.TryImport(key, place, weight), owner.TryImport(key, (byte)place, weight));
                    break;
                case 14:
                    var reserved = random.Next(1 + ((capacity - weight) / 2));
                    owner.Policy.Reserved = reserved;
                    Assert.Equal(model.Access(key, weight, 0, reserved), owner.Access(key, weight));
                    owner.Policy.Reserved = 0;
                    break;
                case 15 when random.Next(8) == 0:
                    capacity = Math.Max(heaviest, random.Next(1, 100));
                    model.ChangeCapacity(capacity);
                    owner.ChangeCapacity(capacity);
                    break;
                default:
                    Assert.Equal(model.Access(key, weight), owner.Access(key, weight));
                    break;
            }

            var lists = owner.Policy.NodeLists;
            Assert.True(
                model.W.SequenceEqual(owner.KeysOf(lists[0])) && model.P.SequenceEqual(owner.KeysOf(lists[1])) && model.T.SequenceEqual(owner.KeysOf(lists[2])),
                $"Seed {seed}, step {step}: other lists than the model's.");
            Assert.Equal(model.U, owner.Policy.ExactTarget, 1e-9);
            owner.CheckInvariants();
        }

        return model.Reached;
    }

    /// <summary>A skewed working set, then a loop a little too large, then recency, in turn, for long enough that the climber takes steps both ways.</summary>
    private static ulong NextKey(Random random, int step, int capacity) => (step / 300 % 3) switch
    {
        0 => (ulong)(random.NextDouble() * random.NextDouble() * random.NextDouble() * capacity * 3),
        1 => (ulong)(1000 + (step % ((capacity * 5 / 4) + 1))),
        _ => (ulong)(5000 + (step / 4) - random.Next(1 + (capacity / 8))),
    };

    private static void Fill(PolicyOwner owner, ulong first, ulong last)
    {
        for (var key = first; key <= last; key++)
        {
            owner.Access(key);
        }
    }
}
