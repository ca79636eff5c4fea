using System.Text;
using Levee.Keys;
using Levee.Operations;
using Levee.Partitions;

namespace Levee.Testing;

/// <summary>
/// A lower tier that answers when, and in the order in which, the test says: loads wait in a list until they are completed. It may hold every key, and records what it is told.
/// What it gives is what the test puts there.
/// </summary>
public sealed class FakeTier : ITierChain
{
    private readonly Dictionary<string, HeldEntry> entries = [];

    public List<PendingTierLoad> Pending { get; } = [];

    public List<long> Cancelled { get; } = [];

    /// <summary>Loads that somebody came to wait for.</summary>
    public List<long> Raised { get; } = [];

    public int Loads { get; private set; }

    /// <summary>What the partitions said, in order: for example "demote a", "invalidate 17 &lt;= 5".</summary>
    public List<string> Told { get; } = [];

    public long FloorMs { get; set; }

    public long HoldsFromMs { get; set; }

    public bool IsCommitted { get; set; } = true;

    /// <summary>Whether a hash may be held; by default all.</summary>
    public Func<ulong, bool> Holds { get; set; } = static _ => true;

    /// <summary>Whether what is held stays; if not, it is about to go, and may still be found.</summary>
    public bool Keeps { get; set; } = true;

    /// <summary>Whether the tier takes writes that go through.</summary>
    public bool TakesWrites { get; set; } = true;

    /// <summary>What the tiers say of themselves, one each; what was put in counts as below in the first.</summary>
    public IReadOnlyList<TierStatistics> Statistics { get; set; } = [new TierStatistics { Name = "fake", Kind = "fake" }];

    /// <summary>Where the tiers say that an entry lies, whatever its key.</summary>
    public IReadOnlyList<TierPlace> Places { get; set; } = [];

    public bool MayHold(ulong hash) => Holds(hash);

    /// <summary>How many entries may wait before there is no room; by default any number. What is demoted beyond that is dropped and counted.</summary>
    public int Room { get; set; } = int.MaxValue;

    /// <summary>How many entries wait.</summary>
    public int Waiting { get; private set; }

    /// <summary>Happens when somebody waits for room; by default there is room again.</summary>
    public Action? Draining { get; set; }

    public bool HasRoom => Waiting < Room;

    public void Demote(scoped in TierEntry entry)
    {
        if (!HasRoom)
        {
            Statistics = [Statistics[0] with { Drops = Statistics[0].Drops + 1 }, .. Statistics.Skip(1)];
            return;
        }

        Waiting++;
        Told.Add("demote " + Encoding.UTF8.GetString(entry.Key));
    }

    public bool Keep(ulong hash)
    {
        Told.Add("keep " + hash);
        return Keeps && Holds(hash);
    }

    public void Promoted(ulong hash) => Told.Add("promoted " + hash);

    public bool TryWriteThrough(scoped in TierEntry entry)
    {
        Told.Add("write " + Encoding.UTF8.GetString(entry.Key));
        return TakesWrites;
    }

    public void Invalidate(ulong hash, ulong version) => Told.Add($"invalidate {hash} <= {version}");

    public void Forget(ulong hash) => Told.Add("forget " + hash);

    /// <summary>Whether tag removals and clears find room in the tier's log.</summary>
    public bool Logs { get; set; } = true;

    public bool RemoveByTag(int partition, ReadOnlySpan<byte> tag, ulong version)
    {
        Told.Add($"remove {partition} {Encoding.UTF8.GetString(tag)} <= {version}");
        return Logs;
    }

    public bool Clear(int partition, ulong version)
    {
        Told.Add($"clear {partition} <= {version}");
        return Logs;
    }

    public long ReservedMs { get; private set; }

    /// <summary>Whether the disk on which reservations are noted fails.</summary>
    public bool CannotReserve { get; set; }

    /// <summary>What notes of reservations end with that no disk is to blame for; null: nothing.</summary>
    public Exception? ReserveFailure { get; set; }

    public void Reserve(long untilMs)
    {
        if (ReserveFailure is { } failure)
        {
            throw failure;
        }

        if (CannotReserve)
        {
            throw new IOException("The disk fails.");
        }

        ReservedMs = Math.Max(ReservedMs, untilMs);
    }

    public long IndexBytes { get; set; }

    public int TierCount => Statistics.Count;

    public void Attach(IEffectHost host)
    {
    }

    public Task DrainAsync(CancellationToken cancellation)
    {
        cancellation.ThrowIfCancellationRequested();
        if (Draining is null)
        {
            Waiting = 0;
        }
        else
        {
            Draining();
        }

        return Task.CompletedTask;
    }

    public ValueTask<long> ScanAsync(int tier, long position, TierEntryVisitor visit)
    {
        foreach (var (key, entry) in tier == 0 ? entries : [])
        {
            var bytes = Encoding.UTF8.GetBytes(key);
            visit(new TierEntry { Key = bytes, Hash = KeyHash.Of(bytes), Value = entry.Value, Version = entry.Version, ExpiresAt = entry.ExpiresAt, Tags = entry.Tags });
        }

        return ValueTask.FromResult(0L);
    }

    public TierStatistics GetStatistics(int tier) =>
        tier == 0 ? Statistics[0] with { EntriesBelow = Statistics[0].EntriesBelow + entries.Count } : Statistics[tier];

    public IReadOnlyList<TierPlace> Explain(ulong hash) => Places;

    public ValueTask CommitAsync() => ValueTask.CompletedTask;

    public void Put(string key, string value, ulong version = 1, long expiresAt = Limits.Never, params ReadOnlySpan<string> tags) =>
        entries[key] = new HeldEntry(Encoding.UTF8.GetBytes(value), version, expiresAt, TestBed.Pack(tags));

    public void Run(IEffectHost host, int partition, Effect effect)
    {
        switch (effect.Kind)
        {
            case EffectKind.CancelLoad:
                Cancelled.Add(effect.Ticket);
                return;
            case EffectKind.RaiseLoad:
                Raised.Add(effect.Ticket);
                return;
        }

        Loads++;
        var key = effect.IsByHash ? entries.Keys.FirstOrDefault(key => KeyHash.Of(Encoding.UTF8.GetBytes(key)) == effect.Hash) ?? "" : Encoding.UTF8.GetString(effect.Key.Span);
        Pending.Add(new PendingTierLoad(host, partition, effect.Ticket, key));
    }

    /// <summary>Brings back the result of one of the pending loads; with another key: as if that had the same hash.</summary>
    public void Complete(int index = 0, bool fails = false, bool drops = false, string? otherKey = null)
    {
        var load = Pending[index];
        Pending.RemoveAt(index);
        if (fails || drops)
        {
            load.Host.Complete(load.Partition, load.Ticket, new LoadResult { Outcome = fails ? LoadOutcome.Failed : LoadOutcome.Dropped });
        }
        else if (entries.TryGetValue(load.Key, out var entry))
        {
            load.Host.Complete(load.Partition, load.Ticket, new LoadResult
            {
                Outcome = LoadOutcome.Found,
                Entry = new TierEntry { Key = Encoding.UTF8.GetBytes(otherKey ?? load.Key), Value = entry.Value, Version = entry.Version, ExpiresAt = entry.ExpiresAt, Tags = entry.Tags },
            });
        }
        else
        {
            load.Host.Complete(load.Partition, load.Ticket, new LoadResult { Outcome = LoadOutcome.NotFound });
        }
    }

    private sealed record HeldEntry(byte[] Value, ulong Version, long ExpiresAt, byte[] Tags);
}

public sealed record PendingTierLoad(IEffectHost Host, int Partition, long Ticket, string Key);
