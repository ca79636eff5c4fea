using System.IO.Compression;

namespace Levee.Testing;

/// <summary>
/// The public traces that long tests replay. They are no part of the repository: the folder is named by LEVEE_TRACES, or lies beside the repository as
/// <c>../shared/traces</c>.
/// </summary>
public static class Traces
{
    /// <summary>Whether long tests are asked for (LEVEE_LONG=1).</summary>
    public static bool LongTestsAreOn => Environment.GetEnvironmentVariable("LEVEE_LONG") == "1";

    /// <summary>Why long tests are skipped where they are.</summary>
    public const string LongTestsAreOff = "Long test: set LEVEE_LONG=1 to run it.";

    /// <summary>The path of a trace, or null where there is none.</summary>
    public static string? Find(string file)
    {
        if (Environment.GetEnvironmentVariable("LEVEE_TRACES") is { Length: > 0 } named)
        {
            var path = Path.Combine(named, file);
            return File.Exists(path) ? path : null;
        }

        for (var folder = new DirectoryInfo(AppContext.BaseDirectory); folder != null; folder = folder.Parent)
        {
            var path = Path.Combine(folder.FullName, "shared", "traces", file);
            if (File.Exists(path))
            {
                return path;
            }
        }

        return null;
    }

    /// <summary>The keys of a gzipped trace: those of a <c>.lis</c> file, else the first field of each line, which must be a number.</summary>
    public static ulong[] ReadKeys(string path)
    {
        if (path.EndsWith(".lis.gz", StringComparison.Ordinal))
        {
            return ReadLis(path);
        }

        using var reader = new StreamReader(new GZipStream(File.OpenRead(path), CompressionMode.Decompress));
        List<ulong> keys = [];
        while (reader.ReadLine() is { } line)
        {
            keys.Add(ulong.Parse(line.Split(' ')[0]));
        }

        return [.. keys];
    }

    /// <summary>The keys of a gzipped <c>.lis</c> file, every line expanded to its blocks.</summary>
    public static ulong[] ReadLis(string path)
    {
        using var reader = new StreamReader(new GZipStream(File.OpenRead(path), CompressionMode.Decompress));
        List<ulong> keys = [];
        while (reader.ReadLine() is { } line)
        {
            var fields = line.Split(' ');
            var start = ulong.Parse(fields[0]);
            var count = ulong.Parse(fields[1]);
            for (ulong i = 0; i < count; i++)
            {
                keys.Add(start + i);
            }
        }

        return [.. keys];
    }

    /// <summary>The keys and sizes of a gzipped <c>.sized.txt</c> file.</summary>
    public static (ulong Key, int Size)[] ReadSized(string path)
    {
        using var reader = new StreamReader(new GZipStream(File.OpenRead(path), CompressionMode.Decompress));
        List<(ulong, int)> requests = [];
        while (reader.ReadLine() is { } line)
        {
            var fields = line.Split(' ');
            requests.Add((ulong.Parse(fields[0]), int.Parse(fields[1])));
        }

        return [.. requests];
    }
}
