using System.Text;
using BenchmarkDotNet.Attributes;
using Levee.Clustering;
using Levee.Hosting;
using Levee.Keys;
using Levee.Operations;

namespace Levee.Benchmarks;

/// <summary>
/// 64 gets of 100 bytes under 16-byte keys, in one thread: submitted to a host one by one, and packed into a request, executed by a server on the same host, and the answers decoded.
/// Both sinks copy the value. The last has a router before the server, as a silo has.
/// </summary>
[MemoryDiagnoser]
public class PackedBatchBenchmarks : IAnswerSink, IDisposable
{
    private const int Batch = 64;
    private const int Batches = 200;

    private readonly byte[] copy = new byte[Limits.MaxInlineBytes];
    private readonly OperationBatchWriter writer = new();
    private LockHost host = null!;
    private BatchServer server = null!;
    private BatchRouter router = null!;
    private byte[][] keys = [];
    private ulong[] hashes = [];
    private byte[] scratch = [];
    private long number;
    private int next;

    /// <summary>Entries: 1,024 lie in the processor's cache, a million in memory.</summary>
    [Params(1024, 1_000_000)]
    public int Keys { get; set; }

    public long Copied { get; private set; }

    [GlobalSetup]
    public void Setup()
    {
        host = new LockHost(new CacheOptions { MemoryBytes = 512L << 20 }, TimeProvider.System);
        var executor = new HostExecutor(host);
        server = new BatchServer(executor, host.LargeValues, TimeProvider.System, "silo");
        var target = new HereTarget(server);
        router = new BatchRouter(host.PartitionCount, new HereRoutes(target), host.LargeValues, new BatchRouterOptions(), TimeProvider.System);
        keys = [.. Enumerable.Range(0, Keys).Select(i => Encoding.UTF8.GetBytes($"key:{i:D12}"))];
        new Random(1).Shuffle(keys);
        hashes = [.. keys.Select(key => KeyHash.Of(key))];
        for (var i = 0; i < keys.Length; i++)
        {
            host.Submit(new Operation { Kind = OperationKind.Set, Key = keys[i], Hash = hashes[i], Value = new byte[100] }, this, 0);
        }
    }

    [Benchmark(Baseline = true, OperationsPerInvoke = Batch * Batches)]
    public void Submitted()
    {
        for (var i = 0; i < Batch * Batches; i++)
        {
            var k = Next();
            host.Submit(new Operation { Kind = OperationKind.Get, Key = keys[k], Hash = KeyHash.Of(keys[k]) }, this, i);
        }
    }

    [Benchmark(OperationsPerInvoke = Batch * Batches)]
    public void Packed()
    {
        Span<int> starts = stackalloc int[Batch + 1];
        for (var b = 0; b < Batches; b++)
        {
            writer.Begin(++number);
            for (var i = 0; i < Batch; i++)
            {
                var k = Next();
                var hash = KeyHash.Of(keys[k]);
                starts[i] = writer.Bytes;
                writer.TryAdd(host.PartitionOf(hash), new Operation { Kind = OperationKind.Get, Key = keys[k], Hash = hash });
            }

            var request = writer.ToArray();
            var reader = new AnswerBatchReader(server.Execute(request));
            while (reader.TryRead(out var answer))
            {
                Answer(answer.Index, new Answer(answer.Outcome, answer.View(request.AsSpan(starts[answer.Index]), null, ref scratch), answer.Number));
            }
        }
    }

    [Benchmark(OperationsPerInvoke = Batch * Batches)]
    public void Routed()
    {
        for (var b = 0; b < Batches; b++)
        {
            for (var i = 0; i < Batch; i++)
            {
                var k = Next();
                var hash = KeyHash.Of(keys[k]);
                router.Submit(host.PartitionOf(hash), new Operation { Kind = OperationKind.Get, Key = keys[k], Hash = hash }, this, i);
            }

            router.Flush();
        }
    }

    public void Answer(long ticket, in Answer answer)
    {
        var value = answer.Entry.IsEmpty ? default : answer.Entry.Value;
        value.CopyTo(copy);
        Copied += value.Length;
    }

    [GlobalCleanup]
    public void Dispose()
    {
        router?.DisposeAsync().AsTask().Wait();
        server?.DisposeAsync().AsTask().Wait();
        host?.DisposeAsync().AsTask().Wait();
        GC.SuppressFinalize(this);
    }

    private int Next() => next = next + 1 == keys.Length ? 0 : next + 1;

    private sealed class HereTarget(BatchServer server) : IBatchTarget
    {
        public string Name => "silo";

        public ValueTask<byte[]> ExecuteAsync(byte[] request) => server.ExecuteAsync(request, TimeSpan.Zero);

        public ValueTask<byte[]> CollectAsync(long batch) => server.CollectAsync(batch);

        public ValueTask<byte[]> ReadLargeAsync(long number, int offset) => ValueTask.FromResult(server.ReadLarge(number, offset));

        public ValueTask WriteLargeAsync(long number, int length, int offset, byte[] piece)
        {
            server.WriteLarge(number, length, offset, piece);
            return ValueTask.CompletedTask;
        }
    }

    private sealed class HereRoutes(IBatchTarget target) : IBatchRoutes
    {
        public IBatchTarget TargetOf(int partition) => target;

        public IBatchTarget FallbackOf(int partition) => target;

        public void Moved(int partition, string owner)
        {
        }

        public IBatchTarget KeeperOf(IBatchTarget asked, string owner) => asked;
    }
}
