using System.Diagnostics;
using System.Globalization;
using System.Net;
using System.Net.Sockets;
using System.Text;
using Levee.Keys;
using Levee.Operations;
using Levee.Partitions;
using Levee.Tiers;
using Levee.Tiers.Redis;
using Microsoft.Extensions.Logging.Abstractions;

namespace Levee.TierBench;

/// <summary>
/// The Redis tier's throughput, through the tier, beside what <c>redis-benchmark -t set,get -P 16 -d 200</c> reaches on the same server: before, in between and after, so that a noisy
/// machine shows.
/// </summary>
internal static class RedisBench
{
    private const int ValueBytes = 200;
    private const int Rounds = 3;

    public static async Task<int> RunAsync(ReadOnlyMemory<string> arguments)
    {
        var given = arguments.ToArray();
        var entries = int.Parse(given.ElementAtOrDefault(1) ?? "1000000", CultureInfo.InvariantCulture);
        var readers = int.Parse(given.ElementAtOrDefault(2) ?? "1024", CultureInfo.InvariantCulture);
        var own = given.Length == 0 || given[0] == "-" ? StartServer() : null;
        try
        {
            var options = RedisOptions.Parse(own?.Address ?? new Uri(given[0]));
            for (var round = 1; round <= Rounds; round++)
            {
                var (set, get) = await ReferenceAsync(options, entries);
                var (demoted, read, allocated) = await TierAsync(options, entries, readers);
                Console.WriteLine(
                    $"round {round}: redis-benchmark SET {set:N0}/s GET {get:N0}/s; tier demote {demoted:N0}/s ({demoted / set:0.00}x) read {read:N0}/s ({read / get:0.00}x), {allocated:0} bytes allocated per read");
            }

            return 0;
        }
        finally
        {
            own?.Process.Kill();
            own?.Process.Dispose();
        }
    }

    private static async Task<(double Set, double Get)> ReferenceAsync(RedisOptions options, int requests)
    {
        var start = new ProcessStartInfo("redis-benchmark") { RedirectStandardOutput = true };
        foreach (var argument in $"-h {options.Host} -p {options.Port} -t set,get -P 16 -d {ValueBytes} -n {requests} --csv".Split(' '))
        {
            start.ArgumentList.Add(argument);
        }

        using var process = Process.Start(start)!;
        var rates = new List<double>();
        while (await process.StandardOutput.ReadLineAsync() is { } line)
        {
            if (line.StartsWith("\"SET\"", StringComparison.Ordinal) || line.StartsWith("\"GET\"", StringComparison.Ordinal))
            {
                rates.Add(double.Parse(line.Split(',')[1].Trim('"'), CultureInfo.InvariantCulture));
            }
        }

        await process.WaitForExitAsync();
        return (rates[0], rates[1]);
    }

    private static async Task<(double Demoted, double Read, double Allocated)> TierAsync(RedisOptions options, int entries, int readers)
    {
        var folder = Directory.CreateTempSubdirectory("levee-bench-").FullName;
        try
        {
            var keys = new byte[entries][];
            var hashes = new ulong[entries];
            for (var i = 0; i < entries; i++)
            {
                keys[i] = Encoding.ASCII.GetBytes($"key:{i:D12}");
                hashes[i] = KeyHash.Of(keys[i]);
            }

            await using var tier = new RedisTier(options, new TierContext { StateFolder = folder, CapacityBytes = 8L << 30, Logger = NullLogger.Instance });
            await tier.StartAsync(new BenchHost(), CancellationToken.None);
            while (tier.GetStatistics().Health != TierHealth.Healthy)
            {
                await Task.Delay(10);
            }

            // Warm the code on a part of it.
            await DemoteAsync(tier, keys, hashes, entries / 10);
            await ReadAsync(tier, keys, hashes, entries / 10, readers);

            var cpu = Environment.CpuUsage.TotalTime;
            var demoted = await DemoteAsync(tier, keys, hashes, entries);
            var demoteCpu = (Environment.CpuUsage.TotalTime - cpu).TotalMicroseconds / entries;
            cpu = Environment.CpuUsage.TotalTime;
            var allocated = GC.GetTotalAllocatedBytes(precise: true);
            var read = await ReadAsync(tier, keys, hashes, entries, readers);
            var perRead = (GC.GetTotalAllocatedBytes(precise: true) - allocated) / (double)entries;
            var readCpu = (Environment.CpuUsage.TotalTime - cpu).TotalMicroseconds / entries;
            Console.WriteLine($"         processor time of this process: {demoteCpu:0.00} us per demotion, {readCpu:0.00} us per read");
            return (demoted, read, perRead);
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    // From the first demotion until Redis has answered the last: what had no room is demoted again.
    private static async Task<double> DemoteAsync(RedisTier tier, byte[][] keys, ulong[] hashes, int count)
    {
        var value = new byte[ValueBytes];
        var target = tier.GetStatistics().WriteRequests;
        var began = Stopwatch.GetTimestamp();
        var drops = tier.GetStatistics().Drops;
        for (var i = 0; i < count; i++)
        {
            tier.Demote(new TierEntry { Hash = hashes[i], Key = keys[i], Value = value, Version = 1, ExpiresAt = Limits.Never });
            if (i % 4096 == 4095)
            {
                while (tier.GetStatistics() is var now && now.Demotions - target - (now.WriteRequests - target) > 50_000)
                {
                    await Task.Delay(1);
                }
            }
        }

        while (!tier.IsDrained())
        {
            await Task.Delay(1);
        }

        var seconds = Stopwatch.GetElapsedTime(began).TotalSeconds;
        if (tier.GetStatistics().Drops != drops)
        {
            throw new InvalidOperationException("Demotions were dropped: the rate would count what was not written.");
        }

        return count / seconds;
    }

    private static async Task<double> ReadAsync(RedisTier tier, byte[][] keys, ulong[] hashes, int count, int readers)
    {
        var next = -1;
        var began = Stopwatch.GetTimestamp();
        await Task.WhenAll(Enumerable.Range(0, readers).Select(_ => Task.Run(ReaderAsync)));
        return count / Stopwatch.GetElapsedTime(began).TotalSeconds;

        async Task ReaderAsync()
        {
            while (Interlocked.Increment(ref next) is var i && i < count)
            {
                // Keys in an order of no pattern.
                var at = (int)((uint)i * 2654435761L % count);
                using var read = await tier.ReadAsync(hashes[at], keys[at], CancellationToken.None).ConfigureAwait(false);
                if (read.Outcome != TierReadOutcome.Found)
                {
                    throw new InvalidOperationException($"A read ended {read.Outcome}.");
                }
            }
        }
    }

    private static OwnServer StartServer()
    {
        using var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        var port = ((IPEndPoint)listener.LocalEndpoint).Port;
        listener.Stop();
        var start = new ProcessStartInfo("redis-server") { RedirectStandardOutput = true };
        foreach (var argument in new[] { "--port", port.ToString(CultureInfo.InvariantCulture), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no" })
        {
            start.ArgumentList.Add(argument);
        }

        var process = Process.Start(start)!;
        while (process.StandardOutput.ReadLine() is { } line && !line.Contains("Ready to accept connections", StringComparison.Ordinal))
        {
        }

        return new OwnServer(process, new Uri($"redis://127.0.0.1:{port}/0"));
    }

    private sealed record OwnServer(Process Process, Uri Address);

    private sealed class BenchHost : ITierHost
    {
        public string CacheName => "bench";

        public int PartitionCount => 16;

        public bool IfTrue<TState>(scoped in TierEntry entry, TState state, Func<TState, bool> action) => action(state);

        public void RecoverTagRemoval(int partition, ReadOnlySpan<byte> tag, ulong version)
        {
        }

        public void RecoverClear(int partition, ulong version)
        {
        }
    }
}
