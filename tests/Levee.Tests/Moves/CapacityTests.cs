using Levee.Memory;
using Levee.Operations;
using Levee.Partitions;
using Levee.Testing;
using Levee.Tests.Eviction;
using Xunit;

namespace Levee.Tests.Moves;

/// <summary>A partition's capacity changes in slices, and its policy's invariants hold after each.</summary>
public sealed class CapacityTests
{
    [Theory]
    [ClassData(typeof(EveryPolicy))]
    public void Invariants_hold_after_every_slice(string policy)
    {
        const long Most = 24L << 20;
        using var bed = new TestBed(Most, 4 << 20, new PartitionOptions { Policy = policy, Seed = 1, MaxValueBytes = 256 * 1024 });
        var random = new Random(5);
        var shrunk = 0;
        var grown = 0;
        for (var round = 0; round < 12; round++)
        {
            for (var i = 0; i < 8000; i++)
            {
                var key = $"k{(int)(Math.Pow(random.NextDouble(), 3) * 60_000)}";
                if (random.Next(2) == 0 || bed.Get(key).Outcome == Outcome.Miss)
                {
                    bed.Set(key, new byte[random.Next(400) == 0 ? 30_000 : random.Next(10, 2000)]);
                }
            }

            var wanted = random.NextInt64(1 << 20, Most);
            shrunk += wanted < bed.Share.CapacityBytes ? 1 : 0;
            grown += wanted > bed.Share.CapacityBytes ? 1 : 0;
            bed.Partition.SetCapacity(wanted);
            bed.Partition.CheckInvariants();
            var slices = 0;
            while (bed.Partition.Maintain(bed.Now) != MaintenanceWork.None)
            {
                bed.Partition.CheckInvariants();
                Assert.True(++slices < 10_000, "the way to a capacity does not end");
                if (slices % 3 == 0)
                {
                    bed.Set($"between{random.Next(1000)}", new byte[random.Next(3000)]);
                    bed.Partition.CheckInvariants();
                }
            }

            Assert.False(bed.Partition.IsResizing);
            Assert.Equal(wanted / EntryStore.WeightUnitBytes, bed.Partition.Store.Policy.Capacity);
            Assert.True(bed.Share.HeldBytes <= wanted, $"{bed.Share.HeldBytes} bytes are held of {wanted}");
        }

        Assert.True(shrunk > 2 && grown > 2, $"{shrunk} smaller, {grown} larger");
    }
}
