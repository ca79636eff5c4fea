using System.Text;
using Levee.Partitions;
using Xunit;

namespace Levee.Tiers.Tests.Redis;

public sealed class RedisTierCostTests
{
    [Fact]
    public async Task What_a_partition_calls_allocates_nothing()
    {
        await using var server = await RedisServer.StartAsync();
        await using var bed = new RedisTierBed(server.Port);
        await bed.StartAsync();
        Assert.InRange(Allocated(bed, 1000), 0, long.MaxValue);
        await bed.WrittenAsync();

        // The pool's queue, on which the sending loop is woken, grows by a segment now and then.
        Assert.InRange(Allocated(bed, 10_000), 0, 40_000);
    }

    private static long Allocated(RedisTierBed bed, int count)
    {
        var key = Encoding.UTF8.GetBytes("a key");
        var before = GC.GetAllocatedBytesForCurrentThread();
        for (var i = 0; i < count; i++)
        {
            var hash = (ulong)i * 0x9E3779B97F4A7C15;
            bed.Tier.MayHold(hash);
            bed.Tier.Demote(new TierEntry { Hash = hash, Key = key, Value = key, Version = 1, ExpiresAt = long.MaxValue });
            bed.Tier.Keep(hash);
            bed.Tier.Promoted(hash);
            bed.Tier.Invalidate(hash, 2);
        }

        return GC.GetAllocatedBytesForCurrentThread() - before;
    }
}
