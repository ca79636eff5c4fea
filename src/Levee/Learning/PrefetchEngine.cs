using Levee.Operations;

namespace Levee.Learning;

/// <summary>Tells by id what is in memory.</summary>
internal interface IResidentIds
{
    /// <summary>Whether the entry of an id is in memory.</summary>
    bool IsResident(ulong id);
}

/// <summary>
/// Adaptive prefetching: learns from would-be misses what will be missed next. Two predictors, <see cref="ArithmeticStreams"/> and <see cref="MissLog"/>; a <see cref="ConfidenceGate"/> that lets through what was worth it lately, and a
/// <see cref="ShadowSet"/> in which the rest is tested without a load; a <see cref="PrefetchControl"/> that bounds waste and harm. It knows keys as ids (<see cref="KeyIds"/>).
/// <para>
/// What became of its predictions it finds out itself, from the misses that follow: what was used, what was asked for too early, and what was not used within its time, or before the prefetch area was full. The area itself is the
/// partitions'; here is its image, of the whole cache.
/// </para>
/// <para>No call allocates, but for a capacity that changes much. The same calls give the same predictions.</para>
/// </summary>
internal sealed class PrefetchEngine
{
    private const int LeastLogLead = 8;
    private const int GivenUpLatencies = 16;
    private const int ListLength = 384;

    // Of the log: with it and all else there are less than 40 bytes per entry.
    private const double MissesPerEntry = 2.9;

    private readonly IResidentIds? residents;
    private readonly bool isHalfLog;
    private readonly ArithmeticStreams streams = new();
    private readonly ConfidenceGate gate = new();
    private readonly PredictionList found = new(ListLength);
    private readonly PrefetchControl control;
    private MissLog log;
    private ShadowSet shadow;
    private IssuedSet issued;
    private long reaction;
    private long time;
    private long issuedCount;
    private long usedCount;
    private long lateCount;
    private long wastedCount;
    private long failedCount;
    private long droppedCount;

    /// <param name="capacity">Entries in memory, at least 1.</param>
    /// <param name="isHalfLog">Whether the log takes half of its memory.</param>
    /// <param name="residents">Tells what is in memory; null: guessed from the log.</param>
    public PrefetchEngine(int capacity, bool isHalfLog, IResidentIds? residents)
    {
        this.residents = residents;
        this.isHalfLog = isHalfLog;
        Capacity = capacity;
        control = new PrefetchControl(capacity);
        log = new MissLog(LogLength(capacity, isHalfLog));
        shadow = new ShadowSet(ShadowCapacity(capacity));
        issued = new IssuedSet(IssuedCapacity(capacity));
        gate.Threshold = control.Threshold;
    }

    /// <summary>Entries in memory.</summary>
    public int Capacity { get; private set; }

    /// <summary>How many entries the prefetch area may have.</summary>
    public int Area => control.Area;

    /// <summary>The memory that it holds, in bytes.</summary>
    public long MemoryBytes =>
        log.MemoryBytes + shadow.MemoryBytes + issued.MemoryBytes + ArithmeticStreams.MemoryBytes + ConfidenceGate.MemoryBytes + (ListLength * 9);

    /// <summary>What it knows and did.</summary>
    public PrefetchStatistics Statistics => new()
    {
        Buckets = gate.Statistics(),
        WouldBeMisses = control.Misses,
        Issued = issuedCount,
        Used = usedCount,
        Late = lateCount,
        Wasted = wastedCount,
        Failed = failedCount,
        Dropped = droppedCount,
        Threshold = control.Threshold,
        Lead = control.Lead,
        Area = control.Area,
        WasteRate = control.WasteRate,
        Pollution = control.Pollution,
        MemoryBytes = MemoryBytes,
    };

    /// <summary>Changes the capacity. What has been learnt stays as far as there is room; memory is allocated only where the capacity has changed by a quarter or more since it was.</summary>
    public void SetCapacity(int capacity)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(capacity, 1);
        Capacity = capacity;
        control.SetCapacity(capacity);
        var length = LogLength(capacity, isHalfLog);
        if (Math.Abs(length - log.Length) < log.Length / 4)
        {
            return;
        }

        var longer = new MissLog(length);
        longer.CopyFrom(log);
        log = longer;
        shadow = new ShadowSet(ShadowCapacity(capacity));
        issued = new IssuedSet(IssuedCapacity(capacity));
    }

    /// <summary>Accesses follow that are learnt together, before any of what they predict is asked for.</summary>
    /// <param name="together">How many would-be misses there are; 0: the time tells when they were made.</param>
    /// <param name="reactionTime">How long it takes from an access until a load can begin.</param>
    public void Begin(int together, long reactionTime)
    {
        reaction = reactionTime;
        control.Together(together);
    }

    /// <summary>Learns from an access.</summary>
    /// <param name="id">What was accessed.</param>
    /// <param name="isNumber">Whether the id is a number that may be a member of a progression.</param>
    /// <param name="kind">What became of it.</param>
    /// <param name="now">The time, which never falls.</param>
    public void Access(ulong id, bool isNumber, AccessKind kind, long now)
    {
        if (Capacity < Prefetcher.LeastCapacity)
        {
            return;
        }

        time = now;
        var isHit = kind == AccessKind.Hit;
        if (!isHit)
        {
            GiveUpOld();
            Settle(id, kind, now);
            control.Miss(kind == AccessKind.PollutedMiss, now);
            gate.Threshold = control.Threshold;
        }

        found.Clear();
        if (isNumber)
        {
            streams.Access(id, isHit, control.Lead, control.Horizon, found);
        }

        var fromStreams = found.Count;
        if (!isHit)
        {
            log.Access(id, Math.Min(control.Lead, Math.Max(LeastLogLead, control.Horizon / 2)), found);
        }

        for (var i = 0; i < found.Count; i++)
        {
            var (next, bucket) = found[i];
            Predict(next, i < fromStreams ? bucket : bucket + ArithmeticStreams.Buckets, now);
        }
    }

    /// <summary>Takes the oldest prediction that nobody has taken.</summary>
    public bool TryTake(out ulong id, out int bucket)
    {
        var node = issued.Oldest(IssuedState.Queued);
        if (node == IssuedSet.None)
        {
            id = 0;
            bucket = 0;
            return false;
        }

        id = issued.IdOf(node);
        bucket = issued.BucketOf(node);
        issued.Move(node, IssuedState.Loading, (uint)time);
        return true;
    }

    /// <summary>Whether a prediction was taken and has neither ended nor been asked for.</summary>
    public bool IsLoading(ulong id) => issued.Find(id) is var node && node != IssuedSet.None && issued.StateOf(node) == IssuedState.Loading;

    /// <summary>Says what became of a prediction that was taken.</summary>
    public void Ended(ulong id, PrefetchOutcome outcome, long latency)
    {
        if (outcome == PrefetchOutcome.Promoted)
        {
            control.Loaded(Math.Max(0, latency) + reaction);
        }

        var node = issued.Find(id);
        if (node == IssuedSet.None || issued.StateOf(node) != IssuedState.Loading)
        {
            return;
        }

        switch (outcome)
        {
            case PrefetchOutcome.Promoted:
                gate.Loaded(issued.BucketOf(node), isAbsent: false);
                Land(node);
                break;
            case PrefetchOutcome.Absent:
                gate.Loaded(issued.BucketOf(node), isAbsent: true);
                Waste(node);
                break;
            default:
                failedCount += outcome == PrefetchOutcome.Failed ? 1 : 0;
                droppedCount += outcome == PrefetchOutcome.Dropped ? 1 : 0;
                issuedCount--;
                gate.TakeBack(issued.BucketOf(node));
                issued.Remove(node);
                break;
        }
    }

    private static int LogLength(int capacity, bool isHalf) => (int)Math.Clamp(capacity * (isHalf ? MissesPerEntry / 2 : MissesPerEntry), 64, MissLog.MostLength);

    private static int ShadowCapacity(int capacity) => Math.Max(256, PrefetchControl.MostAreaOf(capacity));

    // The area, and what has not landed yet.
    private static int IssuedCapacity(int capacity) => PrefetchControl.MostAreaOf(capacity) + Math.Clamp(capacity / 16, 64, 1024);

    private uint Now => (uint)control.Misses;

    /// <summary>What has been in the area too long has left it.</summary>
    private void GiveUpOld()
    {
        while (issued.Oldest(IssuedState.Landed) is var node && node != IssuedSet.None && Now - issued.TimeOf(node) > control.TimeToLive)
        {
            Waste(node);
        }
    }

    /// <summary>An access shows what a prediction was worth.</summary>
    private void Settle(ulong id, AccessKind kind, long now)
    {
        var node = issued.Find(id);
        if (node != IssuedSet.None)
        {
            Settle(node, kind);
        }
        else if (kind == AccessKind.Late)
        {
            lateCount++;
        }

        if (shadow.TryTake(id, now, out var bucket, out var age) && age > control.Latency)
        {
            gate.Passed(bucket);
        }
    }

    private void Settle(int node, AccessKind kind)
    {
        var bucket = issued.BucketOf(node);
        if (kind == AccessKind.PrefetchHit)
        {
            gate.Used(bucket);
            control.Used();
            usedCount++;
        }
        else if (issued.StateOf(node) == IssuedState.Landed)
        {
            Waste(node);
            return;
        }
        else
        {
            gate.Late(bucket);
            lateCount++;
            if (issued.StateOf(node) == IssuedState.Loading)
            {
                control.StillLoading((uint)time - issued.TimeOf(node));
            }
        }

        issued.Remove(node);
    }

    private void Predict(ulong id, int bucket, long now)
    {
        var isOpen = gate.IsOpen(bucket);
        if (!isOpen && !gate.IsTestDue(bucket))
        {
            return;
        }

        if (issued.Find(id) != IssuedSet.None || (!isOpen && shadow.Contains(id)) || IsResident(id))
        {
            return;
        }

        if (!isOpen)
        {
            shadow.Add(id, bucket, now);
            gate.Tested(bucket);
        }
        else if (issued.TryAdd(id, bucket, Now))
        {
            issuedCount++;
            gate.Issued(bucket);
        }
        else
        {
            MakeRoom();
            droppedCount++;
        }
    }

    private bool IsResident(ulong id) => residents is not null ? residents.IsResident(id) : log.IsLikelyResident(id);

    private void Land(int node)
    {
        while (issued.Count(IssuedState.Landed) >= control.Area)
        {
            Waste(issued.Oldest(IssuedState.Landed));
        }

        issued.Move(node, IssuedState.Landed, Now);
    }

    private void Waste(int node)
    {
        gate.Wasted(issued.BucketOf(node));
        control.Wasted();
        wastedCount++;
        issued.Remove(node);
    }

    /// <summary>A load of whose end nobody has told for many times as long as loads take is given up: its teller is gone.</summary>
    private void MakeRoom()
    {
        var node = issued.Oldest(IssuedState.Loading);
        if (node != IssuedSet.None && (uint)time - issued.TimeOf(node) > GivenUpLatencies * control.Latency)
        {
            failedCount++;
            issued.Remove(node);
        }
    }
}
