using Levee.Partitions;

namespace Levee.Tiers;

/// <summary>A load to be carried out for a partition.</summary>
internal readonly record struct AheadLoad(IEffectHost Host, int Partition, Effect Effect);

/// <summary>
/// Loads that nobody waits for: they begin in their order, only so many at a time, fewer while loads are under way that somebody waits for. One that somebody comes to wait for leaves the queue. Safe for threads.
/// </summary>
internal sealed class AheadLoads
{
    /// <summary>Half of what a guarded store lets through at a time.</summary>
    public const int DefaultRunning = 16;

    /// <summary>Who asks for more than this is told that it was dropped.</summary>
    private const int MostWaiting = 4096;

    private const int MostEarly = 1024;

    private readonly Lock gate = new();
    private readonly LinkedList<AheadLoad> queue = [];
    private readonly Dictionary<(int Partition, long Ticket), LinkedListNode<AheadLoad>> places = [];
    private readonly HashSet<(int Partition, long Ticket)> begun = [];
    private readonly HashSet<(int Partition, long Ticket)> early = [];
    private volatile int waiting;
    private int demands;
    private bool isClosed;

    /// <param name="maxRunning">Most at a time, from 1 on.</param>
    public AheadLoads(int maxRunning)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(maxRunning, 1);
        MaxRunning = maxRunning;
    }

    /// <summary>Most at a time.</summary>
    public int MaxRunning { get; }

    /// <summary>How many have not begun.</summary>
    public int Waiting => waiting;

    /// <summary>Puts a load at the end of the queue.</summary>
    /// <param name="load">The load.</param>
    /// <param name="isWanted">Whether somebody waits for it already: then it is not put there.</param>
    /// <returns>False where the queue is full or closed.</returns>
    public bool TryAdd(AheadLoad load, out bool isWanted)
    {
        lock (gate)
        {
            isWanted = early.Remove((load.Partition, load.Effect.Ticket));
            if (isWanted)
            {
                return true;
            }

            if (isClosed || queue.Count >= MostWaiting)
            {
                return false;
            }

            places.Add((load.Partition, load.Effect.Ticket), queue.AddLast(load));
            waiting = queue.Count;
            return true;
        }
    }

    /// <summary>Takes the next load that may begin now; <see cref="End"/> says that it has ended.</summary>
    public bool TryStart(out AheadLoad load)
    {
        load = default;
        if (waiting == 0)
        {
            return false;
        }

        lock (gate)
        {
            if (queue.First is not { } first || begun.Count >= Math.Max(1, MaxRunning - Volatile.Read(ref demands)))
            {
                return false;
            }

            load = first.Value;
            Remove(first);
            begun.Add((load.Partition, load.Effect.Ticket));
            return true;
        }
    }

    /// <summary>A load that was started has ended.</summary>
    public void End(AheadLoad load)
    {
        lock (gate)
        {
            begun.Remove((load.Partition, load.Effect.Ticket));
        }
    }

    /// <summary>Takes a load out that somebody has come to wait for, where it has not begun. Two threads may bring the load and the word of who waits in any order.</summary>
    public bool TryRaise(int partition, long ticket, out AheadLoad load)
    {
        if (TryTake(partition, ticket, out load))
        {
            return true;
        }

        lock (gate)
        {
            if (!begun.Contains((partition, ticket)) && !isClosed)
            {
                if (early.Count >= MostEarly)
                {
                    early.Clear(); // Mostly loads that had ended.
                }

                early.Add((partition, ticket));
            }
        }

        return false;
    }

    /// <summary>Takes a load out that has not begun.</summary>
    public bool TryTake(int partition, long ticket, out AheadLoad load)
    {
        load = default;
        if (waiting == 0)
        {
            return false;
        }

        lock (gate)
        {
            if (!places.TryGetValue((partition, ticket), out var place))
            {
                return false;
            }

            load = place.Value;
            Remove(place);
            return true;
        }
    }

    /// <summary>A load begins that somebody waits for.</summary>
    public void BeginDemand() => Interlocked.Increment(ref demands);

    /// <summary>A load has ended that somebody waited for.</summary>
    /// <returns>Whether others wait for their turn.</returns>
    public bool EndDemand()
    {
        Interlocked.Decrement(ref demands);
        return waiting > 0;
    }

    /// <summary>Takes no more.</summary>
    /// <returns>The loads that have not begun.</returns>
    public AheadLoad[] Close()
    {
        lock (gate)
        {
            isClosed = true;
            AheadLoad[] left = [.. queue];
            queue.Clear();
            places.Clear();
            waiting = 0;
            return left;
        }
    }

    private void Remove(LinkedListNode<AheadLoad> place)
    {
        queue.Remove(place);
        places.Remove((place.Value.Partition, place.Value.Effect.Ticket));
        waiting = queue.Count;
    }
}
