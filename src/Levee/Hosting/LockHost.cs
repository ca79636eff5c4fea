using System.Diagnostics;
using System.Numerics;
using System.Security.Cryptography;
using Levee.Learning;
using Levee.Memory;
using Levee.Operations;
using Levee.Partitions;

namespace Levee.Hosting;

/// <summary>
/// Runs a cache's partitions in one process: a lock per partition, effects run outside it, and one background loop that does the partitions' maintenance in slices.
/// All of them are here from the start, or they come and go: opened for an owner's epoch, frozen for the next. Safe for threads.
/// </summary>
public sealed partial class LockHost : ICacheHost, IEffectHost, IPrefetchTarget, IResidents, IAsyncDisposable
{
    /// <summary>How far a chain is followed before a lookup; longer ones are rare.</summary>
    private const int MaxChainApproached = 3;

    /// <summary>8 MiB: what is less lies in a processor's cache, where looking ahead costs more than it saves.</summary>
    private const int LeastPagesApproached = (8 << 20) / PageArena.PageBytes;

    private static readonly TimeSpan MaintenancePeriod = TimeSpan.FromMilliseconds(100);

    private readonly TimeProvider time;
    private readonly Slot[] slots;
    private readonly int shift;
    private readonly PageArena arena;
    private readonly ITierChain? tiers;
    private readonly IInvalidationListener? listener;
    private readonly CancellationTokenSource stopping = new();
    private readonly SemaphoreSlim owed = new(0, 1);
    private readonly Task maintenance;
    private readonly ulong secret;
    private readonly ClockReservation reservation;
    private readonly bool isBackground;
    private long maintenanceFailures;
    private CacheOptions options;
    private long leaseUntil = long.MaxValue;

    /// <param name="options">The cache's options; validated here.</param>
    /// <param name="time">The source of time.</param>
    /// <param name="tiers">The lower tiers, ready to be called; null where there are none.</param>
    /// <param name="seed">Seed of the partitions' chance; null: random.</param>
    /// <param name="maintains">Whether the background loop runs; a test that drives <see cref="MaintainOnce"/> itself says no.</param>
    /// <param name="opens">Whether all partitions are here from the start; else they are opened one by one.</param>
    /// <param name="moves">How partitions are moved; null: as <see cref="MoveOptions"/> has it.</param>
    /// <param name="listener">Hears of every change in every partition, while it is held; null: nobody.</param>
    public LockHost(CacheOptions options, TimeProvider time, ITierChain? tiers = null, ulong? seed = null, bool maintains = true, bool opens = true, MoveOptions? moves = null, IInvalidationListener? listener = null)
    {
        ArgumentNullException.ThrowIfNull(options);
        ArgumentNullException.ThrowIfNull(time);
        options.Validate();
        this.options = options;
        this.tiers = tiers;
        this.time = time;
        Moves = moves ?? new MoveOptions();
        pulls = new SemaphoreSlim(Moves.MaxPulls);
        Clock = new MillisecondClock(time);
        reservation = new ClockReservation(tiers, Clock);
        reservation.Renew();
        arena = new PageArena(options.MemoryBytes);
        LargeValues = new LargeValueStore(arena, options.EffectiveMaxValueBytes);
        slots = new Slot[options.EffectivePartitions];
        shift = 64 - BitOperations.Log2((uint)slots.Length);
        this.listener = listener;
        policySwitch = new PolicySwitch(0, FirstPolicyOf(options), "");
        secret = seed ?? BitConverter.ToUInt64(RandomNumberGenerator.GetBytes(8));
        for (var i = 0; i < slots.Length; i++)
        {
            slots[i] = new Slot();
            if (opens)
            {
                Place(slots[i], NewPartition(i, options.PartitionBytes, 0, 0, null), 0);
            }
        }

        StartLearning();
        tiers?.Attach(this);
        isBackground = maintains;
        maintenance = maintains ? Task.Run(MaintainAsync) : Task.CompletedTask;
    }

    /// <summary>The cache's options.</summary>
    public CacheOptions Options => Volatile.Read(ref options);

    /// <inheritdoc/>
    public string Name => options.Name;

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
    public long ClockFailures => reservation.Failures;

    /// <summary>How often a step of background maintenance failed. The others go on, and it is tried again.</summary>
    public long MaintenanceFailures => Interlocked.Read(ref maintenanceFailures);

    /// <summary>
    /// Hears of the 1st, 2nd, 4th, 8th … of <see cref="MaintenanceFailures"/>, on the maintenance's thread; null: nobody.
    /// </summary>
    public Action<Exception>? MaintenanceFailed { get; set; }

    /// <summary>Pages rented from the system for this cache, in bytes.</summary>
    public long HeldBytes => arena.RentedPages * PageArena.PageBytes;

    /// <summary>
    /// Until when operations are answered, by <see cref="MillisecondClock.Monotonic"/> of <see cref="Clock"/>: an owner's lease. From then on nothing is answered that a later owner might know
    /// better, until it is set anew. <see cref="long.MaxValue"/> at the start: for good.
    /// </summary>
    public long LeaseUntil
    {
        get => Volatile.Read(ref leaseUntil);
        set => Volatile.Write(ref leaseUntil, value);
    }

    private bool IsLeaseOver => leaseUntil != long.MaxValue && Clock.Monotonic >= LeaseUntil;

    /// <inheritdoc/>
    public void Submit(in Operation operation, IAnswerSink sink, long ticket)
    {
        if (!TrySubmit(operation, sink, ticket))
        {
            sink.Answer(ticket, new Answer(Outcome.Unavailable));
        }
    }

    /// <summary>Like <see cref="Submit"/>, where the partition is here.</summary>
    /// <returns>False where it is not, or does not serve any more, or the lease is over; then nothing was done.</returns>
    public bool TrySubmit(in Operation operation, IAnswerSink sink, long ticket) => TrySubmit(operation, sink, ticket, out _);

    /// <summary>Like <see cref="Submit"/>, where the partition is here; says what a prefetcher is to be told, and tells <see cref="Accesses"/>.</summary>
    /// <param name="operation">The operation.</param>
    /// <param name="sink">Takes the answer.</param>
    /// <param name="ticket">What the sink knows it by.</param>
    /// <param name="access">Whether it found the entry in memory that it could have used, and how.</param>
    /// <returns>False where it is not, or does not serve any more, or the lease is over; then nothing was done.</returns>
    public bool TrySubmit(in Operation operation, IAnswerSink sink, long ticket, out AccessKind access)
    {
        access = AccessKind.Hit;
        var number = PartitionOf(operation);
        if (number >= slots.Length)
        {
            SubmitBelow(number - slots.Length, operation, sink, ticket);
            return true;
        }

        if (operation.Kind == OperationKind.Explain)
        {
            return TryExplain(number, operation, sink, ticket);
        }

        var slot = slots[number];
        Effect[]? taken = null;
        bool owes;
        lock (slot.Gate)
        {
            if (slot.Serving is not { } partition || IsLeaseOver)
            {
                return false;
            }

            partition.Execute(operation, Clock.Now, sink, ticket);
            access = partition.LastAccess;
            if (partition.HasEffects)
            {
                taken = partition.TakeEffects();
            }

            owes = partition.OwesMemory;
        }

        if (access != AccessKind.Hit)
        {
            Accesses?.Report(operation.Key, operation.Hash, access);
        }

        if (taken is not null)
        {
            Run(number, taken);
        }

        if (owes)
        {
            HurryMaintenance();
        }

        return true;
    }

    /// <inheritdoc/>
    public int SubmitGets(ReadOnlySpan<byte> input, Span<KeyHint> keys, IBatchSink sink, long ticket)
    {
        var submitted = TrySubmitGets(input, keys, sink, ticket);
        if (submitted > 0)
        {
            return submitted;
        }

        sink.Answer(ticket, new Answer(Outcome.Unavailable));
        return 1;
    }

    /// <summary>Like <see cref="SubmitGets"/>, where the partition of the first key is here.</summary>
    /// <returns>How many were submitted; 0 where the partition is not here, or does not serve any more, or the lease is over; then nothing was done.</returns>
    public int TrySubmitGets(ReadOnlySpan<byte> input, Span<KeyHint> keys, IBatchSink sink, long ticket)
    {
        var number = PartitionOf(keys[0].Hash);
        var together = 1;
        while (together < keys.Length && PartitionOf(keys[together].Hash) == number)
        {
            together++;
        }

        var slot = slots[number];
        Effect[]? taken = null;
        int submitted;
        lock (slot.Gate)
        {
            if (slot.Serving is not { } partition || IsLeaseOver)
            {
                return 0;
            }

            submitted = partition.ExecuteGets(input, keys[..together], Clock.Now, sink, ticket);
            if (partition.HasEffects)
            {
                taken = partition.TakeEffects();
            }
        }

        if (Accesses is { } accesses)
        {
            foreach (ref readonly var key in keys[..submitted])
            {
                if (key.Access != AccessKind.Hit)
                {
                    accesses.Report(input.Slice(key.Start, key.Length), key.Hash, key.Access);
                }
            }
        }

        if (taken is not null)
        {
            Run(number, taken);
        }

        return submitted;
    }

    /// <inheritdoc/>
    public void Approach(ReadOnlySpan<byte> input, Span<KeyHint> keys)
    {
        if (tiers is null && arena.RentedPages < LeastPagesApproached)
        {
            foreach (ref var key in keys)
            {
                key.IndexHint = 0;
            }

            return;
        }

        foreach (ref var key in keys)
        {
            tiers?.Approach(key.Hash);
            key.IndexHint = slots[PartitionOf(key.Hash)].Partition?.ApproachBucket(input.Slice(key.Start, key.Length)) ?? 0;
        }

        foreach (ref var key in keys)
        {
            key.Node = slots[PartitionOf(key.Hash)].Partition?.ApproachNode(key.IndexHint) ?? -1;
        }

        var isUnderWay = true;
        for (var steps = 0; isUnderWay && steps < MaxChainApproached; steps++)
        {
            isUnderWay = false;
            foreach (ref var key in keys)
            {
                if (key.Node >= 0)
                {
                    key.Node = slots[PartitionOf(key.Hash)].Partition?.ApproachRecord(key.IndexHint, key.Node) ?? -1;
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
            if (slot.Partition is not { } held)
            {
                return false;
            }

            // Who waits may be answered by another owner by now; and what waits to be written here may not be.
            isPromoted = IsLeaseOver ? held.Complete(ticket, new LoadResult { Outcome = LoadOutcome.Failed }, Clock.Now) : held.Complete(ticket, result, Clock.Now);
            if (held.HasEffects)
            {
                taken = held.TakeEffects();
            }

            slot.NoteLoads();
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
            return (slot.Partition ?? slot.Frozen?.Partition) is { } held && held.IsTrue(entry, Clock.Now) && action(state);
        }
    }

    /// <summary>Acts while a partition is held. Where it is not here, a copy that is frozen is; else the action waits for it to be opened again, and the result is the default.</summary>
    public TResult Hold<TState, TResult>(int partition, TState state, Func<Partition, TState, TResult> action)
    {
        ArgumentNullException.ThrowIfNull(action);
        var slot = slots[partition];
        lock (slot.Gate)
        {
            if ((slot.Partition ?? slot.Frozen?.Partition) is { } held)
            {
                return action(held, state);
            }

            (slot.Told ??= []).Add(opened => action(opened, state));
            return default!;
        }
    }

    /// <summary>Does one slice of maintenance in each partition that serves.</summary>
    /// <returns>Whether any found work.</returns>
    public bool MaintainOnce()
    {
        Guarded(static (host, _) =>
        {
            host.reservation.TryRenew();
            return false;
        }, 0);
        var worked = Guarded(static (host, _) => host.MaintainMoves(), 0);
        for (var i = 0; i < slots.Length; i++)
        {
            worked |= Guarded(static (host, number) => host.MaintainSlot(number), i);
        }

        Guarded(static (host, _) =>
        {
            host.EndVisits();
            return false;
        }, 0);
        return worked;
    }

    /// <summary>Checks the invariants of all partitions. For tests.</summary>
    public void CheckInvariants()
    {
        foreach (var slot in slots)
        {
            lock (slot.Gate)
            {
                slot.Partition?.CheckInvariants();
                slot.Frozen?.Partition.CheckInvariants();
            }
        }
    }

    /// <summary>
    /// Stops maintenance and gives all memory back. Nobody may use the host any more. The tiers are disposed of before: large values that wait there lie in this memory;
    /// <see cref="TakeDownAsync"/> sees to it that the host does not use them any longer by then.
    /// </summary>
    public async ValueTask DisposeAsync()
    {
        await EndMaintenanceAsync().ConfigureAwait(false);

        // A caller who comes too late finds nothing here, and not memory that is gone.
        foreach (var slot in slots)
        {
            lock (slot.Gate)
            {
                slot.Partition?.LetGo();
                slot.Frozen?.Partition.LetGo();
                slot.Serving = null;
                slot.Partition = null;
                slot.Frozen = null;
            }
        }

        StopLearning();
        pulls.Dispose();
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

    private bool TryExplain(int number, in Operation operation, IAnswerSink sink, long ticket)
    {
        EntryExplanation explanation;
        lock (slots[number].Gate)
        {
            if (slots[number].Serving is not { } partition || IsLeaseOver)
            {
                return false;
            }

            explanation = partition.Explain(operation.Key, Clock.Now);
        }

        sink.Answer(ticket, new Answer(explanation with { Partition = number, Places = tiers?.Explain(operation.Hash) ?? [] }));
        return true;
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
                isTrue = slot.Serving is { } partition && !IsLeaseOver && partition.IsTrue(entry, Clock.Now);
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
            if (effect.Kind == EffectKind.LoadFromSource)
            {
                slots[partition].Arrival?.Load(effect); // None: the partition has been frozen meanwhile, and who waits is answered.
            }
            else
            {
                tiers?.Run(this, partition, effect);
            }
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

    private bool MaintainSlot(int number)
    {
        var slot = slots[number];
        var worked = false;
        int samples;
        lock (slot.Gate)
        {
            if (slot.Serving is not { } partition)
            {
                return false;
            }

            reservation.Reach(partition.LastVersionMs);
            samples = Visit(partition);
            var began = Stopwatch.GetTimestamp();
            var work = partition.Maintain(Clock.Now);
            if (work != MaintenanceWork.None)
            {
                worked = true;
                Pauses.Note(work, Stopwatch.GetElapsedTime(began));
            }
        }

        Learn(number, samples);
        return worked;
    }

    /// <summary>
    /// Does one step of maintenance. In the background a step that fails is counted and told, and the others go on: expiry and payback end
    /// for nobody. Who drives maintenance sees the failure.
    /// </summary>
    private bool Guarded(Func<LockHost, int, bool> step, int number)
    {
        try
        {
            return step(this, number);
        }
        catch (Exception failure) when (isBackground)
        {
            if (BitOperations.IsPow2(Interlocked.Increment(ref maintenanceFailures)))
            {
                MaintenanceFailed?.Invoke(failure);
            }

            return false;
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
}
