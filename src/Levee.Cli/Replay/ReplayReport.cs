using System.Text.Json;
using Levee.Learning;
using Levee.Serving;
using Spectre.Console;

namespace Levee.Cli.Replay;

/// <summary>Shows results: a table for people, JSON for machines.</summary>
internal static class ReplayReport
{
    /// <summary>One table per trace: a row per capacity, a column per policy, hit ratios in percent.</summary>
    public static void WriteTables(TextWriter output, IReadOnlyList<ReplayResult> results, CapacityUnit unit)
    {
        var console = AnsiConsole.Create(new AnsiConsoleSettings { Out = new AnsiConsoleOutput(output) });
        foreach (var ofTrace in results.GroupBy(result => result.Trace))
        {
            if (ofTrace.First().Prefetch is { } prefetched)
            {
                WritePrefetchTable(console, ofTrace.Key, [.. ofTrace], prefetched.LoadLatency);
            }
            else
            {
                WriteTable(console, ofTrace.Key, [.. ofTrace], unit);
            }

            foreach (var result in ofTrace.Where(result => result.Switches is not null))
            {
                var capacity = unit == CapacityUnit.Entries ? $"{result.Capacity}" : ByteSize.Format(result.Capacity);
                console.MarkupLineInterpolated($"auto at {capacity}: begins with {PolicySimulation.FirstOfAuto}{(result.Switches!.Count == 0 ? " and stays" : "")}");
                foreach (var change in result.Switches)
                {
                    console.MarkupLineInterpolated($"  request {change.AtRequest:N0}: {change.Policy}, as {change.Reason}");
                }
            }
        }
    }

    /// <summary>A row per capacity, a column per policy.</summary>
    private static void WriteTable(IAnsiConsole console, string trace, IReadOnlyList<ReplayResult> results, CapacityUnit unit)
    {
        var policies = results.Select(result => result.Policy).Distinct().ToList();
        console.MarkupLineInterpolated($"{trace}: {results[0].Requests:N0} requests, hit ratio in %");
        var table = new Table().Border(TableBorder.Simple);
        table.AddColumn(new TableColumn(unit == CapacityUnit.Entries ? "entries" : "bytes").RightAligned());
        foreach (var policy in policies)
        {
            table.AddColumn(new TableColumn(policy).RightAligned());
        }

        foreach (var ofCapacity in results.GroupBy(result => result.Capacity))
        {
            var ratios = policies.Select(policy => $"{100 * ofCapacity.First(result => result.Policy == policy).HitRatio:F2}");
            table.AddRow([unit == CapacityUnit.Entries ? $"{ofCapacity.Key}" : ByteSize.Format(ofCapacity.Key), .. ratios]);
        }

        console.Write(table);
    }

    /// <summary>A row per capacity and policy: without and with prefetching, in percent.</summary>
    private static void WritePrefetchTable(IAnsiConsole console, string trace, IReadOnlyList<ReplayResult> results, int latency)
    {
        console.MarkupLineInterpolated($"{trace}: {results[0].Requests:N0} requests, a load takes {latency} of them; in %");
        var table = new Table().Border(TableBorder.Simple);
        foreach (var title in (string[])["entries", "policy", "hit ratio", "prefetched", "cut", "precision", "late", "extra"])
        {
            var column = new TableColumn(title);
            table.AddColumn(title == "policy" ? column : column.RightAligned());
        }

        foreach (var result in results.OrderBy(result => result.Capacity))
        {
            var with = result.Prefetch!;
            var late = (double)with.Late / result.Requests;
            var policy = with.Policy == result.Policy ? result.Policy : $"{result.Policy}: {with.Policy}";
            table.AddRow([$"{result.Capacity}", policy, .. ((double[])[result.HitRatio, with.HitRatio, with.MissesCut, with.Precision, late, with.ExtraLoads]).Select(part => $"{100 * part:F2}")]);
        }

        console.Write(table);
    }

    /// <summary>All results as one JSON array, and nothing else.</summary>
    public static void WriteJson(TextWriter output, IReadOnlyList<ReplayResult> results) =>
        output.WriteLine(JsonSerializer.Serialize(results, ReplayJson.Default.IReadOnlyListReplayResult));
}
