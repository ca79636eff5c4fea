using System.Text;
using Levee.Learning;

namespace Levee.PrefetchBench;

/// <summary>What prefetching cuts, cell by cell, beside what was measured elsewhere.</summary>
internal static class CutTable
{
    private static readonly int[] Latencies = [0, 4, 16, 64, 256, 1024];

    /// <summary>Writes the tables.</summary>
    public static void Write(string folder, StringBuilder report)
    {
        var known = Run(folder, Cell.Known, [4]);
        report.AppendLine("## Cell by cell, a load takes 4 accesses");
        report.AppendLine();
        report.AppendLine("`ref`: the table that this is compared with. `asks`: the prefetcher asks what is in memory; `guesses`: it knows only the misses that it hears of; `seen`: it asks, and only what was accessed before can be loaded, as from tiers below.");
        report.AppendLine("Cells with fewer than 256 entries are left alone.");
        report.AppendLine();
        report.AppendLine("| trace | entries | bare miss % | bare, ref | cut %, ref | cut, asks | difference | cut, guesses | cut, half log | cut, seen | extra loads %, ref | extra, asks | extra, guesses | precision | late % of misses |");
        report.AppendLine("|---|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|");
        foreach (var row in known)
        {
            var cell = row.Cell;
            report.AppendLine($"| {cell.Trace} | {cell.Capacity} | {row.BareMisses:f2} | {cell.BareMisses:f2} | {cell.Cut:f1} | **{row.Asks.Cut:f1}** | {row.Asks.Cut - cell.Cut:+0.0;-0.0;0.0} | {row.Guesses.Cut:f1} | {row.HalfLog.Cut:f1} | {row.Seen.Cut:f1} | {cell.ExtraLoads:f1} | {row.Asks.Extra:f1} | {row.Guesses.Extra:f1} | {row.Asks.Precision:f0} | {row.Asks.Late:f1} |");
        }

        report.AppendLine();
        report.AppendLine($"Means: cut {known.Average(row => row.Cell.Cut):f1} (ref), {known.Average(row => row.Asks.Cut):f1} (asks), {known.Average(row => row.Guesses.Cut):f1} (guesses), {known.Average(row => row.HalfLog.Cut):f1} (half log), {known.Average(row => row.Seen.Cut):f1} (seen); extra loads {known.Average(row => row.Cell.ExtraLoads):f1} (ref), {known.Average(row => row.Asks.Extra):f1} (asks), {known.Average(row => row.Guesses.Extra):f1} (guesses), at most {known.Max(row => row.Asks.Extra):f1}.");
        report.AppendLine($"Least difference to ref: {known.Min(row => row.Asks.Cut - row.Cell.Cut):f1} (asks), {known.Min(row => row.Guesses.Cut - row.Cell.Cut):f1} (guesses).");
        report.AppendLine();
        var others = Run(folder, Cell.Others, [4]);
        report.AppendLine("## Other cells, not compared with anything");
        report.AppendLine();
        report.AppendLine("| trace | entries | bare miss % | cut, asks | cut, guesses | cut, seen | extra loads % | precision |");
        report.AppendLine("|---|--:|--:|--:|--:|--:|--:|--:|");
        foreach (var row in others)
        {
            report.AppendLine($"| {row.Cell.Trace} | {row.Cell.Capacity} | {row.BareMisses:f2} | {row.Asks.Cut:f1} | {row.Guesses.Cut:f1} | {row.Seen.Cut:f1} | {row.Asks.Extra:f1} | {row.Asks.Precision:f0} |");
        }

        report.AppendLine();
        report.AppendLine($"Means over these: cut {others.Average(row => row.Asks.Cut):f1}, extra loads {others.Average(row => row.Asks.Extra):f1}; the worst cell {others.Min(row => Math.Min(row.Asks.Cut, row.Guesses.Cut)):f2}.");
        report.AppendLine();
        WriteLatencies(folder, report);
    }

    private static void WriteLatencies(string folder, StringBuilder report)
    {
        report.AppendLine("## Longer loads");
        report.AppendLine();
        report.AppendLine("Means over the compared cells, and the worst of those and the others.");
        report.AppendLine();
        report.AppendLine("| accesses for a load | cut, asks | cut, guesses | extra loads | worst cell, asks | worst cell, guesses |");
        report.AppendLine("|--:|--:|--:|--:|--:|--:|");
        foreach (var latency in Latencies)
        {
            var known = Run(folder, Cell.Known, [latency]);
            var all = known.Concat(Run(folder, Cell.Others, [latency])).ToArray();
            report.AppendLine($"| {latency} | {known.Average(row => row.Asks.Cut):f1} | {known.Average(row => row.Guesses.Cut):f1} | {known.Average(row => row.Asks.Extra):f1} | {all.Min(row => row.Asks.Cut):f2} | {all.Min(row => row.Guesses.Cut):f2} |");
        }

        report.AppendLine();
    }

    private static Row[] Run(string folder, IReadOnlyList<Cell> cells, int[] latencies)
    {
        var rows = new List<Row>();
        foreach (var ofTrace in cells.GroupBy(cell => cell.Trace))
        {
            if (TraceFile.TryRead(folder, ofTrace.Key) is not { } trace)
            {
                continue;
            }

            rows.AddRange(ofTrace.AsParallel().AsOrdered().WithDegreeOfParallelism(2).SelectMany(cell => latencies.Select(latency => Measure(trace, cell, latency))));
            Console.Error.WriteLine($"{ofTrace.Key} done");
        }

        return [.. rows];
    }

    private static Row Measure(TraceFile trace, Cell cell, int latency)
    {
        using var bare = new PrefetchSimulation(new() { Capacity = cell.Capacity, IsOn = false });
        var options = new PrefetchSimulationOptions { Capacity = cell.Capacity, LoadAccesses = latency };
        using var asks = new PrefetchSimulation(options);
        using var guesses = new PrefetchSimulation(options with { KnowsResidents = false });
        using var half = new PrefetchSimulation(options with { HalfLog = true });
        using var seen = new PrefetchSimulation(options with { Source = PrefetchSource.SeenBefore });
        foreach (var simulation in (PrefetchSimulation[])[bare, asks, guesses, half, seen])
        {
            foreach (var id in trace.Ids)
            {
                simulation.Access(id, trace.AreNumbers);
            }
        }

        return new Row(cell, 100.0 * bare.Misses / trace.Ids.Length, Result.Of(bare, asks), Result.Of(bare, guesses), Result.Of(bare, half), Result.Of(bare, seen));
    }

    private sealed record Row(Cell Cell, double BareMisses, Result Asks, Result Guesses, Result HalfLog, Result Seen);

    private readonly record struct Result(double Cut, double Extra, double Precision, double Late)
    {
        public static Result Of(PrefetchSimulation bare, PrefetchSimulation on) => new(
            100.0 * (bare.Misses - on.Misses) / bare.Misses,
            100.0 * (on.Loads - bare.Loads) / bare.Loads,
            100.0 * on.Used / Math.Max(1, on.Prefetches),
            100.0 * on.Late / Math.Max(1, on.Misses));
    }
}
