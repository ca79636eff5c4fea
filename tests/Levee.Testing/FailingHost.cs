using Levee.Memory;
using Levee.Operations;

namespace Levee.Testing;

/// <summary>
/// A cache some of whose operations are not carried out and are answered Unavailable, as those of a partition whose silo is gone.
/// It tells what it is asked, and lets a test act in between.
/// </summary>
public sealed class FailingHost(ICacheHost inner) : ICacheHost
{
    public const string Reason = "its silo is gone";

    /// <summary>The kinds of what has been asked, in order.</summary>
    public List<OperationKind> Asked { get; } = [];

    /// <summary>
    /// Whether the operation with this number, from 0 on since <see cref="Asked"/> was cleared, on this partition fails; the partition is
    /// that of operations that name one.
    /// </summary>
    public Func<int, OperationKind, int, bool> Fails { get; set; } = static (_, _, _) => false;

    /// <summary>Runs before each operation that does not fail.</summary>
    public Action<int, OperationKind>? Before { get; set; }

    public string Name => inner.Name;

    public int PartitionCount => inner.PartitionCount;

    public int TierCount => inner.TierCount;

    public LargeValueStore LargeValues => inner.LargeValues;

    public bool IsCommitted => inner.IsCommitted;

    public IPrefetchControl? Prefetching => inner.Prefetching;

    public ValueTask CommitAsync() => inner.CommitAsync();

    public string? DescribeFailure(int partition) => Reason;

    public void Submit(in Operation operation, IAnswerSink sink, long ticket)
    {
        var number = Asked.Count;
        Asked.Add(operation.Kind);
        if (Fails(number, operation.Kind, operation.Partition))
        {
            sink.Answer(ticket, new Answer(Outcome.Unavailable));
            return;
        }

        Before?.Invoke(number, operation.Kind);
        inner.Submit(operation, sink, ticket);
    }

    public void Flush(IAnswerSink sink) => inner.Flush(sink);
}
