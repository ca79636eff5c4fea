using System.Globalization;
using Levee.PrefetchBench;

// PrefetchBench cut|cost|all: what prefetching cuts of the misses of traces beside what was measured elsewhere, and what it costs. A report in Markdown on the standard output. The folder of the traces is named by LEVEE_TRACES.
CultureInfo.CurrentCulture = CultureInfo.InvariantCulture;
CultureInfo.DefaultThreadCurrentCulture = CultureInfo.InvariantCulture;
var verb = args.ElementAtOrDefault(0) ?? "all";
var folder = Environment.GetEnvironmentVariable("LEVEE_TRACES") ?? "";
if (verb is not ("cut" or "cost" or "all") || !Directory.Exists(folder))
{
    Console.Error.WriteLine("Usage: LEVEE_TRACES=folder PrefetchBench cut|cost|all");
    return 2;
}

if (verb != "cost")
{
    CutTable.Write(folder, Console.Out);
}

if (verb != "cut")
{
    CostTable.Write(folder, Console.Out);
}

return 0;
