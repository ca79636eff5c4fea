using System.Collections.Concurrent;
using System.Security.Cryptography;
using Levee.Learning;
using Levee.Operations;

namespace Levee.Hosting;

/// <summary>
/// The loop that prefetches for one cache: what front doors report goes to the prefetcher, what that predicts and what clients hint goes into a queue, and from there to the cache as
/// <see cref="OperationKind.Prefetch"/>, so many at a time; how each ends, and how long it took, goes back to the prefetcher. What no tier has the origin may bring.
/// <para>
/// It works in turns, one at a time. A front door whose thread serves many connections takes them itself, between them: so what is predicted is asked for before the next request is read, and nobody has to wake up. For all others there is a task. It
/// sleeps until something is reported, hinted or answered. While it has loads to ask for, each turn follows the one before; while it only learns, there is a pause between them, in which more gathers. Reporting is an entry in a ring and
/// at most one wake-up: nobody waits for the prefetcher. Safe for threads.
/// </para>
/// </summary>
public sealed partial class PrefetchRunner : IPrefetchControl, IAccessSink, IAnswerSink, IAsyncDisposable
{
    /// <summary>Batches from other front doors that wait at the most.</summary>
    private const int MostBatches = 64;

    /// <summary>Rounds of a turn: answers that come at once make room for more.</summary>
    private const int MostRounds = 64;

    /// <summary>Loads that a front door begins at the most before it looks at its connections again, unless it has had more misses itself: of a file that is some 5 microseconds for each.</summary>
    private const int MostLoadsOfATurn = 32;

    private const double Smoothing = 0.1;

    [ThreadStatic]
    private static bool takesTurns;

    private readonly ICacheHost host;
    private readonly IPrefetcher? prefetcher;
    private readonly IPrefetchTarget? target;
    private readonly PrefetchRunnerOptions options;
    private readonly TimeProvider time;
    private readonly long began;
    private readonly AccessStream stream;
    private readonly AccessJournal journal;
    private readonly ConcurrentQueue<byte[]> batches = new();
    private readonly ConcurrentQueue<(int Place, PrefetchOutcome Outcome, long EndedAt, bool IsFinal)> answered = new();
    private readonly PrefetchQueue queue;
    private readonly Running[] running;
    private readonly Stack<int> freePlaces;
    private readonly byte[] key = new byte[KeyList.MaxKeyBytes];
    private readonly Lock gate = new();
    private readonly Lock turn = new();
    private readonly SemaphoreSlim wakeUp = new(0, 1);
    private readonly CancellationTokenSource stopping = new();
    private readonly Task loop;
    private readonly long[] outcomes = new long[Enum.GetValues<PrefetchOutcome>().Length];
    private int isAsleep;
    private int isSkipped;
    private volatile bool hasMore;
    private string? failure;
    private bool isLearning;
    private bool isDisposed;
    private long reportedSeen;
    private long hints;
    private long asked;
    private long droppedBatches;
    private double loadMicroseconds;

    /// <param name="host">The cache.</param>
    /// <param name="prefetcher">Who predicts; null: nobody, there are only hints.</param>
    /// <param name="options">How it runs; checked here.</param>
    /// <param name="time">The clock.</param>
    /// <param name="target">What reports accesses here while the runner is switched on, and whose prefetch area it sets, as long as it learns; null: others report.</param>
    /// <exception cref="ArgumentOutOfRangeException">An option is out of range.</exception>
    public PrefetchRunner(ICacheHost host, IPrefetcher? prefetcher, PrefetchRunnerOptions options, TimeProvider time, IPrefetchTarget? target = null)
    {
        ArgumentNullException.ThrowIfNull(host);
        ArgumentNullException.ThrowIfNull(options);
        ArgumentNullException.ThrowIfNull(time);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(options.MaxConcurrency, 65_536, nameof(options));
        ArgumentOutOfRangeException.ThrowIfLessThan(options.Pause, TimeSpan.Zero, nameof(options));
        ArgumentOutOfRangeException.ThrowIfLessThanOrEqual(options.CapacityPeriod, TimeSpan.Zero, nameof(options));
        ArgumentOutOfRangeException.ThrowIfLessThan(options.MaxOriginLoads, 1, nameof(options));
        this.host = host;
        this.prefetcher = prefetcher;
        this.target = target;
        this.options = options;
        this.time = time;
        began = time.GetTimestamp();
        stream = new AccessStream(BitConverter.ToUInt64(RandomNumberGenerator.GetBytes(8)), options.StreamCapacity);
        journal = new AccessJournal(prefetcher);
        queue = new PrefetchQueue(options.QueueCapacity, options.MaxConcurrency, (long)options.MaxAge.TotalMicroseconds);
        running = new Running[options.MaxConcurrency];
        freePlaces = new Stack<int>(Enumerable.Range(0, options.MaxConcurrency).Reverse());
        loop = Task.Run(RunAsync);
        IsLearning = true;
    }

    /// <summary>Whether it learns and predicts. If not, nothing is reported to it, and what was predicted is given up; hints are followed all the same. False for good where there is no prefetcher.</summary>
    public bool IsLearning
    {
        get => Volatile.Read(ref isLearning);
        set
        {
            lock (gate)
            {
                value &= prefetcher is not null && !isDisposed;
                Volatile.Write(ref isLearning, value);
                restFactor = 1;
                Watch();
                if (target is not null && prefetcher is not null)
                {
                    target.Accesses = value ? this : null;
                    target.NotesPollution = value;
                }

                while (!value && queue.TryClear(out var cleared))
                {
                    Forget(cleared, PrefetchOutcome.Dropped);
                }
            }

            Wake();
        }
    }

    private long Now => (long)time.GetElapsedTime(began).TotalMicroseconds;

    /// <inheritdoc/>
    public void Report(ReadOnlySpan<byte> key, ulong hash, AccessKind kind)
    {
        stream.Report(key, hash, kind);
        if (!takesTurns)
        {
            Wake();
        }
    }

    /// <inheritdoc/>
    public bool TakeTurn()
    {
        takesTurns = true;
        if ((stream.Reported == Volatile.Read(ref reportedSeen) && answered.IsEmpty && !hasMore) || Volatile.Read(ref isDisposed))
        {
            return false;
        }

        if (!turn.TryEnter())
        {
            Interlocked.Exchange(ref isSkipped, 1);
            if (!turn.TryEnter())
            {
                return false; // Who takes the other turn sees it afterwards.
            }
        }

        try
        {
            TryWork(MostLoadsOfATurn, isPrompt: true, out _);
        }
        finally
        {
            turn.Exit();
        }

        if (Interlocked.Exchange(ref isSkipped, 0) == 1)
        {
            Wake();
        }

        return hasMore;
    }

    /// <summary>Takes a packed <see cref="AccessBatch"/> of a front door elsewhere. What is damaged is counted, and what comes while too many wait.</summary>
    public void Take(byte[] packed)
    {
        ArgumentNullException.ThrowIfNull(packed);
        if (batches.Count >= MostBatches)
        {
            Interlocked.Increment(ref droppedBatches);
            return;
        }

        batches.Enqueue(packed);
        Wake();
    }

    /// <inheritdoc/>
    public bool TryHint(ReadOnlySpan<byte> key, ulong hash, int priority)
    {
        ArgumentOutOfRangeException.ThrowIfGreaterThan(key.Length, Limits.MaxKeyBytes, nameof(key));
        ArgumentOutOfRangeException.ThrowIfLessThan(priority, IPrefetchControl.LowestPriority);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(priority, IPrefetchControl.HighestPriority);
        var item = new PrefetchItem(key.ToArray(), hash, priority, Now, 0);
        bool isQueued;
        lock (gate)
        {
            isQueued = !isDisposed && Enqueue(item);
            hints += isQueued ? 1 : 0;
        }

        Wake();
        return isQueued;
    }

    /// <inheritdoc/>
    public ValueTask<PrefetchReport> ReportAsync(int maxQueued, CancellationToken cancellation)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(maxQueued);
        lock (gate)
        {
            var now = Now;
            var counts = journal.Counts;
            var lost = counts.Sum(static door => door.Lost);
            return new(new PrefetchReport
            {
                IsLearning = IsLearning,
                Failure = failure,
                Learnt = prefetcher?.Statistics,
                Reported = lost + counts.Sum(static door => door.Received),
                Lost = lost + Interlocked.Read(ref droppedBatches),
                Hints = hints,
                Dropped = queue.Dropped(PrefetchDrop.Full) + queue.Dropped(PrefetchDrop.Displaced),
                Stale = queue.Dropped(PrefetchDrop.Stale) + queue.Dropped(PrefetchDrop.Cleared),
                Duplicates = queue.Dropped(PrefetchDrop.Duplicate),
                Asked = asked,
                Promoted = outcomes[(int)PrefetchOutcome.Promoted],
                FromOrigin = Interlocked.Read(ref fromOrigin),
                OriginFailures = Interlocked.Read(ref originFailures),
                OriginSkips = originSkips,
                Failed = outcomes[(int)PrefetchOutcome.Failed],
                InFlight = queue.Running,
                MaxInFlight = queue.MaxConcurrency,
                Waiting = queue.Count,
                MeanLoad = TimeSpan.FromMicroseconds(loadMicroseconds),
                Queue = [.. queue.First(maxQueued).Select(item => new QueuedKey(item.Key, item.Hash, item.Priority, TimeSpan.FromMicroseconds(Math.Max(0, now - item.QueuedAt))))],
            });
        }
    }

    /// <inheritdoc/>
    void IAnswerSink.Answer(long ticket, in Answer answer)
    {
        if (ticket < 0)
        {
            NoteCapacity(answer);
            return;
        }

        // Whoever cannot be asked fails like a tier that does not answer.
        answered.Enqueue(((int)ticket, answer.Outcome == Outcome.Done ? (PrefetchOutcome)answer.Number : PrefetchOutcome.Failed, Now, IsFinal: false));
        if (!turn.IsHeldByCurrentThread)
        {
            Wake();
        }
    }

    /// <summary>Stops: what waits is dropped, loads of the origin are ended. Loads of tiers that are under way end on their own.</summary>
    public async ValueTask DisposeAsync()
    {
        lock (gate)
        {
            if (isDisposed)
            {
                return;
            }

            isDisposed = true;
        }

        IsLearning = false;
        await stopping.CancelAsync().ConfigureAwait(false);
        await loop.ConfigureAwait(false);
        await EndOriginLoadsAsync().ConfigureAwait(false);
        stopping.Dispose();
        wakeUp.Dispose();
    }

    private async Task RunAsync()
    {
        while (!stopping.IsCancellationRequested)
        {
            bool isUrgent;
            bool hasWorked;
            lock (turn)
            {
                hasWorked = TryWork(int.MaxValue, isPrompt: false, out isUrgent);
            }

            if (hasWorked)
            {
                if (!isUrgent && options.Pause > TimeSpan.Zero)
                {
                    await Task.Delay(options.Pause, time, stopping.Token).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
                }

                continue;
            }

            // Whoever brings something afterwards sees that the loop sleeps; what came before is seen here.
            Interlocked.Exchange(ref isAsleep, 1);
            if (HasWork && Interlocked.Exchange(ref isAsleep, 0) == 1)
            {
                continue;
            }

            try
            {
                await wakeUp.WaitAsync(stopping.Token).ConfigureAwait(false);
            }
            catch (OperationCanceledException)
            {
                return;
            }
        }
    }

    private bool HasWork => stream.Reported != Volatile.Read(ref reportedSeen) || !batches.IsEmpty || !answered.IsEmpty || IsQueueReady;

    private bool IsQueueReady
    {
        get
        {
            lock (gate)
            {
                return queue.IsReady;
            }
        }
    }

    private void Wake()
    {
        Interlocked.MemoryBarrier();
        if (Volatile.Read(ref isAsleep) == 1 && Interlocked.Exchange(ref isAsleep, 0) == 1)
        {
            try
            {
                wakeUp.Release();
            }
            catch (ObjectDisposedException)
            {
                // The last answers come after the end.
            }
        }
    }

    /// <summary>Works; a prefetcher that fails is asked no more, and who has the turn goes on.</summary>
    private bool TryWork(int mostLoads, bool isPrompt, out bool isUrgent)
    {
        try
        {
            return Work(mostLoads, isPrompt, out isUrgent);
        }
        catch (Exception caught) when (caught is not OutOfMemoryException)
        {
            isUrgent = false;
            failure ??= $"{caught.GetType().Name}: {caught.Message}";
            IsLearning = false;
            return true;
        }
    }

    /// <summary>Learns, queues, asks, and takes answers. Whoever calls it has the turn.</summary>
    /// <param name="mostLoads">How many loads are begun at the most, or as many as there were would-be misses; what is left then is more.</param>
    /// <param name="isPrompt">Whether what was reported has been reported just now.</param>
    /// <param name="isUrgent">Whether loads were asked for, or have ended.</param>
    /// <returns>Whether there was anything to do.</returns>
    private bool Work(int mostLoads, bool isPrompt, out bool isUrgent)
    {
        var worked = false;
        var began = 0;
        isUrgent = false;
        hasMore = false;
        for (var round = 0; round < MostRounds; round++)
        {
            var isAsking = false;
            lock (gate)
            {
                isUrgent |= TakeAnswers();
                var learnt = Learn(isPrompt);
                worked |= learnt > 0;
                mostLoads = Math.Max(mostLoads, learnt - began);
                if (learnt > 0 || round == 0)
                {
                    Predict();
                }
            }

            while (mostLoads > 0 && TryBegin(out var place, out var item))
            {
                isAsking = true;
                mostLoads--;
                began++;
                host.Submit(new Operation { Kind = OperationKind.Prefetch, Key = item.Key.Span, Hash = item.Hash }, this, place);
            }

            if (isAsking)
            {
                host.Flush(this);
            }

            isUrgent |= isAsking;
            if (!isAsking)
            {
                break;
            }
        }

        hasMore = mostLoads == 0 && IsQueueReady;
        worked |= isUrgent;
        if (worked)
        {
            FollowCapacity();
            lock (gate)
            {
                RestWhereSilent();
            }
        }

        return worked;
    }

    /// <returns>How many accesses there were.</returns>
    private int Learn(bool isPrompt)
    {
        var learnt = 0;
        Volatile.Write(ref reportedSeen, stream.Reported);
        while (stream.TryTake(out var batch))
        {
            learnt += batch.Count;
            if (IsLearning)
            {
                journal.Take(batch.Bytes, Now, isPrompt);
            }
        }

        while (batches.TryDequeue(out var packed))
        {
            learnt++;
            try
            {
                if (IsLearning)
                {
                    journal.Take(packed, Now);
                }
            }
            catch (FormatException)
            {
                Interlocked.Increment(ref droppedBatches);
            }
        }

        return learnt;
    }

    private void Predict()
    {
        while (prefetcher is not null && IsLearning && prefetcher.TryPredict(key, out var prediction))
        {
            hasPredicted = true;
            Enqueue(new PrefetchItem(key.AsSpan(0, prediction.KeyLength).ToArray(), prediction.Hash, PrefetchQueue.Predicted, Now, prediction.Id));
        }
    }

    private bool Enqueue(in PrefetchItem item)
    {
        if (!queue.Add(item, out var displaced, out var reason))
        {
            return true;
        }

        Forget(displaced, reason == PrefetchDrop.Duplicate ? PrefetchOutcome.Resident : PrefetchOutcome.Dropped);
        return displaced != item;
    }

    /// <summary>Tells the prefetcher what became of a prediction that was not loaded.</summary>
    private void Forget(in PrefetchItem item, PrefetchOutcome outcome)
    {
        if (!item.IsHint)
        {
            prefetcher?.Ended(item.Id, outcome, 0);
        }
    }

    private bool TryBegin(out int place, out PrefetchItem item)
    {
        lock (gate)
        {
            place = -1;
            while (queue.TryTake(Now, out item, out var isStale))
            {
                if (isStale)
                {
                    Forget(item, PrefetchOutcome.Dropped);
                    continue;
                }

                if (!item.IsHint && !prefetcher!.IsWanted(item.Id))
                {
                    queue.Ended(); // It was asked for while it waited, and loaded then.
                    continue;
                }

                place = freePlaces.Pop();
                running[place] = new Running(item, Now);
                asked++;
                return true;
            }

            return false;
        }
    }

    private bool TakeAnswers()
    {
        var any = false;
        while (answered.TryDequeue(out var answer))
        {
            any = true;
            var load = running[answer.Place];
            if (answer is { Outcome: PrefetchOutcome.Absent, IsFinal: false } && TryAskOrigin(answer.Place, load.Item))
            {
                continue;
            }

            running[answer.Place] = default;
            freePlaces.Push(answer.Place);
            queue.Ended();
            End(load, answer.Outcome, answer.EndedAt);
        }

        return any;
    }

    private void End(in Running load, PrefetchOutcome outcome, long endedAt)
    {
        outcomes[(int)outcome]++;
        var latency = Math.Max(0, endedAt - load.BeganAt);
        if (outcome == PrefetchOutcome.Promoted)
        {
            loadMicroseconds = loadMicroseconds == 0 ? latency : loadMicroseconds + (Smoothing * (latency - loadMicroseconds));
        }

        if (!load.Item.IsHint)
        {
            prefetcher?.Ended(load.Item.Id, outcome, latency);
        }
    }

    /// <summary>A load under way.</summary>
    private readonly record struct Running(PrefetchItem Item, long BeganAt);
}
