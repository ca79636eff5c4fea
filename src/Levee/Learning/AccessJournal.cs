namespace Levee.Learning;

/// <summary>
/// The prefetcher's side of the front doors' streams: counts what came, what was lost and what came too late, and hands the rest on. For one thread.
/// A batch that came too late, or twice, is not handed on: what a prefetcher learns is the order.
/// </summary>
public sealed class AccessJournal
{
    /// <summary>How many front doors are known at the most. Beyond, the one that was silent longest is forgotten.</summary>
    public const int MaxFrontDoors = 1024;

    private readonly Dictionary<ulong, LinkedListNode<Door>> doors = [];
    private readonly LinkedList<Door> silentFirst = [];
    private readonly IPrefetcher? prefetcher;

    /// <param name="prefetcher">Who learns; null: nobody, it is only counted.</param>
    public AccessJournal(IPrefetcher? prefetcher = null) => this.prefetcher = prefetcher;

    /// <summary>What each front door sent, in no order.</summary>
    public IReadOnlyList<AccessCounts> Counts => [.. silentFirst.Select(static door => door.Counts)];

    /// <summary>Takes a packed <see cref="AccessBatch"/>.</summary>
    /// <param name="packed">The batch.</param>
    /// <param name="now">The time, as <see cref="IPrefetcher.Observe"/> has it.</param>
    /// <param name="isPrompt">Whether the accesses were made just now.</param>
    /// <exception cref="FormatException">It is damaged; nothing was counted.</exception>
    public void Take(ReadOnlySpan<byte> packed, long now = 0, bool isPrompt = false)
    {
        var batch = new AccessBatchReader(packed);
        var door = DoorOf(batch.FrontDoor, batch.Sequence);
        var counts = door.Counts with { Received = door.Counts.Received + batch.Count };
        if (batch.Sequence < door.Next)
        {
            door.Counts = counts with { OutOfOrder = counts.OutOfOrder + batch.Count };
            return;
        }

        door.Counts = counts with { Lost = counts.Lost + batch.Sequence - door.Next };
        door.Next = batch.Sequence + batch.Count;
        prefetcher?.Observe(batch, now, isPrompt);
    }

    /// <summary>What was sent before a front door's first batch arrives here is not lost: there was nobody to send it to.</summary>
    private Door DoorOf(ulong number, long sequence)
    {
        if (doors.TryGetValue(number, out var node))
        {
            silentFirst.Remove(node);
            silentFirst.AddLast(node);
            return node.Value;
        }

        if (doors.Count == MaxFrontDoors)
        {
            doors.Remove(silentFirst.First!.Value.Counts.FrontDoor);
            silentFirst.RemoveFirst();
        }

        var door = new Door { Counts = new AccessCounts(number, 0, 0, 0), Next = sequence };
        doors.Add(number, silentFirst.AddLast(door));
        return door;
    }

    private sealed class Door
    {
        public required AccessCounts Counts { get; set; }

        /// <summary>The sequence number that comes next.</summary>
        public required long Next { get; set; }
    }
}
