using Levee.Learning;

namespace Levee.PrefetchBench;

/// <summary>What prefetching cuts, cell by cell, beside what was measured elsewhere.</summary>
internal static class CutTable
{
    private static readonly int[] Latencies = [0, 4, 16, 64, 256, 1024];

    /// <summary>Writes the tables.</summary>
    public static void Write(string folder, TextWriter report)
    {
        var known = Run(folder, Cell.Known, 4, isFull: true);
        report.WriteLine("## Cell by cell, a load takes 4 accesses");
        report.WriteLine();
        report.WriteLine("`ref`: the table that this is compared with. `asks`: the prefetcher asks what is in memory; `guesses`: it knows only the misses that it hears of; `seen`: it asks, and only what was accessed before can be loaded, as from tiers below.");
        report.WriteLine("Cells with fewer than 256 entries are left alone.");
        report.WriteLine();
        report.WriteLine("| trace | entries | bare miss % | bare, ref | cut %, ref | cut, asks | difference | cut, guesses | cut, half log | cut, seen | extra loads %, ref | extra, asks | extra, guesses | precision | late % of misses |");
        report.WriteLine("|---|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|");
        foreach (var row in known)
        {
            var cell = row.Cell;
            report.WriteLine($"| {cell.Trace} | {cell.Capacity} | {row.BareMisses:f2} | {cell.BareMisses:f2} | {cell.Cut:f1} | **{row.Asks.Cut:f1}** | {row.Asks.Cut - cell.Cut:+0.0;-0.0;0.0} | {row.Guesses.Cut:f1} | {row.HalfLog.Cut:f1} | {row.Seen.Cut:f1} | {cell.ExtraLoads:f1} | {row.Asks.Extra:f1} | {row.Guesses.Extra:f1} | {row.Asks.Precision:f0} | {row.Asks.Late:f1} |");
        }

        report.WriteLine();
        report.WriteLine($"Means: cut {known.Average(row => row.Cell.Cut):f1} (ref), {known.Average(row => row.Asks.Cut):f1} (asks), {known.Average(row => row.Guesses.Cut):f1} (guesses), {known.Average(row => row.HalfLog.Cut):f1} (half log), {known.Average(row => row.Seen.Cut):f1} (seen); extra loads {known.Average(row => row.Cell.ExtraLoads):f1} (ref), {known.Average(row => row.Asks.Extra):f1} (asks), {known.Average(row => row.Guesses.Extra):f1} (guesses), at most {known.Max(row => row.Asks.Extra):f1}.");
        report.WriteLine($"Least difference to ref: {known.Min(row => row.Asks.Cut - row.Cell.Cut):f1} (asks), {known.Min(row => row.Guesses.Cut - row.Cell.Cut):f1} (guesses).");
        report.WriteLine();
        var others = Run(folder, Cell.Others, 4, isFull: true);
        report.WriteLine("## Other cells, not compared with anything");
        report.WriteLine();
        report.WriteLine("| trace | entries | bare miss % | cut, asks | cut, guesses | cut, seen | extra loads % | precision |");
        report.WriteLine("|---|--:|--:|--:|--:|--:|--:|--:|");
        foreach (var row in others)
        {
            report.WriteLine($"| {row.Cell.Trace} | {row.Cell.Capacity} | {row.BareMisses:f2} | {row.Asks.Cut:f1} | {row.Guesses.Cut:f1} | {row.Seen.Cut:f1} | {row.Asks.Extra:f1} | {row.Asks.Precision:f0} |");
        }

        report.WriteLine();
        report.WriteLine($"Means over these: cut {others.Average(row => row.Asks.Cut):f1}, extra loads {others.Average(row => row.Asks.Extra):f1}; the worst cell {others.Min(row => Math.Min(row.Asks.Cut, row.Guesses.Cut)):f2}.");
        report.WriteLine();
        WriteLatencies(folder, report);
    }

    private static void WriteLatencies(string folder, TextWriter report)
    {
        report.WriteLine("## Longer loads");
        report.WriteLine();
        report.WriteLine("Over the cells that are compared above.");
        report.WriteLine();
        report.WriteLine("| accesses for a load | cut, asks | cut, guesses | extra loads | worst cell, asks | worst cell, guesses |");
        report.WriteLine("|--:|--:|--:|--:|--:|--:|");
        foreach (var latency in Latencies)
        {
            var known = Run(folder, Cell.Known, latency, isFull: false);
            report.WriteLine($"| {latency} | {known.Average(row => row.Asks.Cut):f1} | {known.Average(row => row.Guesses.Cut):f1} | {known.Average(row => row.Asks.Extra):f1} | {known.Min(row => row.Asks.Cut):f2} | {known.Min(row => row.Guesses.Cut):f2} |");
        }

        report.WriteLine();
    }

    private static Row[] Run(string folder, IReadOnlyList<Cell> cells, int latency, bool isFull)
    {
        var rows = new List<Row>();
        foreach (var ofTrace in cells.GroupBy(cell => cell.Trace))
        {
            if (TraceFile.TryRead(folder, ofTrace.Key) is not { } trace)
            {
                continue;
            }

            rows.AddRange(ofTrace.AsParallel().AsOrdered().WithDegreeOfParallelism(2).Select(cell => Measure(trace, cell, latency, isFull)));
            Console.Error.WriteLine($"{ofTrace.Key} done");
        }

        return [.. rows];
    }

    // Half a log, and tiers that have only what was seen, are measured only where asked for.
    private static Row Measure(TraceFile trace, Cell cell, int latency, bool isFull)
    {
        var options = new PrefetchSimulationOptions { Capacity = cell.Capacity, LoadAccesses = latency };
        var bare = Run(trace, options with { IsOn = false });
        Result Of(PrefetchSimulationOptions changed) => Result.Of(bare, Run(trace, changed));
        return new Row(
            cell,
            100.0 * bare.Misses / trace.Ids.Length,
            Of(options),
            Of(options with { KnowsResidents = false }),
            isFull ? Of(options with { HalfLog = true }) : default,
            isFull ? Of(options with { Source = PrefetchSource.SeenBefore }) : default);
    }

    private static PrefetchSimulation Run(TraceFile trace, PrefetchSimulationOptions options)
    {
        using var simulation = new PrefetchSimulation(options);
        foreach (var id in trace.Ids)
        {
            simulation.Access(id, trace.AreNumbers);
        }

        return simulation;
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
