using System.Diagnostics;
using System.Net;
using Levee.Caching;
using Levee.Orleans;
using Levee.Telemetry;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;

namespace Levee.ClusterBench;

/// <summary>
/// A client in this process, a silo in another, which share the processors: single gets and grouped gets of 100 bytes in a closed loop, and both paced at half of what that gave. A paced call counts from when it was due.
/// </summary>
internal static class ClientBench
{
    public static async Task RunAsync(BenchArguments arguments)
    {
        var keyCount = arguments.Number("keys", 100_000);
        var callers = arguments.Number("callers", 64);
        var slice = TimeSpan.FromSeconds(arguments.Number("seconds", 5));
        using var silo = await SiloProcess.StartAsync(arguments);
        using var client = await ConnectAsync(arguments, silo.Gateway);
        var cache = client.Services.GetRequiredService<ILeveeCache>();
        var names = Enumerable.Range(0, keyCount).Select(Measure.Key).ToArray();
        await FillAsync(cache, names, Measure.ValueBytes);
        var single = new Load(silo, callers, slice, async (_, i) => Expect(await cache.GetAsync(names[i % names.Length])));
        await single.RunAsync(null, null, 1);
        foreach (var group in (int[])[1, 64, 128])
        {
            var groups = names.Chunk(group).Where(chunk => chunk.Length == group).ToArray();
            var load = group == 1 ? single : new Load(silo, callers, slice, async (_, i) => Array.ForEach(await cache.GetManyAsync(groups[i % groups.Length]), Expect));
            foreach (var parallel in group == 1 ? (int[])[callers] : [4, callers])
            {
                var most = await load.With(parallel).RunAsync($"{group} keys a call, {parallel} callers, closed loop", null, group);
                await load.With(parallel).RunAsync($"{group} keys a call, {parallel} callers, half of that", most / 2, group);
            }
        }

        await client.StopAsync();
    }

    /// <summary>A client of the cluster.</summary>
    public static async Task<IHost> ConnectAsync(BenchArguments arguments, params IPEndPoint[] gateways)
    {
        var builder = Host.CreateEmptyApplicationBuilder(null);
        builder.UseOrleansClient(client => client.UseStaticClustering(gateways).Configure<global::Orleans.Configuration.ClusterOptions>(options =>
        {
            options.ClusterId = "levee";
            options.ServiceId = "levee";
        }));
        builder.Services.AddLeveeClient(options =>
        {
            options.Gateways = arguments.Number("gateways", options.Gateways);
            options.CallTimeout = TimeSpan.FromSeconds(30); // A machine that others keep busy too does not end the measurement.
        });
        var host = builder.Build();
        await host.StartAsync();
        return host;
    }

    /// <summary>Writes entries, and puts their keys into the order in which they are to be read.</summary>
    public static async Task FillAsync(ILeveeCache cache, string[] names, int valueBytes)
    {
        foreach (var chunk in names.Chunk(500))
        {
            for (var tries = 0; ; tries++)
            {
                var results = await cache.SetManyAsync([.. chunk.Select(name => KeyValuePair.Create(name, (ReadOnlyMemory<byte>)new byte[valueBytes]))]);
                if (results.All(result => result.IsDone))
                {
                    break;
                }

                if (tries == 100)
                {
                    throw new InvalidOperationException("An entry was not stored.");
                }

                await Task.Delay(100); // A silo that has just started claims its partitions.
            }
        }

        new Random(1).Shuffle(names);
    }

    private static void Expect(byte[]? value)
    {
        if (value is not { Length: Measure.ValueBytes })
        {
            throw new InvalidOperationException("A key is missing.");
        }
    }

    private sealed record Load(SiloProcess Silo, int Callers, TimeSpan Slice, Func<int, int, Task> Call)
    {
        public Load With(int callers) => this with { Callers = callers };

        /// <summary>Calls from many callers at once, as fast as they can, or at a rate in calls per second for all.</summary>
        /// <returns>Calls per second.</returns>
        public async Task<double> RunAsync(string? name, double? rate, int keys)
        {
            var each = Enumerable.Range(0, Callers).Select(_ => new LatencyHistogram()).ToArray();
            var own = Measure.OwnCpu();
            var theirs = Silo.Cpu;
            var began = Stopwatch.GetTimestamp();
            var counts = await Task.WhenAll(Enumerable.Range(0, Callers).Select(caller => Task.Run(() => rate is { } all ? PaceAsync(caller, all / Callers, each[caller]) : RunAsync(caller, each[caller]))));
            var elapsed = Stopwatch.GetElapsedTime(began);
            long count = counts.Sum();
            var clientNs = (Measure.OwnCpu() - own).TotalNanoseconds / count;
            var siloNs = (Silo.Cpu - theirs).TotalNanoseconds / count;
            var latencies = new LatencyHistogram();
            Array.ForEach(each, latencies.Add);
            if (name is not null)
            {
                Measure.Print($"{name,-45} {count / elapsed.TotalSeconds,9:0} calls/s {count * keys / elapsed.TotalSeconds / 1e6,6:0.00} M keys/s   p50 {Ms(latencies, 0.5):0.00} p99 {Ms(latencies, 0.99):0.00} p99.9 {Ms(latencies, 0.999):0.00} ms   CPU µs/call: client {clientNs / 1000:0.0}, silo {siloNs / 1000:0.0}");
            }

            return count / elapsed.TotalSeconds;
        }

        private static double Ms(LatencyHistogram latencies, double quantile) => latencies.Quantile(quantile).TotalMilliseconds;

        private async Task<long> RunAsync(int caller, LatencyHistogram latencies)
        {
            var count = 0L;
            var begin = Stopwatch.GetTimestamp();
            for (var began = begin; Stopwatch.GetElapsedTime(begin, began) < Slice; count++)
            {
                await Call(caller, (int)((count * Callers) + caller));
                var now = Stopwatch.GetTimestamp();
                latencies.Record(Stopwatch.GetElapsedTime(began, now));
                began = now;
            }

            return count;
        }

        /// <summary>Calls are due at even distances and start when they are due, or at once where that is past; this caller's next waits for its last.</summary>
        private async Task<long> PaceAsync(int caller, double rate, LatencyHistogram latencies)
        {
            using var timer = new PeriodicTimer(TimeSpan.FromMilliseconds(1));
            var begin = Stopwatch.GetTimestamp();
            var count = 0L;
            for (var isOver = false; !isOver && await timer.WaitForNextTickAsync();)
            {
                // What falls due between two ticks of the timer is due at the second: the timer's steps are not the cache's.
                var tick = Stopwatch.GetElapsedTime(begin);
                var due = Stopwatch.GetTimestamp();
                isOver = tick >= Slice;
                for (var until = (long)(tick.TotalSeconds * rate); count < until; count++)
                {
                    await Call(caller, (int)((count * Callers) + caller));
                    latencies.Record(Stopwatch.GetElapsedTime(due));
                }
            }

            return count;
        }
    }
}
