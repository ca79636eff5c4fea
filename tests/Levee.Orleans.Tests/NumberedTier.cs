using System.Text;
using Levee.Keys;
using Levee.Operations;
using Levee.Partitions;

namespace Levee.Orleans.Tests;

/// <summary>A lower tier that holds the keys item:0, item:1, ... and brings them from another thread. Safe for threads.</summary>
internal sealed class NumberedTier(int count) : ITierChain
{
    private readonly Dictionary<ulong, byte[]> keys = Enumerable.Range(0, count).Select(static i => Encoding.UTF8.GetBytes($"item:{i}")).ToDictionary(static key => KeyHash.Of(key));

    public long FloorMs => 0;

    public long HoldsFromMs => 1;

    public bool IsCommitted => true;

    public int TierCount => 1;

    public long IndexBytes => 0;

    public bool MayHold(ulong hash) => keys.ContainsKey(hash);

    public void Run(IEffectHost host, int partition, Effect effect)
    {
        if (effect.Kind == EffectKind.Load)
        {
            ThreadPool.QueueUserWorkItem(_ => host.Complete(partition, effect.Ticket, keys.TryGetValue(effect.Hash, out var key)
                ? new LoadResult { Outcome = LoadOutcome.Found, IsWanted = true, Entry = new TierEntry { Key = key, Hash = effect.Hash, Value = key, Version = 1, ExpiresAt = Limits.Never } }
                : new LoadResult { Outcome = LoadOutcome.NotFound }));
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

    public void RemoveByTag(int partition, ReadOnlySpan<byte> tag, ulong version)
    {
    }

    public void Clear(int partition, ulong version)
    {
    }

    public ValueTask CommitAsync() => ValueTask.CompletedTask;

    public Task DrainAsync(CancellationToken cancellation) => Task.CompletedTask;

    public ValueTask<long> ScanAsync(int tier, long position, TierEntryVisitor visit) => ValueTask.FromResult(0L);

    public TierStatistics GetStatistics(int tier) => new() { Name = "numbered", Kind = "numbered" };

    public IReadOnlyList<TierPlace> Explain(ulong hash) => [];
}
