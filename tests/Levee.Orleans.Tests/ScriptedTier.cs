using Levee.Operations;
using Levee.Partitions;

namespace Levee.Orleans.Tests;

/// <summary>A lower tier that tests script: it holds what they say, brings it when they say, and keeps nothing that it is given.</summary>
internal abstract class ScriptedTier : ITierChain
{
    public long FloorMs => 0;

    public long HoldsFromMs => 1;

    public bool IsCommitted => true;

    public int TierCount => 1;

    public long IndexBytes => 0;

    public abstract bool MayHold(ulong hash);

    public void Run(IEffectHost host, int partition, Effect effect)
    {
        if (effect.Kind == EffectKind.Load)
        {
            Load(host, partition, effect);
        }
    }

    public bool Keep(ulong hash) => false;

    public bool TryWriteThrough(scoped in TierEntry entry) => false;

    public void Attach(IEffectHost host)
    {
    }

    public void Reserve(long untilMs)
    {
    }

    public void Demote(scoped in TierEntry entry)
    {
    }

    public void Promoted(ulong hash)
    {
    }

    public void Invalidate(ulong hash, ulong version)
    {
    }

    public void Forget(ulong hash)
    {
    }

    public bool RemoveByTag(int partition, ReadOnlySpan<byte> tag, ulong version)
    {
        return true;
    }

    public bool Clear(int partition, ulong version)
    {
        return true;
    }

    public ValueTask CommitAsync() => ValueTask.CompletedTask;

    public Task DrainAsync(CancellationToken cancellation) => Task.CompletedTask;

    public ValueTask<long> ScanAsync(int tier, long position, TierEntryVisitor visit) => ValueTask.FromResult(0L);

    public TierStatistics GetStatistics(int tier) => new() { Name = "scripted", Kind = "scripted" };

    public IReadOnlyList<TierPlace> Explain(ulong hash) => [];

    /// <summary>Asked to load; it completes at the host when it will.</summary>
    protected abstract void Load(IEffectHost host, int partition, Effect effect);

    /// <summary>What a load that found a key brings.</summary>
    protected static LoadResult Found(byte[] key, ulong hash, byte[] value) =>
        new() { Outcome = LoadOutcome.Found, IsWanted = true, Entry = new TierEntry { Key = key, Hash = hash, Value = value, Version = 1, ExpiresAt = Limits.Never } };
}
