using System.Diagnostics;
using System.Numerics;
using System.Security.Cryptography;
using Levee.Memory;
using Levee.Operations;
using Levee.Partitions;

namespace Levee.Hosting;

/// <summary>
/// Runs a cache's partitions in one process: a lock per partition, effects run outside it, and one background loop that does the partitions' maintenance in slices.
/// Safe for threads.
/// </summary>
public sealed class LockHost : ICacheHost, IEffectHost, IAsyncDisposable
{
    /// <summary>How far a chain is followed before a lookup; longer ones are rare.</summary>
    private const int MaxChainApproached = 3;

    /// <summary>How much of the clock is reserved at a time. The clock stands still where <see cref="CounterMs"/> of it are left: versions that are given out meanwhile take those.</summary>
    private const long ReservationMs = 3000;

    private const long CounterMs = 200;

    /// <summary>How much of a reservation may be used before it is renewed.</summary>
    private const long RenewalMs = 1000;
    private const int TakenPerSlice = 256;

    /// <summary>Within what a tier's buffer takes.</summary>
    private const long MaxWaitingBytes = 4 << 20;

    private static readonly TimeSpan MaintenancePeriod = TimeSpan.FromMilliseconds(100);

    private readonly Slot[] slots;
    private readonly int shift;
    private readonly PageArena arena;
    private readonly ITierChain? tiers;
    private readonly CancellationTokenSource stopping = new();
    private readonly SemaphoreSlim owed = new(0, 1);
    private readonly Task maintenance;
    private long reservedMs;
    private long indexBytes;
    private long lastVersionMs;
    private long clockFailures;

    /// <param name="options">The cache's options; validated here.</param>
    /// <param name="time">The source of time.</param>
    /// <param name="tiers">The lower tiers, ready to be called; null where there are none.</param>
    /// <param name="seed">Seed of the partitions' chance; null: random.</param>
    /// <param name="maintains">Whether the background loop runs; a test that drives <see cref="MaintainOnce"/> itself says no.</param>
    /// <param name="listener">Hears of every change in every partition, while it is held; null: nobody.</param>
    public LockHost(CacheOptions options, TimeProvider time, ITierChain? tiers = null, ulong? seed = null, bool maintains = true, IInvalidationListener? listener = null)
    {
        ArgumentNullException.ThrowIfNull(options);
        ArgumentNullException.ThrowIfNull(time);
        options.Validate();
        Options = options;
        this.tiers = tiers;
        Clock = new MillisecondClock(time);
        ReserveClock();
        arena = new PageArena(options.MemoryBytes);
        LargeValues = new LargeValueStore(arena, options.EffectiveMaxValueBytes);
        slots = new Slot[options.EffectivePartitions];
        shift = 64 - BitOperations.Log2((uint)slots.Length);
        var secret = seed ?? BitConverter.ToUInt64(RandomNumberGenerator.GetBytes(8));
        for (var i = 0; i < slots.Length; i++)
        {
            slots[i] = new Slot(new Partition(new PageShare(arena, options.PartitionBytes), new PartitionOptions
            {
                Policy = options.Policy,
                DefaultTtlMs = (long)options.DefaultTtl.TotalMilliseconds,
                DefaultTtlJitterMs = (long)options.DefaultTtlJitter.TotalMilliseconds,
                MaxValueBytes = options.EffectiveMaxValueBytes,
                WritesThrough = options.WritesThrough,
                Seed = secret + ((ulong)i * 0x9E3779B97F4A7C15),
            }, tiers, i, listener));
        }

        tiers?.Attach(this);
        maintenance = maintains ? Task.Run(MaintainAsync) : Task.CompletedTask;
    }

    /// <summary>The cache's options.</summary>
    public CacheOptions Options { get; }

    /// <inheritdoc/>
    public string Name => Options.Name;

    /// <inheritdoc/>
    public int PartitionCount => slots.Length;

    /// <inheritdoc/>
    public int TierCount => tiers?.TierCount ?? 0;

    /// <inheritdoc/>
    public bool IsCommitted => tiers is null || tiers.IsCommitted;

    /// <inheritdoc/>
    public LargeValueStore LargeValues { get; }

    /// <summary>The clock that the partitions see.</summary>
    public MillisecondClock Clock { get; }

    /// <summary>Background slices that took longer than a millisecond, by what they did.</summary>
    public PauseCounters Pauses { get; } = new();

    /// <summary>How often the tiers could not note how far the clock goes. It stands still until they can.</summary>
    public long ClockFailures => Interlocked.Read(ref clockFailures);

    /// <summary>Pages rented from the system for this cache, in bytes.</summary>
    public long HeldBytes => arena.RentedPages * PageArena.PageBytes;

    /// <inheritdoc/>
    public void Submit(in Operation operation, IAnswerSink sink, long ticket)
    {
        var number = PartitionOf(operation);
        if (number >= slots.Length)
        {
            SubmitBelow(number - slots.Length, operation, sink, ticket);
            return;
        }

        if (operation.Kind == OperationKind.Explain)
        {
            Explain(number, operation, sink, ticket);
            return;
        }

        var slot = slots[number];
        Effect[]? taken = null;
        bool owes;
        lock (slot.Gate)
        {
            slot.Partition.Execute(operation, Clock.Now, sink, ticket);
            if (slot.Partition.HasEffects)
            {
                taken = slot.Partition.TakeEffects();
            }

            owes = slot.Partition.OwesMemory;
        }

        if (taken is not null)
        {
            Run(number, taken);
        }

        if (owes)
        {
            HurryMaintenance();
        }
    }

    /// <inheritdoc/>
    public void Approach(ReadOnlySpan<byte> input, Span<KeyHint> keys)
    {
        foreach (ref var key in keys)
        {
            tiers?.Approach(key.Hash);
            key.IndexHint = slots[PartitionOf(key.Hash)].Partition.ApproachBucket(input.Slice(key.Start, key.Length));
        }

        foreach (ref var key in keys)
        {
            key.Node = slots[PartitionOf(key.Hash)].Partition.ApproachNode(key.IndexHint);
        }

        var isUnderWay = true;
        for (var steps = 0; isUnderWay && steps < MaxChainApproached; steps++)
        {
            isUnderWay = false;
            foreach (ref var key in keys)
            {
                if (key.Node >= 0)
                {
                    key.Node = slots[PartitionOf(key.Hash)].Partition.ApproachRecord(key.IndexHint, key.Node);
                    isUnderWay |= key.Node >= 0;
                }
            }
        }
    }

    /// <summary>Everything has been sent already.</summary>
    public void Flush(IAnswerSink sink)
    {
    }

    /// <inheritdoc/>
    public bool Complete(int partition, long ticket, scoped in LoadResult result)
    {
        var slot = slots[partition];
        Effect[]? taken = null;
        bool isPromoted;
        lock (slot.Gate)
        {
            isPromoted = slot.Partition.Complete(ticket, result, Clock.Now);
            if (slot.Partition.HasEffects)
            {
                taken = slot.Partition.TakeEffects();
            }
        }

        if (taken is not null)
        {
            Run(partition, taken);
        }

        return isPromoted;
    }

    /// <inheritdoc/>
    public ValueTask CommitAsync() => tiers?.CommitAsync() ?? ValueTask.CompletedTask;

    /// <inheritdoc/>
    public bool HoldIfTrue<TState>(scoped in TierEntry entry, TState state, Func<TState, bool> action)
    {
        ArgumentNullException.ThrowIfNull(action);
        var slot = slots[PartitionOf(entry.Hash)];
        lock (slot.Gate)
        {
            return slot.Partition.IsTrue(entry, Clock.Now) && action(state);
        }
    }

    /// <inheritdoc/>
    public TResult Hold<TState, TResult>(int partition, TState state, Func<Partition, TState, TResult> action)
    {
        ArgumentNullException.ThrowIfNull(action);
        var slot = slots[partition];
        lock (slot.Gate)
        {
            return action(slot.Partition, state);
        }
    }

    /// <summary>Does one slice of maintenance in each partition.</summary>
    /// <returns>Whether any found work.</returns>
    public bool MaintainOnce()
    {
        TryReserveClock();
        GiveWay();
        var worked = false;
        foreach (var slot in slots)
        {
            lock (slot.Gate)
            {
                lastVersionMs = Math.Max(lastVersionMs, slot.Partition.LastVersionMs);
                var began = Stopwatch.GetTimestamp();
                var work = slot.Partition.Maintain(Clock.Now);
                if (work != MaintenanceWork.None)
                {
                    worked = true;
                    Pauses.Note(work, Stopwatch.GetElapsedTime(began));
                }
            }
        }

        return worked;
    }

    /// <summary>The budget counts the tiers' indexes too: partitions hold so much less. An index is bounded to half of the budget, so they keep the other half.</summary>
    private void GiveWay()
    {
        var now = tiers?.IndexBytes ?? 0;
        if (Math.Abs(now - indexBytes) < PageArena.PageBytes * slots.Length)
        {
            return;
        }

        indexBytes = now;
        var capacity = Math.Max(Options.PartitionBytes / 2, Options.PartitionBytes - (indexBytes / slots.Length));
        foreach (var slot in slots)
        {
            lock (slot.Gate)
            {
                slot.Partition.SetCapacity(capacity);
            }
        }
    }

    /// <summary>Takes all that is in memory down to the tiers, the coldest first, so that the next start is warm. Front doors have been closed; the tiers are stopped afterwards.</summary>
    public async Task TakeDownAsync(CancellationToken cancellation)
    {
        if (tiers is null)
        {
            return;
        }

        var waiting = 0L;
        for (var left = slots.ToList(); left.Count > 0;)
        {
            for (var i = left.Count - 1; i >= 0; i--)
            {
                cancellation.ThrowIfCancellationRequested();
                long taken;
                lock (left[i].Gate)
                {
                    taken = left[i].Partition.TakeDown(TakenPerSlice, Clock.Now);
                }

                if (taken == 0)
                {
                    left.RemoveAt(i);
                }

                waiting += taken;
                if (waiting >= MaxWaitingBytes)
                {
                    waiting = 0;
                    await tiers.DrainAsync(cancellation).ConfigureAwait(false);
                }
            }
        }

        await tiers.DrainAsync(cancellation).ConfigureAwait(false);
    }

    /// <summary>Checks the invariants of all partitions. For tests.</summary>
    public void CheckInvariants()
    {
        foreach (var slot in slots)
        {
            lock (slot.Gate)
            {
                slot.Partition.CheckInvariants();
            }
        }
    }

    /// <summary>Stops maintenance and gives all memory back. Nobody may use the host any more.</summary>
    public async ValueTask DisposeAsync()
    {
        await stopping.CancelAsync().ConfigureAwait(false);
        await maintenance.ConfigureAwait(false);
        stopping.Dispose();
        owed.Dispose();
        arena.Dispose();
    }

    private int PartitionOf(in Operation operation) => operation.Kind switch
    {
        OperationKind.Scan or OperationKind.RemoveByTag or OperationKind.Clear or OperationKind.Statistics => operation.Partition,
        _ => PartitionOf(operation.Hash),
    };

    /// <inheritdoc/>
    public int PartitionOf(ulong hash) => slots.Length == 1 ? 0 : (int)(hash >> shift);

    private void Explain(int number, in Operation operation, IAnswerSink sink, long ticket)
    {
        EntryExplanation explanation;
        lock (slots[number].Gate)
        {
            explanation = slots[number].Partition.Explain(operation.Key, Clock.Now);
        }

        sink.Answer(ticket, new Answer(explanation with { Partition = number, Places = tiers?.Explain(operation.Hash) ?? [] }));
    }

    private void SubmitBelow(int tier, in Operation operation, IAnswerSink sink, long ticket)
    {
        ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual(tier, TierCount);
        switch (operation.Kind)
        {
            case OperationKind.Scan:
                _ = ScanBelowAsync(tier, operation.Number, sink, ticket);
                return;
            case OperationKind.Statistics:
                var statistics = tiers!.GetStatistics(tier);
                sink.Answer(ticket, new Answer(new PartitionStatistics { EntriesBelow = statistics.EntriesBelow, Tier = statistics }));
                return;
            default:
                throw new ArgumentOutOfRangeException(nameof(operation), operation.Kind, "not an operation on a tier");
        }
    }

    /// <summary>A tier that fails in the middle of a scan ends it there: what it could not read cannot be read by a GET either.</summary>
    private async Task ScanBelowAsync(int tier, long position, IAnswerSink sink, long ticket)
    {
        var scratch = new byte[1024];
        var next = 0L;
        try
        {
            next = await tiers!.ScanAsync(tier, position, Visit).ConfigureAwait(false);
        }
        catch (Exception ended) when (ended is IOException or OperationCanceledException)
        {
            next = 0;
        }

        sink.Answer(ticket, new Answer(Outcome.Done, next));

        void Visit(scoped in TierEntry entry)
        {
            var slot = slots[PartitionOf(entry.Hash)];
            bool isTrue;
            lock (slot.Gate)
            {
                isTrue = slot.Partition.IsTrue(entry, Clock.Now);
            }

            if (isTrue)
            {
                sink.Answer(ticket, new Answer(Outcome.Item, EntryView.Of(entry, ref scratch)));
            }
        }
    }

    private void Run(int partition, Effect[] taken)
    {
        foreach (var effect in taken)
        {
            tiers!.Run(this, partition, effect);
        }
    }

    /// <summary>
    /// No partition's clock, and no version, passes what the tiers have noted: whoever opens them next begins above it. Where the wall clock is behind what was given out before, by this
    /// owner or an earlier one, versions go on from there and the reservation with them.
    /// </summary>
    private void ReserveClock()
    {
        if (tiers is null)
        {
            return;
        }

        var floorMs = tiers.FloorMs == 0 ? 0 : tiers.FloorMs + 1;
        var reachedMs = Math.Max(floorMs, lastVersionMs);
        var wantedMs = Math.Max(Clock.Unbounded + ReservationMs, reachedMs + CounterMs);
        var isStanding = reachedMs > Clock.Unbounded;
        if (wantedMs - reservedMs > (isStanding ? 0 : RenewalMs))
        {
            tiers.Reserve(wantedMs);
            reservedMs = wantedMs;
            Clock.Bound(floorMs, reservedMs - CounterMs);
        }
    }

    /// <summary>A disk that does not take the reservation now may take the next: until then the clock stands still.</summary>
    private void TryReserveClock()
    {
        try
        {
            ReserveClock();
        }
        catch (IOException)
        {
            Interlocked.Increment(ref clockFailures);
        }
    }

    private void HurryMaintenance()
    {
        if (owed.CurrentCount == 0)
        {
            try
            {
                owed.Release();
            }
            catch (SemaphoreFullException)
            {
                // Another thread hurried it in the same moment.
            }
        }
    }

    private async Task MaintainAsync()
    {
        while (!stopping.IsCancellationRequested)
        {
            Clock.Synchronize();
            while (MaintainOnce() && !stopping.IsCancellationRequested)
            {
                await Task.Yield();
                Clock.Synchronize();
            }

            try
            {
                await owed.WaitAsync(MaintenancePeriod, stopping.Token).ConfigureAwait(false);
            }
            catch (OperationCanceledException)
            {
                return;
            }
        }
    }

    private sealed class Slot(Partition partition)
    {
        public readonly Lock Gate = new();
        public readonly Partition Partition = partition;
    }
}
