using System.Security.Cryptography;
using Levee.Memory;
using Levee.Operations;

namespace Levee.Clustering;

/// <summary>
/// The caller's side of packed batches. Operations wait in lanes, one per partition, in strict order; at most one batch with a lane's operations is under way. A batch takes what waits for one target,
/// from many lanes. An idle target is sent to at once; else operations gather until a batch returns or there are many.
/// <para>
/// Each operation is answered, once. A read whose call failed is sent once more by the fallback; what is not delivered, and an operation whose partition is not there, is sent by the fallback until
/// <see cref="BatchRouterOptions.NotHereTimeout"/>. What is given up is a miss for a get or peek, and Unavailable for all others: a write may then have been carried out, but a later operation of its lane
/// tells the target not to, should it still be under way. Answers are given on the thread that brings the reply, never while the router is held. Safe for threads.
/// </para>
/// </summary>
public sealed partial class BatchRouter : IAsyncDisposable
{
    private const int ChunkBytes = 32 * 1024;
    private const int MaxLargeInFlight = 2;
    private const int MaxIdleFlights = 64;
    private const long VoidedMs = 60_000;

    private readonly IBatchRoutes routes;
    private readonly LargeValueStore larges;
    private readonly BatchRouterOptions options;
    private readonly TimeProvider time;
    private readonly Lock gate = new();
    private readonly BatchLane?[] partitions;
    private readonly Dictionary<int, BatchLane> otherLanes = [];
    private readonly Queue<BatchLane> ready = new();
    private readonly Dictionary<IBatchTarget, TargetQueue> targets = new(ReferenceEqualityComparer.Instance);
    private readonly Queue<TargetQueue> sendable = new();
    private readonly Stack<BatchFlight> idleFlights = new();
    private readonly HashSet<long> voiding = [];
    private readonly List<RoutedOperation> astray = [];
    private readonly OperationBatchWriter writer = new();
    private readonly CancellationTokenSource disposing = new();
    private readonly TaskCompletionSource drained = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private byte[] chunk = GC.AllocateUninitializedArray<byte>(ChunkBytes);
    private int chunkUsed;
    private long lastBatch;
    private long waitingBytes;
    private long waiting;
    private int active;
    private bool isDisposed;

    private long batchesSent;
    private long operationsSubmitted;
    private long retries;
    private long failures;
    private long unavailable;
    private long sentBytes;
    private long receivedBytes;

    /// <param name="partitionCount">How many partitions there are.</param>
    /// <param name="routes">Which way they are.</param>
    /// <param name="larges">Where large values that answers bring are put together.</param>
    /// <param name="options">How to send.</param>
    /// <param name="time">The source of time.</param>
    public BatchRouter(int partitionCount, IBatchRoutes routes, LargeValueStore larges, BatchRouterOptions options, TimeProvider time)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(partitionCount, 1);
        ArgumentNullException.ThrowIfNull(routes);
        ArgumentNullException.ThrowIfNull(larges);
        ArgumentNullException.ThrowIfNull(options);
        ArgumentNullException.ThrowIfNull(time);
        options.Validate();
        partitions = new BatchLane?[partitionCount];
        this.routes = routes;
        this.larges = larges;
        this.options = options;
        this.time = time;
        lastBatch = NewNumber();
    }

    /// <summary>What it has done since its start.</summary>
    public RouterStatistics Statistics
    {
        get
        {
            lock (gate)
            {
                return new RouterStatistics(batchesSent, operationsSubmitted, retries, failures, Interlocked.Read(ref unavailable), sentBytes, receivedBytes, waiting);
            }
        }
    }

    private long NowMs => (long)time.GetElapsedTime(0).TotalMilliseconds + 1;

    /// <summary>Packs an operation and puts it behind the others of its lane. Never waits. It is sent by <see cref="Flush"/>, or earlier with others.</summary>
    /// <param name="partition">Its lane: the operation's partition, or, from the partition count on, whatever the routes understand: the tiers of one silo, for example.</param>
    /// <param name="operation">The operation; all is copied but a large value, whose reference the caller keeps until the answer.</param>
    /// <param name="sink">Takes the answers, from any thread; during this call where the operation is refused.</param>
    /// <param name="ticket">What the sink knows it by.</param>
    public void Submit(int partition, in Operation operation, IAnswerSink sink, long ticket)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(partition);
        ArgumentNullException.ThrowIfNull(sink);
        if (!PackedOperation.IsPackable(operation))
        {
            sink.Answer(ticket, Refusal(operation));
            return;
        }

        var traits = PackedOperation.TraitsOf(operation);
        var length = PackedOperation.Length(operation, traits);
        bool isTaken;
        lock (gate)
        {
            operationsSubmitted++;
            isTaken = !isDisposed && waitingBytes + length <= options.MaxWaitingBytes;
            if (isTaken)
            {
                var lane = LaneOf(partition);
                var routed = new RoutedOperation { Sink = sink, Ticket = ticket, Large = operation.Large, Length = length };
                PackedOperation.Write(Reserve(ref routed), partition, operation, traits);
                lane.PushBack(routed);
                waiting++;
                waitingBytes += length;
                if (lane.State == LaneState.Idle)
                {
                    lane.State = LaneState.Ready;
                    ready.Enqueue(lane);
                }
            }
        }

        if (!isTaken)
        {
            Interlocked.Increment(ref unavailable);
            sink.Answer(ticket, new Answer(Outcome.Unavailable));
        }
    }

    /// <summary>
    /// Whether nothing of a lane waits or is under way: all that was submitted to it before has taken effect, as far as this caller's own operations go. Then an operation may go another way without overtaking any.
    /// </summary>
    public bool IsIdle(int partition) =>
        partition < partitions.Length && (Volatile.Read(ref partitions[partition]) is not { } lane || lane.State == LaneState.Idle);

    /// <summary>Sends what may be sent now. Where a target answers at once, sinks are called before this returns.</summary>
    public void Flush()
    {
        while (true)
        {
            BatchFlight? flight;
            List<RoutedOperation>? lost;
            lock (gate)
            {
                flight = isDisposed ? null : NextFlight();
                lost = TakeAstray();
            }

            foreach (var operation in lost ?? [])
            {
                GiveUp(operation);
            }

            if (flight is null)
            {
                return;
            }

            flight.IsInline = true;
            _ = RunAsync(flight);
            flight.IsInline = false;
        }
    }

    /// <summary>
    /// Why a partition does not answer, for people: the first cause since it answered last, or a clearer one that came later. Null where it
    /// answers.
    /// </summary>
    public string? LastFailure(int partition)
    {
        lock (gate)
        {
            return partition < partitions.Length ? partitions[partition]?.LastFailure : otherLanes.GetValueOrDefault(partition)?.LastFailure;
        }
    }

    /// <summary>Answers all that waits or is under way with Unavailable.</summary>
    public async ValueTask DisposeAsync()
    {
        var left = new List<RoutedOperation>();
        bool isDrained;
        lock (gate)
        {
            if (isDisposed)
            {
                return;
            }

            isDisposed = true;
            foreach (var lane in partitions.Concat(otherLanes.Values).OfType<BatchLane>())
            {
                lane.Timer?.Dispose();
                while (lane.Count > 0)
                {
                    left.Add(lane.Pop());
                }
            }

            waiting = 0;
            waitingBytes = 0;
            isDrained = active == 0;
        }

        AnswerUnavailable(left);
        await disposing.CancelAsync().ConfigureAwait(false);
        if (!isDrained)
        {
            await drained.Task.ConfigureAwait(false);
        }

        disposing.Dispose();
    }

    private void NoteFailure(int partition, string text)
    {
        lock (gate)
        {
            LaneOf(partition).NoteFailure(text, isVague: false);
        }
    }

    private static long NewNumber() => BitConverter.ToInt64(RandomNumberGenerator.GetBytes(8)) & long.MaxValue;

    /// <summary>What every partition answers to what cannot be packed.</summary>
    private static Answer Refusal(scoped in Operation operation)
    {
        if (operation.Key.Length > Limits.MaxKeyBytes)
        {
            return new Answer(Outcome.BadKey, operation.Kind == OperationKind.RemoveByTag ? Limits.MaxTagBytes : Limits.MaxKeyBytes);
        }

        if (operation.Tags.Length > Limits.MaxPackedTagsBytes)
        {
            return new Answer(Outcome.BadKey, Limits.MaxPackedTagsBytes);
        }

        return operation.ContentType.Length > Limits.MaxContentTypeBytes ? new Answer(Outcome.BadKey, Limits.MaxContentTypeBytes) : new Answer(Outcome.TooLarge, Limits.MaxInlineBytes);
    }

    private BatchLane LaneOf(int partition)
    {
        if (partition < partitions.Length)
        {
            return partitions[partition] ??= new BatchLane(partition);
        }

        if (!otherLanes.TryGetValue(partition, out var lane))
        {
            lane = new BatchLane(partition);
            otherLanes.Add(partition, lane);
        }

        return lane;
    }

    /// <summary>Room for a packed operation, in an array that is shared with others and used once.</summary>
    private Span<byte> Reserve(ref RoutedOperation operation)
    {
        if (operation.Length > ChunkBytes / 4)
        {
            operation.Buffer = GC.AllocateUninitializedArray<byte>(operation.Length);
            return operation.Buffer;
        }

        if (operation.Length > chunk.Length - chunkUsed)
        {
            chunk = GC.AllocateUninitializedArray<byte>(ChunkBytes);
            chunkUsed = 0;
        }

        operation.Buffer = chunk;
        operation.Start = chunkUsed;
        chunkUsed += operation.Length;
        return chunk.AsSpan(operation.Start, operation.Length);
    }

    /// <summary>The next batch that may be sent, or null.</summary>
    private BatchFlight? NextFlight()
    {
        while (ready.TryDequeue(out var lane))
        {
            try
            {
                Direct(lane);
            }
            catch (Exception failure) // Whatever routes throw: this lane's operations are given up, and the others go on.
            {
                LeadAstray(lane, failure);
            }
        }

        while (sendable.TryPeek(out var queue))
        {
            if (queue.LargeLanes.Count > 0 && queue.LargeInFlight < MaxLargeInFlight)
            {
                return BuildLarge(queue, queue.LargeLanes.Dequeue());
            }

            if (MaySend(queue))
            {
                return Build(queue);
            }

            sendable.Dequeue();
            if (queue.IsIdle)
            {
                targets.Remove(queue.Target);
            }
        }

        return null;
    }

    /// <summary>Puts a lane into the queue of the target that it is for.</summary>
    private void Direct(BatchLane lane)
    {
        var target = lane.ViaFallback ? routes.FallbackOf(lane.Number) : routes.TargetOf(lane.Number);
        if (!targets.TryGetValue(target, out var queue))
        {
            queue = new TargetQueue(target);
            targets.Add(target, queue);
        }

        (lane.First.Large is null ? queue.Lanes : queue.LargeLanes).Enqueue(lane);
        sendable.Enqueue(queue);
    }

    /// <summary>Nobody knows a way for a lane: what waits in it is to be given up when the router is not held.</summary>
    private void LeadAstray(BatchLane lane, Exception failure)
    {
        failures++;
        lane.NoteFailure($"no way to partition {lane.Number} is known: {failure.Message}", isVague: false);
        lane.ViaFallback = false;
        lane.State = LaneState.Idle;
        while (lane.Count > 0)
        {
            var operation = lane.Pop();
            waiting--;
            waitingBytes -= operation.Length;
            astray.Add(operation);
        }
    }

    private List<RoutedOperation>? TakeAstray()
    {
        if (astray.Count == 0)
        {
            return null;
        }

        List<RoutedOperation> taken = [.. astray];
        astray.Clear();
        return taken;
    }

    private bool MaySend(TargetQueue queue)
    {
        if (queue.Lanes.Count == 0 || queue.InFlight >= options.MaxInFlight)
        {
            return false;
        }

        if (queue.InFlight == 0)
        {
            return true;
        }

        var gathered = 0;
        foreach (var lane in queue.Lanes)
        {
            gathered += lane.Count;
            if (gathered >= options.GatheredOperations)
            {
                return true;
            }
        }

        return false;
    }

    private BatchFlight Build(TargetQueue queue)
    {
        var flight = Begin(queue);
        queue.InFlight++;
        var now = NowMs;
        voiding.Clear();
        foreach (var lane in queue.Lanes)
        {
            TryVoid(lane, now);
        }

        for (var left = queue.Lanes.Count; left > 0 && writer.Fits(queue.Lanes.Peek().First.Length); left--)
        {
            var lane = queue.Lanes.Dequeue();
            if (!TryVoid(lane, now))
            {
                queue.Lanes.Enqueue(lane); // It goes with the next: its own voided batches must be told with it.
                continue;
            }

            lane.State = LaneState.UnderWay;
            flight.Lanes.Add(lane);
            while (lane.Count > 0 && lane.First.Large is null && writer.Fits(lane.First.Length))
            {
                Take(flight, lane);
            }
        }

        return Finish(flight);
    }

    /// <summary>A batch of one operation with its large value: the others need not wait until that is across.</summary>
    private BatchFlight BuildLarge(TargetQueue queue, BatchLane lane)
    {
        var flight = Begin(queue);
        flight.IsLarge = true;
        queue.LargeInFlight++;
        voiding.Clear();
        TryVoid(lane, NowMs);
        lane.State = LaneState.UnderWay;
        flight.Lanes.Add(lane);
        Take(flight, lane);
        return Finish(flight);
    }

    private BatchFlight Begin(TargetQueue queue)
    {
        var flight = idleFlights.Count > 0 ? idleFlights.Pop() : new BatchFlight();
        flight.Queue = queue;
        flight.IsLarge = false;
        flight.Batch = lastBatch = (lastBatch + 1) & long.MaxValue;
        writer.Begin(flight.Batch);
        return flight;
    }

    private BatchFlight Finish(BatchFlight flight)
    {
        flight.Request = writer.ToArray();
        var operations = System.Runtime.InteropServices.CollectionsMarshal.AsSpan(flight.Operations);
        foreach (ref var operation in operations)
        {
            operation.Operation.Buffer = flight.Request;
        }

        batchesSent++;
        sentBytes += flight.Request.Length;
        active++;
        return flight;
    }

    private void Take(BatchFlight flight, BatchLane lane)
    {
        var operation = lane.Pop();
        operation.Start = writer.Add(operation.Packed);
        waiting--;
        waitingBytes -= operation.Length;
        flight.Operations.Add(new FlightOperation { Operation = operation, Lane = lane });
    }

    /// <summary>Tells the target of a lane's voided batches; before the first operation of the batch that is built.</summary>
    /// <returns>False where not all are told.</returns>
    private bool TryVoid(BatchLane lane, long now)
    {
        var isTold = true;
        foreach (var (batch, _) in lane.Voided(now))
        {
            if (!voiding.Contains(batch))
            {
                if (writer.Count == 0 && voiding.Count < BatchLimits.MaxVoided)
                {
                    voiding.Add(batch);
                    writer.Void(batch);
                }
                else
                {
                    isTold = false;
                }
            }
        }

        return isTold;
    }
}
