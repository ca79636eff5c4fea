using System.Diagnostics;
using System.Globalization;
using System.Text;

namespace Levee.ClusterBench;

/// <summary>What the benchmarks share.</summary>
internal static class Measure
{
    public const int ValueBytes = 100;

    public static string Key(int i) => string.Create(CultureInfo.InvariantCulture, $"key:{i:D12}");

    public static byte[] KeyBytes(int i) => Encoding.UTF8.GetBytes(Key(i));

    public static double Median(IEnumerable<double> values)
    {
        var sorted = values.Order().ToArray();
        return sorted.Length % 2 == 1 ? sorted[sorted.Length / 2] : (sorted[(sorted.Length / 2) - 1] + sorted[sorted.Length / 2]) / 2;
    }

    public static TimeSpan OwnCpu()
    {
        using var self = Process.GetCurrentProcess();
        return self.TotalProcessorTime;
    }

    public static void Print(FormattableString line) => Console.WriteLine(FormattableString.Invariant(line));
}
