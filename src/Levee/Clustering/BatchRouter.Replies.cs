using System.Runtime.InteropServices;
using Levee.Memory;
using Levee.Operations;

namespace Levee.Clustering;

/// <summary>What becomes of a batch that was sent.</summary>
public sealed partial class BatchRouter
{
    private const int FirstPauseMs = 1;
    private const int LongestPauseMs = 64;

    private async Task RunAsync(BatchFlight flight)
    {
        try
        {
            await SendAsync(flight).ConfigureAwait(false);
        }
        finally
        {
            End(flight);
        }
    }

    private async Task SendAsync(BatchFlight flight)
    {
        var target = flight.Queue.Target;
        try
        {
            if (flight.IsLarge)
            {
                await UploadAsync(flight, target).ConfigureAwait(false);
            }

            var reply = await CallAsync(target, flight.Request).ConfigureAwait(false);
            Settle(flight, reply);
        }
        catch (Exception failure) // Whatever the transport throws, and whatever the reply is: the call has failed.
        {
            Fail(flight, failure);
        }

        Release(flight);
        if (!flight.IsInline)
        {
            Flush();
        }

        if (flight.Pending > 0)
        {
            await CollectAsync(flight, flight.Keeper!).ConfigureAwait(false);
        }
    }

    /// <summary>A call that is given up after a time. What comes of it later is let go.</summary>
    private ValueTask<byte[]> CallAsync(IBatchTarget target, byte[] request)
    {
        var call = target.ExecuteAsync(request);
        return call.IsCompletedSuccessfully ? call : BoundedAsync(target, call.AsTask());
    }

    private async ValueTask<byte[]> BoundedAsync(IBatchTarget target, Task<byte[]> call)
    {
        try
        {
            return await call.WaitAsync(options.CallTimeout, time, disposing.Token).ConfigureAwait(false);
        }
        finally
        {
            if (!call.IsCompleted)
            {
                _ = ForgetAsync(target, call);
            }
        }
    }

    /// <summary>Lets go of the large values that a late reply names.</summary>
    private async Task ForgetAsync(IBatchTarget target, Task<byte[]> call)
    {
        try
        {
            var reply = await call.ConfigureAwait(false);
            foreach (var (number, length) in LargesOf(reply))
            {
                await KeeperOf(target, reply).ReadLargeAsync(number, length).ConfigureAwait(false);
            }
        }
        catch (Exception)
        {
            // Nobody waits for it, and the other side lets go by itself in time.
        }
    }

    private static List<(long Number, int Length)> LargesOf(byte[] reply)
    {
        var found = new List<(long, int)>();
        var reader = new AnswerBatchReader(reply);
        while (reader.TryRead(out var answer))
        {
            if (answer.LargeNumber != 0)
            {
                found.Add((answer.LargeNumber, answer.ValueLength));
            }
        }

        return found;
    }

    private async Task UploadAsync(BatchFlight flight, IBatchTarget target)
    {
        var operation = flight.Operations[0].Operation;
        var large = operation.Large!;
        var number = NewNumber();
        PackedOperation.SetLargeNumber(flight.Request.AsSpan(operation.Start), number);
        large.AddReference();
        try
        {
            for (var offset = 0; offset < large.Length; offset += BatchLimits.PieceBytes)
            {
                var piece = GC.AllocateUninitializedArray<byte>(Math.Min(BatchLimits.PieceBytes, large.Length - offset));
                large.CopyTo(offset, piece);
                var call = target.WriteLargeAsync(number, large.Length, offset, piece);
                if (!call.IsCompletedSuccessfully)
                {
                    await call.AsTask().WaitAsync(options.CallTimeout, time, disposing.Token).ConfigureAwait(false);
                }

                Interlocked.Add(ref sentBytes, piece.Length);
            }
        }
        catch (Exception failure) when (failure is not BatchNotDeliveredException)
        {
            throw new BatchNotDeliveredException($"a large value could not be brought across: {failure.Message}", failure);
        }
        finally
        {
            large.Release();
        }
    }

    /// <summary>Gives the answers of a reply to those who wait for them.</summary>
    /// <exception cref="FormatException">It is damaged; what was answered before the damage stays answered.</exception>
    private void Settle(BatchFlight flight, byte[] reply)
    {
        Interlocked.Add(ref receivedBytes, reply.Length);
        var reader = new AnswerBatchReader(reply);
        var operations = CollectionsMarshal.AsSpan(flight.Operations);
        if (reader.Flags != ReplyFlags.None || reader.Executed == 0 || reader.Executed > operations.Length)
        {
            throw new FormatException($"a reply to {operations.Length} operations says that {reader.Executed} were taken on ({reader.Flags})");
        }

        var open = reader.Executed - Deliver(flight, ref reader, reply, reader.Executed);
        if (open != reader.Pending)
        {
            throw new FormatException($"a reply says that {reader.Pending} operations are pending where {open} are");
        }

        foreach (ref var operation in operations[reader.Executed..])
        {
            operation.State = FlightState.Again;
        }

        flight.Pending = open;
        if (open > 0)
        {
            flight.Keeper ??= KeeperOf(flight.Queue.Target, reply);
        }

        ForgetFailures(flight);
        TellMoves(flight, reader.OwnerUtf8);
    }

    /// <summary>What went wrong before a partition answered is no cause any more.</summary>
    private void ForgetFailures(BatchFlight flight)
    {
        foreach (ref readonly var operation in CollectionsMarshal.AsSpan(flight.Operations))
        {
            if (operation.IsAnswered && operation.Lane.LastFailure is not null)
            {
                lock (gate)
                {
                    operation.Lane.ForgetFailure();
                }
            }
        }
    }

    /// <returns>How many operations are answered by it.</returns>
    private int Deliver(BatchFlight flight, ref AnswerBatchReader reader, byte[] reply, int executed)
    {
        var settled = 0;
        var operations = CollectionsMarshal.AsSpan(flight.Operations);
        for (var start = reader.Position; reader.TryRead(out var answer); start = reader.Position)
        {
            if (answer.Index >= executed || operations[answer.Index].State != FlightState.Open)
            {
                throw new FormatException($"a reply answers operation {answer.Index}, which is answered or was not taken on");
            }

            ref var operation = ref operations[answer.Index];
            if (answer.IsNotHere)
            {
                operation.State = FlightState.NotHere;
                settled++;
                continue;
            }

            operation.State = answer.IsItem ? FlightState.Open : FlightState.Done;
            operation.HasItems |= answer.IsItem;
            operation.IsAnswered = answer.Outcome != Outcome.Unavailable;
            settled += answer.IsItem ? 0 : 1;
            if (answer.Outcome == Outcome.Unavailable)
            {
                NoteUnavailable(operation.Lane, flight.Queue.Target);
            }

            if (answer.LargeNumber != 0 || operation.LargeAnswers is not null)
            {
                Defer(flight, ref operation, reply, start);
            }
            else
            {
                GiveAnswer(operation.Operation, answer, operation.Operation.Large, ref flight.Scratch);
            }
        }

        return settled;
    }

    private void NoteUnavailable(BatchLane lane, IBatchTarget target)
    {
        lock (gate)
        {
            lane.NoteFailure($"{target.Name}: it says that the partition is unavailable", isVague: true);
        }
    }

    private static void GiveAnswer(in RoutedOperation operation, scoped in PackedAnswer packed, LargeValue? large, ref byte[] scratch)
    {
        if ((packed.Given & PackedAnswer.Parts.Statistics) != 0)
        {
            operation.Sink.Answer(operation.Ticket, new Answer(AnswerJson.Read(packed.Json, AnswerJson.Default.PartitionStatistics)));
        }
        else if ((packed.Given & PackedAnswer.Parts.Explanation) != 0)
        {
            operation.Sink.Answer(operation.Ticket, new Answer(AnswerJson.Read(packed.Json, AnswerJson.Default.EntryExplanation)));
        }
        else
        {
            operation.Sink.Answer(operation.Ticket, new Answer(packed.Outcome, packed.View(operation.Packed, large, ref scratch), packed.Number) { Access = packed.Access });
        }

        if (packed.Outcome == Outcome.Stored)
        {
            operation.Large?.Release(); // The reference is the cache's now, and the cache has a copy of its own.
        }
    }

    private void TellMoves(BatchFlight flight, ReadOnlySpan<byte> owner)
    {
        var target = flight.Queue.Target;
        string? name = null;
        BatchLane? last = null;
        foreach (ref readonly var operation in CollectionsMarshal.AsSpan(flight.Operations))
        {
            var lane = operation.Lane;
            if (lane == last || operation.State is FlightState.NotHere or FlightState.Again)
            {
                continue;
            }

            last = lane;
            name ??= System.Text.Encoding.UTF8.GetString(owner);
            if (lane.ViaFallback || name != target.Name)
            {
                routes.Moved(lane.Number, name);
            }
        }
    }

    /// <summary>Decides what becomes of the operations whose call has failed.</summary>
    private void Fail(BatchFlight flight, Exception failure)
    {
        var isDelivered = failure is not BatchNotDeliveredException;
        var text = $"{flight.Queue.Target.Name}: {(failure is TimeoutException ? $"timed out after {options.CallTimeout.TotalMilliseconds:0} ms" : failure.Message)}";
        Interlocked.Increment(ref failures);
        lock (gate)
        {
            foreach (var lane in flight.Lanes)
            {
                lane.NoteFailure(text, isVague: failure is TimeoutException);
                if (isDelivered)
                {
                    lane.Void(flight.Batch, NowMs + VoidedMs);
                }
            }
        }

        flight.Pending = 0;
        var operations = CollectionsMarshal.AsSpan(flight.Operations);
        for (var i = 0; i < operations.Length; i++)
        {
            ref var operation = ref operations[i];
            if (operation.State is not (FlightState.Open or FlightState.Again))
            {
                continue;
            }

            var mayRepeat = operation.Operation.IsRead && !operation.HasItems && operation.LargeAnswers is null && !IsWritten(operations[(i + 1)..], operation.Operation);
            if (!isDelivered)
            {
                operation.State = FlightState.NotHere; // A partition that moves can be missed again and again.
            }
            else if (mayRepeat && operation.Operation.Failures++ == 0 && !disposing.IsCancellationRequested)
            {
                operation.State = FlightState.Again;
                operation.Lane.IsRetrying = true;
            }
            else
            {
                GiveUp(ref operation);
            }
        }
    }

    /// <summary>Whether a write behind a read, on the same key, may have been carried out: the read would see it, were it repeated.</summary>
    private static bool IsWritten(ReadOnlySpan<FlightOperation> later, in RoutedOperation read)
    {
        var hash = PackedOperation.Hash(read.Packed);
        foreach (ref readonly var operation in later)
        {
            if (!operation.Operation.IsRead && PackedOperation.Hash(operation.Operation.Packed) == hash)
            {
                return true;
            }
        }

        return false;
    }

    private void GiveUp(ref FlightOperation operation)
    {
        operation.State = FlightState.Done;
        Interlocked.Increment(ref unavailable);
        if (operation.LargeAnswers is { } answers)
        {
            answers.GiveUp();
            return;
        }

        Tell(operation.Operation, GivenUp(operation.Operation.Kind));
    }

    private void GiveUp(in RoutedOperation operation)
    {
        Interlocked.Increment(ref unavailable);
        Tell(operation, GivenUp(operation.Kind));
    }

    /// <summary>A caller that cannot take its answer does not keep others from theirs.</summary>
    private void Tell(in RoutedOperation operation, in Answer answer)
    {
        try
        {
            operation.Sink.Answer(operation.Ticket, answer);
        }
        catch (Exception failure)
        {
            Interlocked.Increment(ref failures);
            NoteFailure(PackedOperation.Lane(operation.Packed), $"a caller could not take its answer: {failure.Message}");
        }
    }

    private Answer GivenUp(OperationKind kind) =>
        kind is OperationKind.Get or OperationKind.Peek && !disposing.IsCancellationRequested ? new Answer(Outcome.Miss) : new Answer(Outcome.Unavailable);

    /// <summary>Puts what is to be sent again back in front of its lane, and lets the lanes go on.</summary>
    private void Release(BatchFlight flight)
    {
        var operations = CollectionsMarshal.AsSpan(flight.Operations);
        var now = NowMs;
        foreach (ref var operation in operations)
        {
            if (operation.State == FlightState.NotHere)
            {
                if (operation.Operation.DeadlineMs == 0)
                {
                    operation.Operation.DeadlineMs = now + (long)options.NotHereTimeout.TotalMilliseconds;
                }

                if (now >= operation.Operation.DeadlineMs || disposing.IsCancellationRequested)
                {
                    lock (gate)
                    {
                        operation.Lane.NoteFailure($"{flight.Queue.Target.Name}: the partition is not there", isVague: true);
                    }

                    GiveUp(ref operation);
                }
            }
        }

        List<RoutedOperation>? left = null;
        lock (gate)
        {
            for (var i = operations.Length - 1; i >= 0; i--)
            {
                if (operations[i].State is FlightState.NotHere or FlightState.Again)
                {
                    PutBack(ref operations[i], ref left);
                }
            }

            if (flight.IsLarge)
            {
                flight.Queue.LargeInFlight--;
            }
            else
            {
                flight.Queue.InFlight--;
            }

            foreach (var lane in flight.Lanes)
            {
                GoOn(lane);
            }

            sendable.Enqueue(flight.Queue);
        }

        AnswerUnavailable(left);
    }

    private void PutBack(ref FlightOperation operation, ref List<RoutedOperation>? left)
    {
        operation.Lane.IsAbsent |= operation.State == FlightState.NotHere;
        operation.Lane.IsRetrying |= operation.State == FlightState.NotHere;
        retries += operation.State == FlightState.NotHere || operation.Operation.Failures > 0 ? 1 : 0;
        operation.State = FlightState.Done;
        if (isDisposed)
        {
            (left ??= []).Add(operation.Operation);
            return;
        }

        operation.Lane.PushFront(operation.Operation);
        waiting++;
        waitingBytes += operation.Operation.Length;
    }

    /// <summary>Lets a lane go on whose batch has returned: at once, or after a pause where its partition was not even where the sure way led.</summary>
    private void GoOn(BatchLane lane)
    {
        lane.Absences = lane.IsAbsent ? lane.Absences + 1 : 0;
        lane.ViaFallback = lane.IsRetrying;
        lane.IsAbsent = false;
        lane.IsRetrying = false;
        if (lane.Count == 0 || isDisposed)
        {
            lane.State = LaneState.Idle;
        }
        else if (lane.Absences > 1)
        {
            var pause = Math.Min(LongestPauseMs, FirstPauseMs << Math.Min(lane.Absences - 2, 16));
            lane.State = LaneState.Paused;
            lane.Timer = time.CreateTimer(Resume, lane, TimeSpan.FromMilliseconds(pause), Timeout.InfiniteTimeSpan);
        }
        else
        {
            lane.State = LaneState.Ready;
            ready.Enqueue(lane);
        }
    }

    private void Resume(object? paused)
    {
        var lane = (BatchLane)paused!;
        lock (gate)
        {
            if (isDisposed || lane.State != LaneState.Paused)
            {
                return;
            }

            lane.Timer?.Dispose();
            lane.Timer = null;
            lane.State = LaneState.Ready;
            ready.Enqueue(lane);
        }

        Flush();
    }

    private async Task CollectAsync(BatchFlight flight, IBatchTarget target)
    {
        var until = NowMs + (long)options.PendingTimeout.TotalMilliseconds;
        try
        {
            while (flight.Pending > 0 && NowMs < until)
            {
                var call = target.CollectAsync(flight.Batch);
                SettleCollected(flight, call.IsCompletedSuccessfully ? call.Result : await BoundedAsync(target, call.AsTask()).ConfigureAwait(false));
            }
        }
        catch (Exception failure) // As in RunAsync. Nothing is repeated: later operations on the same keys may have been carried out.
        {
            Interlocked.Increment(ref failures);
            var text = $"{target.Name}: answers could not be collected: {failure.Message}";
            lock (gate)
            {
                flight.Lanes.ForEach(lane => lane.NoteFailure(text, isVague: failure is TimeoutException));
            }
        }

        foreach (ref var operation in CollectionsMarshal.AsSpan(flight.Operations))
        {
            if (operation.State == FlightState.Open)
            {
                GiveUp(ref operation);
            }
        }
    }

    private void SettleCollected(BatchFlight flight, byte[] reply)
    {
        Interlocked.Add(ref receivedBytes, reply.Length);
        var reader = new AnswerBatchReader(reply);
        if (reader.Flags != ReplyFlags.None)
        {
            throw new FormatException($"the batch is not known there any more ({reader.Flags})");
        }

        flight.Pending -= Deliver(flight, ref reader, reply, flight.Operations.Count);
        ForgetFailures(flight);
        if (flight.Pending != reader.Pending)
        {
            throw new FormatException($"a reply says that {reader.Pending} operations are pending where {flight.Pending} are");
        }
    }

    private void End(BatchFlight flight)
    {
        lock (gate)
        {
            flight.Clear();
            if (idleFlights.Count < MaxIdleFlights)
            {
                idleFlights.Push(flight);
            }
        }

        EndActive();
    }

    private void EndActive()
    {
        lock (gate)
        {
            if (--active == 0 && isDisposed)
            {
                drained.TrySetResult();
            }
        }
    }

    private void AnswerUnavailable(List<RoutedOperation>? operations)
    {
        foreach (var operation in operations ?? [])
        {
            Interlocked.Increment(ref unavailable);
            Tell(operation, new Answer(Outcome.Unavailable));
        }
    }
}
