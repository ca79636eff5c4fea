using Levee.Learning;

namespace Levee.Operations;

/// <summary>How an operation ended. Numbers are part of the wire between front doors and partitions: append only.</summary>
public enum Outcome : byte
{
    /// <summary>No answer yet.</summary>
    None = 0,

    /// <summary>The entry is in <see cref="Answer.Entry"/>.</summary>
    Hit = 1,

    /// <summary>The key has no entry.</summary>
    Miss = 2,

    /// <summary>Written; <see cref="Answer.Entry"/> is the entry as it now stands.</summary>
    Stored = 3,

    /// <summary>Removed.</summary>
    Removed = 4,

    /// <summary>The condition did not hold and nothing changed; <see cref="Answer.Entry"/> is the present entry, or empty where there is none.</summary>
    ConditionFailed = 5,

    /// <summary>Refused: key, value and metadata need more than <see cref="Answer.Number"/> bytes. Nothing changed.</summary>
    TooLarge = 6,

    /// <summary>Refused: no memory could be freed in time. Nothing changed.</summary>
    OutOfMemory = 7,

    /// <summary>Refused: the entry is of another kind than the operation needs.</summary>
    WrongKind = 8,

    /// <summary>Refused: the value is not a number of the kind that is to be added to.</summary>
    NotANumber = 9,

    /// <summary>Refused: the sum cannot be represented.</summary>
    Overflow = 10,

    /// <summary>A lower tier had to be asked and did not answer; whether the key has an entry is not known.</summary>
    Unavailable = 11,

    /// <summary>One entry of a scan, in <see cref="Answer.Entry"/>; more answers follow.</summary>
    Item = 12,

    /// <summary>A partition-wide operation is done.</summary>
    Done = 13,

    /// <summary>Refused: key, tags or content type are longer than <see cref="Limits"/> allow. Nothing changed.</summary>
    BadKey = 14,
}

/// <summary>What a partition says to one operation. Valid during <see cref="IAnswerSink.Answer"/> only: it looks into the partition's own memory.</summary>
public readonly ref struct Answer
{
    /// <summary>An answer without an entry.</summary>
    public Answer(Outcome outcome, long number = 0)
    {
        Outcome = outcome;
        Number = number;
    }

    /// <summary>An answer that shows an entry.</summary>
    public Answer(Outcome outcome, EntryView entry, long number = 0)
    {
        Outcome = outcome;
        Entry = entry;
        Number = number;
    }

    /// <summary>An answer that carries counters.</summary>
    public Answer(PartitionStatistics statistics)
    {
        Outcome = Outcome.Done;
        Statistics = statistics;
    }

    /// <summary>An answer that explains.</summary>
    public Answer(EntryExplanation explanation)
    {
        Outcome = Outcome.Done;
        Explanation = explanation;
    }

    /// <summary>How the operation ended.</summary>
    public Outcome Outcome { get; }

    /// <summary>The entry, where the outcome speaks of one; else empty.</summary>
    public EntryView Entry { get; }

    /// <summary>A sum, a length, a limit, a count or a position, as <see cref="OperationKind"/> and <see cref="Outcome"/> say.</summary>
    public long Number { get; }

    /// <summary>Of the answer to a get: whether it found the entry in memory and how, as a prefetcher is to be told.</summary>
    public AccessKind Access { get; init; }

    /// <summary>Counters, for <see cref="OperationKind.Statistics"/>.</summary>
    public PartitionStatistics? Statistics { get; }

    /// <summary>Where the entry lies, for <see cref="OperationKind.Explain"/>.</summary>
    public EntryExplanation? Explanation { get; }
}

/// <summary>
/// Takes answers. Called during <see cref="ICacheHost.Submit"/>, or later from any thread for what was pending, always while the partition is held:
/// an implementation copies what it needs and returns; it neither blocks nor calls the host.
/// </summary>
public interface IAnswerSink
{
    /// <summary>Takes the answer to the operation that was submitted under <paramref name="ticket"/>.</summary>
    void Answer(long ticket, in Answer answer);
}

/// <summary>Takes the answers to operations that are submitted together, as long as it has room.</summary>
public interface IBatchSink : IAnswerSink
{
    /// <summary>Whether there is room for the answer to another operation, whatever it is.</summary>
    bool HasRoom { get; }
}
