using System.Collections.Concurrent;
using System.Text;
using Levee.Clustering;
using Levee.Hosting;
using Levee.Keys;
using Levee.Memory;
using Levee.Operations;
using Levee.Testing;

namespace Levee.Tests.Clustering;

/// <summary>An executor over a host, of which a test closes partitions and holds answers back.</summary>
internal sealed class SwitchedExecutor(ICacheHost host) : IBatchExecutor
{
    private readonly HashSet<int> absent = [];
    private readonly Lock gate = new();

    public TaskCompletionSource? Commit { get; set; }

    public bool IsCommitted => Commit is null;

    /// <summary>What the host was asked, in order.</summary>
    public List<string> Seen { get; } = [];

    public void Close(params IEnumerable<int> partitions)
    {
        lock (gate)
        {
            absent.UnionWith(partitions);
        }
    }

    public void Open(int partition)
    {
        lock (gate)
        {
            absent.Remove(partition);
        }
    }

    public bool TrySubmit(in Operation operation, IAnswerSink sink, long ticket)
    {
        lock (gate)
        {
            var partition = operation.Kind is OperationKind.Scan or OperationKind.RemoveByTag or OperationKind.Clear or OperationKind.Statistics
                ? operation.Partition : RouterRig.PartitionOf(host, operation.Hash);
            if (absent.Contains(partition))
            {
                return false;
            }

            Seen.Add($"{operation.Kind} {Encoding.Latin1.GetString(operation.Key)} {Encoding.Latin1.GetString(operation.Value)}");
            host.Submit(operation, sink, ticket);
            return true;
        }
    }

    public async ValueTask CommitAsync()
    {
        if (Commit is { } commit)
        {
            await commit.Task;
        }
    }

    public void Flush(IAnswerSink sink) => host.Flush(sink);
}

/// <summary>A target in this process, whose calls a test delays, drops and breaks.</summary>
internal sealed class ServerTarget(string name, BatchServer server) : IBatchTarget
{
    /// <summary>What becomes of each call to execute; null: it goes through at once.</summary>
    public Func<byte[], Func<ValueTask<byte[]>>, ValueTask<byte[]>>? Execution { get; set; }

    public Func<long, Func<ValueTask<byte[]>>, ValueTask<byte[]>>? Collection { get; set; }

    public Func<Func<byte[]>, ValueTask<byte[]>>? Reading { get; set; }

    public Func<Action, ValueTask>? Writing { get; set; }

    public TimeSpan Linger { get; set; }

    public string Name => name;

    public BatchServer Server => server;

    public ConcurrentQueue<byte[]> Requests { get; } = new();

    public ValueTask<byte[]> ExecuteAsync(byte[] request)
    {
        Requests.Enqueue(request);
        return Execution is null ? Through(request) : Execution(request, () => Through(request));
    }

    public ValueTask<byte[]> CollectAsync(long batch) => Collection is null ? server.CollectAsync(batch) : Collection(batch, () => server.CollectAsync(batch));

    public ValueTask<byte[]> ReadLargeAsync(long number, int offset) =>
        Reading is null ? ValueTask.FromResult(server.ReadLarge(number, offset)) : Reading(() => server.ReadLarge(number, offset));

    public ValueTask WriteLargeAsync(long number, int length, int offset, byte[] piece)
    {
        if (Writing is not null)
        {
            return Writing(() => server.WriteLarge(number, length, offset, piece));
        }

        server.WriteLarge(number, length, offset, piece);
        return ValueTask.CompletedTask;
    }

    private ValueTask<byte[]> Through(byte[] request) => server.ExecuteAsync(request, Linger);
}

internal sealed class TableRoutes : IBatchRoutes
{
    public Func<int, IBatchTarget> Target { get; set; } = _ => throw new InvalidOperationException();

    public Func<int, IBatchTarget> Fallback { get; set; } = _ => throw new InvalidOperationException();

    public Func<IBatchTarget, string, IBatchTarget> Keeper { get; set; } = (asked, _) => asked;

    public ConcurrentQueue<(int Partition, string Owner)> Moves { get; } = new();

    public IBatchTarget TargetOf(int partition) => Target(partition);

    public IBatchTarget FallbackOf(int partition) => Fallback(partition);

    public void Moved(int partition, string owner) => Moves.Enqueue((partition, owner));

    public IBatchTarget KeeperOf(IBatchTarget asked, string owner) => Keeper(asked, owner);
}

/// <summary>Keeps answers, and says when an operation has been answered for good.</summary>
internal sealed class WaitingSink : IAnswerSink
{
    private readonly Lock gate = new();
    private readonly Dictionary<long, List<CopiedAnswer>> answers = [];
    private readonly Dictionary<long, TaskCompletionSource<CopiedAnswer>> waiting = [];

    public List<long> Order { get; } = [];

    public void Answer(long ticket, in Answer answer)
    {
        var copy = new CopiedAnswer(ticket, answer.Outcome, answer.Number, CopiedEntry.Of(answer.Entry), answer.Statistics);
        lock (gate)
        {
            var list = AnswersTo(ticket);
            if (list.Count > 0 && list[^1].Outcome != Outcome.Item)
            {
                throw new InvalidOperationException($"operation {ticket} is answered twice: {list[^1].Outcome}, {answer.Outcome}");
            }

            list.Add(copy);
            if (copy.Outcome != Outcome.Item)
            {
                Order.Add(ticket);
                Source(ticket).SetResult(copy);
            }
        }
    }

    public Task<CopiedAnswer> Of(long ticket)
    {
        lock (gate)
        {
            return Source(ticket).Task;
        }
    }

    public List<CopiedAnswer> All(long ticket)
    {
        lock (gate)
        {
            return [.. AnswersTo(ticket)];
        }
    }

    private List<CopiedAnswer> AnswersTo(long ticket) => answers.TryGetValue(ticket, out var list) ? list : answers[ticket] = [];

    private TaskCompletionSource<CopiedAnswer> Source(long ticket) =>
        waiting.TryGetValue(ticket, out var source) ? source : waiting[ticket] = new TaskCompletionSource<CopiedAnswer>(TaskCreationOptions.RunContinuationsAsynchronously);
}

/// <summary>A router in front of one host, or more.</summary>
internal sealed class RouterRig : IAsyncDisposable
{
    public const int Partitions = 4;

    private long ticket;

    public RouterRig(int servers = 1, BatchRouterOptions? options = null, BatchServerOptions? serverOptions = null, long memory = 32 << 20)
    {
        Larges = new LargeValueStore(Arena, 16 << 20);
        for (var i = 0; i < servers; i++)
        {
            var host = new LockHost(new CacheOptions { MemoryBytes = memory, Partitions = Partitions }, Time, seed: 1, maintains: false);
            Hosts.Add(host);
            Executors.Add(new SwitchedExecutor(host));
            Targets.Add(new ServerTarget($"silo{i}", new BatchServer(Executors[i], host.LargeValues, Time, $"silo{i}", serverOptions)));
        }

        Routes.Target = _ => Targets[0];
        Routes.Fallback = _ => Targets[^1];
        Router = new BatchRouter(Partitions, Routes, Larges, options ?? new BatchRouterOptions(), Time);
    }

    public SteppedTime Time { get; } = new();

    public PageArena Arena { get; } = new(64 << 20);

    public LargeValueStore Larges { get; }

    public List<LockHost> Hosts { get; } = [];

    public List<SwitchedExecutor> Executors { get; } = [];

    public List<ServerTarget> Targets { get; } = [];

    public TableRoutes Routes { get; } = new();

    public BatchRouter Router { get; }

    public WaitingSink Sink { get; } = new();

    public static int PartitionOf(ICacheHost host, ulong hash) => host.PartitionCount == 1 ? 0 : (int)(hash >> (64 - System.Numerics.BitOperations.Log2((uint)host.PartitionCount)));

    public static int PartitionOf(string key) => (int)(KeyHash.Of(Encoding.UTF8.GetBytes(key)) >> 62);

    /// <summary>Submits without sending.</summary>
    public Task<CopiedAnswer> Submit(scoped in Operation operation)
    {
        var mine = Interlocked.Increment(ref ticket);
        var partition = operation.Kind is OperationKind.Scan or OperationKind.RemoveByTag or OperationKind.Clear or OperationKind.Statistics
            ? operation.Partition : (int)(operation.Hash >> 62);
        Router.Submit(partition, operation, Sink, mine);
        return Sink.Of(mine);
    }

    public Task<CopiedAnswer> Do(scoped in Operation operation)
    {
        var answer = Submit(operation);
        Router.Flush();
        return answer;
    }

    public Task<CopiedAnswer> Get(string key) => Do(TestBed.On(key, OperationKind.Get));

    public Task<CopiedAnswer> Set(string key, string value) => Do(SetOf(key, value));

    public static Operation SetOf(string key, string value)
    {
        var operation = TestBed.On(key, OperationKind.Set);
        operation.Value = Encoding.Latin1.GetBytes(value);
        return operation;
    }

    public async ValueTask DisposeAsync()
    {
        await Router.DisposeAsync();
        foreach (var target in Targets)
        {
            await target.Server.DisposeAsync();
        }

        foreach (var host in Hosts)
        {
            await host.DisposeAsync();
        }

        Arena.Dispose();
    }
}
