using Levee.Eviction;
using Levee.Keys;
using Levee.Learning;
using Levee.Memory;
using Levee.Operations;

namespace Levee.Partitions;

/// <summary>
/// A slice of a cache's key space: a single-threaded state machine without I/O, threads or clock. <see cref="Execute"/> takes an operation and the time and
/// answers into a sink; what needs a lower tier waits, and leaves an <see cref="Effect"/> for the host, whose result <see cref="Complete"/> brings back.
/// <para>
/// The host serialises all calls and runs effects outside them. Time is in Unix milliseconds; the partition's own clock never goes back, whatever it is told.
/// Every write has a version above all versions before it: that clock in the high 48 bits, a counter in the low 16.
/// </para>
/// <para>
/// Ordering: operations on one key take effect in the order of the calls. While a load is under way for a key, operations on it queue behind the load;
/// only a write that need not know the entry overtakes it, and then the load is detached: it answers those who wait, who asked before the write, and is not stored.
/// Tag removals and clears leave the queue alone: they are checked against the version of what a load brings. So an increment that waits neither overtakes nor is
/// overtaken, and does not lose an entry that another's tag removal did not mean.
/// </para>
/// </summary>
public sealed partial class Partition : IEvictionListener
{
    /// <summary>The half of a hint that says whose it is.</summary>
    private const ulong HintMarkBits = ~(ulong)uint.MaxValue;

    /// <summary>
    /// A slice of a scan ends when its keys have so many bytes, however few they are: whoever looks at them holds the partition.
    /// </summary>
    private const int MaxScanKeyBytes = 64 * 1024;

    private const int RetiredPagesPerCall = 64;
    private const int SweepNodesPerSlice = 1024;
    private const int PaybackPerSlice = 512;
    private const int PagesLookedAtPerSlice = 1024;
    private const long ExpiryPassMs = 1000;

    private readonly PageShare share;
    private readonly ILowerTiers? lower;
    private readonly int number;
    private readonly IInvalidationListener? listener;
    private readonly IndexHash hash;
    private readonly ulong hintMark;
    private readonly ulong voidBelow;
    private readonly PendingLoads loads;
    private readonly FillLeases leases = new();
    private readonly List<Effect> effects = [];
    private readonly TagInvalidations tags = new();
    private readonly Queue<EntryStore> retired = new();
    private PartitionOptions options;
    private EntryStore store;
    private ulong random;
    private byte[]? scratch;
    private readonly (ulong First, ulong Second) hashKeys;
    private long clock;
    private ulong lastVersion;
    private ulong clearedVersion;
    private int expiryPage = 1;
    private long expiryPassBegan;

    private long hits;
    private long misses;
    private long waits;
    private long stores;
    private long removals;
    private long expirations;
    private long invalidations;
    private long refusals;
    private long retiredEvictions;

    /// <param name="share">The memory that the partition may use.</param>
    /// <param name="options">Checked options.</param>
    /// <param name="lower">The tiers below; null where there are none.</param>
    /// <param name="number">The partition's number, as the tiers know it.</param>
    /// <param name="listener">Hears of every change; null: nobody.</param>
    public Partition(PageShare share, PartitionOptions options, ILowerTiers? lower = null, int number = 0, IInvalidationListener? listener = null)
    {
        ArgumentNullException.ThrowIfNull(share);
        ArgumentNullException.ThrowIfNull(options);
        this.share = share;
        this.options = options;
        this.lower = lower;
        this.number = number;
        this.listener = listener;

        // Expiry goes on where what the tiers hold has left it; versions begin above those of every owner before.
        clock = lower is null || lower.FloorMs == 0 ? 0 : lower.FloorMs + 1;
        var floorMs = Math.Max(lower?.FloorMs ?? 0, options.FloorMs);
        lastVersion = floorMs == 0 ? 0 : (ulong)(floorMs + 1) << 16;
        voidBelow = options.VoidBelow;
        loads = new PendingLoads(options.TicketsAbove);
        random = options.Seed | 1;
        hashKeys = options.Arriving?.HashKeys ?? (NextRandom(), NextRandom());
        hash = new IndexHash(hashKeys.First, hashKeys.Second);
        hintMark = (hash.Of("whose hint"u8) & HintMarkBits) | (1UL << 32);
        store = NewStore();
        if (options.Arriving is { } header)
        {
            Adopt(header, options.MaxVoided);
        }
    }

    /// <summary>The highest clock that the partition has given out in a version, in Unix milliseconds. Many writes in one millisecond, or while the clock stands still, run ahead of it.</summary>
    public long LastVersionMs => (long)(lastVersion >> 16);

    /// <summary>Whether the host has effects to fetch.</summary>
    public bool HasEffects => effects.Count > 0;

    /// <summary>
    /// What became of the last operation that <see cref="Execute"/> took, as a prefetcher is to be told: whether it found no entry in memory that it could have used (gets that missed, and what had to wait for a
    /// load, looks without use aside), or one that had been prefetched and not used before.
    /// </summary>
    public AccessKind LastAccess { get; private set; }

    /// <summary>Whether <see cref="Maintain"/> has urgent work: memory that is owed to others.</summary>
    public bool OwesMemory => store.IsOverdrawn || retired.Count > 0;

    /// <summary>Sets what the partition may hold, in bytes. It may use more at once; where it is less, maintenance takes its policy and its memory down in slices.</summary>
    internal void SetCapacity(long bytes)
    {
        var isMore = bytes > share.CapacityBytes;
        share.CapacityBytes = bytes;
        if (isMore)
        {
            store.Resize(0);
        }
    }

    /// <summary>Takes over default TTL, its jitter and the longest value; what was written keeps what it has.</summary>
    internal void Configure(long defaultTtlMs, long defaultTtlJitterMs, int maxValueBytes) =>
        options = options with { DefaultTtlMs = defaultTtlMs, DefaultTtlJitterMs = defaultTtlJitterMs, MaxValueBytes = maxValueBytes };

    /// <summary>Hands over the effects and forgets them.</summary>
    public Effect[] TakeEffects()
    {
        Effect[] taken = [.. effects];
        effects.Clear();
        return taken;
    }

    /// <summary>Acts on one operation. The answer goes into <paramref name="sink"/> under <paramref name="ticket"/>, now or when a load has come back.</summary>
    public void Execute(scoped in Operation operation, long now, IAnswerSink sink, long ticket)
    {
        Advance(now);
        LastAccess = AccessKind.Hit;
        switch (operation.Kind)
        {
            case OperationKind.Scan:
                Scan(operation, sink, ticket);
                return;
            case OperationKind.RemoveByTag:
                RemoveByTag(operation.Key, sink, ticket);
                return;
            case OperationKind.Clear:
                Clear(sink, ticket);
                return;
            case OperationKind.Statistics:
                sink.Answer(ticket, new Answer(GetStatistics()));
                return;
            default:
                ExecuteOnKey(operation, sink, ticket);
                return;
        }
    }

    /// <summary>Recounts everything and throws where an invariant does not hold. For tests: O(n).</summary>
    public void CheckInvariants()
    {
        store.CheckInvariants();
        Invariant.Holds(leases.Count <= FillLeases.MaxCount, "a partition remembers no more leases than it may");
        Invariant.Holds(lower is not null || loads.Count == loads.CountFromSource, "only a partition with lower tiers loads, or one that is arriving");
    }

    /// <summary>The partition's counters now.</summary>
    public PartitionStatistics GetStatistics() => new()
    {
        Entries = store.Count,
        Hits = hits,
        Misses = misses,
        Waits = waits,
        Stores = stores,
        Removals = removals,
        Evictions = retiredEvictions + store.Evictions,
        Expirations = expirations,
        Invalidations = invalidations,
        Refusals = refusals,
        PendingLoads = loads.Count,
        PayloadBytes = store.PayloadBytes,
        HeldBytes = share.HeldBytes,
        IndexBytes = store.IndexBytes,
        LargeBytes = share.LargeBytesHeld,
        SlabBytes = store.Slab.HeldBytes,
        CapacityBytes = share.CapacityBytes,
        Policy = store.Policy.Name,
        Lists = store.Policy.Lists(EntryStore.WeightUnitBytes),
        PrefetchedEntries = store.Area.Count,
        PrefetchedBytes = store.Area.Weight * EntryStore.WeightUnitBytes,
        PrefetchesLanded = store.Area.Landed,
        PrefetchesUsed = store.Area.Used,
        PrefetchesWasted = store.Area.Wasted,
        PollutedMisses = store.Area.Pollution,
        TargetBytes = store.Policy.Target * EntryStore.WeightUnitBytes,
        Learning = Learning,
    };

    private void Advance(long now) => clock = Math.Max(clock, now);

    private ulong NextVersion() => lastVersion = Math.Max(lastVersion + 1, (ulong)clock << 16);

    private void ExecuteOnKey(scoped in Operation operation, IAnswerSink sink, long ticket)
    {
        if (operation.Key.Length > Limits.MaxKeyBytes)
        {
            sink.Answer(ticket, new Answer(Outcome.BadKey, Limits.MaxKeyBytes));
            return;
        }

        if (operation.Kind >= OperationKind.Prefetch)
        {
            ExecuteAhead(operation, sink, ticket);
            return;
        }

        var tag = (operation.IndexHint & HintMarkBits) == hintMark ? (uint)operation.IndexHint : store.TagOf(operation.Key);
        var node = FindLive(operation.Key, tag);
        if (loads.UnnamedCount > 0)
        {
            MeetUnnamed(operation, node);
        }

        if (node == NodeTable.None)
        {
            if ((lower is not null || arriving is not null || loads.Count > 0) && MustWait(operation, tag, sink, ticket))
            {
                return;
            }

            if (operation.Kind == OperationKind.Get)
            {
                NoteMiss(tag, isLate: false);
            }
        }
        else if (operation.Kind > OperationKind.Peek && store.IsPrefetched(node) && NeedsEntry(operation) && !operation.IsAhead)
        {
            store.UsePrefetched(node);
            LastAccess = AccessKind.PrefetchHit;
        }

        ExecuteResolved(operation, tag, node, sink, ticket);
    }

    /// <summary>Acts on an operation whose key is not, or no longer, to be asked for in a lower tier.</summary>
    /// <param name="operation">The operation.</param>
    /// <param name="tag">The key's tag.</param>
    /// <param name="node">The entry; <see cref="NodeTable.None"/> where there is none.</param>
    /// <param name="sink">Takes the answer.</param>
    /// <param name="ticket">What the sink knows it by.</param>
    /// <param name="isArrival">Whether a get has just brought the entry into memory: that was its use.</param>
    private void ExecuteResolved(scoped in Operation operation, uint tag, int node, IAnswerSink sink, long ticket, bool isArrival = false)
    {
        switch (operation.Kind)
        {
            case OperationKind.Get:
                if ((uint)operation.Hash < sampleBelow)
                {
                    Sample(PolicySampleKind.Read, operation.Hash, node);
                }

                Get(node, sink, ticket, isArrival);
                return;
            case OperationKind.Peek:
                sink.Answer(ticket, node == NodeTable.None ? new Answer(Outcome.Miss) : new Answer(Outcome.Hit, store.View(node)));
                return;
            case OperationKind.Set:
                Set(operation, tag, node, sink, ticket);
                return;
            case OperationKind.Delete:
                Delete(operation, node, sink, ticket);
                return;
            case OperationKind.Expire:
                Expire(operation, tag, node, sink, ticket);
                return;
            case OperationKind.Append:
                Append(operation, tag, node, sink, ticket);
                return;
            case OperationKind.Increment:
            case OperationKind.IncrementFloat:
                Increment(operation, tag, node, sink, ticket);
                return;
            default:
                throw new ArgumentOutOfRangeException(nameof(operation), operation.Kind, "not an operation on a key");
        }
    }

    private void Get(int node, IAnswerSink sink, long ticket, bool isArrival)
    {
        if (node == NodeTable.None)
        {
            misses++;
            sink.Answer(ticket, new Answer(Outcome.Miss) { Access = LastAccess });
            return;
        }

        Hit(node, sink, ticket, isArrival);
    }

    private void Hit(int node, IAnswerSink sink, long ticket, bool isArrival = false)
    {
        hits++;
        if (!isArrival && store.Hit(node))
        {
            LastAccess = AccessKind.PrefetchHit;
        }

        var record = store.Record(node);
        if ((EntryRecord.TraitsOf(record) & EntryRecord.Traits.Sliding) != 0)
        {
            EntryRecord.SetExpiresAt(record, Slide(EntryRecord.Sliding(record), EntryRecord.SlidingCap(record)));
        }

        sink.Answer(ticket, new Answer(Outcome.Hit, new EntryView(record, store.Large(record))) { Access = LastAccess });
    }

    private void Set(scoped in Operation operation, uint tag, int node, IAnswerSink sink, long ticket)
    {
        if (operation.Lease != 0 && !MayFill(operation))
        {
            AnswerFailed(node, sink, ticket);
            return;
        }

        if (operation.ReturnsPrevious && node != NodeTable.None)
        {
            if (EntryRecord.Kind(store.Record(node)) != EntryKind.Bytes)
            {
                sink.Answer(ticket, new Answer(Outcome.WrongKind, store.View(node)));
                return;
            }

            sink.Answer(ticket, new Answer(Outcome.Item, store.View(node)));
        }

        if (operation.Condition != Condition.None && !Allows(operation, node))
        {
            AnswerFailed(node, sink, ticket);
            return;
        }

        var parts = new RecordParts
        {
            Key = operation.Key,
            Value = operation.Value,
            Large = operation.Large,
            Kind = operation.EntryKind,
            Flags = operation.Flags,
            ContentType = operation.ContentType,
            Tags = operation.Tags,
            Expiry = operation.KeepTtl && node != NodeTable.None ? Expiry.Of(store.Record(node)) : ExpiryOf(operation),
        };
        Write(node, ref parts, operation.Hash, tag, sink, ticket, isAhead: operation.IsAhead);
    }

    /// <summary>Answers a set whose condition does not hold, or whose lease has ended.</summary>
    private void AnswerFailed(int node, IAnswerSink sink, long ticket) =>
        sink.Answer(ticket, new Answer(Outcome.ConditionFailed, node == NodeTable.None ? default : store.View(node)));

    private void Delete(scoped in Operation operation, int node, IAnswerSink sink, long ticket)
    {
        if (node == NodeTable.None)
        {
            Supersede(node, operation.Hash, NextVersion());
            listener?.Changed(operation.Hash); // A copy may outlive the eviction of its entry.
            sink.Answer(ticket, new Answer(Outcome.Miss));
            return;
        }

        var view = store.View(node);
        if (!MayDelete(operation, view, sink, ticket))
        {
            return;
        }

        Supersede(node, operation.Hash, NextVersion());
        listener?.Changed(operation.Hash);
        sink.Answer(ticket, new Answer(Outcome.Removed, view));
        store.Remove(node);
        removals++;
        if ((uint)operation.Hash < sampleBelow)
        {
            Sample(PolicySampleKind.Remove, operation.Hash);
        }
    }

    /// <summary>Answers a delete of an entry that must stay.</summary>
    private static bool MayDelete(scoped in Operation operation, EntryView view, IAnswerSink sink, long ticket)
    {
        if (operation.RequiresKind && view.Kind != operation.EntryKind)
        {
            sink.Answer(ticket, new Answer(Outcome.WrongKind, view));
            return false;
        }

        if (!Allows(operation, view))
        {
            sink.Answer(ticket, new Answer(Outcome.ConditionFailed, view));
            return false;
        }

        return true;
    }

    private void Expire(scoped in Operation operation, uint tag, int node, IAnswerSink sink, long ticket)
    {
        if (node == NodeTable.None)
        {
            sink.Answer(ticket, new Answer(Outcome.Miss));
            return;
        }

        var record = Copy(store.Record(node));
        var parts = RecordParts.Of(record, store.Large(record));
        var before = parts.Expiry.At;
        parts.Expiry = ExpiryOf(operation);
        if (!Allows(operation.ExpireCondition, before, parts.Expiry.At))
        {
            sink.Answer(ticket, new Answer(Outcome.ConditionFailed, store.View(node)));
            return;
        }

        if (parts.Expiry.At <= clock)
        {
            Supersede(node, operation.Hash, NextVersion());
            listener?.Changed(operation.Hash);
            sink.Answer(ticket, new Answer(Outcome.Stored, store.View(node)));
            store.Remove(node);
            expirations++;
            return;
        }

        if (!TryPrepare(node, ref parts, operation.Hash, upTo: parts.Version))
        {
            sink.Answer(ticket, new Answer(Outcome.Unavailable));
            return;
        }

        listener?.Changed(operation.Hash);
        if (Place(node, ref parts, tag) == NodeTable.None)
        {
            AnswerUnplaced(node, ref parts, sink, ticket);
            return;
        }

        sink.Answer(ticket, new Answer(Outcome.Stored, store.View(node)));
    }

    private void Append(scoped in Operation operation, uint tag, int node, IAnswerSink sink, long ticket)
    {
        var length = operation.Value.Length;
        var parts = new RecordParts { Key = operation.Key, Value = operation.Value };
        parts.Expiry = ExpiryOf(operation);
        if (node != NodeTable.None)
        {
            var record = store.Record(node);
            if (EntryRecord.Kind(record) != EntryKind.Bytes)
            {
                sink.Answer(ticket, new Answer(Outcome.WrongKind, store.View(node)));
                return;
            }

            length = store.Large(record) is null ? length + EntryRecord.ValueLength(record) : int.MaxValue;
            if (length <= Limits.MaxInlineBytes)
            {
                var copy = Copy(record);
                parts = RecordParts.Of(copy, null);
                var joined = scratch.AsSpan(copy.Length, length);
                parts.Value.CopyTo(joined);
                operation.Value.CopyTo(joined[parts.Value.Length..]);
                parts.Value = joined;
            }
        }

        if (length > Limits.MaxInlineBytes)
        {
            sink.Answer(ticket, new Answer(Outcome.TooLarge, Limits.MaxInlineBytes));
            return;
        }

        Write(node, ref parts, operation.Hash, tag, sink, ticket, length);
    }

    private void Increment(scoped in Operation operation, uint tag, int node, IAnswerSink sink, long ticket)
    {
        Span<byte> text = stackalloc byte[Numbers.MaxTextBytes];
        scoped var parts = new RecordParts { Key = operation.Key, Value = text };
        scoped ReadOnlySpan<byte> present;
        if (node == NodeTable.None)
        {
            parts.Expiry = ExpiryOf(operation);
            present = "0"u8;
        }
        else
        {
            var copy = Copy(store.Record(node));
            parts = RecordParts.Of(copy, store.Large(copy));
            if (parts.Kind != EntryKind.Bytes)
            {
                sink.Answer(ticket, new Answer(Outcome.WrongKind, store.View(node)));
                return;
            }

            present = parts.Large is null ? parts.Value : default;
        }

        var outcome = operation.Kind == OperationKind.Increment
            ? Numbers.Add(present, operation.Number, text, out var sum, out var length)
            : Numbers.Add(present, operation.Addend, text, out sum, out length);
        if (outcome != Outcome.Stored)
        {
            sink.Answer(ticket, new Answer(outcome));
            return;
        }

        parts.Value = text[..length];
        Write(node, ref parts, operation.Hash, tag, sink, ticket, sum);
    }

    private void Scan(scoped in Operation operation, IAnswerSink sink, long ticket)
    {
        var node = (int)Math.Clamp(operation.Number, 0, int.MaxValue);
        var end = Math.Min((long)store.Nodes.Capacity, node + (long)Math.Clamp(operation.Count, 1, 1024));
        for (var keyBytes = 0; node < end && keyBytes < MaxScanKeyBytes; node++)
        {
            if (store.IsResident(node) && !IsDead(store.Record(node)))
            {
                var view = store.View(node);
                keyBytes += view.Key.Length;
                sink.Answer(ticket, new Answer(Outcome.Item, view));
            }
        }

        sink.Answer(ticket, new Answer(Outcome.Done, node < store.Nodes.Capacity ? node : 0));
    }

    private void RemoveByTag(ReadOnlySpan<byte> tag, IAnswerSink sink, long ticket)
    {
        if (tag.Length > Limits.MaxTagBytes)
        {
            sink.Answer(ticket, new Answer(Outcome.BadKey, Limits.MaxTagBytes));
            return;
        }

        var version = NextVersion();
        if (lower?.RemoveByTag(number, tag, version) == false)
        {
            sink.Answer(ticket, new Answer(Outcome.Unavailable));
            return;
        }

        tags.Add(tag, version);
        listener?.TagRemoved(number, tag);
        sink.Answer(ticket, new Answer(Outcome.Done));
    }

    private void Clear(IAnswerSink sink, long ticket)
    {
        var version = NextVersion();
        if (lower?.Clear(number, version) == false)
        {
            sink.Answer(ticket, new Answer(Outcome.Unavailable));
            return;
        }

        var count = store.Count;
        removals += count;
        SampleClear();
        retiredEvictions += store.Evictions;
        retired.Enqueue(store);
        var cleared = store.Area;
        store = NewStore();
        store.Area.Follow(cleared);
        tags.Clear();
        leases.VoidAll();
        EndArrival(ArrivalEnd.Cleared);
        clearedVersion = version;
        listener?.Cleared(number);
        foreach (var load in loads.VoidAll())
        {
            effects.Add(new Effect(EffectKind.CancelLoad, load.Ticket, load.Key, load.Hash));
        }

        sink.Answer(ticket, new Answer(Outcome.Done, count));
    }

    /// <summary>The resident, live entry of a key. An entry that is found dead leaves at once.</summary>
    private int FindLive(ReadOnlySpan<byte> key, uint tag)
    {
        var node = store.Find(key, tag);
        if (node != NodeTable.None && IsDead(store.Record(node)))
        {
            Bury(node);
            return NodeTable.None;
        }

        return node;
    }

    private bool IsDead(ReadOnlySpan<byte> record)
    {
        var traits = EntryRecord.TraitsOf(record);
        return (traits & (EntryRecord.Traits.Expiry | EntryRecord.Traits.Tags)) != 0 && (IsExpired(record) || IsInvalidated(record));
    }

    private bool IsExpired(ReadOnlySpan<byte> record) => EntryRecord.ExpiresAt(record) <= clock;

    private bool IsInvalidated(ReadOnlySpan<byte> record) =>
        !tags.IsEmpty && tags.Covers(EntryRecord.Tags(record), EntryRecord.Version(record));

    private void Bury(int node)
    {
        ForgetBelow(store.Record(node));
        if (sampleBelow != 0)
        {
            SampleBurial(store.Record(node));
        }

        if (IsExpired(store.Record(node)))
        {
            expirations++;
        }
        else
        {
            invalidations++;
        }

        store.Remove(node);
    }

    private bool Allows(scoped in Operation operation, int node) => Allows(operation, node == NodeTable.None ? default : store.View(node));

    private static bool Allows(scoped in Operation operation, EntryView present) => operation.Condition switch
    {
        Condition.None => true,
        Condition.IfAbsent => present.IsEmpty,
        Condition.IfPresent => !present.IsEmpty,
        _ => !present.IsEmpty && present.Version == operation.Version,
    };

    private static bool Allows(ExpireCondition condition, long before, long after) =>
        (!condition.HasFlag(ExpireCondition.IfNone) || before == Limits.Never)
        && (!condition.HasFlag(ExpireCondition.IfSome) || before != Limits.Never)
        && (!condition.HasFlag(ExpireCondition.IfLater) || (before != Limits.Never && after > before))
        && (!condition.HasFlag(ExpireCondition.IfEarlier) || after < before);

    private Expiry ExpiryOf(scoped in Operation operation)
    {
        if (operation.SlidingMs > 0)
        {
            var cap = operation.ExpiresAt == 0 ? Limits.Never : operation.ExpiresAt;
            var at = Slide(operation.SlidingMs, cap);
            return at == Limits.Never ? new Expiry(Limits.Never) : new Expiry(at, operation.SlidingMs, cap);
        }

        if (operation.ExpiresAt == 0)
        {
            return new Expiry(options.DefaultTtlMs == 0 ? Limits.Never : clock + options.DefaultTtlMs - Jitter(options.DefaultTtlJitterMs));
        }

        return new Expiry(operation.ExpiresAt == Limits.Never ? Limits.Never : operation.ExpiresAt - Jitter(operation.JitterMs));
    }

    private long Slide(long slidingMs, long cap) => slidingMs < cap - clock ? clock + slidingMs : cap;

    private long Jitter(long maxMs) => maxMs <= 0 ? 0 : (long)(NextRandom() % (ulong)(maxMs + 1));

    private void Write(int node, scoped ref RecordParts parts, ulong routingHash, uint tag, IAnswerSink sink, long ticket, long sum = 0, bool isAhead = false)
    {
        if (parts.ContentType.Length > Limits.MaxContentTypeBytes || parts.Tags.Length > Limits.MaxPackedTagsBytes)
        {
            sink.Answer(ticket, new Answer(Outcome.BadKey, parts.Tags.Length > Limits.MaxPackedTagsBytes ? Limits.MaxPackedTagsBytes : Limits.MaxContentTypeBytes));
            return;
        }

        if (!Fits(ref parts))
        {
            refusals++;
            sink.Answer(ticket, new Answer(Outcome.TooLarge, LongestValue(parts.Large is not null)));
            return;
        }

        parts.Version = NextVersion();
        if (!TryPrepare(node, ref parts, routingHash, upTo: parts.Version - 1))
        {
            sink.Answer(ticket, new Answer(Outcome.Unavailable));
            return;
        }

        listener?.Changed(routingHash);
        var placed = Place(node, ref parts, tag, isAhead);
        if (placed == NodeTable.None)
        {
            AnswerUnplaced(node, ref parts, sink, ticket, sum);
            return;
        }

        stores++;
        if ((uint)routingHash < sampleBelow)
        {
            Sample(PolicySampleKind.Store, routingHash, placed);
        }

        sink.Answer(ticket, new Answer(Outcome.Stored, store.View(placed), sum));
    }

    /// <summary>Adds or replaces a record. What a cleared cache still holds is given back as far as that is needed.</summary>
    /// <returns>The node, or <see cref="NodeTable.None"/> where no memory could be had.</returns>
    private int Place(int node, scoped ref RecordParts parts, uint tag, bool isAhead = false)
    {
        do
        {
            if (retired.Count > 0)
            {
                ReleaseRetired();
            }

            var placed = node != NodeTable.None ? store.TryReplace(node, ref parts) ? node : NodeTable.None : isAhead ? store.AddPrefetched(ref parts, tag) : store.Add(ref parts, tag);
            if (placed != NodeTable.None)
            {
                return placed;
            }
        }
        while (retired.Count > 0);
        return NodeTable.None;
    }

    private bool Fits(scoped ref RecordParts parts) =>
        (parts.Large?.Length ?? parts.Value.Length) <= LongestValue(parts.Large is not null);

    /// <summary>A large value may take three quarters of the share, so that what goes with it (node, index, slot) always fits beside it.</summary>
    private long LongestValue(bool isLarge) =>
        isLarge ? Math.Min(options.MaxValueBytes, share.CapacityBytes / 4 * 3) : Math.Min(options.MaxValueBytes, Limits.MaxInlineBytes);

    private Answer Refuse()
    {
        refusals++;
        return new Answer(Outcome.OutOfMemory);
    }

    private EntryStore NewStore() => new(share, options.Policy, hash, lower is null ? null : this, options.Cost);

    private byte[] Scratch() => scratch ??= GC.AllocateUninitializedArray<byte>(SizeClass.LargestBytes + Limits.MaxInlineBytes);

    private Span<byte> Copy(ReadOnlySpan<byte> record)
    {
        var copy = Scratch().AsSpan(0, EntryRecord.Length(record));
        record[..copy.Length].CopyTo(copy);
        return copy;
    }

    /// <summary>xorshift64* (Vigna 2016).</summary>
    private ulong NextRandom()
    {
        random ^= random >> 12;
        random ^= random << 25;
        random ^= random >> 27;
        return random * 0x2545F4914F6CDD1D;
    }
}
