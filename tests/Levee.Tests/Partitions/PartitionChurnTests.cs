using Levee.Memory;
using Levee.Operations;
using Levee.Testing;
using Levee.Tests.Eviction;
using Xunit;

namespace Levee.Tests.Partitions;

/// <summary>A full partition whose values change in size: memory goes from one size class to another and no write is refused.</summary>
public sealed class PartitionChurnTests
{
    private const long Capacity = 8 << 20;
    private const long Reserve = 1 << 20;

    [Theory]
    [ClassData(typeof(EveryPolicy))]
    public void No_size_is_starved_by_those_that_were_there_before(string policy)
    {
        using var bed = new TestBed(Capacity, Reserve, new() { Policy = policy, Seed = 1, MaxValueBytes = 512 * 1024 });
        var random = new Random(1);
        var worst = 0L;
        (string Name, Func<int> Length, int Writes, double LeastPayload)[] phases =
        [
            ("100", () => 100, 80_000, 0.55), ("300", () => 300, 40_000, 0.65), ("60", () => 60, 100_000, 0.40), ("mixed", () => 32 << random.Next(9), 30_000, 0.40),
            ("large", () => random.Next(8193, 300_000), 600, 0.40), ("100 again", () => 100, 80_000, 0.40),
        ];
        foreach (var (name, length, writes, leastPayload) in phases)
        {
            for (var i = 0; i < writes; i++)
            {
                var before = bed.Partition.GetStatistics().Evictions;
                var answer = bed.Set($"key:{random.Next(200_000)}", new byte[length()]);
                Assert.True(answer.Outcome == Outcome.Stored, $"{name} {i}: {answer.Outcome}");
                Assert.True(bed.Share.PageBytesHeld <= Capacity, $"{name} {i}: {bed.Share.PageBytesHeld} in pages");
                Assert.True(bed.Share.HeldBytes <= Capacity + Reserve, $"{name} {i}: {bed.Share.HeldBytes}");
                worst = Math.Max(worst, bed.Partition.GetStatistics().Evictions - before);
            }

            bed.Partition.CheckInvariants();
            var payload = (double)bed.Partition.GetStatistics().PayloadBytes / Capacity;
            TestContext.Current.SendDiagnosticMessage($"{policy} {name}: payload {payload:P0} of the share, {bed.Partition.GetStatistics().Entries} entries, worst eviction {worst}");
            Assert.True(payload >= leastPayload, $"{name}: payload is {payload:P0} of the share, {bed.Partition.GetStatistics()}");
        }

        Assert.True(worst <= 1024 + (PageArena.PageBytes / 32), $"one write evicted {worst}");
    }

    [Fact]
    public void Small_records_after_large_ones_get_an_index_that_fits_them()
    {
        using var bed = new TestBed(16 << 20, Reserve);
        for (var i = 0; i < 3000; i++)
        {
            bed.Set($"key:{i}", new byte[8000]);
        }

        for (var i = 0; i < 100_000; i++)
        {
            Assert.Equal(Outcome.Stored, bed.Set($"key:{i}", new byte[20]).Outcome);
        }

        bed.Partition.CheckInvariants();
        Assert.True(bed.Partition.GetStatistics().IndexBytes > (100_000 * 24) + (5 * PageArena.PageBytes), "one page of buckets serves 16,384 chains");
    }

    [Fact]
    public void Writes_after_a_clear_are_never_refused_and_memory_comes_back_in_slices()
    {
        using var bed = new TestBed(Capacity, Reserve);
        for (var round = 0; round < 4; round++)
        {
            for (var i = 0; i < 4000; i++)
            {
                bed.Set($"key:{i}", new byte[round % 2 == 0 ? 3000 : i % 50 == 0 ? 100_000 : 200]);
            }

            for (var i = 0; round % 2 == 1 && i < 4000; i++)
            {
                bed.Delete($"key:{i}");
            }

            var full = bed.Share.HeldBytes;
            Assert.Equal(bed.Partition.GetStatistics().Entries, bed.Do(new Operation { Kind = OperationKind.Clear }).Number);
            Assert.Equal(full, bed.Share.HeldBytes);
            for (var i = 0; i < 300; i++)
            {
                Assert.Equal(Outcome.Stored, bed.Set($"key:{i}", new byte[3000]).Outcome);
            }

            bed.Partition.CheckInvariants();
            bed.Do(new Operation { Kind = OperationKind.Clear });
            bed.MaintainAll();
            Assert.Equal(0, bed.Share.HeldBytes);
            Assert.Equal(0, bed.Arena.RentedPages);
        }
    }

    [Fact]
    public void An_entry_of_16_and_100_bytes_takes_164_bytes()
    {
        using var bed = new TestBed(64 << 20, Reserve);
        var before = bed.Share.HeldBytes;
        for (var i = 0; i < 300_000; i++)
        {
            Assert.Equal(164, bed.Set($"key:{i:D12}", new byte[100]).Entry!.SizeBytes);
        }

        Assert.Equal(0, bed.Partition.GetStatistics().Evictions);
        Assert.Equal(164, Math.Round((bed.Share.HeldBytes - before) / 300_000.0));
    }
}
