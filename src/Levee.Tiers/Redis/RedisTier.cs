using System.Numerics;
using Levee.Operations;
using Levee.Partitions;
using Levee.Segments;
using Levee.Tiers.Segments;
using Microsoft.Extensions.Logging;

namespace Levee.Tiers.Redis;

/// <summary>
/// A tier in Redis, Valkey or Garnet: one key per record, named by prefix, cache, generation and hash (docs/decisions/0008-the-hierarchy.md, "The Redis tier").
/// <para>
/// What must hold, always: a record of this generation that lies in Redis, or is under way there, is either what <see cref="RedisPresence"/> says is live, or what a record in the buffer is
/// to replace, or it is covered by a tombstone whose UNLINK is not answered yet, by a clear or tag removal in the log, or by its own expiry. So whatever is dropped from the index where Redis
/// may have it goes through <see cref="MakeVoid"/>, which logs; and a record that comes back counts only if the index says the same after the answer as it said before the question.
/// </para>
/// <para>
/// A record that takes the place of a live one logs nothing: until its SET has happened the other one is what was acknowledged last, and must be there if this process dies. So such a
/// record is always sent, even if it has expired by then, unless a tombstone or a clear takes it away; and so are those before it that it has superseded in the buffer, because a write
/// through is acknowledged when the answers have passed it, and by then Redis must not hold what it replaced.
/// </para>
/// <para>
/// Order: one loop sends, and in each turn, under the lock, takes all tombstones first and then the records, but for those that a tombstone or a clear has taken away. So an UNLINK never overtakes a SET
/// that it is to void, nor falls behind one that came later. After the connection was lost the former one is killed at the server, and the loop begins again behind the last answer.
/// </para>
/// While Redis is being listed (after a start) a hash that the index does not know may be there; then no mark of a void hash is taken away.
/// </summary>
public sealed partial class RedisTier : ITier
{
    /// <summary>A stop does not wait for a server that has answered nothing for so long.</summary>
    private static readonly TimeSpan StallPatience = TimeSpan.FromSeconds(10);

    private static readonly TimeSpan DrainPace = TimeSpan.FromMilliseconds(5);

    private readonly RedisOptions options;
    private readonly TierContext context;
    private readonly TimeProvider time;
    private readonly ILogger logger;
    private readonly RedisBreaker breaker;

    // Guards everything below, but for what is read as volatile. Taken after a partition's lock, never before one.
    private readonly Lock gate = new();
    private readonly RedisPresence presence = new();
    private readonly RedisGroups groups;
    private readonly DemotionBuffer buffer;
    private readonly TombstoneLog tombstones;
    private readonly RemovalLog removals;
    private readonly AsyncSignal work = new();
    private readonly CancellationTokenSource stopping = new();

    // Per partition: up to which version, ticket and group everything is void.
    private ClearMark[] clears = [];

    // Hashes whose record in the buffer takes the place of another, and the first ticket of those that followed on one another there without a tombstone in between.
    private readonly Dictionary<ulong, long> replacing = [];
    private ITierHost host = null!;
    private TierState state = null!;
    private RedisNames names = null!;
    private int partitionShift;
    private long floorMs;
    private long lastTicket;

    // When something began to wait, or an answer came last.
    private long movedAt;
    private bool isListing;
    private bool isStopped;
    private Task running = Task.CompletedTask;
    private Task maintaining = Task.CompletedTask;

    /// <param name="options">The server.</param>
    /// <param name="context">The rest.</param>
    public RedisTier(RedisOptions options, TierContext context)
        : this(options, context, new TombstoneLog(Checked(context).StateFolder))
    {
    }

    internal RedisTier(RedisOptions options, TierContext context, TombstoneLog tombstones)
    {
        ArgumentNullException.ThrowIfNull(options);
        ArgumentNullException.ThrowIfNull(context);
        this.options = options;
        this.context = context;
        this.tombstones = tombstones;
        time = context.Time;
        logger = context.Logger;
        breaker = new RedisBreaker(time);
        groups = new RedisGroups(context.CapacityBytes);
        buffer = new DemotionBuffer(options.BufferBytes, options.BufferBytes);
        removals = new RemovalLog(context.StateFolder);
        readPool = new ReadPool(this);
    }

    /// <inheritdoc/>
    public string Name => options.Endpoint;

    /// <inheritdoc/>
    public string Kind => "redis";

    /// <inheritdoc/>
    public ITier? Below { get; set; }

    /// <inheritdoc/>
    public long FloorMs => floorMs;

    /// <inheritdoc/>
    public long HoldsFromMs
    {
        get
        {
            lock (gate)
            {
                return HoldsFrom();
            }
        }
    }

    /// <inheritdoc/>
    public Task StartAsync(ITierHost host, CancellationToken cancellation)
    {
        ArgumentNullException.ThrowIfNull(host);
        this.host = host;
        partitionShift = 64 - BitOperations.Log2((uint)host.PartitionCount);
        clears = new ClearMark[host.PartitionCount];
        state = TierState.OpenOrCreate(context.StateFolder, context.Fsync, out var finding);
        floorMs = state.ReservedMs;
        movedAt = time.GetTimestamp();
        heldSinceMs = markMs = NowMs();
        LogFinding(Name, finding.Outcome, finding.Reason);
        lock (gate)
        {
            OpenGeneration(finding.Outcome == StateOutcome.Continued);
        }

        foreach (var (removal, version) in removals.Live.ToArray())
        {
            var today = PartitionMark.Today(removal.Partition, clears.Length);
            for (var partition = today.Start.Value; partition < today.End.Value; partition++)
            {
                if (removal.Tag.Length == 0)
                {
                    clears[partition].Version = Math.Max(clears[partition].Version, version);
                    host.RecoverClear(partition, version);
                }
                else
                {
                    host.RecoverTagRemoval(partition, System.Text.Encoding.Latin1.GetBytes(removal.Tag), version);
                }
            }
        }

        running = Task.Run(() => RunAsync(stopping.Token), CancellationToken.None);
        maintaining = Task.Run(() => MaintainAsync(stopping.Token), CancellationToken.None);
        return Task.CompletedTask;
    }

    /// <inheritdoc/>
    public bool HasRoom
    {
        get
        {
            lock (gate)
            {
                return !isStopped && buffer.HasRoom;
            }
        }
    }

    /// <inheritdoc/>
    public bool MayHold(ulong hash)
    {
        if (!Volatile.Read(ref isListing) && presence.Count == 0)
        {
            return false;
        }

        lock (gate)
        {
            return presence.TryFind(hash, out var entry) ? IsLive(entry) : isListing;
        }
    }

    /// <inheritdoc/>
    public void Demote(scoped in TierEntry entry)
    {
        lock (gate)
        {
            TryTake(entry, out _);
        }
    }

    /// <inheritdoc/>
    public bool Keep(ulong hash)
    {
        lock (gate)
        {
            if (!presence.TryFind(hash, out var entry) || !IsLive(entry) || groups.IsBeingReclaimed(entry.Location))
            {
                return false;
            }

            presence.Move(hash, entry.Location, entry.Location.With(entry.Location.Flags & ~LocationFlags.Promoted));
            return true;
        }
    }

    /// <inheritdoc/>
    public void Promoted(ulong hash)
    {
        lock (gate)
        {
            if (presence.TryFind(hash, out var entry) && IsLive(entry))
            {
                presence.Move(hash, entry.Location, entry.Location.With(entry.Location.Flags | LocationFlags.Promoted));
            }
        }
    }

    /// <inheritdoc/>
    public void Invalidate(ulong hash, ulong version)
    {
        lock (gate)
        {
            var isKnown = presence.TryFind(hash, out var entry);
            if (isKnown ? IsVoid(entry) : !isListing)
            {
                return;
            }

            if (isKnown && !isListing && entry.Location.IsInBuffer && FullTicket(entry.Location) > reachedTicket && !replacing.ContainsKey(hash))
            {
                presence.Remove(hash);
                return;
            }

            MakeVoid(hash, version);
        }

        context.Failpoint?.Invoke("redis:after-tombstone");
    }

    /// <inheritdoc/>
    public void Forget(ulong hash)
    {
        lock (gate)
        {
            if (presence.TryFind(hash, out var entry) && !IsVoid(entry))
            {
                MakeVoid(hash, ulong.MaxValue);
            }
        }
    }

    /// <inheritdoc/>
    public bool RemoveByTag(int partition, ReadOnlySpan<byte> tag, ulong version)
    {
        lock (gate)
        {
            if (!removals.TryAppend(PartitionMark.Of(partition, clears.Length), tag, version))
            {
                return false;
            }

            loggedRemovals++;
        }

        context.Failpoint?.Invoke("redis:after-removal");
        return true;
    }

    /// <inheritdoc/>
    public bool Clear(int partition, ulong version)
    {
        lock (gate)
        {
            if (!removals.TryAppend(PartitionMark.Of(partition, clears.Length), default, version))
            {
                return false;
            }

            loggedRemovals++;
            groups.Open(HeldSince());
            clears[partition] = new ClearMark { Version = version, Ticket = lastTicket, Sequence = groups.Current.Sequence - 1, IsToSweep = true };
        }

        maintenance.Raise();
        context.Failpoint?.Invoke("redis:after-clear");
        return true;
    }

    /// <summary>Half of the buffer is much room: the connection goes on sending while that fills.</summary>
    public async Task DrainAsync(CancellationToken cancellation)
    {
        CheckFolder();
        while (IsMuchWaiting())
        {
            work.Raise();
            await Task.Delay(DrainPace, time, cancellation).ConfigureAwait(false);
        }
    }

    /// <inheritdoc/>
    public void Reserve(long untilMs) => state.Reserve(untilMs);

    /// <inheritdoc/>
    public TierPlace? Explain(ulong hash)
    {
        lock (gate)
        {
            if (!presence.TryFind(hash, out var entry) || !IsLive(entry))
            {
                return null;
            }

            var isPromoted = (entry.Location.Flags & LocationFlags.Promoted) != 0;
            return entry.Location.IsInBuffer
                ? new TierPlace(Name, "waiting to be written", 0, 0, isPromoted)
                : new TierPlace(Name, $"redis key {names.Text(hash)}", entry.Location.LengthAtMost, groups.Since(entry.Location.Sequence), isPromoted);
        }
    }

    /// <inheritdoc/>
    public async Task StopAsync(CancellationToken cancellation)
    {
        try
        {
            while (!IsDrained() && !HasStalled())
            {
                work.Raise();
                await Task.Delay(DrainPace, time, cancellation).ConfigureAwait(false);
            }
        }
        catch (OperationCanceledException)
        {
            // What waits still is lost, and no lie: its tombstones are in the log.
        }

        await EndAsync().ConfigureAwait(false);
        lock (gate)
        {
            if (!isStopped)
            {
                isStopped = true;
                drops += CountWaiting();
                CheckFolder();
                tombstones.Flush();
                removals.Flush();
                state.MarkClean();
            }
        }
    }

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        await EndAsync().ConfigureAwait(false);
        lock (gate)
        {
            isStopped = true;
            tombstones.Dispose();
            removals.Dispose();
            presence.Dispose();
            buffer.Dispose();
            state?.Dispose();
        }

        stopping.Dispose();
    }

    private static TierContext Checked(TierContext context)
    {
        ArgumentNullException.ThrowIfNull(context);
        return context;
    }

    private async Task EndAsync()
    {
        await stopping.CancelAsync().ConfigureAwait(false);
        work.Raise();
        maintenance.Raise();
        await Task.WhenAll(running, maintaining).ConfigureAwait(false);
    }

    private void CheckFolder()
    {
        if (!state.IsInPlace)
        {
            throw new IOException($"the folder {context.StateFolder} is gone, and without it what Redis holds is not found again");
        }
    }

    /// <summary>Whether Redis answers, and has more than half a buffer to take.</summary>
    private bool IsMuchWaiting()
    {
        lock (gate)
        {
            return link is not null && Math.Max(buffer.UsedBytes, buffer.LargeBytes) > options.BufferBytes / 2;
        }
    }

    /// <summary>Whether something has waited for Redis for so long, without any answer, that a stop does not wait for it any longer.</summary>
    private bool HasStalled()
    {
        lock (gate)
        {
            return time.GetElapsedTime(movedAt) >= StallPatience;
        }
    }

    /// <summary>Records that wait and that the index points at: the next start does not find them.</summary>
    private int CountWaiting()
    {
        var count = 0;
        for (var after = 0L; buffer.TryNext(after, out var ticket, out var record); after = ticket)
        {
            count += presence.TryFind(TierRecord.Hash(record.Record), out var entry) && IsAt(entry, ticket) && IsLive(entry) ? 1 : 0;
        }

        return count;
    }

    /// <summary>Whether nothing waits to be written, or deleted, in Redis.</summary>
    public bool IsDrained()
    {
        lock (gate)
        {
            return buffer.Count == 0 && tombstones.Unanswered == 0;
        }
    }

    /// <summary>The clock, which never falls behind what an earlier owner may have given out: an entry that was expired then stays expired.</summary>
    private long NowMs() => Math.Max(time.GetUtcNow().ToUnixTimeMilliseconds(), floorMs);

    private int PartitionOf(ulong hash) => clears.Length == 1 ? 0 : (int)(hash >> partitionShift);

    private static bool IsVoid(in IndexEntry entry) => (entry.Location.Flags & LocationFlags.Void) != 0;

    /// <summary>Whether an entry of the index is live: neither void, nor cleared, nor expired.</summary>
    private bool IsLive(in IndexEntry entry)
    {
        if (IsVoid(entry))
        {
            return false;
        }

        return !IsCleared(entry) && (entry.ExpiresAtSeconds == IndexEntry.NeverExpires || !entry.IsExpired(NowMs()));
    }

    private bool IsCleared(in IndexEntry entry)
    {
        ref var clear = ref clears[PartitionOf(entry.Hash)];
        return entry.Location.IsInBuffer ? clear.Ticket > 0 && FullTicket(entry.Location) <= clear.Ticket : entry.Location.Sequence <= clear.Sequence;
    }

    // A location keeps the lower bits of a ticket; the buffer is far smaller than what they can tell apart.
    private long FullTicket(SegmentLocation location) => lastTicket - ((lastTicket - location.Ticket) & SegmentLocation.TicketMask);

    private bool TryTake(scoped in TierEntry entry, out long ticket)
    {
        ticket = 0;
        if (isStopped || !buffer.TryAdd(entry, out ticket))
        {
            drops++;
            return false;
        }

        lastTicket = ticket;
        demotions++;
        NoteWaiting();
        var flags = entry.Tags.IsEmpty ? LocationFlags.None : LocationFlags.Tagged;
        var added = new IndexEntry(entry.Hash, SegmentLocation.InBuffer(ticket, flags), IndexEntry.Seconds(entry.ExpiresAt));
        NoteReplacing(entry.Hash, ticket);
        presence.Set(added, out _);
        work.Raise();
        return true;
    }

    /// <summary>Notes of a new record if it takes the place of another: of one that Redis has or may have, or of one in the buffer that is to be sent before it.</summary>
    private void NoteReplacing(ulong hash, long ticket)
    {
        var isKnown = presence.TryFind(hash, out var other);
        if (isKnown ? IsVoid(other) : !isListing)
        {
            return;
        }

        if (isKnown && other.Location.IsInBuffer && FullTicket(other.Location) > reachedTicket)
        {
            replacing.TryAdd(hash, FullTicket(other.Location));
        }
        else
        {
            replacing[hash] = ticket;
        }
    }

    /// <summary>Begins to count how long Redis answers nothing, where nothing waited for it before.</summary>
    private void NoteWaiting()
    {
        if (buffer.Count + tombstones.Unanswered == 1)
        {
            movedAt = time.GetTimestamp();
        }
    }

    /// <summary>Logs a tombstone and marks the hash void until its UNLINK is answered.</summary>
    private void MakeVoid(ulong hash, ulong version)
    {
        replacing.Remove(hash);
        if (!tombstones.TryAppend(hash, version, out var number))
        {
            GiveUpGeneration("too many tombstones wait for Redis");
            presence.Remove(hash);
            return;
        }

        NoteWaiting();
        presence.Set(new IndexEntry(hash, SegmentLocation.InBuffer(number, LocationFlags.Void), IndexEntry.NeverExpires), out _);
        work.Raise();
    }

    private long HeldSince() => buffer.Count == 0 ? NowMs() : heldSinceMs;

    private long HoldsFrom()
    {
        if (isListing)
        {
            return recoveredHoldsFromMs;
        }

        return presence.Live == 0 && buffer.Count == 0 && tombstones.Unanswered == 0 ? long.MaxValue : Math.Min(groups.HoldsFrom(tombstones.Answered, answeredTicket), HeldSince());
    }

    private struct ClearMark
    {
        public ulong Version;
        public long Ticket;
        public long Sequence;
        public bool IsToSweep;
    }
}
