namespace Levee.Hosting;

/// <summary>What a partition is in a host.</summary>
public enum PartitionState
{
    /// <summary>It serves.</summary>
    Open,

    /// <summary>It serves, and its contents are still coming.</summary>
    Arriving,

    /// <summary>It refuses operations and waits for its loads, to be frozen.</summary>
    Freezing,

    /// <summary>It is a copy for another host to read.</summary>
    Frozen,
}

/// <summary>A partition that is in a host.</summary>
/// <param name="Number">Its number.</param>
/// <param name="Epoch">The epoch of the owner for whom it was opened; of a frozen copy, of the owner for whom it was frozen.</param>
/// <param name="State">What it is.</param>
/// <param name="Entries">Entries in memory.</param>
/// <param name="HeldBytes">Memory that it holds, in bytes.</param>
public sealed record OpenPartition(int Number, long Epoch, PartitionState State, long Entries, long HeldBytes);

/// <summary>How the contents of a partition came, or still come.</summary>
public sealed record ArrivalReport
{
    /// <summary>The partition.</summary>
    public int Partition { get; init; }

    /// <summary>The epoch of the owner for whom it was opened.</summary>
    public long Epoch { get; init; }

    /// <summary>Whether it is over.</summary>
    public bool IsOver { get; init; }

    /// <summary>Entries that the frozen copy held, as its header says; some may have been dead.</summary>
    public long Entries { get; init; }

    /// <summary>Entries that were taken in, key by key or by chunk.</summary>
    public long Received { get; init; }

    /// <summary>Entries that came and were written over, removed, expired or invalidated before.</summary>
    public long Superseded { get; init; }

    /// <summary>Entries that were not taken for want of memory, the coldest, or were given up with the copy.</summary>
    public long Lost { get; init; }

    /// <summary>Ghosts that were taken in.</summary>
    public long Ghosts { get; init; }

    /// <summary>Bytes that came.</summary>
    public long Bytes { get; init; }

    /// <summary>Chunks that were asked for again.</summary>
    public long Retries { get; init; }

    /// <summary>From its opening until it was over, or until now.</summary>
    public TimeSpan Time { get; init; }

    /// <summary>The longest time that the partition was held for a slice.</summary>
    public TimeSpan LongestSlice { get; init; }

    /// <summary>How many slices held the partition for more than a millisecond: of work, or because the thread was not running.</summary>
    public long LongSlices { get; init; }

    /// <summary>Why it ended before all had come; empty where all came.</summary>
    public string Problem { get; init; } = "";
}
