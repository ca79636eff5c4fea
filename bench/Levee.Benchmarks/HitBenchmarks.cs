using System.Text;
using BenchmarkDotNet.Attributes;
using Levee.Caching;
using Levee.Hosting;
using Microsoft.Extensions.Caching.Distributed;
using Microsoft.Extensions.Caching.Memory;
using Microsoft.Extensions.Options;

namespace Levee.Benchmarks;

/// <summary>
/// A hit of 100 bytes under a 16-byte key, one of 1,024, into a caller's buffer. MemoryCache hands out its own array, which is copied; MemoryDistributedCache too.
/// With two threads each does all operations: half the time of one thread per operation would be perfect.
/// </summary>
[MemoryDiagnoser]
public class HitBenchmarks : IDisposable
{
    private const int Keys = 1024;
    private const int Operations = 100_000;

    private readonly string[] names = [.. Enumerable.Range(0, Keys).Select(i => $"key:{i:D12}")];
    private readonly byte[][] keys;
    private readonly LeveeCache levee = new(new CacheOptions { MemoryBytes = 256L << 20 });
    private readonly MemoryCache memory = new(new MemoryCacheOptions());
    private readonly MemoryDistributedCache distributed = new(Options.Create(new MemoryDistributedCacheOptions()));

    public HitBenchmarks()
    {
        keys = [.. names.Select(Encoding.UTF8.GetBytes)];
        foreach (var name in names)
        {
            levee.Set(name, new byte[100]);
            memory.Set(name, new byte[100]);
            distributed.Set(name, new byte[100], new DistributedCacheEntryOptions());
        }
    }

    [Params(1, 2)]
    public int Threads { get; set; }

    [Benchmark(Baseline = true, OperationsPerInvoke = Operations)]
    public void MemoryCache() => Run(static (one, i, buffer) => one.memory.Get<byte[]>(one.names[i])!.CopyTo(buffer, 0));

    [Benchmark(OperationsPerInvoke = Operations)]
    public void MemoryDistributedCache() => Run(static (one, i, buffer) => one.distributed.Get(one.names[i])!.CopyTo(buffer, 0));

    [Benchmark(OperationsPerInvoke = Operations)]
    public void LeveeStringKey() => Run(static (one, i, buffer) => one.levee.TryGet(one.names[i], buffer, out _));

    [Benchmark(OperationsPerInvoke = Operations)]
    public void LeveeBytesKey() => Run(static (one, i, buffer) => one.levee.TryGet(one.keys[i], buffer, out _));

    public void Dispose()
    {
        memory.Dispose();
        levee.DisposeAsync().AsTask().Wait();
        GC.SuppressFinalize(this);
    }

    private void Run(Action<HitBenchmarks, int, byte[]> hit)
    {
        if (Threads == 1)
        {
            Loop(hit, 0, Operations);
            return;
        }

        var threads = new Thread[Threads];
        for (var t = 0; t < threads.Length; t++)
        {
            var start = t * 37;
            threads[t] = new Thread(() => Loop(hit, start, Operations / Threads));
            threads[t].Start();
        }

        foreach (var thread in threads)
        {
            thread.Join();
        }
    }

    private void Loop(Action<HitBenchmarks, int, byte[]> hit, int start, int count)
    {
        var buffer = new byte[100];
        for (var i = 0; i < count; i++)
        {
            hit(this, ((start + i) * 7) & (Keys - 1), buffer);
        }
    }
}
