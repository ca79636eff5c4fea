using Levee.Operations;
using Levee.Partitions;
using Levee.Segments;

namespace Levee.Tests.Moves;

/// <summary>
/// A silo's tiers as literally as their contract has it, safe for threads: it keeps what it is given until it is told that it is void, and goes on holding what was cleared, which its partition
/// must not believe.
/// </summary>
internal sealed class LiteralTier(long floorMs) : ITierChain
{
    private readonly Lock gate = new();
    private readonly Dictionary<ulong, byte[]> held = [];
    private readonly HashSet<ulong> promoted = [];
    private readonly Dictionary<int, ulong> cleared = [];
    private readonly List<Action> pending = [];
    private long reservedMs;
    private bool defers;

    /// <summary>What broke the contract.</summary>
    public List<string> Broken { get; } = [];

    public int Demotions { get; private set; }

    public int Loads { get; private set; }

    public int Clears { get; private set; }

    /// <summary>Loads that have not been answered.</summary>
    public int Waiting
    {
        get
        {
            lock (gate)
            {
                return pending.Count;
            }
        }
    }

    public Func<ulong, int> PartitionOf { get; set; } = static _ => 0;

    public bool Defers
    {
        set
        {
            lock (gate)
            {
                defers = value;
            }

            while (!value && TryComplete(0))
            {
            }
        }
    }

    public long FloorMs => floorMs;

    public long HoldsFromMs => 0;

    public bool IsCommitted => true;

    public int TierCount => 1;

    public long IndexBytes => 0;

    public bool TryComplete(int choice)
    {
        Action load;
        lock (gate)
        {
            if (pending.Count == 0)
            {
                return false;
            }

            load = pending[choice % pending.Count];
            pending.RemoveAt(choice % pending.Count);
        }

        load();
        return true;
    }

    public bool MayHold(ulong hash)
    {
        lock (gate)
        {
            return held.ContainsKey(hash);
        }
    }

    public void Demote(scoped in TierEntry entry)
    {
        var record = new byte[TierRecord.PlainLength(entry)];
        TierRecord.Write(entry, record);
        lock (gate)
        {
            CheckVersion(entry.Version);
            if (entry.Version <= cleared.GetValueOrDefault(PartitionOf(entry.Hash)))
            {
                Broken.Add("an entry that was cleared is demoted");
            }

            Demotions++;
            held[entry.Hash] = record;
            promoted.Remove(entry.Hash);
        }
    }

    public bool Keep(ulong hash)
    {
        lock (gate)
        {
            if (held.ContainsKey(hash) && !promoted.Remove(hash))
            {
                Broken.Add("what is kept was not promoted");
            }

            return held.ContainsKey(hash);
        }
    }

    public void Promoted(ulong hash)
    {
        lock (gate)
        {
            promoted.Add(hash);
        }
    }

    public bool TryWriteThrough(scoped in TierEntry entry) => throw new NotSupportedException();

    public void Invalidate(ulong hash, ulong version)
    {
        lock (gate)
        {
            CheckVersion(version);
            if (held.TryGetValue(hash, out var record) && TierRecord.Version(record) <= version)
            {
                held.Remove(hash);
            }
        }
    }

    public void Forget(ulong hash)
    {
        lock (gate)
        {
            held.Remove(hash);
        }
    }

    public bool RemoveByTag(int partition, ReadOnlySpan<byte> tag, ulong version)
    {
        lock (gate)
        {
            CheckVersion(version);
        }

        return true;
    }

    public bool Clear(int partition, ulong version)
    {
        lock (gate)
        {
            Clears++;
            CheckVersion(version);
            cleared[partition] = Math.Max(version, cleared.GetValueOrDefault(partition));
        }

        return true;
    }

    public ValueTask CommitAsync() => ValueTask.CompletedTask;

    public void Attach(IEffectHost host) => PartitionOf = host.PartitionOf;

    public void Reserve(long untilMs)
    {
        lock (gate)
        {
            reservedMs = untilMs;
        }
    }

    public Task DrainAsync(CancellationToken cancellation) => Task.CompletedTask;

    public ValueTask<long> ScanAsync(int tier, long position, TierEntryVisitor visit) => ValueTask.FromResult(0L);

    public TierStatistics GetStatistics(int tier) => new();

    public IReadOnlyList<TierPlace> Explain(ulong hash) => [];

    public void Run(IEffectHost host, int partition, Effect effect)
    {
        if (effect.Kind != EffectKind.Load)
        {
            return;
        }

        lock (gate)
        {
            Loads++;
            if (defers)
            {
                pending.Add(() => Complete(host, partition, effect));
                return;
            }
        }

        Complete(host, partition, effect);
    }

    private void Complete(IEffectHost host, int partition, Effect effect)
    {
        byte[]? record;
        lock (gate)
        {
            record = held.GetValueOrDefault(effect.Hash);
        }

        if (record is null || !TierRecord.TryRead(record, out var entry))
        {
            host.Complete(partition, effect.Ticket, new LoadResult { Outcome = LoadOutcome.NotFound });
            return;
        }

        if (entry.Value.Length <= Limits.MaxInlineBytes)
        {
            host.Complete(partition, effect.Ticket, new LoadResult { Outcome = LoadOutcome.Found, Entry = entry, IsWanted = true });
            return;
        }

        var large = host.LargeValues.TryCreate(entry.Value);
        if (large is null)
        {
            host.Complete(partition, effect.Ticket, new LoadResult { Outcome = LoadOutcome.Failed });
        }
        else if (!host.Complete(partition, effect.Ticket, new LoadResult { Outcome = LoadOutcome.Found, Entry = entry.WithLarge(large), IsWanted = true }))
        {
            large.Release();
        }
    }

    private void CheckVersion(ulong version)
    {
        if ((long)(version >> 16) > reservedMs)
        {
            Broken.Add($"version {version} is above the reservation {reservedMs}");
        }
    }
}
