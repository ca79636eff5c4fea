namespace Levee.Hosting;

/// <summary>What a stop did with what a cache had in memory, so far or in the end.</summary>
public sealed record TakeDownReport
{
    /// <summary>The cache.</summary>
    public required string Cache { get; init; }

    /// <summary>Entries that lay in memory when it began.</summary>
    public long Entries { get; init; }

    /// <summary>Their keys and values, in bytes.</summary>
    public long Bytes { get; init; }

    /// <summary>Entries that the first tier was given, or had already.</summary>
    public long Taken { get; init; }

    /// <summary>Bytes of all that left memory.</summary>
    public long TakenBytes { get; init; }

    /// <summary>Entries that are still in memory: the time was over, or the tier took nothing any more.</summary>
    public long Left { get; init; }

    /// <summary>Entries that the first tier was given since and could not keep.</summary>
    public long Dropped { get; init; }

    /// <summary>Why not all went down; empty where all did.</summary>
    public string Problem { get; init; } = "";

    /// <summary>How long it took, or has taken.</summary>
    public TimeSpan Time { get; init; }

    /// <summary>Entries that the next start will not find.</summary>
    public long Lost => Left + Dropped;
}
