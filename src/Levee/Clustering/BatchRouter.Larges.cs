using Levee.Memory;
using Levee.Operations;

namespace Levee.Clustering;

/// <summary>Answers that show large values: those are brought across in pieces first.</summary>
public sealed partial class BatchRouter
{
    private void Defer(BatchFlight flight, ref FlightOperation operation, byte[] reply, int start)
    {
        if (operation.LargeAnswers is null)
        {
            operation.LargeAnswers = new LargeAnswers(this, flight.Keeper ??= KeeperOf(flight.Queue.Target, reply), operation.Operation);
        }

        var length = PackedAnswer.Read(reply.AsSpan(start), out _);
        operation.LargeAnswers.Add(reply.AsMemory(start, length));
    }

    /// <summary>Who keeps what a reply left pending or named.</summary>
    private IBatchTarget KeeperOf(IBatchTarget asked, byte[] reply) => routes.KeeperOf(asked, new AnswerBatchReader(reply).Owner);

    /// <summary>The answers to one operation from the first on that shows a large value, in order.</summary>
    internal sealed class LargeAnswers(BatchRouter router, IBatchTarget target, RoutedOperation operation)
    {
        private readonly Lock gate = new();
        private readonly Queue<ReadOnlyMemory<byte>> answers = new();
        private byte[] scratch = [];
        private bool isRunning;
        private bool isLost;

        public void Add(ReadOnlyMemory<byte> packed)
        {
            lock (gate)
            {
                answers.Enqueue(packed);
                if (isRunning)
                {
                    return;
                }

                isRunning = true;
            }

            lock (router.gate)
            {
                router.active++;
            }

            _ = RunAsync();
        }

        /// <summary>The rest of the answers does not come.</summary>
        public void GiveUp() => Add(default);

        private async Task RunAsync()
        {
            while (TryNext(out var packed))
            {
                if (packed.IsEmpty)
                {
                    Lose();
                    continue;
                }

                var (number, length) = LargeOf(packed);
                var large = number == 0 ? null : await ReadAsync(number, length).ConfigureAwait(false);
                Give(packed, large, number != 0 && large is null);
                large?.Release();
            }

            router.EndActive();
        }

        private static (long Number, int Length) LargeOf(ReadOnlyMemory<byte> packed)
        {
            PackedAnswer.Read(packed.Span, out var answer);
            return (answer.LargeNumber, answer.ValueLength);
        }

        private bool TryNext(out ReadOnlyMemory<byte> packed)
        {
            lock (gate)
            {
                isRunning = answers.TryDequeue(out packed);
                return isRunning;
            }
        }

        /// <summary>Brings a large value across; null where that fails, or where there is no room for it.</summary>
        private async ValueTask<LargeValue?> ReadAsync(long number, int length)
        {
            var large = length > router.larges.MaxValueBytes ? null : router.larges.TryCreate(length);
            try
            {
                if (large is null)
                {
                    await PieceAsync(number, length).ConfigureAwait(false);
                    return null;
                }

                while (large.FilledBytes < length)
                {
                    var piece = await PieceAsync(number, large.FilledBytes).ConfigureAwait(false);
                    if (piece.Length == 0 || piece.Length > length - large.FilledBytes)
                    {
                        throw new FormatException($"a piece of {piece.Length} bytes at {large.FilledBytes} is not of a large value of {length} bytes");
                    }

                    large.Append(piece);
                }

                return large;
            }
            catch (Exception failure) // As for a batch: whatever the transport throws, the value does not come.
            {
                large?.Release();
                Interlocked.Increment(ref router.failures);
                router.NoteFailure(PackedOperation.Lane(operation.Packed), $"{target.Name}: a large value could not be read: {failure.Message}");
                return null;
            }
        }

        private async ValueTask<byte[]> PieceAsync(long number, int offset)
        {
            var call = target.ReadLargeAsync(number, offset);
            var piece = call.IsCompletedSuccessfully ? call.Result : await call.AsTask().WaitAsync(router.options.CallTimeout, router.time, router.disposing.Token).ConfigureAwait(false);
            Interlocked.Add(ref router.receivedBytes, piece.Length);
            return piece;
        }

        private void Give(ReadOnlyMemory<byte> packed, LargeValue? large, bool isMissing)
        {
            PackedAnswer.Read(packed.Span, out var answer);
            if (isMissing && operation.Kind != OperationKind.Scan)
            {
                isLost = true;
            }

            if (!isLost)
            {
                GiveAnswer(operation, answer, large ?? operation.Large, ref scratch);
            }
            else if (!answer.IsItem)
            {
                Lose();
            }
        }

        private void Lose()
        {
            Interlocked.Increment(ref router.unavailable);
            operation.Sink.Answer(operation.Ticket, router.GivenUp(operation.Kind));
        }
    }
}
