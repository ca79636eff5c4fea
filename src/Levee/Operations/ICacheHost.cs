using Levee.Learning;
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

    /// <summary>
    /// Says which keys operations are about to be submitted on. A host whose partitions lie in this process' memory fetches what a lookup will touch, for all keys at once:
    /// the lookups that follow then do not each wait for memory three times in a row. Changes nothing else, and may do nothing.
    /// </summary>
    /// <param name="input">Where the keys lie.</param>
    /// <param name="keys">The keys; the host fills in <see cref="KeyHint.IndexHint"/>, which the operations on the same host may carry.</param>
    void Approach(ReadOnlySpan<byte> input, Span<KeyHint> keys)
    {
    }

    /// <summary>
    /// How many lower tiers there are. A <see cref="OperationKind.Scan"/> or <see cref="OperationKind.Statistics"/> for partition <see cref="PartitionCount"/> + n is for tier n:
    /// a scan visits what the tier holds, which may be visited in a partition too; the statistics' <see cref="PartitionStatistics.Entries"/> count what lies in no partition.
    /// </summary>
    int TierCount => 0;

    /// <summary>The cache's prefetcher; null where there is none.</summary>
    IPrefetchControl? Prefetching => null;

    /// <summary>Whether all answers that were given so far may be acknowledged. Where not, none that came since the last commit may leave the process before <see cref="CommitAsync"/> completes.</summary>
    bool IsCommitted => true;

    /// <summary>Completes when all answers that were given before the call may be acknowledged.</summary>
    /// <exception cref="IOException">They must not be: what was written may be lost.</exception>
    ValueTask CommitAsync() => ValueTask.CompletedTask;

    /// <summary>What is known of why a partition's last operation failed, for the text of an error: for example which machine did not answer in time. Null: nothing.</summary>
    string? DescribeFailure(int partition) => null;

    /// <summary>
    /// Submits gets that go together, as many from the first on as are of its partition and as the sink has room for. A host whose partitions lie in this process' memory holds a partition once for all of them.
    /// </summary>
    /// <param name="input">Where the keys lie.</param>
    /// <param name="keys">The keys, at least one; the host may note in <see cref="KeyHint.Access"/> what became of each.</param>
    /// <param name="sink">Takes the answers; it has room for the first.</param>
    /// <param name="ticket">What the sink knows the first by; the next has the next number.</param>
    /// <returns>How many were submitted, at least one.</returns>
    int SubmitGets(ReadOnlySpan<byte> input, Span<KeyHint> keys, IBatchSink sink, long ticket)
    {
        Submit(keys[0].ToGet(input), sink, ticket);
        return 1;
    }

    /// <summary>Ends a batch: a host that groups operations sends what <paramref name="sink"/> has submitted. Never waits.</summary>
    void Flush(IAnswerSink sink);
}

/// <summary>A key that an operation will soon be submitted on.</summary>
public struct KeyHint
{
    /// <summary>The key's first byte in the input.</summary>
    public int Start { get; init; }

    /// <summary>The key's length in bytes.</summary>
    public int Length { get; init; }

    /// <summary>The key's routing hash.</summary>
    public ulong Hash { get; init; }

    /// <summary>What the host knows of the key's place, for <see cref="Operation.IndexHint"/> on the same host; 0: nothing.</summary>
    public ulong IndexHint { get; set; }

    /// <summary>Whether a get found its entry in memory and how, as a prefetcher is to be told.</summary>
    public AccessKind Access { get; set; }

    internal int Node { get; set; }

    /// <summary>A get of this key.</summary>
    /// <param name="input">Where the key lies.</param>
    public readonly Operation ToGet(ReadOnlySpan<byte> input) => new() { Kind = OperationKind.Get, Key = input.Slice(Start, Length), Hash = Hash, IndexHint = IndexHint };
}
