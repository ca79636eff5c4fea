namespace Levee.Hosting;

/// <summary>What a host can say of a partition when a later owner has it stopped. Numbers are part of the wire format.</summary>
public enum FreezeOutcome
{
    /// <summary>The host cannot say yet: the owner asks again, and opens nothing before it knows.</summary>
    CannotSay = 0,

    /// <summary>The host holds a frozen copy. It executes nothing on the partition any more.</summary>
    Frozen = 1,

    /// <summary>The host has nothing of the partition, and opens it for no earlier epoch any more.</summary>
    NotHere = 2,

    /// <summary>The host knows of a later epoch: the claim that asks is over.</summary>
    Refused = 3,
}

/// <summary>A host's answer to an owner that has a partition stopped. See docs/decisions/0014-three-answers.md.</summary>
public sealed record FreezeAnswer
{
    /// <summary>Which answer it is.</summary>
    public required FreezeOutcome Outcome { get; init; }

    /// <summary>
    /// The latest epoch for which the partition was opened in this host: that of the frozen contents, where there are any. 0: it was never
    /// opened here.
    /// </summary>
    public long OpenedEpoch { get; init; }

    /// <summary>The latest epoch that this host knows of, whoever claimed it.</summary>
    public long KnownEpoch { get; init; }

    /// <summary>The header of the frozen copy; null where there is none.</summary>
    public byte[]? Header { get; init; }

    /// <summary>The epoch for which the copy was frozen: it is read by that.</summary>
    public long CopyEpoch { get; init; }

    /// <summary>
    /// Whether the partition served under a valid lease until it was frozen for the owner that asks: then nobody has opened it since.
    /// </summary>
    public bool IsCurrent { get; init; }

    /// <summary>Why the host cannot say, for people; else empty.</summary>
    public string Reason { get; init; } = "";
}
