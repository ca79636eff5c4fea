using Levee.Eviction;
using Levee.Learning;
using Levee.Testing;
using Xunit;

namespace Levee.Tests.Learning;

/// <summary>LIRS and GDSF on public traces beside another simulator's hit ratios, in percent. All cells: bench/policies.sh and bench/sizes.sh.</summary>
public sealed class LirsAndGdsfHitRatioTests
{
    public static TheoryData<string, int, double> LirsCells { get; } = new()
    {
        { "web07.txt.gz", 20, 19.03 },
        { "web07.txt.gz", 205, 38.92 },
        { "web07.txt.gz", 2048, 57.30 },
        { "lirs-multi1.txt.gz", 26, 13.36 },
        { "lirs-multi1.txt.gz", 261, 49.94 },
        { "lirs-multi2.txt.gz", 6, 1.57 },
        { "lirs-multi2.txt.gz", 568, 52.19 },
        { "lirs-2_pools.txt.gz", 99, 45.75 },
        { "lirs-2_pools.txt.gz", 1988, 59.12 },
        { "lirs-cs.txt.gz", 282, 15.87 },
        { "lirs-gli.txt.gz", 506, 34.00 },
        { "lirs-gli.txt.gz", 1012, 50.92 },
        { "lirs-ps.txt.gz", 308, 53.13 },
        { "lirs-cpp.txt.gz", 122, 80.54 },
        { "cloudphysics-io.sized.txt.gz", 2449, 20.71 },
        { "cloudphysics-io.sized.txt.gz", 9795, 35.63 },
        { "adaptsize-cdn.sized.txt.gz", 368, 23.34 },
        { "OLTP.lis.gz", 1000, 34.82 },
        { "OLTP.lis.gz", 10000, 60.35 },
    };

    // Trace, part of its bytes, object hit ratio of GDSF, byte hit ratio of LFU.
    public static TheoryData<string, double, double, double> GdsfCells { get; } = new()
    {
        { "adaptsize-cdn.sized.txt.gz", 0.001, 20.79, 18.18 },
        { "adaptsize-cdn.sized.txt.gz", 0.01, 32.76, 28.49 },
        { "adaptsize-cdn.sized.txt.gz", 0.05, 39.79, 34.16 },
        { "adaptsize-cdn.sized.txt.gz", 0.1, 42.01, 37.14 },
        { "adaptsize-cdn.sized.txt.gz", 0.2, 43.74, 39.37 },
        { "cloudphysics-io.sized.txt.gz", 0.001, 16.81, 1.76 },
        { "cloudphysics-io.sized.txt.gz", 0.01, 17.91, 2.24 },
    };

    [Theory]
    [MemberData(nameof(LirsCells))]
    public void LIRS_has_the_hit_ratios_of_another_simulation(string trace, int entries, double percent)
    {
        var keys = Traces.ReadKeys(Find(trace));
        using var simulation = new PolicySimulation("lirs", entries);
        foreach (var key in keys)
        {
            simulation.Access(key);
        }

        Assert.InRange(100 * simulation.HitRatio, percent - 0.3, percent + 0.3);
    }

    [Theory]
    [MemberData(nameof(GdsfCells))]
    public void GDSF_hits_no_fewer_objects_than_another_s_and_asked_for_bytes_no_fewer_bytes_than_LFU(string trace, double part, double objectPercent, double bytePercent)
    {
        var requests = Traces.ReadSized(Find(trace));
        var capacity = (long)(part * requests.DistinctBy(request => request.Key).Sum(request => (long)request.Size));
        Assert.InRange(Replay(requests, capacity, MissCost.Objects).Objects, objectPercent - 0.1, 100);
        Assert.InRange(Replay(requests, capacity, MissCost.Bytes).Bytes, bytePercent - 0.2, 100);
    }

    private static (double Objects, double Bytes) Replay((ulong Key, int Size)[] requests, long capacity, MissCost cost)
    {
        using var simulation = new PolicySimulation("gdsf", capacity, CapacityUnit.Bytes, requests.Max(request => request.Size), cost);
        var hit = 0L;
        foreach (var (key, size) in requests)
        {
            hit += simulation.Access(key, size) ? size : 0;
        }

        return (100 * simulation.HitRatio, 100.0 * hit / requests.Sum(request => (long)request.Size));
    }

    private static string Find(string trace)
    {
        var path = Traces.Find(trace);
        Assert.SkipWhen(path is null, $"{trace} is neither in LEVEE_TRACES nor in a shared/traces folder beside the repository.");
        return path!;
    }
}
