using System.Globalization;

namespace Levee.Serving;

/// <summary>How many files and sockets this process may have open.</summary>
public static class OpenFiles
{
    /// <summary>What the process needs beside its RESP connections: the runtime's own files, listeners, HTTP connections. Without any left the runtime ends the process.</summary>
    private const int Reserve = 256;

    private const string Limits = "/proc/self/limits";

    /// <summary>The most connections that the limit leaves room for; at least one.</summary>
    public static int MostConnections(int wanted)
    {
        var limit = ReadLimit();
        return limit is null ? wanted : (int)Math.Clamp(limit.Value - Reserve, 1, wanted);
    }

    private static long? ReadLimit()
    {
        if (!File.Exists(Limits))
        {
            return null;
        }

        // "Max open files            1024                 524288               files"
        var line = File.ReadLines(Limits).FirstOrDefault(l => l.StartsWith("Max open files", StringComparison.Ordinal));
        var soft = line?.Split(' ', StringSplitOptions.RemoveEmptyEntries).ElementAtOrDefault(3);
        return long.TryParse(soft, NumberStyles.None, CultureInfo.InvariantCulture, out var limit) ? limit : null;
    }
}
