using System.Globalization;
using Spectre.Console;

namespace Levee.Cli.Client;

/// <summary>Shows tiers side by side: a column each, a row for each figure. The figures are what <c>TIERS</c> replies.</summary>
internal static class TiersReport
{
    /// <summary>A table for a terminal.</summary>
    public static void WriteTable(TextWriter output, IReadOnlyList<ReplyFields> tiers)
    {
        var console = AnsiConsole.Create(new AnsiConsoleSettings { Out = new AnsiConsoleOutput(output) });
        var rows = Rows(tiers);
        var table = new Table().Border(TableBorder.Simple);
        table.AddColumn("");
        for (var i = 0; i < tiers.Count; i++)
        {
            table.AddColumn(new TableColumn($"tier {i}").RightAligned());
        }

        foreach (var row in rows)
        {
            table.AddRow([.. row.Select(Markup.Escape)]);
        }

        console.Write(table);
        foreach (var note in Notes(tiers))
        {
            console.WriteLine(note);
        }
    }

    /// <summary>Plain columns, parted by two blanks or more, for what reads lines.</summary>
    public static void WriteColumns(TextWriter output, IReadOnlyList<ReplyFields> tiers)
    {
        string[][] rows = [["", .. tiers.Select((_, i) => $"tier {i}")], .. Rows(tiers)];
        int[] widths = [.. Enumerable.Range(0, tiers.Count + 1).Select(column => rows.Max(row => row[column].Length))];
        foreach (var row in rows)
        {
            output.WriteLine(string.Join("  ", row.Select((cell, column) => column == 0 ? cell.PadRight(widths[0]) : cell.PadLeft(widths[column]))));
        }

        foreach (var note in Notes(tiers))
        {
            output.WriteLine(note);
        }
    }

    private static IEnumerable<string> Notes(IReadOnlyList<ReplyFields> tiers)
    {
        for (var i = 0; i < tiers.Count; i++)
        {
            if (tiers[i].Text("problem") is { Length: > 0 } problem)
            {
                yield return $"tier {i} is {tiers[i].Text("health")}: {problem}";
            }

            if (tiers[i].Text("price_source") is { Length: > 0 } source)
            {
                yield return $"tier {i}: costs and savings at the traffic of the last {Amounts.Span((long)(1000 * tiers[i].Number("period_seconds") ?? 0))}; prices: {source}";
            }
        }
    }

    private static List<string[]> Rows(IReadOnlyList<ReplyFields> tiers)
    {
        var rows = new List<string[]>();
        Row("name", tier => tier.Text("name"));
        Row("kind", tier => tier.Text("kind"));
        Row("health", tier => tier.Text("health"));
        Row("entries", tier => Amounts.Count(tier.Integer("entries")));
        Row("  not in memory", tier => Amounts.Count(tier.Integer("entries_below")));
        Row("holds", tier => Amounts.Bytes(tier.Integer("held_bytes")));
        Row("capacity", tier => tier.IsSet("capacity_bytes") ? Amounts.Bytes(tier.Integer("capacity_bytes")) : "no bound");
        Row("index, in memory", tier => Amounts.Bytes(tier.Integer("index_bytes")));
        Row("hits", tier => Amounts.Count(tier.Integer("hits")));
        Row("misses", tier => Amounts.Count(tier.Integer("misses")));
        Row("failed reads", tier => Amounts.Count(tier.Integer("failures")));
        Row("mean read", tier => tier.Number("read_ms") is > 0 and var ms ? string.Create(CultureInfo.InvariantCulture, $"{ms:0.###} ms") : "-");
        Row("demotions", tier => Amounts.Count(tier.Integer("demotions")));
        Row("  dropped", tier => Amounts.Count(tier.Integer("drops")));
        Row("carried over", tier => Amounts.Count(tier.Integer("carried_over")));
        Row("damaged", tier => Amounts.Count(tier.Integer("damaged")));
        Row("read requests", tier => Amounts.Count(tier.Integer("read_requests")));
        Row("write requests", tier => Amounts.Count(tier.Integer("write_requests")));
        Row("delete requests", tier => Amounts.Count(tier.Integer("delete_requests")));
        Row("read", tier => Amounts.Bytes(tier.Integer("read_bytes")));
        Row("written", tier => Amounts.Bytes(tier.Integer("written_bytes")));
        Row("given up, to delete", tier => Amounts.Count(tier.Integer("given_up_generations")));
        if (tiers.Any(tier => tier.Number("dollars_per_day") is not null))
        {
            Row("requests a day", tier => Dollars(tier, "request_dollars_per_day"));
            Row("storage a day", tier => Dollars(tier, "storage_dollars_per_day"));
            Row("transfer a day", tier => Dollars(tier, "transfer_dollars_per_day"));
            Row("costs a day", tier => Dollars(tier, "dollars_per_day"));
            Row("saves a day", tier => Dollars(tier, "saved_dollars_per_day"));
            Row("net a day", tier => Dollars(tier, "net_dollars_per_day"));
            Row("waiting saved a day", tier => tier.Number("saved_seconds_per_day") is { } seconds ? Amounts.Span((long)(1000 * seconds)) : "-");
        }

        return rows;

        void Row(string title, Func<ReplyFields, string> figure) => rows.Add([title, .. tiers.Select(figure)]);
    }

    private static string Dollars(ReplyFields tier, string name) => tier.Number(name) is { } dollars ? Amounts.Dollars(dollars) : "-";
}
