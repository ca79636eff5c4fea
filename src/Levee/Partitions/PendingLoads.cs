using Levee.Learning;
using Levee.Memory;
using Levee.Operations;

namespace Levee.Partitions;

/// <summary>
/// The loads of a partition that are under way, and who waits for each. One load per key at a time is current: who asks for the key joins it (single flight).
/// A load that was begun by a hash alone takes the key of the first who asks for one with that hash.
/// A write that need not know the entry detaches the load: its result still answers those who waited, and is not stored.
/// </summary>
internal sealed class PendingLoads
{
    private readonly Dictionary<long, PendingLoad> byTicket = [];
    private readonly Dictionary<ulong, PendingLoad> currentByHash = [];
    private long lastTicket;

    /// <param name="ticketsAbove">Tickets are above this.</param>
    public PendingLoads(long ticketsAbove = 0) => lastTicket = ticketsAbove;

    /// <summary>Loads under way, detached ones included.</summary>
    public int Count => byTicket.Count;

    /// <summary>Those of them that ask the frozen copy that the partition is arriving from.</summary>
    public int CountFromSource { get; private set; }

    /// <summary>Current loads whose key is not known: each is the only one of its hash.</summary>
    public int UnnamedCount { get; private set; }

    /// <summary>The current load of a key, or null.</summary>
    public PendingLoad? Current(ReadOnlySpan<byte> key, ulong hash)
    {
        if (currentByHash.Count == 0 || !currentByHash.TryGetValue(hash, out var load))
        {
            return null;
        }

        while (load is not null && !(load.IsNamed && key.SequenceEqual(load.Key)))
        {
            load = load.NextOfHash;
        }

        return load;
    }

    /// <summary>The current load of whatever key has this hash, or null.</summary>
    public PendingLoad? Unnamed(ulong hash) =>
        UnnamedCount > 0 && currentByHash.TryGetValue(hash, out var load) && !load.IsNamed ? load : null;

    /// <summary>Whether a key with this hash is being loaded.</summary>
    public bool HasHash(ulong hash) => currentByHash.Count > 0 && currentByHash.ContainsKey(hash);

    /// <summary>The load with a ticket, or null.</summary>
    public PendingLoad? Find(long ticket) => byTicket.GetValueOrDefault(ticket);

    /// <summary>Makes an unnamed load one of this key: somebody waits for it.</summary>
    public void Name(PendingLoad load, ReadOnlySpan<byte> key)
    {
        load.Name(key.ToArray());
        UnnamedCount--;
    }

    /// <summary>Whatever the loads under way will bring was true at this clock or later; <see cref="long.MaxValue"/> where there are none.</summary>
    public long HoldsFromMs => byTicket.Count == 0 ? long.MaxValue : byTicket.Values.Min(static load => load.HoldsFromMs);

    /// <summary>Begins a load, of what lower tiers hold that was true at a clock or later.</summary>
    public PendingLoad Begin(ReadOnlySpan<byte> key, ulong hash, long holdsFromMs, bool isFromSource = false, bool isByHash = false, IAnswerSink? asker = null, long askerTicket = 0)
    {
        var load = new PendingLoad(++lastTicket, isByHash ? [] : key.ToArray(), hash, holdsFromMs) { IsFromSource = isFromSource, IsByHash = isByHash, IsNamed = !isByHash, Asker = asker, AskerTicket = askerTicket };
        CountFromSource += isFromSource ? 1 : 0;
        UnnamedCount += isByHash ? 1 : 0;
        byTicket.Add(load.Ticket, load);
        load.NextOfHash = currentByHash.GetValueOrDefault(hash);
        currentByHash[hash] = load;
        return load;
    }

    /// <summary>Makes a load's result one that is not stored, and that those who wait are shown only where it is not younger than this version.</summary>
    public void Detach(PendingLoad load, ulong version)
    {
        load.IsDetached = true;
        load.NewestShown = version;
        Unlink(load);
    }

    /// <summary>Makes the results of all current loads void. The loads stay current: what waits for them, and what comes, keeps its order.</summary>
    /// <returns>The loads that were not void before.</returns>
    public PendingLoad[] VoidAll()
    {
        PendingLoad[] loads = [.. byTicket.Values.Where(static load => !load.IsDetached && !load.IsVoid).OrderBy(static load => load.Ticket)];
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
            Unlink(load);
        }

        CountFromSource -= load.IsFromSource ? 1 : 0;
        return load;
    }

    /// <summary>Takes all loads out: nobody waits for their results any more.</summary>
    public PendingLoad[] EndAll()
    {
        PendingLoad[] ended = [.. byTicket.Values.OrderBy(static load => load.Ticket)];
        byTicket.Clear();
        currentByHash.Clear();
        CountFromSource = 0;
        UnnamedCount = 0;
        return ended;
    }

    /// <summary>A load is not current any more.</summary>
    private void Unlink(PendingLoad load)
    {
        UnnamedCount -= load.IsNamed ? 0 : 1;
        var first = currentByHash[load.Hash];
        if (first == load)
        {
            if (load.NextOfHash is { } next)
            {
                currentByHash[load.Hash] = next;
            }
            else
            {
                currentByHash.Remove(load.Hash);
            }

            return;
        }

        var before = first;
        while (before.NextOfHash != load)
        {
            before = before.NextOfHash!;
        }

        before.NextOfHash = load.NextOfHash;
    }
}

/// <summary>A load under way, and who waits for it, in order.</summary>
internal sealed class PendingLoad(long ticket, byte[] key, ulong hash, long holdsFromMs)
{
    public long Ticket { get; } = ticket;

    /// <summary>The key; of no meaning where it is not known (<see cref="IsNamed"/>).</summary>
    public byte[] Key { get; private set; } = key;

    public ulong Hash { get; } = hash;

    /// <summary>Whether the key was not known when the load began: what it brings may be another key's.</summary>
    public bool IsByHash { get; init; }

    /// <summary>Whether the key is known, from the start or since somebody waits.</summary>
    public bool IsNamed { get; set; }

    /// <summary>The next current load of the same hash.</summary>
    public PendingLoad? NextOfHash { get; set; }

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

    /// <summary>Whether a prefetch began it, and no tier has been told yet that somebody waits.</summary>
    public bool IsBehindOthers { get; set; }

    /// <summary>Whether a prefetch began it.</summary>
    public bool IsBegunAhead => Asker is not null;

    /// <summary>Whether nobody wants what it brings yet: then it is kept apart.</summary>
    public bool IsAhead => IsPrefetch && !HasGet && !HasWriter;

    /// <summary>Who asked for it ahead of a use, and is told how it ended; null: nobody.</summary>
    public IAnswerSink? Asker { get; init; }

    /// <summary>What the asker knows it by.</summary>
    public long AskerTicket { get; init; }

    public List<Waiter> Waiters { get; } = [];

    /// <summary>Whether somebody who waits may write: then a later write waits behind it.</summary>
    public bool HasWriter { get; private set; }

    /// <summary>Whether somebody who waits uses the entry, and does not only look.</summary>
    public bool HasGet { get; private set; }

    public void Name(byte[] name)
    {
        Key = name;
        IsNamed = true;
    }

    public void Join(scoped in Operation operation, IAnswerSink sink, long ticket, AccessKind access)
    {
        Waiters.Add(new Waiter(operation, sink, ticket) { Access = access });
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
    private readonly bool isAhead;
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
        isAhead = operation.IsAhead;
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

    /// <summary>What became of it in memory.</summary>
    public AccessKind Access { get; init; }

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
        IsAhead = isAhead,
        Condition = condition,
        ExpireCondition = expireCondition,
        Version = version,
        Number = number,
        Addend = addend,
    };
}
