using System.Diagnostics.CodeAnalysis;
using Levee.Operations;

namespace Levee.Learning;

/// <summary>Why a queued key was not loaded.</summary>
public enum PrefetchDrop
{
    /// <summary>The queue was full, and what was in it came before.</summary>
    Full,

    /// <summary>Its place was needed for a hint of a higher priority.</summary>
    Displaced,

    /// <summary>It was waiting already.</summary>
    Duplicate,

    /// <summary>It waited so long that it came too late for whoever it was meant for.</summary>
    Stale,

    /// <summary>Predictions were given up: nobody predicts any more.</summary>
    Cleared,
}

/// <summary>A key that waits to be brought into memory.</summary>
/// <param name="Key">The key; empty where only its hash is known.</param>
/// <param name="Hash">The key's routing hash (<see cref="Keys.KeyHash"/>).</param>
/// <param name="Priority">0 to <see cref="PrefetchQueue.HighestPriority"/> of a hint; <see cref="PrefetchQueue.Predicted"/> of a prediction.</param>
/// <param name="QueuedAt">When it came, in the unit of the queue's time.</param>
/// <param name="Id">The prediction's <see cref="Prediction.Id"/>; 0 of a hint.</param>
public readonly record struct PrefetchItem(ReadOnlyMemory<byte> Key, ulong Hash, int Priority, long QueuedAt, ulong Id)
{
    /// <summary>Whether it is a hint, and not a prediction.</summary>
    public bool IsHint => Priority >= 0;
}

/// <summary>
/// What is to be brought into memory ahead of its use: hints, which somebody gave, by priority, then predictions; each in the order in which they came. Bounded: a hint takes the place of a prediction or of a hint of lower
/// priority, the latest first. Each hash is in it once. It also knows how many loads are under way, and gives out no more than its cap. Pure: it has no clock; one caller at a time.
/// </summary>
[SuppressMessage("Naming", "CA1711", Justification = "It is one, of its own kind.")]
public sealed class PrefetchQueue
{
    /// <summary>The priority of a hint that is loaded before all others.</summary>
    public const int HighestPriority = IPrefetchControl.HighestPriority;

    /// <summary>The priority of a hint that does not say any.</summary>
    public const int DefaultPriority = 5;

    /// <summary>Stands for the priority of predictions, below that of all hints.</summary>
    public const int Predicted = -1;

    /// <summary>How many keys wait at the most, where nothing else is said.</summary>
    public const int DefaultCapacity = 4096;

    private readonly LinkedList<PrefetchItem>[] lanes = new LinkedList<PrefetchItem>[HighestPriority + 2];
    private readonly Dictionary<ulong, LinkedListNode<PrefetchItem>> places = [];
    private readonly long[] drops = new long[Enum.GetValues<PrefetchDrop>().Length];

    /// <param name="capacity">How many keys wait at the most, from 1 on.</param>
    /// <param name="maxConcurrency">How many loads are under way at the most, from 1 on.</param>
    /// <param name="maxAge">What has waited longer than this when its turn comes is dropped, in the unit of time; hints never are.</param>
    public PrefetchQueue(int capacity = DefaultCapacity, int maxConcurrency = 32, long maxAge = long.MaxValue)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(capacity, 1);
        ArgumentOutOfRangeException.ThrowIfLessThan(maxConcurrency, 1);
        ArgumentOutOfRangeException.ThrowIfLessThan(maxAge, 1);
        Capacity = capacity;
        MaxConcurrency = maxConcurrency;
        MaxAge = maxAge;
        for (var i = 0; i < lanes.Length; i++)
        {
            lanes[i] = new LinkedList<PrefetchItem>();
        }
    }

    /// <summary>How many keys wait at the most.</summary>
    public int Capacity { get; }

    /// <summary>How many loads are under way at the most.</summary>
    public int MaxConcurrency { get; }

    /// <summary>How long a prediction may wait.</summary>
    public long MaxAge { get; }

    /// <summary>Keys that wait.</summary>
    public int Count => places.Count;

    /// <summary>Hints among them.</summary>
    public int Hints => Count - lanes[0].Count;

    /// <summary>Loads under way.</summary>
    public int Running { get; private set; }

    /// <summary>Whether another load may begin, and there is one.</summary>
    public bool IsReady => Count > 0 && Running < MaxConcurrency;

    /// <summary>How many keys were not loaded, for a reason.</summary>
    public long Dropped(PrefetchDrop reason) => drops[(int)reason];

    /// <summary>Puts a key in its place.</summary>
    /// <param name="item">The key. A hint's takes the place of a prediction of the same hash, or of a hint of lower priority.</param>
    /// <param name="displaced">What had to leave for it, if anything, or the item itself where it was not taken; its owner is to be told.</param>
    /// <param name="reason">Why that left.</param>
    /// <returns>Whether something left, or the item was not taken.</returns>
    public bool Add(in PrefetchItem item, out PrefetchItem displaced, out PrefetchDrop reason)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(item.Priority, Predicted, nameof(item));
        ArgumentOutOfRangeException.ThrowIfGreaterThan(item.Priority, HighestPriority, nameof(item));
        displaced = default;
        reason = default;
        var isDisplaced = false;
        if (places.TryGetValue(item.Hash, out var present))
        {
            reason = PrefetchDrop.Duplicate;
            drops[(int)reason]++;
            if (present.Value.Priority >= item.Priority)
            {
                displaced = item;
                return true;
            }

            displaced = present.Value;
            isDisplaced = true;
            Remove(present);
        }
        else if (Count >= Capacity)
        {
            var last = Last();
            var isTaken = last.Value.Priority < item.Priority;
            reason = isTaken ? PrefetchDrop.Displaced : PrefetchDrop.Full;
            drops[(int)reason]++;
            displaced = isTaken ? last.Value : item;
            if (!isTaken)
            {
                return true;
            }

            isDisplaced = true;
            Remove(last);
        }

        places.Add(item.Hash, lanes[item.Priority + 1].AddLast(item));
        return isDisplaced;
    }

    /// <summary>Takes the next key whose load may begin; <see cref="Ended"/> says that it has ended.</summary>
    /// <param name="now">The time.</param>
    /// <param name="item">The key, or a prediction that has become stale, whose owner is to be told.</param>
    /// <param name="isStale">Whether it is to be dropped, and not loaded.</param>
    /// <returns>Whether there is any.</returns>
    public bool TryTake(long now, out PrefetchItem item, out bool isStale)
    {
        item = default;
        isStale = false;
        if (!IsReady)
        {
            return false;
        }

        for (var lane = lanes.Length - 1; lane >= 0; lane--)
        {
            if (lanes[lane].First is { } first)
            {
                item = first.Value;
                Remove(first);
                isStale = !item.IsHint && now - item.QueuedAt > MaxAge;
                drops[(int)PrefetchDrop.Stale] += isStale ? 1 : 0;
                Running += isStale ? 0 : 1;
                return true;
            }
        }

        return false;
    }

    /// <summary>A load that was taken has ended.</summary>
    public void Ended() => Running--;

    /// <summary>Takes predictions out, the latest first.</summary>
    /// <returns>Whether there was any.</returns>
    public bool TryClear(out PrefetchItem item)
    {
        item = default;
        if (lanes[0].Last is not { } last)
        {
            return false;
        }

        item = last.Value;
        Remove(last);
        drops[(int)PrefetchDrop.Cleared]++;
        return true;
    }

    /// <summary>The keys that wait, in the order in which they will be taken.</summary>
    /// <param name="count">How many of them at the most.</param>
    public IReadOnlyList<PrefetchItem> First(int count) => [.. lanes.Reverse().SelectMany(static lane => lane).Take(count)];

    /// <summary>Recounts everything and throws where it does not agree. For tests.</summary>
    internal void CheckInvariants()
    {
        Invariant.Holds(Count <= Capacity, "the queue is bounded");
        Invariant.Holds(Running >= 0 && Running <= MaxConcurrency, "only so many loads are under way");
        Invariant.Holds(lanes.Sum(static lane => lane.Count) == Count, "every key is in one lane");
        for (var i = 0; i < lanes.Length; i++)
        {
            for (var place = lanes[i].First; place is not null; place = place.Next)
            {
                Invariant.Holds(place.Value.Priority == i - 1, "a key is in the lane of its priority");
                Invariant.Holds(places[place.Value.Hash] == place, "a hash names its place");
            }
        }
    }

    private LinkedListNode<PrefetchItem> Last()
    {
        for (var lane = 0; ; lane++)
        {
            if (lanes[lane].Last is { } last)
            {
                return last;
            }
        }
    }

    private void Remove(LinkedListNode<PrefetchItem> place)
    {
        places.Remove(place.Value.Hash);
        place.List!.Remove(place);
    }
}
