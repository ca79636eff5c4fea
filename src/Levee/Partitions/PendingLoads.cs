using Levee.Memory;
using Levee.Operations;

namespace Levee.Partitions;

/// <summary>
/// The loads of a partition that are under way, and who waits for each. One load per key at a time is current: who asks for the key joins it (single flight).
/// A write that need not know the entry detaches the load: its result still answers those who waited, and is not stored.
/// </summary>
internal sealed class PendingLoads
{
    private readonly Dictionary<long, PendingLoad> byTicket = [];
    private readonly Dictionary<byte[], PendingLoad> currentByKey = new(KeyComparer.Instance);
    private readonly Dictionary<byte[], PendingLoad>.AlternateLookup<ReadOnlySpan<byte>> lookup;
    private long lastTicket;

    /// <param name="ticketsAbove">Tickets are above this.</param>
    public PendingLoads(long ticketsAbove = 0)
    {
        lastTicket = ticketsAbove;
        lookup = currentByKey.GetAlternateLookup<ReadOnlySpan<byte>>();
    }

    /// <summary>Loads under way, detached ones included.</summary>
    public int Count => byTicket.Count;

    /// <summary>Those of them that ask the frozen copy that the partition is arriving from.</summary>
    public int CountFromSource { get; private set; }

    /// <summary>The current load of a key, or null.</summary>
    public PendingLoad? Current(ReadOnlySpan<byte> key) =>
        currentByKey.Count > 0 && lookup.TryGetValue(key, out var load) ? load : null;

    /// <summary>Whatever the loads under way will bring was true at this clock or later; <see cref="long.MaxValue"/> where there are none.</summary>
    public long HoldsFromMs => byTicket.Count == 0 ? long.MaxValue : byTicket.Values.Min(static load => load.HoldsFromMs);

    /// <summary>Begins a load, of what lower tiers hold that was true at a clock or later.</summary>
    public PendingLoad Begin(ReadOnlySpan<byte> key, ulong hash, long holdsFromMs, bool isFromSource = false)
    {
        var load = new PendingLoad(++lastTicket, key.ToArray(), hash, holdsFromMs) { IsFromSource = isFromSource };
        CountFromSource += isFromSource ? 1 : 0;
        byTicket.Add(load.Ticket, load);
        currentByKey.Add(load.Key, load);
        return load;
    }

    /// <summary>Makes a load's result one that is not stored, and that those who wait are shown only where it is not younger than this version.</summary>
    public void Detach(PendingLoad load, ulong version)
    {
        load.IsDetached = true;
        load.NewestShown = version;
        currentByKey.Remove(load.Key);
    }

    /// <summary>Makes the results of all current loads void. The loads stay current: what waits for them, and what comes, keeps its order.</summary>
    /// <returns>The loads that were not void before.</returns>
    public PendingLoad[] VoidAll()
    {
        PendingLoad[] loads = [.. currentByKey.Values.Where(load => !load.IsVoid)];
        foreach (var load in loads)
        {
            load.IsVoid = true;
        }

        return loads;
    }

    /// <summary>Takes a load out, now that its result is there.</summary>
    /// <returns>Null where no load has this ticket.</returns>
    public PendingLoad? End(long ticket)
    {
        if (!byTicket.Remove(ticket, out var load))
        {
            return null;
        }

        if (!load.IsDetached)
        {
            currentByKey.Remove(load.Key);
        }

        CountFromSource -= load.IsFromSource ? 1 : 0;
        return load;
    }

    /// <summary>Takes all loads out: nobody waits for their results any more.</summary>
    public PendingLoad[] EndAll()
    {
        PendingLoad[] ended = [.. byTicket.Values.OrderBy(static load => load.Ticket)];
        byTicket.Clear();
        currentByKey.Clear();
        CountFromSource = 0;
        return ended;
    }

    private sealed class KeyComparer : IEqualityComparer<byte[]>, IAlternateEqualityComparer<ReadOnlySpan<byte>, byte[]>
    {
        public static readonly KeyComparer Instance = new();

        public bool Equals(byte[]? x, byte[]? y) => x.AsSpan().SequenceEqual(y);

        public int GetHashCode(byte[] obj) => GetHashCode(obj.AsSpan());

        public bool Equals(ReadOnlySpan<byte> alternate, byte[] other) => alternate.SequenceEqual(other);

        public int GetHashCode(ReadOnlySpan<byte> alternate)
        {
            var hash = default(HashCode);
            hash.AddBytes(alternate);
            return hash.ToHashCode();
        }

        public byte[] Create(ReadOnlySpan<byte> alternate) => alternate.ToArray();
    }
}

/// <summary>A load under way, and who waits for it, in order.</summary>
internal sealed class PendingLoad(long ticket, byte[] key, ulong hash, long holdsFromMs)
{
    public long Ticket { get; } = ticket;

    public byte[] Key { get; } = key;

    public ulong Hash { get; } = hash;

    /// <summary>Whether the frozen copy is asked, and not the tiers.</summary>
    public bool IsFromSource { get; init; }

    /// <summary>What the tiers held from when the load began: it may bring what they have given up since.</summary>
    public long HoldsFromMs { get; } = holdsFromMs;

    /// <summary>The newest version that those who wait may see. What overtook the load may have been evicted, and be what it finds; they asked before.</summary>
    public ulong NewestShown { get; set; } = ulong.MaxValue;

    /// <summary>Whether a write has overtaken the load: the result answers those who wait, all of them readers, and is not stored.</summary>
    public bool IsDetached { get; set; }

    /// <summary>Whether the cache was cleared meanwhile: whatever the load brings is gone.</summary>
    public bool IsVoid { get; set; }

    /// <summary>Whether it was asked for ahead of a use: then the result is stored as if it were wanted.</summary>
    public bool IsPrefetch { get; set; }

    public List<Waiter> Waiters { get; } = [];

    /// <summary>Whether somebody who waits may write: then a later write waits behind it.</summary>
    public bool HasWriter { get; private set; }

    /// <summary>Whether somebody who waits uses the entry, and does not only look.</summary>
    public bool HasGet { get; private set; }

    public void Join(scoped in Operation operation, IAnswerSink sink, long ticket)
    {
        Waiters.Add(new Waiter(operation, sink, ticket));
        HasWriter |= operation.Kind is not (OperationKind.Get or OperationKind.Peek);
        HasGet |= operation.Kind == OperationKind.Get;
    }
}

/// <summary>An operation that waits, with what it borrowed copied.</summary>
internal sealed class Waiter
{
    private readonly byte[] key;
    private readonly byte[] value;
    private readonly byte[] contentType;
    private readonly byte[] tags;
    private readonly LargeValue? large;
    private readonly OperationKind kind;
    private readonly EntryKind entryKind;
    private readonly Condition condition;
    private readonly ExpireCondition expireCondition;
    private readonly bool keepTtl;
    private readonly bool returnsPrevious;
    private readonly bool requiresKind;
    private readonly uint flags;
    private readonly ulong hash;
    private readonly ulong version;
    private readonly long expiresAt;
    private readonly long slidingMs;
    private readonly long jitterMs;
    private readonly long number;
    private readonly double addend;

    public Waiter(scoped in Operation operation, IAnswerSink sink, long ticket)
    {
        Sink = sink;
        Ticket = ticket;
        key = operation.Key.ToArray();
        value = operation.Value.ToArray();
        contentType = operation.ContentType.ToArray();
        tags = operation.Tags.ToArray();
        large = operation.Large;
        kind = operation.Kind;
        entryKind = operation.EntryKind;
        condition = operation.Condition;
        expireCondition = operation.ExpireCondition;
        keepTtl = operation.KeepTtl;
        returnsPrevious = operation.ReturnsPrevious;
        requiresKind = operation.RequiresKind;
        flags = operation.Flags;
        hash = operation.Hash;
        version = operation.Version;
        expiresAt = operation.ExpiresAt;
        slidingMs = operation.SlidingMs;
        jitterMs = operation.JitterMs;
        number = operation.Number;
        addend = operation.Addend;
    }

    public IAnswerSink Sink { get; }

    public long Ticket { get; }

    /// <summary>The operation, borrowing from this waiter.</summary>
    public Operation Operation => new()
    {
        Kind = kind,
        Key = key,
        Hash = hash,
        Value = value,
        Large = large,
        EntryKind = entryKind,
        Flags = flags,
        ContentType = contentType,
        Tags = tags,
        ExpiresAt = expiresAt,
        SlidingMs = slidingMs,
        JitterMs = jitterMs,
        KeepTtl = keepTtl,
        ReturnsPrevious = returnsPrevious,
        RequiresKind = requiresKind,
        Condition = condition,
        ExpireCondition = expireCondition,
        Version = version,
        Number = number,
        Addend = addend,
    };
}
