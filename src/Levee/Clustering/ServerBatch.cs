using Levee.Memory;
using Levee.Operations;

namespace Levee.Clustering;

/// <summary>
/// A batch while it runs at a <see cref="BatchServer"/>, and until all its answers have been handed out. It is the sink of its operations: what is answered while it runs, on its own thread, goes straight
/// into the reply; what is answered later, from any thread, is packed and waits to be collected. The ticket is the operation's index.
/// </summary>
internal sealed class ServerBatch : IBatchSink, IDisposable
{
    /// <summary>How many nodes a scan visits before it looks whether the reply has room for more.</summary>
    private const int ScanSlice = 16;

    private const int MaxApproached = 32;
    private const int LeastApproached = 4;

    private readonly BatchServer server;
    private readonly Lock runGate = new();
    private readonly Lock lateGate = new();
    private readonly int[] starts = new int[BatchLimits.MaxOperations + 1];
    private readonly AnswerBatchWriter direct;
    private readonly Queue<AnswerBatchWriter> late = new();
    private readonly List<int> absentLanes = [];
    private readonly Dictionary<int, LargeValue> larges = [];
    private readonly HashSet<int> spoilt = [];
    private AnswerBatchWriter? filling;
    private TaskCompletionSource? signal;
    private byte[] request = [];
    private int executingThread;
    private int lateFinals;
    private int handedOut;
    private bool isSignalledByAll;
    private bool isSpilling;
    private bool isVoid;
    private bool isAbandoned;
    private bool isCapturing;
    private bool isGetting;
    private long captured;

    public ServerBatch(BatchServer server)
    {
        this.server = server;
        direct = new AnswerBatchWriter(server.OwnerUtf8.Length);
    }

    /// <summary>The batch's number.</summary>
    public long Batch { get; private set; }

    /// <summary>How many operations there are.</summary>
    public int Count { get; private set; }

    /// <summary>How many of them were taken on.</summary>
    public int Executed { get; private set; }

    /// <summary>When somebody last asked for it, in milliseconds of the server's clock.</summary>
    public long TouchedMs { get; set; }

    /// <summary>Whether its answers have all come and been handed out.</summary>
    public bool IsFinished => handedOut == Executed && lateFinals + direct.Finals == Executed;

    /// <inheritdoc/>
    public bool HasRoom => !isSpilling && direct.Room >= BatchLimits.MaxEntryBytes;

    /// <summary>Whether some of its operations are not answered.</summary>
    public bool IsPending => direct.Finals + Volatile.Read(ref lateFinals) < Executed;

    /// <summary>Takes a request.</summary>
    /// <exception cref="FormatException">It is damaged.</exception>
    public void Begin(byte[] packed, ref OperationBatchReader reader)
    {
        request = packed;
        Batch = reader.Batch;
        Count = reader.Count;
        reader.Locate(starts);
        Executed = 0;
        handedOut = 0;
        lateFinals = 0;
        isSpilling = false;
        isVoid = false;
        isGetting = false;
        isAbandoned = false;
        direct.Clear();
        absentLanes.Clear();
        spoilt.Clear();
    }

    /// <summary>Sees to it that a batch that has not run does not run any more, and waits for one that runs now.</summary>
    public void Void(long batch)
    {
        lock (runGate)
        {
            isVoid |= Batch == batch;
        }
    }

    /// <summary>Executes as many operations as the reply has room for.</summary>
    public void Run(IBatchExecutor executor)
    {
        lock (runGate)
        {
            if (isVoid)
            {
                return;
            }

            executingThread = Environment.CurrentManagedThreadId;
            try
            {
                Span<KeyHint> hints = stackalloc KeyHint[MaxApproached];
                for (var from = 0; from < Count && HasRoomFor(from); from += MaxApproached)
                {
                    var window = hints[..Math.Min(MaxApproached, Count - from)];
                    Approach(executor, from, window);
                    Run(executor, from, window);
                }
            }
            finally
            {
                executingThread = 0;
            }
        }

        executor.Flush(this);
    }

    /// <inheritdoc/>
    public void Answer(long ticket, in Answer answer)
    {
        var index = (int)ticket;
        if (executingThread == Environment.CurrentManagedThreadId)
        {
            if (isGetting && !isSpilling && !answer.Entry.IsEmpty && answer.Entry.IsPlain && answer.Number == 0 && direct.TryAddPlain(index, answer.Outcome, answer.Access, answer.Entry))
            {
                return;
            }

            if (isCapturing && answer.Outcome == Outcome.Done)
            {
                captured = answer.Number;
                isCapturing = false;
                return;
            }

            if (!isSpilling && TryPack(direct, index, answer))
            {
                return;
            }

            isSpilling = true; // From now on all of it: answers to one operation stay in order.
        }

        AddLate(index, answer);
    }

    /// <summary>Takes what came later, as far as it fits, into the reply.</summary>
    public void TakeIn()
    {
        lock (lateGate)
        {
            while (late.TryPeek(out var first) && direct.TryAdd(first))
            {
                lateFinals -= first.Finals;
                Take().Dispose();
            }
        }
    }

    /// <summary>The answers that came while the batch ran, and those that were taken in, as a reply.</summary>
    public byte[] Reply()
    {
        lock (lateGate)
        {
            handedOut = direct.Finals;
            return direct.ToArray(server.OwnerUtf8, isVoid ? ReplyFlags.Voided : ReplyFlags.None, Executed, Executed - handedOut);
        }
    }

    /// <summary>Keeps the answers that came while the batch ran, to be collected: they may not leave yet.</summary>
    public byte[] ReplyLater()
    {
        lock (lateGate)
        {
            var held = new AnswerBatchWriter(server.OwnerUtf8.Length);
            held.TryAdd(direct);
            lateFinals += direct.Finals;
            direct.Clear();
            AnswerBatchWriter[] others = [.. late];
            late.Clear();
            late.Enqueue(held);
            filling ??= held;
            foreach (var other in others)
            {
                late.Enqueue(other);
            }

            return direct.ToArray(server.OwnerUtf8, ReplyFlags.None, Executed, Executed);
        }
    }

    /// <summary>Makes all answers that came while the batch ran Unavailable: they must not leave.</summary>
    public void Fail() => server.Fail(direct);

    /// <summary>Waits until all is answered, but not longer than a time.</summary>
    public ValueTask AnsweredAsync(TimeSpan wait, TimeProvider time)
    {
        lock (lateGate)
        {
            return direct.Finals + lateFinals == Executed ? ValueTask.CompletedTask : WaitAsync(isForAll: true, wait, time);
        }
    }

    /// <summary>Waits until something can be collected, but not longer than a time.</summary>
    public ValueTask CollectableAsync(TimeSpan wait, TimeProvider time)
    {
        lock (lateGate)
        {
            return late.Count > 0 || isAbandoned ? ValueTask.CompletedTask : WaitAsync(isForAll: false, wait, time);
        }
    }

    /// <summary>Takes what can be collected, as much as one reply holds; null where nothing can.</summary>
    public AnswerBatchWriter? TakeLate()
    {
        lock (lateGate)
        {
            return late.Count > 0 ? Take() : null;
        }
    }

    /// <summary>A reply with what <see cref="TakeLate"/> gave.</summary>
    public byte[] ReplyTo(AnswerBatchWriter? taken)
    {
        lock (lateGate)
        {
            handedOut += taken?.Finals ?? 0;
            return (taken ?? new AnswerBatchWriter(server.OwnerUtf8.Length)).ToArray(server.OwnerUtf8, ReplyFlags.None, Executed, Executed - handedOut);
        }
    }

    /// <summary>Nobody comes for the answers any more: those that are there are dropped, and those that come.</summary>
    public void Abandon()
    {
        lock (lateGate)
        {
            isAbandoned = true;
            while (late.Count > 0)
            {
                var dropped = Take();
                server.Forget(dropped);
                dropped.Dispose();
            }

            signal?.TrySetResult();
        }
    }

    /// <summary>Gives memory back. The batch may be used again where it <see cref="IsFinished"/>.</summary>
    public void Dispose()
    {
        direct.Dispose();
        request = [];
        Batch = 0;
    }

    private bool HasRoomFor(int index)
    {
        if (index == 0 || (!isSpilling && direct.Room >= 2 * BatchLimits.MaxEntryBytes))
        {
            return true;
        }

        var packed = request.AsSpan(starts[index]);
        var returnsTwo = (PackedOperation.TraitsOf(packed) & PackedOperation.Traits.ReturnsPrevious) != 0;
        return !isSpilling && direct.Room >= (returnsTwo ? 2 : 1) * BatchLimits.MaxEntryBytes;
    }

    private void Approach(IBatchExecutor executor, int from, Span<KeyHint> window)
    {
        for (var i = 0; i < window.Length; i++)
        {
            var packed = request.AsSpan(starts[from + i]);
            window[i] = new KeyHint { Start = starts[from + i] + PackedOperation.HeadBytes, Length = PackedOperation.KeyLength(packed), Hash = PackedOperation.Hash(packed) };
        }

        if (window.Length >= LeastApproached)
        {
            executor.Approach(request, window);
        }
    }

    private void Run(IBatchExecutor executor, int from, Span<KeyHint> window)
    {
        var getsUntil = 0;
        for (var i = 0; i < window.Length && HasRoomFor(from + i);)
        {
            if (absentLanes.Count == 0 && i >= getsUntil)
            {
                getsUntil = i;
                while (getsUntil < window.Length && PackedOperation.IsPlainGet(request.AsSpan(starts[from + getsUntil], starts[from + getsUntil + 1] - starts[from + getsUntil])))
                {
                    getsUntil++;
                }
            }

            if (absentLanes.Count == 0 && i < getsUntil)
            {
                i += RunGets(executor, from + i, window[i..getsUntil]);
            }
            else
            {
                RunOne(executor, from + i, window[i].IndexHint);
                i++;
            }
        }
    }

    /// <summary>Most operations are gets with nothing but a key. Those of one partition that follow one another are executed together.</summary>
    /// <returns>How many were executed, of those from the first on.</returns>
    private int RunGets(IBatchExecutor executor, int index, Span<KeyHint> keys)
    {
        isGetting = true;
        var submitted = executor.TrySubmitGets(request, keys, this, index);
        isGetting = false;
        Executed = index + Math.Max(1, submitted);
        if (submitted == 0)
        {
            LoseLane(index);
        }

        return Math.Max(1, submitted);
    }

    private void RunOne(IBatchExecutor executor, int index, ulong indexHint)
    {
        var operation = default(Operation);
        var packed = request.AsSpan(starts[index], starts[index + 1] - starts[index]);
        var largeLength = PackedOperation.Read(packed, ref operation, out var largeNumber);
        Executed = index + 1;
        if (absentLanes.Count > 0 && absentLanes.Contains(PackedOperation.Lane(packed)))
        {
            AnswerNotHere(index);
            return;
        }

        operation.IndexHint = indexHint;
        if (operation.Kind == OperationKind.Scan)
        {
            Scan(executor, index, operation);
        }
        else if (largeLength == 0 || TryFindLarge(index, largeNumber, largeLength, ref operation))
        {
            Submit(executor, index, operation);
        }
    }

    private void Submit(IBatchExecutor executor, int index, scoped in Operation operation)
    {
        if (executor.TrySubmit(operation, this, index))
        {
            return;
        }

        if (operation.Large is not null)
        {
            lock (lateGate)
            {
                larges.Remove(index);
            }

            operation.Large.Release();
        }

        LoseLane(index);
    }

    /// <summary>Operations behind one whose partition is not here must not overtake it, should the partition come while the batch runs.</summary>
    private void LoseLane(int index)
    {
        absentLanes.Add(PackedOperation.Lane(request.AsSpan(starts[index])));
        AnswerNotHere(index);
    }

    /// <summary>Scans in slices until the reply is full: then it says where to go on.</summary>
    private void Scan(IBatchExecutor executor, int index, scoped Operation operation)
    {
        var left = Math.Clamp(operation.Count, 1, 1024);
        for (var isFirst = true; ; isFirst = false)
        {
            operation.Count = Math.Min(left, ScanSlice);
            isCapturing = true;
            captured = 0;
            var isHere = executor.TrySubmit(operation, this, index);
            var isDone = !isCapturing;
            isCapturing = false;
            if (!isHere && isFirst)
            {
                LoseLane(index);
                return;
            }

            if (isHere && !isDone)
            {
                return; // It goes on elsewhere, and ends there.
            }

            left -= operation.Count;
            operation.Number = isHere ? captured : operation.Number;
            if (!isHere || captured == 0 || left <= 0 || isSpilling || direct.Room < BatchLimits.MaxEntryBytes)
            {
                Answer(index, new Answer(Outcome.Done, operation.Number));
                return;
            }
        }
    }

    private bool TryFindLarge(int index, long number, int length, ref Operation operation)
    {
        if (length > server.Larges.MaxValueBytes)
        {
            Answer(index, new Answer(Outcome.TooLarge, server.Larges.MaxValueBytes));
            return false;
        }

        if (!server.TryTakeStaged(number, out var large))
        {
            // It went elsewhere, as the way there changed under it, or it was let go: it is brought anew.
            LoseLane(index);
            return false;
        }

        if (large is null || large.Length != length)
        {
            large?.Release();
            Answer(index, new Answer(Outcome.OutOfMemory));
            return false;
        }

        lock (lateGate)
        {
            larges.Add(index, large);
        }

        operation.Large = large;
        return true;
    }

    private void AnswerNotHere(int index)
    {
        if (isSpilling || !direct.TryAddNotHere(index))
        {
            lock (lateGate)
            {
                isSpilling = true;
                if (filling is null || !filling.TryAddNotHere(index))
                {
                    StartFilling().TryAddNotHere(index);
                }

                lateFinals++;
            }
        }
    }

    private void AddLate(int index, scoped in Answer answer)
    {
        lock (lateGate)
        {
            if (isAbandoned)
            {
                LetGoOfLarge(index, answer.Outcome);
                lateFinals += answer.Outcome == Outcome.Item ? 0 : 1;
                return;
            }

            var finals = filling?.Finals ?? 0;
            if (filling is null || !TryPack(filling, index, answer))
            {
                finals = 0;
                StartFilling();
                if (!TryPack(filling!, index, answer))
                {
                    filling!.TryAdd(index, new Answer(Outcome.Unavailable), default); // No reply can hold it.
                }
            }

            lateFinals += filling!.Finals - finals;
            if (signal is not null && (!isSignalledByAll || direct.Finals + lateFinals == Executed))
            {
                signal.TrySetResult();
                signal = null;
            }
        }
    }

    private bool TryPack(AnswerBatchWriter writer, int index, scoped in Answer answer)
    {
        var packed = request.AsSpan(starts[index]);
        var kind = PackedOperation.Kind(packed);
        if (answer.Entry.IsEmpty && spoilt.Count == 0 && larges.Count == 0)
        {
            return writer.TryAdd(index, answer, default);
        }

        var form = new EntryForm(kind == OperationKind.Scan, kind == OperationKind.Set && answer.Outcome == Outcome.Stored, PackedOperation.SkipsValue(packed), 0);
        if (answer.Entry.Large is null && spoilt.Count == 0 && larges.Count == 0)
        {
            return writer.TryAdd(index, answer, form);
        }

        lock (lateGate)
        {
            return TryPackLarge(writer, index, answer, form, kind);
        }
    }

    /// <summary>An answer to an operation that shows a large value, or brought one.</summary>
    private bool TryPackLarge(AnswerBatchWriter writer, int index, scoped in Answer answer, EntryForm form, OperationKind kind)
    {
        if (writer.Room < BatchLimits.MaxEntryBytes)
        {
            return false;
        }

        LetGoOfLarge(index, answer.Outcome);
        if (answer.Outcome != Outcome.Item && spoilt.Remove(index))
        {
            return writer.TryAdd(index, new Answer(Outcome.Unavailable), default);
        }

        if (answer.Entry.Large is not { } large || form.OwnValue || form.SkipsValue)
        {
            return writer.TryAdd(index, answer, form);
        }

        var number = server.TryName(large);
        if (number != 0)
        {
            return writer.TryAdd(index, answer, form with { LargeNumber = number });
        }

        switch (kind)
        {
            case OperationKind.Scan:
                return writer.TryAdd(index, answer, form with { SkipsValue = true });
            case OperationKind.Get or OperationKind.Peek:
                return writer.TryAdd(index, new Answer(Outcome.Miss) { Access = answer.Access }, default);
            default:
                if (answer.Outcome != Outcome.Item)
                {
                    return writer.TryAdd(index, new Answer(Outcome.Unavailable), default);
                }

                spoilt.Add(index);
                return true;
        }
    }

    /// <summary>The reference to a large value that came with a set is the cache's where it was stored, and else still ours.</summary>
    private void LetGoOfLarge(int index, Outcome outcome)
    {
        if (outcome == Outcome.Item)
        {
            return;
        }

        lock (lateGate)
        {
            if (larges.Remove(index, out var large) && outcome != Outcome.Stored)
            {
                large.Release();
            }
        }
    }

    private AnswerBatchWriter StartFilling()
    {
        filling = new AnswerBatchWriter(server.OwnerUtf8.Length);
        late.Enqueue(filling);
        return filling;
    }

    private AnswerBatchWriter Take()
    {
        var taken = late.Dequeue();
        if (taken == filling)
        {
            filling = null;
        }

        return taken;
    }

    private async ValueTask WaitAsync(bool isForAll, TimeSpan wait, TimeProvider time)
    {
        isSignalledByAll = isForAll;
        signal ??= new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        try
        {
            await signal.Task.WaitAsync(wait, time).ConfigureAwait(false);
        }
        catch (TimeoutException)
        {
            // What has come by now is all that is handed out now.
        }
    }
}
