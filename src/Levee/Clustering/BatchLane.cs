using Levee.Memory;
using Levee.Operations;

namespace Levee.Clustering;

/// <summary>An operation on its way, packed. The bytes lie in an array that nobody changes: a piece of what was submitted lately, or the request in which it was sent before.</summary>
internal struct RoutedOperation
{
    public IAnswerSink Sink;
    public long Ticket;
    public byte[] Buffer;
    public int Start;
    public int Length;

    /// <summary>The caller's large value: its reference is the caller's until the operation is stored.</summary>
    public LargeValue? Large;

    /// <summary>When to stop looking for its partition, in milliseconds of the router's clock; 0: it was not missed yet.</summary>
    public long DeadlineMs;

    /// <summary>Calls that failed with it.</summary>
    public int Failures;

    public readonly ReadOnlySpan<byte> Packed => Buffer.AsSpan(Start, Length);

    public readonly OperationKind Kind => PackedOperation.Kind(Packed);

    /// <summary>Whether carrying it out twice changes nothing.</summary>
    public readonly bool IsRead => Kind is OperationKind.Get or OperationKind.Peek or OperationKind.Explain or OperationKind.Prefetch
        or OperationKind.Lease or OperationKind.Scan or OperationKind.Statistics;
}

/// <summary>The operations of one partition, in order. At most one batch with some of them is under way. Guarded by the router's lock.</summary>
internal sealed class BatchLane(int number)
{
    private RoutedOperation[] ring = new RoutedOperation[4];
    private List<(long Batch, long UntilMs)>? voided;
    private int head;

    public int Number => number;

    /// <summary>Operations that wait.</summary>
    public int Count { get; private set; }

    /// <summary>Whether it waits for nothing, for its turn, for a batch to return, or for time to pass.</summary>
    public LaneState State { get; set; }

    /// <summary>Whether its operations go by the sure way.</summary>
    public bool ViaFallback { get; set; }

    /// <summary>How often in a row its partition was not there.</summary>
    public int Absences { get; set; }

    /// <summary>Whether its partition was not there for the batch that returns now.</summary>
    public bool IsAbsent { get; set; }

    /// <summary>Whether some of it is to be sent again by the sure way.</summary>
    public bool IsRetrying { get; set; }

    /// <summary>Why its partition does not answer; null where it does.</summary>
    public string? LastFailure { get; private set; }

    /// <summary>Ends a pause.</summary>
    public ITimer? Timer { get; set; }

    /// <summary>
    /// Notes why its partition does not answer. What only says that it does not, such as a time-out, does not hide a cause that is known.
    /// </summary>
    public void NoteFailure(string text, bool isVague) => LastFailure = isVague ? LastFailure ?? text : text;

    /// <summary>Its partition has answered.</summary>
    public void ForgetFailure() => LastFailure = null;

    public ref RoutedOperation First => ref ring[head];

    public void PushBack(in RoutedOperation operation)
    {
        EnsureRoom();
        ring[(head + Count++) & (ring.Length - 1)] = operation;
    }

    public void PushFront(in RoutedOperation operation)
    {
        EnsureRoom();
        head = (head - 1) & (ring.Length - 1);
        ring[head] = operation;
        Count++;
    }

    public RoutedOperation Pop()
    {
        var first = ring[head];
        ring[head] = default;
        head = (head + 1) & (ring.Length - 1);
        Count--;
        return first;
    }

    /// <summary>Remembers a batch that may still arrive somewhere, and must not run then.</summary>
    public void Void(long batch, long untilMs) => (voided ??= []).Add((batch, untilMs));

    /// <summary>The batches that must not run any more.</summary>
    public IReadOnlyList<(long Batch, long UntilMs)> Voided(long now)
    {
        if (voided is null)
        {
            return [];
        }

        voided.RemoveAll(one => one.UntilMs <= now);
        if (voided.Count > BatchLimits.MaxVoided)
        {
            voided.RemoveRange(0, voided.Count - BatchLimits.MaxVoided);
        }

        return voided;
    }

    private void EnsureRoom()
    {
        if (Count < ring.Length)
        {
            return;
        }

        var larger = new RoutedOperation[2 * ring.Length];
        for (var i = 0; i < Count; i++)
        {
            larger[i] = ring[(head + i) & (ring.Length - 1)];
        }

        ring = larger;
        head = 0;
    }
}

/// <summary>What a lane waits for.</summary>
internal enum LaneState : byte
{
    /// <summary>For operations.</summary>
    Idle,

    /// <summary>For its turn to be sent.</summary>
    Ready,

    /// <summary>For a batch to return.</summary>
    UnderWay,

    /// <summary>For time to pass, before its partition is looked for again.</summary>
    Paused,
}

/// <summary>A target, and what waits for it. Guarded by the router's lock.</summary>
internal sealed class TargetQueue(IBatchTarget target)
{
    public IBatchTarget Target => target;

    /// <summary>Lanes that wait for their turn, those whose next operation brings a large value apart.</summary>
    public Queue<BatchLane> Lanes { get; } = new();

    public Queue<BatchLane> LargeLanes { get; } = new();

    /// <summary>Batches under way, those with a large value apart.</summary>
    public int InFlight { get; set; }

    public int LargeInFlight { get; set; }

    public bool IsIdle => InFlight + LargeInFlight + Lanes.Count + LargeLanes.Count == 0;
}

/// <summary>A batch under way.</summary>
internal sealed class BatchFlight
{
    private static readonly byte[] NoRequest = [];

    public TargetQueue Queue { get; set; } = null!;

    public long Batch { get; set; }

    public byte[] Request { get; set; } = NoRequest;

    public List<FlightOperation> Operations { get; } = [];

    public List<BatchLane> Lanes { get; } = [];

    public bool IsLarge { get; set; }

    /// <summary>Who keeps what the reply left pending or named; null: nobody needs to know yet.</summary>
    public IBatchTarget? Keeper { get; set; }

    /// <summary>Whether the thread that sent it is still in the call that did.</summary>
    public volatile bool IsInline;

    /// <summary>Operations that the target took on and has not answered.</summary>
    public int Pending { get; set; }

    public byte[] Scratch = [];

    public void Clear()
    {
        Request = NoRequest;
        Operations.Clear();
        Lanes.Clear();
        Keeper = null;
        Pending = 0;
    }
}

/// <summary>An operation in a batch under way.</summary>
internal struct FlightOperation
{
    public RoutedOperation Operation;
    public BatchLane Lane;
    public FlightState State;

    /// <summary>Whether its partition has answered it.</summary>
    public bool IsAnswered;

    /// <summary>Whether a part of its answer has been given.</summary>
    public bool HasItems;

    /// <summary>Its answers from the first that shows a large value on, in order.</summary>
    public BatchRouter.LargeAnswers? LargeAnswers;
}

/// <summary>What became of an operation in a batch.</summary>
internal enum FlightState : byte
{
    /// <summary>Not answered.</summary>
    Open,

    /// <summary>Answered.</summary>
    Done,

    /// <summary>Its partition is not there.</summary>
    NotHere,

    /// <summary>It is sent again.</summary>
    Again,
}
