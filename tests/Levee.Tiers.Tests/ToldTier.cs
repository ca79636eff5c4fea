using Levee.Operations;
using Levee.Partitions;

namespace Levee.Tiers.Tests;

/// <summary>A tier that may hold everything and notes what it is told.</summary>
internal sealed class ToldTier : ITier
{
    public List<string> Told { get; } = [];

    /// <summary>The thread on which the tier was first read.</summary>
    public TaskCompletionSource<int> ReadOn { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);

    /// <summary>What a read brings, and when.</summary>
    public Func<ulong, ReadOnlyMemory<byte>?, ValueTask<TierRead>> Reading { get; set; } = static (_, _) => ValueTask.FromResult(TierRead.Absent);

    public string Name => "told";

    public string Kind => "file";

    public ITier? Below { get; set; }

    public long FloorMs => 0;

    public long HoldsFromMs => 0;

    public bool IsCommitted => true;

    public Task StartAsync(ITierHost host, CancellationToken cancellation) => Task.CompletedTask;

    public ValueTask<TierRead> ReadAsync(ulong hash, ReadOnlyMemory<byte>? key, CancellationToken cancellation)
    {
        ReadOn.TrySetResult(Environment.CurrentManagedThreadId);
        return Reading(hash, key);
    }

    public void Reserve(long untilMs) => Told.Add($"reserve {untilMs}");

    public Task DrainAsync(CancellationToken cancellation) => Task.CompletedTask;

    public ValueTask<long> ScanAsync(long position, TierEntryVisitor visit, CancellationToken cancellation) => ValueTask.FromResult(0L);

    public TierStatistics Statistics { get; set; } = new();

    public TierStatistics GetStatistics() => Statistics;

    public TierPlace? Explain(ulong hash) => null;

    public Task StopAsync(CancellationToken cancellation) => Task.CompletedTask;

    public bool MayHold(ulong hash) => true;

    public void Demote(scoped in TierEntry entry) => Told.Add($"demote {entry.Version}");

    /// <summary>Whether it holds what it is asked to keep.</summary>
    public bool Keeps { get; init; }

    public bool Keep(ulong hash)
    {
        Told.Add("keep");
        return Keeps;
    }

    public void Promoted(ulong hash) => Told.Add("promoted");

    public bool TryWriteThrough(scoped in TierEntry entry)
    {
        Told.Add($"write {entry.Version}");
        return true;
    }

    public void Invalidate(ulong hash, ulong version) => Told.Add($"invalidate {version}");

    public void Forget(ulong hash) => Told.Add("forget");

    /// <summary>Whether tag removals and clears find room in its log.</summary>
    public bool Logs { get; init; } = true;

    public bool RemoveByTag(int partition, ReadOnlySpan<byte> tag, ulong version)
    {
        Told.Add($"remove {version}");
        return Logs;
    }

    public bool Clear(int partition, ulong version)
    {
        Told.Add($"clear {version}");
        return Logs;
    }

    public ValueTask CommitAsync() => ValueTask.CompletedTask;

    public ValueTask DisposeAsync() => ValueTask.CompletedTask;
}
