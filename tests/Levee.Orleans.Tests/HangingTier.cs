using Levee.Keys;
using Levee.Operations;
using Levee.Partitions;

namespace Levee.Orleans.Tests;

/// <summary>A lower tier that may hold one key, whose loads wait until the test lets them go. Safe for threads.</summary>
internal sealed class HangingTier(string key) : ITierChain
{
    private readonly ulong held = KeyHash.Of(System.Text.Encoding.UTF8.GetBytes(key));
    private readonly List<(IEffectHost Host, int Partition, long Ticket)> loads = [];

    public long FloorMs => 0;

    public long HoldsFromMs => 1;

    public bool IsCommitted => true;

    public int TierCount => 1;

    public long IndexBytes => 0;

    /// <summary>Loads that wait.</summary>
    public int Waiting
    {
        get
        {
            lock (loads)
            {
                return loads.Count;
            }
        }
    }

    /// <summary>Answers all loads that wait: there is such an entry.</summary>
    public void Release(byte[] value)
    {
        (IEffectHost Host, int Partition, long Ticket)[] released;
        lock (loads)
        {
            released = [.. loads];
            loads.Clear();
        }

        foreach (var load in released)
        {
            load.Host.Complete(load.Partition, load.Ticket, new LoadResult { Outcome = LoadOutcome.Found, Entry = new TierEntry { Key = System.Text.Encoding.UTF8.GetBytes(key), Hash = held, Value = value, Version = 1, ExpiresAt = Limits.Never } });
        }
    }

    public void Run(IEffectHost host, int partition, Effect effect)
    {
        if (effect.Kind == EffectKind.Load)
        {
            lock (loads)
            {
                loads.Add((host, partition, effect.Ticket));
            }
        }
    }

    public bool MayHold(ulong hash) => hash == held;

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

    public TierStatistics GetStatistics(int tier) => new() { Name = "hanging", Kind = "hanging" };

    public IReadOnlyList<TierPlace> Explain(ulong hash) => [];
}
