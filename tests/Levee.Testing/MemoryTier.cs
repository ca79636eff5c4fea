using Levee.Keys;
using Levee.Operations;
using Levee.Partitions;

namespace Levee.Testing;

/// <summary>
/// The tiers below as slowly and literally as the contract can be written down: a dictionary by hash with the order of arrival. It loses only what it is told to lose, and throws
/// where its caller breaks the contract of <see cref="ILowerTiers"/>. For one thread, or under the lock of its one caller.
/// </summary>
public sealed class MemoryTier : ITierChain
{
    private readonly Random random;
    private readonly Dictionary<ulong, MemoryTierEntry> held = [];
    private readonly Dictionary<(int Partition, string Tag), ulong> removals = [];
    private readonly Dictionary<int, ulong> clears = [];
    private readonly List<MemoryTierLoad> pending = [];
    private readonly HashSet<ulong> lost = [];
    private IEffectHost? host;
    private TaskCompletionSource? commit;
    private TaskCompletionSource? nextCommit;
    private bool isLoggedSince;
    private long order;
    private bool isCommitted = true;

    public MemoryTier(int seed = 1) => random = new Random(seed);

    /// <summary>The clock that its caller has reached; nothing that is taken in has expired by it.</summary>
    public Func<long> Clock { get; set; } = static () => 0;

    /// <summary>The partition of a hash, as the caller sees it.</summary>
    public Func<ulong, int> PartitionOf { get; set; } = static _ => 0;

    /// <summary>Is shown what the tier holds of an entry that it is to keep instead of taking it anew.</summary>
    public Action<MemoryTierEntry>? Keeping { get; set; }

    /// <summary>Hears the hash of each entry that leaves memory for the tier.</summary>
    public Action<ulong>? Leaving { get; set; }

    /// <summary>How many entries it holds before the oldest goes.</summary>
    public int Capacity { get; set; } = int.MaxValue;

    /// <summary>How many of a hundred demotions are dropped.</summary>
    public int DropPercent { get; set; }

    /// <summary>Whether loads wait for <see cref="CompleteAll"/> and the like.</summary>
    public bool Defers { get; set; }

    /// <summary>Whether a deferred load has read its record before it waits; else it reads when it is completed.</summary>
    public bool ReadsEarly { get; set; }

    /// <summary>Whether what it finds is worth a place in memory at once.</summary>
    public bool IsWanted { get; set; }

    /// <summary>Whether it does not know what it holds: everything may be there.</summary>
    public bool IsUnknown { get; set; }

    /// <summary>Whether it takes no writes that go through.</summary>
    public bool RefusesWrites { get; set; }

    /// <summary>Whether what it logs must be committed before it is acknowledged.</summary>
    public bool NeedsCommit { get; set; }

    public IReadOnlyList<MemoryTierLoad> Pending => pending;

    public IReadOnlyCollection<MemoryTierEntry> Held => held.Values;

    /// <summary>How often each thing happened.</summary>
    public Dictionary<string, int> Reached { get; } = [];

    /// <summary>How often each key was taken in from an eviction.</summary>
    public Dictionary<string, int> Demoted { get; } = [];

    /// <summary>The commits under way wait for the test: they are completed, or failed.</summary>
    public bool HasCommitUnderWay => commit is not null;

    public long FloorMs { get; set; }

    public long ReservedMs { get; private set; }

    public long HoldsFromMs => held.Count == 0 ? long.MaxValue : held.Values.Min(entry => entry.TakenInMs);

    public bool IsCommitted => isCommitted;

    public int TierCount => 1;

    public bool MayHold(ulong hash) => IsUnknown || held.ContainsKey(hash);

    public void Demote(scoped in TierEntry entry)
    {
        Leaving?.Invoke(entry.Hash);
        Check(KeyHash.Of(entry.Key) == entry.Hash, "an entry comes with its key's hash");
        Check(entry.ExpiresAt > Clock(), "an entry that has expired is demoted");
        Check(!IsVoid(entry.Hash, entry.Version, entry.Tags), "an entry that was invalidated or cleared is demoted");
        CheckVersion(entry.Version);
        if (held.TryGetValue(entry.Hash, out var before) && before.IsOf(entry.Key))
        {
            Check(before.Version == entry.Version || IsDead(before), $"version {entry.Version} is demoted while version {before.Version} is alive below");
            Check(entry.SlidingMs > 0 || before.ExpiresAt == entry.ExpiresAt || IsDead(before), "an entry is demoted while a copy with another TTL is alive below");
        }

        Reach(entry.Large is null ? "demote" : "demote large");
        var key = System.Text.Encoding.UTF8.GetString(entry.Key);
        Demoted[key] = Demoted.GetValueOrDefault(key) + 1;
        if (random.Next(100) < DropPercent)
        {
            Reach("drop");
            Lose(entry.Hash);
            return;
        }

        TakeIn(entry);
    }

    public bool Keep(ulong hash)
    {
        Leaving?.Invoke(hash);
        if (!held.TryGetValue(hash, out var entry))
        {
            Check(lost.Contains(hash), "what is to be kept was never lost, nor is it held");
            Reach("keep of a lost one");
            return false;
        }

        Check(entry.IsPromoted, "what is kept was promoted or written through");
        Keeping?.Invoke(entry);
        entry.IsPromoted = false;
        Reach("keep");
        return true;
    }

    public void Promoted(ulong hash)
    {
        Reach("promote");
        if (held.TryGetValue(hash, out var entry))
        {
            entry.IsPromoted = true;
        }
        else
        {
            Check(lost.Contains(hash), "what is promoted was held");
        }
    }

    public bool TryWriteThrough(scoped in TierEntry entry)
    {
        CheckVersion(entry.Version);
        if (RefusesWrites)
        {
            Reach("refuse a write");
            return false;
        }

        Check(!held.TryGetValue(entry.Hash, out var before) || before.Version <= entry.Version, "a write goes through below a newer version");
        Reach("write through");
        TakeIn(entry);
        if (held.TryGetValue(entry.Hash, out var taken))
        {
            taken.IsPromoted = true;
            taken.IsWrittenThrough = true;
        }

        Log();
        return true;
    }

    public void Invalidate(ulong hash, ulong version)
    {
        CheckVersion(version);
        Reach("invalidate");
        if (held.TryGetValue(hash, out var entry) && entry.Version <= version)
        {
            held.Remove(hash);
        }

        Log();
    }

    public void Forget(ulong hash)
    {
        Reach("forget");
        if (held.TryGetValue(hash, out var entry))
        {
            // A copy whose expiry slides may have died before the entry above.
            Check(IsDead(entry), $"what is forgotten is dead, and version {entry.Version} of {hash:x}, until {entry.ExpiresAt}, is not at {Clock()}");
            held.Remove(hash);
        }
    }

    public bool RemoveByTag(int partition, ReadOnlySpan<byte> tag, ulong version)
    {
        CheckVersion(version);
        removals[(partition, Text(tag))] = version;
        Log();

        return true;
    }

    public bool Clear(int partition, ulong version)
    {
        CheckVersion(version);
        clears[partition] = version;
        Log();

        return true;
    }

    public void Reserve(long untilMs) => ReservedMs = untilMs;

    public void Attach(IEffectHost host) => this.host = host;

    public ValueTask CommitAsync()
    {
        if (isCommitted)
        {
            return ValueTask.CompletedTask;
        }

        if (commit is null)
        {
            commit = new TaskCompletionSource();
            isLoggedSince = false;
        }
        else if (isLoggedSince)
        {
            nextCommit ??= new TaskCompletionSource();
            return new ValueTask(nextCommit.Task);
        }

        return new ValueTask(commit.Task);
    }

    /// <summary>Ends the commit under way, and what waits for it goes on before this returns. What was logged since it began waits for the next.</summary>
    public void Commit(bool fails = false)
    {
        var ended = commit!;
        commit = nextCommit;
        nextCommit = null;
        isCommitted = !fails && !isLoggedSince;
        isLoggedSince = false;
        if (fails)
        {
            ended.SetException(new IOException("the test says so"));
        }
        else
        {
            ended.SetResult();
        }
    }

    public long IndexBytes => 0;

    public Task DrainAsync(CancellationToken cancellation) => Task.CompletedTask;

    public ValueTask<long> ScanAsync(int tier, long position, TierEntryVisitor visit) => ValueTask.FromResult(Scan(position, visit));

    public long Scan(long position, TierEntryVisitor visit)
    {
        var batch = held.Values.Where(entry => entry.Order > position).OrderBy(entry => entry.Order).Take(10).ToArray();
        foreach (var entry in batch)
        {
            visit(entry.View);
        }

        return batch.Length < 10 ? 0 : batch[^1].Order;
    }

    public TierStatistics GetStatistics(int tier) => new() { Name = "memory", Kind = "memory", Entries = held.Count, EntriesBelow = held.Values.Count(entry => !entry.IsPromoted) };

    public IReadOnlyList<TierPlace> Explain(ulong hash) => [];

    public void Run(IEffectHost host, int partition, Effect effect)
    {
        if (effect.Kind is EffectKind.CancelLoad or EffectKind.RaiseLoad)
        {
            Reach(effect.Kind == EffectKind.CancelLoad ? "cancel" : "raise");
            return;
        }

        Reach("load");
        var load = new MemoryTierLoad(host, partition, effect.Ticket, effect.Hash, effect.Key.ToArray()) { IsPrefetch = effect.IsPrefetch, IsByHash = effect.IsByHash, Record = ReadsEarly ? held.GetValueOrDefault(effect.Hash) : null, HasRead = ReadsEarly };
        if (Defers)
        {
            pending.Add(load);
        }
        else
        {
            Complete(load, fails: false);
        }
    }

    /// <summary>Ends one of the pending loads.</summary>
    public void Complete(int index = 0, bool fails = false)
    {
        var load = pending[index];
        pending.RemoveAt(index);
        Complete(load, fails);
    }

    /// <summary>Gives up one of the pending loads, which nobody waited for when it began.</summary>
    public void Drop(int index)
    {
        var load = pending[index];
        pending.RemoveAt(index);
        Reach("give up");
        load.Host.Complete(load.Partition, load.Ticket, new LoadResult { Outcome = LoadOutcome.Dropped });
    }

    /// <summary>Ends all pending loads and those that come of it, in any order.</summary>
    public void CompleteAll()
    {
        while (pending.Count > 0)
        {
            Complete(random.Next(pending.Count));
        }
    }

    /// <summary>Takes the oldest entry, as reclaiming its segment would: what is still true stays as if it had just come.</summary>
    public void CarryOver()
    {
        var oldest = held.Values.MinBy(entry => entry.Order);
        if (oldest is null)
        {
            return;
        }

        Reach("carry over");
        if (host!.HoldIfTrue(oldest.View, oldest, static _ => true))
        {
            oldest.Order = ++order;
            oldest.TakenInMs = Clock();
        }
        else
        {
            held.Remove(oldest.Hash);
            lost.Add(oldest.Hash);
        }
    }

    /// <summary>The process dies: what was only on its way is lost, what was logged or written through is not. Loads never end.</summary>
    /// <param name="lossPercent">How many of a hundred demoted entries were on their way.</param>
    public void Crash(int lossPercent)
    {
        pending.Clear();
        foreach (var entry in held.Values.Where(entry => !entry.IsWrittenThrough && random.Next(100) < lossPercent).ToArray())
        {
            Lose(entry.Hash);
        }

        foreach (var entry in held.Values)
        {
            entry.IsPromoted = false;
        }

        FloorMs = ReservedMs;
    }

    /// <summary>Tells a new owner of what its log says.</summary>
    public void Recover(int partition, Partition owner)
    {
        foreach (var (removal, version) in removals.Where(removal => removal.Key.Partition == partition))
        {
            owner.RecoverTagRemoval(System.Text.Encoding.Latin1.GetBytes(removal.Tag), version);
        }

        if (clears.TryGetValue(partition, out var cleared))
        {
            owner.RecoverClear(cleared);
        }
    }

    /// <summary>Throws where a copy of a key that must be void by now is still alive: called when something newer is acknowledged.</summary>
    public void CheckNothingOlder(ulong hash, ulong version) =>
        Check(!held.TryGetValue(hash, out var entry) || entry.Version >= version, $"version {version} is acknowledged while an older one lies below");

    private void Complete(MemoryTierLoad load, bool fails)
    {
        var record = load.HasRead ? load.Record : held.GetValueOrDefault(load.Hash);
        if (fails || record is null || (!load.IsByHash && !record.IsOf(load.Key)))
        {
            Reach(fails ? "failure" : "found nothing");
            load.Host.Complete(load.Partition, load.Ticket, new LoadResult { Outcome = fails ? LoadOutcome.Failed : LoadOutcome.NotFound });
            return;
        }

        Reach("found");
        var entry = record.View;
        if (entry.Value.Length <= Limits.MaxInlineBytes)
        {
            load.Host.Complete(load.Partition, load.Ticket, new LoadResult { Outcome = LoadOutcome.Found, Entry = entry, IsWanted = IsWanted });
            return;
        }

        var large = load.Host.LargeValues.TryCreate(entry.Value);
        if (large is null)
        {
            Reach("no room for a large value");
            load.Host.Complete(load.Partition, load.Ticket, new LoadResult { Outcome = LoadOutcome.Failed });
        }
        else if (!load.Host.Complete(load.Partition, load.Ticket, new LoadResult { Outcome = LoadOutcome.Found, Entry = entry.WithLarge(large), IsWanted = IsWanted }))
        {
            large.Release();
        }
    }

    private void TakeIn(scoped in TierEntry entry)
    {
        if (held.Count >= Capacity && !held.ContainsKey(entry.Hash))
        {
            Reach("capacity");
            Lose(held.Values.MinBy(candidate => candidate.Order)!.Hash);
        }

        held[entry.Hash] = new MemoryTierEntry(entry, ++order, Clock());
        lost.Remove(entry.Hash);
    }

    private void Lose(ulong hash)
    {
        held.Remove(hash);
        lost.Add(hash);
    }

    private bool IsDead(MemoryTierEntry entry) => entry.ExpiresAt <= Clock() || IsVoid(entry.Hash, entry.Version, entry.Tags);

    private bool IsVoid(ulong hash, ulong version, ReadOnlySpan<byte> tags)
    {
        var partition = PartitionOf(hash);
        while (TagList.TryRead(ref tags, out var tag))
        {
            if (removals.TryGetValue((partition, Text(tag)), out var removed) && version <= removed)
            {
                return true;
            }
        }

        return clears.TryGetValue(partition, out var cleared) && version <= cleared;
    }

    private void CheckVersion(ulong version) =>
        Check(ReservedMs == 0 || (long)(version >> 16) <= ReservedMs, $"version {version} is above the reservation {ReservedMs}");

    private void Log()
    {
        if (NeedsCommit)
        {
            isCommitted = false;
            isLoggedSince = true;
        }
    }

    private void Reach(string what) => Reached[what] = Reached.GetValueOrDefault(what) + 1;

    private static string Text(ReadOnlySpan<byte> bytes) => System.Text.Encoding.Latin1.GetString(bytes);

    private static void Check(bool holds, string what)
    {
        if (!holds)
        {
            throw new InvalidOperationException("The contract of lower tiers is broken: " + what);
        }
    }
}

/// <summary>A load that waits for its test.</summary>
public sealed class MemoryTierLoad(IEffectHost host, int partition, long ticket, ulong hash, byte[] key)
{
    public IEffectHost Host => host;

    public int Partition => partition;

    public long Ticket => ticket;

    public ulong Hash => hash;

    public byte[] Key => key;

    /// <summary>Whether nobody waited for it when it began.</summary>
    public bool IsPrefetch { get; init; }

    /// <summary>Whether it is for whatever key has the hash.</summary>
    public bool IsByHash { get; init; }

    /// <summary>Whether the record has been read already, whatever becomes of it in the tier.</summary>
    public bool HasRead { get; init; }

    public MemoryTierEntry? Record { get; init; }
}

/// <summary>A copy of an entry.</summary>
public sealed class MemoryTierEntry
{
    private readonly byte[] key;
    private readonly byte[] value;
    private readonly byte[] contentType;
    private readonly long slidingMs;
    private readonly long slidingCap;
    private readonly EntryKind kind;
    private readonly uint flags;

    internal MemoryTierEntry(scoped in TierEntry entry, long order, long takenInMs)
    {
        Hash = entry.Hash;
        Version = entry.Version;
        ExpiresAt = entry.ExpiresAt;
        Tags = entry.Tags.ToArray();
        slidingMs = entry.SlidingMs;
        slidingCap = entry.SlidingCap;
        key = entry.Key.ToArray();
        value = new byte[entry.ValueLength];
        if (entry.Large is null)
        {
            entry.Value.CopyTo(value);
        }
        else
        {
            entry.Large.CopyTo(0, value);
        }

        kind = entry.Kind;
        flags = entry.Flags;
        contentType = entry.ContentType.ToArray();
        Order = order;
        TakenInMs = takenInMs;
    }

    public ulong Hash { get; }

    public string Key => System.Text.Encoding.UTF8.GetString(key);

    public ReadOnlySpan<byte> Value => value;

    public ulong Version { get; }

    public long ExpiresAt { get; }

    public byte[] Tags { get; }

    /// <summary>Whether a copy lies above.</summary>
    public bool IsPromoted { get; internal set; }

    internal bool IsWrittenThrough { get; set; }

    internal long Order { get; set; }

    internal long TakenInMs { get; set; }

    /// <summary>The entry; a value of any length is inline.</summary>
    internal TierEntry View => new()
    {
        Hash = Hash,
        Version = Version,
        ExpiresAt = ExpiresAt,
        SlidingMs = slidingMs,
        SlidingCap = slidingCap,
        Key = key,
        Value = value,
        Kind = kind,
        Flags = flags,
        ContentType = contentType,
        Tags = Tags,
    };

    internal bool IsOf(ReadOnlySpan<byte> other) => other.SequenceEqual(key);
}
