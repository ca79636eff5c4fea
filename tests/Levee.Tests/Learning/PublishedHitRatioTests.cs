using Levee.Learning;
using Levee.Testing;
using Xunit;

namespace Levee.Tests.Learning;

/// <summary>
/// The policies on public traces beside simulations by others' code, in percent: S3-FIFO as libCacheSim has it, W-TinyLFU with hill climbing as Caffeine's simulator has it.
/// All cells: bench/policies.sh.
/// </summary>
public sealed class PublishedHitRatioTests
{
    // Trace, entries, S3-FIFO, W-TinyLFU.
    public static TheoryData<string, int, double, double> Cells { get; } = new()
    {
        { "web07.txt.gz", 1024, 54.22, 49.86 },
        { "web07.txt.gz", 2048, 58.12, 54.75 },
        { "web07.txt.gz", 4097, 62.57, 60.21 },
        { "lirs-multi1.txt.gz", 521, 48.94, 55.67 },
        { "lirs-multi1.txt.gz", 1042, 58.34, 69.13 },
        { "lirs-multi2.txt.gz", 1137, 49.83, 58.83 },
        { "lirs-multi2.txt.gz", 2274, 65.18, 72.81 },
        { "lirs-2_pools.txt.gz", 994, 54.36, 54.42 },
        { "lirs-2_pools.txt.gz", 1988, 59.27, 59.28 },
        { "lirs-gli.txt.gz", 506, 16.33, 33.52 },
        { "lirs-gli.txt.gz", 1012, 35.23, 51.01 },
        { "lirs-ps.txt.gz", 308, 50.62, 53.08 },
        { "lirs-ps.txt.gz", 617, 52.59, 59.06 },
        { "lirs-ps.txt.gz", 1233, 61.19, 70.49 },
        { "lirs-cpp.txt.gz", 245, 85.02, 84.53 },
        { "cloudphysics-io.sized.txt.gz", 2449, 19.75, 17.89 },
        { "cloudphysics-io.sized.txt.gz", 4897, 24.75, 20.24 },
        { "adaptsize-cdn.sized.txt.gz", 1841, 35.29, 32.62 },
        { "OLTP.lis.gz", 1000, 40.84, 40.07 },
        { "OLTP.lis.gz", 2000, 47.01, 45.89 },
        { "OLTP.lis.gz", 5000, 55.88, 55.28 },
        { "OLTP.lis.gz", 10000, 62.64, 59.67 },
    };

    [Theory]
    [MemberData(nameof(Cells))]
    public void Hit_ratios_are_those_of_others_simulations(string trace, int entries, double s3FifoPercent, double tinyLfuPercent)
    {
        var path = Traces.Find(trace);
        Assert.SkipWhen(path is null, $"{trace} is neither in LEVEE_TRACES nor in a shared/traces folder beside the repository.");
        var keys = Traces.ReadKeys(path!);
        Assert.InRange(HitPercent("s3-fifo", entries, keys), s3FifoPercent - 0.3, s3FifoPercent + 0.3);
        Assert.InRange(HitPercent("w-tinylfu", entries, keys), tinyLfuPercent - 0.5, tinyLfuPercent + 0.5);
    }

    private static double HitPercent(string policy, int entries, ulong[] keys)
    {
        using var simulation = new PolicySimulation(policy, entries);
        foreach (var key in keys)
        {
            simulation.Access(key);
        }

        return 100 * simulation.HitRatio;
    }
}
