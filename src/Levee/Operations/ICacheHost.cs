using Levee.Memory;

namespace Levee.Operations;

/// <summary>
/// The engine's one face to front doors: a named cache whose partitions are reached by submitting operations.
/// Whether a partition is behind a lock or is a grain does not show.
/// </summary>
public interface ICacheHost
{
    /// <summary>The cache's name.</summary>
    string Name { get; }

    /// <summary>How many partitions there are: a power of two, fixed for the cache's life.</summary>
    int PartitionCount { get; }

    /// <summary>Where values above <see cref="Limits.MaxInlineBytes"/> are put together before they are submitted.</summary>
    LargeValueStore LargeValues { get; }

    /// <summary>
    /// Sends an operation on its way. What can be answered at once is answered before this returns; the rest is answered later under its ticket.
    /// Operations of one caller on one key take effect in the order in which they were submitted.
    /// </summary>
    void Submit(in Operation operation, IAnswerSink sink, long ticket);

    /// <summary>Ends a batch: a host that groups operations sends what <paramref name="sink"/> has submitted. Never waits.</summary>
    void Flush(IAnswerSink sink);
}
