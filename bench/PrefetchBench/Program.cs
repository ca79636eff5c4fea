using System.Globalization;
using Levee.Learning;
using Levee.PrefetchBench;

CultureInfo.CurrentCulture = CultureInfo.InvariantCulture;
var folder = Environment.GetEnvironmentVariable("LEVEE_TRACES")!;
var only = args.ElementAtOrDefault(0) ?? "";
var set = args.ElementAtOrDefault(1) == "others" ? Cell.Others : Cell.Known;
var d = int.Parse(args.ElementAtOrDefault(2) ?? "4");
var hits = args.Contains("hits");
var guess = args.Contains("guess");
var half = args.Contains("half");
var cuts = new List<(double Cut, double Extra, double Gap)>();
foreach (var group in set.Where(c => c.Trace.Contains(only)).GroupBy(c => c.Trace))
{
    var trace = TraceFile.TryRead(folder, group.Key)!;
    Parallel.ForEach(group, new ParallelOptions { MaxDegreeOfParallelism = 2 }, cell =>
    {
        using var bare = new PrefetchSimulation(new() { Capacity = cell.Capacity, IsOn = false });
        using var on = new PrefetchSimulation(new() { Capacity = cell.Capacity, LoadAccesses = d, HearsHits = hits, KnowsResidents = !guess, HalfLog = half });
        foreach (var id in trace.Ids) { bare.Access(id, trace.AreNumbers); on.Access(id, trace.AreNumbers); }
        double n = trace.Ids.Length;
        var cut = 100.0 * (bare.Misses - on.Misses) / bare.Misses;
        var extra = 100.0 * (on.Loads - bare.Misses) / bare.Misses;
        var s = on.Statistics!;
        lock (cuts)
        {
            cuts.Add((cut, extra, cut - cell.Cut));
            Console.WriteLine($"{cell.Trace,-20} {cell.Capacity,6} bare {100 * bare.Misses / n:f2} ({cell.BareMisses:f2}) on {100 * on.Misses / n:f2} ({cell.Misses:f2}) cut {cut:f1} ({cell.Cut:f1}) {(cut - cell.Cut):+0.0;-0.0} extra {extra:f1} ({cell.ExtraLoads:f1}) prec {100.0 * on.Used / Math.Max(1, on.Prefetches):f0} late {100.0 * on.Late / Math.Max(1, on.Misses):f1} tau {s.Threshold:f2} area {s.Area} lead {s.Lead} dropped {s.Dropped} mem/e {(double)s.MemoryBytes / cell.Capacity:f1}");
            if (args.Contains("buckets")) foreach (var b in s.Buckets) if (b.Issued + b.Tested > 0) Console.WriteLine($"    {b}");
        }
    });
}
Console.WriteLine($"mean cut {cuts.Average(c => c.Cut):f2} extra mean {cuts.Average(c => c.Extra):f1} max {cuts.Max(c => c.Extra):f1} worst gap {cuts.Min(c => c.Gap):f1} worst cut {cuts.Min(c => c.Cut):f2}");
