using Levee.Memory;
using Levee.Operations;

namespace Levee.Server.Resp;

/// <summary>Submitting operations, and putting their answers in request order.</summary>
internal sealed partial class RespConversation
{
    private readonly Queue<ReplySlot> slots = new();
    private readonly Dictionary<long, ReplySlot> pending = [];
    private readonly Queue<(long Ticket, AnswerCopy Copy)> arrived = new();
    private Gather? gather;
    private ReplyKind kind;
    private (long Begin, long End) range;
    private AnswerCopy? previous;
    private Outcome outcome;
    private long ticket;
    private int partsDone;
    private bool isSubmitting;
    private bool isGone;

    // Bytes of replies that wait for an earlier one, without those in Output.
    private long parkedBytes;

    /// <summary>How many operations of a command over many keys have been submitted in earlier turns.</summary>
    public int PartsDone => partsDone;

    /// <summary>Makes the running command a barrier, for commands that are one only at times.</summary>
    /// <returns>False where it must wait and be offered again.</returns>
    public bool StartBarrier()
    {
        isBarrier = true;
        return partsDone > 0 || pending.Count == 0;
    }

    /// <summary>Submits the operation of a command whose reply is made of its one answer.</summary>
    public void Submit(scoped in Operation operation, ReplyKind replyKind, (long Begin, long End) replyRange = default)
    {
        kind = replyKind;
        range = replyRange;
        if (SubmitNow(operation))
        {
            return;
        }

        var slot = new ReplySlot(operation.Kind, replyKind, replyRange, operation.Large) { Previous = previous };
        previous = null;
        Enqueue(slot);
        pending.Add(ticket, slot);
    }

    /// <summary>
    /// Submits the operations of a command over many keys, a turn's worth at a time, and replies what they add up to.
    /// </summary>
    /// <param name="arguments">The command's arguments.</param>
    /// <param name="parts">How many operations there are.</param>
    /// <param name="submit">Submits part number i: by <see cref="SubmitPart"/>, or by <see cref="Submit"/> for commands that reply part by part.</param>
    /// <param name="reply">Writes the reply of the whole; null for commands that reply part by part.</param>
    /// <returns>False where the turn is over and the rest is to come.</returns>
    public bool RunParts(scoped in Arguments arguments, int parts, PartSubmitter submit, Action<RespConversation, ReplyBuffer, Gather>? reply)
    {
        if (partsDone == 0 && reply is not null)
        {
            gather = new Gather(reply);
        }

        var end = Math.Min(parts, partsDone + CommandsPerTurn);
        var unsent = UnsentBytes;
        while (partsDone < end && UnsentBytes - unsent < ReplyBytesPerTurn)
        {
            submit(this, arguments, partsDone++);
        }

        if (partsDone < parts)
        {
            return false;
        }

        partsDone = 0;
        if (gather is { } gathered)
        {
            gather = null;
            gathered.IsComplete = true;
            FinishGather(gathered);
            DequeueDone();
        }

        return true;
    }

    /// <summary>Submits one operation of a command over many keys.</summary>
    public void SubmitPart(scoped in Operation operation)
    {
        if (!SubmitNow(operation))
        {
            var current = gather!;
            current.Outstanding++;
            if (current.Slot is null)
            {
                current.Slot = new ReplySlot(operation.Kind, ReplyKind.Ok, default, null);
                Enqueue(current.Slot);
            }

            pending.Add(ticket, new ReplySlot(operation.Kind, ReplyKind.Ok, default, operation.Large) { Gather = current });
        }
    }

    /// <summary>
    /// Takes an answer. During its own Submit: the hot path. From another thread, or from this one while it works for another conversation (whose write answers this one's
    /// pending read): queued for the loop.
    /// </summary>
    public void Answer(long answered, in Answer answer)
    {
        if (isSubmitting && answered == ticket && ownerThread == Environment.CurrentManagedThreadId)
        {
            if (answer.Outcome == Outcome.Item)
            {
                previous = new AnswerCopy(answer);
                return;
            }

            outcome = answer.Outcome;
            if (gather is { } parts)
            {
                parts.Add(answer);
            }
            else
            {
                WriteReply(Output, kind, answer, range, previous);
                previous = null;
            }

            return;
        }

        var copy = new AnswerCopy(answer);
        lock (arrived)
        {
            if (isGone)
            {
                Drop(answered, copy);
                return;
            }

            arrived.Enqueue((answered, copy));
        }

        waker.Wake();
    }

    private bool SubmitNow(scoped in Operation operation)
    {
        outcome = Outcome.None;
        ticket++;
        isSubmitting = true;
        Cache.Submit(operation, this, ticket);
        isSubmitting = false;
        if (outcome == Outcome.None)
        {
            return false;
        }

        Counters.Count(operation.Kind, outcome);
        if (operation.Large is not null && outcome != Outcome.Stored)
        {
            operation.Large.Release();
        }

        return true;
    }

    private void WriteReply(ReplyBuffer output, ReplyKind replyKind, scoped in Answer answer, (long Begin, long End) replyRange, AnswerCopy? before)
    {
        if (before is not null && replyKind == ReplyKind.Previous && answer.Outcome is Outcome.Stored or Outcome.ConditionFailed)
        {
            ReplyFormatter.WriteValue(output, before.Answer.Entry);
        }
        else
        {
            ReplyFormatter.Write(output, replyKind, answer, Version, Now, replyRange);
        }

        before?.Dispose();
    }

    private void Enqueue(ReplySlot slot)
    {
        parkedBytes += slots.Count > 0 ? Output.Length : 0;
        slots.Enqueue(slot);
        Output = slot.After;
    }

    private void SettleArrived()
    {
        while (true)
        {
            (long Ticket, AnswerCopy Copy) next;
            lock (arrived)
            {
                if (!arrived.TryDequeue(out next))
                {
                    break;
                }
            }

            Settle(next.Ticket, next.Copy);
        }

        DequeueDone();
    }

    private void DequeueDone()
    {
        while (slots.TryPeek(out var slot) && slot.IsDone)
        {
            slots.Dequeue();
            parkedBytes -= slot.Reply.Length;
            sending.TakeFrom(slot.Reply);
            if (slots.Count == 0)
            {
                Output = sending;
            }
            else
            {
                parkedBytes -= slot.After.Length;
            }

            sending.TakeFrom(slot.After);
        }
    }

    private void Settle(long answered, AnswerCopy copy)
    {
        if (!pending.TryGetValue(answered, out var slot))
        {
            copy.Dispose();
            return;
        }

        if (copy.Outcome == Outcome.Item)
        {
            slot.Previous = copy;
            return;
        }

        pending.Remove(answered);
        Counters.Count(slot.Operation, copy.Outcome);
        if (copy.Outcome != Outcome.Stored)
        {
            slot.Large?.Release();
        }

        if (slot.Gather is { } parts)
        {
            parts.Add(copy.Answer);
            parts.Outstanding--;
            FinishGather(parts);
        }
        else
        {
            WriteReply(slot.Reply, slot.Kind, copy.Answer, slot.Range, slot.Previous);
            slot.Previous = null;
            slot.IsDone = true;
            parkedBytes += slot.Reply.Length;
        }

        copy.Dispose();
    }

    private void FinishGather(Gather parts)
    {
        if (!parts.IsComplete || parts.Outstanding > 0)
        {
            return;
        }

        parts.Reply(this, parts.Slot?.Reply ?? Output, parts);
        if (parts.Slot is { } slot)
        {
            slot.IsDone = true;
            parkedBytes += slot.Reply.Length;
        }
    }

    private void DropReplies()
    {
        lock (arrived)
        {
            isGone = true;
            while (arrived.TryDequeue(out var answer))
            {
                Drop(answer.Ticket, answer.Copy);
            }
        }

        foreach (var slot in slots)
        {
            slot.Reply.Dispose();
            slot.After.Dispose();
            slot.Previous?.Dispose();
        }
    }

    /// <summary>Lets go of an answer that comes after the client has gone; of the large value too, where the cache has not taken it.</summary>
    private void Drop(long answered, AnswerCopy copy)
    {
        if (copy.Outcome != Outcome.Item && pending.Remove(answered, out var slot) && copy.Outcome != Outcome.Stored)
        {
            slot.Large?.Release();
        }

        copy.Dispose();
    }

    /// <summary>Submits one part of a command over many keys.</summary>
    internal delegate void PartSubmitter(RespConversation conversation, scoped in Arguments arguments, int part);

    /// <summary>The place of a pending reply, and the replies that wait behind it.</summary>
    internal sealed class ReplySlot(OperationKind operation, ReplyKind kind, (long Begin, long End) range, LargeValue? large)
    {
        /// <summary>About what a slot takes beside its replies.</summary>
        public const int OwnBytes = 512;

        private const int FirstChunkBytes = 512;

        public OperationKind Operation { get; } = operation;

        public ReplyKind Kind { get; } = kind;

        public (long Begin, long End) Range { get; } = range;

        /// <summary>A large value whose reference is the conversation's until the operation is stored.</summary>
        public LargeValue? Large { get; } = large;

        public ReplyBuffer Reply { get; } = new(FirstChunkBytes);

        public ReplyBuffer After { get; } = new(FirstChunkBytes);

        public AnswerCopy? Previous { get; set; }

        public Gather? Gather { get; init; }

        public bool IsDone { get; set; }
    }

    /// <summary>What the answers of a command over many keys add up to.</summary>
    internal sealed class Gather(Action<RespConversation, ReplyBuffer, Gather> reply)
    {
        public Action<RespConversation, ReplyBuffer, Gather> Reply { get; } = reply;

        /// <summary>Answers that found, stored or removed something.</summary>
        public int Done { get; private set; }

        /// <summary>The first refusal's error, if any.</summary>
        public string? Error { get; private set; }

        /// <summary>Whether all parts have been submitted.</summary>
        public bool IsComplete { get; set; }

        /// <summary>Parts that have not been answered.</summary>
        public int Outstanding { get; set; }

        /// <summary>Where the reply goes once something is pending.</summary>
        public ReplySlot? Slot { get; set; }

        public void Add(scoped in Answer answer)
        {
            switch (answer.Outcome)
            {
                case Outcome.Hit or Outcome.Stored or Outcome.Removed:
                    Done++;
                    break;
                case Outcome.Miss or Outcome.ConditionFailed:
                    break;
                default:
                    Error ??= ReplyFormatter.Error(answer);
                    break;
            }
        }
    }
}
