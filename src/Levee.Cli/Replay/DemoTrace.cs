namespace Levee.Cli.Replay;

/// <summary>
/// A trace to try things with, the same every time: a Zipf-distributed working set, interrupted by scans of keys that never return and by a loop.
/// The scans are what LRU suffers from; the loop is what ARC and LRU both lose when it is larger than the cache.
/// </summary>
internal static class DemoTrace
{
    private const int Seed = 20_030_331;
    private const int Requests = 500_000;
    private const int WorkingSet = 50_000;
    private const double Skew = 0.9;
    private const int LoopKeys = 4_000;
    private const int PhaseRequests = 10_000;

    /// <summary>Makes the trace.</summary>
    public static Trace Create()
    {
        var random = new Random(Seed);
        var cumulative = ZipfCumulative();
        var keys = new ulong[Requests];
        var sizes = new int[Requests];
        for (var i = 0; i < Requests; i++)
        {
            keys[i] = (i / PhaseRequests % 5) switch
            {
                3 => (ulong)(WorkingSet + LoopKeys + i),
                4 => (ulong)(WorkingSet + (i % LoopKeys)),
                _ => (ulong)Draw(cumulative, random.NextDouble()),
            };
            // A size belongs to its key: 64 bytes to 8 KiB.
            sizes[i] = 64 << (int)(keys[i] * 0x9E3779B97F4A7C15 >> 61);
        }

        var numbers = new bool[Requests];
        Array.Fill(numbers, true);
        return new Trace("demo", keys, sizes) { Numbers = numbers };
    }

    private static double[] ZipfCumulative()
    {
        var cumulative = new double[WorkingSet];
        var sum = 0.0;
        for (var rank = 0; rank < WorkingSet; rank++)
        {
            sum += Math.Pow(rank + 1, -Skew);
            cumulative[rank] = sum;
        }

        for (var rank = 0; rank < WorkingSet; rank++)
        {
            cumulative[rank] /= sum;
        }

        return cumulative;
    }

    private static int Draw(double[] cumulative, double chance)
    {
        var found = Array.BinarySearch(cumulative, chance);
        return Math.Min(found < 0 ? ~found : found, cumulative.Length - 1);
    }
}
