using Levee.Telemetry;
using Xunit;

namespace Levee.Tests.Telemetry;

public sealed class LatencyHistogramTests
{
    private static readonly double[] Quantiles = [0, 0.001, 0.1, 0.5, 0.9, 0.99, 0.999, 0.9999, 1];

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    public void A_quantile_is_never_below_the_sorted_data_s_and_at_most_a_64th_above(int seed)
    {
        var random = new Random(seed);
        var histogram = new LatencyHistogram();
        var values = new long[50_000];
        for (var index = 0; index < values.Length; index++)
        {
            // Every magnitude from 1 ns to 10 hours.
            values[index] = (long)Math.Pow(2, random.NextDouble() * 45);
            histogram.Record(values[index]);
        }

        Array.Sort(values);
        foreach (var quantile in Quantiles)
        {
            var exact = values[Math.Max(1, (int)Math.Ceiling(quantile * values.Length)) - 1];
            Assert.InRange(histogram.QuantileNanoseconds(quantile), exact, exact + (exact / 64));
        }

        Assert.Equal(values.Length, histogram.Count);
        Assert.Equal(values[^1], histogram.QuantileNanoseconds(1));
        Assert.Equal(values.Average() / 1e9 * values.Length, histogram.SumSeconds, 3);
    }

    [Fact]
    public void Every_value_has_one_bucket_and_buckets_rise_with_the_values()
    {
        long last = -1;
        for (long value = 0; value <= LatencyHistogram.MaxNanoseconds; value = value < 5000 ? value + 1 : value + (value / 200))
        {
            var histogram = new LatencyHistogram();
            histogram.Record(value);
            histogram.Record(LatencyHistogram.MaxNanoseconds);
            var reported = histogram.QuantileNanoseconds(0.5);
            Assert.InRange(reported, Math.Max(value, last), value + (value / 64));
            Assert.Equal(value < 128 ? value : reported, reported);
            last = reported;
        }
    }

    [Fact]
    public void Merging_gives_what_recording_into_one_gives()
    {
        var random = new Random(7);
        var all = new LatencyHistogram();
        var parts = new[] { new LatencyHistogram(), new LatencyHistogram(), new LatencyHistogram() };
        for (var index = 0; index < 10_000; index++)
        {
            var value = random.NextInt64(1, 100_000_000);
            all.Record(value);
            parts[index % 3].Record(value);
        }

        var merged = new LatencyHistogram();
        foreach (var part in parts)
        {
            merged.Add(part);
        }

        Assert.Equal(all.Count, merged.Count);
        Assert.Equal(all.Max, merged.Max);
        Assert.All(Quantiles, quantile => Assert.Equal(all.QuantileNanoseconds(quantile), merged.QuantileNanoseconds(quantile)));
        merged.Clear();
        Assert.Equal((0, 0), (merged.Count, merged.QuantileNanoseconds(0.5)));
    }

    [Fact]
    public void What_is_out_of_range_counts_at_its_ends()
    {
        var histogram = new LatencyHistogram();
        histogram.Record(-5);
        histogram.Record(long.MaxValue);
        histogram.Record(TimeSpan.MaxValue);
        Assert.Equal(0, histogram.QuantileNanoseconds(0));
        Assert.Equal(LatencyHistogram.MaxNanoseconds, histogram.QuantileNanoseconds(1));
        Assert.Equal((1, 3), (histogram.CountAtMost(10), histogram.CountAtMost(long.MaxValue)));
        Assert.Throws<ArgumentOutOfRangeException>(() => histogram.QuantileNanoseconds(1.01));
        Assert.Throws<ArgumentOutOfRangeException>(() => histogram.QuantileNanoseconds(double.NaN));
    }

    [Fact]
    public void Recording_allocates_nothing()
    {
        var histogram = new LatencyHistogram();
        histogram.Record(1);
        var before = GC.GetAllocatedBytesForCurrentThread();
        for (var value = 1L; value < 100_000; value++)
        {
            histogram.Record(value);
        }

        Assert.Equal(0, GC.GetAllocatedBytesForCurrentThread() - before);
        Assert.Equal(100_000, histogram.Count);
    }
}
