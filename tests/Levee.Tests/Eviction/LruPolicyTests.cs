using Levee.Eviction;
using Levee.Testing;
using Xunit;

namespace Levee.Tests.Eviction;

public sealed class LruPolicyTests
{
    [Fact]
    public void What_was_used_longest_ago_leaves_first_and_leaves_no_ghost()
    {
        using var owner = new PolicyOwner("lru", 3);
        foreach (var key in new ulong[] { 1, 2, 3, 1, 4, 5, 1, 6 })
        {
            owner.Access(key);
        }

        Assert.Equal(["2!", "3!", "4!"], owner.Evicted);
        Assert.Equal([5UL, 1, 6], owner.KeysOf(((LruPolicy)owner.Policy).Residents));
    }

    [Fact]
    public void Random_weighted_operations_agree_with_the_model()
    {
        var hits = 0;
        for (var seed = 1; seed <= 12; seed++)
        {
            var random = new Random(seed);
            var capacity = random.Next(1, 60);
            var model = new LruModel(capacity);
            using var owner = new PolicyOwner("lru", capacity);
            for (var step = 0; step < 1500; step++)
            {
                var key = (ulong)(random.NextDouble() * random.NextDouble() * capacity * 2);
                var weight = random.Next(1, Math.Max(1, capacity / 4) + 1);
                switch (random.Next(20))
                {
                    case 0 when model.IsResident(key):
                        model.Overwrite(key, weight);
                        owner.Overwrite(key, weight);
                        break;
                    case 1 when model.IsResident(key):
                        model.Remove(key);
                        owner.Remove(key);
                        break;
                    case 2:
                        model.Evict();
                        owner.Evict();
                        break;
                    default:
                        var hit = model.Access(key, weight);
                        hits += hit ? 1 : 0;
                        Assert.Equal(hit, owner.Access(key, weight));
                        break;
                }

                Assert.True(
                    model.Residents.SequenceEqual(owner.KeysOf(((LruPolicy)owner.Policy).Residents)), $"Seed {seed}, step {step}: another order than the model's.");
                Assert.Equal(model.Weight, owner.Policy.ResidentWeight);
                owner.CheckInvariants();
            }
        }

        Assert.InRange(hits, 2_000, 16_000);
    }
}
