using System.Buffers;
using System.Globalization;
using System.Text;
using Levee.Telemetry;

namespace Levee.Server.Metrics;

/// <summary>
/// Writes metrics in the Prometheus text format 0.0.4. Samples of a family must stand together whoever writes them, so each family gathers its own text, and
/// <see cref="WriteTo"/> puts the families out in the order in which they first came.
/// </summary>
public sealed class MetricWriter
{
    /// <summary>The format's content type.</summary>
    public const string ContentType = "text/plain; version=0.0.4; charset=utf-8";

    /// <summary>Upper bounds of the buckets of a histogram: 10 µs to 10 s.</summary>
    private static readonly long[] BoundsNanoseconds =
    [
        10_000, 25_000, 50_000, 100_000, 250_000, 500_000, 1_000_000, 2_500_000, 5_000_000, 10_000_000, 25_000_000, 50_000_000, 100_000_000, 250_000_000, 500_000_000,
        1_000_000_000, 2_500_000_000, 5_000_000_000, 10_000_000_000,
    ];

    private readonly OrderedDictionary<string, StringBuilder> families = [];

    /// <summary>Writes a number that only rises; its name ends in <c>_total</c>.</summary>
    public void Counter(string name, string help, double value, params ReadOnlySpan<(string Name, string Value)> labels) =>
        Sample(Family(name, "counter", help), name, value, labels);

    /// <summary>Writes a number that rises and falls.</summary>
    public void Gauge(string name, string help, double value, params ReadOnlySpan<(string Name, string Value)> labels) =>
        Sample(Family(name, "gauge", help), name, value, labels);

    /// <summary>Writes a distribution of durations. A bound counts to within 1/64 of itself, as exact as <see cref="LatencyHistogram"/> is.</summary>
    public void Histogram(string name, string help, LatencyHistogram durations, params ReadOnlySpan<(string Name, string Value)> labels)
    {
        ArgumentNullException.ThrowIfNull(durations);
        Span<double> bounds = stackalloc double[BoundsNanoseconds.Length];
        Span<long> counts = stackalloc long[BoundsNanoseconds.Length + 1];
        var below = 0L;
        for (var i = 0; i < BoundsNanoseconds.Length; i++)
        {
            bounds[i] = BoundsNanoseconds[i] / 1e9;
            var atMost = durations.CountAtMost(BoundsNanoseconds[i]);
            counts[i] = atMost - below;
            below = atMost;
        }

        counts[^1] = durations.CountAtMost(LatencyHistogram.MaxNanoseconds) - below;
        Histogram(name, help, bounds, counts, durations.SumSeconds, labels);
    }

    /// <summary>Writes a distribution that has been counted in buckets.</summary>
    /// <param name="name">The family's name.</param>
    /// <param name="help">What it tells.</param>
    /// <param name="bounds">The buckets' upper bounds, rising.</param>
    /// <param name="counts">How many fell into each bucket alone; one more than there are bounds.</param>
    /// <param name="sum">The sum of all values.</param>
    /// <param name="labels">The labels.</param>
    public void Histogram(string name, string help, ReadOnlySpan<double> bounds, ReadOnlySpan<long> counts, double sum, params ReadOnlySpan<(string Name, string Value)> labels)
    {
        var text = Family(name, "histogram", help);
        (string, string)[] withBound = [.. labels, default];
        var count = 0L;
        for (var i = 0; i < counts.Length; i++)
        {
            count += counts[i];
            withBound[^1] = ("le", i < bounds.Length ? NumberText(bounds[i]) : "+Inf");
            Sample(text, $"{name}_bucket", count, withBound);
        }

        Sample(text, $"{name}_sum", sum, labels);
        Sample(text, $"{name}_count", count, labels);
    }

    /// <summary>Puts everything out.</summary>
    public void WriteTo(IBufferWriter<byte> output)
    {
        foreach (var text in families.Values)
        {
            foreach (var chunk in text.GetChunks())
            {
                Encoding.UTF8.GetBytes(chunk.Span, output);
            }
        }
    }

    private StringBuilder Family(string name, string type, string help)
    {
        if (families.TryGetValue(name, out var text))
        {
            return text;
        }

        text = new StringBuilder().Append("# HELP ").Append(name).Append(' ').Append(help.Replace(@"\", @"\\", StringComparison.Ordinal).Replace("\n", @"\n", StringComparison.Ordinal))
            .Append("\n# TYPE ").Append(name).Append(' ').Append(type).Append('\n');
        families.Add(name, text);
        return text;
    }

    private static void Sample(StringBuilder text, string name, double value, ReadOnlySpan<(string Name, string Value)> labels)
    {
        text.Append(name);
        for (var i = 0; i < labels.Length; i++)
        {
            text.Append(i == 0 ? '{' : ',').Append(labels[i].Name).Append("=\"");
            AppendEscaped(text, labels[i].Value);
            text.Append('"');
        }

        text.Append(labels.IsEmpty ? " " : "} ").Append(NumberText(value)).Append('\n');
    }

    private static void AppendEscaped(StringBuilder text, string value)
    {
        foreach (var character in value)
        {
            _ = character switch
            {
                '\\' => text.Append(@"\\"),
                '"' => text.Append("\\\""),
                '\n' => text.Append(@"\n"),
                _ => text.Append(character),
            };
        }
    }

    private static string NumberText(double value) => value switch
    {
        double.PositiveInfinity => "+Inf",
        double.NegativeInfinity => "-Inf",
        _ => value.ToString("R", CultureInfo.InvariantCulture),
    };
}
