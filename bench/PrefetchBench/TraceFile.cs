using System.Globalization;
using System.IO.Compression;

namespace Levee.PrefetchBench;

/// <summary>A trace as ids, and whether they are numbers.</summary>
internal sealed record TraceFile(ulong[] Ids, bool AreNumbers)
{
    /// <summary>Reads a trace by the name that a <see cref="Cell"/> gives it.</summary>
    /// <returns>Null where the file is not there.</returns>
    public static TraceFile? TryRead(string folder, string name)
    {
        var isHashed = name.EndsWith("-h", StringComparison.Ordinal);
        var stem = isHashed ? name[..^2] : name.EndsWith("-req", StringComparison.Ordinal) ? name[..^4] : name;
        var path = Array.Find([$"{stem}.lis.gz", $"{stem}.txt.gz", $"{stem}.sized.txt.gz"], file => File.Exists(Path.Combine(folder, file)));
        if (path is null)
        {
            return null;
        }

        // A .lis line without the suffix -req counts as all its blocks.
        var isExpanded = path.EndsWith(".lis.gz", StringComparison.Ordinal) && !name.EndsWith("-req", StringComparison.Ordinal);
        List<ulong> ids = [];
        using var reader = new StreamReader(new GZipStream(File.OpenRead(Path.Combine(folder, path)), CompressionMode.Decompress));
        while (reader.ReadLine() is { } line)
        {
            if (line.Length == 0)
            {
                continue;
            }

            var fields = line.Split(' ', 3);
            var start = ulong.Parse(fields[0], CultureInfo.InvariantCulture);
            var count = isExpanded ? ulong.Parse(fields[1], CultureInfo.InvariantCulture) : 1;
            for (var i = 0UL; i < count; i++)
            {
                ids.Add(isHashed ? Mix(start + i) : start + i);
            }
        }

        return new TraceFile([.. ids], !isHashed);
    }

    /// <summary>A bijection without any order: the finalizer of SplitMix64.</summary>
    private static ulong Mix(ulong id)
    {
        id += 0x9E3779B97F4A7C15;
        id = (id ^ (id >> 30)) * 0xBF58476D1CE4E5B9;
        id = (id ^ (id >> 27)) * 0x94D049BB133111EB;
        return id ^ (id >> 31);
    }
}
