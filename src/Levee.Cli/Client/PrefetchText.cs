using System.Globalization;

namespace Levee.Cli.Client;

/// <summary>What <c>PREFETCH.STATUS</c> and <c>PREFETCH.QUEUE</c> reply, for people: figures by name, a row for each confidence bucket, a row for each key that waits.</summary>
internal static class PrefetchText
{
    /// <summary>Writes everything in plain columns.</summary>
    public static void Write(TextWriter output, ReplyFields status, IReadOnlyList<ReplyFields> waiting)
    {
        WriteColumns(output, Figures(status), rightAlignedFrom: int.MaxValue);
        var buckets = status.List("buckets");
        if (buckets.Count > 0)
        {
            output.WriteLine();
            WriteColumns(output, [["bucket", "", "issued", "used", "late", "wasted", "tested", "precision"], .. buckets.Select(RowOf)], rightAlignedFrom: 2);
        }

        if (waiting.Count > 0)
        {
            output.WriteLine();
            WriteColumns(output, [["waits", "priority", "since"], .. waiting.Select(WaitingRowOf)], rightAlignedFrom: 1);
        }
    }

    private static List<string[]> Figures(ReplyFields status)
    {
        var learns = status.Number("would_be_misses") is not null;
        List<string[]> rows =
        [
            ["learning", status.IsSet("learning") ? "on" : learns ? "off: hints are followed" : "nobody learns: hints are followed"],
            ["accesses", $"{Count(status, "reported")} reported, {Count(status, "lost")} of them lost"],
            ["hints", $"{Count(status, "hints")} taken; {Count(status, "dropped")} hints and predictions found the queue full, {Count(status, "duplicates")} waited already, {Count(status, "stale")} waited too long"],
            ["loads", $"{Count(status, "asked")} asked for, {Count(status, "promoted")} entries brought up ({Count(status, "from_origin")} from the origin), {Count(status, "failed")} failed"],
            ["under way", $"{Count(status, "in_flight")} of at most {Count(status, "max_in_flight")}, {Count(status, "waiting")} wait; a load takes {Milliseconds(status)}"],
        ];
        if (learns)
        {
            rows.Add(["would-be misses", Count(status, "would_be_misses")]);
            rows.Add(["predictions", $"{Count(status, "issued")} issued, {Count(status, "used")} used, {Count(status, "late")} late, {Count(status, "wasted")} wasted, {Count(status, "failed_predictions")} failed, {Count(status, "dropped_predictions")} dropped"]);
            rows.Add(["threshold", $"a bucket opens at a precision of {Percent(status, "threshold")}"]);
            rows.Add(["look-ahead", $"{Count(status, "look_ahead")} steps"]);
            rows.Add(["area", $"{Count(status, "area_entries")} entries"]);
            rows.Add(["waste", $"{Number(status, "waste_rate")} per would-be miss"]);
            rows.Add(["pollution", $"{Number(status, "pollution")} misses of the latest period"]);
            rows.Add(["memory", Amounts.Bytes(status.Integer("memory_bytes"))]);
        }

        return rows;
    }

    private static string[] RowOf(ReplyFields bucket) =>
    [
        bucket.Text("name"), bucket.IsSet("open") ? "open" : "closed", Count(bucket, "issued"), Count(bucket, "used"), Count(bucket, "late"), Count(bucket, "wasted"), Count(bucket, "tested"), Percent(bucket, "precision"),
    ];

    private static string[] WaitingRowOf(ReplyFields waiting) =>
    [
        waiting.Text("key") is { Length: > 0 } key ? key : $"hash {waiting.Text("hash")}", waiting.Integer("priority") < 0 ? "predicted" : $"{waiting.Integer("priority")}", Amounts.Span(waiting.Integer("age_ms")),
    ];

    private static string Count(ReplyFields fields, string name) => Amounts.Count(fields.Integer(name));

    private static string Percent(ReplyFields fields, string name) => string.Create(CultureInfo.InvariantCulture, $"{100 * fields.Number(name) ?? 0:0.0} %");

    private static string Number(ReplyFields fields, string name) => string.Create(CultureInfo.InvariantCulture, $"{fields.Number(name) ?? 0:0.###}");

    private static string Milliseconds(ReplyFields status) => status.Number("mean_load_ms") is > 0 and var ms ? string.Create(CultureInfo.InvariantCulture, $"{ms:0.###} ms") : "-";

    private static void WriteColumns(TextWriter output, List<string[]> rows, int rightAlignedFrom)
    {
        int[] widths = [.. Enumerable.Range(0, rows[0].Length).Select(column => rows.Max(row => row[column].Length))];
        foreach (var row in rows)
        {
            output.WriteLine(string.Join("  ", row.Select((cell, column) => column >= rightAlignedFrom ? cell.PadLeft(widths[column]) : cell.PadRight(widths[column]))).TrimEnd());
        }
    }
}
