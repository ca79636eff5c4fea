using System.Buffers.Text;
using System.Net.Sockets;
using Levee.Resp;
using Levee.Segments;

namespace Levee.Tiers.Redis;

/// <content>The reader. Replies of bulk commands are parsed in place; a record's bytes go from the input buffer straight into the read's own array. Others go through <see cref="ReplyParser"/>.</content>
internal sealed partial class RedisLink
{
    private const int InputBytes = 128 * 1024;
    private const int MaxCallReplyBytes = 16 << 20;

    private readonly RedisAnswer[] answers = new RedisAnswer[64];
    private readonly ReplyParser parser = new(MaxCallReplyBytes);
    private int answerCount;
    private ReadBatch? answeredReads;

    // A record that arrives in pieces: how much of it, and of the line end behind it, is there.
    private RentedRecord? record;
    private int recordFilled;

    private async Task ReceiveLoopAsync()
    {
        var input = new byte[InputBytes];
        var kept = 0;
        try
        {
            while (IsOpen)
            {
                var received = await stream.ReadAsync(input.AsMemory(kept), closing.Token).ConfigureAwait(false);
                if (received == 0)
                {
                    End("the server closed the connection");
                    break;
                }

                var count = kept + received;
                var consumed = Parse(input.AsSpan(0, count));
                HandOver();
                kept = count - consumed;
                if (kept == input.Length)
                {
                    End("the server sent a line that is too long");
                }
                else if (kept > 0)
                {
                    input.AsSpan(consumed, kept).CopyTo(input);
                }
            }
        }
        catch (OperationCanceledException)
        {
            // Ended by whoever called End.
        }
        catch (Exception broken) when (broken is IOException or ObjectDisposedException or SocketException)
        {
            End($"the connection broke while reading: {broken.Message}");
        }
        finally
        {
            FailAll();
        }
    }

    /// <summary>Takes whole replies, and what there is of a record. Returns how many bytes were taken.</summary>
    private int Parse(ReadOnlySpan<byte> input)
    {
        var position = 0;
        while (position < input.Length && IsOpen)
        {
            if (answered == Volatile.Read(ref added))
            {
                End("the server sent a reply that nothing asked for");
                break;
            }

            ref var command = ref ring[answered & (ring.Length - 1)];
            var taken = command.Kind == RedisCommandKind.Call ? TakeCall(ref command, input[position..]) : TakeBulk(ref command, input[position..]);
            if (taken == 0)
            {
                break;
            }

            position += taken;
        }

        return position;
    }

    private int TakeCall(ref InFlight command, ReadOnlySpan<byte> input)
    {
        var taken = parser.Feed(input);
        if (parser.Status == ReplyStatus.Invalid)
        {
            End($"the server's reply cannot be followed: {parser.Error}");
        }
        else if (parser.Status == ReplyStatus.Complete)
        {
            var call = (TaskCompletionSource<RespValue>)command.Call!;
            var reply = parser.Value;
            HandOver();
            Done(ref command);
            call.TrySetResult(reply);
        }

        return taken;
    }

    private int TakeBulk(ref InFlight command, ReadOnlySpan<byte> input)
    {
        if (record is not null)
        {
            return TakeRecord(ref command, input);
        }

        var end = input.IndexOf((byte)'\n');
        if (end < 1)
        {
            return 0;
        }

        var line = input[1..(end - 1)];
        switch (input[0])
        {
            case (byte)'-':
                Refuse(ref command, line);
                break;
            case (byte)'$' when command.Kind == RedisCommandKind.Get && Utf8Parser.TryParse(line, out int length, out var digits) && digits == line.Length && length <= TierRecord.MaxBytes + 4096:
                if (length < 0)
                {
                    Answer(ref command, null);
                    break;
                }

                record = new RentedRecord(length);
                recordFilled = 0;
                return end + 1 + TakeRecord(ref command, input[(end + 1)..]);
            case (byte)'+' when command.Kind == RedisCommandKind.Set:
            case (byte)':' when command.Kind == RedisCommandKind.Unlink:
                Note(new RedisAnswer(command.Kind, RedisErrorKind.None, command.Ticket));
                Done(ref command);
                break;
            default:
                End($"the server's reply cannot be followed: it begins with 0x{input[0]:x2}");
                break;
        }

        return end + 1;
    }

    private int TakeRecord(ref InFlight command, ReadOnlySpan<byte> input)
    {
        var wanted = record!.Length - recordFilled;
        if (wanted > 0)
        {
            var taken = Math.Min(wanted, input.Length);
            input[..taken].CopyTo(record.Span[recordFilled..]);
            recordFilled += taken;
            if (recordFilled < record.Length || input.Length < taken + 2)
            {
                return taken;
            }

            input = input[taken..];
            return taken + EndRecord(ref command, input);
        }

        return input.Length < 2 ? 0 : EndRecord(ref command, input);
    }

    private int EndRecord(ref InFlight command, ReadOnlySpan<byte> input)
    {
        if (input[0] != '\r' || input[1] != '\n')
        {
            End("the server sent a string that does not end with CR LF");
            return 2;
        }

        var whole = record;
        record = null;
        Answer(ref command, whole);
        return 2;
    }

    private void Answer(ref InFlight command, RentedRecord? found)
    {
        var read = (ReadCall)command.Call!;
        Done(ref command);
        AddRead(read, found, RedisErrorKind.None);
    }

    private void Refuse(ref InFlight command, ReadOnlySpan<byte> error)
    {
        var kind = RedisErrors.Classify(error);
        replies.Refused(kind, error);
        if (command.Call is ReadCall read)
        {
            Done(ref command);
            AddRead(read, null, kind);
        }
        else
        {
            Note(new RedisAnswer(command.Kind, kind, command.Ticket));
            Done(ref command);
        }
    }

    private void Done(ref InFlight command)
    {
        command.Call = null;
        Volatile.Write(ref answered, answered + 1);
    }

    private void Note(RedisAnswer answer)
    {
        if (answerCount == answers.Length)
        {
            HandOver();
        }

        answers[answerCount++] = answer;
    }

    private void HandOver()
    {
        if (answerCount > 0)
        {
            replies.Answered(answers.AsSpan(0, answerCount));
            answerCount = 0;
        }

        if (answeredReads is { } reads)
        {
            answeredReads = null;
            ThreadPool.UnsafeQueueUserWorkItem(reads, preferLocal: false);
        }
    }

    private void AddRead(ReadCall read, RentedRecord? found, RedisErrorKind error)
    {
        read.Answer(found, error);
        answeredReads ??= new ReadBatch(this);
        answeredReads.Add(read);
        if (answeredReads.IsFull)
        {
            HandOver();
        }
    }

    // Nothing is added once the link has failed, so what the ring holds now is all. Writes need no word: their owner sees the link end and knows what it has sent.
    private void FailAll()
    {
        HandOver();
        record?.Dispose();
        record = null;
        long last;
        lock (gate)
        {
            failure ??= "the connection ended";
            last = added;
        }

        while (answered < last)
        {
            ref var command = ref ring[answered & (ring.Length - 1)];
            var call = command.Call;
            Done(ref command);
            switch (call)
            {
                case ReadCall read:
                    AddRead(read, null, RedisErrorKind.Unknown);
                    break;
                case TaskCompletionSource<RespValue> task:
                    task.TrySetException(new RedisException(RedisErrorKind.Unknown, Failure));
                    break;
            }
        }

        HandOver();
    }
}
