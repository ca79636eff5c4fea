using System.Diagnostics;
using Levee.Caching;
using Levee.Keys;
using Levee.Orleans.Grains;
using Microsoft.Extensions.DependencyInjection;
using Orleans.Runtime.Placement;

namespace Levee.ClusterBench;

/// <summary>Two silos in processes of their own: one partition of 64 MiB goes from the one to the other and back, while a client reads its keys. How long that takes, and the longest that a read waited.</summary>
internal static class MoveBench
{
    private const int Partitions = 4;
    private const int ValueBytes = 1000;
    private const int Entries = (64 << 20) / ValueBytes;

    public static async Task RunAsync(BenchArguments arguments)
    {
        var rounds = arguments.Number("rounds", 6);
        using var first = await SiloProcess.StartAsync(arguments.With("partitions", $"{Partitions}"));
        using var second = await SiloProcess.StartAsync(arguments.With("partitions", $"{Partitions}"), first.Silo);
        using var client = await ClientBench.ConnectAsync(arguments, first.Gateway, second.Gateway);
        var cache = client.Services.GetRequiredService<ILeveeCache>();
        var cluster = client.Services.GetRequiredService<IClusterClient>();
        var management = cluster.GetGrain<IManagementGrain>(0);
        var silos = (await management.GetHosts(true)).Keys.ToArray();
        var grain = cluster.GetGrain<ICachePartitionGrain>(PartitionKey.Of("default", 0));
        var shift = 64 - System.Numerics.BitOperations.Log2(Partitions);
        var names = Enumerable.Range(0, int.MaxValue).Select(Measure.Key).Where(key => KeyHash.Of(System.Text.Encoding.UTF8.GetBytes(key)) >> shift == 0).Take(Entries).ToArray();
        await ClientBench.FillAsync(cache, names, ValueBytes);
        for (var round = 0; round < rounds; round++)
        {
            var owner = await grain.Ensure();
            var target = silos.First(silo => !silo.Equals(owner));
            using var ending = new CancellationTokenSource();
            var readers = Enumerable.Range(0, 4).Select(reader => Task.Run(() => ReadAsync(cache, names, reader * 1000, ending.Token))).ToArray();
            await Task.Delay(500);
            var began = Stopwatch.GetTimestamp();
            RequestContext.Set(IPlacementDirector.PlacementHintKey, target);
            var now = owner;
            for (var tries = 0; tries < 200 && !now.Equals(target); tries++)
            {
                await grain.MoveTo(target);
                now = await grain.Ensure(); // It may come before the deactivation; then it is tried again.
            }

            RequestContext.Clear();
            var claimed = Stopwatch.GetElapsedTime(began);
            await Task.Delay(3000);
            await ending.CancelAsync();
            var reads = await Task.WhenAll(readers);
            Measure.Print($"{owner} -> {now}: usable there after {claimed.TotalMilliseconds:0} ms; {Entries * (long)ValueBytes >> 20} MiB; longest read {reads.Max(read => read.Longest).TotalMilliseconds:0.0} ms; {reads.Sum(read => read.Count)} reads, {reads.Sum(read => read.Missed)} missed");
        }

        await client.StopAsync();
    }

    private static async Task<(long Count, long Missed, TimeSpan Longest)> ReadAsync(ILeveeCache cache, string[] names, int next, CancellationToken ending)
    {
        var longest = TimeSpan.Zero;
        long count = 0, missed = 0;
        for (; !ending.IsCancellationRequested; count++)
        {
            var began = Stopwatch.GetTimestamp();
            missed += await cache.GetAsync(names[next++ % names.Length], CancellationToken.None) is null ? 1 : 0;
            var elapsed = Stopwatch.GetElapsedTime(began);
            longest = elapsed > longest ? elapsed : longest;
        }

        return (count, missed, longest);
    }
}
