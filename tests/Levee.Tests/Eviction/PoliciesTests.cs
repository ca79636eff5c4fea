using Levee.Eviction;
using Levee.Memory;
using Xunit;

namespace Levee.Tests.Eviction;

public sealed class PoliciesTests
{
    [Theory]
    [InlineData("arc")]
    [InlineData("LRU")]
    [InlineData("S3-FIFO")]
    [InlineData("w-tinylfu")]
    [InlineData("lirs")]
    [InlineData("GDSF")]
    public void A_known_name_in_any_case_gives_its_policy(string name)
    {
        using var owner = new PolicyOwner(name, 10);
        Assert.Equal(name.ToLowerInvariant(), owner.Policy.Name);
        Assert.Equal(10, owner.Policy.Capacity);
    }

    [Fact]
    public void An_unknown_name_is_refused_with_the_names_that_are_allowed()
    {
        using var arena = new PageArena(PageArena.PageBytes);
        var nodes = new NodeTable(new PageShare(arena, PageArena.PageBytes));
        var refusal = Assert.Throws<ArgumentException>(() => Policies.Create("fifo", nodes, 10));
        Assert.Contains("'fifo'", refusal.Message);
        Assert.Contains(string.Join(", ", Policies.Names), refusal.Message);
    }

    [Fact]
    public void A_capacity_of_nothing_is_refused()
    {
        using var arena = new PageArena(PageArena.PageBytes);
        var nodes = new NodeTable(new PageShare(arena, PageArena.PageBytes));
        Assert.Throws<ArgumentOutOfRangeException>(() => Policies.Create("arc", nodes, 0));
    }

    [Theory]
    [ClassData(typeof(EveryPolicy))]
    public void Hits_arrivals_and_evictions_allocate_nothing(string name)
    {
        using var arena = new PageArena(1 << 20);
        var nodes = new NodeTable(new PageShare(arena, 1 << 20));
        var policy = Policies.Create(name, nodes, 100);
        Run(policy, nodes, 1_000);
        var before = GC.GetAllocatedBytesForCurrentThread();
        Run(policy, nodes, 1_000);
        Assert.Equal(0, GC.GetAllocatedBytesForCurrentThread() - before);
        Assert.True(nodes.Count >= 99, "The run must end with a full policy.");

        static void Run(EvictionPolicy policy, NodeTable nodes, int arrivals)
        {
            for (var i = 0; i < arrivals; i++)
            {
                var node = nodes.TryAllocate();
                nodes[node].Tag = (uint)i * 0x9E3779B1;
                policy.Arrive(node, 1);
                for (var ghost = policy.Forget(); ghost != NodeTable.None; ghost = policy.Forget())
                {
                    nodes.Free(ghost);
                }

                while (policy.IsOver)
                {
                    var victim = policy.Evict();
                    if (nodes[victim].Home == 0)
                    {
                        nodes.Free(victim);
                    }
                }

                policy.Admit(node);
                if (i % 3 == 0)
                {
                    policy.Hit(node);
                    policy.Hit(node);
                }
            }
        }
    }
}
