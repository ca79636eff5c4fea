using System.Globalization;
using System.Text;
using System.Text.Json;
using Levee.Telemetry;

namespace Levee.Cli.Bench;

/// <summary>What a bench measured within its duration, warm-up left out.</summary>
internal sealed record BenchResult(double Seconds, long Reads, long Hits, long Writes, long Errors, string? FirstError, long Unanswered, LatencyHistogram Latencies, TimeSpan ClientCpu)
{
    private static readonly (string Name, double Quantile)[] Quantiles = [("p50", 0.5), ("p90", 0.9), ("p99", 0.99), ("p99.9", 0.999), ("max", 1)];

    public long Operations => Reads + Writes;

    public double Throughput => Operations / Seconds;

    public double? HitRatio => Reads == 0 ? null : (double)Hits / Reads;

    public double CpuSecondsPerMillion => Operations == 0 ? 0 : ClientCpu.TotalSeconds / Operations * 1e6;

    public void WriteText(TextWriter output, BenchOptions options)
    {
        var text = new StringBuilder();
        text.AppendLine(CultureInfo.InvariantCulture, $"throughput  {Throughput:#,##0} ops/s  ({Reads:#,##0} reads, {Writes:#,##0} writes in {Seconds:0.0} s)");
        text.AppendLine(CultureInfo.InvariantCulture, $"hit ratio   {(HitRatio is { } ratio ? (ratio * 100).ToString("0.00", CultureInfo.InvariantCulture) + " %" : "no reads")}");
        text.Append("latency    ");
        foreach (var (name, quantile) in Quantiles)
        {
            text.Append(CultureInfo.InvariantCulture, $" {name} {Latencies.QuantileNanoseconds(quantile) / 1e6:0.000}");
        }

        text.AppendLine(options.Rate > 0 ? " ms  (from the intended send time)" : " ms  (from the send)");
        text.AppendLine(CultureInfo.InvariantCulture, $"client cpu  {ClientCpu.TotalSeconds:0.00} s, {CpuSecondsPerMillion:0.00} s per million ops");
        if (Unanswered > 0)
        {
            text.AppendLine(CultureInfo.InvariantCulture, $"unanswered  {Unanswered:#,##0} operations were due but not answered by the end; they count in the latencies with the time they had waited");
        }

        if (Errors > 0)
        {
            text.AppendLine(CultureInfo.InvariantCulture, $"errors      {Errors:#,##0}, the first: {FirstError}");
        }

        output.Write(text);
    }

    public void WriteJson(TextWriter output)
    {
        using var buffer = new MemoryStream();
        using (var writer = new Utf8JsonWriter(buffer, new JsonWriterOptions { Indented = true }))
        {
            writer.WriteStartObject();
            writer.WriteNumber("seconds", Seconds);
            writer.WriteNumber("operations", Operations);
            writer.WriteNumber("throughput_per_second", Math.Round(Throughput, 1));
            writer.WriteNumber("reads", Reads);
            writer.WriteNumber("hits", Hits);
            writer.WriteNumber("writes", Writes);
            writer.WriteNumber("errors", Errors);
            writer.WriteNumber("unanswered", Unanswered);
            if (HitRatio is { } ratio)
            {
                writer.WriteNumber("hit_ratio", ratio);
            }

            writer.WriteStartObject("latency_ms");
            foreach (var (name, quantile) in Quantiles)
            {
                writer.WriteNumber(name, Latencies.QuantileNanoseconds(quantile) / 1e6);
            }

            writer.WriteEndObject();
            writer.WriteNumber("client_cpu_seconds", ClientCpu.TotalSeconds);
            writer.WriteNumber("client_cpu_seconds_per_million", CpuSecondsPerMillion);
            writer.WriteEndObject();
        }

        output.WriteLine(Encoding.UTF8.GetString(buffer.ToArray()));
    }
}
