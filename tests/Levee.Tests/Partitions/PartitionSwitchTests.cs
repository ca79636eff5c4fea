using Levee.Eviction;
using Levee.Memory;
using Levee.Operations;
using Levee.Partitions;
using Levee.Testing;
using Xunit;

namespace Levee.Tests.Partitions;

/// <summary>A partition whose policy is changed while it works: what is there stays readable, memory stays within its share, a slice is short.</summary>
public sealed class PartitionSwitchTests
{
    private const long Capacity = 4 << 20;
    private const long Reserve = 1 << 20;

    [Fact]
    public void A_full_partition_goes_through_all_policies_under_random_operations()
    {
        using var bed = new TestBed(Capacity, Reserve, new() { Seed = 5, MaxValueBytes = 200 * 1024 });
        bed.Partition.SwitchedPerSlice = 50;
        var random = new Random(1);
        var versions = new Dictionary<string, int>();
        var number = 0L;
        for (var round = 0; round < 3 * Policies.Names.Count; round++)
        {
            var name = Policies.Names[(round + 1) % Policies.Names.Count];
            bed.Partition.SwitchPolicy(++number, name);
            var slices = 0;
            var misses = 0;
            while (slices < 5 || bed.Partition.Store.IsSwitching || bed.Partition.Store.PolicyName != name)
            {
                for (var i = 0; i < 20; i++)
                {
                    misses += Act(bed, random, versions) ? 0 : 1;
                }

                bed.Partition.Maintain(bed.Now);
                Assert.True(bed.Share.PageBytesHeld <= Capacity && bed.Share.HeldBytes <= Capacity + Reserve, $"{name}: {bed.Share.HeldBytes}");
                if (slices++ % 25 == 0)
                {
                    bed.Partition.CheckInvariants();
                }
            }

            bed.Partition.CheckInvariants();
            Assert.Equal(name, bed.Partition.GetStatistics().Policy);
        }
    }

    [Theory]
    [InlineData("arc", "lru")]
    [InlineData("lru", "arc")]
    public void Where_nobody_comes_between_nothing_is_lost_and_no_slice_touches_more_than_it_may(string from, string to)
    {
        using var bed = new TestBed(Capacity, Reserve, new() { Policy = from, Seed = 2 });
        for (var i = 0; i < 60_000; i++)
        {
            bed.Set($"key:{i}", new byte[60]);
            bed.Get($"key:{i / 2}");
        }

        bed.MaintainAll();
        var before = bed.Partition.GetStatistics();
        bed.Partition.SwitchPolicy(1, to);
        var left = bed.Partition.Store.Policy.NodeLists.Sum(list => list.Count);
        var slices = 0;
        do
        {
            Assert.Equal(MaintenanceWork.Switch, bed.Partition.Maintain(bed.Now));
            Assert.InRange(left - Left(bed.Partition.Store), 1, bed.Partition.SwitchedPerSlice);
            left = Left(bed.Partition.Store);
            slices++;
        }
        while (bed.Partition.Store.IsSwitching);
        var after = bed.Partition.GetStatistics();
        Assert.True(slices > 20, $"{slices} slices");
        Assert.Equal((before.Entries, before.Evictions, to), (after.Entries, after.Evictions, after.Policy));
        bed.Partition.CheckInvariants();
    }

    [Fact]
    public void Late_switches_change_nothing_and_a_clear_begins_with_the_last()
    {
        using var bed = new TestBed(Capacity, Reserve);
        bed.Set("a", "1"u8.ToArray());
        bed.Partition.SwitchPolicy(7, "lru");
        bed.Partition.SwitchPolicy(6, "arc");
        bed.Partition.SwitchPolicy(7, "arc");
        Assert.Equal(7, bed.Partition.PolicyNumber);
        bed.Do(new Operation { Kind = OperationKind.Clear });
        Assert.Equal("lru", bed.Partition.GetStatistics().Policy);
        bed.MaintainAll();
        Assert.Equal(0, bed.Share.HeldBytes);
    }

    [Fact]
    public void The_switch_back_waits_for_the_switch()
    {
        using var bed = new TestBed(Capacity, Reserve);
        for (var i = 0; i < 2000; i++)
        {
            bed.Set($"key:{i}", new byte[100]);
        }

        bed.Partition.SwitchedPerSlice = 10;
        bed.Partition.SwitchPolicy(1, "lru");
        bed.Partition.Maintain(bed.Now);
        Assert.True(bed.Partition.Store.IsSwitching);
        bed.Partition.SwitchPolicy(2, "arc");
        bed.MaintainAll();
        Assert.Equal("arc", bed.Partition.GetStatistics().Policy);
        Assert.False(bed.Partition.Store.IsSwitching);
        Assert.Equal(2000, bed.Partition.GetStatistics().Entries);
        bed.Partition.CheckInvariants();
    }

    private static int Left(EntryStore store) => store.Policy is PolicyHandOver both ? both.Predecessor.NodeLists.Sum(list => list.Count) : 0;

    /// <summary>One operation; a read must show what was last written, or nothing.</summary>
    private static bool Act(TestBed bed, Random random, Dictionary<string, int> versions)
    {
        var key = $"key:{(int)(Math.Pow(random.NextDouble(), 2) * 40_000)}";
        switch (random.Next(10))
        {
            case 0:
                bed.Delete(key);
                versions.Remove(key);
                return true;
            case 1 or 2 or 3:
                var version = random.Next();
                var value = new byte[random.Next(50) == 0 ? 9000 + random.Next(30_000) : 8 + random.Next(400)];
                BitConverter.TryWriteBytes(value, version);
                Assert.Equal(Outcome.Stored, bed.Set(key, value).Outcome);
                versions[key] = version;
                return true;
            default:
                var answer = bed.Get(key);
                if (answer.Outcome != Outcome.Hit)
                {
                    return false;
                }

                Assert.True(versions.TryGetValue(key, out var expected), $"{key} was deleted");
                Assert.Equal(expected, BitConverter.ToInt32(answer.Entry!.Value));
                return true;
        }
    }
}
