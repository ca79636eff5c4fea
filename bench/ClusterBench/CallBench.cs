using System.Diagnostics;
using System.Net;
using Levee.Caching;
using Levee.Clustering;
using Levee.Hosting;
using Levee.Keys;
using Levee.Operations;
using Levee.Orleans;
using Levee.Orleans.Grains;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Orleans.Concurrency;
using Orleans.Configuration;

namespace Levee.ClusterBench;

/// <summary>
/// In a silo: 64 gets of 100 bytes on one partition, submitted to the host one by one, and as one call of the partition's grain with a packed batch, packing and decoding included. Both sinks copy the value.
/// </summary>
internal static class CallBench
{
    private const int Batch = 64;
    private const int Partitions = 16;
    private const int WarmUp = 6;
    private static readonly TimeSpan Slice = TimeSpan.FromMilliseconds(200);

    public static async Task RunAsync(BenchArguments arguments)
    {
        var keyCount = arguments.Number("keys", 1024);
        var rounds = arguments.Number("rounds", 21);
        var only = arguments.Text("only", "");
        using var app = Build();
        await app.StartAsync();
        var host = app.Services.GetRequiredService<ILeveeSilo>().Hosts[0];
        var cache = app.Services.GetRequiredService<ILeveeCache>();
        var grain = app.Services.GetRequiredService<IGrainFactory>().GetGrain<ICachePartitionGrain>(PartitionKey.Of("default", 0));
        await grain.Ensure();
        var names = Enumerable.Range(0, int.MaxValue).Select(Measure.Key).Where(key => host.PartitionOf(KeyHash.Of(System.Text.Encoding.UTF8.GetBytes(key))) == 0).Take(keyCount).ToArray();
        foreach (var name in names)
        {
            await cache.SetAsync(name, new byte[Measure.ValueBytes]);
        }

        new Random(1).Shuffle(names);
        var keys = names.Select(System.Text.Encoding.UTF8.GetBytes).ToArray();
        foreach (var callers in (int[])[1, 2])
        {
            var direct = new List<Result>();
            var called = new List<Result>();
            var single = new List<Result>();
            for (var round = -WarmUp; round < rounds; round++)
            {
                var a = only is "" or "submit" ? await RunAsync(callers, i => new Caller(host, keys, i * 511).SubmitAsync()) : default;
                var b = only is "" or "call" ? await RunAsync(callers, i => new Caller(host, keys, i * 511).CallAsync(grain)) : default;
                var c = only is "" or "get" ? await RunAsync(callers, i => GetAsync(cache, names, i * 511)) : default;
                if (round < 0)
                {
                    continue; // The code is compiled for good meanwhile.
                }

                direct.Add(a);
                called.Add(b);
                single.Add(c);
            }

            Measure.Print($"{keyCount} keys, {callers} callers, medians of {rounds}:");
            Print("LockHost.Submit, one by one", direct, direct);
            Print($"grain call with {Batch} gets", called, direct);
            Print("ILeveeCache.GetAsync", single, direct);
        }

        await app.StopAsync();
    }

    private static IHost Build()
    {
        var builder = Host.CreateEmptyApplicationBuilder(null);
        builder.UseOrleans(silo =>
        {
            silo.UseLocalhostClustering(FreePort(), FreePort());
            silo.Configure<EndpointOptions>(options => options.AdvertisedIPAddress = IPAddress.Loopback);
            silo.AddMemoryGrainStorage("levee");
            silo.AddLevee(options =>
            {
                options.Caches.Add(new CacheOptions { Partitions = Partitions, MemoryBytes = 512L << 20 });
                options.Lease = TimeSpan.FromMinutes(1); // A machine that others keep busy too does not end the measurement.
            });
        });
        return builder.Build();
    }

    internal static int FreePort()
    {
        using var socket = new System.Net.Sockets.TcpListener(IPAddress.Loopback, 0);
        socket.Start();
        return ((IPEndPoint)socket.LocalEndpoint).Port;
    }

    private static void Print(string name, List<Result> results, List<Result> baseline)
    {
        var ratio = Measure.Median(results.Zip(baseline, (one, other) => one.KeysPerSecond / other.KeysPerSecond));
        Measure.Print($"  {name,-30} {Measure.Median(results.Select(one => one.KeysPerSecond)) / 1e6,6:0.00} M keys/s (best {results.Max(one => one.KeysPerSecond) / 1e6,5:0.00}) {Measure.Median(results.Select(one => one.CpuNsPerKey)),6:0} ns CPU/key   {ratio:0.00}x, by CPU {Measure.Median(baseline.Select(one => one.CpuNsPerKey)) / Measure.Median(results.Select(one => one.CpuNsPerKey)):0.00}x");
    }

    private static async Task<Result> RunAsync(int callers, Func<int, Task<long>> run)
    {
        GC.Collect();
        var cpu = Measure.OwnCpu();
        var began = Stopwatch.GetTimestamp();
        var counts = await Task.WhenAll(Enumerable.Range(0, callers).Select(i => Task.Run(() => run(i))));
        var elapsed = Stopwatch.GetElapsedTime(began);
        return new Result(counts.Sum() / elapsed.TotalSeconds, (Measure.OwnCpu() - cpu).TotalNanoseconds / counts.Sum());
    }

    private static async Task<long> GetAsync(ILeveeCache cache, string[] names, int next)
    {
        var count = 0L;
        for (var began = Stopwatch.GetTimestamp(); Stopwatch.GetElapsedTime(began) < Slice; count += 1024)
        {
            for (var i = 0; i < 1024; i++)
            {
                next = next + 1 >= names.Length ? 0 : next + 1;
                if (await cache.GetAsync(names[next]) is not { Length: Measure.ValueBytes })
                {
                    throw new InvalidOperationException("A key is missing.");
                }
            }
        }

        return count;
    }

    private readonly record struct Result(double KeysPerSecond, double CpuNsPerKey);

    private sealed class Caller(LockHost host, byte[][] keys, int next) : IAnswerSink
    {
        private static long batches;
        private readonly byte[] copy = new byte[Limits.MaxInlineBytes];
        private readonly OperationBatchWriter writer = new();
        private readonly int[] starts = new int[Batch];
        private byte[] scratch = [];
        private long copied;

        public void Answer(long ticket, in Answer answer)
        {
            var value = answer.Entry.IsEmpty ? default : answer.Entry.Value;
            value.CopyTo(copy);
            copied += value.Length;
        }

        public Task<long> SubmitAsync()
        {
            var count = 0L;
            for (var began = Stopwatch.GetTimestamp(); Stopwatch.GetElapsedTime(began) < Slice; count += Batch)
            {
                for (var i = 0; i < Batch; i++)
                {
                    var key = Next();
                    host.Submit(new Operation { Kind = OperationKind.Get, Key = key, Hash = KeyHash.Of(key) }, this, i);
                }
            }

            return Task.FromResult(Checked(count));
        }

        public async Task<long> CallAsync(ICachePartitionGrain grain)
        {
            var count = 0L;
            for (var began = Stopwatch.GetTimestamp(); Stopwatch.GetElapsedTime(began) < Slice; count += Batch)
            {
                var request = Pack();
                Decode(request, (await grain.Execute(new Immutable<byte[]>(request))).Value);
            }

            return Checked(count);
        }

        private byte[] Pack()
        {
            writer.Begin(Interlocked.Increment(ref batches));
            for (var i = 0; i < Batch; i++)
            {
                var key = Next();
                starts[i] = writer.Bytes;
                writer.TryAdd(0, new Operation { Kind = OperationKind.Get, Key = key, Hash = KeyHash.Of(key) });
            }

            return writer.ToArray();
        }

        private void Decode(byte[] request, byte[] reply)
        {
            var reader = new AnswerBatchReader(reply);
            while (reader.TryRead(out var answer))
            {
                Answer(answer.Index, new Answer(answer.Outcome, answer.View(request.AsSpan(starts[answer.Index]), null, ref scratch), answer.Number));
            }
        }

        private byte[] Next() => keys[next = next + 1 >= keys.Length ? 0 : next + 1];

        private long Checked(long count) => copied == count * Measure.ValueBytes ? count : throw new InvalidOperationException($"{copied} bytes came of {count} gets.");
    }
}
