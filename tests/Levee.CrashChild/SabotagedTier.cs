using Levee.Operations;
using Levee.Partitions;
using Levee.Tiers;

namespace Levee.CrashChild;

/// <summary>A tier with one mechanism of the promise switched off, so that it can be shown that the harness notices.</summary>
internal sealed class SabotagedTier(ITier tier, string sabotage) : ITier
{
    public string Name => tier.Name;

    public string Kind => tier.Kind;

    public ITier? Below
    {
        get => tier.Below;
        set => tier.Below = value;
    }

    public long FloorMs => sabotage == Switch.Clocks ? 0 : tier.FloorMs;

    public long HoldsFromMs => tier.HoldsFromMs;

    public bool IsCommitted => sabotage == Switch.Commits || tier.IsCommitted;

    public Task StartAsync(ITierHost host, CancellationToken cancellation) => tier.StartAsync(new SabotagedHost(host, sabotage), cancellation);

    public bool HasRoom => tier.HasRoom;

    public bool MayHold(ulong hash) => tier.MayHold(hash);

    public void Demote(scoped in TierEntry entry) => tier.Demote(entry);

    public bool Keep(ulong hash) => tier.Keep(hash);

    public void Promoted(ulong hash) => tier.Promoted(hash);

    public bool TryWriteThrough(scoped in TierEntry entry) => tier.TryWriteThrough(entry);

    public void Invalidate(ulong hash, ulong version)
    {
        if (sabotage != Switch.Tombstones)
        {
            tier.Invalidate(hash, version);
        }
    }

    public void Forget(ulong hash) => tier.Forget(hash);

    public bool RemoveByTag(int partition, ReadOnlySpan<byte> tag, ulong version) => sabotage == Switch.TagRemovals || tier.RemoveByTag(partition, tag, version);

    public bool Clear(int partition, ulong version) => sabotage == Switch.Clears || tier.Clear(partition, version);

    public ValueTask CommitAsync() => tier.CommitAsync();

    public ValueTask<TierRead> ReadAsync(ulong hash, ReadOnlyMemory<byte>? key, CancellationToken cancellation) => tier.ReadAsync(hash, key, cancellation);

    public void Reserve(long untilMs)
    {
        if (sabotage != Switch.Clocks)
        {
            tier.Reserve(untilMs);
        }
    }

    public Task DrainAsync(CancellationToken cancellation) => tier.DrainAsync(cancellation);

    public ValueTask<long> ScanAsync(long position, TierEntryVisitor visit, CancellationToken cancellation) => tier.ScanAsync(position, visit, cancellation);

    public TierStatistics GetStatistics() => tier.GetStatistics();

    public TierPlace? Explain(ulong hash) => tier.Explain(hash);

    public Task StopAsync(CancellationToken cancellation) => tier.StopAsync(cancellation);

    public ValueTask DisposeAsync() => tier.DisposeAsync();

    private sealed class SabotagedHost(ITierHost host, string sabotage) : ITierHost
    {
        public string CacheName => host.CacheName;

        public int PartitionCount => host.PartitionCount;

        public bool IfTrue<TState>(scoped in TierEntry entry, TState state, Func<TState, bool> action) => host.IfTrue(entry, state, action);

        public void RecoverTagRemoval(int partition, ReadOnlySpan<byte> tag, ulong version)
        {
            if (sabotage != Switch.RecoveredTagRemovals)
            {
                host.RecoverTagRemoval(partition, tag, version);
            }
        }

        public void RecoverClear(int partition, ulong version) => host.RecoverClear(partition, version);
    }
}
