using Levee.Eviction;
using Xunit;

namespace Levee.Tests.Eviction;

/// <summary>S3-FIFO: steps worked out by hand, then random operations beside a slow model.</summary>
public sealed class S3FifoPolicyTests
{
    [Fact]
    public void What_was_used_twice_in_S_passes_into_M_and_the_rest_leaves_a_ghost()
    {
        using var owner = new PolicyOwner("s3-fifo", 20);
        Fill(owner, 1, 20);
        Access(owner, 1, 1, 2, 21);
        Assert.Equal(["2"], owner.Evicted);
        AssertQueue(owner, 2, 1);
        AssertQueue(owner, 3, 2);
        Assert.Equal(3UL, owner.KeysOf(Queue(owner, 1))[0]);
    }

    [Fact]
    public void A_ghost_returns_into_M_and_a_fresh_entry_does_not()
    {
        using var owner = new PolicyOwner("s3-fifo", 10);
        Fill(owner, 1, 11);
        Assert.Equal(["1"], owner.Evicted);
        Access(owner, 1, 12);
        AssertQueue(owner, 2, 1);
        Assert.Equal(12UL, owner.KeysOf(Queue(owner, 1))[^1]);
    }

    [Fact]
    public void M_gives_where_S_is_at_its_tenth_and_spares_what_was_used_since()
    {
        using var owner = new PolicyOwner("s3-fifo", 30);
        Fill(owner, 1, 60);
        Fill(owner, 4, 30);
        Assert.Equal(27, Queue(owner, 2).Count);
        Assert.Equal(3, Queue(owner, 1).Count);
        owner.Evicted.Clear();

        // S lies at s = 3, so it gives one, and then, below s, M does: 4 was used, so it goes round.
        Access(owner, 4);
        owner.Evict();
        owner.Evict();
        Assert.Equal("58", owner.Evicted[0]);
        Assert.Equal("5!", owner.Evicted[1]);
        Assert.Equal(4UL, owner.KeysOf(Queue(owner, 2))[^1]);
    }

    [Fact]
    public void A_scan_leaves_the_main_queue_alone()
    {
        using var owner = new PolicyOwner("s3-fifo", 100);
        for (var round = 0; round < 3; round++)
        {
            Fill(owner, 1, 80);
        }

        Fill(owner, 1_000, 3_000);
        Assert.All(Enumerable.Range(1, 80), key => Assert.True(owner.IsResident((ulong)key)));
    }

    [Fact]
    public void An_eviction_looks_at_a_bounded_number_of_entries()
    {
        const int Entries = 20_000;
        using var owner = new PolicyOwner("s3-fifo", Entries);
        for (var round = 0; round < 4; round++)
        {
            Fill(owner, 1, Entries);
        }

        // All have been used three times: without a bound each of them would have to be passed on before one leaves.
        owner.Evict();
        Assert.Equal(S3FifoPolicy.MostTurns, Queue(owner, 2).Count);
        Assert.Equal([$"{S3FifoPolicy.MostTurns + 1}"], owner.Evicted);
        owner.CheckInvariants();
    }

    [Fact]
    public void Random_weighted_operations_agree_with_the_model_queue_by_queue()
    {
        Dictionary<string, int> reached = [];
        for (var seed = 1; seed <= 60; seed++)
        {
            var random = new Random(seed);
            var capacity = random.Next(1, 80);
            var model = new S3FifoModel(capacity);
            using var owner = new PolicyOwner("s3-fifo", capacity);
            for (var step = 0; step < 1500; step++)
            {
                capacity = Step(random, step, capacity, seed % 4 == 0 ? 1 : Math.Max(1, capacity / (1 + (seed % 7))), model, owner);
                Assert.True(
                    model.S.SequenceEqual(owner.KeysOf(Queue(owner, 1))) && model.M.SequenceEqual(owner.KeysOf(Queue(owner, 2))) && model.G.SequenceEqual(owner.KeysOf(Queue(owner, 3))),
                    $"Seed {seed}, step {step}: other queues than the model's.");
                owner.CheckInvariants();
            }

            foreach (var (what, times) in model.Reached)
            {
                reached[what] = reached.GetValueOrDefault(what) + times;
            }
        }

        string[] cases =
        [
            "hit in S", "hit in M", "fresh", "ghost", "ghost too late", "S to M", "S to G", "M to M", "M leaves", "the spared one leaves", "ghost given up", "ghost over the bound",
            "ghost beyond", "imported", "resized entry spared",
        ];
        foreach (var what in cases)
        {
            Assert.True(reached.GetValueOrDefault(what) >= 1, $"The generator reached '{what}' {reached.GetValueOrDefault(what)} times.");
        }
    }

    [Fact]
    public void Hot_and_cold_residents_of_another_policy_go_to_the_heads_of_their_queues()
    {
        using var owner = new PolicyOwner("s3-fifo", 20);
        Access(owner, 1);
        owner.Import(2, 3, isHot: true);
        owner.Import(3, 3, isHot: true);
        owner.Import(4, 3, isHot: false);
        AssertQueue(owner, 1, 4, 1);
        AssertQueue(owner, 2, 3, 2);
        Assert.True(owner.IsHot(3));
        Assert.False(owner.IsHot(1));
        Access(owner, 1, 1);
        Assert.True(owner.IsHot(1), "Used twice: it would pass into M.");
        owner.CheckInvariants();
    }

    private static int Step(Random random, int step, int capacity, int heaviest, S3FifoModel model, PolicyOwner owner)
    {
        var key = NextKey(random, step, capacity);
        var weight = random.Next(1, heaviest + 1);
        switch (random.Next(100))
        {
            case < 8 when model.IsResident(key):
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
            case 15 or 16:
                Assert.Equal(model.Access(key, weight, 2), owner.Access(key, weight, 2));
                break;
            case 17 when !model.IsKnown(key):
                var place = random.Next(1, 4);
                Assert.Equal(model.TryImport(key, place, weight), owner.TryImport(key, (byte)place, weight));
                break;
            case 18:
                var reserved = random.Next(1 + ((capacity - weight) / 2));
                owner.Policy.Reserved = reserved;
                Assert.Equal(model.Access(key, weight, 0, reserved), owner.Access(key, weight));
                owner.Policy.Reserved = 0;
                break;
            case 19 when random.Next(4) == 0:
                capacity = Math.Max(heaviest, random.Next(1, 80));
                model.ChangeCapacity(capacity);
                owner.ChangeCapacity(capacity);
                break;
            default:
                Assert.Equal(model.Access(key, weight), owner.Access(key, weight));
                break;
        }

        return capacity;
    }

    /// <summary>A skewed working set, then a loop a little too large, then a wide spread, in turn.</summary>
    private static ulong NextKey(Random random, int step, int capacity) => (step / 100 % 3) switch
    {
        0 => (ulong)(random.NextDouble() * random.NextDouble() * capacity * 2),
        1 => (ulong)(1000 + (step % ((capacity * 5 / 4) + 1))),
        _ => (ulong)random.Next(capacity * 3),
    };

    private static NodeList Queue(PolicyOwner owner, int place) => owner.Policy.NodeLists[place - 1];

    private static void AssertQueue(PolicyOwner owner, int place, params ulong[] keys) => Assert.Equal(keys, owner.KeysOf(Queue(owner, place)));

    private static void Fill(PolicyOwner owner, ulong first, ulong last)
    {
        for (var key = first; key <= last; key++)
        {
            owner.Access(key);
        }
    }

    private static void Access(PolicyOwner owner, params ReadOnlySpan<ulong> keys)
    {
        foreach (var key in keys)
        {
            owner.Access(key);
            owner.CheckInvariants();
        }
    }
}
