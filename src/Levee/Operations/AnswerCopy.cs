using Levee.Memory;

namespace Levee.Operations;

/// <summary>An answer that outlives the call which brought it: the record copied, one reference taken to a large value. Dispose it once.</summary>
public sealed class AnswerCopy : IDisposable
{
    private readonly byte[] record;
    private readonly LargeValue? large;
    private readonly Outcome outcome;
    private readonly long number;
    private readonly PartitionStatistics? statistics;
    private readonly EntryExplanation? explanation;

    /// <summary>Copies an answer.</summary>
    public AnswerCopy(scoped in Answer answer)
    {
        outcome = answer.Outcome;
        number = answer.Number;
        statistics = answer.Statistics;
        explanation = answer.Explanation;
        record = answer.Entry.IsEmpty ? [] : answer.Entry.CopyRecord();
        large = answer.Entry.Large;
        large?.AddReference();
    }

    /// <summary>How the operation ended.</summary>
    public Outcome Outcome => outcome;

    /// <summary>The answer; its entry looks into this copy.</summary>
    public Answer Answer =>
        statistics is not null ? new Answer(statistics)
        : explanation is not null ? new Answer(explanation)
        : record.Length == 0 ? new Answer(outcome, number)
        : new Answer(outcome, new EntryView(record, large), number);

    /// <summary>Drops the reference to a large value.</summary>
    public void Dispose() => large?.Release();
}
