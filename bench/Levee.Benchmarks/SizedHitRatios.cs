using System.Globalization;
using System.IO.Compression;
using System.Text;
using Levee.Eviction;
using Levee.Learning;

namespace Levee.Benchmarks;

/// <summary>Object and byte hit ratio of every policy on traces with sizes, beside those of another simulator. See bench/sizes.sh.</summary>
internal static class SizedHitRatios
{
    private static readonly double[] Fractions = [0.001, 0.01, 0.05, 0.1, 0.2];

    // Our policy, what a miss costs, and the name in the CSV, empty where it has none.
    private static readonly (string Policy, MissCost Cost, string Shown, string Theirs)[] Runs =
    [
        ("arc", MissCost.Objects, "arc", "arc"),
        ("lru", MissCost.Objects, "lru", "lru"),
        ("s3-fifo", MissCost.Objects, "s3-fifo", "s3fifo"),
        ("w-tinylfu", MissCost.Objects, "w-tinylfu", "wtinylfu"),
        ("lirs", MissCost.Objects, "lirs", "lirs"),
        ("gdsf", MissCost.Objects, "gdsf, a miss costs 1", "gdsf"),
        ("gdsf", MissCost.Bytes, "gdsf, a miss costs its bytes", "lfu"),
    ];

    /// <summary>Writes the report.</summary>
    /// <param name="folder">Where the traces are.</param>
    /// <param name="csv">Lines of trace, fraction, policy, object hit ratio, byte hit ratio.</param>
    /// <param name="version">What is measured.</param>
    public static string Report(string folder, string csv, string version)
    {
        var theirs = File.ReadLines(csv).Skip(1).Select(line => line.Split(','))
            .ToDictionary(fields => (fields[0], Parse(fields[1]), fields[2]), fields => (Objects: 100 * Parse(fields[3]), Bytes: 100 * Parse(fields[4])));
        var report = new StringBuilder(
            $"""
            # Hit ratios with sizes

            Command: `bench/sizes.sh`. Levee at {version}. Cold start, every entry weighs its size in bytes, capacity as a part of the bytes of all keys (each by its first size). In each cell: object hit ratio, ours (theirs),
            then byte hit ratio, ours (theirs), in percent. Theirs are another simulator's; beside `gdsf, a miss costs its bytes` stands its `lfu`. How weights enter ARC, S3-FIFO, W-TinyLFU and LIRS is no paper's, so these
            columns differ by choice; LRU and GDSF are comparable.

            """);
        foreach (var trace in theirs.Keys.Select(key => key.Item1).Distinct().Order(StringComparer.Ordinal))
        {
            var file = Path.Combine(folder, $"{trace}.sized.txt.gz");
            if (!File.Exists(file))
            {
                report.Append(CultureInfo.InvariantCulture, $"\nThere is no trace {trace}.\n");
                continue;
            }

            var requests = Read(file);
            var footprint = requests.DistinctBy(request => request.Key).Sum(request => (long)request.Size);
            report.Append(CultureInfo.InvariantCulture, $"\n| {trace}, {requests.Length:N0} requests, {footprint / 1048576.0:F0} MiB |");
            report.AppendJoin("", Fractions.Select(fraction => string.Create(CultureInfo.InvariantCulture, $" {100 * fraction:G} % |")));
            report.Append("\n|---|").AppendJoin("", Fractions.Select(_ => "---|")).Append('\n');
            foreach (var run in Runs)
            {
                report.Append(CultureInfo.InvariantCulture, $"| {run.Shown} |");
                foreach (var fraction in Fractions)
                {
                    var (objects, bytes) = Replay(run.Policy, run.Cost, (long)(fraction * footprint), requests);
                    var other = theirs[(trace, fraction, run.Theirs)];
                    report.Append(CultureInfo.InvariantCulture, $" {objects:F2} ({other.Objects:F2}), {bytes:F2} ({other.Bytes:F2}) |");
                }

                report.Append('\n');
            }
        }

        return report.ToString();
    }

    private static (double Objects, double Bytes) Replay(string policy, MissCost cost, long capacity, (ulong Key, int Size)[] requests)
    {
        using var simulation = new PolicySimulation(policy, capacity, CapacityUnit.Bytes, requests.Max(request => request.Size), cost);
        long hit = 0;
        foreach (var (key, size) in requests)
        {
            hit += simulation.Access(key, size) ? size : 0;
        }

        return (100 * simulation.HitRatio, 100.0 * hit / requests.Sum(request => (long)request.Size));
    }

    private static (ulong Key, int Size)[] Read(string path)
    {
        using var reader = new StreamReader(new GZipStream(File.OpenRead(path), CompressionMode.Decompress));
        List<(ulong, int)> requests = [];
        while (reader.ReadLine() is { } line)
        {
            var fields = line.Split(' ');
            requests.Add((ulong.Parse(fields[0], CultureInfo.InvariantCulture), int.Parse(fields[1], CultureInfo.InvariantCulture)));
        }

        return [.. requests];
    }

    private static double Parse(string text) => double.Parse(text, CultureInfo.InvariantCulture);
}
