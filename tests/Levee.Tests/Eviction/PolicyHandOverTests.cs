using Levee.Eviction;
using Levee.Memory;
using Xunit;

namespace Levee.Tests.Eviction;

/// <summary>Between all pairs of policies: a hand-over loses nothing, breaks no bound at any step, and keeps the order.</summary>
public sealed class PolicyHandOverTests
{
    public static TheoryData<string, string> Pairs
    {
        get
        {
            var pairs = new TheoryData<string, string>();
            foreach (var from in Policies.Names)
            {
                foreach (var to in Policies.Names.Where(to => to != from))
                {
                    pairs.Add(from, to);
                }
            }

            return pairs;
        }
    }

    [Theory]
    [MemberData(nameof(Pairs))]
    public void Random_operations_between_the_slices_leave_all_bounds_and_entries_whole(string from, string to)
    {
        for (var seed = 1; seed <= 20; seed++)
        {
            var random = new Random(seed);
            using var bed = new Bed(from, 20 + random.Next(200));
            for (var round = 0; round < 6; round++)
            {
                bed.RunRandom(random, 200);
                bed.Begin(round % 2 == 0 ? to : from);
                while (!bed.Continue(1 + random.Next(6)))
                {
                    bed.CheckInvariants();
                    bed.RunRandom(random, random.Next(5));
                }

                bed.CheckInvariants();
                Assert.Equal(round % 2 == 0 ? to : from, bed.Policy.Name);
                Assert.IsNotType<PolicyHandOver>(bed.Policy);
            }
        }
    }

    [Theory]
    [MemberData(nameof(Pairs))]
    public void Without_operations_every_resident_arrives_and_a_slice_touches_no_more_than_it_may(string from, string to)
    {
        var random = new Random(7);
        using var bed = new Bed(from, 500);
        bed.RunRandom(random, 3000);
        var residents = bed.Residents;
        var weight = bed.Policy.ResidentWeight;
        bed.Begin(to);
        for (var isDone = false; !isDone;)
        {
            var before = bed.LeftToHandOver;
            isDone = bed.Continue(7);
            Assert.InRange(before - bed.LeftToHandOver, before > 7 ? 1 : 0, 7);
            Assert.Equal(weight, bed.Policy.ResidentWeight);
            Assert.Equal(residents, bed.Residents);
        }

        Assert.Equal(0, bed.Evictions - bed.EvictionsAtBegin);
    }

    [Theory]
    [InlineData("arc", "lru")]
    [InlineData("lru", "arc")]
    public void The_order_of_each_list_is_kept(string from, string to)
    {
        var random = new Random(3);
        using var bed = new Bed(from, 300);
        bed.RunRandom(random, 2000);
        var orders = bed.Policy.NodeLists.Where(list => !list.IsGhost).Select(list => list.ToArray()).ToArray();
        bed.Begin(to);
        while (!bed.Continue(5))
        {
        }

        var after = bed.Policy.NodeLists.Where(list => !list.IsGhost).SelectMany(list => list.ToArray()).ToList();
        Assert.Equal(orders.Sum(order => order.Length), after.Count);
        foreach (var order in orders)
        {
            Assert.Equal(order, after.Where(order.Contains));
        }
    }

    [Fact]
    public void What_is_used_is_handed_over_with_that_use_and_what_is_not_leaves_first()
    {
        using var bed = new Bed("lru", 4);
        for (ulong key = 1; key <= 4; key++)
        {
            bed.Access(key, 1);
        }

        bed.Begin("arc");
        bed.BeginHandOver();
        bed.Access(1, 1);
        bed.Access(5, 1);
        bed.Access(6, 1);
        Assert.Equal([1UL, 4, 5, 6], bed.Residents);
        while (!bed.Continue(1))
        {
        }

        Assert.Equal([1UL, 4, 5, 6], bed.Residents);
    }

    [Fact]
    public void What_is_reserved_is_passed_on()
    {
        using var bed = new Bed("arc", 100);
        bed.Policy.Reserved = 30;
        bed.RunRandom(new Random(1), 500);
        bed.Begin("lru");
        bed.BeginHandOver();
        Assert.Equal(30, bed.Policy.Reserved);
        bed.Policy.Reserved = 40;
        while (!bed.Continue(4))
        {
        }

        Assert.Equal(40, bed.Policy.Reserved);
    }

    /// <summary>An owner as a partition is one, which also knows what must be there.</summary>
    private sealed class Bed : IDisposable
    {
        private readonly PageArena arena = new(64L << 20);
        private readonly NodeTable nodes;
        private readonly Dictionary<ulong, int> nodeOfKey = [];
        private readonly Dictionary<int, ulong> keyOfNode = [];
        private readonly HashSet<ulong> present = [];
        private EvictionPolicy? successor;

        public Bed(string policy, long capacity)
        {
            nodes = new NodeTable(new PageShare(arena, 64L << 20));
            Policy = Policies.Create(policy, nodes, capacity);
            if (Policy.NeedsExtras)
            {
                Assert.True(nodes.TryExtend());
            }
        }

        public EvictionPolicy Policy { get; private set; }

        public long Evictions { get; private set; }

        public long EvictionsAtBegin { get; private set; }

        public ulong[] Residents => [.. present.Order()];

        public int LeftToHandOver => Policy is PolicyHandOver both ? both.Predecessor.NodeLists.Sum(list => list.Count) : successor is null ? 0 : int.MaxValue;

        public void Begin(string name)
        {
            EvictionsAtBegin = Evictions;
            successor = Policies.Create(name, nodes, Policy.Capacity, (byte)(Policy.Side ^ EvictionPolicy.OtherSide));
            BeginHandOver();
        }

        public void BeginHandOver()
        {
            if (successor is { } next)
            {
                Assert.True(!next.NeedsExtras || nodes.TryExtend());
                Policy = new PolicyHandOver(nodes, Policy, next);
                successor = null;
            }
        }

        public bool Continue(int maxNodes)
        {
            var both = (PolicyHandOver)Policy;
            for (; maxNodes > 0 && both.TakeGhost() is var ghost and not NodeTable.None; maxNodes--)
            {
                Drop(ghost);
            }

            both.Step(maxNodes);
            Forget();
            if (!both.IsDone)
            {
                return false;
            }

            Policy = both.Successor;
            both.Predecessor.Release();
            return true;
        }

        public void RunRandom(Random random, int steps)
        {
            for (var i = 0; i < steps; i++)
            {
                var key = (ulong)(Math.Pow(random.NextDouble(), 2) * Policy.Capacity);
                switch (random.Next(20))
                {
                    case 0 when present.Contains(key):
                        Policy.Remove(nodeOfKey[key]);
                        present.Remove(key);
                        Drop(nodeOfKey[key]);
                        break;
                    case 1 when present.Contains(key):
                        Overwrite(key, 1 + random.Next(9));
                        break;
                    case 2:
                        EvictOne();
                        break;
                    case 3:
                        if (Policy.ForgetAny() is var ghost and not NodeTable.None)
                        {
                            Drop(ghost);
                        }

                        break;
                    case 4 when !present.Contains(key):
                        var given = Arrive(key, 1 + random.Next(9));
                        Policy.Abandon();
                        Drop(given);
                        break;
                    default:
                        Access(key, 1 + random.Next(9));
                        break;
                }

                CheckInvariants();
            }
        }

        public void Access(ulong key, int weight)
        {
            if (present.Contains(key))
            {
                Policy.Hit(nodeOfKey[key]);
                return;
            }

            var node = Arrive(key, weight);
            Policy.Admit(node);
            present.Add(key);
        }

        public void CheckInvariants()
        {
            Policy.CheckInvariants();
            Assert.True(Policy.ResidentWeight <= Policy.Capacity);
            Assert.Equal(nodes.Count, nodeOfKey.Count);
            Assert.Equal(present.Sum(key => (long)nodes[nodeOfKey[key]].Weight), Policy.ResidentWeight);
            foreach (var (key, node) in nodeOfKey)
            {
                Assert.Equal(present.Contains(key), Policy.IsResident(node));
            }
        }

        public void Dispose() => arena.Dispose();

        private void Overwrite(ulong key, int weight)
        {
            var node = nodeOfKey[key];
            Policy.Hit(node);
            Policy.Resize(node, weight);
            while (Policy.IsOver)
            {
                Assert.NotEqual(node, EvictOne());
            }

            Forget();
        }

        private int Arrive(ulong key, int weight)
        {
            if (!nodeOfKey.TryGetValue(key, out var node))
            {
                node = nodes.TryAllocate();
                nodes[node].Tag = (uint)(key * 2654435761);
                nodeOfKey.Add(key, node);
                keyOfNode.Add(node, key);
            }

            Policy.Arrive(node, weight);
            Forget();
            while (Policy.IsOver)
            {
                EvictOne();
            }

            return node;
        }

        private int EvictOne()
        {
            var victim = Policy.Evict();
            if (victim != NodeTable.None)
            {
                Evictions++;
                Assert.True(present.Remove(keyOfNode[victim]));
                if (nodes[victim].Home == 0)
                {
                    Drop(victim);
                }
            }

            return victim;
        }

        private void Forget()
        {
            for (var ghost = Policy.Forget(); ghost != NodeTable.None; ghost = Policy.Forget())
            {
                Drop(ghost);
            }
        }

        private void Drop(int node)
        {
            Assert.Equal(0, nodes[node].Home);
            Assert.True(keyOfNode.Remove(node, out var key));
            Assert.DoesNotContain(key, present);
            nodeOfKey.Remove(key);
            nodes.Free(node);
        }
    }
}
