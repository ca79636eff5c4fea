using System.Collections.Concurrent;
using System.Globalization;
using System.IO.Compression;
using Levee.Learning;

// What "auto" makes of traces beside its candidates, cell by cell: a cell is a trace and a capacity in entries.
// Usage: AutoBench <folder of traces> <csv with columns trace,size or the word "tenths"> [trace | trace:size,size,... ...]
// Results of the candidates alone do not change from run to run; AUTOBENCH_CACHE names a file that keeps them.
double[] parts = [0.001, 0.01, 0.05, 0.1, 0.2];
string[] candidates = ["arc", "s3-fifo", "w-tinylfu", "lirs"];
if (args.Length < 2)
{
    await Console.Error.WriteLineAsync("usage: AutoBench <folder of traces> <hitratio.csv | tenths> [trace | trace:size,size,... ...]");
    return 2;
}

var sizesOf = args[1] == "tenths" ? null : File.ReadLines(args[1]).Skip(1).Select(line => line.Split(',')).GroupBy(cell => cell[0]).ToDictionary(group => group.Key, group => group.Select(cell => long.Parse(cell[1], CultureInfo.InvariantCulture)).Distinct().Order().ToArray());
var kept = new ConcurrentDictionary<string, double>();
var keptFile = Environment.GetEnvironmentVariable("AUTOBENCH_CACHE");
if (keptFile is not null && File.Exists(keptFile))
{
    foreach (var line in File.ReadLines(keptFile))
    {
        var fields = line.Split(' ');
        kept[fields[0]] = double.Parse(fields[1], CultureInfo.InvariantCulture);
    }
}

var cells = new ConcurrentBag<Cell>();
var wanted = args.Skip(2).Select(static word => word.Split(':')).ToDictionary(static words => words[0], static words => words.Length == 1 ? [] : words[1].Split(',').Select(static size => long.Parse(size, CultureInfo.InvariantCulture)).ToArray());
foreach (var file in Directory.GetFiles(args[0], "*.gz").Order(StringComparer.Ordinal))
{
    var plain = Path.GetFileNameWithoutExtension(file);
    var trace = plain.EndsWith(".lis", StringComparison.Ordinal) ? string.Concat("arc-", plain.AsSpan(0, plain.Length - 4)) : plain.Split('.')[0];
    if ((sizesOf is not null && !sizesOf.ContainsKey(trace)) || (wanted.Count > 0 && !wanted.ContainsKey(trace)))
    {
        continue;
    }

    var keys = Read(file, plain.EndsWith(".lis", StringComparison.Ordinal));
    var unique = keys.Distinct().LongCount();
    var sizes = sizesOf?[trace] ?? [.. parts.Select(part => Math.Max(1, (long)(unique * part)))];
    if (wanted.TryGetValue(trace, out var only) && only.Length > 0)
    {
        sizes = only;
    }

    var work = sizes.SelectMany(size => candidates.Append("auto").Select(policy => (Size: size, Policy: policy))).ToList();
    var found = new ConcurrentDictionary<(long, string), (double Ratio, long Extra, string Chosen)>();
    Parallel.ForEach(work, new ParallelOptions { MaxDegreeOfParallelism = Environment.ProcessorCount }, item =>
    {
        var name = $"{trace}/{item.Size}/{item.Policy}";
        if (item.Policy != "auto" && kept.TryGetValue(name, out var known))
        {
            found[item] = (known, 0, "");
            return;
        }

        using var simulation = new PolicySimulation(item.Policy, item.Size);
        foreach (var key in keys)
        {
            simulation.Access(key);
        }

        found[item] = (simulation.HitRatio, simulation.ExtraOperations, string.Join(" ", simulation.Switches.Select(change => $"{change.Policy}@{(double)change.AtRequest / keys.Length:P0}".Replace(" ", "", StringComparison.Ordinal))));
        if (item.Policy != "auto")
        {
            kept[name] = simulation.HitRatio;
        }
    });
    foreach (var size in sizes)
    {
        var auto = found[(size, "auto")];
        cells.Add(new Cell(trace, size, keys.Length, [.. candidates.Select(policy => 100 * found[(size, policy)].Ratio)], 100 * auto.Ratio, auto.Extra, auto.Chosen));
    }

    await Console.Error.WriteLineAsync($"{trace}: {keys.Length} requests, {unique} keys");
}

if (keptFile is not null)
{
    File.WriteAllLines(keptFile, kept.OrderBy(known => known.Key, StringComparer.Ordinal).Select(known => $"{known.Key} {known.Value.ToString("R", CultureInfo.InvariantCulture)}"));
}

Print([.. cells.OrderBy(cell => cell.Trace, StringComparer.Ordinal).ThenBy(cell => cell.Size)]);
return 0;

void Print(Cell[] all)
{
    CultureInfo.CurrentCulture = CultureInfo.InvariantCulture;
    var large = all.Where(cell => cell.Size >= 1000).ToArray();
    var worst = large.DefaultIfEmpty().MinBy(cell => cell?.OverArc ?? 0);
    var dearest = all.MaxBy(cell => (double)cell.Extra / cell.Requests)!;
    var dearestLarge = large.DefaultIfEmpty().MaxBy(cell => cell is null ? 0 : (double)cell.Extra / cell.Requests);
    Console.WriteLine($"{all.Length} cells, mean hit ratio in %: auto {all.Average(cell => cell.Auto):F2}; the best candidate of each cell {all.Average(cell => cell.Best):F2}; {string.Join(", ", candidates.Select((name, i) => $"{name} {all.Average(cell => cell.Ratios[i]):F2}"))}.");
    Console.WriteLine();
    Console.WriteLine($"Cells below ARC by more than 0.3 points: {all.Count(cell => cell.OverArc < -0.3)}; worst with 1,000 entries or more: {worst?.Trace} {worst?.Size}, {worst?.OverArc:F2}; worst of all: {all.Min(cell => cell.OverArc):F2}.");
    Console.WriteLine();
    Console.WriteLine($"Extra policy work, as policy operations in miniatures (each use or arrival, counted for each miniature, what-if included) for each request: {100.0 * all.Sum(cell => cell.Extra) / all.Sum(cell => cell.Requests):F2} % over all requests of all cells; worst cell with 1,000 entries or more {dearestLarge?.Trace} {dearestLarge?.Size}: {100.0 * dearestLarge?.Extra / dearestLarge?.Requests:F1} %; worst of all {dearest.Trace} {dearest.Size}, of {dearest.Requests} requests: {100.0 * dearest.Extra / dearest.Requests:F1} %.");
    Console.WriteLine();
    Console.WriteLine($"| trace | entries | {string.Join(" | ", candidates)} | best | auto | auto - best | auto - arc | work % | chosen, after which part of the trace |");
    Console.WriteLine($"|---|--:|{string.Concat(candidates.Select(_ => "--:|"))}--:|--:|--:|--:|--:|---|");
    foreach (var cell in all)
    {
        Console.WriteLine($"| {cell.Trace} | {cell.Size} | {string.Join(" | ", cell.Ratios.Select(ratio => $"{ratio:F2}"))} | {cell.Best:F2} | {cell.Auto:F2} | {cell.Auto - cell.Best:F2} | {cell.OverArc:F2} | {100.0 * cell.Extra / cell.Requests:F1} | {cell.Chosen} |");
    }
}

static ulong[] Read(string file, bool isLis)
{
    using var reader = new StreamReader(new GZipStream(File.OpenRead(file), CompressionMode.Decompress));
    var numbers = new Dictionary<string, ulong>(StringComparer.Ordinal);
    List<ulong> keys = [];
    while (reader.ReadLine() is { } line)
    {
        var fields = line.Split(' ', StringSplitOptions.RemoveEmptyEntries);
        if (fields.Length == 0)
        {
            continue;
        }

        if (isLis)
        {
            var start = ulong.Parse(fields[0], CultureInfo.InvariantCulture);
            var count = ulong.Parse(fields[1], CultureInfo.InvariantCulture);
            for (ulong i = 0; i < count; i++)
            {
                keys.Add(start + i);
            }
        }
        else
        {
            if (!numbers.TryGetValue(fields[0], out var number))
            {
                numbers.Add(fields[0], number = (ulong)numbers.Count);
            }

            keys.Add(number);
        }
    }

    return [.. keys];
}

internal sealed record Cell(string Trace, long Size, int Requests, double[] Ratios, double Auto, long Extra, string Chosen)
{
    public double Best => Ratios.Max();

    public double OverArc => Auto - Ratios[0];
}
