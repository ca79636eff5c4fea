using System.Text;
using System.Threading.Tasks.Sources;
using Levee.Memory;
using Levee.Operations;

namespace Levee.Caching;

/// <summary>What an answer left behind for the caller.</summary>
internal struct Reply
{
    public Outcome Outcome { get; set; }

    public long Number { get; set; }

    public ulong Version { get; set; }

    public EntryKind Kind { get; set; }

    public byte[]? Value { get; set; }

    /// <summary>A reference of our own to a large value.</summary>
    public LargeValue? Large { get; set; }

    public CacheEntry? Entry { get; set; }

    public PartitionStatistics? Statistics { get; set; }

    /// <summary>The partition that was asked.</summary>
    public int Partition { get; set; }

    /// <summary>The large value that a set offers: ours to release unless it is stored.</summary>
    public LargeValue? Offered { get; set; }

    public readonly int Length => Large?.Length ?? Value?.Length ?? 0;

    /// <summary>The value as an array of its own.</summary>
    public readonly byte[] ToArray()
    {
        if (Large is null)
        {
            return Value ?? [];
        }

        var value = GC.AllocateUninitializedArray<byte>(Large.Length);
        Large.CopyTo(0, value);
        return value;
    }
}

/// <summary>What of an answer to keep.</summary>
internal enum Want : byte
{
    Outcome,
    Value,
    Entry,
    Keys,
}

/// <summary>
/// Takes the answers to one call of <see cref="HostedCache"/>: one operation, or several that go together, each under its index as the ticket. Answers come while a partition is held, during the submission or later, from
/// any thread. Where all have come when the submission ends, the caller takes them at once; else it awaits this, and is continued from the thread pool: never while a partition is held.
/// <para>
/// A caller that no longer waits leaves this to the answers that are still to come: they release what they bring. So only what was answered completely is used again. The last one of one operation is kept per thread.
/// </para>
/// </summary>
internal sealed class Replies : IAnswerSink, IValueTaskSource
{
    [ThreadStatic]
    private static Replies? idle;

    private readonly Lock gate = new();
    private readonly Reply[] slots;
    private ManualResetValueTaskSourceCore<bool> core = new() { RunContinuationsAsynchronously = true };
    private CancellationTokenRegistration registration;
    private byte[] prefix = [];
    private Want want;
    private State state;
    private int left;

    private Replies(int count) => slots = new Reply[count];

    private enum State : byte
    {
        Submitting,
        Waiting,
        Complete,
        Abandoned,
    }

    public ReadOnlySpan<Reply> All => slots;

    /// <summary>The keys that a scan found.</summary>
    public List<CacheKey> Keys { get; } = [];

    /// <summary>Whether all answers have come.</summary>
    public bool IsAnswered => Volatile.Read(ref left) == 0;

    public static Replies Rent(Want want, int count = 1)
    {
        var replies = count == 1 ? idle ?? new Replies(1) : new Replies(count);
        idle = count == 1 ? null : idle;
        replies.want = want;
        replies.left = count;
        replies.state = State.Submitting;
        return replies;
    }

    /// <summary>Keys that begin with this are kept.</summary>
    public void SetPrefix(string text) => prefix = Encoding.UTF8.GetBytes(text);

    /// <summary>An operation is about to be submitted under this index.</summary>
    public void Expect(int index, int partition, LargeValue? offered)
    {
        slots[index].Partition = partition;
        slots[index].Offered = offered;
    }

    /// <summary>The operation under this index could not be submitted.</summary>
    public void Withdraw(int index)
    {
        slots[index].Offered?.Release();
        slots[index].Offered = null;
    }

    public void Answer(long ticket, in Answer answer)
    {
        bool continues;
        lock (gate)
        {
            if (answer.Outcome == Outcome.Item)
            {
                if (state != State.Abandoned && want == Want.Keys && answer.Entry.Key.StartsWith(prefix))
                {
                    Keys.Add(new CacheKey(answer.Entry.Key));
                }

                return;
            }

            ref var slot = ref slots[ticket];
            if (answer.Outcome != Outcome.Stored)
            {
                slot.Offered?.Release();
            }

            slot.Offered = null;
            if (state != State.Abandoned)
            {
                Keep(ref slot, answer);
            }

            continues = left == 1 && state == State.Waiting;
            state = continues ? State.Complete : state;
            Volatile.Write(ref left, left - 1);
        }

        if (continues)
        {
            core.SetResult(true);
        }
    }

    /// <summary>Completes when all answers have come; await it once, then call <see cref="EndWait"/>.</summary>
    /// <exception cref="OperationCanceledException">The caller does not wait any longer; this must not be used again.</exception>
    public ValueTask WaitAsync(CancellationToken cancellation)
    {
        lock (gate)
        {
            if (left == 0)
            {
                return ValueTask.CompletedTask;
            }

            state = State.Waiting;
        }

        registration = cancellation.UnsafeRegister(static (replies, cancellation) => ((Replies)replies!).Cancel(cancellation), this);
        return new ValueTask(this, core.Version);
    }

    public void EndWait()
    {
        registration.Dispose();
        registration = default;
    }

    /// <summary>Nobody will take these: what has come is let go now, what comes later when it comes.</summary>
    public void Abandon()
    {
        lock (gate)
        {
            state = State.Abandoned;
        }

        Release();
    }

    /// <summary>The caller has what it wants; used again where it can be.</summary>
    public void Return()
    {
        Release();
        Keys.Clear();
        Array.Clear(slots);
        prefix = [];
        core.Reset();
        if (slots.Length == 1)
        {
            idle = this;
        }
    }

    /// <summary>Hands over one reply, with its reference to a large value.</summary>
    public Reply Take(int index)
    {
        var reply = slots[index];
        slots[index].Large = null;
        return reply;
    }

    void IValueTaskSource.GetResult(short token) => core.GetResult(token);

    ValueTaskSourceStatus IValueTaskSource.GetStatus(short token) => core.GetStatus(token);

    void IValueTaskSource.OnCompleted(Action<object?> continuation, object? state, short token, ValueTaskSourceOnCompletedFlags flags) => core.OnCompleted(continuation, state, token, flags);

    private void Cancel(CancellationToken cancellation)
    {
        lock (gate)
        {
            if (state != State.Waiting)
            {
                return;
            }

            state = State.Abandoned;
        }

        Release();
        core.SetException(new OperationCanceledException(cancellation));
    }

    private void Release()
    {
        for (var i = 0; i < slots.Length; i++)
        {
            slots[i].Large?.Release();
            slots[i].Large = null;
        }
    }

    private void Keep(ref Reply slot, in Answer answer)
    {
        slot.Outcome = answer.Outcome;
        slot.Number = answer.Number;
        slot.Statistics = answer.Statistics;
        if (answer.Entry.IsEmpty)
        {
            return;
        }

        slot.Version = answer.Entry.Version;
        slot.Kind = answer.Entry.Kind;
        if (want is not (Want.Value or Want.Entry))
        {
            return;
        }

        slot.Large = answer.Entry.Large;
        slot.Large?.AddReference();
        slot.Value = slot.Large is null ? answer.Entry.Value.ToArray() : null;
        slot.Entry = want == Want.Entry ? CacheEntry.Of(answer.Entry) : null;
    }
}
