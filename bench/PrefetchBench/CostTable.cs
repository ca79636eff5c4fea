using System.Globalization;
using Levee.Keys;
using Levee.Learning;

namespace Levee.PrefetchBench;

/// <summary>What prefetching costs: processor time per access on top of the eviction policy, by the real keys of a trace, and memory.</summary>
internal static class CostTable
{
    private const int Rounds = 7;
    private const int Accesses = 2_000_000;
    private const int KeysPerBatch = 64;

    /// <summary>Writes the tables.</summary>
    public static void Write(string folder, TextWriter report)
    {
        report.WriteLine("## Cost");
        report.WriteLine();
        report.WriteLine($"{Accesses / 1_000_000} million accesses; the policy alone and the policy with the prefetcher take turns, {Rounds} rounds each in one process, medians of the processor time of the thread. The would-be misses go through batches of {KeysPerBatch} packed keys, as a front door's do; every prediction is taken, formatted, hashed and ended at once. The policy here loads nothing ahead, so every miss stays one.");
        report.WriteLine();
        report.WriteLine("| trace | entries | misses % | policy, ns | with prefetcher, ns | on top, ns per access | per would-be miss | bytes allocated |");
        report.WriteLine("|---|--:|--:|--:|--:|--:|--:|--:|");
        foreach (var (name, capacity) in ((string, int)[])[("cloudphysics-w106", 13_758), ("cloudphysics-w106", 2751), ("orm-busy", 3817), ("P3-req", 2834), ("OLTP-h", 9344)])
        {
            if (TraceFile.TryRead(folder, name) is { } trace)
            {
                report.WriteLine(Measure(name, trace, capacity));
                Console.Error.WriteLine($"{name} timed");
            }
        }

        report.WriteLine();
        report.WriteLine("| entries | bytes per entry | with half a log |");
        report.WriteLine("|--:|--:|--:|");
        foreach (var capacity in (int[])[256, 1000, 4096, 16_384, 100_000, 1_000_000, 10_000_000])
        {
            report.WriteLine($"| {capacity} | {BytesPerEntry(capacity, false):f1} | {BytesPerEntry(capacity, true):f1} |");
        }

        report.WriteLine();
    }

    private static double BytesPerEntry(int capacity, bool isHalf) =>
        (double)new Prefetcher(new PrefetcherOptions { Capacity = capacity, HalfLog = isHalf }).Statistics.MemoryBytes / capacity;

    private static string Measure(string name, TraceFile trace, int capacity)
    {
        var ids = trace.Ids.AsSpan(0, Math.Min(Accesses, trace.Ids.Length)).ToArray();
        var isMiss = new bool[ids.Length];
        var misses = 0;
        using (var policy = new PolicySimulation("arc", capacity))
        {
            for (var i = 0; i < ids.Length; i++)
            {
                isMiss[i] = !policy.Access(ids[i]);
                misses += isMiss[i] ? 1 : 0;
            }
        }

        // Packed before the clock runs: the front door's part is another's to measure.
        var batches = Pack(ids, isMiss, trace.AreNumbers);
        var (bare, both, allocated) = (new List<double>(), new List<double>(), 0L);
        for (var round = 0; round < Rounds; round++)
        {
            bare.Add(RunPolicy(ids, capacity));
            both.Add(RunPolicy(ids, capacity) + RunPrefetcher(batches, capacity, out allocated));
        }

        var (alone, with) = (Median(bare) / ids.Length, Median(both) / ids.Length);
        var onTop = Median([.. both.Zip(bare, (b, a) => b - a)]) / ids.Length;
        return string.Create(CultureInfo.InvariantCulture, $"| {name} | {capacity} | {100.0 * misses / ids.Length:f1} | {alone:f0} | {with:f0} | **{onTop:f0}** | {onTop * ids.Length / misses:f0} | {allocated} |");
    }

    private static List<byte[]> Pack(ulong[] ids, bool[] isMiss, bool areNumbers)
    {
        var stream = new AccessStream(1, KeysPerBatch);
        var batches = new List<byte[]>();
        Span<byte> key = stackalloc byte[32];
        for (int i = 0, reported = 0; i < ids.Length; i++)
        {
            if (!isMiss[i])
            {
                continue;
            }

            _ = areNumbers ? ids[i].TryFormat(key, out var length, default, CultureInfo.InvariantCulture) : ids[i].TryFormat(key, out length, "x16", CultureInfo.InvariantCulture);
            if (!areNumbers)
            {
                key[length++] = (byte)'h';
            }

            stream.Report(key[..length], KeyHash.Of(key[..length]), AccessKind.Miss);
            if (++reported % KeysPerBatch == 0 && stream.TryTake(out var batch))
            {
                batches.Add(batch.Bytes);
            }
        }

        return batches;
    }

    private static double RunPolicy(ulong[] ids, int capacity)
    {
        using var policy = new PolicySimulation("arc", capacity);
        var start = ProcessorTime();
        foreach (var id in ids)
        {
            policy.Access(id);
        }

        return ProcessorTime() - start;
    }

    private static double RunPrefetcher(List<byte[]> batches, int capacity, out long allocated)
    {
        var prefetcher = new Prefetcher(new PrefetcherOptions { Capacity = capacity, Residents = new Nothing() });
        Span<byte> key = stackalloc byte[KeyList.MaxKeyBytes];
        var bytes = GC.GetAllocatedBytesForCurrentThread();
        var start = ProcessorTime();
        var now = 0L;
        foreach (var batch in batches)
        {
            prefetcher.Observe(new AccessBatchReader(batch), now += 300, isPrompt: true);
            while (prefetcher.TryPredict(key, out var prediction))
            {
                prefetcher.Ended(prediction.Id, PrefetchOutcome.Promoted, 4);
            }
        }

        var elapsed = ProcessorTime() - start;
        allocated = GC.GetAllocatedBytesForCurrentThread() - bytes;
        return elapsed;
    }

    /// <summary>Nanoseconds that the process has had of the processors: where others share the machine, the wall clock says little.</summary>
    private static double ProcessorTime() => Environment.CpuUsage.TotalTime.TotalNanoseconds;

    private static double Median(List<double> values) => values.Order().ElementAt(values.Count / 2);

    private sealed class Nothing : IResidents
    {
        public bool IsResident(ReadOnlySpan<byte> key, ulong hash) => false;
    }
}
